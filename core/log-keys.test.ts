import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Log } from "../ledger/port.ts";
import { AT, crypto, draft, ORIGIN } from "../ledger/testing/platform.ts";
import { type Policy, parseNote, printSignature, printVerifierKey, verifyCheckpoint } from "../ledger/verifier/note.ts";
import { verifyDatabase, verifyReceiptText } from "../ledger/verify-files.ts";
import { type Database, openDatabase } from "../migrations/database.ts";
import { openKeyStore } from "./crypto/keystore.ts";
import type { KeyStore } from "./crypto/port.ts";
import { announceKey, logKeys, openKeyedLog, retireKey, type RotationOptions } from "./log-keys.ts";

let folder: string;
let db: Database;
let keys: KeyStore;
let options: RotationOptions;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-log-keys-"));
  const clock = { now: () => AT };
  db = await openDatabase({ kind: "core", file: join(folder, "log.db") });
  keys = await openKeyStore({ file: join(folder, "keys.json"), unlock: { kek: new Uint8Array(32).fill(7) }, crypto, clock });
  options = { db, origin: ORIGIN, crypto, keys, firstHandle: "ledger.test/1", clock, actor: "operator/test" };
});
afterEach(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

async function appendTo(log: Log, count: number): Promise<void> {
  const staged = log.stage(
    Array.from({ length: count }, (_, n) => draft(n)),
    AT,
  );
  await db.write(staged.statements);
  staged.committed();
  await log.checkpoint(AT);
}

const policy = async (): Promise<Policy> => ({ logs: (await logKeys(options)).map(({ key }) => key), witnesses: [], groups: [] });
const signaturesOf = (note: string): number => {
  const parsed = parseNote(note);
  return parsed.ok ? parsed.value.signatures.length : 0;
};
const kinds = async (): Promise<readonly string[]> =>
  (await db.read("SELECT kind FROM leaf WHERE kind LIKE 'ledger.key.%' ORDER BY idx")).map((row) => String(row["kind"]));

describe("the key of a log is changed by overlap", () => {
  it("announced under the old key, signed by both, then by the new one alone; what was signed before verifies for ever", async () => {
    let log = await openKeyedLog(options);
    await appendTo(log, 10);
    const before = await policy();
    const oldReceipt = await log.receipt(3n);

    expect(await announceKey(options)).toMatchObject({ ok: true, value: [{ handle: "ledger.test/1" }, { handle: "ledger.test/2" }] });
    log = await openKeyedLog(options);
    expect(log.size).toBe(11n);
    expect(signaturesOf(log.latestCheckpoint()?.note ?? "")).toBe(2);
    await appendTo(log, 5);
    const overlap = log.latestCheckpoint()?.note ?? "";
    expect(signaturesOf(overlap)).toBe(2);
    // Whoever still has the old policy, and whoever has the new one, both go on.
    expect(verifyCheckpoint(crypto, overlap, before).ok).toBe(true);
    expect(verifyCheckpoint(crypto, overlap, await policy())).toMatchObject({
      ok: true,
      value: { signers: [expect.any(String), expect.any(String)] },
    });

    expect((await retireKey(options)).ok).toBe(true);
    log = await openKeyedLog(options);
    expect(signaturesOf(log.latestCheckpoint()?.note ?? "")).toBe(2);
    await appendTo(log, 3);
    const after = log.latestCheckpoint()?.note ?? "";
    expect(signaturesOf(after)).toBe(1);
    const carried = await policy();
    expect(carried.logs.map(({ sizes }) => sizes)).toEqual([{ first: 0n, last: 17n }, { first: 11n }]);
    expect(verifyCheckpoint(crypto, after, carried)).toMatchObject({
      ok: true,
      value: { signers: [printVerifierKey(carried.logs[1] ?? ({} as never))] },
    });
    expect(verifyCheckpoint(crypto, after, before)).toMatchObject({ error: { name: "signatureMissing" } });
    expect(verifyReceiptText(oldReceipt, { crypto, trustedKeys: carried }).ok).toBe(true);
    expect((await verifyDatabase({ db, crypto, trustedKeys: carried })).ok).toBe(true);
    expect(await kinds()).toEqual(["ledger.key.announced", "ledger.key.retired"]);
  });

  it("a checkpoint of the retired key after its end is refused by name", async () => {
    await appendTo(await openKeyedLog(options), 4);
    await announceKey(options);
    await retireKey(options);
    const log = await openKeyedLog(options);
    await appendTo(log, 1);
    // The old key still exists, and somebody signs with it what the log signed with the new one.
    const parsed = parseNote(log.latestCheckpoint()?.note ?? "");
    if (!parsed.ok) throw new Error("no note");
    const forged = await signedByOldKey(parsed.value.text);
    expect(verifyCheckpoint(crypto, forged, await policy())).toMatchObject({ error: { name: "keyRetired" } });
  });

  it("in steps that follow each other, again and again", async () => {
    await appendTo(await openKeyedLog(options), 4);
    expect(await retireKey(options)).toEqual({ ok: false, error: "nothingToRetire" });
    expect((await announceKey(options)).ok).toBe(true);
    expect(await announceKey(options)).toEqual({ ok: false, error: "overlapOpen" });
    expect((await retireKey(options)).ok).toBe(true);
    expect(await retireKey(options)).toEqual({ ok: false, error: "nothingToRetire" });
    expect(await announceKey(options)).toMatchObject({ ok: true, value: [{}, {}, { handle: "ledger.test/3" }] });
    expect((await verifyDatabase({ db, crypto, trustedKeys: await policy() })).ok).toBe(true);
  });

  it("goes on where a process ended between the entry and the signature", async () => {
    await appendTo(await openKeyedLog(options), 4);
    // The disk fails at the moment the head with the announcement is signed.
    const failing: Database = {
      file: db.file,
      busyCount: 0,
      read: (sql, ...args) => db.read(sql, ...args),
      close: () => Promise.resolve(),
      write: (statements, durability) =>
        statements.some(({ sql }) => sql.startsWith("INSERT INTO checkpoint"))
          ? Promise.reject(new Error("disk"))
          : db.write(statements, durability),
    };
    await expect(announceKey({ ...options, db: failing })).rejects.toThrow("disk");
    const log = await openKeyedLog(options);
    expect(log.size).toBe(5n);
    await log.checkpoint(AT);
    expect(signaturesOf(log.latestCheckpoint()?.note ?? "")).toBe(2);
    await expect(retireKey({ ...options, db: failing })).rejects.toThrow("disk");
    const next = await openKeyedLog(options);
    await next.checkpoint(AT);
    expect(signaturesOf(next.latestCheckpoint()?.note ?? "")).toBe(1);
    expect((await verifyDatabase({ db, crypto, trustedKeys: await policy() })).ok).toBe(true);
  });
});

async function signedByOldKey(text: string): Promise<string> {
  const [old] = await logKeys(options);
  if (old === undefined) throw new Error("no key");
  return `${text}\n${printSignature(old.key, await keys.sm2Sign(old.handle, new TextEncoder().encode(text)))}`;
}
