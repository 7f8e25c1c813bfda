/**
 * The supervision service: counts scans, claims and funds per institution and business day. Offset, figures and the
 * ids of what was counted are one transaction, so a repeated delivery counts once (DESIGN 7).
 */
import type { Crypto } from "../../core/crypto/port.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import type { Clock } from "../../core/protocol/time.ts";
import { type Database, insertRows, type Statement } from "../../migrations/database.ts";
import { type BusLog, silentLog } from "../bus/log.ts";
import type { EventBus, Poison } from "../bus/port.ts";
import type { DeadLetterReason } from "../contracts/dead-letter-reasons.ts";
import { eventKey } from "../contracts/event-key.ts";
import type { AnyEvent } from "../contracts/event.ts";
import { isPoison, type Taken } from "../contracts/intake.ts";
import type { Place } from "../beginning.ts";
import { StreamReader } from "../reader.ts";
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

/** As dead letters name it. */
export const SUPERVISION_CONSUMER = "supervision/1";
const KEYS_PER_QUERY = 500;

export async function startSupervision(options: SupervisionOptions): Promise<SupervisionService> {
  const worker = new SupervisionWorker(options);
  await worker.start();
  return worker;
}

class SupervisionWorker implements SupervisionService {
  readonly #options: SupervisionOptions;
  readonly #reader: StreamReader;

  constructor(options: SupervisionOptions) {
    const { bus, db, crypto, clock, log = silentLog } = options;
    this.#options = options;
    this.#reader = new StreamReader({
      service: "supervision",
      consumer: SUPERVISION_CONSUMER,
      topics: SUPERVISED_TOPICS,
      bus,
      db,
      clock,
      log,
      memory: async (record, event) =>
        (event !== undefined && (await this.#seen([eventKey(crypto, event)])).size > 0) || (await this.#putAside(record)),
      unfit: unfitForSupervision,
      write: (taken, standing) => this.#count(taken, standing),
    });
  }

  get crashed(): Promise<never> {
    return this.#reader.crashed;
  }

  start(): Promise<void> {
    return this.#reader.start();
  }

  stop(): Promise<void> {
    return this.#reader.stop();
  }

  drained(): Promise<void> {
    return this.#reader.drained();
  }

  async report(day?: string): Promise<readonly SupervisionRow[]> {
    return await supervisionReport(this.#options.db, day);
  }

  async #putAside({ topic, partition, offset }: Place): Promise<boolean> {
    const sql = `SELECT 1 FROM supervision_quarantine WHERE topic = ? AND partition = ? AND "offset" = ?`;
    return (await this.#options.db.read(sql, topic, partition, offset)).length > 0;
  }

  async #count(taken: readonly Taken[], standing: readonly Statement[]): Promise<void> {
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
    const put = taken.filter(isPoison);
    // Figures and offsets are one transaction: what is lost with the power is counted again from the bus.
    await this.#options.db.write([...standing, ...insertTally(tally), ...insertSeen(fresh), ...insertQuarantine(put)], "process");
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
