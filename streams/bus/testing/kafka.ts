import type { NoKafka, TestKafka } from "./broker.ts";
import { startContainer } from "./kafka-container.ts";
import { startFromJars } from "./kafka-jars.ts";

export type { NoKafka, TestKafka } from "./broker.ts";

/** `RONGHE_KAFKA_SESSION_S` for tests that kill consumers: our brokers allow short sessions, others by default 6 seconds. */
export function shortestSession(): string {
  return (process.env["RONGHE_KAFKA_BROKERS"] ?? "") === "" ? "3" : "6";
}

/**
 * A broker by the first way that works: `RONGHE_KAFKA_BROKERS` (not ours: never restarted); a container of
 * `RONGHE_KAFKA_IMAGE` (default `apache/kafka`) where a Docker daemon answers; the broker's jars, where Java 17 and
 * Maven are. With none of them the suite is skipped in one line, or fails where `CI` says that nothing may be skipped.
 */
export async function startKafka(): Promise<TestKafka | NoKafka> {
  const given = process.env["RONGHE_KAFKA_BROKERS"];
  if (given !== undefined && given !== "")
    return {
      brokers: given.split(","),
      via: "RONGHE_KAFKA_BROKERS",
      kill9: undefined,
      start: undefined,
      restart: undefined,
      stop: () => Promise.resolve(),
    };
  const missing: string[] = [];
  for (const way of [startContainer, startFromJars]) {
    const kafka = await way();
    if (!("skipped" in kafka)) return kafka;
    missing.push(kafka.skipped);
  }
  const skipped = `no Kafka broker to test against (${missing.join("; ")}): set RONGHE_KAFKA_BROKERS, start Docker, or install Java 17 and Maven`;
  if (process.env["CI"] !== undefined && process.env["CI"] !== "" && process.env["CI"] !== "false") throw new Error(skipped);
  return { skipped };
}
