/**
 * What somebody may do to a log who can write where it lies, and the name under which it is refused: in the database
 * (whoever administers it), in an export (whoever hosts it), with and without the key that signs. Behind each line stands
 * what the auditor must bring for the attack to show: trusted keys always, a checkpoint kept from an earlier day, witnesses.
 */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Statement } from "../migrations/database.ts";
import { encodeLeaf } from "./leaf-encoder.ts";
import { Prover } from "./prover.ts";
import { AT, crypto, ORIGIN, TestPlatform, testSigner } from "./testing/platform.ts";
import {
  chained,
  exportOf,
  type Files,
  indexed,
  type LeafBody,
  logFiles,
  noteOf,
  reading,
  rootOf,
  sampleBody,
  sampleLeaves,
  type SampleWitness,
} from "./testing/sample-export.ts";
import { utf8 } from "./verifier/bytes.ts";
import { verifyExport, type VerifyExportOptions } from "./verifier/export.ts";
import { printBundle } from "./verifier/export-layout.ts";
import { decodeLeaf } from "./verifier/leaf.ts";
import { type Policy, type Trust, witnessKey } from "./verifier/note.ts";
import { printPolicy } from "./verifier/policy.ts";
import { printReceipt, verifyReceipt } from "./verifier/receipt.ts";
import { CompactRange, treeHasher } from "./verifier/tree.ts";
import type { DefectName } from "./verifier/verdict.ts";
import { verifyDatabase } from "./verify-files.ts";

const hasher = treeHasher(crypto.sm3);
const signer = testSigner();
const FOLDER = "settlement-0";
/** Two full bundles and a part of a third: 2 × 256 + 88. */
const SIZE = 600;
const OLD_SIZE = 430;
const LOGS = [{ folder: FOLDER, origin: ORIGIN }];
const POLICY = printPolicy([signer.trusted]);

let leaves: readonly Uint8Array[];
let note: string;
let oldNote: string;
let honest: Files;

beforeAll(async () => {
  leaves = sampleLeaves(SIZE);
  note = await headOf(leaves);
  oldNote = await headOf(leaves.slice(0, OLD_SIZE));
  honest = exportOf([{ leaves, note }], POLICY);
});

async function headOf(of: readonly Uint8Array[], more: { readonly size?: number; readonly origin?: string } = {}): Promise<string> {
  return await noteOf({ size: of.length, root: rootOf(of), ...more }, signer);
}

/** The verdict and the first reason; an attack that is accepted throws. */
async function exportRefusal(files: Files, more: Partial<VerifyExportOptions> = {}): Promise<readonly unknown[]> {
  const report = await verifyExport({ files: reading(files), crypto, trust: [signer.trusted], ...more });
  if (report.ok || report.verdict === "valid") throw new Error("the attack was not seen");
  return [report.verdict, report.firstDefect?.name];
}

async function accepted(files: Files, more: Partial<VerifyExportOptions> = {}): Promise<boolean> {
  return (await verifyExport({ files: reading(files), crypto, trust: [signer.trusted], ...more })).ok;
}

const without = (files: Files, ...paths: readonly string[]): Files => new Map([...files].filter(([path]) => !paths.includes(path)));
const tile = (path: string): string => `${FOLDER}/tile/${path}`;
const fileOf = (files: Files, path: string): Uint8Array => {
  const bytes = files.get(path);
  if (bytes === undefined) throw new Error(`no file ${path}`);
  return bytes;
};
const bodies = (): readonly LeafBody[] => Array.from({ length: SIZE }, (_, n) => sampleBody(n));
/** The history in which entry 1 says that one fen was paid, every hash behind it made anew. */
const rewritten = (): readonly Uint8Array[] => chained(bodies().with(1, { ...sampleBody(1), facts: [{ name: "fen.total", value: "1" }] }));
/** Everything in its place for these leaves, under whatever checkpoint. */
const layoutOf = (of: readonly Uint8Array[], under: string): Files => exportOf([{ leaves: of, note: under }], POLICY);

function replaced(path: string, bytes: Uint8Array): Files {
  return indexed(new Map([...honest, [`${FOLDER}/${path}`, bytes]]), LOGS);
}

