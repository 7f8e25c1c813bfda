import { beforeAll, describe, expect, test } from "vitest";
import { crypto, ORIGIN, testSigner } from "../testing/platform.ts";
import { COSIGNED_AT_S, testWitness } from "../testing/witnesses.ts";
import { toBase64, utf8 } from "./bytes.ts";
import {
  cosignatureMessage,
  parseVerifierKey,
  parseWitnessKey,
  type Policy,
  printCheckpointBody,
  printSignature,
  printVerifierKey,
  verifierKey,
  verifyCheckpoint,
  verifyLogSignature,
} from "./note.ts";
import { parsePolicy, printPolicy } from "./policy.ts";
import { describeQuorum, meetsQuorum } from "./quorum.ts";

const signer = testSigner();
const next = testSigner(0x12);
const hospital = testWitness("hospital", 0x21, "http://127.0.0.1:1/");
const insurer = testWitness("insurer", 0x22);
const bank = testWitness("bank", 0x23);
const root = crypto.sm3(utf8("root"));
let note: string;

const keyOf = (witness: typeof hospital): string => printVerifierKey(witness.key);
const signedBy = async (keys: readonly (typeof signer)[], size = 12n): Promise<string> => {
  const body = printCheckpointBody({ origin: ORIGIN, size, root });
  const lines = await Promise.all(keys.map(async (key) => printSignature(key.trusted, await key.sign(utf8(body)))));
  return `${body}\n${lines.join("")}`;
};
const twoOfThree: Policy = {
  logs: [{ ...signer.trusted, origins: [ORIGIN] }],
  witnesses: [hospital, insurer, bank].map(({ name, key, url }) => ({ name, key, ...(url === undefined ? {} : { url }) })),
  groups: [{ name: "two", threshold: 2, members: ["hospital", "insurer", "bank"] }],
  quorum: "two",
};

beforeAll(async () => {
  note = await signedBy([signer]);
});

describe("cosignatures", () => {
  test("count when they are of witnesses that the policy names, whatever else stands beside them", () => {
    const strangers = Array.from({ length: 16 }, (_, n) => testWitness(`stranger-${n}`, 0x40 + n).line(note)).join("");
    const cosigned = `${note}${hospital.line(note)}${strangers}${bank.line(note, COSIGNED_AT_S + 3n)}`;
    expect(verifyCheckpoint(crypto, cosigned, twoOfThree)).toMatchObject({
      ok: true,
      value: {
        hasQuorum: true,
        signers: [printVerifierKey(signer.trusted)],
        cosigners: [
          { name: "hospital", timeS: COSIGNED_AT_S },
          { name: "bank", timeS: COSIGNED_AT_S + 3n },
        ],
      },
    });
  });

  test("that are too few leave the checkpoint the log's own word and no more", () => {
    const one = note + bank.line(note);
    expect(verifyCheckpoint(crypto, one, twoOfThree)).toMatchObject({ ok: false, error: { name: "quorumMissing" } });
    expect(verifyCheckpoint(crypto, one, twoOfThree)).toMatchObject({
      error: { detail: expect.stringContaining("2 of (hospital, insurer, bank)") },
    });
    expect(verifyLogSignature(crypto, one, twoOfThree)).toMatchObject({
      ok: true,
      value: { hasQuorum: false, cosigners: [{ name: "bank" }] },
    });
  });

  test("never stand in for the log's own signature, and the log's never for a witness", async () => {
    const body = printCheckpointBody({ origin: ORIGIN, size: 12n, root });
    const unsigned = `${body}\n${hospital.line(note)}${bank.line(note)}`;
    expect(verifyCheckpoint(crypto, unsigned, twoOfThree)).toMatchObject({ error: { name: "signatureMissing" } });
    // The same key pair under both kinds of key: the ids differ, and so does what is signed.
    const both = verifierKey(crypto.sm3, hospital.key.name, hospital.key.publicKey);
    const asLog = printSignature(both, crypto.sm2Sign(hospital.privateKey, utf8(body)));
    expect(verifyLogSignature(crypto, note + asLog, twoOfThree)).toMatchObject({ value: { cosigners: [] } });
    expect(parseWitnessKey(crypto.sm3, printVerifierKey(both)).ok).toBe(false);
    expect(parseVerifierKey(crypto.sm3, keyOf(hospital)).ok).toBe(false);
  });

  test("that do not verify spoil the note: another time, another text, another length, twice", () => {
    const good = hospital.line(note);
    const [, name = "", encoded = ""] = good.trimEnd().split(" ");
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    const later = bytes.with(11, (bytes[11] ?? 0) ^ 1);
    const line = (blob: Uint8Array): string => `\u2014 ${name} ${toBase64(blob)}\n`;
    for (const bad of [
      line(later),
      line(bytes.with(40, (bytes[40] ?? 0) ^ 1)),
      line(bytes.slice(0, -1)),
      hospital.line(note.replace("12", "13")),
    ])
      expect(verifyCheckpoint(crypto, note + bad + bank.line(note), twoOfThree)).toMatchObject({ error: { name: "signatureInvalid" } });
    expect(verifyCheckpoint(crypto, note + good + good, twoOfThree)).toMatchObject({ error: { name: "noteMalformed" } });
    // 2^63 seconds: no verifier may read it as a negative time.
    const far = 1n << 63n;
    const beyond = new Uint8Array(76);
    beyond.set(hospital.key.id);
    new DataView(beyond.buffer).setBigUint64(4, far);
    beyond.set(crypto.sm2Sign(hospital.privateKey, cosignatureMessage(far, note.slice(0, note.indexOf("\n\n") + 1))), 12);
    expect(verifyCheckpoint(crypto, note + line(beyond), twoOfThree)).toMatchObject({ error: { name: "signatureInvalid" } });
  });

  test("every single bit of a cosignature counts", () => {
    const cosigned = `${note}${hospital.line(note)}`;
    const policy = { ...twoOfThree, quorum: "hospital" };
    expect(verifyCheckpoint(crypto, cosigned, policy).ok).toBe(true);
    const from = note.length;
    const accepted: number[] = [];
    for (let at = from; at < cosigned.length; at += 1) {
      const changed = cosigned.slice(0, at) + String.fromCharCode(cosigned.charCodeAt(at) ^ 1) + cosigned.slice(at + 1);
      if (verifyCheckpoint(crypto, changed, policy).ok) accepted.push(at);
    }
    expect(accepted).toEqual([]);
  });
});

