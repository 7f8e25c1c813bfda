import type { Clock } from "../../core/protocol/time.ts";
import type { StorageObserver } from "../../migrations/database.ts";
import { openEmbeddedBus } from "../../streams/bus/embedded.ts";
import { connectKafkaBus } from "../../streams/bus/kafka.ts";
import type { BusLog } from "../../streams/bus/log.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import { type Config, UsageError } from "../config.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { closePlatform, layoutOf } from "./layout.ts";
import { printBusLine } from "./lines.ts";
import { isThere } from "./files.ts";

/** The bus of a running platform: the embedded log, owned by this process and watched by those of its parts that stand on it, or Kafka. */
export async function openBus(config: Config, clock: Clock, clientId: string, storage: StorageObserver | undefined): Promise<EventBus> {
  return config.RONGHE_BUS === "kafka"
    ? await connectKafka(config, clientId, { clock, ...(config.RONGHE_LOG === "json" ? { log: printBusLine } : {}) })
    : await openEmbeddedBus({ file: layoutOf(config.RONGHE_DATA).bus, clock, storage });
}

/** For work on a folder that nothing serves: what is to leave waits in its outbox until something does. */
export const parkedBus: EventBus = {
  ensureTopics: async () => undefined,
  publish: async (records) => records.map(() => ({ kind: "retryable", reason: "the platform does not serve yet" })),
  consume: () => Promise.reject(new Error("a parked bus is read by nobody")),
  read: async () => [],
  endOffsets: async () => [],
  health: async () => ({ repacked: [] }),
  close: async () => undefined,
};

/** The bus for looking at: of another process when embedded. */
export async function openBusForReading(config: Config): Promise<EventBus> {
  if (config.RONGHE_BUS === "kafka") return await connectKafka(config, "ronghe-read");
  const layout = layoutOf(config.RONGHE_DATA);
  const { bus } = layout;
  closePlatform(layout);
  if (!isThere(bus)) throw new UsageError(`no embedded bus in ${config.RONGHE_DATA}: give --data, or RONGHE_BUS=kafka with its brokers`);
  return await openEmbeddedBus({ file: bus, clock: systemClock, readOnly: true });
}

async function connectKafka(
  config: Config,
  clientId: string,
  given: { readonly log?: BusLog; readonly clock?: Clock } = {},
): Promise<EventBus> {
  const { RONGHE_KAFKA_USERNAME: username, RONGHE_KAFKA_PASSWORD: password } = config;
  return await connectKafkaBus({
    brokers: config.RONGHE_KAFKA_BROKERS,
    clientId,
    ...given,
    sessionTimeoutMs: config.RONGHE_KAFKA_SESSION_S * 1000,
    ...(config.RONGHE_KAFKA_TLS === "on" ? { tls: true } : {}),
    ...(username === undefined || password === undefined ? {} : { sasl: { mechanism: "scram-sha-512" as const, username, password } }),
  });
}
