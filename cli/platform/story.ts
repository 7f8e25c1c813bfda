/** The story of one settlement, read from a data folder beside whoever owns it: states, legs, transfers, entries, proofs. */
import type { Crypto } from "../../core/crypto/port.ts";
import { settlementId } from "../../core/protocol/settlement-id.ts";
import { numberOf, textOf, textOrNull } from "../../core/rows.ts";
import type { Posting } from "../../core/settlement/books.ts";
import { dayOf } from "../../core/settlement/day/accounting-day.ts";
import type { Leg } from "../../core/settlement/plan.ts";
import { railKey } from "../../core/settlement/rails/port.ts";
import { Store } from "../../core/settlement/reconcile/store.ts";
import { openStore } from "../../core/settlement/store.ts";
import type { Settlement } from "../../core/settlement/settlement.ts";
import { openLog } from "../../ledger/log.ts";
import type { Log } from "../../ledger/port.ts";
import { decodeLeaf } from "../../ledger/verifier/leaf.ts";
import { asPolicy, type Trust } from "../../ledger/verifier/note.ts";
import { verifyReceiptText } from "../../ledger/verify-files.ts";
import { type Database, openDatabase, type Row } from "../../migrations/database.ts";
import { partitionOf } from "../../streams/bus/partition.ts";
import { shardOrigin } from "./core.ts";
import { type Layout, readPlatform } from "./layout.ts";
import { readTrustedKeys } from "./verify.ts";
import { isThere } from "./files.ts";

export interface Story {
  readonly settlement: Settlement;
  readonly origin: string;
  readonly entries: readonly StoryEntry[];
  readonly transfers: readonly StoryTransfer[];
  readonly reconciliation: readonly StoryMovement[];
  /** Of a settlement: what was given back of it. */
  readonly refunds: readonly Story[];
}
export interface StoryEntry {
  readonly index: bigint;
  readonly kind: string;
  readonly outcome: string;
  readonly actor: string;
  readonly atMs: number;
  readonly facts: Readonly<Record<string, string>>;
  /** `verified`: leaf, position, inclusion and signature under a trusted key; `uncovered`: no checkpoint yet. */
  readonly proof: "verified" | "uncovered" | "invalid";
}
export interface StoryTransfer {
  readonly rail: string;
  readonly fundSource: string;
  readonly stage: string;
  readonly debit: string;
  readonly credit: string;
  readonly amountFen: bigint;
  readonly railReference: string | undefined;
  readonly day: string;
  readonly late: boolean;
  readonly ledgerIndex: bigint;
}
/** A movement at a payer, and what reconciliation knows of it. */
export interface StoryMovement {
  readonly rail: string;
  readonly key: string;
  readonly day: string;
  /** `notYet`: the day is not reconciled with this payer. */
  readonly status: "matched" | "notYet" | "waiting" | "met" | "case" | "healed";
  readonly runId: string | undefined;
  readonly caseId: string | undefined;
}

/** `undefined`: no shard has it. `name` is a settlement id, or `<institution>/<outTradeNo>`. */
export async function readStory(layout: Layout, crypto: Crypto, name: string): Promise<Story | undefined> {
  const platform = readPlatform(layout);
  const [institution = "", ...rest] = name.split("/");
  const isId = /^rs[0-9a-f]{32}$/.test(name);
  const id = isId ? name : settlementId(crypto, institution, rest.join("/"));
  const shards = isId ? Array.from({ length: platform.partitions }, (_, n) => n) : [partitionOf(institution, platform.partitions)];
  const trustedKeys = await readTrustedKeys(crypto, layout.policy);
  const books = isThere(layout.core.books) ? await openDatabase({ kind: "books", file: layout.core.books, readOnly: true }) : undefined;
  try {
    for (const shard of shards) {
      const file = layout.core.shard(shard);
      if (!isThere(file)) continue;
      const db = await openDatabase({ kind: "shard", file, readOnly: true });
      try {
        const origin = shardOrigin(platform, shard);
        const story = await new Teller(db, books, crypto, trustedKeys, origin).tell(id);
        if (story !== undefined) return story;
      } finally {
        await db.close();
      }
    }
    return undefined;
  } finally {
    await books?.close();
  }
}

class Teller {
  readonly #db: Database;
  readonly #books: Database | undefined;
  readonly #crypto: Crypto;
  readonly #trustedKeys: Trust;
  readonly #origin: string;
  #log: Log | undefined;

  constructor(db: Database, books: Database | undefined, crypto: Crypto, trustedKeys: Trust, origin: string) {
    this.#db = db;
    this.#books = books;
    this.#crypto = crypto;
    this.#trustedKeys = trustedKeys;
    this.#origin = origin;
  }

