/** What every part that reads the bus shows of it. */
import type { Metrics } from "../../core/protocol/metrics.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import { deadLetterTopic, TOPICS } from "../../streams/contracts/topics.ts";
import { DeadLetterTally } from "./dead-letter-tally.ts";

/** A bus that is away must not hold a whole reading up. */
const BUS_MS_MAX = 2_000;

export function watchDeadLetters(metrics: Metrics, bus: Pick<EventBus, "read" | "endOffsets">): void {
  const topics = Object.keys(TOPICS).map((topic) => deadLetterTopic(topic));
  metrics.gauge({ name: "ronghe_dead_letters", help: "Dead letters, and markers of those that were replayed.", labels: ["topic"] }, () =>
    withinBus(
      Promise.all(
        topics.map(async (topic) => ({
          labels: { topic },
          value: (await bus.endOffsets(topic)).reduce((sum, end) => sum + end, 0n),
        })),
      ),
    ),
  );
  const tally = new DeadLetterTally(bus, Object.keys(TOPICS));
  const byReason = "Records put aside, by the topic they came from and why; reasons that are none of ours are other.";
  metrics.gauge({ name: "ronghe_dead_letter_records", help: byReason, labels: ["topic", "reason"] }, async () =>
    (await withinBus(tally.counts())).map(({ topic, reason, records }) => ({ labels: { topic, reason }, value: records })),
  );
}

/** Rejects when the bus does not answer in time. */
export async function withinBus<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer in time")), BUS_MS_MAX);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
