/** What every part that reads the bus shows of it. */
import type { Metrics } from "../../core/protocol/metrics.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import { deadLetterTopic, TOPICS } from "../../streams/contracts/topics.ts";

/** A bus that is away must not hold a whole reading up. */
const BUS_MS_MAX = 2_000;

export function watchDeadLetters(metrics: Metrics, bus: Pick<EventBus, "endOffsets">): void {
  const topics = Object.keys(TOPICS).map((topic) => deadLetterTopic(topic));
  metrics.gauge({ name: "ronghe_dead_letters", help: "Records put aside because no consumer could read them.", labels: ["topic"] }, () =>
    withinBus(
      Promise.all(
        topics.map(async (topic) => ({
          labels: { topic },
          value: (await bus.endOffsets(topic)).reduce((sum, end) => sum + end, 0n),
        })),
      ),
    ),
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
