/**
 * `EdgeState` of one shard, in a Durable Object: the object runs one call at a time and its SQLite answers at once, so
 * that reading, deciding and writing are one transaction without a queue. What a call wrote is durable before its answer
 * leaves the object.
 */
import { Admissions } from "../app/admissions.ts";
import { decide } from "../app/decide.ts";
import type { Admission, AdmitCall, BillsTaken, Change, CodeMarks, CodeUse, CommitVerdict, GuardCall, TakenRequest } from "../ports.ts";
import type { ShardOutbox } from "./shard-outbox.ts";
import type { ObjectStorage, SqlValue } from "./storage.ts";

const SWEEP_ROWS_MAX = 20_000;
/** Taken numbers and results are kept for longer than any refund window; the core keeps them for ever. */
const RETENTION_MS = 400 * 86_400_000;

export class ShardState {
  readonly #storage: ObjectStorage;
  readonly #outbox: ShardOutbox;
  readonly #admissions = new Admissions();

  constructor(storage: ObjectStorage, outbox: ShardOutbox, nowMs: number) {
    this.#storage = storage;
    this.#outbox = outbox;
    for (const row of this.#rows("SELECT org_id, replay_key, expires_at_ms FROM nonce WHERE expires_at_ms >= ?", nowMs))
      this.#admissions.restore(String(row["org_id"]), String(row["replay_key"]), Number(row["expires_at_ms"]));
  }

  admit(call: AdmitCall): Admission {
    const admission = this.#admissions.admit(call);
    if (admission.kind === "admitted")
      this.#storage.sql.exec(
        "INSERT INTO nonce (replay_key, org_id, expires_at_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        call.replayKey,
        call.orgId,
        call.expiresAtMs,
      );
    return admission;
  }

  guard(call: GuardCall): number {
    return this.#admissions.guard(call);
  }

  billsSince(sinceMs: number): readonly BillsTaken[] {
    return this.#rows(
      "SELECT org_id, count(*) AS count, CAST(sum(fen) AS TEXT) AS fen FROM taken_request WHERE fen > 0 AND accepted_at_ms >= ? GROUP BY org_id",
      sinceMs,
    ).map((row) => ({ orgId: String(row["org_id"]), count: Number(row["count"]), fen: BigInt(String(row["fen"])) }));
  }

  markOf(fingerprint: string, nowMs: number): CodeMarks | undefined {
    const rows = this.#rows(
      "SELECT step, org_id, out_trade_no, term_id FROM code_mark WHERE fingerprint = ? AND expires_at_ms >= ?",
      fingerprint,
      nowMs,
    );
    if (rows.length === 0) return undefined;
    const marks: { verify?: CodeUse; settle?: CodeUse } = {};
    for (const row of rows)
      marks[row["step"] === "settle" ? "settle" : "verify"] = {
        orgId: String(row["org_id"]),
        outTradeNo: String(row["out_trade_no"]),
        termId: String(row["term_id"]),
      };
    return marks;
  }

  taken(orgId: string, outTradeNo: string): TakenRequest | undefined {
    const [row] = this.#rows(
      "SELECT request_hash, accepted_at_ms FROM taken_request WHERE org_id = ? AND out_trade_no = ?",
      orgId,
      outTradeNo,
    );
    return row === undefined ? undefined : { requestHash: String(row["request_hash"]), acceptedAtMs: Number(row["accepted_at_ms"]) };
  }

  commit(change: Change): CommitVerdict {
    const verdict = this.#storage.transactionSync(() => {
      const before = change.request === undefined ? undefined : this.taken(change.request.orgId, change.request.outTradeNo);
      const decided = decide(
        change,
        before,
        (fingerprint) => this.markOf(fingerprint, change.atMs),
        (orgId, sinceMs) => this.#fenSince(orgId, sinceMs),
      );
      if (decided === "accepted") this.#write(change);
      return decided;
    });
    if (verdict === "accepted") this.#outbox.committed(change.records.length);
    return verdict;
  }

  /** Forgets what has expired. */
  sweep(nowMs: number): void {
    this.#admissions.forget(nowMs);
    for (const [table, column, beforeMs] of [
      ["nonce", "expires_at_ms", nowMs],
      ["code_mark", "expires_at_ms", nowMs],
      ["taken_request", "accepted_at_ms", nowMs - RETENTION_MS],
      ["result", "at_ms", nowMs - RETENTION_MS],
    ] as const)
      this.#storage.sql.exec(
        `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE ${column} < ? LIMIT ${SWEEP_ROWS_MAX})`,
        beforeMs,
      );
  }

  #write(change: Change): void {
    const { sql } = this.#storage;
    const { request, bill, mark } = change;
    if (request !== undefined)
      sql.exec(
        // The column's affinity makes the digits an integer.
        "INSERT INTO taken_request (org_id, out_trade_no, request_hash, accepted_at_ms, fen) VALUES (?, ?, ?, ?, ?)",
        request.orgId,
        request.outTradeNo,
        request.requestHash,
        change.atMs,
        String(bill?.fen ?? 0n),
      );
    if (mark !== undefined)
      sql.exec(
        `INSERT INTO code_mark (fingerprint, step, org_id, out_trade_no, term_id, expires_at_ms) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO NOTHING`,
        mark.fingerprint,
        mark.step,
        mark.orgId,
        mark.outTradeNo,
        mark.termId,
        mark.expiresAtMs,
      );
    this.#outbox.append(change.records, change.atMs);
  }

  #fenSince(orgId: string, sinceMs: number): bigint {
    const [row] = this.#rows(
      "SELECT CAST(coalesce(sum(fen), 0) AS TEXT) AS fen FROM taken_request WHERE org_id = ? AND accepted_at_ms >= ?",
      orgId,
      sinceMs,
    );
    return BigInt(String(row?.["fen"]));
  }

  #rows(query: string, ...bindings: SqlValue[]): Record<string, SqlValue>[] {
    return this.#storage.sql.exec(query, ...bindings).toArray();
  }
}
