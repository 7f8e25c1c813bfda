/** Erasure on a platform's own files: by the running core, or by a command that owns the folder while none runs. */
import * as v from "valibot";
import { type Eraser, type EraserOptions, openEraser } from "../../core/erasure/eraser.ts";
import { ERASURE_REFUSALS, erasureOrder } from "../../core/erasure/order.ts";
import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import { ledgerPersons } from "../../core/ledger-persons.ts";
import type { CoreServices } from "../../core/services.ts";
import { placeholders } from "../../core/rows.ts";
import type { OperationReply } from "../../core/settlement/reconcile/operations.ts";
import type { Shard } from "../../core/settlement/shard.ts";
import { openDatabase, type StorageObserver } from "../../migrations/database.ts";
import { scrubDatabase } from "../../migrations/scrub.ts";
import { partitionOf } from "../../streams/bus/partition.ts";
import type { Layout, PlatformFile } from "./layout.ts";
import { isThere } from "./files.ts";

export const ERASE = "person.erase";

export async function openPlatformEraser(...parts: Parameters<typeof eraserOptions>): Promise<Eraser> {
  return openEraser(await eraserOptions(...parts));
}

export interface EraserParts {
  readonly layout: Layout;
  readonly platform: PlatformFile;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly storage?: StorageObserver | undefined;
}

export async function eraserOptions(
  { layout, platform, crypto, keys, storage }: EraserParts,
  { registry }: Pick<CoreServices, "registry">,
  shards: ReadonlyMap<number, Shard>,
): Promise<EraserOptions> {
  return {
    registry,
    shards,
    shardOf: (institution) => partitionOf(institution, platform.partitions),
    committed: await ledgerPersons(crypto, keys),
    async reading(shard, use) {
      const db = await openDatabase({ kind: "shard", file: layout.core.shard(shard), readOnly: true });
      try {
        return await use(db);
      } finally {
        await db.close();
      }
    },
    async forgetMedia(settlementIds) {
      if (settlementIds.length === 0 || !isThere(layout.core.rails)) return;
      const db = await openDatabase({ kind: "rails", file: layout.core.rails, storage });
      try {
        for (let from = 0; from < settlementIds.length; from += IDS_PER_WRITE) {
          const ids = settlementIds.slice(from, from + IDS_PER_WRITE);
          await db.write([{ sql: `UPDATE nhsa_leg SET medium=NULL WHERE settlement_id IN ${placeholders(ids)}`, args: ids }]);
        }
      } finally {
        await db.close();
      }
    },
    async scrub() {
      const files = [layout.core.database, ...[...shards.keys()].map((shard) => layout.core.shard(shard)), layout.core.rails];
      for (const file of files) if (isThere(file) && !(await scrubDatabase(file))) return false;
      return true;
    },
  };
}

const IDS_PER_WRITE = 1_000;

const request = v.strictObject({ do: v.literal(ERASE), ...erasureOrder.entries });

export function isErasure(asked: unknown): boolean {
  return typeof asked === "object" && asked !== null && "do" in asked && asked.do === ERASE;
}

/** An operator's request to erase, carried out; refusals by name. */
export async function performErasure(eraser: Eraser, asked: unknown): Promise<OperationReply> {
  const read = v.safeParse(request, asked);
  if (!read.success) return { ok: false, code: "badRequest", message: "the order is not well-formed" };
  const { do: _, ...order } = read.output;
  const answer = await eraser.erase(order);
  return answer.ok ? answer : { ok: false, code: answer.error, message: ERASURE_REFUSALS[answer.error] };
}
