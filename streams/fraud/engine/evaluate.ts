/**
 * (state, event, ruleset) → (state', alerts): no clock, no I/O, no randomness. The same function runs live, in shadow,
 * in backtest and in replay (analytics notes 0.1); the same events give the same alerts and the same state digest.
 *
 * The state is changed in place, for speed; whoever needs the old one replays.
 */
import type { Crypto } from "../../../core/crypto/port.ts";
import { toHex, utf8 } from "../../../core/protocol/bytes.ts";
import { canonicalJson } from "../../contracts/canonical.ts";
import type { AnyEvent } from "../../contracts/event.ts";
import type { WrittenData } from "../../contracts/topics.ts";
import { Chains } from "./chains.ts";
import { factsOf, INPUT_TOPICS, type InputTopic, isInput, NUMBER_FIELDS, type NumberField } from "./inputs.ts";
import { Judge, type Verdict } from "./judge.ts";
import { EXPIRY_STEP_MS, LATENESS_MS, type Rule, type Ruleset } from "./program.ts";
import { NONE, Reservoir, type RowFacts } from "./reservoir.ts";
import type { Band } from "./rule.ts";

export type Alert = WrittenData<"fraud.alert.raised.v1">;

export interface RaisedAlert {
  readonly data: Alert;
  /** The rule's key: a person, a code, a terminal. One alert per key within the cooldown. */
  readonly key: string;
}

/** What became of an event; everything but `judged` left the state as it was. */
export type Evaluation =
  | { readonly kind: "judged"; readonly alerts: readonly RaisedAlert[]; readonly suppressed: number }
  /** No rule reads its topic, or it names no key (an unreadable code, a refusal before anyone was known). */
  | { readonly kind: "ignored" }
  /** The same (source, id) at the same instant is already there. */
  | { readonly kind: "duplicate" }
  /** Older than the watermark less {@link LATENESS_MS}: its windows are gone. */
  | { readonly kind: "late" }
  | { readonly kind: "refused"; readonly reason: string };

/** An alert of the past that still silences its key. */
export interface PastAlert {
  readonly rule: string;
  readonly key: string;
  readonly atMs: number;
}

/** One event of the state, as a snapshot keeps it. */
export interface HeldRow {
  readonly atMs: number;
  readonly topic: string;
  /** `<id>\n<source>`. */
  readonly identity: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly ledger?: { readonly log: string; readonly index: string };
}

/** Events an alert lists at most: the oldest and the newest half of more. Its window digest covers all. */
export const EVIDENCE_MAX = 50;

export class FraudState {
  readonly ruleset: Ruleset;
  readonly #crypto: Crypto;
  readonly #rows: Reservoir;
  readonly #groups: readonly Chains[];
  readonly #judges: readonly Judge[];
  /** Rows by topic and hour, for expiry. */
  readonly #byHour: readonly Map<number, number[]>[];
  /** Times of past alerts by rule and key. */
  readonly #cooling = new Map<string, number[]>();
  #watermarkMs = -1;
  #expiredHour = -1;

  constructor(ruleset: Ruleset, crypto: Crypto) {
    this.ruleset = ruleset;
    this.#crypto = crypto;
    this.#rows = new Reservoir(ruleset.fields);
    this.#groups = ruleset.groups.map((plan) => new Chains(plan, this.#rows));
    this.#judges = ruleset.rules.map((rule) => new Judge(rule, this.#rows, this.#chainsOf(rule)));
    this.#byHour = INPUT_TOPICS.map(() => new Map());
  }

  /** The latest event time seen, ms; -1 before the first event. */
  get watermarkMs(): number {
    return this.#watermarkMs;
  }
  /** Events held. */
  get size(): number {
    return this.#rows.size;
  }
  /** Keys held, over all groups. */
  get keys(): number {
    return this.#groups.reduce((sum, { size }) => sum + size, 0);
  }

