/**
 * The supervision service: counts scans, claims and funds per institution and business day. Offset, figures and the
 * ids of what was counted are one transaction, so a repeated delivery counts once (DESIGN 7).
 */
import type { Crypto } from "../../core/crypto/port.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import type { Clock } from "../../core/protocol/time.ts";
import { type Database, insertRows, type Statement } from "../../migrations/database.ts";
import { GroupCommit } from "../../migrations/queue.ts";
import { DeadLetters } from "../bus/dead-letter.ts";
import { type BusLog, silentLog } from "../bus/log.ts";
import type { BusConsumer, EventBus, Poison, Slice } from "../bus/port.ts";
import type { DeadLetterReason } from "../contracts/dead-letter-reasons.ts";
import { eventKey } from "../contracts/event-key.ts";
import type { AnyEvent } from "../contracts/event.ts";
import { isPoison, readSlice, type Taken } from "../contracts/intake.ts";
import { countsAnew, type Memory, type Place, putOffset, restartGap, sliceCountsAnew } from "../beginning.ts";
import { type Gap, GAP_WORDS, insertGaps, unreadGap } from "../gap.ts";
import { type SupervisionRow, supervisionReport } from "./report.ts";
import { isCountable, isSupervised, SUPERVISED_TOPICS, Tally } from "./tally.ts";

export interface SupervisionOptions {
  readonly bus: EventBus;
  /** Kind `streams`, opened by this process for writing; shared with the fraud service. */
  readonly db: Database;
  readonly crypto: Pick<Crypto, "sm3">;
  /** For the time of a finding. */
  readonly clock: Clock;
  readonly log?: BusLog;
}

export interface SupervisionService {
  /** Leaves the group after the running slices. */
  stop(): Promise<void>;
  /** Resolves when everything on the bus at the time of the call is counted. */
  drained(): Promise<void>;
  /** Rows of a business day `yyyy-MM-dd` (UTC+8), or of all days. */
  report(day?: string): Promise<readonly SupervisionRow[]>;
  /** Rejects when the consumer died for good. */
  readonly crashed: Promise<never>;
}

export const SUPERVISION_GROUP = "supervision";
/** As dead letters name it. */
export const SUPERVISION_CONSUMER = "supervision/1";
const SLICES_PER_COMMIT = 16;
const KEYS_PER_QUERY = 500;
const DRAIN_LOOK_MS = 20;

export async function startSupervision(options: SupervisionOptions): Promise<SupervisionService> {
  const worker = new SupervisionWorker(options);
  await worker.start();
  return worker;
}

/** A slice: its events and, put aside already, what is none. */
interface Work {
  readonly taken: readonly Taken[];
  readonly next: Place;
  readonly gap?: Gap;
}

class SupervisionWorker implements SupervisionService {
  readonly #options: SupervisionOptions;
  readonly #commits: GroupCommit<Work, void>;
  readonly #deadLetters: DeadLetters;
  readonly #offsets = new Map<string, bigint>();
  /** Partitions whose first slice since they were given has been seen. */
  readonly #begun = new Set<string>();
  readonly #memory: Memory;
  #consumer: BusConsumer | undefined;
  #stopped = false;