describe("keys in office", () => {
  const policy: Policy = {
    logs: [
      { ...signer.trusted, origins: [ORIGIN], sizes: { first: 0n, last: 12n } },
      { ...next.trusted, origins: [ORIGIN], sizes: { first: 10n } },
    ],
    witnesses: [],
    groups: [],
  };

  test("sign the sizes they were given, in the overlap both", async () => {
    for (const [keys, size] of [
      [[signer], 1n],
      [[signer, next], 10n],
      [[signer, next], 12n],
      [[next], 13n],
      [[next], 1_000_000n],
    ] as const)
      expect(verifyCheckpoint(crypto, await signedBy(keys, size), policy), `size ${size}`).toMatchObject({
        ok: true,
        value: { signers: keys.map((key) => printVerifierKey(key.trusted)) },
      });
  });

  test("a retired key after its end, and a new one before its beginning, are refused by name", async () => {
    expect(verifyCheckpoint(crypto, await signedBy([signer], 13n), policy)).toMatchObject({
      error: { name: "keyRetired", detail: expect.stringContaining("sizes 0 to 12") },
    });
    expect(verifyCheckpoint(crypto, await signedBy([next], 9n), policy)).toMatchObject({ error: { name: "keyRetired" } });
  });

  test("beside a key in office a retired one is no more than a stranger", async () => {
    const both = await signedBy([signer, next], 20n);
    expect(verifyCheckpoint(crypto, both, policy)).toMatchObject({ ok: true, value: { signers: [printVerifierKey(next.trusted)] } });
  });
});

