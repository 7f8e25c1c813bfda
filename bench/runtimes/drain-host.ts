/** An outbox in a libSQL file and a way to Kafka, on the runtime that runs this file: fills, drains and, beside it, only publishes. */
import { join } from "node:path";
import { systemClock } from "../../core/protocol/time.ts";
import { openDatabase } from "../../migrations/database.ts";
import { answering } from "../../edge/testing/runtimes/wire.ts";
import { connectKafkaBus } from "../../streams/bus/kafka.ts";
import { enqueue, startForwarder } from "../../streams/bus/outbox.ts";
import { queuedRecords } from "./queued.ts";

const { listen } = await (process.versions["deno"] === undefined
  ? import("../../edge/node/listen.ts")
  : import("../../edge/deno/listen.ts"));
const { folder, brokers } = JSON.parse(process.argv[2] ?? "") as { folder: string; brokers: string[] };
const db = await openDatabase({ kind: "edge", file: join(folder, "edge.db") });
const bus = await connectKafkaBus({ brokers, clientId: "ronghe-bench" });
const BATCH = 500;
const inside = {
  async fill(from: number, count: number) {
    await db.write(enqueue(queuedRecords(from, count, systemClock.now()), systemClock.now()));
  },
  async drain() {
    const forwarder = startForwarder({ db, bus, clock: systemClock });
    await forwarder.drained();
    await forwarder.stop();
  },
  /** The bound: the same records from memory. */
  async publish(from: number, count: number) {
    const records = queuedRecords(from, count, systemClock.now());
    for (let at = 0; at < records.length; at += BATCH) {
      const refused = (await bus.publish(records.slice(at, at + BATCH))).find(({ kind }) => kind !== "ok");
      if (refused !== undefined) throw new Error(JSON.stringify(refused));
    }
  },
};
const server = await listen(
  answering(() => ({ inside })),
  { host: "127.0.0.1", port: 0 },
);
console.log(server.url);