  constructor(options: SupervisionOptions) {
    this.#options = options;
    this.#memory = async (record, event) =>
      (event !== undefined && (await this.#seen([eventKey(options.crypto, event)])).size > 0) || (await this.#putAside(record));
    this.#commits = new GroupCommit((works) => this.#commit(works), SLICES_PER_COMMIT);
    this.#deadLetters = new DeadLetters(options.bus, { consumer: SUPERVISION_CONSUMER, log: options.log });
  }

  get crashed(): Promise<never> {
    return this.#consumer?.crashed ?? new Promise(() => undefined);
  }

  async start(): Promise<void> {
    const { bus, db } = this.#options;
    const position = async (topic: string, partition: number): Promise<bigint | undefined> => {
      const sql = "SELECT next_offset FROM supervision_offset WHERE topic = ? AND partition = ?";
      const [row] = await db.read(sql, topic, partition);
      const next = { topic, partition, offset: row === undefined ? 0n : BigInt(String(row["next_offset"])) };
      this.#offsets.set(`${topic}/${partition}`, next.offset);
      this.#begun.delete(`${topic}/${partition}`);
      if (await countsAnew(bus, next, this.#memory)) await this.#beginAnew(next, 0n);
      return this.#offsets.get(`${topic}/${partition}`);
    };
    this.#consumer = await bus.consume({ group: SUPERVISION_GROUP, topics: SUPERVISED_TOPICS, position }, (slice) => this.#handle(slice));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#consumer?.stop();
    await this.#commits.idle();
  }

  async drained(): Promise<void> {
    for (const topic of SUPERVISED_TOPICS)
      for (const [partition, end] of (await this.#options.bus.endOffsets(topic)).entries()) await this.#reached(topic, partition, end);
  }

  async report(day?: string): Promise<readonly SupervisionRow[]> {
    return await supervisionReport(this.#options.db, day);
  }

  async #reached(topic: string, partition: number, end: bigint): Promise<void> {
    const behind = (): boolean => (this.#offsets.get(`${topic}/${partition}`) ?? 0n) < end;
    while (behind()) {
      if (this.#stopped) throw new Error("the supervision service has stopped");
      await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
    }
  }

  /** What can never be counted is put aside first, the slice is then one commit: its events counted, the rest marked. */
  async #handle(slice: Slice): Promise<void> {
    const name = `${slice.topic}/${slice.partition}`;
    const [first] = slice.records;
    const stands = this.#offsets.get(name) ?? 0n;
    if (first !== undefined && (await sliceCountsAnew(slice, stands, this.#memory)))
      await this.#beginAnew({ ...first, offset: stands }, first.offset);
    const nextOffset = this.#offsets.get(name) ?? 0n;
    const gap = this.#begun.has(name) ? undefined : unreadGap("supervision", slice, nextOffset);
    const taken = readSlice(slice.records, nextOffset, unfitForSupervision);
    const lastOffset = slice.records.at(-1)?.offset;
    if (lastOffset !== undefined && lastOffset >= nextOffset) {
      await this.#deadLetters.bury(taken.filter(isPoison));
      const next = { topic: slice.topic, partition: slice.partition, offset: lastOffset + 1n };
      await this.#commits.submit({ taken, next, ...(gap === undefined ? {} : { gap }) });
    }
    this.#begun.add(name);
  }

  async #beginAnew({ topic, partition, offset }: Place, from: bigint): Promise<void> {
    const gap = restartGap("supervision", { topic, partition, offset }, this.#options.clock.now());
    await this.#options.db.write([...insertGaps([gap]), putOffset("supervision", { topic, partition, offset: from })]);
    this.#offsets.set(`${topic}/${partition}`, from);
    this.#logGap(gap);
  }

  #logGap({ kind, topic, partition, fromOffset, toOffset, records }: Gap): void {
    const place = { kind, topic, partition, fromOffset: String(fromOffset), toOffset: String(toOffset), records };
    (this.#options.log ?? silentLog)("error", GAP_WORDS[kind], place);
  }

  async #putAside({ topic, partition, offset }: Place): Promise<boolean> {
    const sql = `SELECT 1 FROM supervision_quarantine WHERE topic = ? AND partition = ? AND "offset" = ?`;
    return (await this.#options.db.read(sql, topic, partition, offset)).length > 0;
  }

  async #commit(works: readonly Work[]): Promise<readonly void[]> {
    const taken = works.flatMap((work) => work.taken);
    const events = taken.flatMap((one) => (isPoison(one) ? [] : [one.event]));
    const keyed = events.map((event) => ({ event, key: eventKey(this.#options.crypto, event) }));
    const seen = await this.#seen(keyed.map(({ key }) => key));
    const tally = new Tally();
    const fresh: { readonly key: Uint8Array; readonly atMs: number }[] = [];
    for (const { event, key } of keyed) {
      if (seen.has(toHex(key)) || !isSupervised(event)) continue;
      seen.add(toHex(key));
      tally.add(event);
      fresh.push({ key, atMs: event.data.atMs });
    }
    const places = works.map(({ next }) => next);
    const put = taken.filter(isPoison);
    const gaps = works.flatMap(({ gap }) => (gap === undefined ? [] : [gap]));
    const statements = [...insertGaps(gaps), ...insertTally(tally), ...insertSeen(fresh), ...insertQuarantine(put), ...moveOffsets(places)];
    // Figures and offsets are one transaction: what is lost with the power is counted again from the bus.
    await this.#options.db.write(statements, "process");
    for (const { topic, partition, offset } of places) this.#offsets.set(`${topic}/${partition}`, offset);
    for (const gap of gaps) this.#logGap(gap);
    return works.map(() => undefined);
  }

  async #seen(keys: readonly Uint8Array[]): Promise<Set<string>> {
    const seen = new Set<string>();
    for (let from = 0; from < keys.length; from += KEYS_PER_QUERY) {
      const some = keys.slice(from, from + KEYS_PER_QUERY);
      const sql = `SELECT event_key FROM supervision_seen WHERE event_key IN (${some.map(() => "?").join(",")})`;
      for (const row of await this.#options.db.read(sql, ...some)) {
        const key = row["event_key"];
        if (key instanceof ArrayBuffer) seen.add(toHex(new Uint8Array(key)));
      }
    }
    return seen;
  }
}

/** Why an event cannot be counted, if so. */
export function unfitForSupervision(event: AnyEvent): DeadLetterReason | undefined {
  if (!isSupervised(event)) return "topicUnknown";
  return isCountable(event) ? undefined : "amountInvalid";
}

function insertTally(tally: Tally): readonly Statement[] {
  const scans = tally.scans.map((row) => [row.day, row.institution, row.step, row.outcome, row.observedBy, row.scans]);
  const claims = tally.claims.map((row) => [row.day, row.institution, row.ending, row.claims]);
  const funds = tally.funds.map((row) => [row.day, row.institution, row.rail, row.fundSource, row.settledFen, row.refundedFen]);
  return [
    ...insertRows(
      "supervision_scan",
      ["day", "institution", "step", "outcome", "observed_by", "scans"],
      scans,
      "ON CONFLICT (day, institution, step, outcome, observed_by) DO UPDATE SET scans = scans + excluded.scans",
    ),
    ...insertRows(
      "supervision_claim",
      ["day", "institution", "ending", "claims"],
      claims,
      "ON CONFLICT (day, institution, ending) DO UPDATE SET claims = claims + excluded.claims",
    ),
    ...insertRows(
      "supervision_fund",
      ["day", "institution", "rail", "fund_source", "settled_fen", "refunded_fen"],
      funds,
      `ON CONFLICT (day, institution, rail, fund_source)
       DO UPDATE SET settled_fen = settled_fen + excluded.settled_fen, refunded_fen = refunded_fen + excluded.refunded_fen`,
    ),
  ];
}

function insertSeen(fresh: readonly { readonly key: Uint8Array; readonly atMs: number }[]): readonly Statement[] {
  return insertRows(
    "supervision_seen",
    ["event_key", "at_ms"],
    fresh.map(({ key, atMs }) => [key, atMs]),
  );
}

function insertQuarantine(put: readonly Poison[]): readonly Statement[] {
  const rows = put.map(({ record, errorClass }) => [record.topic, record.partition, record.offset, errorClass]);
  return insertRows("supervision_quarantine", ["topic", "partition", '"offset"', "reason"], rows, "ON CONFLICT DO NOTHING");
}

function moveOffsets(places: readonly Place[]): readonly Statement[] {
  return places.map(({ topic, partition, offset }) => ({
    sql: `INSERT INTO supervision_offset (topic, partition, next_offset) VALUES (?, ?, ?)
          ON CONFLICT (topic, partition) DO UPDATE SET next_offset = max(next_offset, excluded.next_offset)`,
    args: [topic, partition, offset],
  }));
}