  /** Judges one event. */
  evaluate(event: AnyEvent): Evaluation {
    const taken = this.#take(event, true);
    if (typeof taken === "object") return taken;
    const alerts: RaisedAlert[] = [];
    let suppressed = 0;
    const note = (raised: RaisedAlert | "suppressed" | undefined): void => {
      if (raised === "suppressed") suppressed += 1;
      else if (raised !== undefined) alerts.push(raised);
    };
    const topic = 1 << this.#rows.topic(taken);
    for (const judge of this.#judges) {
      const chains = this.#chainsOf(judge.rule);
      if (chains.chainOf(taken) === NONE) continue;
      if ((judge.rule.triggers & topic) !== 0) note(this.#judge(judge, taken));
      // An event that came late may complete what later events began: those are judged again.
      if ((judge.rule.reads & topic) === 0) continue;
      for (let row = chains.later(taken); row !== NONE; row = chains.later(row)) {
        if (this.#rows.at(row) - this.#rows.at(taken) > judge.rule.spanMsMax) break;
        if ((judge.rule.triggers & (1 << this.#rows.topic(row))) !== 0) note(this.#judge(judge, row));
      }
    }
    this.#expire();
    return { kind: "judged", alerts, suppressed };
  }

  /** Takes an event into the windows without judging it: how a restart fills the state from the journal. */
  remember(event: AnyEvent): void {
    this.#take(event, false);
    this.#expire();
  }

  /** The rows held, oldest first, in the form {@link FraudState.load} takes: what a snapshot keeps. */
  *held(): Generator<HeldRow> {
    for (const row of this.#sortedRows()) {
      const ledger = this.#rows.ledger(row);
      const topic = INPUT_TOPICS[this.#rows.topic(row)] ?? "";
      const held = { atMs: this.#rows.at(row), topic, identity: this.#rows.identity(row), fields: this.#rows.fields(row) };
      yield ledger === undefined ? held : { ...held, ledger };
    }
  }

  /** Takes in the rows of a snapshot under the same rules. */
  load(rows: Iterable<HeldRow>): void {
    for (const { atMs, topic, identity, fields, ledger } of rows) {
      const at = INPUT_TOPICS.indexOf(topic as InputTopic);
      if (at < 0) throw new RangeError("a snapshot names a topic that no rule reads");
      const number: Partial<Record<NumberField, number>> = {};
      for (const field of NUMBER_FIELDS) if (fields[field] !== undefined) number[field] = Number(fields[field]);
      const place = ledger === undefined ? {} : { ledger: { log: ledger.log, index: BigInt(ledger.index) } };
      this.#insert({ atMs, topic: at, identity, text: fields, number, ...place });
    }
  }

  /** Moves the watermark to where it stood: the event that set it may be one that is lost. */
  advanceTo(watermarkMs: number): void {
    this.#watermarkMs = Math.max(this.#watermarkMs, watermarkMs);
    this.#expire();
  }

  /** Alerts that were raised before a restart go on silencing their keys. */
  rememberAlerts(alerts: readonly PastAlert[]): void {
    for (const { rule, key, atMs } of alerts) this.#cool(rule, key, atMs);
    this.#expireCooling();
  }

  /**
   * SM3 over everything the next verdict depends on: rules, watermark, the events held and the alerts that still
   * silence a key; hex. Row numbers and the order of arrival are not in it.
   */
  digest(): string {
    const hash = this.#crypto.sm3Stream();
    const line = (value: unknown): void => void hash.update(utf8(`${canonicalJson(value)}\n`));
    line({ ruleset: this.ruleset.digest, watermarkMs: this.#watermarkMs });
    for (const row of this.#sortedRows())
      line({
        atMs: this.#rows.at(row),
        topic: INPUT_TOPICS[this.#rows.topic(row)],
        identity: this.#rows.identity(row),
        ledger: this.#rows.ledger(row),
        fields: this.#rows.fields(row),
      });
    for (const key of [...this.#cooling.keys()].sort()) line({ key, alerts: this.#cooling.get(key)?.toSorted((a, b) => a - b) });
    return toHex(hash.digest());
  }

  /** Gives the row of an event that was taken, or why it was not. */
  #take(event: AnyEvent, checkLate: boolean): number | Exclude<Evaluation, { kind: "judged" }> {
    if (!isInput(event)) return { kind: "ignored" };
    const facts = factsOf(event);
    if (!facts.ok) return { kind: "refused", reason: facts.error.reason };
    if (checkLate && facts.value.atMs < this.#watermarkMs - LATENESS_MS) return { kind: "late" };
    const topic = INPUT_TOPICS.indexOf(event.type);
    return this.#insert({
      ...facts.value,
      topic,
      identity: `${event.id}\n${event.source}`,
      ...(event.ledger === undefined ? {} : { ledger: event.ledger }),
    });
  }

  #sortedRows(): readonly number[] {
    return this.#byHour.flatMap((hours) => [...hours.values()].flat()).sort((a, b) => this.#rows.compare(a, b));
  }

  #insert(facts: RowFacts): number | { readonly kind: "ignored" | "duplicate" } {
    const keys = this.#groups.map((chains) => chains.keyOf(facts.text, facts.topic));
    // An event without any key is in no window: no rule can see it.
    if (keys.every((key) => key === undefined)) return { kind: "ignored" };
    const row = this.#rows.add(facts);
    for (const [at, chains] of this.#groups.entries()) {
      const key = keys[at];
      if (key === undefined || !chains.has(row, key)) continue;
      this.#rows.remove(row);
      return { kind: "duplicate" };
    }
    for (const [at, chains] of this.#groups.entries()) {
      const key = keys[at];
      if (key !== undefined) chains.insert(row, key);
    }
    const hour = Math.floor(facts.atMs / EXPIRY_STEP_MS);
    const hours = this.#byHour[facts.topic];
    const rows = hours?.get(hour);
    if (rows === undefined) hours?.set(hour, [row]);
    else rows.push(row);
    this.#watermarkMs = Math.max(this.#watermarkMs, facts.atMs);
    return row;
  }

  #judge(judge: Judge, row: number): RaisedAlert | "suppressed" | undefined {
    const band = judge.judge(row);
    if (band === undefined) return undefined;
    const { rule } = judge;
    const key = this.#chainsOf(rule).key(this.#chainsOf(rule).chainOf(row));
    const atMs = this.#rows.at(row);
    const past = this.#cooling.get(coolingKey(rule.definition.id, key));
    if (past?.some((at) => Math.abs(at - atMs) < rule.cooldownMs) === true) return "suppressed";
    this.#cool(rule.definition.id, key, atMs);
    return { key, data: this.#alert(rule, row, band, judge.explain(row, band)) };
  }

  #alert(rule: Rule, row: number, band: Band, verdict: Verdict): Alert {
    const identities = verdict.evidence.map((at) => this.#rows.identity(at));
    const windowDigest = toHex(this.#crypto.sm3(utf8(`ronghe/window/v1\n${canonicalJson(identities)}`)));
    const trigger = this.#rows.identity(row);
    const half = EVIDENCE_MAX / 2;
    const shown =
      verdict.evidence.length <= EVIDENCE_MAX ? verdict.evidence : [...verdict.evidence.slice(0, half), ...verdict.evidence.slice(-half)];
    const institution = this.#rows.text(row, "institution") ?? "";
    const terminal = this.#rows.text(row, "terminal")?.slice(institution.length + 1);
    const person = this.#rows.text(row, "person");
    return {
      alertId: toHex(this.#crypto.sm3(utf8(`ronghe/alert/v1\n${rule.digest}\n${trigger}\n${windowDigest}`))),
      rule: rule.definition.id,
      ruleVersion: rule.definition.version,
      ruleDigest: rule.digest,
      ruleName: rule.definition.metadata.name,
      reason: band.reason,
      severity: band.severity,
      institution,
      ...(terminal === undefined ? {} : { terminal }),
      ...(person === undefined ? {} : { person }),
      trigger: eventId(trigger),
      windowDigest,
      values: verdict.values,
      evidence: shown.map((at) => ({
        eventId: eventId(this.#rows.identity(at)),
        type: INPUT_TOPICS[this.#rows.topic(at)] ?? "",
        ...this.#rows.ledger(at),
      })),
      atMs: this.#rows.at(row),
    };
  }

  #chainsOf(rule: Rule): Chains {
    const chains = this.#groups[rule.group];
    if (chains === undefined) throw new Error(`rule ${rule.definition.id} has no group`);
    return chains;
  }

  #cool(rule: string, key: string, atMs: number): void {
    const name = coolingKey(rule, key);
    const past = this.#cooling.get(name);
    if (past === undefined) this.#cooling.set(name, [atMs]);
    else past.push(atMs);
  }

  /** What is held depends on the watermark's hour alone, not on when this ran. */
  #expire(): void {
    const hour = Math.floor(this.#watermarkMs / EXPIRY_STEP_MS);
    if (hour === this.#expiredHour) return;
    this.#expiredHour = hour;
    for (const [topic, hours] of this.#byHour.entries()) {
      const from = oldestHourKept(hour, this.ruleset.retentionMs[topic] ?? 0);
      for (const [at, rows] of hours) {
        if (at >= from) continue;
        hours.delete(at);
        for (const row of rows) this.#forget(row);
      }
    }
    this.#expireCooling();
  }

  #forget(row: number): void {
    for (const chains of this.#groups) chains.remove(row);
    this.#rows.remove(row);
  }

  #expireCooling(): void {
    const from = this.coolingFromMs();
    for (const [name, past] of this.#cooling) {
      const left = past.filter((atMs) => atMs >= from);
      if (left.length === 0) this.#cooling.delete(name);
      else if (left.length < past.length) this.#cooling.set(name, left);
    }
  }

  /** Alerts before this instant silence nobody any more. */
  coolingFromMs(): number {
    return oldestMsKept(this.#watermarkMs, LATENESS_MS + this.ruleset.cooldownMsMax);
  }
}

/** Events of this instant and later are in the state when the watermark is `watermarkMs`; a whole hour. */
export function oldestMsKept(watermarkMs: number, retentionMs: number): number {
  return oldestHourKept(Math.floor(watermarkMs / EXPIRY_STEP_MS), retentionMs) * EXPIRY_STEP_MS;
}

function oldestHourKept(hour: number, retentionMs: number): number {
  return hour - Math.ceil(retentionMs / EXPIRY_STEP_MS);
}

function coolingKey(rule: string, key: string): string {
  return `${rule}\n${key}`;
}

function eventId(identity: string): string {
  return identity.slice(0, identity.indexOf("\n"));
}
