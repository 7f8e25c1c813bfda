/**
 * The fraud service: takes events from the bus, judges each once, and commits offset, journal, alerts and the outbox
 * in one transaction of the `streams` database (at-least-once transport, effectively-once effect; DESIGN 7).
 */
import type { Crypto } from "../../core/crypto/port.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import type { Clock } from "../../core/protocol/time.ts";
import type { Database, Statement } from "../../migrations/database.ts";
import { type BusLog, errorClass, silentLog } from "../bus/log.ts";
import { enqueue, startForwarder } from "../bus/outbox.ts";
import { BusWatch, SKEW_MS_MAX } from "../bus/watch.ts";
import type { Forwarder, OutboxRecord } from "../bus/outbox-port.ts";
import type { EventBus } from "../bus/port.ts";
import { canonicalJson } from "../contracts/canonical.ts";
import { encodeEvent } from "../contracts/codec.ts";
import type { DeadLetterReason } from "../contracts/dead-letter-reasons.ts";
import { eventKey } from "../contracts/event-key.ts";
import type { AnyEvent } from "../contracts/event.ts";
import { isPoison, type Received, type Taken } from "../contracts/intake.ts";
import { unknownFields } from "../contracts/unknown-fields.ts";
import { type Gap, insertGaps, logGap } from "../gap.ts";
import { StreamReader } from "../reader.ts";
import type { Alert, FraudState } from "./engine/evaluate.ts";
import { factsOf, isInput } from "./engine/inputs.ts";
import type { Ruleset } from "./engine/program.ts";
import { type JournalEntry, restoreState } from "./journal.ts";
import { shippedRuleset } from "./publish.ts";
import { readSnapshot, type Snapshot, writeSnapshot } from "./snapshot.ts";
import {
  FraudStore,
  insertAlerts,
  insertJournal,
  type JournaledAlert,
  type JournalRow,
  markLost,
  moveStanding,
  recordRules,
  recordRuleset,
  unknownReason,
} from "./store.ts";

export interface FraudOptions {
  readonly bus: EventBus;
  /** Kind `streams`, opened by this process for writing. */
  readonly db: Database;
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** The shipped rules by default; others come from `publishRuleset`. */
  readonly ruleset?: Ruleset;
  readonly log?: BusLog;
}

export interface FraudService {
  /** Leaves the group after the running slices, and notes the state's digest for the next start. */
  stop(): Promise<void>;
  /** Resolves when everything on the bus at the time of the call is judged and every alert has left. */
  drained(): Promise<void>;
  /** All alerts ever raised, in order. */
  alerts(): Promise<readonly Alert[]>;
  /** Rejects when the consumer died for good. */
  readonly crashed: Promise<never>;
}

/** As dead letters name it. */
export const FRAUD_CONSUMER = "fraud/1";
const SOURCE = "/ronghe/fraud";
/** An event from further ahead than this has a wrong clock; believed, it would push every honest event out of its window. */
export const AHEAD_MS_MAX: number = SKEW_MS_MAX;

/** Why no fraud rule can be asked about an event, if so. `nowMs`: the later of our clock and the bus's. */
export function unfitForFraud(event: AnyEvent, nowMs: number): DeadLetterReason | undefined {
  if (!isInput(event)) return "topicUnknown";
  if (event.data.atMs > nowMs + AHEAD_MS_MAX) return "timeAhead";
  return factsOf(event).ok ? undefined : "figuresOutOfRange";
}

/** A snapshot is taken after so many events at least, and after as many as it holds, so that it costs each event the same. */
const SNAPSHOT_EVENTS_MIN = 20_000;

/** Starts judging. Refuses (throws) rules that fail their own scenarios, or that change a published version. */
export async function startFraud(options: FraudOptions): Promise<FraudService> {
  const ruleset = options.ruleset ?? shippedOrThrow(options.crypto);
  const service = new FraudWorker(options, ruleset);
  try {
    await service.start();
    return service;
  } catch (error) {
    await service.abandon();
    throw error;
  }
}

function shippedOrThrow(crypto: Crypto): Ruleset {
  const shipped = shippedRuleset(crypto);
  if (!shipped.ok) throw new Error(`fraud rule ${shipped.error.rule} is refused: ${shipped.error.reason}`);
  return shipped.value;
}

class FraudWorker implements FraudService {
  readonly #options: FraudOptions;
  readonly #ruleset: Ruleset;
  readonly #store: FraudStore;
  readonly #log: BusLog;
  readonly #reader: StreamReader;
  readonly #watch: BusWatch;
  #position = 0;
  #snapshotPosition = 0;
  /** Absent after a failed commit: the state ran ahead of the journal and is restored before it judges again. */
  #state: FraudState | undefined;
  #forwarder: Forwarder | undefined;
  #stopped = false;

