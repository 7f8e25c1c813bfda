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
import { ageDefect, policyDefect } from "./checkpoint.ts";
import { describeQuorum, dishonestEnough, meetsQuorum, type QuorumRule } from "./quorum.ts";

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

const policyText = (): string => printPolicy(twoOfThree);
const why = (changed: string): string => {
  const parsed = parsePolicy(crypto.sm3, changed);
  return parsed.ok ? "accepted" : parsed.error.detail;
};
const commented = (count: number): string => `# ${"\u4e2d".repeat(count)}\n${policyText()}`;

describe("a policy is read to the byte", () => {
  test("and is refused when its last line does not end: a line may be cut off and mean another thing", () => {
    expect(why(policyText())).toBe("accepted");
    expect(why(policyText().slice(0, -1))).toContain("does not end with a newline");
  });

  test("and is refused with a byte order mark, a control character or half a character anywhere, in what people read too", () => {
    expect(why(`\ufeff${policyText()}`)).toContain("byte order mark");
    for (const bad of ["\u0000", "\u001b[2K", "\t", "\r", "\u007f", "\ud800"]) {
      expect(why(`# kept by${bad} the auditor\n${policyText()}`), JSON.stringify(bad)).toContain("line 1: it holds a control character");
      if (bad !== "\r") expect(why(policyText().replace("quorum two", `quorum two${bad}`)), JSON.stringify(bad)).not.toBe("accepted");
    }
    expect(why(policyText().replaceAll("\n", "\r\n"))).toBe("accepted");
  });

  test("its limit counts bytes, whatever a reader takes for a character", () => {
    expect(why(commented(80_000))).toBe("accepted");
    expect(why(commented(90_000))).toContain("too long");
  });
});

describe("a policy that looks at the time", () => {
  const timed: Policy = { ...twoOfThree, headAgeS: 3_600n, untilMs: BigInt(Date.UTC(2027, 0, 31)) };
  const seen = (lines: string): Parameters<typeof ageDefect>[0] => {
    const checkpoint = verifyLogSignature(crypto, `${note}${lines}`, timed);
    if (!checkpoint.ok) throw new Error(checkpoint.error.detail);
    return checkpoint.value;
  };
  const nowMs = Number(COSIGNED_AT_S) * 1000;

  test("reads back what it printed", () => {
    expect(printPolicy(timed)).toContain("\nhead-age 3600\nuntil 2027-01-31T00:00:00Z\n");
    expect(parsePolicy(crypto.sm3, printPolicy(timed))).toMatchObject({ ok: true, value: { headAgeS: 3_600n, untilMs: timed.untilMs } });
  });

  test.each([
    ["head-age 0"],
    ["head-age 01"],
    ["head-age 1h"],
    ["head-age 5\nhead-age 5"],
    ["until 2027-02-30T00:00:00Z"],
    ["until 2027-01-31"],
    ["until 2027-01-31T00:00:00+08:00"],
    ["until 2027-01-31T00:00:00Z\nuntil 2027-01-31T00:00:00Z"],
  ])("refuses %j", (line) => {
    expect(parsePolicy(crypto.sm3, `${printPolicy(twoOfThree)}${line}\n`)).toMatchObject({ ok: false, error: { name: "policyMalformed" } });
  });

  test("asks for a quorum: without witnesses nobody tells the age of a head", () => {
    expect(parsePolicy(crypto.sm3, `${printPolicy(twoOfThree.logs)}head-age 60\n`)).toMatchObject({
      ok: false,
      error: { detail: expect.stringContaining("needs a quorum") },
    });
  });

  test("refuses a head whose quorum is older than it allows, and one that it cannot tell the age of", () => {
    const head = seen(`${hospital.line(note)}${bank.line(note)}`);
    expect(ageDefect(head, timed, nowMs + 3_600_000)).toBeUndefined();
    expect(ageDefect(head, timed, nowMs + 3_601_000)?.name).toBe("headStale");
    expect(ageDefect(head, timed, undefined)?.name).toBe("headStale");
    expect(ageDefect(head, twoOfThree, undefined)).toBeUndefined();
  });

  test("takes no single witness's word for the age: the time is that of the last one that the quorum needs", () => {
    const later = COSIGNED_AT_S + 90_000n;
    const head = seen(`${hospital.line(note)}${insurer.line(note)}${bank.line(note, later)}`);
    expect(ageDefect(head, timed, Number(later) * 1000)?.name).toBe("headStale");
    const two = seen(`${hospital.line(note)}${insurer.line(note, later)}${bank.line(note, later)}`);
    expect(ageDefect(two, timed, Number(later) * 1000)).toBeUndefined();
  });

  test("counts itself no more from its end on", () => {
    expect(policyDefect(timed, Date.UTC(2027, 0, 30, 23))).toBeUndefined();
    expect(policyDefect(timed, Date.UTC(2027, 0, 31))?.name).toBe("policyExpired");
    expect(policyDefect(timed, undefined)?.name).toBe("policyExpired");
  });
});

const kOf = (threshold: number, n: number): QuorumRule => ({
  groups: [{ name: "q", threshold, members: Array.from({ length: n }, (_, at) => `w${at}`) }],
  quorum: "q",
});
/** Every pair of sufficient sets, by trying. */
const byTrying = (rule: QuorumRule, witnesses: readonly string[]): number => {
  const sets = Array.from({ length: 2 ** witnesses.length }, (_, bits) => witnesses.filter((_w, at) => ((bits >> at) & 1) === 1));
  const enough = sets.filter((set) => meetsQuorum(rule, new Set(set)));
  return Math.min(...enough.flatMap((one) => enough.map((other) => one.filter((name) => other.includes(name)).length)));
};

describe("a quorum withstands as many dishonest witnesses as any two sufficient sets share, less one", () => {
  const nested: QuorumRule = {
    groups: [
      { name: "a", threshold: 2, members: ["1", "2", "3"] },
      { name: "b", threshold: 2, members: ["4", "5"] },
      { name: "q", threshold: 2, members: ["a", "b"] },
    ],
    quorum: "q",
  };

  test("as trying every pair of sets gives it", () => {
    for (let n = 1; n <= 6; n += 1)
      for (let k = 1; k <= n; k += 1) {
        const rule = kOf(k, n);
        expect(dishonestEnough(rule), `${k} of ${n}`).toBe(byTrying(rule, rule.groups[0]?.members ?? []));
      }
    expect(dishonestEnough(nested)).toBe(byTrying(nested, ["1", "2", "3", "4", "5"]));
  });

  test("so that two of three fall to one, and one of anything to none", () => {
    expect([kOf(2, 3), kOf(1, 2), kOf(2, 4), kOf(3, 3), kOf(3, 4)].map(dishonestEnough)).toEqual([1, 0, 0, 3, 2]);
    expect(dishonestEnough({ groups: [] })).toBe(0);
  });
});