describe("a policy", () => {
  const text = printPolicy(twoOfThree);
  const [logLine = "", ...witnessLines] = text.split("\n").slice(1, 5);
  const lines = (...more: readonly string[]): string => [logLine, ...witnessLines, ...more, ""].join("\n");

  test("read from its text is the policy printed", () => {
    expect(parsePolicy(crypto.sm3, text)).toEqual({ ok: true, value: twoOfThree });
    const sized: Policy = { ...twoOfThree, logs: [{ ...signer.trusted, origins: [ORIGIN], sizes: { first: 3n, last: 9n } }] };
    expect(parsePolicy(crypto.sm3, printPolicy(sized))).toEqual({ ok: true, value: sized });
  });

  test("takes k, any and all, groups of groups, and a quorum of nobody", () => {
    const nested = lines("group payers any insurer bank", "group both all hospital payers", "quorum both");
    const policy = parsePolicy(crypto.sm3, nested);
    if (!policy.ok) throw new Error(policy.error.detail);
    expect(describeQuorum(policy.value)).toBe("2 of (hospital, 1 of (insurer, bank))");
    const table: readonly (readonly [readonly string[], boolean])[] = [
      [[], false],
      [["hospital"], false],
      [["insurer", "bank"], false],
      [["hospital", "bank"], true],
      [["hospital", "insurer", "bank"], true],
    ];
    for (const [cosigned, met] of table) expect(meetsQuorum(policy.value, new Set(cosigned)), cosigned.join()).toBe(met);
    expect(parsePolicy(crypto.sm3, lines("quorum none"))).toMatchObject({ ok: true });
    expect(meetsQuorum({ groups: [] }, new Set())).toBe(true);
  });

  test("counts a witness that changed its key once", () => {
    const policy = {
      groups: [
        { name: "bank", threshold: 1, members: ["bank-2026", "bank-2027"] },
        { name: "two", threshold: 2, members: ["bank", "hospital"] },
      ],
      quorum: "two",
    };
    expect(meetsQuorum(policy, new Set(["bank-2026", "bank-2027"]))).toBe(false);
    expect(meetsQuorum(policy, new Set(["bank-2027", "hospital"]))).toBe(true);
  });

  const refused: readonly (readonly [string, string])[] = [
    ["witnesses without a quorum", lines()],
    ["two quorums", lines("quorum bank", "quorum hospital")],
    ["a quorum that nothing is called", lines("quorum nobody")],
    ["a group that names what comes later", `${logLine}\ngroup g 1 hospital\n${witnessLines.join("\n")}\nquorum g\n`],
    ["a threshold of 0", lines("group g 0 hospital", "quorum g")],
    ["a threshold beyond the members", lines("group g 2 hospital", "quorum g")],
    ["a threshold with a leading zero", lines("group g 01 hospital", "quorum g")],
    ["a group without members", lines("group g any", "quorum g")],
    ["a member twice in a group", lines("group g 2 hospital hospital", "quorum g")],
    ["a member of two groups", lines("group g 1 hospital", "group h 1 hospital bank", "quorum h")],
    ["a name twice", lines("group bank 1 hospital", "quorum bank")],
    ["a group called none", lines("group none 1 hospital", "quorum none")],
    ["a witness called none", `${logLine}\nwitness none ${keyOf(bank)}\nquorum none\n`],
    ["one key for two witnesses", lines(`witness other ${keyOf(bank)}`, "quorum other")],
    [
      "a key of a log as a witness's",
      `${logLine}\nwitness w ${keyOf({ ...bank, key: { ...hospital.key, publicKey: signer.publicKey } })}\nquorum w\n`,
    ],
    ["a log's kind of key for a witness", `${logLine}\nwitness w ${printVerifierKey(next.trusted)}\nquorum w\n`],
    ["a witness's kind of key for a log", `log ${keyOf(bank)}\n`],
    ["an address of another kind", lines(`witness w ${keyOf(testWitness("w", 0x55))} ftp://w`, "quorum w")],
    ["sizes without one origin", `log 0..9 ${printVerifierKey(signer.trusted)}\n`],
    ["sizes with two origins", `log 0..9 ${printVerifierKey(signer.trusted)} a b\n`],
    ["sizes that end before they begin", `log 9..8 ${printVerifierKey(signer.trusted)} a\n`],
    ["sizes with a leading zero", `log 00..8 ${printVerifierKey(signer.trusted)} a\n`],
    ["sizes with three ends", `log 0..8..9 ${printVerifierKey(signer.trusted)} a\n`],
    ["two blanks between words", lines("group g 1  hospital", "quorum g")],
    ["a blank at the end", lines("quorum bank ")],
    ["no log", `${witnessLines.join("\n")}\nquorum bank\n`],
    ["a line of another version", lines("quorum bank", "expires 2030-01-01")],
  ];
  for (const [what, bad] of refused)
    test(`is refused with ${what}`, () =>
      expect(parsePolicy(crypto.sm3, bad)).toMatchObject({ ok: false, error: { name: "policyMalformed" } }));

  test("with any character changed is refused, or says something else in the words of people only", () => {
    const accepted: string[] = [];
    const from = text.indexOf("\nlog ") + 1;
    for (let at = from; at < text.length; at += 1) {
      const changed = `${text.slice(0, at)}~${text.slice(at + 1)}`;
      const parsed = parsePolicy(crypto.sm3, changed);
      if (parsed.ok && printPolicy(parsed.value) === text) accepted.push(`${at}`);
    }
    expect(accepted).toEqual([]);
  });
});
