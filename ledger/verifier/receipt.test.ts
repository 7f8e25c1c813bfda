import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AT, bytes, crypto, TestPlatform, testSigner } from "../testing/platform.ts";
import { toBase64, toHex } from "./bytes.ts";
import type { Opening } from "./leaf.ts";
import { witnessKey } from "./note.ts";
import { parseReceipt, printReceipt, type Receipt, type ReceiptEntry, type ReceiptReport, verifyReceipt } from "./receipt.ts";

let platform: TestPlatform;
let other: TestPlatform;
let text: string;
let receipt: Receipt;
let entry: ReceiptEntry;
let openings: readonly Opening[];

beforeAll(async () => {
  platform = await TestPlatform.create();
  await platform.append(13);
  await platform.log.checkpoint(AT);
  text = await platform.log.receipt(5n);
  receipt = read(text);
  entry = entryOf(receipt);
  const rows = await platform.db.read("SELECT name, salt, value FROM disclosure WHERE idx = 5 ORDER BY name");
  openings = rows.map((row) => ({
    name: String(row["name"]),
    salt: new Uint8Array(row["salt"] as ArrayBuffer),
    value: String(row["value"]),
  }));
  other = await TestPlatform.create("ronghe.example/51/settlement-1");
  await other.append(13);
  await other.log.checkpoint(AT);
});
afterAll(async () => {
  await platform.close();
  await other.close();
});

function read(text: string): Receipt {
  const parsed = parseReceipt(text);
  if (!parsed.ok) throw new Error(parsed.error.detail);
  return parsed.value;
}
function entryOf({ entries: [first] }: Receipt): ReceiptEntry {
  if (first === undefined) throw new Error("a receipt without an entry");
  return first;
}
const withEntry = (change: Partial<ReceiptEntry>): Receipt => ({ ...receipt, entries: [{ ...entry, ...change }] });
const verify = (candidate: string | Receipt): ReceiptReport =>
  verifyReceipt(crypto, typeof candidate === "string" ? candidate : printReceipt(candidate), [platform.signer.trusted]);

const flipped = (value: Uint8Array): readonly Uint8Array[] => Array.from(value, (byte, at) => value.with(at, byte ^ (1 << (at % 8))));
/** The defect of a report that proves nothing. */
const defect = (report: ReceiptReport): unknown => {
  if (report.ok || report.proven !== undefined) throw new Error("the receipt was accepted");
  return report.firstDefect?.name;
};

describe("a receipt is proven", () => {
  test("with every check made by name, and the leaf in it", () => {
    const report = verify(text);
    expect(report).toMatchObject({
      ok: true,
      proven: { entries: [{ leaf: { index: 5n, kind: "settlement.refused", code: "600041" } }], checkpoint: { size: 13n } },
    });
    expect(report.checks.map((check) => [check.name, check.ok])).toEqual([
      ["format", true],
      ["leaf", true],
      ["signature", true],
      ["witnesses", true],
      ["position", true],
      ["inclusion", true],
      ["disclosures", true],
    ]);
  });

  test("with some or all personal fields disclosed", () => {
    expect(openings.map((opening) => opening.name)).toEqual(["name", "person"]);
    expect(verify(withEntry({ openings }))).toMatchObject({
      ok: true,
      proven: { entries: [{ openings: [{ value: "张三" }, { value: "p5" }] }] },
    });
    expect(verify(withEntry({ openings: openings.slice(1) })).ok).toBe(true);
  });

  test("and carries no personal value unless it was asked for", () => {
    for (const { value, salt } of openings) {
      expect(toHex(entry.leaf)).not.toContain(toHex(new TextEncoder().encode(value === "p5" ? "\0p5" : value)));
      expect(text).not.toContain(toBase64(salt));
    }
  });
});

describe("a receipt with anything changed is refused", () => {
  test("every character of it", () => {
    const accepted: number[] = [];
    for (let at = 0; at < text.length; at += 1) {
      const changed = text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
      if (verify(changed).ok) accepted.push(at);
    }
    expect(accepted).toEqual([]);
  });

  test("every line left out, doubled, or exchanged with the next", () => {
    const lines = text.split("\n");
    const edits = lines.flatMap((line, at) => [
      lines.toSpliced(at, 1),
      lines.toSpliced(at, 0, line),
      lines.with(at, lines[at + 1] ?? "").with(Math.min(at + 1, lines.length - 1), line),
    ]);
    const accepted = edits.map((parts) => parts.join("\n")).filter((edit) => edit !== text && verify(edit).ok);
    expect(accepted).toEqual([]);
  });

  test("a bit in every byte of the leaf, of each hash and of the openings", () => {
    for (const leaf of flipped(entry.leaf)) expect(verify(withEntry({ leaf })).ok).toBe(false);
    for (const [at, hash] of entry.path.entries())
      for (const bad of flipped(hash)) expect(verify(withEntry({ path: entry.path.with(at, bad) })).ok).toBe(false);
    const [first] = openings as [Opening];
    for (const salt of flipped(first.salt))
      expect(verify(withEntry({ openings: [{ ...first, salt }] }))).toMatchObject({ firstDefect: { name: "commitmentMismatch" } });
    expect(verify(withEntry({ openings: [{ ...first, value: "李四" }] }))).toMatchObject({
      firstDefect: { name: "commitmentMismatch", index: 5n },
    });
    expect(verify(withEntry({ openings: [first, first] }))).toMatchObject({ firstDefect: { name: "receiptMalformed" } });
    expect(verify(withEntry({ openings: openings.toReversed() }))).toMatchObject({ firstDefect: { name: "receiptMalformed" } });
  });
});

