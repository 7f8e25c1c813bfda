/**
 * Outcomes as they come back over the bus, kept in the edge's own database so that `rh.result` answers without the
 * core: a projection with its offsets in the same transaction. Whoever waits for an outcome is woken by it.
 */
import { ERRORS, type ErrorName } from "../core/protocol/errors.ts";
import type { SettlementReply } from "../core/protocol/operations.ts";
import { type Database, insertRows, type InValue, type Statement } from "../migrations/database.ts";
import type { BusConsumer, EventBus, Slice } from "../streams/bus/port.ts";
import { decodeEvent } from "../streams/contracts/codec.ts";
import type { AnyEvent } from "../streams/contracts/event.ts";
import type { Results } from "./ports.ts";

export const RESULT_TOPICS = [
  "settlement.claim.settled.v1",
  "settlement.claim.refused.v1",
  "settlement.claim.refunded.v1",
  "settlement.claim.unknown.v1",
] as const;

/** Outcomes kept in memory for those about to wait for them. */
const RECENT_MAX = 20_000;

export interface ResultsOptions {
  readonly bus: EventBus;
  readonly db: Database;
  readonly edgeId: string;
}

export interface LiveResults extends Results {
  /** Ends the waiting of callers, for good. */
  release(): void;
  /** Leaves the group. */
  stop(): Promise<void>;
  /** Rejects when the consumer died for good. */
  readonly crashed: Promise<never>;
}

interface Outcome {
  readonly orgId: string;
  readonly requestHash: string;
  readonly conflict: boolean;
  readonly atMs: number;
  readonly reply: SettlementReply;
}

export async function startResults(options: ResultsOptions): Promise<LiveResults> {
  const { db } = options;
  const offsets = new Map(
    (await db.read("SELECT topic, partition, next_offset FROM result_offset")).map((row) => [
      `${String(row["topic"])}/${String(row["partition"])}`,
      BigInt(String(row["next_offset"])),
    ]),
  );
  const board = new WaitingBoard();
  let alive = true;

  const consumer: BusConsumer = await options.bus.consume(
    {
      group: `edge-${options.edgeId}`,
      topics: RESULT_TOPICS,
      position: (topic, partition) => Promise.resolve(offsets.get(`${topic}/${partition}`)),
    },
    async function storeOutcomes(slice: Slice): Promise<void> {
      const last = slice.records.at(-1);
      if (last === undefined) return;
      const outcomes = slice.records.flatMap((record) => {
        // What cannot be read is quarantined by the consumers that act on it; here it only has no outcome to show.
        const event = decodeEvent(record);
        const outcome = event.ok ? outcomeOf(event.value) : undefined;
        return outcome === undefined ? [] : [outcome];
      });
      // Outcomes and offset are one transaction: what is lost with the power comes again from the bus.
      await db.write([...storing(outcomes), offsetStatement(slice, last.offset + 1n)], "process");
      offsets.set(`${slice.topic}/${slice.partition}`, last.offset + 1n);
      for (const outcome of outcomes) board.announce(outcome);
    },
  );
  consumer.crashed.catch(() => {
    alive = false;
  });

  return {
    async find(orgId, outTradeNo, requestHash) {
      // A refused second content says nothing of what stands under the number: the first may still be paid.
      const which = requestHash === undefined ? " AND conflict = 0" : " AND request_hash = ?";
      const args = requestHash === undefined ? [orgId, outTradeNo] : [orgId, outTradeNo, requestHash];
      const rows = await db.read(`SELECT reply FROM result WHERE org_id = ? AND out_trade_no = ?${which} LIMIT 1`, ...args);
      const stored: unknown = rows[0] === undefined ? undefined : JSON.parse(String(rows[0]["reply"]));
      return stored as SettlementReply | undefined;
    },
    wait: (awaited, waitMs) => board.wait(boardKey(awaited.settlementId, awaited.requestHash), waitMs),
    running: () => alive,
    crashed: consumer.crashed,
    release: () => board.close(),
    async stop() {
      alive = false;
      board.close();
      await consumer.stop();
    },
  };
}

/** Recent outcomes and who waits for which. */
class WaitingBoard {
  readonly #recent = new Map<string, SettlementReply>();
  readonly #waiting = new Map<string, Set<() => void>>();
  #closed = false;

