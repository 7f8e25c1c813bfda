import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AT, crypto, TestPlatform, testSigner } from "../testing/platform.ts";
import { noteOf, rootOf, sampleLeaves, type SampleWitness } from "../testing/sample-export.ts";
import { type CheckpointReport, parseConsistency, printConsistency, verifyCheckpointText } from "./checkpoint.ts";
import { type Policy, witnessKey } from "./note.ts";

let platform: TestPlatform;
let older: string;
let newer: string;
let proof: string;

beforeAll(async () => {
  platform = await TestPlatform.create();
  await platform.append(13);
  older = (await platform.log.checkpoint(AT)).note;
  await platform.append(28);
  newer = (await platform.log.checkpoint(AT)).note;
  proof = printConsistency(await platform.log.consistency(13n, 41n));
});
afterAll(async () => {
  await platform.close();
});

interface Given {
  readonly note?: string;
  readonly older?: string;
  readonly consistency?: string;
}

const verify = (given: Given = {}): CheckpointReport =>
  verifyCheckpointText({ crypto, trust: [platform.signer.trusted], note: newer, ...given });
const reason = (report: CheckpointReport): unknown => {
  if (report.ok || report.verdict === "valid" || report.proven !== undefined) throw new Error("it was accepted");
  return [report.verdict, report.firstDefect?.name];
};

describe("a checkpoint", () => {
  test("by itself is believed under a trusted key", () => {
    const report = verify();
    expect(report).toMatchObject({ verdict: "valid", ok: true, proven: { size: 41n } });
    expect(report.checks.map((check) => [check.name, check.status])).toEqual([
      ["signature", "ok"],
      ["witnesses", "ok"],
    ]);
  });

  test("goes on from an older one when a proof leads there", () => {
    const report = verify({ older, consistency: proof });
    expect(report.verdict).toBe("valid");
    expect(report.checks.at(-1)).toMatchObject({ name: "consistency", evidence: { oldSize: 13n, size: 41n } });
  });

  test("is consistent with itself without a proof", () => {
    expect(verify({ older: newer }).verdict).toBe("valid");
  });

  test("is incomplete beside an older one without a proof: two signatures do not make one history", () => {
    expect(reason(verify({ older }))).toEqual(["incomplete", "proofMissing"]);
  });

  test("is incomplete without keys to trust", () => {
    expect(reason(verifyCheckpointText({ crypto, trust: undefined, note: newer }))).toEqual(["incomplete", "policyMissing"]);
  });
});

describe("refused, with the reason:", () => {
  test("an older one that is larger: the tail was cut", () => {
    expect(reason(verify({ note: older, older: newer }))).toEqual(["invalid", "truncated"]);
  });

  test("two roots for one size: two histories, whatever proof comes along", async () => {
    const twin = await noteOf({ size: 41, root: rootOf(sampleLeaves(41)) }, platform.signer);
    expect(reason(verify({ note: newer, older: twin }))).toEqual(["invalid", "knownCheckpoint"]);
    expect(reason(verify({ note: newer, older: twin, consistency: proof }))).toEqual(["invalid", "knownCheckpoint"]);
  });

  test("a history that leaves the older one behind", async () => {
    const other = await noteOf({ size: 13, root: rootOf(sampleLeaves(13)) }, platform.signer);
    expect(reason(verify({ older: other, consistency: proof }))).toEqual(["invalid", "proofRoot"]);
  });

  test("a proof with any hash changed, one left out, one too many, or in another form", async () => {
    const path = await platform.log.consistency(13n, 41n);
    for (const at of path.keys()) {
      const changed = path.map((hash, place) => (place === at ? hash.with(0, (hash[0] ?? 0) ^ 1) : hash));
      expect(reason(verify({ older, consistency: printConsistency(changed) }))).toEqual(["invalid", "proofRoot"]);
      expect(verify({ older, consistency: printConsistency(path.toSpliced(at, 1)) }).verdict).toBe("invalid");
    }
    expect(reason(verify({ older, consistency: printConsistency([...path, crypto.sm3()]) }))).toEqual(["invalid", "proofMalformed"]);
    for (const bad of ["", "x", `${proof}\n`, proof.trimEnd(), proof.replace("/1", "/2"), proof.replace("path ", "path  ")])
      expect(parseConsistency(bad).ok).toBe(false);
  });

  test("a proof from the empty log, which proves nothing", async () => {
    const empty = await noteOf({ size: 0, root: crypto.sm3() }, platform.signer);
    expect(reason(verify({ older: empty, consistency: printConsistency([]) }))).toEqual(["invalid", "proofVacuous"]);
  });

  test("another log's checkpoint, a stranger's signature, a changed text", async () => {
    const other = await noteOf({ origin: "ronghe.example/51/settlement-1", size: 13, root: crypto.sm3() }, platform.signer);
    expect(reason(verify({ older: other, consistency: proof }))).toEqual(["invalid", "checkpointOrigin"]);
    const stranger = await noteOf({ size: 41, root: crypto.sm3() }, testSigner(0x44));
    expect(reason(verify({ note: stranger }))).toEqual(["invalid", "signatureMissing"]);
    expect(reason(verify({ note: newer.replace("\n41\n", "\n42\n") }))).toEqual(["invalid", "signatureInvalid"]);
    expect(reason(verify({ older: older.replace("\n13\n", "\n12\n") }))).toEqual(["invalid", "signatureInvalid"]);
  });
});

describe("witnesses", () => {
  const names = ["hospital", "insurer", "bank"] as const;
  const witnesses = names.map((name, at): SampleWitness & { readonly name: string } => {
    const privateKey = new Uint8Array(32).fill(0x51 + at);
    return { name, privateKey, key: witnessKey(crypto.sm3, `${name}.example`, crypto.sm2PublicKey(privateKey)), timeS: 1_790_000_010n };
  });
  const policy = (): Policy => ({
    logs: [platform.signer.trusted],
    witnesses,
    groups: [{ name: "two", threshold: 2, members: names }],
    quorum: "two",
  });
  const signedBy = async (...some: readonly SampleWitness[]): Promise<CheckpointReport> =>
    verifyCheckpointText({ crypto, trust: policy(), note: await noteOf({ size: 41, root: crypto.sm3() }, platform.signer, some) });

  test("as many as the policy asks for make the quorum, named with their times", async () => {
    const report = await signedBy(...witnesses.slice(0, 2));
    expect(report.verdict).toBe("valid");
    expect(report.checks.find((check) => check.name === "witnesses")?.evidence).toEqual({
      quorum: "2 of (hospital, insurer, bank)",
      cosignedBy: ["hospital", "insurer"],
      cosignedAt: ["2026-09-21T14:13:30.000Z", "2026-09-21T14:13:30.000Z"],
    });
  });

  test("too few are refused, and one that signed twice does not count as two", async () => {
    expect(reason(await signedBy())).toEqual(["invalid", "quorumMissing"]);
    expect(reason(await signedBy(...witnesses.slice(0, 1)))).toEqual(["invalid", "quorumMissing"]);
    const [first] = witnesses;
    if (first === undefined) throw new Error("no witness");
    expect(reason(await signedBy(first, first))).toEqual(["invalid", "noteMalformed"]);
  });

  test("a forged cosignature is a defect even beside enough good ones", async () => {
    const [first, second, third] = witnesses;
    if (first === undefined || second === undefined || third === undefined) throw new Error("no witness");
    expect(reason(await signedBy(first, second, { ...third, privateKey: first.privateKey }))).toEqual(["invalid", "signatureInvalid"]);
  });
});