/** Indices made to fit, chain and hashes left as they were. */
function renumbered(from: number): readonly Uint8Array[] {
  const moved = leaves.toSpliced(from, 1).map((bytes, at) => {
    const leaf = decodeLeaf(bytes);
    if (!leaf.ok) throw new Error(leaf.error.detail);
    return at < from ? bytes : encodeLeaf({ ...leaf.value, index: BigInt(at) });
  });
  return [...moved, leaves[SIZE - 1] ?? new Uint8Array()];
}

/** A witness with a key of its own, as the policy and as its signature know it. */
const witness = (name: string, seed: number): SampleWitness & { readonly name: string } => {
  const privateKey = new Uint8Array(32).fill(seed);
  return { name, privateKey, key: witnessKey(crypto.sm3, `${name}.example`, crypto.sm2PublicKey(privateKey)), timeS: 1_790_000_600n };
};

const proverOf = (of: readonly Uint8Array[]): Prover =>
  new Prover(hasher, (height, index) => Promise.resolve(rootOf(of.slice(index * 2 ** height, (index + 1) * 2 ** height))));

const receiptOf = async (of: readonly Uint8Array[], index: number, checkpoint: string, as = index): Promise<string> => {
  const path = await proverOf(of).inclusion(index, of.length);
  return printReceipt({ entries: [{ index: BigInt(as), leaf: of[index] ?? new Uint8Array(), openings: [], path }], checkpoint });
};

const reasonOf = (text: string, trust: Trust = [signer.trusted]): unknown => {
  const report = verifyReceipt(crypto, text, trust);
  if (report.ok || report.proven !== undefined) throw new Error("the attack was not seen");
  return report.firstDefect?.name;
};

const sql = (text: string, ...args: Statement["args"]): Statement => ({ sql: text, args });
/** A database as it was at `size`: the tail has never been. */
const cut = (size: number): readonly string[] => [
  `DELETE FROM leaf WHERE idx >= ${size}`,
  `DELETE FROM disclosure WHERE idx >= ${size}`,
  `DELETE FROM tile WHERE (idx + 1) * 256 > ${size}`,
  `DELETE FROM checkpoint WHERE size > ${size}`,
  `DELETE FROM head_move WHERE size > ${size}`,
  `UPDATE head SET size = ${size}, root = (SELECT root FROM head_move WHERE size = ${size})`,
];

