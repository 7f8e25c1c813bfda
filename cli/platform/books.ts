/** The books of a core: its shards, each opened once, and the office of reconciliation and day close over them. */
import type { Crypto } from "../../core/crypto/port.ts";
import type { OperatorPorts } from "../../core/http/operator-routes.ts";
import { fromHex, toHex } from "../../core/protocol/bytes.ts";
import type { Clock, EventMs } from "../../core/protocol/time.ts";
import { createInstitutionStatements } from "../../core/settlement/day/institution-statements.ts";
import type { RailName } from "../../core/settlement/plan.ts";
import type { StatementRail } from "../../core/settlement/rails/port.ts";
import { IS_OPEN } from "../../core/settlement/reconcile/cases.ts";
import { type Office, openOffice } from "../../core/settlement/reconcile/office.ts";
import type { FindEntry } from "../../core/settlement/reconcile/entries.ts";
import { performOperation } from "../../core/settlement/reconcile/operations.ts";
import type { Shard } from "../../core/settlement/shard.ts";
import type { InstitutionStatements } from "../../core/settlement/statement-port.ts";
import { type Database, openDatabase, type StorageObserver } from "../../migrations/database.ts";
import { startForwarder } from "../../streams/bus/outbox.ts";
import { partitionOf } from "../../streams/bus/partition.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import { type Layout, type PlatformFile, writePrivate } from "./layout.ts";
import { readIfThere } from "./files.ts";

export interface BooksOptions {
  readonly layout: Layout;
  readonly platform: PlatformFile;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly bus: EventBus;
  readonly storage?: StorageObserver | undefined;
}

export interface AllShards {
  readonly all: ReadonlyMap<number, Shard>;
  /** Gives a shard to the worker, which then closes it. */
  take(partition: number): Shard;
  /** Closes what nobody took. */
  closeOthers(): Promise<void>;
}

/** A core owns every shard of its platform: days are closed over all of them, whatever the bus assigns. */
export async function openAllShards(partitions: number, open: (partition: number) => Promise<Shard>): Promise<AllShards> {
  const all = new Map<number, Shard>();
  try {
    for (let partition = 0; partition < partitions; partition++) all.set(partition, await open(partition));
  } catch (error) {
    for (const shard of all.values()) await shard.close();
    throw error;
  }
  const taken = new Set<number>();
  return {
    all,
    take(partition) {
      const shard = all.get(partition);
      if (shard === undefined) throw new RangeError(`the platform has no shard ${partition}`);
      taken.add(partition);
      return shard;
    },
    async closeOthers() {
      for (const [partition, shard] of all) if (!taken.has(partition)) await shard.close();
    },
  };
}

export interface RunningBooks {
  readonly office: Office;
  readonly operator: OperatorPorts;
  /** What institutions read of their own money. */
  readonly statements: InstitutionStatements;
  /** Cases by state. */
  openCases(): Promise<ReadonlyMap<string, number>>;
  /** Resolves when everything that a reconciliation announced is on the bus. */
  drained(): Promise<void>;
  close(): Promise<void>;
}

export async function openBooks(
  options: BooksOptions,
  shards: ReadonlyMap<number, Shard>,
  payers: Partial<Readonly<Record<RailName, StatementRail>>>,
): Promise<RunningBooks> {
  const { layout, platform, crypto, clock, bus } = options;
  const told = { event: nobodyListens };
  const office = await openOffice({
    file: layout.core.books,
    storage: options.storage,
    folder: layout.core.folder,
    shards: new Map([...shards].map(([partition, shard]) => [partition, shard.books])),
    shardOf: (institution) => partitionOf(institution, platform.partitions),
    payers,
    crypto,
    clock,
    find: findEntry(layout, shards),
    foundedAtMs: platform.createdAtMs as EventMs,
    onEvent: () => told.event(),
  });
  const forwarder = startForwarder({ db: office.db, bus, clock });
  const readers = new Map<number, Database>();
  for (const shard of shards.keys())
    readers.set(shard, await openDatabase({ kind: "shard", file: layout.core.shard(shard), readOnly: true }));
  const shardOf = (institution: string): Database => {
    const db = readers.get(partitionOf(institution, platform.partitions));
    if (db === undefined) throw new RangeError("an institution without a shard");
    return db;
  };
  told.event = () => forwarder.notify();
  return {
    office,
    operator: { key: await operatorKey(layout, crypto), perform: (request) => performOperation(office, request) },
    statements: createInstitutionStatements({ shardOf, clock }),
    async openCases() {
      const rows = await office.db.read(`SELECT state, count(*) AS cases FROM reconciliation_case WHERE ${IS_OPEN} GROUP BY state`);
      return new Map(rows.map((row) => [String(row["state"]), Number(row["cases"])]));
    },
    drained: () => forwarder.drained(),
    async close() {
      await office.reconciler.idle();
      await forwarder.stop();
      await office.close();
      for (const db of readers.values()) await db.close();
    },
  };
}

/** Before the forwarder runs; it looks by itself when it starts. */
function nobodyListens(): void {
  return undefined;
}

/** Looks into a shard's file beside its writer; asked only for what a process left behind that ended in between. */
function findEntry(layout: Layout, shards: ReadonlyMap<number, Shard>): FindEntry {
  return async function find(shard, kind, subject) {
    const db = await openDatabase({ kind: "shard", file: layout.core.shard(shard), readOnly: true });
    try {
      const [row] = await db.read("SELECT idx FROM leaf WHERE subject=? AND kind=? ORDER BY idx LIMIT 1", subject, kind);
      const origin = shards.get(shard)?.log.origin;
      return row === undefined || origin === undefined ? undefined : { origin, index: BigInt(String(row["idx"])) };
    } finally {
      await db.close();
    }
  };
}

/** Made when there is none; readable by the owner of the folder alone. */
async function operatorKey(layout: Layout, crypto: Crypto): Promise<Uint8Array> {
  const known = await readOperatorKey(layout);
  if (known !== undefined) return known;
  const key = crypto.random(32);
  await writePrivate(layout.core.operatorKey, `${toHex(key)}\n`);
  return key;
}

export async function readOperatorKey(layout: Layout): Promise<Uint8Array | undefined> {
  const key = fromHex(((await readIfThere(layout.core.operatorKey)) ?? "").trim());
  return key?.length === 32 ? key : undefined;
}