  async tell(id: string): Promise<Story | undefined> {
    const settlement = (await openStore(this.#db).byId([id])).get(id);
    if (settlement === undefined) return undefined;
    const transfers = (await this.#db.read("SELECT * FROM transfer WHERE group_id=? ORDER BY rowid", id)).map(transferOf);
    const back = await this.#db.read("SELECT id FROM settlement WHERE parent_id=? ORDER BY recorded_at_ms, id", id);
    const refunds: Story[] = [];
    for (const row of back) {
      const refund = await this.tell(textOf(row, "id"));
      if (refund !== undefined) refunds.push(refund);
    }
    return {
      settlement,
      origin: this.#origin,
      entries: await this.#entries(id),
      transfers,
      reconciliation: await this.#movements(settlement, transfers),
      refunds,
    };
  }

  async #entries(subject: string): Promise<readonly StoryEntry[]> {
    const entries: StoryEntry[] = [];
    for (const row of await this.#db.read("SELECT idx, bytes FROM leaf WHERE subject=? ORDER BY idx", subject)) {
      const index = BigInt(String(row["idx"]));
      const bytes = row["bytes"];
      const leaf = bytes instanceof ArrayBuffer ? decodeLeaf(new Uint8Array(bytes)) : undefined;
      if (leaf === undefined || !leaf.ok) {
        entries.push({ index, kind: "?", outcome: "?", actor: "?", atMs: 0, facts: {}, proof: "invalid" });
        continue;
      }
      const { kind, outcome, actor, postedMs, facts } = leaf.value;
      const told = Object.fromEntries((facts ?? []).map((fact) => [fact.name, fact.value]));
      entries.push({ index, kind, outcome, actor, atMs: Number(postedMs), facts: told, proof: await this.#proof(index) });
    }
    return entries;
  }

  /** The receipt that the hospital could be given now, verified as an auditor would. */
  async #proof(index: bigint): Promise<StoryEntry["proof"]> {
    try {
      this.#log ??= await this.#openLog();
      if ((this.#log.latestCheckpoint()?.size ?? 0n) <= index) return "uncovered";
      const receipt = await this.#log.receipt(index);
      return verifyReceiptText(receipt, { crypto: this.#crypto, trustedKeys: this.#trustedKeys }).ok ? "verified" : "invalid";
    } catch {
      return "invalid";
    }
  }

  /** For reading proofs only. */
  async #openLog(): Promise<Log> {
    const [key] = asPolicy(this.#trustedKeys).logs;
    if (key === undefined) throw new Error("no trusted key");
    const signer = { keyName: this.#origin, publicKey: key.publicKey, sign: never };
    return await openLog({ db: this.#db, origin: this.#origin, crypto: this.#crypto, random: never, signer });
  }

  async #movements(settlement: Settlement, transfers: readonly StoryTransfer[]): Promise<readonly StoryMovement[]> {
    const keys = new Map<string, { readonly rail: string; readonly day: string }>();
    for (const { stage, rail, day } of transfers) {
      const action =
        stage === "reversed" ? "reverse" : stage === "posted" ? (settlement.action === "refund" ? "refund" : "capture") : undefined;
      if (action !== undefined) keys.set(railKey(settlement.id, rail as Leg["rail"], action), { rail, day });
    }
    for (const { rail, action } of settlement.missing)
      if (action !== "authorise")
        keys.set(railKey(settlement.id, rail, action === "void" ? "capture" : action), { rail, day: dayOf(settlement.stepAtMs) });
    const movements: StoryMovement[] = [];
    for (const [key, { rail, day }] of keys)
      movements.push({ rail, key, day, ...(await this.#statusOf(key, rail as Posting["rail"], day)) });
    return movements;
  }

  async #statusOf(key: string, rail: Posting["rail"], day: string): Promise<Pick<StoryMovement, "status" | "runId" | "caseId">> {
    if (this.#books === undefined) return { status: "notYet", runId: undefined, caseId: undefined };
    const store = new Store(this.#books);
    const [difference] = await store.cases("key=? AND rail=?", key, rail);
    if (difference !== undefined) return { status: "case", runId: difference.runId, caseId: difference.id };
    const rows = await store.unmatchedBy("key", rail, [key]);
    const [proof] = await this.#db.read("SELECT run_id FROM evidence WHERE key=? AND taken=1", key);
    if (proof !== undefined) return { status: "healed", runId: textOf(proof, "run_id"), caseId: undefined };
    const known = rows.find((row) => row.state === "waiting" || row.state === "met");
    if (known !== undefined) return { status: known.state === "met" ? "met" : "waiting", runId: known.runId, caseId: undefined };
    const [run] = await this.#books.read(
      "SELECT id FROM run WHERE rail=? AND day=? AND state='finished' ORDER BY started_at_ms DESC LIMIT 1",
      rail,
      day,
    );
    return run === undefined
      ? { status: "notYet", runId: undefined, caseId: undefined }
      : { status: "matched", runId: textOf(run, "id"), caseId: undefined };
  }
}

/** A reader signs nothing, and needs no salts. */
function never(): never {
  throw new Error("a reader signs nothing");
}

function transferOf(row: Row): StoryTransfer {
  return {
    rail: textOf(row, "rail"),
    fundSource: textOf(row, "fund_source"),
    stage: textOf(row, "stage"),
    debit: textOf(row, "debit"),
    credit: textOf(row, "credit"),
    amountFen: BigInt(String(row["amount"])),
    railReference: textOrNull(row, "rail_reference"),
    day: String(numberOf(row, "day")),
    late: numberOf(row, "late") !== 0,
    ledgerIndex: BigInt(String(row["ledger_index"])),
  };
}