describe("an export, without the signing key", () => {
  test("is valid as it was written, and says so with an earlier checkpoint in hand", async () => {
    expect(await accepted(honest)).toBe(true);
    expect(await accepted(honest, { knownCheckpoints: [oldNote, note] })).toBe(true);
  });

  const attacks: readonly (readonly [what: string, files: () => Files | Promise<Files>, reason: DefectName])[] = [
    ["the tail cut by one, the checkpoint left", () => layoutOf(leaves.slice(0, -1), note), "fileMissing"],
    ["the tail cut by 100, the checkpoint left", () => layoutOf(leaves.slice(0, -100), note), "fileMissing"],
    [
      "the tail cut by one inside the last bundle",
      () => new Map([...honest, [tile("entries/002.p/88"), printBundle(leaves.slice(512, -1))]]),
      "exportMalformed",
    ],
    ["the last bundle deleted", () => without(honest, tile("entries/002.p/88")), "fileMissing"],
    ["every entry deleted", () => indexed(new Map([...honest].filter(([path]) => !path.includes("/tile/"))), LOGS), "fileMissing"],
    ["an empty log in its place, signed by nobody", () => layoutOf([], `${note.split("\n")[0]}\n0\nx\n\n`), "noteMalformed"],
    ["two entries swapped", () => layoutOf(leaves.with(10, leaves[11] ?? x).with(11, leaves[10] ?? x), note), "leafIndex"],
    ["an entry left out, the next ones moved up", () => layoutOf([...leaves.toSpliced(40, 1), leaves[SIZE - 1] ?? x], note), "leafIndex"],
    ["an entry left out and those behind it numbered anew", () => layoutOf(renumbered(40), note), "leafChain"],
    ["an entry twice", () => layoutOf(leaves.toSpliced(40, 0, leaves[39] ?? x).slice(0, SIZE), note), "leafIndex"],
    ["the last entry twice", () => layoutOf([...leaves, leaves[SIZE - 1] ?? x], note), "fileMissing"],
    ["the whole chain rewritten, consistent in itself", () => layoutOf(rewritten(), note), "checkpointRoot"],
    [
      "the entries of one institution taken out, the rest numbered and chained anew",
      () => layoutOf(chained(bodies().filter((body) => body.institution !== "H51003")), note),
      "fileMissing",
    ],
    [
      "the entries of one institution replaced by others, chained anew",
      () => layoutOf(chained(bodies().map((body, n) => (body.institution === "H51003" ? sampleBody(7 * n) : body))), note),
      "checkpointRoot",
    ],
    ["an old checkpoint in place of the newest, the entries left", () => replaced("checkpoint", utf8(oldNote)), "fileMissing"],
    [
      "another log's entries and checkpoint under this name",
      async () => {
        const origin = "ronghe.example/51/settlement-9";
        const other = sampleLeaves(SIZE, origin);
        const files = logFiles(FOLDER, other, await headOf(other, { origin }));
        return indexed(new Map([...honest, ...files]), LOGS);
      },
      "checkpointOrigin",
    ],
    [
      "another log's entries under this checkpoint",
      () => layoutOf(sampleLeaves(SIZE, "ronghe.example/51/settlement-9"), note),
      "leafOrigin",
    ],
    [
      "the right root with another size, the signature left",
      () => replaced("checkpoint", utf8(note.replace("\n600\n", "\n599\n"))),
      "signatureInvalid",
    ],
    [
      "a partial tile at a size that no checkpoint covers",
      () => new Map([...honest, [tile("0/002.p/10"), fileOf(honest, tile("0/002.p/88")).slice(0, 320)]]),
      "fileUnknown",
    ],
    [
      "a bundle at a size that no checkpoint covers",
      () => new Map([...honest, [tile("entries/002.p/1"), printBundle(leaves.slice(512, 513))]]),
      "fileUnknown",
    ],
    ["a full tile that is still growing", () => new Map([...honest, [tile("0/002"), new Uint8Array(8192)]]), "fileUnknown"],
    ["a hash in a tile", () => replaced("tile/0/001", fileOf(honest, tile("0/001")).with(5, 0)), "tileMismatch"],
    ["a hash in an upper tile", () => replaced("tile/1/000.p/2", fileOf(honest, tile("1/000.p/2")).with(5, 0)), "tileMismatch"],
    [
      "a stranger's signature",
      async () => layoutOf(rewritten(), await noteOf({ size: SIZE, root: rootOf(rewritten()) }, testSigner(0x77))),
      "signatureMissing",
    ],
    ["a file beside the logs", () => new Map([...honest, ["readme.txt", utf8("x")]]), "fileUnknown"],
    ["the index gone", () => without(honest, "ronghe-export.txt"), "fileMissing"],
    [
      "a log gone from the index and from the folder",
      () =>
        indexed(new Map([["policy", utf8(POLICY)], ...logFiles("other", sampleLeaves(3, "o"), note)]), [{ folder: "other", origin: "o" }]),
      "checkpointOrigin",
    ],
  ];
  const x = new Uint8Array();
  test.each(attacks)("%s", async (_, files, reason) => {
    expect(await exportRefusal(await files())).toEqual(["invalid", reason]);
  });

  test("any byte changed in any file", async () => {
    const small = sampleLeaves(20);
    const files = exportOf([{ leaves: small, note: await headOf(small) }], POLICY);
    for (const [path, bytes] of files)
      for (let at = 0; at < bytes.length; at += path.includes("entries") ? 37 : 7)
        expect(await accepted(new Map([...files, [path, bytes.with(at, (bytes[at] ?? 0) ^ 1)]])), `${path}, byte ${at}`).toBe(false);
  });

  test("a log that the auditor's policy names is not there", async () => {
    const trust: Trust = [{ ...signer.trusted, origins: [ORIGIN, "ronghe.example/51/settlement-1"] }];
    expect(await exportRefusal(honest, { trust })).toEqual(["invalid", "logMissing"]);
  });

  test("the policy exchanged together with everything: only with the export's own policy it agrees, and that is incomplete", async () => {
    const forger = testSigner(0x77);
    const forged = rewritten();
    const forgedNote = await noteOf({ size: SIZE, root: rootOf(forged) }, forger);
    const files = exportOf([{ leaves: forged, note: forgedNote }], printPolicy([forger.trusted]));
    expect(await exportRefusal(files)).toEqual(["invalid", "signatureMissing"]);
    const unasked = await verifyExport({ files: reading(files), crypto });
    expect([unasked.verdict, unasked.firstDefect?.name]).toEqual(["incomplete", "policyMissing"]);
  });
});

