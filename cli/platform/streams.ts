import type { Crypto } from "../../core/crypto/port.ts";
import type { Clock } from "../../core/protocol/time.ts";
import { openDatabase } from "../../migrations/database.ts";
import type { BusLog } from "../../streams/bus/log.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import type { Alert } from "../../streams/fraud/engine/evaluate.ts";
import { startFraud } from "../../streams/fraud/service.ts";
import { startSupervision } from "../../streams/supervision/service.ts";
import type { Layout } from "./layout.ts";

export interface RunningStreams {
  /** Everything that is on the bus is judged, counted, and its alerts have left. */
  drained(): Promise<void>;
  alerts(): Promise<readonly Alert[]>;
  /** Codes shown, as the edges saw them. */
  scans(): Promise<number>;
  readonly crashed: Promise<never>;
  stop(): Promise<void>;
}

/** Fraud rules and supervision, two consumer groups over one database. */
export async function startStreams(options: {
  readonly layout: Layout;
  readonly bus: EventBus;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly log?: BusLog | undefined;
}): Promise<RunningStreams> {
  const { bus, crypto, clock, layout } = options;
  const log = options.log === undefined ? {} : { log: options.log };
  const db = await openDatabase({ kind: "streams", file: layout.streams.database });
  const fraud = await startFraud({ bus, db, crypto, clock, ...log });
  const supervision = await startSupervision({ bus, db, crypto, ...log });
  return {
    crashed: Promise.race([fraud.crashed, supervision.crashed]),
    drained: async () => void (await Promise.all([fraud.drained(), supervision.drained()])),
    alerts: () => fraud.alerts(),
    scans: async () =>
      (await supervision.report())
        .flatMap((row) => row.scans)
        .reduce((sum, line) => sum + (line.observedBy === "edge" ? line.scans : 0), 0),
    async stop() {
      await Promise.all([fraud.stop(), supervision.stop()]);
      await db.close();
    },
  };
}
