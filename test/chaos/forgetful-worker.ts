/** The settlement worker of the control run: it takes each copy of a request for a request of its own. */
import { ok } from "../../core/protocol/result.ts";
import { type SettlementOptions, type SettlementWorker, startSettlement as start } from "../../core/settlement/worker.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import { renumbering, withoutNumbers } from "../harness/renumbering.ts";

export * from "../../core/settlement/worker.ts";

export function startSettlement(options: SettlementOptions): Promise<SettlementWorker> {
  const { bus } = options;
  const lens = renumbering();
  const shown: EventBus = {
    ensureTopics: (topics) => bus.ensureTopics(topics),
    publish: (records) => bus.publish(records),
    consume: (subscription, handler) => bus.consume(subscription, (slice, control) => handler(lens(slice), control)),
    read: (topic, partition, fromOffset, limit) => bus.read(topic, partition, fromOffset, limit),
    endOffsets: (topic) => bus.endOffsets(topic),
    health: () => bus.health(),
    close: () => bus.close(),
  };
  // A changed number bears no edge's origin any more.
  return start({ ...options, ...withoutNumbers(options), bus: shown, origin: { check: () => Promise.resolve(ok(undefined)) } });
}