describe("a receipt made of good parts that do not belong together names the defect, and shows later checks as not made", () => {
  test("another entry's leaf, another index", async () => {
    const sixth = read(await platform.log.receipt(6n));
    expect(defect(verify(withEntry({ leaf: entryOf(sixth).leaf })))).toBe("leafIndex");
    expect(defect(verify(withEntry({ index: 6n })))).toBe("leafIndex");
    expect(defect(verify(withEntry({ path: entryOf(sixth).path })))).toBe("proofRoot");
    expect(defect(verify(withEntry({ path: entry.path.slice(1) })))).toBe("proofMalformed");
  });

  test("a checkpoint of another log, or of a size that does not hold the entry", async () => {
    expect(defect(verify({ ...receipt, checkpoint: other.log.latestCheckpoint()?.note ?? "" }))).toBe("leafOrigin");
    const early = await TestPlatform.create();
    await early.append(3);
    const { note } = await early.log.checkpoint(AT);
    expect(defect(verify({ ...receipt, checkpoint: note }))).toBe("proofMalformed");
    await early.close();
  });

  test("a root signed by somebody else, or for another size than it has", async () => {
    const stranger = testSigner(0x44, platform.signer.keyName);
    const report = verifyReceipt(crypto, text, [stranger.trusted]);
    expect(defect(report)).toBe("signatureMissing");
    expect(report.checks.find((check) => check.name === "inclusion")).toMatchObject({
      name: "inclusion",
      ok: false,
      detail: "not checked",
    });
    expect(defect(verify({ ...receipt, checkpoint: receipt.checkpoint.replace("\n13\n", "\n14\n") }))).toBe("signatureInvalid");
  });

  test("no text at all, an enormous one, another format", () => {
    for (const bad of [
      "",
      "\n\n",
      "ronghe-receipt/1",
      "ronghe-receipt/2\n",
      text.replace("/1", "/2"),
      `${text}\n`,
      `\ufeff${text}`,
      text.replaceAll("\n", "\r\n"),
      "x".repeat(1_100_000),
    ])
      expect(verify(bad).ok).toBe(false);
  });
});

test("a receipt read back is the receipt printed", () => {
  const made: Receipt = { entries: [{ index: 0n, leaf: bytes("00"), openings, path: [crypto.sm3()] }], checkpoint: "x\n" };
  expect(read(printReceipt(made))).toEqual(made);
});

const several = async (...indices: readonly bigint[]): Promise<Receipt> => {
  const entries = await Promise.all(indices.map(async (index) => entryOf(read(await platform.log.receipt(index)))));
  return { ...receipt, entries };
};

describe("a receipt for several entries", () => {
  test("proves each of them under one checkpoint", async () => {
    const report = verify(await several(1n, 5n, 12n));
    expect(report).toMatchObject({
      verdict: "valid",
      proven: { entries: [{ leaf: { index: 1n } }, { leaf: { index: 5n } }, { leaf: { index: 12n } }] },
    });
    expect(report.checks.find((check) => check.name === "position")?.evidence).toMatchObject({ index: ["1", "5", "12"] });
  });

  test("is refused when they are out of order or one stands twice, and when one of them does not hold", async () => {
    expect(defect(verify(await several(5n, 1n)))).toBe("receiptMalformed");
    expect(defect(verify(await several(5n, 5n)))).toBe("receiptMalformed");
    const good = await several(1n, 5n);
    const [first, second] = good.entries as [ReceiptEntry, ReceiptEntry];
    expect(verify({ ...good, entries: [first, { ...second, path: first.path }] }).firstDefect).toMatchObject({
      name: "proofRoot",
      index: 5n,
    });
  });
});

describe("whom a receipt may be believed from", () => {
  test("nobody when no keys are trusted: incomplete, never valid", () => {
    const report = verifyReceipt(crypto, text, undefined);
    expect([report.verdict, report.firstDefect?.name, report.proven]).toEqual(["incomplete", "policyMissing", undefined]);
  });

  test("a log alone is not enough where the policy asks for a witness", () => {
    const key = witnessKey(crypto.sm3, "hospital.example", testSigner(0x51).publicKey);
    const trust = { logs: [platform.signer.trusted], witnesses: [{ name: "hospital", key }], groups: [], quorum: "hospital" };
    const report = verifyReceipt(crypto, text, trust);
    expect([report.verdict, defect(report)]).toEqual(["invalid", "quorumMissing"]);
    expect(report.checks.filter((check) => check.ok).map((check) => check.name)).toEqual(["format", "leaf", "signature"]);
  });
});
