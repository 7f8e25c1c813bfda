/**
 * Real processes, a real broker, and one thing after another going wrong while hospitals work. `npm run test:chaos`
 * takes fifty rounds of each; a plain test run takes a share. `TEST_SEED` chooses others: moments depend on the machine
 * as well, what must hold does not.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startKafka } from "../../streams/bus/testing/kafka.ts";
import { SCENARIOS } from "./scenarios.ts";
import { openPlay, type Play } from "./stage.ts";

const ROUNDS = Number(process.env["TEST_CHAOS_ROUNDS"] ?? 1);
const CONTROL_ROUNDS_MAX = 30;
const seed = Number(process.env["TEST_SEED"] ?? Date.now() % 1_000_000);

const kafka = await startKafka();
afterAll(async () => {
  if (!("skipped" in kafka)) await kafka.stop();
});

/** Of somebody else's broker nothing is killed. */
function isOthers(name: string): boolean {
  return name === "kill -9 of the broker" && !("skipped" in kafka) && kafka.kill9 === undefined;
}

describe.skipIf("skipped" in kafka)(`${ROUNDS} rounds of chaos (seed ${seed})`, () => {
  let play: Play;
  beforeAll(async () => {
    if (!("skipped" in kafka)) play = await openPlay(kafka);
  });
  afterAll(async () => await play?.close());

  for (const [at, scenario] of SCENARIOS.entries())
    it.skipIf(isOthers(scenario.name))(
      `${scenario.name}: nothing lost, nothing paid twice`,
      { timeout: 200_000 + ROUNDS * 40_000 },
      async () => {
        for (let round = 0; round < ROUNDS; round++) {
          const { findings, finals } = await play.round(scenario, `C${seed}-${at}-${round}`, seed + 1_000 * at + 10 * round);
          expect(findings).toEqual([]);
          expect(finals).toBeGreaterThan(0);
          if (ROUNDS > 1 && (round + 1) % 10 === 0) console.info(`${scenario.name}: ${round + 1} of ${ROUNDS} rounds`);
        }
        for (const line of play.lines) expect(line.carried()).toBeGreaterThan(0);
      },
    );
});

const CONTROL_FINDINGS = ["~1 is in the ledger, and nobody asked for it", "payments for bills that nobody was told of"] as const;

describe.skipIf("skipped" in kafka)(`a core that knows no request again (seed ${seed})`, () => {
  it("is found out: bills are paid twice, under numbers that nobody asked for", async () => {
    if ("skipped" in kafka) return;
    const play = await openPlay(kafka, { CHAOS_CONTROL: "noDeduplication" });
    try {
      const troubles = SCENARIOS.filter(({ name }) => name === "kill -9 of the edge" || name === "the line from edge to broker is cut");
      const found: string[] = [];
      // A bill that is settled again may be refused then: the ledger has it, and no payer.
      const missed = (): readonly string[] => CONTROL_FINDINGS.filter((words) => !found.some((finding) => finding.endsWith(words)));
      for (let round = 0; round < CONTROL_ROUNDS_MAX && missed().length > 0; round++)
        for (const [at, trouble] of troubles.entries())
          found.push(...(await play.round(trouble, `X${seed}-${at}-${round}`, seed + 10 * round + at)).findings);
      expect(missed()).toEqual([]);
    } finally {
      await play.close();
    }
  });
});
