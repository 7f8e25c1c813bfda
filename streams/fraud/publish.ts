/** The gate before a rule judges anyone: shape, sense, and its own scenarios of all three labels. */
import type { Crypto } from "../../core/crypto/port.ts";
import { type Result, refused } from "../../core/protocol/result.ts";
import { FraudState } from "./engine/evaluate.ts";
import { loadRuleset, type RuleRefusal, type Ruleset } from "./engine/program.ts";
import { SHIPPED_RULES } from "./rules/index.ts";
import { type Scenario, SCENARIOS } from "./scenarios.ts";

const LABELS: readonly Scenario["label"][] = ["positive", "negative", "boundary"];

/** Loads rules and plays every rule's scenarios; the first rule that fails one refuses the set. */
export function publishRuleset(rules: readonly unknown[], scenarios: readonly Scenario[], crypto: Crypto): Result<Ruleset, RuleRefusal> {
  const loaded = loadRuleset(rules, crypto);
  if (!loaded.ok) return loaded;
  for (const { definition } of loaded.value.rules) {
    const own = scenarios.filter(({ rule }) => rule === definition.id);
    for (const label of LABELS)
      if (!own.some((scenario) => scenario.label === label)) return refused({ rule: definition.id, reason: `it has no ${label} scenario` });
    const alone = loadRuleset([definition], crypto);
    if (!alone.ok) return alone;
    for (const scenario of own) {
      const raised = playScenario(alone.value, scenario, crypto);
      if (raised.join() === scenario.raises.join()) continue;
      const [got, wanted] = [raised, scenario.raises].map((ids) => (ids.length === 0 ? "nothing" : ids.join(", ")));
      return refused({ rule: definition.id, reason: `scenario "${scenario.name}" raised ${got}, wanted ${wanted}` });
    }
  }
  return loaded;
}

/** Ids of the events that raised an alert, in order. */
export function playScenario(ruleset: Ruleset, scenario: Scenario, crypto: Crypto): readonly string[] {
  const state = new FraudState(ruleset, crypto);
  return scenario.events.flatMap((event) => {
    const evaluation = state.evaluate(event);
    return evaluation.kind === "judged" ? evaluation.alerts.map(({ data }) => data.trigger) : [];
  });
}

/** The rules Ronghe ships with, gated. */
export function shippedRuleset(crypto: Crypto): Result<Ruleset, RuleRefusal> {
  return publishRuleset(SHIPPED_RULES, SCENARIOS, crypto);
}
