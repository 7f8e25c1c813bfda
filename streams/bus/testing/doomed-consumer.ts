/**
 * A consumer made to be killed: takes its first slice, says so on standard output, and never finishes it.
 * `node doomed-consumer.ts embedded|kafka <file|brokers> <group> <topic> <session timeout ms>`
 */
import { connectKafkaBus } from "../kafka.ts";
import { openEmbeddedBus } from "../embedded.ts";

const [kind, place = "", group = "", topic = "", sessionTimeoutMs = ""] = process.argv.slice(2);
const bus =
  kind === "kafka"
    ? await connectKafkaBus({ brokers: place.split(","), clientId: "doomed", sessionTimeoutMs: Number(sessionTimeoutMs) })
    : await openEmbeddedBus({ file: place, clock: { now: () => Date.now() } });

await bus.consume({ group, topics: [topic] }, async (slice, control) => {
  process.stdout.write(`${slice.records.map(({ offset }) => String(offset)).join(",")}\n`);
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    await control.heartbeat();
  }
});