describe("an export, by whoever holds the signing key: only what somebody else kept shows it", () => {
  const attacks: readonly (readonly [what: string, of: () => readonly Uint8Array[], reason: DefectName])[] = [
    ["the tail cut by one, and signed", () => leaves.slice(0, -1), "truncated"],
    ["the tail cut by 300, and signed", () => leaves.slice(0, -300), "truncated"],
    ["the log emptied, and signed", () => [], "truncated"],
    ["an old checkpoint replayed with what belonged to it", () => leaves.slice(0, OLD_SIZE), "truncated"],
    ["the whole chain rewritten, and signed", () => rewritten(), "knownCheckpoint"],
    [
      "one institution taken out, filled up, and signed",
      () =>
        chained(
          bodies()
            .filter((_, n) => n % 7 !== 3)
            .concat(bodies().slice(0, 86)),
        ),
      "knownCheckpoint",
    ],
  ];
  test.each(attacks)("%s", async (_, of, reason) => {
    const files = layoutOf(of(), await headOf(of()));
    expect(await accepted(files)).toBe(true);
    expect(await exportRefusal(files, { knownCheckpoints: [note] })).toEqual(["invalid", reason]);
  });

  test("entries appended to a rewritten history: the kept checkpoint is met on the way", async () => {
    const longer = chained([...bodies().with(1, sampleBody(0)), ...bodies()]);
    const files = layoutOf(longer, await headOf(longer));
    expect(await exportRefusal(files, { knownCheckpoints: [oldNote] })).toEqual(["invalid", "knownCheckpoint"]);
  });

  test("the right root signed with another size", async () => {
    for (const size of [SIZE - 1, SIZE + 1])
      expect(await exportRefusal(layoutOf(leaves, await headOf(leaves, { size })))).toEqual(["invalid", "fileMissing"]);
    expect(await exportRefusal(layoutOf(leaves.slice(0, -1), await noteOf({ size: SIZE - 1, root: rootOf(leaves) }, signer)))).toEqual([
      "invalid",
      "checkpointRoot",
    ]);
  });

  test("a key that was retired before this size", async () => {
    const retired: Trust = [{ ...signer.trusted, origins: [ORIGIN], sizes: { first: 0n, last: BigInt(OLD_SIZE) } }];
    expect(await exportRefusal(honest, { trust: retired })).toEqual(["invalid", "keyRetired"]);
    expect(await accepted(layoutOf(leaves.slice(0, OLD_SIZE), oldNote), { trust: retired })).toBe(true);
  });
});

describe("witnesses", () => {
  const [hospital, insurer, bank] = [witness("hospital", 0x51), witness("insurer", 0x52), witness("bank", 0x53)];
  const policy: Policy = {
    logs: [signer.trusted],
    witnesses: [hospital, insurer, bank],
    groups: [{ name: "two", threshold: 2, members: ["hospital", "insurer", "bank"] }],
    quorum: "two",
  };
  const witnessed = async (of: readonly Uint8Array[], ...by: readonly SampleWitness[]): Promise<Files> =>
    layoutOf(of, await noteOf({ size: of.length, root: rootOf(of) }, signer, by));

  test("a head that too few of them saw is refused, however well the log signed it", async () => {
    expect(await accepted(await witnessed(leaves, hospital, bank), { trust: policy })).toBe(true);
    expect(await exportRefusal(await witnessed(rewritten()), { trust: policy })).toEqual(["invalid", "quorumMissing"]);
    expect(await exportRefusal(await witnessed(rewritten(), bank), { trust: policy })).toEqual(["invalid", "quorumMissing"]);
  });

  test("one dishonest witness cannot stand for two, nor forge another's line", async () => {
    const forged = { ...hospital, privateKey: bank.privateKey };
    expect(await exportRefusal(await witnessed(rewritten(), bank, forged), { trust: policy })).toEqual(["invalid", "signatureInvalid"]);
    expect(await exportRefusal(await witnessed(rewritten(), bank, bank), { trust: policy })).toEqual(["invalid", "noteMalformed"]);
  });

  test("all witnesses together with the log: the two heads that they signed convict them", async () => {
    const kept = await noteOf({ size: SIZE, root: rootOf(leaves) }, signer, [hospital, insurer]);
    const fork = await witnessed(rewritten(), hospital, insurer, bank);
    expect(await accepted(fork, { trust: policy })).toBe(true);
    expect(await exportRefusal(fork, { trust: policy, knownCheckpoints: [kept] })).toEqual(["invalid", "knownCheckpoint"]);
  });

  test("a witness rolled back by a race between check and write has cosigned two histories of one size: both heads refuse each other", async () => {
    const short = await noteOf({ size: OLD_SIZE, root: rootOf(leaves.slice(0, OLD_SIZE)) }, signer, [hospital, bank]);
    const fork = await witnessed(rewritten(), hospital, bank);
    expect(await exportRefusal(fork, { trust: policy, knownCheckpoints: [short] })).toEqual(["invalid", "knownCheckpoint"]);
    const honestOne = await witnessed(leaves, insurer, bank);
    const forkNote = new TextDecoder().decode(fileOf(fork, `${FOLDER}/checkpoint`));
    expect(await exportRefusal(honestOne, { trust: policy, knownCheckpoints: [forkNote] })).toEqual(["invalid", "knownCheckpoint"]);
  });
});

