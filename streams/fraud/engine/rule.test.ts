import { beforeAll, describe, expect, test } from "vitest";
import { loadCrypto } from "../../../core/crypto/index.ts";
import type { Crypto } from "../../../core/crypto/port.ts";
import { publishRuleset, shippedRuleset } from "../publish.ts";
import { clusteredCards } from "../rules/clustered-cards.ts";
import { codeTwoTerminals } from "../rules/code-two-terminals.ts";
import { impossibleTravel } from "../rules/impossible-travel.ts";
import { settleRefundCycle } from "../rules/settle-refund-cycle.ts";
import { SCENARIOS } from "../scenarios.ts";
import { loadRuleset, readRule } from "./program.ts";
import type { Band, RuleDefinition } from "./rule.ts";

let crypto: Crypto;
beforeAll(async () => {
  crypto = await loadCrypto();
});

const SCAN = "code.scan.observed.v1";
const base = codeTwoTerminals;
const withBands = (bands: Band[]): RuleDefinition => ({ ...base, outcome: { measure: "terminals", bands } });
const band = (from?: number, below?: number): Band => ({
  severity: "suspicious",
  reason: "x",
  ...(from === undefined ? {} : { from }),
  ...(below === undefined ? {} : { below }),
});
const ge = (left: RuleDefinition["measures"][string], right: RuleDefinition["measures"][string]): RuleDefinition["when"] => ({
  op: "ge",
  left,
  right,
});

const digestOf = (rule: RuleDefinition): string => {
  const loaded = loadRuleset([rule], crypto);
  return loaded.ok ? loaded.value.digest : loaded.error.reason;
};

describe("a rule is refused at load", () => {
  test.each<[string, unknown, RegExp]>([
    ["that is no object", "rule", /Expected Object/],
    ["with a field nobody knows", { ...base, script: "1+1" }, /script/],
    ["without a version", { ...base, version: "latest" }, /version/],
    ["of an unknown key group", { ...base, keyGroup: "phone" }, /keyGroup/],
    [
      "with a fraction for a threshold",
      { ...base, parameters: { ...base.parameters, terminalsMin: { value: 1.5, unit: "count" } } },
      /terminalsMin/,
    ],
    ["with an unknown function", { ...base, measures: { terminals: { op: "eval", text: "1" } } }, /measures.terminals/],
    ["reading an unknown topic", { ...base, inputs: { ...base.inputs, "no.such.v1": ["code"] } }, /unknown input topic no\.such\.v1/],
    ["reading an unknown field", { ...base, inputs: { [SCAN]: ["code", "amount"] } }, /unknown field amount/],
    ["that does not declare its key", { ...base, inputs: { [SCAN]: ["codeKind", "terminal"] } }, /key field code is not declared/],
    ["using a field it did not declare", { ...base, inputs: { [SCAN]: ["code", "codeKind"] } }, /field terminal is not declared/],
    ["triggered by what it does not read", { ...base, triggers: ["identity.token.resolved.v1"] }, /not among the inputs/],
    [
      "with a window over what it does not read",
      { ...base, windows: { scans: { topics: ["x.y.z.v1"], span: "spanMs" } } },
      /not among the inputs/,
    ],
    ["measuring an unknown window", { ...base, windows: {} }, /unknown window scans/],
    ["with a span that is no parameter", { ...base, windows: { scans: { topics: [SCAN], span: "day" } } }, /names no parameter: day/],
    ["with a span that is no time", { ...base, windows: { scans: { topics: [SCAN], span: "terminalsMin" } } }, /in count, not ms/],
    ["with a negative span", { ...base, parameters: { ...base.parameters, spanMs: { value: -1, unit: "ms" } } }, /negative/],
    [
      "with a window wider than the engine keeps",
      { ...base, parameters: { ...base.parameters, spanMs: { value: 401 * 86_400_000, unit: "ms" } } },
      /wider/,
    ],
    ["with a cooldown that is no parameter", { ...base, cooldown: "later" }, /the cooldown names no parameter/],
    [
      "comparing people with milliseconds",
      { ...base, when: ge({ op: "measure", name: "terminals" }, { op: "parameter", name: "spanMs" }) },
      /count and ms/,
    ],
    [
      "adding fen to milliseconds",
      {
        ...base,
        measures: {
          ...base.measures,
          odd: { op: "add", left: { op: "literal", value: 1, unit: "fen" }, right: { op: "literal", value: 1, unit: "ms" } },
        },
      },
      /mixes units: fen and ms/,
    ],
    [
      "multiplying fen by fen",
      {
        ...base,
        measures: {
          ...base.measures,
          odd: { op: "mul", left: { op: "literal", value: 1, unit: "fen" }, right: { op: "literal", value: 1, unit: "fen" } },
        },
      },
      /mixes units/,
    ],
    [
      "summing a text",
      { ...base, measures: { terminals: { op: "window.sum", window: "scans", field: "terminal" } } },
      /is text, a number is wanted/,
    ],
    [
      "counting distinct numbers",
      {
        ...settleRefundCycle,
        measures: { ...settleRefundCycle.measures, cycles: { op: "window.distinct", window: "claims", field: "amount" } },
      },
      /is a number, text is wanted/,
    ],
    [
      "measuring distance without positions",
      { ...base, measures: { ...base.measures, far: { op: "distance", window: "scans" } } },
      /field latitude is not declared/,
    ],
    ["with a measure that needs itself", { ...base, measures: { terminals: { op: "measure", name: "terminals" } } }, /refers to itself/],
    [
      "naming an unknown measure",
      { ...base, when: ge({ op: "measure", name: "people" }, { op: "parameter", name: "terminalsMin" }) },
      /unknown measure people/,
    ],
    [
      "naming an unknown parameter",
      { ...base, when: ge({ op: "measure", name: "terminals" }, { op: "parameter", name: "max" }) },
      /unknown parameter max/,
    ],
    ["whose outcome has no measure", { ...base, outcome: { ...base.outcome, measure: "people" } }, /names no measure: people/],
    ["with overlapping bands", withBands([band(undefined, 5), band(4)]), /bands 1 and 2 overlap/],
    ["with a gap between bands", withBands([band(undefined, 5), band(6)]), /bands 1 and 2 leave a gap/],
    ["with an empty band", withBands([band(0, 0), band(0)]), /band 1 is empty/],
    ["with bands that overlap at an open end", withBands([band(2), band(4)]), /overlap/],
    ["whose last band is closed", withBands([band(2, 9)]), /must be open above/],
    [
      "with a run that does not end at its trigger",
      {
        ...settleRefundCycle,
        windows: {
          ...settleRefundCycle.windows,
          refunds: { topics: ["settlement.claim.refunded.v1"], span: "spanMs", gapBelow: "spanMs" },
        },
      },
      /must take the trigger/,
    ],
    [
      "with a sequence its window does not take",
      {
        ...settleRefundCycle,
        windows: { ...settleRefundCycle.windows, claims: { topics: ["settlement.claim.refunded.v1"], span: "spanMs" } },
      },
      /its window does not take/,
    ],
  ])("%s", (_, definition, reason) => {
    expect(readRule(definition)).toEqual({ ok: false, error: { reason: expect.stringMatching(reason) } });
  });

  test("whose id another rule has", () => {
    expect(loadRuleset([base, { ...impossibleTravel, id: base.id }], crypto)).toEqual({
      ok: false,
      error: { rule: base.id, reason: "the id is taken" },
    });
  });
});

