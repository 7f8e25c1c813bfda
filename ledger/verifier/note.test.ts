import { beforeAll, describe, expect, test } from "vitest";
import { crypto, ORIGIN, testSigner } from "../testing/platform.ts";
import { toBase64, utf8 } from "./bytes.ts";
import {
  parseCheckpointBody,
  parseNote,
  parseVerifierKey,
  printCheckpointBody,
  printSignature,
  printVerifierKey,
  verifierKey,
  verifyCheckpoint,
} from "./note.ts";
import { parsePolicy, printPolicy } from "./policy.ts";

const signer = testSigner();
const witness = testSigner(0x22, "witness.example/hospital");
const root = crypto.sm3(utf8("root"));
const body = printCheckpointBody({ origin: ORIGIN, size: 12n, root });
let line: string;
let note: string;

async function signed(by: typeof signer, text: string): Promise<string> {
  return printSignature(by.trusted, await by.sign(utf8(text)));
}

beforeAll(async () => {
  line = await signed(signer, body);
  note = `${body}\n${line}`;
});

const check = (text: string, trusted = [signer.trusted]): ReturnType<typeof verifyCheckpoint> => verifyCheckpoint(crypto, text, trusted);

describe("a checkpoint is believed", () => {
  test("with a good signature of a trusted key", () => {
    expect(check(note)).toMatchObject({
      ok: true,
      value: { origin: ORIGIN, size: 12n, root, signers: [printVerifierKey(signer.trusted)] },
    });
  });

  test("with lines of unknown keys beside it, and with several trusted ones", async () => {
    const both = note + (await signed(witness, body));
    expect(check(both)).toMatchObject({ ok: true, value: { signers: [expect.any(String)] } });
    expect(check(both, [signer.trusted, witness.trusted])).toMatchObject({
      ok: true,
      value: { signers: [expect.any(String), expect.any(String)] },
    });
    expect(check(`${note}\u2014 other.example ${toBase64(new Uint8Array(80))}\n`).ok).toBe(true);
  });
});

describe("a checkpoint is refused", () => {
  test("without a signature of a trusted key, or of one trusted for another log only", async () => {
    expect(check(note, [witness.trusted])).toMatchObject({ error: { name: "signatureMissing" } });
    expect(check(note, [])).toMatchObject({ error: { name: "signatureMissing" } });
    expect(check(note, [{ ...signer.trusted, origins: ["another.example"] }])).toMatchObject({ error: { name: "signatureMissing" } });
    expect(check(note, [{ ...signer.trusted, origins: [ORIGIN] }]).ok).toBe(true);
    // A key of the same name that is another key.
    expect(check(note, [testSigner(0x33).trusted])).toMatchObject({ error: { name: "signatureMissing" } });
  });

  test("when a trusted key's line is bad, even beside a good one", async () => {
    const other = await signed(witness, body.replace("12", "13"));
    expect(check(note + other, [signer.trusted, witness.trusted])).toMatchObject({ error: { name: "signatureInvalid" } });
    expect(check(note + line)).toMatchObject({ error: { name: "noteMalformed" } });
  });

  test("when the signature is cut or longer", () => {
    for (const length of [63, 65]) {
      const text = `${body}\n${printSignature(signer.trusted, new Uint8Array(length).fill(1))}`;
      expect(check(text)).toMatchObject({ error: { name: "signatureInvalid" } });
    }
  });

  test("with any character changed, taken out or doubled", () => {
    const accepted: string[] = [];
    const characters = [...note];
    for (let at = 0; at < characters.length; at += 1) {
      const character = characters[at] ?? "";
      const others = [character === "A" ? "B" : "A", "", character + character];
      for (const other of others) {
        const text = characters.with(at, other).join("");
        if (text !== note && check(text).ok) accepted.push(`${at}: ${JSON.stringify(other)}`);
      }
    }
    expect(accepted).toEqual([]);
  });
});

describe("the text of a note has one reading", () => {
  const cases: readonly (readonly [string, (note: string) => string])[] = [
    ["no signature", () => body],
    ["no blank line", (text) => text.replace("\n\n", "\n")],
    ["no final newline", (text) => text.slice(0, -1)],
    ["an empty line behind the signatures", (text) => `${text}\n`],
    ["carriage returns", (text) => text.replaceAll("\n", "\r\n")],
    ["a tab", (text) => text.replace(" ", "\t")],
    // White space to some readers and not to others: a name of anything but visible ASCII would be read in two ways.
    ["a key name with U+0085", (text) => text.replace("\u2014 ", "\u2014 x\u0085")],
    ["a key name of another script", (text) => text.replace("\u2014 ", "\u2014 é")],
    ["a hyphen for the dash", (text) => text.replace("\u2014", "-")],
    ["two spaces", (text) => text.replace("\u2014 ", "\u2014  ")],
    ["a lone surrogate", (text) => `\ud800${text}`],
    [
      "Base64 with unused bits set",
      (text) => text.replace(/.=\n$/, ([digit = ""]) => `${String.fromCharCode(digit.charCodeAt(0) + 1)}=\n`),
    ],
    ["a signature line of a key id only", () => `${body}\n\u2014 x ${toBase64(new Uint8Array(4))}\n`],
    ["65 signatures", (text) => text + line.repeat(64)],
    ["more than it may hold", (text) => `${"x".repeat(70_000)}${text}`],
  ];
  for (const [what, change] of cases)
    test(`refused: ${what}`, () => expect(parseNote(change(note))).toMatchObject({ ok: false, error: { name: "noteMalformed" } }));

  test("the text may itself hold blank lines: the last one parts it from the signatures", () => {
    expect(parseNote(`a\n\nb\n\n${line}`)).toMatchObject({ value: { text: "a\n\nb\n" } });
  });
});

