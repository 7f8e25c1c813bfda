/**
 * Outcomes as they come back over the bus, kept in the edge's own database so that `rh.result` answers without the
 * core: a projection with its offsets in the same transaction. Whoever waits for an outcome is woken by it.
 */
import { OUTCOME_TOPICS } from "../core/protocol/ingest.ts";
import type { SettlementReply } from "../core/protocol/operations.ts";
import { traceparentOf, Tracing } from "../core/protocol/tracing.ts";
import { type Database, insertRows, type InValue, type Statement } from "../migrations/database.ts";
import type { BusConsumer, EventBus, Slice } from "../streams/bus/port.ts";
import { decodeEvent } from "../streams/contracts/codec.ts";
import { boardKey, isFinal, type Outcome, outcomeOf, WaitingBoard } from "./outcomes.ts";
import type { Results } from "./ports.ts";

export interface ResultsOptions {
  readonly bus: EventBus;
  readonly db: Database;
  readonly edgeId: string;
  /** Ends the trace of a settlement whose outcome has come back. */
  readonly tracing?: Tracing;
}

export interface LiveResults extends Results {
  /** Ends the waiting of callers, for good. */
  release(): void;
  /** Leaves the group. */
  stop(): Promise<void>;
  /** Rejects when the consumer died for good. */
  readonly crashed: Promise<never>;
}

export async function startResults(options: ResultsOptions): Promise<LiveResults> {
  const { db, tracing = new Tracing() } = options;
  const offsets = new Map(
    (await db.read("SELECT topic, partition, next_offset FROM result_offset")).map((row) => [
      `${String(row["topic"])}/${String(row["partition"])}`,
      BigInt(String(row["next_offset"])),
    ]),
  );
  const board = new WaitingBoard();
  let alive = true;
  let leftOut = 0;

  const consumer: BusConsumer = await options.bus.consume(
    {
      group: `edge-${options.edgeId}`,
      topics: OUTCOME_TOPICS,
      position: (topic, partition) => Promise.resolve(offsets.get(`${topic}/${partition}`)),
    },
    async function storeOutcomes(slice: Slice): Promise<void> {
      const last = slice.records.at(-1);
      if (last === undefined) return;
      let unread = 0;
      const outcomes = slice.records.flatMap((record) => {
        // What cannot be read is quarantined by the consumers that act on it; here it only has no outcome to show.
        const event = decodeEvent(record);
        if (!event.ok) unread += record.unreadable?.records ?? 1;
        const outcome = event.ok ? outcomeOf(event.value) : undefined;
        if (outcome === undefined) return [];
        const { orgId: institution, reply } = outcome;
        const span = tracing.follow("edge.outcome", traceparentOf(record.headers), { institution, outcome: reply.status });
        return [{ ...outcome, span }];
      });
      // Outcomes and offset are one transaction: what is lost with the power comes again from the bus.
      await db.write([...storing(outcomes), offsetStatement(slice, last.offset + 1n)], "process");
      leftOut += unread;
      offsets.set(`${slice.topic}/${slice.partition}`, last.offset + 1n);
      for (const outcome of outcomes) {
        board.announce(outcome);
        outcome.span.end();
      }
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
    leftOut: () => leftOut,
    crashed: consumer.crashed,
    release: () => board.close(),
    async stop() {
      alive = false;
      board.close();
      await consumer.stop();
    },
  };
}

/** The topics are not ordered among each other: `unknown` never replaces a final outcome. */
function storing(outcomes: readonly Outcome[]): readonly Statement[] {
  const columns = ["settlement_id", "request_hash", "org_id", "out_trade_no", "conflict", "reply", "at_ms"];
  const replace =
    "ON CONFLICT (settlement_id, request_hash) DO UPDATE SET conflict = excluded.conflict, reply = excluded.reply, at_ms = excluded.at_ms";
  return [
    ...insertRows("result", columns, rowsOf(outcomes.filter(({ reply }) => isFinal(reply))), replace),
    ...insertRows("result", columns, rowsOf(outcomes.filter(({ reply }) => !isFinal(reply))), "ON CONFLICT DO NOTHING"),
  ];
}

function offsetStatement(slice: Slice, nextOffset: bigint): Statement {
  return {
    sql: `INSERT INTO result_offset (topic, partition, next_offset) VALUES (?, ?, ?)
          ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset`,
    args: [slice.topic, slice.partition, nextOffset],
  };
}

function rowsOf(outcomes: readonly Outcome[]): InValue[][] {
  return outcomes.map(({ orgId, requestHash, conflict, atMs, reply }) => [
    reply.settlementId,
    requestHash,
    orgId,
    reply.outTradeNo,
    conflict ? 1 : 0,
    JSON.stringify(reply),
    atMs,
  ]);
}