describe("a limit of zero is a limit", () => {
  test("as a bound of a band", () => {
    expect(readRule(withBands([band(undefined, 0), band(0)])).ok).toBe(true);
    expect(readRule(withBands([band(0)])).ok).toBe(true);
  });

  test("as a threshold: at least zero terminals is always true, fewer than zero never", () => {
    const zero: RuleDefinition = { ...base, parameters: { ...base.parameters, terminalsMin: { value: 0, unit: "count" } } };
    const published = publishRuleset([zero], SCENARIOS, crypto);
    expect(published).toMatchObject({
      ok: false,
      error: { reason: expect.stringMatching(/"a copied code at a second desk" raised a, wanted b/) },
    });
  });
});

describe("a rule is published", () => {
  test("when all its scenarios hold: the shipped rules do", () => {
    const shipped = shippedRuleset(crypto);
    expect(shipped.ok ? shipped.value.rules.map(({ definition }) => definition.id) : shipped.error).toEqual([
      "code-two-terminals",
      "impossible-travel",
      "settle-refund-cycle",
      "clustered-cards",
      "code-contested",
      "request-forged",
    ]);
  });

  test("only with positive, negative and boundary scenarios of its own", () => {
    const none = publishRuleset(
      [base],
      SCENARIOS.filter(({ label }) => label !== "boundary"),
      crypto,
    );
    expect(none).toEqual({ ok: false, error: { rule: base.id, reason: "it has no boundary scenario" } });
  });

  test.each<[string, RuleDefinition]>([
    [
      "one terminal fewer",
      { ...codeTwoTerminals, parameters: { ...codeTwoTerminals.parameters, terminalsMin: { value: 1, unit: "count" } } },
    ],
    ["a shorter day", { ...codeTwoTerminals, parameters: { ...codeTwoTerminals.parameters, spanMs: { value: 86_399_999, unit: "ms" } } }],
    [
      "a metre less",
      { ...impossibleTravel, parameters: { ...impossibleTravel.parameters, distanceOverMetres: { value: 49_999, unit: "m" } } },
    ],
    [
      "a metre per hour less",
      { ...impossibleTravel, parameters: { ...impossibleTravel.parameters, speedOverMetresPerHour: { value: 149_999, unit: "m/h" } } },
    ],
    ["a cycle fewer", { ...settleRefundCycle, parameters: { ...settleRefundCycle.parameters, cyclesMin: { value: 2, unit: "count" } } }],
    [
      "a millisecond more than 30 days",
      { ...settleRefundCycle, parameters: { ...settleRefundCycle.parameters, spanMs: { value: 2_592_000_001, unit: "ms" } } },
    ],
    ["a person fewer", { ...clusteredCards, parameters: { ...clusteredCards.parameters, personsMin: { value: 4, unit: "count" } } }],
    ["a wider gap", { ...clusteredCards, parameters: { ...clusteredCards.parameters, gapBelowMs: { value: 40_001, unit: "ms" } } }],
    ["a longer run", { ...clusteredCards, parameters: { ...clusteredCards.parameters, spanMs: { value: 180_001, unit: "ms" } } }],
    ["no cooldown", { ...clusteredCards, parameters: { ...clusteredCards.parameters, cooldownMs: { value: 0, unit: "ms" } } }],
  ])("not with %s: a scenario tells the difference", (_, changed) => {
    const published = publishRuleset([changed], SCENARIOS, crypto);
    expect(published).toMatchObject({ ok: false, error: { rule: changed.id, reason: expect.stringMatching(/^scenario "/) } });
  });

  test("under a digest that any change of the definition changes", () => {
    expect(digestOf({ ...base, weight: base.weight + 1 })).not.toBe(digestOf(base));
    expect(digestOf({ ...base })).toBe(digestOf(base));
  });
});
