/** The fraud engine alone: events judged per second by the shipped rules, from memory, on one core. */
import { loadCrypto } from "../core/crypto/index.ts";
import { FraudState } from "../streams/fraud/engine/evaluate.ts";
import { shippedRuleset } from "../streams/fraud/publish.ts";
import { PEOPLE, scan, settled, TERMINALS } from "./fraud-events.ts";
import { type Figure, median, rateOf, type Report } from "./figures.ts";

const EVENTS = 20_000;
const ROUNDS = 5;

export async function run(report: Report): Promise<readonly Figure[]> {
  const crypto = await loadCrypto();
  const ruleset = shippedRuleset(crypto);
  if (!ruleset.ok) throw new Error(`rule ${ruleset.error.rule} is refused: ${ruleset.error.reason}`);
  const events = Array.from({ length: EVENTS }, (_, n) => (n % 2 === 0 ? scan(n) : settled(n)));
  let alerts = 0;
  const rates: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const state = new FraudState(ruleset.value, crypto);
    alerts = 0;
    const rate = await rateOf(() => {
      for (const event of events) {
        const evaluation = state.evaluate(event);
        if (evaluation.kind !== "judged") throw new Error(`an event of the benchmark was ${evaluation.kind}`);
        alerts += evaluation.alerts.length;
      }
      return events.length;
    }, round);
    if (round > 0) rates.push(rate);
    report(round, ROUNDS);
  }
  return [
    {
      name: "rules.judge",
      what: `fraud events judged by ${ruleset.value.rules.length} rules`,
      unit: "events/s",
      perSecond: median(rates),
      note: `${EVENTS.toLocaleString("en")} events of ${PEOPLE.toLocaleString("en")} people at ${TERMINALS} terminals raised ${alerts} alerts`,
    },
  ];
}