describe("a receipt", () => {
  test("of an entry that is not in the log, under the log's checkpoint", async () => {
    expect(verifyReceipt(crypto, await receiptOf(leaves, 77, note), [signer.trusted]).ok).toBe(true);
    expect(reasonOf(await receiptOf(rewritten(), 1, note))).toBe("proofRoot");
  });

  test("under the right root with another size: the walk goes another way", async () => {
    const wrong = await headOf(leaves.slice(0, 3), { size: 4 });
    expect(reasonOf(await receiptOf(leaves.slice(0, 3), 2, wrong))).toBe("proofMalformed");
    expect(reasonOf(await receiptOf(leaves.slice(0, 3), 2, await headOf(leaves.slice(0, 3), { size: 2 })))).toBe("proofMalformed");
  });

  test("an old checkpoint that does not hold the entry, another log's, a retired key's", async () => {
    expect(reasonOf(await receiptOf(leaves, OLD_SIZE, oldNote))).toBe("proofMalformed");
    const other = await headOf(leaves, { origin: "ronghe.example/51/settlement-9" });
    expect(reasonOf(await receiptOf(leaves, 77, other))).toBe("leafOrigin");
    const retired: Trust = [{ ...signer.trusted, origins: [ORIGIN], sizes: { first: 0n, last: BigInt(OLD_SIZE) } }];
    expect(reasonOf(await receiptOf(leaves, 77, note), retired)).toBe("keyRetired");
    expect(verifyReceipt(crypto, await receiptOf(leaves.slice(0, OLD_SIZE), 77, oldNote), retired).ok).toBe(true);
  });

  test("one entry's proof under another's number", async () => {
    expect(reasonOf(await receiptOf(leaves, 77, note, 78))).toBe("leafIndex");
  });
});

