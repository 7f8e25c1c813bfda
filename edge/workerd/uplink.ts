/**
 * How a shard hands its outbox over, by configuration: to the core's `POST /ingest`, or to Kafka. A socket lives within
 * one alarm, so Kafka is connected for it and let go at its end; nothing is kept in module scope (edge notes 2.1).
 */
import type { BusRecord, EventBus, PublishVerdict } from "../../streams/bus/port.ts";
import { type CoreCall } from "../app/core-calls.ts";
import { publishToCore } from "../core-bus.ts";
import type { WorkerConfig } from "./environment.ts";

export interface Uplink {
  publish(records: readonly BusRecord[]): Promise<readonly PublishVerdict[]>;
  /** Ends what this alarm opened. */
  close(): Promise<void>;
}

export function openUplink(config: WorkerConfig, call: CoreCall, edgeId: string): Uplink {
  if (config.RONGHE_EDGE_UPLINK === "core") return { publish: (records) => publishToCore(call, records), close: () => Promise.resolve() };
  let bus: Promise<EventBus> | undefined;
  return {
    async publish(records) {
      return await (await (bus ??= connect(config, edgeId))).publish(records);
    },
    async close() {
      await (await bus)?.close();
    },
  };
}

async function connect(config: WorkerConfig, edgeId: string): Promise<EventBus> {
  const { RONGHE_KAFKA_BROKERS: brokers = "", RONGHE_KAFKA_USERNAME: username, RONGHE_KAFKA_PASSWORD: password } = config;
  const { connectKafkaBus } = await import("../../streams/bus/kafka.ts");
  return await connectKafkaBus({
    brokers: brokers.split(","),
    clientId: `ronghe-${edgeId}`,
    ...(config.RONGHE_KAFKA_TLS === "on" ? { tls: true } : {}),
    ...(username === undefined || password === undefined ? {} : { sasl: { mechanism: "scram-sha-512" as const, username, password } }),
  });
}
