import { afterEach, beforeEach, expect, test } from "vitest";
import { AT, crypto, ORIGIN, TestPlatform, testSigner } from "../testing/platform.ts";
import { utf8 } from "../verifier/bytes.ts";
import { parseReceipt, type ReceiptReport } from "../verifier/receipt.ts";
import { printSignature } from "../verifier/note.ts";
import { verifyReceiptText } from "../verify-files.ts";
import { addSearchKeys, SEARCH_BATCH, searchEntries } from "../store/search.ts";
import { entriesAbout, proveEntries } from "./prove.ts";
import { newestPublishable } from "./publishable.ts";

let platform: TestPlatform;
beforeEach(async () => {
  platform = await TestPlatform.create();
});
afterEach(async () => {
  await platform.close();
});

const verify = (text: string): ReceiptReport => verifyReceiptText(text, { crypto, trustedKeys: [platform.signer.trusted] });

async function prove(indices: readonly bigint[], disclose: (name: string) => boolean = () => false): Promise<string> {
  const checkpoint = await newestPublishable(platform.db, crypto, [platform.signer.trusted], ORIGIN);
  return await proveEntries({ db: platform.db, sm3: crypto.sm3, origin: ORIGIN, indices, checkpoint, disclose });
}

test("the receipt of one entry is the one that the sequencer gives, without a sequencer", async () => {
  await platform.append(600);
  await platform.log.checkpoint(AT);
  for (const index of [0n, 255n, 256n, 511n, 512n, 599n]) expect(await prove([index])).toBe(await platform.log.receipt(index));
});

test("entries behind the checkpoint are not proven yet", async () => {
  await platform.append(3);
  await platform.log.checkpoint(AT);
  await platform.append(1);
  await expect(prove([3n])).rejects.toThrow("is not signed yet");
  expect(verify(await prove([2n])).ok).toBe(true);
});

test("every entry of a settlement in one receipt, with the fields that were asked for disclosed", async () => {
  await platform.append(40, { subject: "rs1" });
  await platform.append(300);
  await platform.append(2, { subject: "rs1" });
  await platform.log.checkpoint(AT);
  const entries = await entriesAbout(platform.db, "rs1");
  expect(entries.map((entry) => entry.index)).toEqual([...Array.from({ length: 40 }, (_, n) => BigInt(n)), 340n, 341n]);
  const report = verify(await prove(entries.map((entry) => entry.index)));
  expect(report).toMatchObject({ ok: true });
  expect(report.proven?.entries.map((entry) => entry.openings)).toEqual(entries.map(() => []));
  const named = verify(await prove([340n, 341n], (name) => name === "name"));
  expect(named.proven?.entries.map((entry) => entry.openings.map(({ name, value }) => [name, value]))).toEqual([
    [["name", "张三"]],
    [["name", "张三"]],
  ]);
  const all = verify(await prove([341n], () => true));
  expect(all.proven?.entries[0]?.openings.map(({ name }) => name)).toEqual(["name", "person"]);
});

test("a value that was erased is simply not disclosed, and the proof stands", async () => {
  await platform.append(5);
  await platform.log.checkpoint(AT);
  await platform.tamper("DELETE FROM disclosure WHERE idx = 3");
  expect(verify(await prove([3n], () => true))).toMatchObject({ ok: true, proven: { entries: [{ openings: [] }] } });
});

test("a receipt that several keys signed carries its own SM3, so that a slip in a line nobody knows is found too", async () => {
  await platform.append(5);
  const { note } = await platform.log.checkpoint(AT);
  const stranger = testSigner(0x55, "witness.example");
  const cosigned = note + printSignature(stranger.trusted, await stranger.sign(utf8("something else")));
  const receipt = await proveEntries({
    db: platform.db,
    sm3: crypto.sm3,
    origin: ORIGIN,
    indices: [1n],
    checkpoint: { size: 5n, note: cosigned },
    disclose: () => false,
  });
  expect(receipt.split("\n")[1]).toMatch(/^sm3 [0-9a-f]{64}$/);
  expect(verify(receipt).ok).toBe(true);
  const accepted: number[] = [];
  for (let at = 0; at < receipt.length; at += 1)
    if (verify(receipt.slice(0, at) + (receipt[at] === "A" ? "B" : "A") + receipt.slice(at + 1)).ok) accepted.push(at);
  expect(accepted).toEqual([]);
  const parsed = parseReceipt(receipt);
  expect(parsed.ok && parsed.value.checkpoint).toBe(cosigned);
});

test("entries are found by subject, institution and disclosed value, before their keys are built and behind", async () => {
  const about = async (): Promise<unknown> => ({
    subject: await searchEntries(platform.db, "subject", "H51003/T3"),
    institution: (await searchEntries(platform.db, "institution", "H51003")).length,
    value: (await searchEntries(platform.db, "value", "p5")).length,
    nobody: await searchEntries(platform.db, "subject", "H51003/T"),
  });
  const plain = Array.from({ length: 10 }, () => 430);
  for (const count of plain) await platform.append(count);
  const scanned = await about();
  expect(scanned).toEqual({ subject: [3n], institution: 614, value: 391, nobody: [] });
  expect(await addSearchKeys(platform.db, platform.log.size)).toBe(true);
  expect((await platform.db.read("SELECT idx FROM search_position"))[0]?.["idx"]).toBe(BigInt(SEARCH_BATCH));
  expect(await about()).toEqual(scanned);
  expect(await addSearchKeys(platform.db, platform.log.size)).toBe(false);
});

test("search keys are built behind the checkpoints, and a value that was erased is found no more", async () => {
  for (let n = 0; n < 5; n += 1) await platform.append(1_000);
  await platform.log.checkpoint(AT);
  // The next checkpoint waits for the keys that the one before it set off.
  await platform.append(1);
  await platform.log.checkpoint(AT);
  expect((await platform.db.read("SELECT idx FROM search_position"))[0]?.["idx"]).toBe(BigInt(SEARCH_BATCH));
  const before = await searchEntries(platform.db, "value", "p5");
  await platform.tamper("DELETE FROM disclosure WHERE value = 'p5' AND idx < 100");
  const after = await searchEntries(platform.db, "value", "p5");
  expect(after).toEqual(before.filter((index) => index >= 100n));
});
