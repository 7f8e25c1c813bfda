/**
 * The bus of an edge that reaches no broker: the core's `POST /ingest` takes what the outbox holds, and outcomes are
 * asked for by position (`core/protocol/ingest.ts`). What only a real bus can do is refused.
 */
import * as v from "valibot";
import { fromBase64, toBase64 } from "../core/protocol/bytes.ts";
import {
  INGEST_BODY_BYTES_MAX,
  INGEST_RECORDS_MAX,
  INGEST_REFUSALS,
  ingestReply,
  type IngestVerdict,
  OUTCOME_TOPICS,
  OUTCOME_WAIT_MS_MAX,
  type OutcomePosition,
  type OutcomesReply,
  outcomesReply,
  type OutcomesRequest,
  OUTCOMES_MAX,
} from "../core/protocol/ingest.ts";
import { ok, refused, type Result } from "../core/protocol/result.ts";
import type { BusConsumer, BusRecord, DeliveredRecord, EventBus, PublishVerdict, SliceHandler, Subscription } from "../streams/bus/port.ts";
import type { CoreCall } from "./app/core-calls.ts";

const INGEST_TIMEOUT_MS = 30_000;
/** Room for the network beside the longest wait. */
const OUTCOMES_TIMEOUT_MS = OUTCOME_WAIT_MS_MAX + 10_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;
/** What JSON and Base64 may make of a batch stays under the body's limit. */
const BATCH_BYTES_MAX = INGEST_BODY_BYTES_MAX / 2;
/** The core does not say where a record landed. */
const SOMEWHERE = { partition: -1, offset: -1n } as const;

export function createCoreBus(call: CoreCall): EventBus {
  const consumers = new Set<CoreConsumer>();
  return {
    ensureTopics: () => Promise.resolve(),
    publish: (records) => publishToCore(call, records),
    async consume(subscription, handler) {
      const consumer = await CoreConsumer.start(call, subscription, handler);
      consumers.add(consumer);
      return consumer;
    },
    read: () => Promise.reject(new Error("an edge reads its outcomes by consuming them")),
    endOffsets: () => Promise.reject(new Error("an edge does not know the ends of topics")),
    health: () => Promise.resolve({ repacked: [] }),
    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.stop()));
    },
  };
}

/** In batches, in order; when one is not answered, nothing behind it is tried. */
export async function publishToCore(call: CoreCall, records: readonly BusRecord[]): Promise<readonly PublishVerdict[]> {
  const verdicts: PublishVerdict[] = [];
  for (const batch of batchesOf(records)) {
    const answers = await publishBatch(call, batch);
    verdicts.push(...answers);
    if (answers.some(({ kind }) => kind === "retryable")) break;
  }
  while (verdicts.length < records.length) verdicts.push({ kind: "retryable", reason: "a batch before it is not taken yet" });
  return verdicts;
}

async function publishBatch(call: CoreCall, batch: readonly BusRecord[]): Promise<readonly PublishVerdict[]> {
  const records = batch.map(({ topic, key, headers, value }) => ({ topic, key, headers, value: toBase64(value) }));
  const answer = await call("POST", "/ingest", { records }, { timeoutMs: INGEST_TIMEOUT_MS });
  const reply = answer?.status === 200 ? v.safeParse(ingestReply, answer.json) : undefined;
  if (reply?.success === true && reply.output.verdicts.length === batch.length) return reply.output.verdicts.map(verdictOf);
  // Of a batch that the core cannot read, only the record at fault is set aside.
  if (answer?.status === 400 && batch.length > 1) return await oneByOne(call, batch);
  if (answer?.status === 400) return [{ kind: "fatal", reason: "the core cannot read the record" }];
  const away: PublishVerdict = {
    kind: "retryable",
    reason: answer === undefined ? "the core does not answer" : `the core says ${answer.status}`,
  };
  return batch.map(() => away);
}

async function oneByOne(call: CoreCall, batch: readonly BusRecord[]): Promise<readonly PublishVerdict[]> {
  const verdicts: PublishVerdict[] = [];
  for (const record of batch) {
    const held = verdicts.at(-1)?.kind === "retryable";
    verdicts.push(...(held ? [{ kind: "retryable", reason: "the core does not answer" } as const] : await publishBatch(call, [record])));
  }
  return verdicts;
}

function verdictOf(verdict: IngestVerdict): PublishVerdict {
  if (verdict === "stored") return { kind: "ok", ...SOMEWHERE };
  if (verdict === "later") return { kind: "retryable", reason: "the core's bus is away" };
  return { kind: "fatal", reason: `${verdict}: ${INGEST_REFUSALS[verdict]}` };
}