  announce({ reply, requestHash }: Outcome): void {
    const key = boardKey(reply.settlementId, requestHash);
    const before = this.#recent.get(key);
    if (before !== undefined && isFinal(before) && !isFinal(reply)) return;
    this.#recent.set(key, reply);
    if (this.#recent.size > RECENT_MAX)
      for (const oldest of this.#recent.keys()) {
        this.#recent.delete(oldest);
        break;
      }
    if (isFinal(reply)) for (const wake of this.#waiting.get(key) ?? []) wake();
  }

  async wait(key: string, waitMs: number): Promise<SettlementReply | undefined> {
    const known = this.#recent.get(key);
    if (this.#closed || (known !== undefined && isFinal(known))) return known;
    await new Promise<void>((resolve) => {
      const waiting = this.#waiting.get(key) ?? new Set();
      this.#waiting.set(key, waiting);
      const wake = (): void => {
        clearTimeout(timer);
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(key);
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      waiting.add(wake);
    });
    return this.#recent.get(key);
  }

  close(): void {
    this.#closed = true;
    for (const waiting of this.#waiting.values()) for (const wake of waiting) wake();
  }
}

function isFinal(reply: SettlementReply): boolean {
  return reply.status !== "unknown" && reply.status !== "accepted";
}

function boardKey(settlementId: string, requestHash: string): string {
  return `${settlementId}/${requestHash}`;
}

function outcomeOf(event: AnyEvent): Outcome | undefined {
  switch (event.type) {
    case "settlement.claim.settled.v1":
    case "settlement.claim.refunded.v1": {
      const { settlementId, outTradeNo, amount, legs, receipt } = event.data;
      const status = event.type === "settlement.claim.settled.v1" ? "settled" : "refunded";
      return outcome(event.data, { outTradeNo, settlementId, status, amount, legs, ...(receipt === undefined ? {} : { receipt }) });
    }
    case "settlement.claim.refused.v1": {
      const { settlementId, outTradeNo, refusal, amount, receipt } = event.data;
      const { code, message } = ERRORS[isErrorName(refusal) ? refusal : "internal"];
      const reply: SettlementReply = {
        outTradeNo,
        settlementId,
        status: "refused",
        refusalCode: code,
        refusalMessage: message,
        ...(amount === undefined ? {} : { amount }),
        ...(receipt === undefined ? {} : { receipt }),
      };
      return { ...outcome(event.data, reply), conflict: refusal === "idempotencyConflict" };
    }
    case "settlement.claim.unknown.v1": {
      const { settlementId, outTradeNo, amount, receipt } = event.data;
      return outcome(event.data, { outTradeNo, settlementId, status: "unknown", amount, ...(receipt === undefined ? {} : { receipt }) });
    }
    default:
      return undefined;
  }
}

function outcome(
  data: { readonly institution: string; readonly requestHash: string; readonly atMs: number },
  reply: SettlementReply,
): Outcome {
  return { orgId: data.institution, requestHash: data.requestHash, conflict: false, atMs: data.atMs, reply };
}

function isErrorName(text: string): text is ErrorName {
  return Object.hasOwn(ERRORS, text);
}

/** The topics are not ordered among each other: `unknown` never replaces a final outcome. */
function storing(outcomes: readonly Outcome[]): readonly Statement[] {
  const columns = ["settlement_id", "request_hash", "org_id", "out_trade_no", "conflict", "reply", "at_ms"];
  const rows = (some: readonly Outcome[]): InValue[][] =>
    some.map(({ orgId, requestHash, conflict, atMs, reply }) => [
      reply.settlementId,
      requestHash,
      orgId,
      reply.outTradeNo,
      conflict ? 1 : 0,
      JSON.stringify(reply),
      atMs,
    ]);
  const replace =
    "ON CONFLICT (settlement_id, request_hash) DO UPDATE SET conflict = excluded.conflict, reply = excluded.reply, at_ms = excluded.at_ms";
  return [
    ...insertRows("result", columns, rows(outcomes.filter(({ reply }) => isFinal(reply))), replace),
    ...insertRows("result", columns, rows(outcomes.filter(({ reply }) => !isFinal(reply))), "ON CONFLICT DO NOTHING"),
  ];
}

function offsetStatement(slice: Slice, nextOffset: bigint): Statement {
  return {
    sql: `INSERT INTO result_offset (topic, partition, next_offset) VALUES (?, ?, ?)
          ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset`,
    args: [slice.topic, slice.partition, nextOffset],
  };
}