  constructor(options: FraudOptions, ruleset: Ruleset) {
    this.#options = options;
    this.#ruleset = ruleset;
    this.#store = new FraudStore(options.db);
    this.#log = options.log ?? silentLog;
    this.#watch = new BusWatch({ bus: options.bus, log: this.#log });
    const { bus, db, clock, crypto } = options;
    this.#reader = new StreamReader({
      service: "fraud",
      consumer: FRAUD_CONSUMER,
      topics: [...new Set(ruleset.rules.flatMap(({ definition }) => Object.keys(definition.inputs)))],
      bus,
      db,
      clock,
      log: this.#log,
      memory: (record, event) => this.#store.wasRead(record, event && eventKey(crypto, event)),
      unfit: (event) => unfitForFraud(event, this.#watch.laterOf(clock.now())),
      write: (taken, standing) => this.#judge(taken, standing),
    });
  }

  get crashed(): Promise<never> {
    return this.#reader.crashed;
  }

  async start(): Promise<void> {
    const { bus, db, clock } = this.#options;
    await this.#announceRules();
    // Before the first event: a slow clock of ours must not make every honest event one from the future.
    await this.#watch.look();
    this.#state = await this.#restore();
    this.#forwarder = startForwarder({ db, bus, clock, log: this.#log });
    await this.#reader.start();
  }

  /** Ends what a failed start had begun: beside a later one it would send the same outbox a second time. */
  async abandon(): Promise<void> {
    this.#stopped = true;
    await this.#watch.stop();
    await this.#forwarder?.stop();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.#watch.stop();
    await this.#reader.stop();
    if (this.#state !== undefined) {
      await this.#options.db.write([moveStanding({ ...this.#standing(this.#state), stateDigest: this.#state.digest() })]);
      if (this.#position > this.#snapshotPosition) await this.#snapshot(this.#state);
    }
    await this.#forwarder?.stop();
  }

  async drained(): Promise<void> {
    await this.#reader.drained();
    await this.#forwarder?.drained();
  }

  async alerts(): Promise<readonly Alert[]> {
    return await this.#store.alerts();
  }

  async #judge(taken: readonly Taken[], standing: readonly Statement[]): Promise<void> {
    try {
      await this.#judgeAndWrite(taken, standing);
    } catch (error) {
      // Whatever failed, the state may hold events that no journal names; judged again, they would pass for duplicates.
      this.#state = undefined;
      throw error;
    }
  }

  async #judgeAndWrite(taken: readonly Taken[], standing: readonly Statement[]): Promise<void> {
    const state = (this.#state ??= await this.#restore());
    const journal: JournalRow[] = [];
    const alerts: JournaledAlert[] = [];
    const keys = new Map<Received, Uint8Array>();
    for (const one of taken) if (!isPoison(one)) keys.set(one, eventKey(this.#options.crypto, one.event));
    const seen = await this.#store.known([...keys.values()]);
    let position = this.#position;
    for (const one of taken) {
      if (isPoison(one)) {
        const { topic, partition, offset } = one.record;
        journal.push({ topic, partition, offset, position: ++position, status: "quarantined", reason: one.errorClass });
        continue;
      }
      const { record, event } = one;
      const key = keys.get(one);
      if (key === undefined || seen.has(toHex(key))) continue;
      seen.add(toHex(key));
      const evaluation = state.evaluate(event);
      if (evaluation.kind === "duplicate") continue;
      const { topic, partition, offset } = record;
      const atMs = isInput(event) ? event.data.atMs : event.timeMs;
      const status = evaluation.kind === "late" ? "late" : "taken";
      const reason = unknownReason(unknownFields(event));
      journal.push({
        topic,
        partition,
        offset,
        position: ++position,
        eventKey: key,
        atMs,
        status,
        ...(reason === undefined ? {} : { reason }),
      });
      if (status === "late")
        this.#log("warn", "event came after its windows had gone", { topic, partition, behindMs: state.watermarkMs - atMs });
      if (evaluation.kind === "judged") for (const [nth, raised] of evaluation.alerts.entries()) alerts.push({ ...raised, position, nth });
    }
    const statements = [...standing, ...insertJournal(journal), ...insertAlerts(alerts), ...this.#outgoing(alerts)];
    // An alert leaves only from a journal that stays: events that raised none are judged again if the power takes them.
    const durability = alerts.length === 0 ? "process" : "power";
    await this.#options.db.write([...statements, moveStanding({ ...this.#standing(state), position })], durability);
    this.#position = position;
    if (alerts.length > 0) this.#forwarder?.notify();
    if (position - this.#snapshotPosition >= Math.max(SNAPSHOT_EVENTS_MIN, state.size)) await this.#snapshot(state);
  }

  #standing(state: FraudState): { readonly position: number; readonly watermarkMs: number; readonly rulesetDigest: string } {
    return { position: this.#position, watermarkMs: state.watermarkMs, rulesetDigest: this.#ruleset.digest };
  }

  #outgoing(alerts: readonly JournaledAlert[]): readonly Statement[] {
    if (alerts.length === 0) return [];
    const records = alerts.map(({ data }): OutboxRecord => {
      const event = { id: data.alertId, type: "fraud.alert.raised.v1", source: SOURCE, timeMs: data.atMs, subject: data.rule } as const;
      return { ...encodeEvent({ ...event, key: data.institution, data }), eventId: data.alertId };
    });
    return enqueue(records, this.#options.clock.now());
  }

  /** A version of a rule is published once and never changed; a new ruleset judges from here on. */
  async #announceRules(): Promise<void> {
    const { db, clock } = this.#options;
    const published = await this.#store.publishedRules();
    const atMs = clock.now();
    const fresh = this.#ruleset.rules.filter(({ definition, digest }) => {
      const before = published.get(`${definition.id}@${definition.version}`);
      if (before !== undefined && before !== digest)
        throw new Error(`fraud rule ${definition.id} changed without a new version: ${definition.version} was published before`);
      return before === undefined;
    });
    const records = fresh.map(({ definition, digest }): OutboxRecord => {
      const data = { rule: definition.id, version: definition.version, digest, definition: canonicalJson(definition), atMs };
      const event = { id: digest, type: "fraud.rule.published.v1", source: SOURCE, timeMs: atMs, key: definition.id, data } as const;
      return { ...encodeEvent(event), eventId: digest };
    });
    const position = (await this.#store.standing())?.position ?? 0;
    const inForce = (await this.#store.rulesets()).at(-1)?.digest;
    await db.write([
      ...(records.length === 0 ? [] : [...recordRules(this.#ruleset, atMs), ...enqueue(records, atMs)]),
      ...(inForce === this.#ruleset.digest ? [] : [recordRuleset(this.#ruleset, position + 1)]),
    ]);
  }

  /** The state is a copy of what bus and journal say: one that cannot be kept costs the next start time, and nothing else. */
  async #snapshot(state: FraudState): Promise<void> {
    this.#snapshotPosition = this.#position;
    try {
      await this.#options.db.write(writeSnapshot(state, this.#position, this.#options.crypto), "process");
    } catch (error) {
      this.#log("warn", "the fraud state was not kept: the next start reads the bus", { error: errorClass(error) });
    }
  }

  async #restore(): Promise<FraudState> {
    const { bus, crypto, db } = this.#options;
    const standing = await this.#store.standing();
    const position = standing?.position ?? 0;
    const watermarkMs = standing?.watermarkMs ?? -1;
    this.#position = position;
    const snapshot = await this.#kept(position);
    this.#snapshotPosition = snapshot?.position ?? 0;
    const lost: JournalEntry[] = [];
    const state = await restoreState({
      bus,
      journal: this.#store,
      crypto,
      ruleset: this.#ruleset,
      position,
      watermarkMs,
      ...(snapshot === undefined ? {} : { snapshot }),
      onLost: (entry) => lost.push(entry),
      alertsSince: (fromMs) => this.#store.alertsSince(fromMs),
    });
    const gaps = judgedGaps(lost, position + 1, watermarkMs);
    if (gaps.length > 0) {
      await db.write([...markLost(lost), ...insertGaps(gaps), moveStanding(this.#standing(state))]);
      for (const gap of gaps) logGap(this.#log, gap);
      return state;
    }
    const before = standing?.rulesetDigest === this.#ruleset.digest ? standing.stateDigest : undefined;
    if (before !== undefined && before !== state.digest())
      throw new Error(`the fraud state at journal position ${this.#position} differs from the one that was left: bus or journal changed`);
    return state;
  }

  async #kept(position: number): Promise<Snapshot | undefined> {
    const read = await readSnapshot(this.#options.db, this.#ruleset.digest, this.#options.crypto);
    if (read.kind === "damaged") this.#log("warn", "the kept fraud state is damaged: the bus is read instead", {});
    return read.kind === "ok" && read.snapshot.position <= position ? read.snapshot : undefined;
  }
}

/** What is lost of each partition, as one finding. */
function judgedGaps(lost: readonly JournalEntry[], position: number, watermarkMs: number): readonly Gap[] {
  const gaps = new Map<string, Gap>();
  for (const { topic, partition, offset, atMs } of lost) {
    const name = `${topic}/${partition}`;
    const known = gaps.get(name);
    gaps.set(name, {
      service: "fraud",
      kind: "judged",
      topic,
      partition,
      position,
      watermarkMs,
      fromOffset: known === undefined || offset < known.fromOffset ? offset : known.fromOffset,
      toOffset: known === undefined || offset > known.toOffset ? offset : known.toOffset,
      records: (known?.records ?? 0) + 1,
      untilMs: Math.max(known?.untilMs ?? -1, atMs),
    });
  }
  return [...gaps.values()];
}
