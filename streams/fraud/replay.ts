/**
 * The same verdicts again: the journaled events, in their order, before the rules that judged them then. Live and
 * replay share one pure function, so the alerts agree byte for byte; anything else is a defect or a forgery.
 */
import type { Crypto } from "../../core/crypto/port.ts";
import type { EventBus } from "../bus/port.ts";
import type { AnyEvent } from "../contracts/event.ts";
import { type Alert, FraudState, type PastAlert } from "./engine/evaluate.ts";
import { loadRuleset, type Ruleset } from "./engine/program.ts";
import { type Journal, type JournalEntry, journaledEvents, LostEvents, restoreState } from "./journal.ts";

export interface ReplayOptions {
  readonly bus: Pick<EventBus, "read">;
  readonly journal: Journal;
  readonly crypto: Crypto;
  /** Rules to judge by instead of the recorded ones: a backtest. */
  readonly rules?: Ruleset;
  /** Last journal position to replay; all by default. */
  readonly upTo?: number;
}

export interface Replayed {
  /** The journal position it began at: alerts raised before cannot be judged again. */
  readonly fromPosition: number;
  /** Judged events that the bus no longer holds, or holds others in their places; it began behind their reach. */
  readonly lost: number;
  /** In the order they were raised. */
  readonly alerts: readonly Alert[];
  /** Events judged. */
  readonly events: number;
  /** SM3 of the state at the end; `undefined` when nothing could be judged. */
  readonly stateDigest?: string;
}

/**
 * Alerts of the journal, judged again. After a recorded gap it begins where the live service went on, from what was
 * left, so that it gives the same alerts. Where events are lost that the live service still had, it begins at the first
 * position whose windows reach none of them: what stands before can be judged by nobody any more.
 */
export async function replay(options: ReplayOptions): Promise<Replayed> {
  const { journal, crypto, rules, upTo = Number.MAX_SAFE_INTEGER } = options;
  const switches = rules === undefined ? await recordedRulesets(journal, crypto) : [{ fromPosition: 0, ruleset: rules }];
  const run = new Replay(options, await journal.lastGap());
  let next = 0;
  for await (const { entry, event } of journaledEvents(options, { after: Math.max(0, run.fromPosition - 1), upTo })) {
    // The rules in force at this position: the last that was loaded before it.
    let due: Ruleset | undefined;
    for (let at = switches[next]; at !== undefined && at.fromPosition <= entry.position; at = switches[++next]) due = at.ruleset;
    await run.take(entry, event, due);
  }
  return run.result();
}

/** The walk. While a window reaches a lost event, what is left fills the windows and is not judged. */
class Replay {
  readonly #source: ReplayOptions;
  readonly #lost = new LostEvents();
  readonly #alerts: Alert[] = [];
  readonly #gapWatermarkMs: number;
  #past: PastAlert[] = [];
  #state: FraudState | undefined;
  #fromPosition: number;
  #complete = true;
  #events = 0;

  constructor(source: ReplayOptions, gap: { readonly position: number; readonly watermarkMs: number } | undefined) {
    this.#source = source;
    this.#fromPosition = gap?.position ?? 0;
    this.#gapWatermarkMs = gap?.watermarkMs ?? -1;
  }

  get fromPosition(): number {
    return this.#fromPosition;
  }

  async take(entry: JournalEntry, event: AnyEvent | undefined, due: Ruleset | undefined): Promise<void> {
    if (due !== undefined) this.#state = await this.#under(due, entry.position);
    const state = this.#state;
    if (state === undefined) throw new Error(`no rules are recorded for journal position ${entry.position}`);
    if (event === undefined) this.#lost.add(entry);
    if (this.#lost.inReach(state.ruleset, state.watermarkMs)) this.#fill(state, entry, event);
    else if (event !== undefined) this.#judge(this.#complete ? state : await this.#whole(state, entry.position), event);
  }

  result(): Replayed {
    const stateDigest = this.#complete ? this.#state?.digest() : undefined;
    return {
      fromPosition: this.#fromPosition,
      lost: this.#lost.count,
      alerts: this.#alerts,
      events: this.#events,
      ...(stateDigest === undefined ? {} : { stateDigest }),
    };
  }

  /** The state before `position` under rules that judge from here on. */
  async #under(ruleset: Ruleset, position: number): Promise<FraudState> {
    const before = this.#state;
    if (before === undefined && this.#fromPosition === 0) return new FraudState(ruleset, this.#source.crypto);
    if (before === undefined) this.#past = await this.#alertsBefore(this.#fromPosition);
    return await restoreState({
      ...this.#source,
      ruleset,
      position: position - 1,
      watermarkMs: before?.watermarkMs ?? this.#gapWatermarkMs,
      onLost: (entry) => this.#lost.add(entry),
      alertsSince: (fromMs) => this.#past.filter(({ atMs }) => atMs >= fromMs),
    });
  }

  /** Nothing up to here is judged: it begins after this position at the earliest. */
  #fill(state: FraudState, { position }: JournalEntry, event: AnyEvent | undefined): void {
    if (event !== undefined) state.remember(event);
    this.#complete = false;
    this.#alerts.length = 0;
    this.#events = 0;
    this.#fromPosition = position + 1;
  }

  /** No lost event is in reach any more: the windows are those of the live service, and its alerts silence as they did. */
  async #whole(filled: FraudState, position: number): Promise<FraudState> {
    const state = new FraudState(filled.ruleset, this.#source.crypto);
    state.load(filled.held());
    state.advanceTo(filled.watermarkMs);
    this.#past = await this.#alertsBefore(position);
    state.rememberAlerts(this.#past.filter(({ atMs }) => atMs >= state.coolingFromMs()));
    this.#state = state;
    this.#complete = true;
    return state;
  }

  async #alertsBefore(position: number): Promise<PastAlert[]> {
    return [...(await this.#source.journal.alertsBefore(position))];
  }

  #judge(state: FraudState, event: AnyEvent): void {
    const evaluation = state.evaluate(event);
    this.#events += 1;
    if (evaluation.kind !== "judged") return;
    for (const { data, key } of evaluation.alerts) {
      this.#alerts.push(data);
      this.#past.push({ rule: data.rule, key, atMs: data.atMs });
    }
  }
}

async function recordedRulesets(journal: Journal, crypto: Crypto): Promise<{ fromPosition: number; ruleset: Ruleset }[]> {
  const recorded = await journal.rulesets();
  return recorded.map(({ fromPosition, digest, definitions }) => {
    const loaded = loadRuleset(definitions, crypto);
    if (!loaded.ok) throw new Error(`recorded rule ${loaded.error.rule} is refused: ${loaded.error.reason}`);
    if (loaded.value.digest !== digest) throw new Error(`the rules recorded at position ${fromPosition} are not those that judged`);
    return { fromPosition, ruleset: loaded.value };
  });
}
