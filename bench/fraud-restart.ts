/** A restart of fraud behind events that its windows still hold: from the kept state, and from the bus where none is kept. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCrypto } from "../core/crypto/index.ts";
import { systemClock } from "../core/protocol/time.ts";
import { openDatabase } from "../migrations/database.ts";
import { openEmbeddedBus } from "../streams/bus/embedded.ts";
import { encodeEvent, topicPlan } from "../streams/contracts/codec.ts";
import { startFraud } from "../streams/fraud/service.ts";
import { scan, settled } from "./fraud-events.ts";
import { contest, type Figure, type Report } from "./figures.ts";

const EVENTS = 100_000;
const TOGETHER = 1_000;
const ROUNDS = 3;

export async function run(report: Report): Promise<readonly Figure[]> {
  const crypto = await loadCrypto();
  const folder = await mkdtemp(join(tmpdir(), "ronghe-bench-"));
  const bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock: systemClock });
  const db = await openDatabase({ kind: "streams", file: join(folder, "streams.db") });
  const start = () => startFraud({ bus, db, crypto, clock: systemClock });
  try {
    await bus.ensureTopics(topicPlan(2));
    for (let from = 0; from < EVENTS; from += TOGETHER) {
      const records = Array.from({ length: TOGETHER }, (_, n) =>
        n % 2 === 0 ? encodeEvent(scan(from + n)) : encodeEvent(settled(from + n)),
      );
      const verdicts = await bus.publish(records);
      if (verdicts.some(({ kind }) => kind !== "ok")) throw new Error("the bus refused an event of the benchmark");
    }
    const judging = await start();
    await judging.drained();
    await judging.stop();
    const restart = async (): Promise<number> => {
      const service = await start();
      await service.stop();
      return EVENTS;
    };
    const outcome = await contest({
      subject: restart,
      bound: async () => {
        const kept = await db.read("SELECT * FROM fraud_snapshot ORDER BY nth");
        await db.write([{ sql: "DELETE FROM fraud_snapshot", args: [] }]);
        const count = await restart();
        if (kept.length === 0) throw new Error("no state was kept");
        return count;
      },
      rounds: ROUNDS,
      report,
    });
    return [
      {
        name: "fraud.restart",
        what: `fraud started and stopped again behind ${EVENTS.toLocaleString("en")} events in its windows, from the kept state`,
        unit: "events/s",
        perSecond: outcome.perSecond,
        bound: { what: "read from the bus, no state kept", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
        note: `${(EVENTS / outcome.perSecond).toFixed(1)} s and ${(EVENTS / outcome.boundPerSecond).toFixed(1)} s`,
      },
    ];
  } finally {
    await db.close();
    await bus.close();
    await rm(folder, { recursive: true, force: true });
  }
}
