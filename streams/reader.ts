/**
 * How fraud and supervision read the bus: what can never be handled is put aside, the rest of a slice and where the service
 * then stands are one transaction of the `streams` database, so that a repeated delivery counts once (DESIGN 7). Records
 * that are no longer there are a finding in the same transaction, and reading goes on.
 */
import type { Clock } from "../core/protocol/time.ts";
import type { Database, Statement } from "../migrations/database.ts";
import { GroupCommit } from "../migrations/queue.ts";
import { countsAnew, type Memory, moveOffsets, type Place, putOffset, readOffset, restartGap, sliceCountsAnew } from "./beginning.ts";
import { DeadLetters } from "./bus/dead-letter.ts";
import type { BusLog } from "./bus/log.ts";
import type { BusConsumer, EventBus, Slice } from "./bus/port.ts";
import type { DeadLetterReason } from "./contracts/dead-letter-reasons.ts";
import type { AnyEvent } from "./contracts/event.ts";
import { isPoison, readSlice, type Taken } from "./contracts/intake.ts";
import { type Gap, insertGaps, logGap, type StreamService, unreadGap } from "./gap.ts";

const SLICES_PER_COMMIT = 16;
const DRAIN_LOOK_MS = 20;

export interface StreamReaderOptions {
  readonly service: StreamService;
  /** As dead letters name it. */
  readonly consumer: string;
  readonly topics: readonly string[];
  readonly bus: EventBus;
  readonly db: Database;
  /** For the time of a finding. */
  readonly clock: Clock;
  readonly log: BusLog;
  /** What the service knows to have read. */
  readonly memory: Memory;
  /** Why an event is none for this service, if so. */
  readonly unfit: (event: AnyEvent) => DeadLetterReason | undefined;
  /** Handles records in the order they came, and writes `standing` with what follows from them, in one transaction. */
  readonly write: (taken: readonly Taken[], standing: readonly Statement[]) => Promise<void>;
}

/** A slice: its events and, put aside already, what is none. */
interface Work {
  readonly taken: readonly Taken[];
  readonly next: Place;
  readonly gap: Gap | undefined;
}

export class StreamReader {
  readonly #options: StreamReaderOptions;
  readonly #commits: GroupCommit<Work, void>;
  readonly #deadLetters: DeadLetters;
  readonly #offsets = new Map<string, bigint>();
  /** Partitions whose first slice since they were given has been seen. */
  readonly #begun = new Set<string>();
  #consumer: BusConsumer | undefined;
  #stopped = false;

  constructor(options: StreamReaderOptions) {
    const { bus, consumer, log } = options;
    this.#options = options;
    this.#commits = new GroupCommit((works) => this.#commit(works), SLICES_PER_COMMIT);
    this.#deadLetters = new DeadLetters(bus, { consumer, log });
  }

  /** Rejects when the consumer died for good. */
  get crashed(): Promise<never> {
    return this.#consumer?.crashed ?? new Promise(() => undefined);
  }

  async start(): Promise<void> {
    const { bus, service, topics } = this.#options;
    const position = (topic: string, partition: number): Promise<bigint> => this.#position(topic, partition);
    this.#consumer = await bus.consume({ group: service, topics, position }, (slice) => this.#handle(slice));
  }

  /** Leaves the group after the running slices. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#consumer?.stop();
    await this.#commits.idle();
  }

  /** Resolves when everything on the bus at the time of the call is written. */
  async drained(): Promise<void> {
    for (const topic of this.#options.topics)
      for (const [partition, end] of (await this.#options.bus.endOffsets(topic)).entries()) await this.#reached(topic, partition, end);
  }

  async #reached(topic: string, partition: number, end: bigint): Promise<void> {
    while ((this.#offsets.get(`${topic}/${partition}`) ?? 0n) < end) {
      if (this.#stopped) throw new Error(`the ${this.#options.service} service has stopped`);
      await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
    }
  }

  /** Where a partition is read from, asked when it is given. */
  async #position(topic: string, partition: number): Promise<bigint> {
    const { bus, db, memory, service } = this.#options;
    const next = { topic, partition, offset: await readOffset(db, service, topic, partition) };
    this.#begun.delete(`${topic}/${partition}`);
    if (await countsAnew(bus, next, memory)) {
      await this.#beginAnew(next, 0n);
      return 0n;
    }
    // Not before it is known: where the old count ended is no place in this one.
    this.#offsets.set(`${topic}/${partition}`, next.offset);
    return next.offset;
  }

  async #handle(slice: Slice): Promise<void> {
    const { service, memory, unfit } = this.#options;
    const name = `${slice.topic}/${slice.partition}`;
    const [first] = slice.records;
    const stands = this.#offsets.get(name) ?? 0n;
    if (first !== undefined && (await sliceCountsAnew(slice, stands, memory)))
      await this.#beginAnew({ ...first, offset: stands }, first.offset);
    const nextOffset = this.#offsets.get(name) ?? 0n;
    const gap = this.#begun.has(name) ? undefined : unreadGap(service, slice, nextOffset);
    const taken = readSlice(slice.records, nextOffset, unfit);
    const lastOffset = slice.records.at(-1)?.offset;
    if (lastOffset !== undefined && lastOffset >= nextOffset) {
      await this.#deadLetters.bury(taken.filter(isPoison));
      const next = { topic: slice.topic, partition: slice.partition, offset: lastOffset + 1n };
      await this.#commits.submit({ taken, next, gap });
    }
    this.#begun.add(name);
  }

  /** What the service has of the old count stays: it was handled, and is lost only to whoever reads the bus again. */
  async #beginAnew({ topic, partition, offset }: Place, from: bigint): Promise<void> {
    const { service, clock, db, log } = this.#options;
    const gap = restartGap(service, { topic, partition, offset }, clock.now());
    await db.write([...insertGaps([gap]), putOffset(service, { topic, partition, offset: from })]);
    this.#offsets.set(`${topic}/${partition}`, from);
    logGap(log, gap);
  }

  async #commit(works: readonly Work[]): Promise<readonly void[]> {
    const { service, log, write } = this.#options;
    const gaps = works.flatMap(({ gap }) => gap ?? []);
    const places = works.map(({ next }) => next);
    await write(
      works.flatMap(({ taken }) => taken),
      [...insertGaps(gaps), ...moveOffsets(service, places)],
    );
    for (const { topic, partition, offset } of places) this.#offsets.set(`${topic}/${partition}`, offset);
    for (const gap of gaps) logGap(log, gap);
    return works.map(() => undefined);
  }
}
