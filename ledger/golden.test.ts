import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { exportFolder } from "./export/folder.ts";
import { documentedExample, EXAMPLE_ORIGIN, exampleLeaves, readGolden, readGoldenLeaves, renderExample } from "./testing/example.ts";
import { GOLDEN_EXPORT } from "./testing/golden-export.ts";
import { crypto } from "./testing/platform.ts";
import { toHex } from "./verifier/bytes.ts";
import { decodeLeaf } from "./verifier/leaf.ts";
import { verifyExport } from "./verifier/export.ts";
import { encodeLeaf } from "./leaf-encoder.ts";
import { LogVerifier } from "./verifier/log.ts";
import type { Policy, Trust } from "./verifier/note.ts";
import { parsePolicy } from "./verifier/policy.ts";
import { verifyReceiptText } from "./verify-files.ts";

async function policyOf(folder: string): Promise<Policy> {
  const policy = parsePolicy(crypto.sm3, await readGolden(`${folder}/policy.txt`));
  if (!policy.ok) throw new Error(policy.error.detail);
  return policy.value;
}

describe("logs written by earlier versions verify for ever", () => {
  const logs: readonly (readonly [folder: string, checkpoints: readonly number[], receipts: readonly number[]])[] = [
    ["example", [3], [1]],
    ["forty", [1, 13, 32, 40], [0, 31, 39]],
  ];
  for (const [folder, checkpoints, receipts] of logs) {
    test(`${folder}: entries and checkpoints`, async () => {
      const verifier = new LogVerifier({ crypto, trusted: await policyOf(folder), origin: EXAMPLE_ORIGIN });
      const defects: unknown[] = [];
      const keep = (result: { readonly ok: boolean }): unknown => (result.ok ? 0 : defects.push(result));
      for (const leaf of await readGoldenLeaves(`${folder}/leaves.hex`)) {
        keep(verifier.addLeaf(leaf));
        if (checkpoints.includes(verifier.size))
          keep(verifier.addCheckpoint(await readGolden(`${folder}/checkpoint-${verifier.size}.txt`)));
      }
      expect(defects).toEqual([]);
      expect(verifier.checkpoints).toBe(checkpoints.length);
      expect(verifier.finish()).toEqual({ ok: true, value: true });
    });

    test(`${folder}: receipts`, async () => {
      const trustedKeys = await policyOf(folder);
      for (const index of receipts)
        expect(verifyReceiptText(await readGolden(`${folder}/receipt-${index}.txt`), { crypto, trustedKeys })).toMatchObject({ ok: true });
    });

    test(`${folder}: entries are written today as they were then`, async () => {
      for (const leaf of await readGoldenLeaves(`${folder}/leaves.hex`)) {
        const decoded = decodeLeaf(leaf);
        expect(decoded.ok && toHex(encodeLeaf(decoded.value))).toBe(toHex(leaf));
      }
    });
  }
});

const read = async (name: string): Promise<string> => await readFile(new URL(name, GOLDEN_EXPORT), "utf8");

const trusted = async (): Promise<Trust> => {
  const policy = parsePolicy(crypto.sm3, await read("policy.txt"));
  if (!policy.ok) throw new Error(policy.error.detail);
  return policy.value;
};

describe("an export written by an earlier version verifies for ever", () => {
  const files = exportFolder(fileURLToPath(new URL("out", GOLDEN_EXPORT)));

  test("with the policy that was carried away from it", async () => {
    const report = await verifyExport({ files, crypto, trust: await trusted() });
    expect(report.firstDefect).toBe(undefined);
    expect(report.logs.map(({ origin, size }) => [origin, size])).toEqual([
      ["golden.example/registry", 3n],
      ["golden.example/settlement-0", 259n],
    ]);
  });

  test("and its receipts: of one entry with personal fields disclosed, and of several", async () => {
    const trustedKeys = await trusted();
    expect(verifyReceiptText(await read("receipt-one.txt"), { crypto, trustedKeys })).toMatchObject({
      ok: true,
      proven: { entries: [{ leaf: { index: 2n }, openings: [{ name: "name", value: "张三" }, { name: "person" }] }] },
    });
    expect(verifyReceiptText(await read("receipt-several.txt"), { crypto, trustedKeys })).toMatchObject({
      ok: true,
      proven: { entries: [{ leaf: { index: 0n } }, { leaf: { index: 3n } }, { leaf: { index: 258n } }] },
    });
  });
});

describe("FORMAT.md", () => {
  test("shows the example that the code writes", async () => {
    expect(exampleLeaves().map(toHex)).toEqual((await readGoldenLeaves("example/leaves.hex")).map(toHex));
    expect(await documentedExample()).toBe(await renderExample());
  });
});

describe("a log that is followed entry by entry", () => {
  test("names the first defect, keeps it, and cannot be talked out of it", async () => {
    const trusted = await policyOf("forty");
    const leaves = await readGoldenLeaves("forty/leaves.hex");
    const [first, , third] = leaves as [Uint8Array, Uint8Array, Uint8Array];
    const verifier = new LogVerifier({ crypto, trusted, origin: EXAMPLE_ORIGIN });
    expect(verifier.addLeaf(first).ok).toBe(true);
    expect(verifier.addLeaf(third)).toMatchObject({ error: { name: "leafIndex", index: 1n } });
    expect(verifier.addLeaf(leaves[1] as Uint8Array)).toMatchObject({ error: { name: "leafIndex", index: 1n } });
    expect(verifier.addCheckpoint(await readGolden("forty/checkpoint-1.txt"))).toMatchObject({ ok: false });
    expect(verifier.finish()).toMatchObject({ error: { name: "leafIndex", index: 1n } });
  });

  test("is incomplete without a checkpoint over its last entry", async () => {
    const trusted = await policyOf("forty");
    const verifier = new LogVerifier({ crypto, trusted, origin: EXAMPLE_ORIGIN });
    for (const leaf of (await readGoldenLeaves("forty/leaves.hex")).slice(0, 14)) {
      verifier.addLeaf(leaf);
      if (verifier.size === 13) verifier.addCheckpoint(await readGolden("forty/checkpoint-13.txt"));
    }
    expect(verifier.finish()).toMatchObject({ ok: false, error: { name: "uncovered", index: 13n } });
  });
});
