import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EventMs } from "../../core/protocol/time.ts";
import { type Database, openDatabase } from "../../migrations/database.ts";
import { enqueue } from "../../streams/bus/outbox.ts";
import type { AdmitCall, Change } from "../ports.ts";
import { type LibsqlEdgeState, openEdgeState } from "./state.ts";

const NOW = 1_795_000_000_000 as EventMs;
const MINUTE_MS = 60_000;

let folder: string;
let db: Database;
let state: LibsqlEdgeState;
let committed = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-edge-state-"));
  await open(NOW);
});
afterEach(async () => {
  await state.close(NOW);
  await db.close();
  await rm(folder, { recursive: true, force: true });
});

async function open(nowMs: EventMs): Promise<void> {
  db = await openDatabase({ kind: "edge", file: join(folder, "edge.db") });
  state = await openEdgeState({ db, enqueue, onCommitted: () => void committed++, nowMs });
}

async function restart(nowMs: EventMs = NOW): Promise<void> {
  await state.close(nowMs);
  await db.close();
  await open(nowMs);
}

const admission = (over: Partial<AdmitCall> = {}): AdmitCall => ({
  orgId: "H1",
  replayKey: "aa".repeat(32),
  expiresAtMs: NOW + 5 * MINUTE_MS,
  ratePerSecond: 100,
  rateBurst: 100,
  noncesMax: 1_000,
  nowMs: NOW,
  ...over,
});

const change = (outTradeNo: string, over: Partial<Change> = {}): Change => ({
  atMs: NOW,
  request: { orgId: "H1", outTradeNo, requestHash: "11".repeat(32) },
  records: [
    {
      topic: "settlement.request.submitted.v1",
      key: "H1",
      value: new Uint8Array([1]),
      headers: { ce_id: outTradeNo },
      eventId: outTradeNo,
    },
  ],
  ...over,
});

const mark = (step: "verify" | "settle", orgId: string, outTradeNo: string): NonNullable<Change["mark"]> => ({
  fingerprint: "cc".repeat(32),
  step,
  orgId,
  outTradeNo,
  termId: "T1",
  expiresAtMs: NOW + 10 * MINUTE_MS,
});

const outboxIds = async (): Promise<string[]> =>
  (await db.read("SELECT event_id FROM outbox ORDER BY seq")).map((row) => String(row["event_id"]));

describe("nonces", () => {
  test("admit an envelope once", async () => {
    const both = await Promise.all([state.admit(admission()), state.admit(admission())]);
    expect(both.map(({ kind }) => kind)).toEqual(["admitted", "replayed"]);
  });

  test("are remembered over a restart, also of calls that changed nothing", async () => {
    await state.admit(admission());
    await restart();
    expect(await state.admit(admission())).toEqual({ kind: "replayed" });
  });

  test("survive a crash together with the effect of their call", async () => {
    await state.admit(admission());
    await state.commit(change("A1"));
    const copy = await openDatabase({ kind: "edge", file: join(folder, "edge.db"), readOnly: true });
    expect(await copy.read("SELECT replay_key FROM nonce")).toHaveLength(1);
    await copy.close();
  });

  test("are forgotten when their window has closed", async () => {
    await state.admit(admission());
    await state.commit(change("A1"));
    const later = (NOW + 6 * MINUTE_MS) as EventMs;
    await state.commit(change("A2", { atMs: later }));
    expect(await db.read("SELECT replay_key FROM nonce")).toHaveLength(0);
  });
});

test("the bucket of an institution holds its burst, fills at its rate and says when to come back", async () => {
  const rate = { ratePerSecond: 0.5, rateBurst: 2 };
  const kinds = [];
  for (let n = 0; n < 3; n++) kinds.push(await state.admit(admission({ ...rate, replayKey: `${n}` })));
  expect(kinds).toEqual([{ kind: "admitted" }, { kind: "admitted" }, { kind: "limited", retryAfterSeconds: 2 }]);
  expect(await state.admit(admission({ ...rate, orgId: "H2", replayKey: "other" }))).toEqual({ kind: "admitted" });
  const later = (NOW + 2_000) as EventMs;
  expect(await state.admit(admission({ ...rate, replayKey: "later", nowMs: later }))).toEqual({ kind: "admitted" });
});