describe("the body of a checkpoint has one reading", () => {
  const base64 = toBase64(root);
  const cases: readonly (readonly [string, string])[] = [
    ["a leading zero", `o\n012\n${base64}\n`],
    ["a sign", `o\n+12\n${base64}\n`],
    ["a fraction", `o\n12.0\n${base64}\n`],
    ["no size", `o\n\n${base64}\n`],
    ["a size of 2^63", `o\n9223372036854775808\n${base64}\n`],
    ["digits of another script", `o\n１２\n${base64}\n`],
    ["a short root", `o\n12\n${toBase64(root.subarray(1))}\n`],
    ["an unpadded root", `o\n12\n${base64.slice(0, -1)}\n`],
    ["unused bits set in the root", `o\n12\n${base64.slice(0, -2)}${base64.at(-2) === "A" ? "B" : "h"}=\n`],
    ["an extension line", `o\n12\n${base64}\nmore\n`],
    ["an empty origin", `\n12\n${base64}\n`],
    ["an origin with a space", `o o\n12\n${base64}\n`],
    ["no final newline", `o\n12\n${base64}`],
  ];
  for (const [what, text] of cases)
    test(`refused: ${what}`, () => expect(parseCheckpointBody(text)).toMatchObject({ ok: false, error: { name: "checkpointMalformed" } }));

  test("printing gives back what was parsed, up to the largest size", () => {
    for (const size of ["0", "9007199254740993", "9223372036854775807"]) {
      const text = `o\n${size}\n${base64}\n`;
      const parsed = parseCheckpointBody(text);
      expect(parsed.ok && printCheckpointBody(parsed.value)).toBe(text);
    }
  });
});

describe("verifier keys and policy", () => {
  const text = printVerifierKey(signer.trusted);

  test("a key read from its text is the key printed", () =>
    expect(parseVerifierKey(crypto.sm3, text)).toEqual({ ok: true, value: signer.trusted }));

  test("a key with any character changed is refused", () => {
    for (let at = 0; at < text.length; at += 1) {
      const changed = text.slice(0, at) + (text[at] === "a" ? "b" : "a") + text.slice(at + 1);
      expect(parseVerifierKey(crypto.sm3, changed), `character ${at}`).toMatchObject({ ok: false, error: { name: "policyMalformed" } });
    }
    for (const other of ["", "a", "a+b", "a+b+c", `${text}+`, ` ${text}`, text.slice(0, -4)])
      expect(parseVerifierKey(crypto.sm3, other).ok).toBe(false);
  });

  test("a name that a note cannot carry, or a point of another length, is a bug of the caller", () => {
    expect(() => verifierKey(crypto.sm3, "a b", signer.publicKey)).toThrow(RangeError);
    expect(() => verifierKey(crypto.sm3, "a+b", signer.publicKey)).toThrow(RangeError);
    expect(() => verifierKey(crypto.sm3, "a", signer.publicKey.subarray(1))).toThrow(RangeError);
  });

  test("a policy read from its text is the policy printed; comments and blank lines are for people", () => {
    const keys = [signer.trusted, { ...witness.trusted, origins: [ORIGIN, "another.example"] }];
    expect(parsePolicy(crypto.sm3, printPolicy(keys))).toEqual({ ok: true, value: { logs: keys, witnesses: [], groups: [] } });
    const [only] = [{ logs: [signer.trusted], witnesses: [], groups: [] }];
    expect(parsePolicy(crypto.sm3, `# 2026\r\n\r\nlog ${text}\r\n`)).toEqual({ ok: true, value: only });
  });

  test("a key on several lines is trusted for the origins of all of them", () => {
    const lines = ["another.example", ORIGIN].map((origin) => printPolicy([{ ...signer.trusted, origins: [origin] }])).join("");
    const trusted = parsePolicy(crypto.sm3, lines);
    expect(trusted.ok && check(note, [...trusted.value.logs])).toMatchObject({ ok: true, value: { origin: ORIGIN } });
    expect(trusted.ok && check(note + line, [...trusted.value.logs])).toMatchObject({ error: { name: "noteMalformed" } });
  });

  test("a policy that is not wholly understood is refused, with its line", () => {
    for (const line of [
      "quorum 2",
      "log",
      `log x${text}`,
      `Log ${text}`,
      `log ${text} bad+origin`,
      ` log ${text}`,
      `log  ${text}`,
      `log ${text} `,
    ])
      expect(parsePolicy(crypto.sm3, `# first\n${line}\n`)).toMatchObject({
        error: { name: "policyMalformed", detail: expect.stringContaining("line 2") },
      });
    expect(parsePolicy(crypto.sm3, "# nobody\n")).toMatchObject({ error: { name: "policyMalformed" } });
  });
});
