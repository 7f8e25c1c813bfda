/**
 * A shard on real parts (libSQL file, log, signatures) with payers inside the process and a clock that moves only when
 * it is told to: ten thousand stories in a minute, the same ones each time.
 */
import type { Crypto } from "../../crypto/port.ts";
import { fromBase64, toBase64, toHex, utf8, utf8Text } from "../../protocol/bytes.ts";
import { ok, refused } from "../../protocol/result.ts";
import type { EventMs } from "../../protocol/time.ts";
import type { AccountBindings } from "../../vault/port.ts";
import type { BusRecord, EventBus } from "../../../streams/bus/port.ts";
import { openLog } from "../../../ledger/log.ts";
import type { Leaf } from "../../../ledger/verifier/leaf.ts";
import { type Database, openDatabase, type Statement } from "../../../migrations/database.ts";
import type { SubmittedEvent } from "../acceptance.ts";
import type { Evidence, ShardBooks } from "../books.ts";
import { addDays, dayEnd, dayOf } from "../day/accounting-day.ts";
import type { RailName } from "../plan.ts";
import { RAIL_ORDER } from "../plan.ts";
import { carryOut, type Patience, type SagaPorts } from "../saga.ts";
import type { Settlement } from "../settlement.ts";
import { type Arrival, openShard, type Shard } from "../shard.ts";
import { openStore } from "../store.ts";
import { compareWithLeaves, readLeaves } from "./compare.ts";
import { InProcessPayer, type PayerOptions } from "./payers.ts";

export const WORLD_ORIGIN = "ronghe.test/settlement-0";
export const WORLD_TOPIC = "settlement.request.submitted.v1";
/** Asked again after 1, 2, 4, 8 s; the fifth time in vain is the last, for a hold and for what moves money. */
export const WORLD_PATIENCE: Patience = { askAgainMinMs: 1_000, askAgainMaxMs: 60_000, asksMax: 5, holdMs: 10_000 };
/** Noon of a working day, UTC+8. */
const START_MS = Date.UTC(2026, 4, 12, 4) as EventMs;

export interface WorldRequest {
  readonly action: "settle" | "refund";
  readonly institution: string;
  readonly outTradeNo: string;
  readonly eventId: string;
  readonly amount?: string;
  readonly credential?: string;
  readonly originalOutTradeNo?: string;
  readonly refundType?: "ALL" | "CASH" | "HI";
  readonly refundAmount?: string;
}

/** At which write the process ends, and whether that one still reaches the disk. */
export interface Death {
  readonly write: number;
  readonly made: boolean;
}

/** The process ends here, as far as the database is concerned. */
export class Killed extends Error {
  override readonly name = "Killed";
}

export interface World {
  readonly payers: Readonly<Record<RailName, InProcessPayer>>;
  readonly people: Map<string, Pick<AccountBindings, "insurance" | "commercial" | "bank">>;
  readonly shard: Shard;
  readonly now: EventMs;
  /** Events the shard told, in order; repeats included. */
  readonly told: readonly BusRecord[];
  submit(requests: readonly WorldRequest[]): void;
  /** Takes in what was submitted and carries it out until nobody is to be asked any more. */
  settle(): Promise<void>;
  /** As {@link settle}, but the process ends at its n-th write, made or not made, and starts again. */
  settleKilled(at: Death): Promise<void>;
  restart(): Promise<void>;
  /** Shows every payer's statement to the shard, for each call without an answer. */
  reconcile(): Promise<number>;
  /** The clock goes to the next morning; `seal` closes the day that ended. */
  nextDay(seal: boolean): Promise<void>;
  /** All of them, by id. */
  settlements(): Promise<ReadonlyMap<string, Settlement>>;
  leaves(): Promise<readonly Leaf[]>;
  /** Where the tables differ from what the leaves say. */
  leavesDiffer(): Promise<readonly string[]>;
  read: Database["read"];
  /** What somebody does who opens the file with a tool of his own. */
  write(sql: string): Promise<void>;
  close(): Promise<void>;
}

export interface WorldOptions extends PayerOptions {
  readonly crypto: Crypto;
  readonly file: string;
  /** Least time between two signed heads; rarely by default, for nobody waits for receipts. */
  readonly signEveryMs?: number;
}

export async function openWorld(options: WorldOptions): Promise<World> {
  const world = new ShardWorld(options);
  await world.restart();
  return world;
}

