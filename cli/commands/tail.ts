import { setTimeout as sleep } from "node:timers/promises";
import type { DeliveredRecord } from "../../streams/bus/port.ts";
import { deadLetterTopic, TOPICS } from "../../streams/contracts/topics.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson } from "../output.ts";
import { openBusForReading } from "../platform/bus.ts";

const READ_MAX = 500;
const LOOK_AGAIN_MS = 200;

/** `ronghe tail TOPIC`: events of every partition, one JSON line each; with `--follow` it goes on until stopped. */
export async function tail(config: Config, topic: string, options: { readonly follow?: boolean; readonly limit?: number }): Promise<void> {
  const topics = Object.keys(TOPICS);
  if (!topics.includes(topic) && !topics.map(deadLetterTopic).includes(topic))
    throw new UsageError(`no topic ${topic}; there are ${topics.join(", ")}, and <topic without .v1>.dlq.v1`);
  const bus = await openBusForReading(config);
  try {
    const ends = await bus.endOffsets(topic);
    const next = ends.map(() => 0n);
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    for (;;) {
      let seen = 0;
      for (const [partition, from] of next.entries()) {
        const records = left > 0 ? await bus.read(topic, partition, from, Math.min(READ_MAX, left)) : [];
        for (const record of records) printJson(readable(record));
        left -= records.length;
        seen += records.length;
        const last = records.at(-1);
        if (last !== undefined) next[partition] = last.offset + 1n;
      }
      if (left <= 0 || (seen === 0 && options.follow !== true)) return;
      if (seen === 0) await sleep(LOOK_AGAIN_MS);
    }
  } finally {
    await bus.close();
  }
}

/** JSON stays JSON, text stays text, other bytes become Base64, and so does what only calls itself JSON: dead letters do. */
export function readable(record: DeliveredRecord): unknown {
  const { topic, partition, offset, timestampMs, key, headers } = record;
  const contentType = headers["content-type"] ?? "";
  const common = { topic, partition, offset, timestampMs, key, headers };
  if (contentType.startsWith("application/json")) {
    try {
      return { ...common, data: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(record.value)) as unknown };
    } catch {
      return { ...common, base64: Buffer.from(record.value).toString("base64") };
    }
  }
  if (contentType.startsWith("text/plain")) return { ...common, text: new TextDecoder().decode(record.value) };
  return { ...common, base64: Buffer.from(record.value).toString("base64") };
}
