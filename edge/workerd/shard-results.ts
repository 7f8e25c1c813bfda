/**
 * Outcomes of one shard's institutions, asked of the core: there is no consumer of a group in a Worker. Stored with the
 * positions in one transaction; whoever waits for an outcome asks on until it is there.
 */
import type { OutcomePosition, OutcomesReply } from "../../core/protocol/ingest.ts";
import { OUTCOME_TOPICS, OUTCOME_WAIT_MS_MAX, OUTCOMES_MAX } from "../../core/protocol/ingest.ts";
import type { SettlementReply } from "../../core/protocol/operations.ts";
import { decodeEvent } from "../../streams/contracts/codec.ts";
import type { CoreCall } from "../app/core-calls.ts";
import { askForOutcomes, slicesOf } from "../core-bus.ts";
import { boardKey, isFinal, type Outcome, outcomeOf, WaitingBoard } from "../outcomes.ts";
import type { ObjectStorage } from "./storage.ts";

export interface ShardResultsOptions {
  readonly storage: ObjectStorage;
  readonly call: CoreCall;
  /** Whether an institution belongs to this shard. */
  readonly mine: (orgId: string) => boolean;
}

const PAUSE_MS = 200;

export class ShardResults {
  readonly #options: ShardResultsOptions;
  readonly #board = new WaitingBoard();
  #asking: Promise<boolean> | undefined;
  #refused = false;

  constructor(options: ShardResultsOptions) {
    this.#options = options;
  }

  /** False when the core's topics are other ones than before, which somebody must look at. */
  get running(): boolean {
    return !this.#refused;
  }

  get asking(): boolean {
    return this.#asking !== undefined;
  }

  find(orgId: string, outTradeNo: string, requestHash?: string): SettlementReply | undefined {
    // A refused second content says nothing of what stands under the number: the first may still be paid.
    const { sql } = this.#options.storage;
    const rows =
      requestHash === undefined
        ? sql.exec("SELECT reply FROM result WHERE org_id = ? AND out_trade_no = ? AND conflict = 0 LIMIT 1", orgId, outTradeNo)
        : sql.exec(
            "SELECT reply FROM result WHERE org_id = ? AND out_trade_no = ? AND request_hash = ? LIMIT 1",
            orgId,
            outTradeNo,
            requestHash,
          );
    const [row] = rows.toArray();
    return row === undefined ? undefined : (JSON.parse(String(row["reply"])) as SettlementReply);
  }

  async wait(settlementId: string, requestHash: string, waitMs: number): Promise<SettlementReply | undefined> {
    const over = new AbortController();
    void this.#askUntil(over.signal, Math.min(waitMs, OUTCOME_WAIT_MS_MAX));
    return await this.#board.wait(boardKey(settlementId, requestHash), waitMs).finally(() => over.abort());
  }

  /** Asks for as long as somebody waits; one question serves all who do. */
  async #askUntil(over: AbortSignal, waitMs: number): Promise<void> {
    while (!over.aborted) if (!(await this.ask(waitMs))) await pause(PAUSE_MS);
  }

  /** Asks once and stores what came; false when the core did not answer. */
  ask(waitMs: number): Promise<boolean> {
    return (this.#asking ??= this.#askOnce(waitMs).finally(() => (this.#asking = undefined)));
  }

  async #askOnce(waitMs: number): Promise<boolean> {
    const answer = await askForOutcomes(this.#options.call, { positions: [...this.#positions()], recordsMax: OUTCOMES_MAX, waitMs });
    this.#refused = !answer.ok && answer.error === "positionAhead";
    if (!answer.ok) return false;
    for (const outcome of this.#store(answer.value)) this.#board.announce(outcome);
    return true;
  }

  #positions(): readonly OutcomePosition[] {
    return this.#options.storage.sql
      .exec("SELECT topic, partition, next_offset FROM result_offset")
      .toArray()
      .flatMap((row) => {
        const topic = OUTCOME_TOPICS.find((one) => one === row["topic"]);
        return topic === undefined ? [] : [{ topic, partition: Number(row["partition"]), next: String(row["next_offset"]) }];
      });
  }

  #store(reply: OutcomesReply): readonly Outcome[] {
    const outcomes = slicesOf(reply).flatMap(({ records }) =>
      records.flatMap((record) => {
        const event = this.#options.mine(record.key) ? decodeEvent(record) : undefined;
        const outcome = event?.ok === true ? outcomeOf(event.value) : undefined;
        return outcome === undefined ? [] : [outcome];
      }),
    );
    const { storage } = this.#options;
    storage.transactionSync(() => {
      for (const outcome of outcomes) insert(storage, outcome);
      for (const { topic, partition, next } of reply.positions)
        storage.sql.exec(
          `INSERT INTO result_offset (topic, partition, next_offset) VALUES (?, ?, ?)
           ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset`,
          topic,
          partition,
          Number(next),
        );
    });
    return outcomes;
  }
}

/** The topics are not ordered among each other: `unknown` never replaces a final outcome. */
function insert({ sql }: ObjectStorage, { reply, requestHash, orgId, conflict, atMs }: Outcome): void {
  const again = isFinal(reply)
    ? "ON CONFLICT (settlement_id, request_hash) DO UPDATE SET conflict = excluded.conflict, reply = excluded.reply, at_ms = excluded.at_ms"
    : "ON CONFLICT DO NOTHING";
  sql.exec(
    `INSERT INTO result (settlement_id, request_hash, org_id, out_trade_no, conflict, reply, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?) ${again}`,
    reply.settlementId,
    requestHash,
    orgId,
    reply.outTradeNo,
    conflict ? 1 : 0,
    JSON.stringify(reply),
    atMs,
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