class ShardWorld implements World {
  readonly payers: World["payers"];
  readonly people: World["people"] = new Map();
  readonly told: BusRecord[] = [];
  readonly #options: WorldOptions;
  readonly #keys: { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array };
  readonly #arrivals: Arrival[] = [];
  #nowMs: EventMs = START_MS;
  #open: { readonly shard: Shard; readonly db: MortalDatabase } | undefined;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#keys = options.crypto.sm2GenerateKeyPair();
    this.payers = {
      insurance: new InProcessPayer("insurance", options),
      commercial: new InProcessPayer("commercial", options),
      bank: new InProcessPayer("bank", options),
    };
  }

  get shard(): Shard {
    return this.#opened.shard;
  }

  get now(): EventMs {
    return this.#nowMs;
  }

  get #opened(): { readonly shard: Shard; readonly db: MortalDatabase } {
    if (this.#open === undefined) throw new Error("the world is closed");
    return this.#open;
  }

  readonly read: Database["read"] = (sql, ...args) => this.#opened.db.read(sql, ...args);

  async write(sql: string): Promise<void> {
    await this.#opened.db.write([{ sql, args: [] }]);
  }

  submit(requests: readonly WorldRequest[]): void {
    for (const request of requests) {
      const offset = BigInt(this.#arrivals.length);
      const recordHash = this.#options.crypto.sm3(utf8(request.eventId));
      this.#arrivals.push({ event: this.#event(request), provenance: { topic: WORLD_TOPIC, partition: 0, offset, recordHash } });
    }
  }

  async settle(): Promise<void> {
    await this.#takeIn();
    for (;;) {
      const due = await this.shard.due(this.#nowMs, 10_000);
      if (due.length > 0) {
        await this.#carryOut(due);
        continue;
      }
      const next = await this.shard.nextDueMs(this.#nowMs);
      if (next === undefined) return;
      this.#nowMs = next;
    }
  }

  async settleKilled(at: Death): Promise<void> {
    this.#opened.db.dieAt(at);
    try {
      await this.settle();
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
    await this.restart();
    await this.settle();
  }

  async restart(): Promise<void> {
    await this.#open?.shard.close();
    const { crypto, file } = this.#options;
    const db = new MortalDatabase(await openDatabase({ kind: "shard", file }));
    const sign = (message: Uint8Array): Promise<Uint8Array> => Promise.resolve(crypto.sm2Sign(this.#keys.privateKey, message));
    const signer = { keyName: WORLD_ORIGIN, publicKey: this.#keys.publicKey, sign };
    const log = await openLog({ db, origin: WORLD_ORIGIN, crypto, random: (length) => crypto.random(length), signer });
    const clock = { now: () => this.#nowMs };
    const shard = await openShard({
      db,
      log,
      bus: this.#bus(),
      crypto,
      clock,
      partition: 0,
      signEveryMs: this.#options.signEveryMs ?? 1_000,
    });
    this.#open = { shard, db };
  }

  async reconcile(): Promise<number> {
    let healed = 0;
    for (const rail of RAIL_ORDER)
      for (const { key } of await this.shard.books.openKeys(rail)) {
        const found = this.payers[rail].statementOf(key);
        const evidence: Evidence = {
          key,
          rail,
          found,
          statementHash: toHex(this.#options.crypto.sm3(utf8(`${key} ${this.#nowMs}`))),
          runId: "run",
        };
        if ((await this.shard.books.heal(evidence, this.#nowMs)) === "healed") healed++;
      }
    await this.settle();
    return healed;
  }

  async nextDay(seal: boolean): Promise<void> {
    const day = dayOf(this.#nowMs);
    this.#nowMs = (dayEnd(day) + 8 * 3_600_000) as EventMs;
    if (!seal) return;
    const [sealed] = (await this.shard.books.seals()).slice(-1);
    // What was left open before is closed on the way.
    const first = sealed === undefined ? await this.#firstDay(day) : addDays(sealed.day, 1);
    for (let next = first; next <= day; next = addDays(next, 1)) {
      const answer: Awaited<ReturnType<ShardBooks["seal"]>> = await this.shard.books.seal(next, this.#nowMs);
      if (typeof answer === "string") throw new Error(`${next} was not sealed: ${answer}`);
    }
  }

  async #firstDay(day: ReturnType<typeof dayOf>): Promise<ReturnType<typeof dayOf>> {
    const [row] = await this.read("SELECT min(day) AS day FROM transfer WHERE stage IN ('posted','reversed')");
    const first = row?.["day"];
    return typeof first === "bigint" ? (String(first) as typeof day) : day;
  }

  async settlements(): Promise<ReadonlyMap<string, Settlement>> {
    const ids = (await this.read("SELECT id FROM settlement")).map((row) => String(row["id"]));
    return await openStore(this.#opened.db).byId(ids);
  }

  leaves(): Promise<readonly Leaf[]> {
    return readLeaves(this.#opened.db);
  }

  leavesDiffer(): Promise<readonly string[]> {
    return compareWithLeaves(this.#opened.db, this.#options.crypto);
  }

  async close(): Promise<void> {
    await this.#open?.shard.close();
    this.#open = undefined;
  }

  async #takeIn(): Promise<void> {
    const from = Number(this.shard.nextOffset(WORLD_TOPIC) ?? 0n);
    const opened = await this.shard.accept(WORLD_TOPIC, this.#arrivals.slice(from));
    await this.#carryOut(opened, "first");
  }

  async #carryOut(settlements: readonly Settlement[], asking: "first" | "again" = "again"): Promise<void> {
    const saga: SagaPorts = {
      rails: this.payers,
      vault: { deTokenise: (request) => Promise.resolve(this.#bindings(request.purpose === "settlement" ? request.credential.value : "")) },
      openCredential: (sealed) => Promise.resolve(ok({ kind: sealed.kind, value: utf8Text(fromBase64(sealed.sealed) ?? utf8("")) ?? "" })),
      clock: { now: () => this.#nowMs },
      patience: WORLD_PATIENCE,
      stopped: () => false,
      advance: (before, transition) => this.shard.advance(before, transition),
    };
    const ends = await Promise.allSettled(settlements.map((one) => carryOut(saga, one, asking)));
    const failed = ends.find((end) => end.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  #bindings(credential: string): ReturnType<typeof ok<AccountBindings>> | ReturnType<typeof refused<"codeUnknown">> {
    const accounts = this.people.get(credential);
    if (accounts === undefined) return refused("codeUnknown");
    const person = toHex(this.#options.crypto.sm3(utf8(credential)));
    const position = { origin: "r", index: 0n, leafHash: new Uint8Array(32) };
    return ok({ ...accounts, person, ecToken: `510104${"A".repeat(32)}`, position });
  }

  #event(request: WorldRequest): SubmittedEvent {
    const { eventId, credential, ...content } = request;
    const requestHash = toHex(this.#options.crypto.sm3(utf8(JSON.stringify({ ...content, credential }))));
    return {
      id: eventId,
      type: WORLD_TOPIC,
      source: "/ronghe/edge/test",
      timeMs: this.#nowMs,
      key: content.institution,
      data: {
        ...content,
        terminal: "T1",
        businessType: "01301",
        requestHash,
        operatorId: "op1",
        acceptedAtMs: this.#nowMs,
        edge: "test",
        ...(credential === undefined
          ? {}
          : { credential: { kind: "code" as const, keyHandle: "edge.seal/1", wrappedKey: "", sealed: toBase64(utf8(credential)) } }),
      },
    };
  }

  /** Takes everything; what is told twice stays visible. */
  #bus(): EventBus {
    return {
      ensureTopics: never,
      consume: never,
      read: never,
      endOffsets: never,
      health: never,
      publish: (records) => {
        for (const record of records) if (record.topic.startsWith("settlement.claim.")) this.told.push(record);
        return Promise.resolve(records.map(() => ({ kind: "ok" as const, partition: 0, offset: 0n })));
      },
      close: () => Promise.resolve(),
    };
  }
}

function never(): never {
  throw new Error("a shard only publishes");
}

/** Lives until a given write; that one is made or not, and nothing is written ever after. */
class MortalDatabase implements Database {
  readonly file: string;
  readonly #db: Database;
  #death: Death = { write: Infinity, made: false };
  #writes = 0;

  constructor(db: Database) {
    this.#db = db;
    this.file = db.file;
  }

  get busyCount(): number {
    return this.#db.busyCount;
  }

  /** Counted from now on. */
  dieAt(death: Death): void {
    this.#writes = 0;
    this.#death = death;
  }

  /** What is not tested here is the loss of power: no write waits for the disk. */
  async write(statements: readonly Statement[]): ReturnType<Database["write"]> {
    this.#writes++;
    const { write, made } = this.#death;
    if (this.#writes < write) return await this.#db.write(statements, "process");
    if (this.#writes === write && made) await this.#db.write(statements, "process");
    throw new Killed("nothing is written any more");
  }

  read(...call: Parameters<Database["read"]>): ReturnType<Database["read"]> {
    return this.#db.read(...call);
  }

  close(): Promise<void> {
    return this.#db.close();
  }
}
