/** One face for both adapters under test: a bus, fresh topics, and ways to hurt it. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openEmbeddedBus } from "../embedded.ts";
import { connectKafkaBus } from "../kafka.ts";
import type { BusConsumer, BusRecord, EventBus, SliceHandler, Subscription } from "../port.ts";
import { type NoKafka, startKafka, type TestKafka } from "./kafka.ts";

export interface Rig {
  readonly via: string;
  readonly bus: EventBus;
  /** `undefined` for a broker that is not ours to kill. */
  readonly outage: Outage | undefined;
  /** Joins a group; where a restart ends the member with the bus, it joins again. */
  consume(subscription: Subscription, handler: SliceHandler): Promise<BusConsumer>;
  /** A second process that takes a slice of the topic and never commits; resolves with the offsets it took. */
  doomedConsumer(group: string, topic: string): Promise<DoomedConsumer>;
  stop(): Promise<void>;
}

export interface Outage {
  begin(): Promise<void>;
  end(): Promise<void>;
}

export interface DoomedConsumer {
  readonly offsets: readonly bigint[];
  /** `kill -9`, and the bus is ours again. */
  kill(): Promise<void>;
}

export async function embeddedRig(): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), "ronghe-bus-"));
  const file = join(folder, "bus.db");
  const open = (): Promise<EventBus> => openEmbeddedBus({ file, clock: { now: () => Date.now() } });
  let bus = await open();
  const members = new Set<{ current: BusConsumer; readonly subscription: Subscription; readonly handler: SliceHandler }>();
  const begin = (): Promise<void> => bus.close();
  const end = async (): Promise<void> => {
    bus = await open();
    for (const member of members) member.current = await bus.consume(member.subscription, member.handler);
  };
  return {
    via: "one libSQL file",
    get bus() {
      return bus;
    },
    outage: { begin, end },
    consume: async (subscription, handler) => {
      const member = { current: await bus.consume(subscription, handler), subscription, handler };
      members.add(member);
      return {
        crashed: member.current.crashed,
        stop: async () => {
          members.delete(member);
          await member.current.stop();
        },
      };
    },
    doomedConsumer: async (group, topic) => {
      await begin();
      const doomed = await doom(["embedded", file, group, topic]);
      return { offsets: doomed.offsets, kill: () => doomed.kill().then(end) };
    },
    stop: async () => {
      await bus.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function kafkaRig(): Promise<Rig | NoKafka> {
  const kafka: TestKafka | NoKafka = await startKafka();
  if ("skipped" in kafka) return kafka;
  const { brokers, kill9, start } = kafka;
  // Brokers that are not ours keep Kafka's default minimum.
  const sessionTimeoutMs = kill9 === undefined ? 6_000 : 2_000;
  const bus = await connectKafkaBus({ brokers, clientId: "contract", sessionTimeoutMs });
  return {
    via: kafka.via,
    bus,
    outage: kill9 === undefined || start === undefined ? undefined : { begin: kill9, end: start },
    consume: (subscription, handler) => bus.consume(subscription, handler),
    doomedConsumer: (group, topic) => doom(["kafka", brokers.join(","), group, topic, String(sessionTimeoutMs)]),
    stop: async () => {
      await bus.close();
      await kafka.stop();
    },
  };
}

async function doom(args: readonly string[]): Promise<DoomedConsumer> {
  const script = fileURLToPath(new URL("doomed-consumer.ts", import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout?.once("data", (data: Buffer) => resolve(data.toString("utf8")));
    void ended.then(() => reject(new Error("the doomed consumer ended by itself")));
  });
  return {
    offsets: line.trim().split(",").map(BigInt),
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Publishes until the bus has everything, as an outbox does. */
export async function publishAll(rig: Rig, records: readonly BusRecord[]): Promise<void> {
  let waiting = records;
  while (waiting.length > 0) {
    const verdicts = await rig.bus.publish(waiting);
    const refused = verdicts.find(({ kind }) => kind === "fatal");
    if (refused !== undefined) throw new Error(JSON.stringify(refused));
    waiting = waiting.filter((_, at) => verdicts[at]?.kind !== "ok");
    if (waiting.length > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Waits for something to become true; the test's own timeout is the limit. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
}
