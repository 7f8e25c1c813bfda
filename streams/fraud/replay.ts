/**
 * The same verdicts again: the journaled events, in their order, before the rules that judged them then. Live and
 * replay share one pure function, so the alerts agree byte for byte; anything else is a defect or a forgery.
 */
import type { Crypto } from "../../core/crypto/port.ts";
import type { EventBus } from "../bus/port.ts";
import type { Alert, FraudState, PastAlert } from "./engine/evaluate.ts";
import { FraudState as State } from "./engine/evaluate.ts";
import { loadRuleset, type Ruleset } from "./engine/program.ts";
import { type Journal, JournalGapError, journaledEvents, restoreState } from "./journal.ts";

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
  /** In the order they were raised. */
  readonly alerts: readonly Alert[];
  /** Events judged. */
  readonly events: number;
  /** SM3 of the state at the end; `undefined` when nothing was journaled. */
  readonly stateDigest?: string;
}

/**
 * Alerts of the journal, judged again. After a recorded gap it begins where the live service went on, from what was
 * left, so that it gives the same alerts. Throws `JournalGapError` when the bus lacks an event for which no gap is recorded.
 */
export async function replay(options: ReplayOptions): Promise<Replayed> {
  const { bus, journal, crypto, rules, upTo = Number.MAX_SAFE_INTEGER } = options;
  const switches = rules === undefined ? await recordedRulesets(journal, crypto) : [{ fromPosition: 0, ruleset: rules }];
  const alerts: Alert[] = [];
  const gap = await journal.lastGap();
  const fromPosition = gap?.position ?? 0;
  const past: PastAlert[] = gap === undefined ? [] : [...(await journal.alertsBefore(gap.position))];
  let state: FraudState | undefined;
  let events = 0;
  let next = 0;
  for await (const { entry, event } of journaledEvents(bus, journal, { after: Math.max(0, fromPosition - 1), upTo })) {
    if (event === undefined) throw new JournalGapError(entry);
    const { position } = entry;
    // The rules in force at this position: the last that was loaded before it.
    let due: Ruleset | undefined;
    for (let entry = switches[next]; entry !== undefined && entry.fromPosition <= position; entry = switches[++next]) due = entry.ruleset;
    if (due !== undefined)
      state =
        state === undefined && gap === undefined
          ? new State(due, crypto)
          : await restoreState({
              bus,
              journal,
              crypto,
              ruleset: due,
              position: position - 1,
              watermarkMs: state?.watermarkMs ?? gap?.watermarkMs ?? -1,
              alertsSince: (fromMs) => past.filter(({ atMs }) => atMs >= fromMs),
            });
    if (state === undefined) throw new Error(`no rules are recorded for journal position ${position}`);
    const evaluation = state.evaluate(event);
    events += 1;
    if (evaluation.kind !== "judged") continue;
    for (const { data, key } of evaluation.alerts) {
      alerts.push(data);
      past.push({ rule: data.rule, key, atMs: data.atMs });
    }
  }
  return { fromPosition, alerts, events, ...(state === undefined ? {} : { stateDigest: state.digest() }) };
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