describe("commit", () => {
  test("writes number, mark and events together, and says so to the forwarder", async () => {
    const before = committed;
    expect(await state.commit(change("A1", { mark: mark("settle", "H1", "A1") }))).toBe("accepted");
    expect(committed).toBe(before + 1);
    expect(await outboxIds()).toEqual(["A1"]);
    expect(await state.taken("H1", "A1")).toEqual({ requestHash: "11".repeat(32), acceptedAtMs: NOW });
    expect(await state.markOf("H1", "cc".repeat(32), NOW)).toEqual({ settle: { orgId: "H1", outTradeNo: "A1", termId: "T1" } });
  });

  test("takes one of many equal changes, whatever group they fall into", async () => {
    const verdicts = await Promise.all(Array.from({ length: 60 }, () => state.commit(change("A1"))));
    expect(verdicts.filter((verdict) => verdict === "accepted")).toHaveLength(1);
    expect(verdicts.filter((verdict) => verdict === "repeated")).toHaveLength(59);
    expect(await outboxIds()).toEqual(["A1"]);
  });

  test("of different content under one number takes the first and calls the others a conflict", async () => {
    const other = { request: { orgId: "H1", outTradeNo: "A1", requestHash: "22".repeat(32) } };
    expect(await Promise.all([state.commit(change("A1")), state.commit(change("A1", other))])).toEqual(["accepted", "idempotencyConflict"]);
    expect(await state.commit(change("A1", { request: { orgId: "H2", outTradeNo: "A1", requestHash: "22".repeat(32) } }))).toBe("accepted");
  });

  test("gives a code to one of two numbers that race for it, and again after a restart", async () => {
    const one = change("A1", { mark: mark("settle", "H1", "A1") });
    const other = change("A2", { mark: mark("settle", "H1", "A2") });
    expect(await Promise.all([state.commit(one), state.commit(other)])).toEqual(["accepted", "codeUsed"]);
    await restart();
    expect(await state.commit(other)).toBe("codeUsed");
    expect(await state.commit(one)).toBe("repeated");
    expect(await outboxIds()).toEqual(["A1"]);
  });

  test("leaves nothing behind when the batch fails, and the same change is taken afterwards", async () => {
    await state.admit(admission());
    await db.write([{ sql: "CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'disk full'); END", args: [] }]);
    await expect(state.commit(change("A1", { mark: mark("settle", "H1", "A1") }))).rejects.toThrow("disk full");
    expect(await state.markOf("H1", "cc".repeat(32), NOW)).toBeUndefined();
    expect(await state.taken("H1", "A1")).toBeUndefined();
    await db.write([{ sql: "DROP TRIGGER full", args: [] }]);
    expect(await state.commit(change("A1", { mark: mark("settle", "H1", "A1") }))).toBe("accepted");
    expect(await db.read("SELECT replay_key FROM nonce")).toHaveLength(1);
  });

  test("keeps the outbox over a restart", async () => {
    await state.commit(change("A1"));
    await restart();
    expect(await outboxIds()).toEqual(["A1"]);
  });
});

describe("the steps of one code", () => {
  const verified = mark("verify", "H1", "V1");
  const cases = [
    ["a retry of the verify", "accepted", mark("verify", "H1", "V1")],
    ["a verify under another number", "codeUsed", mark("verify", "H1", "V2")],
    ["a verify at another institution", "codeUsed", mark("verify", "H2", "V1")],
    ["settling where it was verified", "accepted", mark("settle", "H1", "S1")],
    ["settling at another institution", "codeUsed", mark("settle", "H2", "S1")],
  ] as const;
  test.each(cases)("verified once: %s is %s", async (_what, verdict, next) => {
    await state.commit({ atMs: NOW, records: [], mark: verified });
    expect(await state.commit({ atMs: NOW, records: [], mark: next })).toBe(verdict);
  });

  test("settled once: nothing more, but the same number again", async () => {
    await state.commit({ atMs: NOW, records: [], mark: mark("settle", "H1", "S1") });
    expect(await state.commit({ atMs: NOW, records: [], mark: mark("settle", "H1", "S1") })).toBe("accepted");
    for (const next of [mark("settle", "H1", "S2"), mark("settle", "H2", "S1"), mark("verify", "H1", "V1")])
      expect(await state.commit({ atMs: NOW, records: [], mark: next })).toBe("codeUsed");
  });
});