function batchesOf(records: readonly BusRecord[]): BusRecord[][] {
  const batches: BusRecord[][] = [];
  let batch: BusRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = record.value.length + JSON.stringify(record.headers).length;
    if (batch.length > 0 && (batch.length === INGEST_RECORDS_MAX || bytes + size > BATCH_BYTES_MAX)) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(record);
    bytes += size;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

/** One question for outcomes. `unreachable` also for an answer that is not understood. */
export async function askForOutcomes(
  call: CoreCall,
  request: OutcomesRequest,
  signal?: AbortSignal,
): Promise<Result<OutcomesReply, "unreachable" | "positionAhead">> {
  const limits = { timeoutMs: OUTCOMES_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) };
  const answer = await call("POST", "/internal/v1/outcomes", request, limits);
  if (answer?.status === 409) return refused("positionAhead");
  const reply = answer?.status === 200 ? v.safeParse(outcomesReply, answer.json) : undefined;
  return reply?.success === true ? ok(reply.output) : refused("unreachable");
}

/** The records of a reply as the bus would have delivered them, by partition. */
export function slicesOf(reply: OutcomesReply): readonly { topic: string; partition: number; records: readonly DeliveredRecord[] }[] {
  const slices = Map.groupBy(reply.records, ({ topic, partition }) => `${topic}/${partition}`);
  return [...slices.values()].flatMap((records) => {
    const [first] = records;
    if (first === undefined) return [];
    const { topic, partition } = first;
    return [
      {
        topic,
        partition,
        records: records.map((record) => ({
          ...record,
          offset: BigInt(record.offset),
          value: fromBase64(record.value) ?? new Uint8Array(),
        })),
      },
    ];
  });
}

class CoreConsumer implements BusConsumer {
  readonly crashed: Promise<never>;
  readonly #call: CoreCall;
  readonly #subscription: Subscription;
  readonly #handler: SliceHandler;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;
  #crash: (error: Error) => void = () => undefined;

  private constructor(call: CoreCall, subscription: Subscription, handler: SliceHandler) {
    this.#call = call;
    this.#subscription = subscription;
    this.#handler = handler;
    this.crashed = new Promise((_, reject) => {
      this.#crash = reject;
    });
    this.crashed.catch(() => undefined);
    this.#ended = this.#run();
  }

  /** Starts without the core as well: an edge must come up when nothing else does. */
  static start(call: CoreCall, subscription: Subscription, handler: SliceHandler): Promise<CoreConsumer> {
    const strange = subscription.topics.find((topic) => !OUTCOME_TOPICS.some((one) => one === topic));
    if (strange !== undefined) return Promise.reject(new Error(`the core gives edges no ${strange}`));
    return Promise.resolve(new CoreConsumer(call, subscription, handler));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    let positions: readonly OutcomePosition[] | undefined;
    let failures = 0;
    while (!this.#stopping.signal.aborted) {
      const asked: Result<OutcomesReply, "unreachable" | "positionAhead"> =
        positions === undefined ? await this.#ask([], 0, 0) : await this.#ask(positions, OUTCOMES_MAX, OUTCOME_WAIT_MS_MAX);
      if (this.#stopping.signal.aborted) return;
      if (!asked.ok && asked.error === "positionAhead") {
        this.#crash(
          new Error("outcomes were read further than their topics reach: this is another platform's core, or its bus was made anew"),
        );
        return;
      }
      try {
        if (!asked.ok) throw new Error("the core does not answer");
        positions = positions === undefined ? await this.#begin(asked.value.positions) : await this.#deliver(asked.value);
        failures = 0;
      } catch {
        // Nothing of the slice was kept: it comes again.
        positions = undefined;
        await this.#pause(Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures++, 10)));
      }
    }
  }

  async #ask(positions: readonly OutcomePosition[], recordsMax: number, waitMs: number): ReturnType<typeof askForOutcomes> {
    return await askForOutcomes(this.#call, { positions: [...positions], recordsMax, waitMs }, this.#stopping.signal);
  }

  /** Where the subscriber is in each partition that there is. */
  async #begin(all: readonly OutcomePosition[]): Promise<readonly OutcomePosition[]> {
    return await Promise.all(
      all.map(async ({ topic, partition }) => {
        const known = await this.#subscription.position?.(topic, partition);
        return { topic, partition, next: String(known ?? 0n) };
      }),
    );
  }

  async #deliver(reply: OutcomesReply): Promise<readonly OutcomePosition[]> {
    const control = { heartbeat: () => Promise.resolve(), stopped: () => this.#stopping.signal.aborted };
    const wanted = new Set(this.#subscription.topics);
    for (const slice of slicesOf(reply)) if (wanted.has(slice.topic)) await this.#handler(slice, control);
    return reply.positions;
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
