/**
 * Consumer groups of the embedded bus. All members live in this process, so a rebalance is a plain computation: a
 * partition that changes hands is first finished by its old owner, then started by the new one.
 */
import { redeliveryPauseMs, SLICE_MAX_DEFAULT } from "./delivery.ts";
import type { EmbeddedLog } from "./embedded-log.ts";
import { type BusLog, errorClass } from "./log.ts";
import type { BusConsumer, Slice, SliceHandler, Subscription } from "./port.ts";

interface Member {
  readonly subscription: Subscription;
  readonly handler: SliceHandler;
  readonly crash: (error: unknown) => void;
}

interface Assignment {
  readonly member: Member;
  readonly topic: string;
  readonly partition: number;
}

export class EmbeddedGroup {
  readonly #log: EmbeddedLog;
  readonly #busLog: BusLog;
  readonly #members: Member[] = [];
  readonly #running = new Map<string, { readonly member: Member; readonly worker: PartitionWorker }>();
  #turn: Promise<void> = Promise.resolve();

  constructor(log: EmbeddedLog, busLog: BusLog) {
    this.#log = log;
    this.#busLog = busLog;
  }

  async join(subscription: Subscription, handler: SliceHandler): Promise<BusConsumer> {
    const crashed = Promise.withResolvers<never>();
    crashed.promise.catch(() => undefined);
    const member: Member = {
      subscription,
      handler,
      crash: (error) => {
        crashed.reject(error);
        void this.#leave(member);
      },
    };
    this.#members.push(member);
    await this.#rebalance();
    return { stop: () => this.#leave(member), crashed: crashed.promise };
  }

  /** Stops every member, after its running slices. */
  async close(): Promise<void> {
    this.#members.length = 0;
    await this.#rebalance();
  }

  async #leave(member: Member): Promise<void> {
    const at = this.#members.indexOf(member);
    if (at !== -1) this.#members.splice(at, 1);
    await this.#rebalance();
  }

  #rebalance(): Promise<void> {
    const next = this.#turn.then(async () => {
      const wanted = this.#assign();
      const leaving = [...this.#running].filter(([place, { member }]) => wanted.get(place)?.member !== member);
      await Promise.all(
        leaving.map(async ([place, { worker }]) => {
          await worker.stop();
          this.#running.delete(place);
        }),
      );
      for (const [place, assignment] of wanted) {
        if (this.#running.has(place)) continue;
        const worker = new PartitionWorker(this.#log, this.#busLog, assignment);
        this.#running.set(place, { member: assignment.member, worker });
      }
    });
    this.#turn = next;
    return next;
  }

  /** Round robin per topic among the members that subscribe to it. */
  #assign(): Map<string, Assignment> {
    const assignments = new Map<string, Assignment>();
    const topics = new Set(this.#members.flatMap(({ subscription }) => subscription.topics));
    for (const topic of topics) {
      const candidates = this.#members.filter(({ subscription }) => subscription.topics.includes(topic));
      const partitions = this.#log.partitions(topic) ?? 0;
      for (let partition = 0; partition < partitions; partition++) {
        const member = candidates[partition % candidates.length];
        if (member !== undefined) assignments.set(`${topic}/${partition}`, { member, topic, partition });
      }
    }
    return assignments;
  }
}

/** Feeds one partition to one member, slice by slice, until stopped. */
class PartitionWorker {
  readonly #log: EmbeddedLog;
  readonly #busLog: BusLog;
  readonly #assignment: Assignment;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;

  constructor(log: EmbeddedLog, busLog: BusLog, assignment: Assignment) {
    this.#log = log;
    this.#busLog = busLog;
    this.#assignment = assignment;
    this.#ended = this.#run().catch((error: unknown) => assignment.member.crash(error));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { member, topic, partition } = this.#assignment;
    const { signal } = this.#stopping;
    let offset = await this.#start();
    let failures = 0;
    while (!signal.aborted) {
      const records = await this.#log.read(topic, partition, offset, member.subscription.sliceMax ?? SLICE_MAX_DEFAULT);
      const last = records.at(-1);
      if (last === undefined) {
        await this.#log.grown(topic, partition, offset, signal);
        continue;
      }
      if (signal.aborted) return;
      if (await this.#handled({ topic, partition, records })) {
        failures = 0;
        offset = last.offset + 1n;
        await this.#log.commitPosition({ group: member.subscription.group, topic, partition, nextOffset: offset });
      } else {
        await pause(redeliveryPauseMs(++failures), signal);
      }
    }
  }

  async #start(): Promise<bigint> {
    const { member, topic, partition } = this.#assignment;
    const { group, position } = member.subscription;
    const own = await position?.(topic, partition);
    const start = own ?? (await this.#log.position(group, topic, partition));
    const end = this.#log.ends(topic)?.[partition] ?? 0n;
    // A consumer that has seen more than there is looks at another log, or at a lost one: going on would skip records.
    if (start > end) throw new Error(`group ${group} stands at ${start} of ${topic}/${partition}, which ends at ${end}`);
    return start;
  }

  async #handled(slice: Slice): Promise<boolean> {
    try {
      await this.#assignment.member.handler(slice, {
        heartbeat: () => Promise.resolve(),
        stopped: () => this.#stopping.signal.aborted,
      });
      return true;
    } catch (error) {
      this.#busLog("warn", "slice failed, it comes again", {
        group: this.#assignment.member.subscription.group,
        topic: slice.topic,
        partition: slice.partition,
        offset: String(slice.records[0]?.offset),
        error: errorClass(error),
      });
      return false;
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const wake = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal.addEventListener("abort", wake);
  });
}
