import { expect, test } from "vitest";
import { crypto, testSigner } from "../testing/platform.ts";
import { exportOf, noteOf, reading, rootOf, sampleLeaves } from "../testing/sample-export.ts";
import { verifyCheckpointText } from "../verifier/checkpoint.ts";
import { printPolicy } from "../verifier/policy.ts";
import { proveConsistency } from "./consistency.ts";

const signer = testSigner();
const policy = printPolicy([signer.trusted]);
const leaves = sampleLeaves(1_100);
const headOf = async (size: number): Promise<string> => await noteOf({ size, root: rootOf(leaves.slice(0, size)) }, signer);

test.each([
  [1, 1],
  [1, 2],
  [3, 7],
  [255, 256],
  [256, 257],
  [256, 600],
  [300, 1_024],
  [511, 1_100],
  [1_024, 1_100],
  [1_099, 1_100],
  [1_100, 1_100],
])("the files of an export prove that %i entries went on to %i", async (from, to) => {
  const [older, note] = [await headOf(from), await headOf(to)];
  const files = reading(exportOf([{ leaves: leaves.slice(0, to), note }], policy));
  const consistency = await proveConsistency({ files, sm3: crypto.sm3, older });
  expect(verifyCheckpointText({ crypto, trust: [signer.trusted], note, older, consistency }).verdict).toBe("valid");
});

test("what no proof can lead to is said in words: a larger checkpoint, another log, no checkpoint, no export", async () => {
  const files = reading(exportOf([{ leaves: leaves.slice(0, 300), note: await headOf(300) }], policy));
  const prove = (older: string, of = files): Promise<string> => proveConsistency({ files: of, sm3: crypto.sm3, older });
  await expect(prove(await headOf(301))).rejects.toThrow("the older checkpoint counts 301 entries, the export 300");
  await expect(prove(await noteOf({ size: 0, root: crypto.sm3() }, signer))).rejects.toThrow("counts 0 entries");
  await expect(prove(await noteOf({ origin: "elsewhere", size: 3, root: crypto.sm3() }, signer))).rejects.toThrow("no log elsewhere");
  await expect(prove("x")).rejects.toThrow("the older checkpoint cannot be read");
  await expect(prove(await headOf(30), reading(new Map()))).rejects.toThrow("ronghe-export.txt is missing");
});
