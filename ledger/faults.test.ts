/**
 * One fault at every storage call of a run that appends, signs, starts again and proves; then an ordinary start on the same
 * file. Nothing that was acknowledged is lost, nothing that was signed is contradicted, and the log goes on.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EventMs } from "../core/protocol/time.ts";
import { type Database, openDatabase } from "../migrations/database.ts";
import type { LedgerPosition } from "./leaf-draft.ts";
import { openLog } from "./log.ts";
import type { Log } from "./port.ts";
import { Crash, type Fault, FaultyDatabase } from "./testing/faulty-database.ts";
import { AT, crypto, draft, ORIGIN, random, testSigner } from "./testing/platform.ts";
import { toHex } from "./verifier/bytes.ts";
import { verifyDatabase, verifyReceiptText } from "./verify-files.ts";

const signer = testSigner();
/** Around the edge of a tile, where most is written at once. */
const BATCHES = [3, 1, 250, 5, 2];

/** What the run was told: all of it must hold for ever. */
interface Told {
  readonly acknowledged: LedgerPosition[];
  readonly signed: string[];
}

async function open(db: Database): Promise<Log> {
  return await openLog({ db, origin: ORIGIN, crypto, random, signer });
}

/** As its owner does: a batch that failed is taken back, an unheard one ends the process. */
async function append(db: Database, log: Log, count: number, told: Told): Promise<void> {
  const from = Number(log.size);
  const staged = log.stage(
    Array.from({ length: count }, (_, n) => draft(from + n)),
    (AT + from) as EventMs,
  );
  try {
    await db.write(staged.statements);
  } catch (error) {
    staged.aborted();
    throw error;
  }
  staged.committed();
  told.acknowledged.push(...staged.positions);
}

async function sign(log: Log, told: Told): Promise<void> {
  told.signed.push((await log.checkpoint(AT)).note);
}

async function tries<T>(step: () => Promise<T>): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof Crash) throw error;
    return undefined;
  }
}

/** Goes on after a failure and ends with a crash; says whether it came to its end. */
async function run(db: Database, told: Told): Promise<boolean> {
  try {
    let log = await tries(() => open(db));
    for (const [at, count] of BATCHES.entries()) {
      const current: Log | undefined = log ?? (await tries(() => open(db)));
      if (current === undefined) continue;
      log = current;
      await tries(() => append(db, current, count, told));
      if (at % 2 === 1) await tries(() => sign(current, told));
      if (at === 2) log = undefined;
    }
    if (log !== undefined && told.signed.length > 0) {
      const proving = log;
      await tries(() => proving.receipt(0n));
    }
    return true;
  } catch (error) {
    if (error instanceof Crash) return false;
    throw error;
  }
}

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-faults-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});
const fresh = async (): Promise<Database> => await openDatabase({ kind: "core", file: join(folder, `${(files += 1)}.db`) });

async function callsOfAWholeRun(): Promise<number> {
  const inner = await fresh();
  const db = new FaultyDatabase(inner, -1, "fail");
  const told: Told = { acknowledged: [], signed: [] };
  expect(await run(db, told)).toBe(true);
  expect(told.acknowledged).toHaveLength(BATCHES.reduce((sum, count) => sum + count, 0));
  expect(told.signed).toHaveLength(2);
  await inner.close();
  return db.calls;
}

/** Everything told holds on the file as it is now. */
async function checkTold(db: Database, log: Log, told: Told): Promise<void> {
  const leaves = await log.leaves(0n, 1_000);
  for (const { index, leafHash } of told.acknowledged) {
    const stored = leaves[Number(index)];
    expect(stored === undefined ? "lost" : toHex(crypto.sm3(Uint8Array.of(0), stored.bytes)), `entry ${index}`).toBe(toHex(leafHash));
  }
  // Signed notes are what others keep: a log that contradicts one has forked.
  const report = await verifyDatabase({ db, crypto, trustedKeys: [signer.trusted], origin: ORIGIN, knownCheckpoints: told.signed });
  expect(
    report.firstDefect,
    JSON.stringify(report.checks, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
  ).toBe(undefined);
}

describe("a fault at every storage call of an append run, and then a start", () => {
  for (const fault of ["fail", "fail half-way", "crash before", "crash after"] as const satisfies readonly Fault[])
    test(`${fault}: no fork, no acknowledged entry lost, and the log goes on`, async () => {
      const calls = await callsOfAWholeRun();
      expect(calls).toBeGreaterThan(20);
      for (let at = 0; at < calls; at += 1) {
        const inner = await fresh();
        const told: Told = { acknowledged: [], signed: [] };
        const isWhole = await run(new FaultyDatabase(inner, at, fault), told);
        expect(isWhole, `call ${at}`).toBe(!fault.startsWith("crash"));
        await inner.close();
        const db = await openDatabase({ kind: "core", file: inner.file });
        const log = await open(db);
        expect(Number(log.size), `call ${at}`).toBeGreaterThanOrEqual(told.acknowledged.length);
        await append(db, log, 2, told);
        await sign(log, told);
        await checkTold(db, log, told);
        const receipt = await log.receipt(log.size - 1n);
        expect(verifyReceiptText(receipt, { crypto, trustedKeys: [signer.trusted] }).ok).toBe(true);
        await db.close();
      }
    });
});
