/**
 * The edge's state in one libSQL file (`edge.db`, WAL, synchronous FULL), owned by this process alone. Requests
 * that arrive together are decided together and share one fsync: nonces, code marks, transaction numbers and
 * outbox rows of a group are one batch. Memory answers what the hot path asks; the file is read once per group.
 */
import { ownText } from "../../core/protocol/bytes.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import { type Database, insertRows, type Statement } from "../../migrations/database.ts";
import { GroupCommit } from "../../migrations/queue.ts";
import type { EnqueueStatements } from "../../streams/bus/outbox-port.ts";
import { Admissions } from "../app/admissions.ts";
import { decide } from "../app/decide.ts";
import type {
  Admission,
  AdmitCall,
  BillsTaken,
  Change,
  CodeMarks,
  CodeUse,
  CommitVerdict,
  EdgeState,
  GuardCall,
  TakenRequest,
} from "../ports.ts";

export interface StateOptions {
  readonly db: Database;
  readonly enqueue: EnqueueStatements;
  /** Called after each commit that put rows into the outbox. */
  readonly onCommitted: () => void;
  readonly nowMs: EventMs;
}

/** Nonces of refused calls wait for the next commit, at most this many, or this long. */
const PENDING_NONCES_MAX = 64;
const PENDING_NONCE_MS_MAX = 1_000;
const GROUP_MAX = 512;
/** Calls waiting for the disk above which new ones are turned away: of all, and of one institution. */
const WAITING_MAX = 4_096;
const WAITING_OF_ONE_MAX = 1_024;
/** Together they forget 4,000 rows a second, more than arrive. */
const SWEEP_EVERY_MS = 5_000;
const SWEEP_ROWS_MAX = 20_000;
/** Taken numbers and results are kept for longer than any refund window; the core keeps them for ever. */
const RETENTION_MS = 400 * 86_400_000;

/** Loads what must be remembered over a restart. */
export async function openEdgeState(options: StateOptions): Promise<LibsqlEdgeState> {
  const nonces = await options.db.read("SELECT org_id, replay_key, expires_at_ms FROM nonce WHERE expires_at_ms >= ?", options.nowMs);
  const marks = await options.db.read(
    "SELECT fingerprint, step, org_id, out_trade_no, term_id, expires_at_ms FROM code_mark WHERE expires_at_ms >= ?",
    options.nowMs,
  );
  const state = new LibsqlEdgeState(options);
  for (const row of nonces) state.restoreNonce(String(row["org_id"]), String(row["replay_key"]), Number(row["expires_at_ms"]));
  for (const row of marks)
    state.restoreMark({
      fingerprint: String(row["fingerprint"]),
      step: row["step"] === "settle" ? "settle" : "verify",
      orgId: String(row["org_id"]),
      outTradeNo: String(row["out_trade_no"]),
      termId: String(row["term_id"]),
      expiresAtMs: Number(row["expires_at_ms"]),
    });
  return state;
}

type Mark = NonNullable<Change["mark"]>;
interface MarkEntry {
  readonly marks: CodeMarks;
  readonly expiresAtMs: number;
}
interface Nonce {
  readonly orgId: string;
  readonly replayKey: string;
  readonly expiresAtMs: number;
}

export class LibsqlEdgeState implements EdgeState {
  readonly #options: StateOptions;
  readonly #admissions = new Admissions();
  /** Commits of an institution that wait for the disk. */
  readonly #waiting = new Map<string, number>();
  readonly #marks = new Map<string, MarkEntry>();
  readonly #group: GroupCommit<Change, CommitVerdict>;
  #pendingNonces: Nonce[] = [];
  #pendingSinceMs = 0;
  #sweptAtMs: number;

  constructor(options: StateOptions) {
    this.#options = options;
    this.#sweptAtMs = options.nowMs;
    this.#group = new GroupCommit((changes) => this.#commitGroup(changes), GROUP_MAX);
  }

  restoreNonce(orgId: string, replayKey: string, expiresAtMs: number): void {
    this.#admissions.restore(orgId, replayKey, expiresAtMs);
  }

