import type { Crypto } from "../../core/crypto/port.ts";
import type { StorageWatch } from "../../core/protocol/server/storage-watch.ts";
import type { Clock } from "../../core/protocol/time.ts";
import { openDatabase } from "../../migrations/database.ts";
import type { BusLog } from "../../streams/bus/log.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import type { Alert } from "../../streams/fraud/engine/evaluate.ts";
import { startFraud } from "../../streams/fraud/service.ts";
import { type Gap, gapsOf, type ServiceHealth } from "../../streams/gap.ts";
import { Independent } from "../../streams/independent.ts";
import { startSupervision } from "../../streams/supervision/service.ts";
import { listen } from "../../edge/node/listen.ts";
import type { Config } from "../config.ts";
import type { Layout } from "./layout.ts";
import { streamsApp } from "./streams-watch.ts";
import { printErrorJson } from "../output.ts";

export interface RunningStreams {
  /** Where `/health`, `/ready` and `/metrics` stand. */
  readonly url: string;
  /** Everything that is on the bus is judged, counted, and its alerts have left. */
  drained(): Promise<void>;
  alerts(): Promise<readonly Alert[]>;
  /** Codes shown, as the edges saw them. */
  scans(): Promise<number>;
  /** How each service stands: one may have failed while the other goes on. */
  health(): readonly ServiceHealth[];
  /** Records that topics no longer held when they were needed. */
  gaps(): Promise<readonly Gap[]>;
  stop(): Promise<void>;
}

/**
 * Fraud rules and supervision, two consumer groups over one database. Neither ends with the other: one that fails is
 * begun again after a pause, and its state and the class of its error stand in the database and in {@link RunningStreams.health}.
 */
export async function startStreams(options: {
  readonly config: Pick<Config, "RONGHE_HOST" | "RONGHE_STREAMS_PORT">;
  readonly layout: Layout;
  readonly bus: EventBus;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly storage: StorageWatch;
}): Promise<RunningStreams> {
  const { bus, config, crypto, clock, layout, storage } = options;
  const db = await openDatabase({ kind: "streams", file: layout.streams.database, storage });
  const health = (): readonly ServiceHealth[] => [fraud.health(), supervision.health()];
  const logOf =
    (service: string): BusLog =>
    (level, message, fields) =>
      printErrorJson({ atMs: clock.now(), part: "streams", service, level, message, ...fields });
  const common = { bus, db, crypto, clock };
  const fraud = new Independent({
    service: "fraud",
    db,
    clock,
    log: logOf("fraud"),
    start: () => startFraud({ ...common, log: logOf("fraud") }),
  });
  const supervision = new Independent({
    service: "supervision",
    db,
    clock,
    log: logOf("supervision"),
    start: () => startSupervision({ ...common, log: logOf("supervision") }),
  });
  // First the address: where it is taken nothing else has begun.
  const app = streamsApp({ db, bus, health, storage });
  const at = { host: config.RONGHE_HOST, port: config.RONGHE_STREAMS_PORT };
  const server = await listen((request) => app.fetch(request), at).catch(async (error: unknown) => {
    await db.close();
    throw error;
  });
  await Promise.all([fraud.begin(), supervision.begin()]);
  return {
    url: server.url,
    drained: async () => void (await Promise.all([fraud.running().drained(), supervision.running().drained()])),
    alerts: () => fraud.running().alerts(),
    scans: async () =>
      (await supervision.running().report())
        .flatMap((row) => row.scans)
        .reduce((sum, line) => sum + (line.observedBy === "edge" ? line.scans : 0), 0),
    health,
    gaps: () => gapsOf(db),
    async stop() {
      await server.close();
      await Promise.all([fraud.stop(), supervision.stop()]);
      await db.close();
    },
  };
}