describe("a database", () => {
  const COUNT = 300;
  const OLD = 200;
  let platform: TestPlatform;
  let notes: readonly string[];

  beforeEach(async () => {
    platform = await TestPlatform.create();
    await platform.append(OLD);
    const first = (await platform.log.checkpoint(AT)).note;
    await platform.append(COUNT - OLD);
    notes = [first, (await platform.log.checkpoint(AT)).note];
  });
  afterEach(async () => {
    await platform.close();
  });

  async function refusal(
    more: { readonly trust?: Trust; readonly known?: readonly string[]; readonly origin?: string } = {},
  ): Promise<unknown> {
    const { trust = [platform.signer.trusted], known = [], origin } = more;
    const options = { db: platform.db, crypto, trustedKeys: trust, knownCheckpoints: known, ...(origin === undefined ? {} : { origin }) };
    const report = await verifyDatabase(options);
    if (report.ok) throw new Error("the attack was not seen");
    return report.firstDefect?.name;
  }

  const attacks: readonly (readonly [what: string, statements: readonly string[], reason: DefectName])[] = [
    ["the tail cut by one", [`DELETE FROM leaf WHERE idx = ${COUNT - 1}`], "truncated"],
    ["the tail cut by 100", ["DELETE FROM leaf WHERE idx >= 200"], "truncated"],
    ["the log emptied", ["DELETE FROM leaf"], "truncated"],
    [
      "two entries swapped",
      ["UPDATE leaf SET idx = -1 WHERE idx = 10", "UPDATE leaf SET idx = 10 WHERE idx = 11", "UPDATE leaf SET idx = 11 WHERE idx = -1"],
      "leafIndex",
    ],
    [
      "an entry deleted, those behind it numbered anew",
      ["DELETE FROM leaf WHERE idx = 40", "UPDATE leaf SET idx = -idx WHERE idx > 40", "UPDATE leaf SET idx = -idx - 1 WHERE idx < 0"],
      "leafIndex",
    ],
    ["the entries of one institution deleted", ["DELETE FROM leaf WHERE institution = 'H51003'"], "leafIndex"],
    [
      "an entry doubled behind the end",
      [`INSERT INTO leaf SELECT ${COUNT}, bytes, hash, kind, institution, subject, at_ms FROM leaf WHERE idx = ${COUNT - 1}`],
      "headMismatch",
    ],
    [
      "an old checkpoint in place of the newest",
      [`UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = ${OLD}) WHERE size = ${COUNT}`],
      "checkpointSize",
    ],
    ["the right root under another size", [`UPDATE checkpoint SET size = ${COUNT - 1} WHERE size = ${COUNT}`], "checkpointSize"],
    ["another origin in the head", ["UPDATE head SET origin = 'ronghe.example/51/settlement-1'"], "leafOrigin"],
    ["a tile for entries that are not there yet", ["INSERT INTO tile SELECT 0, 1, hashes FROM tile WHERE idx = 0"], "tileMismatch"],
  ];
  test.each(attacks)("%s", async (_, statements, reason) => {
    await platform.tamper(...statements);
    expect(await refusal()).toBe(reason);
  });

  test("the tail cut with all that belongs to it, an old state replayed: a checkpoint that was kept shows it", async () => {
    await platform.tamper(...cut(OLD));
    expect((await verifyDatabase({ db: platform.db, crypto, trustedKeys: [platform.signer.trusted] })).ok).toBe(true);
    expect(await refusal({ known: notes })).toBe("truncated");
  });

  test("the whole chain rewritten, hashes, tiles, moves and head with it", async () => {
    await platform.tamper(...(await rewrittenRows()));
    expect(await refusal()).toBe("checkpointRoot");
    await platform.tamper("DELETE FROM checkpoint");
    expect(await refusal()).toBe("uncovered");
    await (await platform.openAgain()).checkpoint(AT);
    expect(await refusal({ known: notes })).toBe("knownCheckpoint");
  });

  test("another log in its place, a retired key, a head that no witness saw", async () => {
    expect(await refusal({ origin: "ronghe.example/51/settlement-1" })).toBe("headMismatch");
    const key = platform.signer.trusted;
    expect(await refusal({ trust: [{ ...key, origins: [ORIGIN], sizes: { first: 0n, last: BigInt(OLD) } }] })).toBe("keyRetired");
    const privateKey = new Uint8Array(32).fill(0x51);
    const hospital = { name: "hospital", key: witnessKey(crypto.sm3, "hospital.example", crypto.sm2PublicKey(privateKey)) };
    expect(await refusal({ trust: { logs: [key], witnesses: [hospital], groups: [], quorum: "hospital" } })).toBe("uncovered");
  });

  /** Entry 1 says another amount; everything that follows from it is computed anew. */
  async function rewrittenRows(): Promise<readonly Statement[]> {
    const statements: Statement[] = [];
    const range = new CompactRange(hasher);
    const roots = new Map([[0, hasher.empty()]]);
    const hashes: Uint8Array[] = [];
    for (const [at, { bytes }] of (await platform.log.leaves(0n, COUNT)).entries()) {
      const leaf = decodeLeaf(bytes);
      if (!leaf.ok) throw new Error(leaf.error.detail);
      const facts = at === 1 ? [{ name: "fen.total", value: "1" }] : leaf.value.facts;
      const changed = encodeLeaf({ ...leaf.value, previous: hashes.at(-1), facts });
      const hash = hasher.leaf(changed);
      hashes.push(hash);
      range.append(hash);
      roots.set(range.size, range.root());
      statements.push(sql("UPDATE leaf SET bytes = ?, hash = ? WHERE idx = ?", changed, hash, at));
    }
    const tile = new Uint8Array(8192);
    for (const [at, hash] of hashes.slice(0, 256).entries()) tile.set(hash, at * 32);
    statements.push(sql("UPDATE tile SET hashes = ?", tile), sql("UPDATE head SET root = ?", range.root()));
    for (const [size, root] of roots)
      statements.push(
        sql("UPDATE head_move SET root = ? WHERE size = ?", root, size),
        sql("UPDATE head_move SET from_root = ? WHERE from_size = ?", root, size),
      );
    return statements;
  }
});