  restoreMark(mark: Mark): void {
    applyMark(this.#marks, mark);
  }

  /** Synchronous up to its result, so that of two equal requests exactly one is admitted. */
  admit(call: AdmitCall): Promise<Admission> {
    if (this.#group.depth >= WAITING_MAX || (this.#waiting.get(call.orgId) ?? 0) >= WAITING_OF_ONE_MAX)
      return Promise.resolve({ kind: "limited", retryAfterSeconds: 1 });
    const admission = this.#admissions.admit(call);
    if (admission.kind === "admitted") {
      if (this.#pendingNonces.length === 0) this.#pendingSinceMs = call.nowMs;
      this.#pendingNonces.push({ orgId: call.orgId, replayKey: call.replayKey, expiresAtMs: call.expiresAtMs });
      const waitedMs = call.nowMs - this.#pendingSinceMs;
      if (this.#pendingNonces.length > PENDING_NONCES_MAX || waitedMs > PENDING_NONCE_MS_MAX) this.#flushNonces(call.nowMs);
    }
    return Promise.resolve(admission);
  }

  guard(call: GuardCall): Promise<number> {
    return Promise.resolve(this.#admissions.guard(call));
  }

  async billsSince(sinceMs: number): Promise<readonly BillsTaken[]> {
    const rows = await this.#options.db.read(
      "SELECT org_id, count(*) AS count, sum(fen) AS fen FROM taken_request WHERE fen > 0 AND accepted_at_ms >= ? GROUP BY org_id",
      sinceMs,
    );
    return rows.map((row) => ({ orgId: String(row["org_id"]), count: Number(row["count"]), fen: BigInt(String(row["fen"])) }));
  }

  markOf(_orgId: string, fingerprint: string, nowMs: EventMs): Promise<CodeMarks | undefined> {
    const entry = this.#marks.get(fingerprint);
    return Promise.resolve(entry === undefined || entry.expiresAtMs < nowMs ? undefined : entry.marks);
  }

  async taken(orgId: string, outTradeNo: string): Promise<TakenRequest | undefined> {
    const found = await this.#readTaken([{ orgId, outTradeNo }]);
    return found.get(numberKey({ orgId, outTradeNo }));
  }

  async commit(change: Change): Promise<CommitVerdict> {
    const orgId = change.request?.orgId ?? change.mark?.orgId;
    if (orgId === undefined) return await this.#group.submit(change);
    this.#waiting.set(orgId, (this.#waiting.get(orgId) ?? 0) + 1);
    try {
      return await this.#group.submit(change);
    } finally {
      const left = (this.#waiting.get(orgId) ?? 1) - 1;
      if (left === 0) this.#waiting.delete(orgId);
      else this.#waiting.set(orgId, left);
    }
  }

  /** Writes what still waits; after it nothing is in flight. */
  async close(nowMs: EventMs): Promise<void> {
    if (this.#pendingNonces.length > 0) await this.commit({ atMs: nowMs, records: [] });
    await this.#group.idle();
  }

  /** A refused call changes nothing but its nonce, which must not cost it an fsync of its own. */
  #flushNonces(nowMs: EventMs): void {
    this.#pendingSinceMs = nowMs;
    // Should it fail, the nonces wait for the next commit, and whoever makes that one learns of it.
    this.commit({ atMs: nowMs, records: [] }).catch(() => undefined);
  }

  /** One group: read what it touches, decide each change in order of arrival, write once, then remember. */
  async #commitGroup(changes: readonly Change[]): Promise<readonly CommitVerdict[]> {
    const taken = await this.#readTaken(changes.flatMap((change) => (change.request === undefined ? [] : [change.request])));
    const newMarks = new Map<string, MarkEntry>();
    const written = await this.#readSums(changes);
    const newBills: { readonly orgId: string; readonly atMs: number; readonly fen: bigint }[] = [];
    const accepted: Change[] = [];
    const verdicts = changes.map((change) => {
      const before = change.request === undefined ? undefined : taken.get(numberKey(change.request));
      const marksOf = (fingerprint: string): CodeMarks | undefined => (newMarks.get(fingerprint) ?? this.#marks.get(fingerprint))?.marks;
      const fenSince = (orgId: string, sinceMs: number): bigint =>
        newBills.reduce(
          (sum, bill) => (bill.orgId === orgId && bill.atMs >= sinceMs ? sum + bill.fen : sum),
          written.get(`${sinceMs}/${orgId}`) ?? 0n,
        );
      const verdict = decide(change, before, marksOf, fenSince);
      if (verdict !== "accepted") return verdict;
      accepted.push(change);
      if (change.request !== undefined && change.bill !== undefined)
        newBills.push({ orgId: change.request.orgId, atMs: change.atMs, fen: change.bill.fen });
      if (change.request !== undefined) taken.set(numberKey(change.request), { ...change.request, acceptedAtMs: change.atMs });
      if (change.mark !== undefined) applyMark(newMarks, change.mark, this.#marks.get(change.mark.fingerprint));
      return verdict;
    });
    const nonces = this.#pendingNonces;
    this.#pendingNonces = [];
    const nowMs = changes.reduce((latest, change) => Math.max(latest, change.atMs), 0);
    try {
      await this.#options.db.write([...writes(accepted, nonces, this.#options.enqueue, nowMs), ...this.#sweep(nowMs)]);
    } catch (error) {
      // Nothing was written: the nonces stay claimed in memory and wait for the next commit.
      this.#pendingNonces = [...nonces, ...this.#pendingNonces];
      throw error;
    }
    for (const [fingerprint, entry] of newMarks) this.#marks.set(fingerprint, entry);
    if (accepted.some((change) => change.records.length > 0)) this.#options.onCommitted();
    return verdicts;
  }

  /** What each outage that the changes speak of has granted so far, by `<since>/<institution>`. */
  async #readSums(changes: readonly Change[]): Promise<ReadonlyMap<string, bigint>> {
    const sums = new Map<string, bigint>();
    for (const { request, bill } of changes) {
      if (request === undefined || bill?.offline === undefined) continue;
      const key = `${bill.offline.sinceMs}/${request.orgId}`;
      if (sums.has(key)) continue;
      const [row] = await this.#options.db.read(
        "SELECT coalesce(sum(fen), 0) AS fen FROM taken_request WHERE org_id = ? AND accepted_at_ms >= ?",
        request.orgId,
        bill.offline.sinceMs,
      );
      sums.set(key, BigInt(String(row?.["fen"])));
    }
    return sums;
  }

  async #readTaken(keys: readonly Pick<CodeUse, "orgId" | "outTradeNo">[]): Promise<Map<string, TakenRequest>> {
    const found = new Map<string, TakenRequest>();
    if (keys.length === 0) return found;
    const rows = await this.#options.db.read(
      `SELECT org_id, out_trade_no, request_hash, accepted_at_ms FROM taken_request
       WHERE (org_id, out_trade_no) IN (VALUES ${keys.map(() => "(?,?)").join(",")})`,
      ...keys.flatMap((key) => [key.orgId, key.outTradeNo]),
    );
    for (const row of rows)
      found.set(numberKey({ orgId: String(row["org_id"]), outTradeNo: String(row["out_trade_no"]) }), {
        requestHash: String(row["request_hash"]),
        acceptedAtMs: Number(row["accepted_at_ms"]),
      });
    return found;
  }

  /** Now and then, with a commit that happens anyway: forget what has expired. */
  #sweep(nowMs: number): readonly Statement[] {
    if (nowMs - this.#sweptAtMs < SWEEP_EVERY_MS) return [];
    this.#sweptAtMs = nowMs;
    this.#admissions.forget(nowMs);
    for (const [fingerprint, entry] of this.#marks) if (entry.expiresAtMs < nowMs) this.#marks.delete(fingerprint);
    return [
      forget("nonce", "expires_at_ms", nowMs),
      forget("code_mark", "expires_at_ms", nowMs),
      forget("taken_request", "accepted_at_ms", nowMs - RETENTION_MS),
      forget("result", "at_ms", nowMs - RETENTION_MS),
    ];
  }
}

function applyMark(into: Map<string, MarkEntry>, mark: Mark, earlier?: MarkEntry): void {
  const before = into.get(mark.fingerprint) ?? earlier;
  into.set(mark.fingerprint, {
    // Parts of a request's text: a mark outlives it by far.
    marks: { ...before?.marks, [mark.step]: { orgId: mark.orgId, outTradeNo: ownText(mark.outTradeNo), termId: ownText(mark.termId) } },
    expiresAtMs: Math.max(mark.expiresAtMs, before?.expiresAtMs ?? 0),
  });
}

function writes(accepted: readonly Change[], nonces: readonly Nonce[], enqueue: EnqueueStatements, nowMs: number): readonly Statement[] {
  const requests = accepted.flatMap(({ request, bill, atMs }) =>
    request === undefined ? [] : [[request.orgId, request.outTradeNo, request.requestHash, atMs, bill?.fen ?? 0n]],
  );
  const marks = accepted.flatMap(({ mark }) =>
    mark === undefined ? [] : [[mark.fingerprint, mark.step, mark.orgId, mark.outTradeNo, mark.termId, mark.expiresAtMs]],
  );
  const records = accepted.flatMap((change) => change.records);
  const spent = nonces.map((nonce) => [nonce.replayKey, nonce.orgId, nonce.expiresAtMs]);
  return [
    ...insertRows("nonce", ["replay_key", "org_id", "expires_at_ms"], spent, "ON CONFLICT DO NOTHING"),
    ...insertRows("taken_request", ["org_id", "out_trade_no", "request_hash", "accepted_at_ms", "fen"], requests),
    ...insertRows(
      "code_mark",
      ["fingerprint", "step", "org_id", "out_trade_no", "term_id", "expires_at_ms"],
      marks,
      "ON CONFLICT DO NOTHING",
    ),
    ...(records.length === 0 ? [] : enqueue(records, nowMs)),
  ];
}

function forget(table: string, column: string, beforeMs: number): Statement {
  return {
    sql: `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE ${column} < ? LIMIT ${SWEEP_ROWS_MAX})`,
    args: [beforeMs],
  };
}

function numberKey(use: Pick<CodeUse, "orgId" | "outTradeNo">): string {
  return `${use.orgId}/${use.outTradeNo}`;
}
