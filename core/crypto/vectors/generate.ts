/**
 * Makes `sm2_verify.json`: `node core/crypto/vectors/generate.ts`. Deterministic, with nothing but the affine oracle and SM3, so that the
 * file does not depend on the verifiers that it tests.
 */
import { writeFileSync } from "node:fs";
import { SM2_DEFAULT_USER_ID } from "../port.ts";
import { zaInput } from "../curve.ts";
import { jsSm3 } from "../sm3-js.ts";
import { type AffinePoint, addPoints, BASE_POINT, FIELD_PRIME, inverse, liftX, modulo, multiplyPoint, ORDER } from "../testing/affine.ts";
import { fromHex, toHex, utf8 } from "../text.ts";
import type { Sm2Vectors, Sm2VectorGroup, Sm2VectorTest } from "./format.ts";

const NOTES: Readonly<Record<string, string>> = {
  Standard: "The worked example of GB/T 32918.5 annex A.",
  Range: "r or s outside 1..n-1, or r + s ≡ 0 mod n (GB/T 32918.2 7.1 B1, B2, B5).",
  Forged: "The equation of the signature holds, so that nothing but the check named beside refuses.",
  Length: "Not 64 bytes, or another encoding of a good signature.",
  Malleability: "A value that some other scheme or a lax parser would take for the same signature.",
  Modified: "One input is not what was signed.",
  MissingZ: "The digest is of the message alone (the condition of CVE-2026-23965).",
  InvalidKey: "The public key is not a point of the curve in its one encoding (GB/T 32918.1 6.2.1).",
  EdgeScalar: "s or t = r + s is extreme, or cut where windows of scalars are cut.",
  ExceptionalAddition: "s·G + t·P meets equal or opposite points on the way in common algorithms: incomplete addition formulas fail.",
  Infinity: "s·G + t·P is the point at infinity: there is no x1, and every e must be refused.",
  LargeX: "n ≤ x1 < p, so that x1 mod n is not x1: a comparison without reduction refuses.",
  SmallX: "x1 < p - n, so that x1 + n is a second candidate that must not confuse.",
  EdgeDigest: "e is 0, n or larger.",
};

type Draft = Omit<Sm2VectorTest, "tcId">;

const scalar = (value: bigint): string => value.toString(16).padStart(64, "0");
const encode = ({ x, y }: AffinePoint): string => `04${scalar(x)}${scalar(y)}`;
const integer = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes)}`);
/** A scalar that is as good as random and the same each time. */
const drawn = (label: string): bigint => modulo(integer(jsSm3.hash([utf8(`sm2_verify.json: ${label}`)])), ORDER - 1n) + 1n;

function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  if (bytes === undefined) throw new Error("not hex");
  return bytes;
}

function need(point: AffinePoint | undefined): AffinePoint {
  if (point === undefined) throw new Error("an unexpected point at infinity");
  return point;
}

/** r‖s of e under d with the nonce k. */
function sign(d: bigint, e: bigint, k: bigint): { readonly r: bigint; readonly s: bigint } {
  const r = modulo(e + need(multiplyPoint(k, BASE_POINT)).x, ORDER);
  return { r, s: modulo(inverse(1n + d, ORDER) * (k - r * d), ORDER) };
}

const STANDARD_D = 0x3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8n;
const STANDARD_KEY = encode(need(multiplyPoint(STANDARD_D, BASE_POINT)));
const STANDARD_R = 0xf5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3n;
const STANDARD_S = 0xb1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aan;

function digestOf(key: string, message: string, userId: string): bigint {
  return integer(jsSm3.hash([jsSm3.hash([zaInput(bytesOf(key), userId)]), bytesOf(message)]));
}

function standardTests(): readonly Draft[] {
  const msg = toHex(utf8("message digest"));
  const [r, s] = [STANDARD_R, STANDARD_S];
  const sig = scalar(r) + scalar(s);
  const wrong = (comment: string, flag: string, bad: string): Draft => ({ comment, flags: [flag], msg, sig: bad, result: "invalid" });
  const plain = sign(STANDARD_D, integer(jsSm3.hash([bytesOf(msg)])), drawn("no Z"));
  const lengths = [0, 1, 23, 24, 31, 32, 33, 64, 87, 88, 95, 96, 97, 300].map((length): Draft => {
    const message = toHex(Uint8Array.from({ length }, (_, at) => (7 * at + length) & 0xff));
    const made = sign(STANDARD_D, digestOf(STANDARD_KEY, message, SM2_DEFAULT_USER_ID), drawn(`message of ${length}`));
    return { comment: `message of ${length} bytes`, flags: [], msg: message, sig: scalar(made.r) + scalar(made.s), result: "valid" };
  });
  return [
    { comment: "GB/T 32918.5 A.2", flags: ["Standard"], msg, sig, result: "valid" },
    ...lengths,
    wrong("r = 0", "Range", scalar(0n) + scalar(s)),
    wrong("s = 0", "Range", scalar(r) + scalar(0n)),
    wrong("r = s = 0", "Range", scalar(0n) + scalar(0n)),
    wrong("r = n", "Range", scalar(ORDER) + scalar(s)),
    wrong("s = n", "Range", scalar(r) + scalar(ORDER)),
    wrong("r = p", "Range", scalar(FIELD_PRIME) + scalar(s)),
    wrong("r of 256 ones", "Range", "f".repeat(64) + scalar(s)),
    wrong("s of 256 ones", "Range", scalar(r) + "f".repeat(64)),
    wrong("r + s = n", "Range", scalar(r) + scalar(ORDER - r)),
    wrong("r + s = n with s kept", "Range", scalar(ORDER - s) + scalar(s)),
    wrong("n - s, ECDSA's twin", "Malleability", scalar(r) + scalar(ORDER - s)),
    wrong("n - r", "Malleability", scalar(ORDER - r) + scalar(s)),
    wrong("r and s exchanged", "Malleability", scalar(s) + scalar(r)),
    wrong("r + 1", "Modified", scalar(r + 1n) + scalar(s)),
    wrong("s + 1", "Modified", scalar(r) + scalar(s + 1n)),
    wrong("r - 1", "Modified", scalar(r - 1n) + scalar(s)),
    wrong("s - 1", "Modified", scalar(r) + scalar(s - 1n)),
    wrong("first bit of r", "Modified", scalar(r ^ (1n << 255n)) + scalar(s)),
    wrong("first bit of s", "Modified", scalar(r) + scalar(s ^ (1n << 255n))),
    wrong("empty", "Length", ""),
    wrong("r alone", "Length", scalar(r)),
    wrong("63 bytes", "Length", sig.slice(2)),
    wrong("a byte behind", "Length", `${sig}00`),
    wrong("a byte before", "Length", `00${sig}`),
    wrong("a zero before each half", "Length", `00${scalar(r)}00${scalar(s)}`),
    wrong("DER", "Length", `3046022100${scalar(r)}022100${scalar(s)}`),
    wrong("hexadecimal text", "Length", toHex(utf8(sig))),
    wrong("digest without Z", "MissingZ", scalar(plain.r) + scalar(plain.s)),
    { comment: "another message", flags: ["Modified"], msg: toHex(utf8("message digesu")), sig, result: "invalid" },
    { comment: "message with a byte behind", flags: ["Modified"], msg: `${msg}00`, sig, result: "invalid" },
    { comment: "no message", flags: ["Modified"], msg: "", sig, result: "invalid" },
  ];
}

/** -P instead of P: a point, but another key. */
function oppositeKeyGroup(): Sm2VectorGroup {
  const { x, y } = need(multiplyPoint(ORDER - STANDARD_D, BASE_POINT));
  const sig = scalar(STANDARD_R) + scalar(STANDARD_S);
  const test: Draft = { comment: "-y for y", flags: ["Modified"], msg: toHex(utf8("message digest")), sig, result: "invalid" };
  return { type: "Sm2Verify", publicKey: encode({ x, y }), userId: SM2_DEFAULT_USER_ID, tests: numbered([test]) };
}

const forged = (comment: string, r: bigint, s: bigint, x: bigint): Draft => {
  const digest = scalar(modulo(r - x, ORDER));
  return { comment: `${comment}, e made to fit`, flags: ["Range", "Forged"], digest, sig: scalar(r) + scalar(s), result: "invalid" };
};

/** Out of range, with the e that fulfils R = r all the same: only the check of the range refuses these. */
function forgedRangeGroup(): Sm2VectorGroup {
  const d = drawn("forged range");
  const k = drawn("forged scalar");
  const ofBase = need(multiplyPoint(k, BASE_POINT)).x;
  const ofKey = need(multiplyPoint(k * d, BASE_POINT)).x;
  const ofBoth = need(multiplyPoint(k + k * d, BASE_POINT)).x;
  const tests = [
    forged("r + s = n, where the key plays no part", ORDER - k, k, ofBase),
    forged("r = 0", 0n, k, ofBoth),
    forged("r = n", ORDER, k, ofBoth),
    forged("s = 0", k, 0n, ofKey),
    forged("s = n", k, ORDER, ofKey),
  ];
  return { type: "Sm2VerifyDigest", publicKey: encode(need(multiplyPoint(d, BASE_POINT))), tests: numbered(tests) };
}

function userIdGroups(): readonly Sm2VectorGroup[] {
  const msg = toHex(utf8("message digest"));
  const sig = scalar(STANDARD_R) + scalar(STANDARD_S);
  const other = ["", "ALICE123@YAHOO.COM", "医保-510100", "x".repeat(300)];
  return other.map((userId): Sm2VectorGroup => {
    const made = sign(STANDARD_D, digestOf(STANDARD_KEY, msg, userId), drawn(`user id ${userId}`));
    const own: Draft = { comment: "its own user id", flags: [], msg, sig: scalar(made.r) + scalar(made.s), result: "valid" };
    const foreign: Draft = { comment: "signed under the customary user id", flags: ["Modified"], msg, sig, result: "invalid" };
    return { type: "Sm2Verify", publicKey: STANDARD_KEY, userId, tests: numbered([own, foreign]) };
  });
}

function invalidKeyGroups(): readonly Sm2VectorGroup[] {
  const msg = toHex(utf8("message digest"));
  const sig = scalar(STANDARD_R) + scalar(STANDARD_S);
  const [x, y] = [STANDARD_KEY.slice(2, 66), STANDARD_KEY.slice(66)];
  let small = 1n;
  while (liftX(small) === undefined) small += 1n;
  const keys: readonly (readonly [string, string])[] = [
    ["y + 1", `04${x}${scalar(BigInt(`0x${y}`) + 1n)}`],
    ["x + 1", `04${scalar(BigInt(`0x${x}`) + 1n)}${y}`],
    ["x and y exchanged", `04${y}${x}`],
    ["x = p", `04${scalar(FIELD_PRIME)}${y}`],
    ["x + p of a point with small x", `04${scalar(small + FIELD_PRIME)}${scalar(need(liftX(small)).y)}`],
    ["y = p", `04${x}${scalar(FIELD_PRIME)}`],
    ["coordinates of 256 ones", `04${"f".repeat(128)}`],
    ["zero coordinates", `04${"0".repeat(128)}`],
    ["y = 0: order 2 on another curve", `04${x}${scalar(0n)}`],
    ["infinity, one byte", "00"],
    ["infinity over 65 bytes", "0".repeat(130)],
    ["compressed", `03${x}`],
    ["compressed prefix over 65 bytes", `03${x}${y}`],
    ["hybrid", `07${x}${y}`],
    ["without 04", `${x}${y}`],
    ["a byte behind", `04${x}${y}00`],
    ["a byte short", `04${x}${y.slice(2)}`],
    ["empty", ""],
  ];
  return keys.map(([comment, publicKey]): Sm2VectorGroup => ({
    type: "Sm2Verify",
    publicKey,
    userId: SM2_DEFAULT_USER_ID,
    tests: numbered([{ comment, flags: ["InvalidKey"], msg, sig, result: "invalid" }]),
  }));
}

/** The e that makes (t - s, s) a signature by d, or any e for infinity, where none does. */
function digestFor(d: bigint, s: bigint, t: bigint): { readonly e: bigint; readonly infinite: boolean } {
  const point = multiplyPoint(s + t * d, BASE_POINT);
  return point === undefined ? { e: modulo(t - s, ORDER), infinite: true } : { e: modulo(t - s - point.x, ORDER), infinite: false };
}

function digestGroup(d: bigint, pairs: readonly (readonly [string, bigint, bigint])[], flag: string): Sm2VectorGroup {
  const tests: Draft[] = [];
  for (const [comment, s, t] of pairs) {
    const r = modulo(t - s, ORDER);
    if (r === 0n || s === 0n || t === 0n) continue;
    const { e, infinite } = digestFor(d, s, t);
    const sig = scalar(r) + scalar(s);
    if (infinite) {
      tests.push({ comment, flags: ["Infinity"], digest: scalar(e), sig, result: "invalid" });
      tests.push({ comment: `${comment}, e = 0`, flags: ["Infinity"], digest: scalar(0n), sig, result: "invalid" });
    } else {
      tests.push({ comment, flags: [flag], digest: scalar(e), sig, result: "valid" });
      tests.push({
        comment: `${comment}, e + 1`,
        flags: [flag, "Modified"],
        digest: scalar(modulo(e + 1n, ORDER)),
        sig,
        result: "invalid",
      });
    }
  }
  return { type: "Sm2VerifyDigest", publicKey: encode(need(multiplyPoint(d, BASE_POINT))), tests: numbered(tests) };
}

/** Scalars at which windows of 4 to 8 bits, and the order, are cut. */
const CUTS: readonly (readonly [string, bigint])[] = [
  ...[1n, 2n, 3n, 15n, 16n, 17n, 31n, 32n, 33n, 64n, 127n, 128n, 129n, 255n, 256n].map((k) => [`${k}`, k] as const),
  ...[35n, 64n, 128n, 224n, 252n, 255n].map((bit) => [`2^${bit}`, 1n << bit] as const),
  ...[64n, 128n, 255n].map((bit) => [`2^${bit}-1`, (1n << bit) - 1n] as const),
  ...[1n, 2n, 3n, 5n, 6n, 10n, 14n, 32n].map((k) => [`n-${k}`, ORDER - k] as const),
  ["(n+1)/2", (ORDER + 1n) / 2n],
  ["8080…80", BigInt(`0x${"80".repeat(31)}`)],
  ["8181…81", BigInt(`0x${"81".repeat(31)}`)],
  ["7f7f…7f", BigInt(`0x${"7f".repeat(32)}`)],
  ["5555…55", BigInt(`0x${"55".repeat(32)}`)],
];

function edgeScalarGroups(): readonly Sm2VectorGroup[] {
  const fixed = drawn("the other scalar");
  const pairs = CUTS.flatMap(([name, k]) => [[`s = ${name}`, k, fixed] as const, [`t = ${name}`, fixed, k] as const]);
  return [digestGroup(drawn("edge scalars"), pairs, "EdgeScalar"), digestGroup(ORDER - 2n, pairs.slice(0, 20), "EdgeScalar")];
}

const named = (k: bigint): string => (k > ORDER - 1000n ? `n-${ORDER - k}` : `${k}`);

/** Keys that are small multiples of G, so that the multiples of both meet. */
function exceptionalGroups(): readonly Sm2VectorGroup[] {
  const some: readonly bigint[] = [1n, 2n, 3n, 16n, 127n, 128n, 256n, 257n, ORDER - 1n, ORDER - 2n, ORDER - 6n, ORDER - 128n];
  return [1n, 2n, 256n, ORDER - 2n, inverse(2n, ORDER)].map((d, at) => {
    const pairs = some.flatMap((s) => some.map((t) => [`s = ${named(s)}, t = ${named(t)}`, s, t] as const));
    // Sums that are infinity for this key, and their neighbours.
    const infinite = some.map((t) => [`s = -t·d, t = ${named(t)}`, modulo(-t * d, ORDER), t] as const);
    return digestGroup(
      d,
      at < 2 ? [...pairs, ...infinite] : [...pairs.filter((_, index) => index % 4 === at % 4), ...infinite],
      "ExceptionalAddition",
    );
  });
}

/** A key made for a wanted sum: P = (R - s·G) / t. */
function keyForSum(sum: AffinePoint, s: bigint, t: bigint): string {
  const negative = multiplyPoint(ORDER - s, BASE_POINT);
  return encode(need(multiplyPoint(inverse(t, ORDER), need(addPoints(sum, negative)))));
}

function abscissaGroups(): readonly Sm2VectorGroup[] {
  const s = drawn("abscissa s");
  const t = drawn("abscissa t");
  const r = modulo(t - s, ORDER);
  const sig = scalar(r) + scalar(s);
  const groups: Sm2VectorGroup[] = [];
  const wanted: readonly (readonly [string, bigint, bigint])[] = [
    ["LargeX", ORDER, 1n],
    ["LargeX", FIELD_PRIME - 1n, -1n],
    ["SmallX", 0n, 1n],
    ["SmallX", FIELD_PRIME - ORDER - 1n, -1n],
    ["SmallX", FIELD_PRIME - ORDER, 1n],
  ];
  for (const [flag, from, step] of wanted) {
    let x = from;
    while (liftX(x) === undefined) x += step;
    const e = modulo(r - x, ORDER);
    // What a verifier without the second candidate, or with one too many, would take.
    const shifted = modulo(r - (x + FIELD_PRIME - ORDER), ORDER);
    const tests: Draft[] = [
      { comment: `x1 = ${x.toString(16)}`, flags: [flag], digest: scalar(e), sig, result: "valid" },
      { comment: "e moved by p - n", flags: [flag, "Modified"], digest: scalar(shifted), sig, result: "invalid" },
      { comment: "e + 1", flags: [flag, "Modified"], digest: scalar(modulo(e + 1n, ORDER)), sig, result: "invalid" },
    ];
    groups.push({ type: "Sm2VerifyDigest", publicKey: keyForSum(need(liftX(x)), s, t), tests: numbered(tests) });
  }
  return groups;
}

/** e above n + r, so that r - e lies below -n and one addition of n does not bring it back. */
function farDigestGroup(): Sm2VectorGroup {
  const r = 3n;
  const s = drawn("far digest");
  let e = (1n << 256n) - 1n;
  while (liftX(modulo(r - e, ORDER)) === undefined) e -= 1n;
  const sig = scalar(r) + scalar(s);
  const tests: readonly Draft[] = [
    { comment: "r = 3, e near 2^256", flags: ["EdgeDigest"], digest: scalar(e), sig, result: "valid" },
    { comment: "the same e modulo n", flags: ["EdgeDigest"], digest: scalar(e - ORDER), sig, result: "valid" },
    { comment: "e - 1", flags: ["EdgeDigest", "Modified"], digest: scalar(e - 1n), sig, result: "invalid" },
  ];
  return {
    type: "Sm2VerifyDigest",
    publicKey: keyForSum(need(liftX(modulo(r - e, ORDER))), s, modulo(r + s, ORDER)),
    tests: numbered(tests),
  };
}

function edgeDigestGroup(): Sm2VectorGroup {
  const d = drawn("edge digests");
  const top = (1n << 256n) - 1n;
  const tests = [0n, 1n, ORDER - 1n, ORDER, ORDER + 1n, FIELD_PRIME - 1n, FIELD_PRIME, top].flatMap((e): Draft[] => {
    const { r, s } = sign(d, e, drawn(`digest ${e}`));
    const moved = e < top - ORDER + 1n ? e + ORDER : e - ORDER;
    const sig = scalar(r) + scalar(s);
    const test: Draft = { comment: `e = ${e.toString(16)}`, flags: ["EdgeDigest"], digest: scalar(e), sig, result: "valid" };
    return moved < 0n ? [test] : [test, { ...test, comment: "the same e modulo n", digest: scalar(moved) }];
  });
  // r and s so small that r + n and s + n fit 256 bits: the same residues, out of range.
  const [r, s] = [5n, 7n];
  const { e } = digestFor(d, s, r + s);
  const wrapped: Draft[] = [
    { comment: "r = 5, s = 7", flags: ["EdgeScalar"], digest: scalar(e), sig: scalar(r) + scalar(s), result: "valid" },
    { comment: "r + n", flags: ["Range", "Malleability"], digest: scalar(e), sig: scalar(r + ORDER) + scalar(s), result: "invalid" },
    { comment: "s + n", flags: ["Range", "Malleability"], digest: scalar(e), sig: scalar(r) + scalar(s + ORDER), result: "invalid" },
    {
      comment: "r + n, s + n",
      flags: ["Range", "Malleability"],
      digest: scalar(e),
      sig: scalar(r + ORDER) + scalar(s + ORDER),
      result: "invalid",
    },
  ];
  return { type: "Sm2VerifyDigest", publicKey: encode(need(multiplyPoint(d, BASE_POINT))), tests: numbered([...tests, ...wrapped]) };
}

let lastNumber = 0;
function numbered(drafts: readonly Draft[]): readonly Sm2VectorTest[] {
  return drafts.map((draft) => {
    lastNumber += 1;
    return { tcId: lastNumber, ...draft };
  });
}

/** The whole file. */
export function generateSm2Vectors(): Sm2Vectors {
  lastNumber = 0;
  const testGroups: readonly Sm2VectorGroup[] = [
    { type: "Sm2Verify", publicKey: STANDARD_KEY, userId: SM2_DEFAULT_USER_ID, tests: numbered(standardTests()) },
    ...userIdGroups(),
    oppositeKeyGroup(),
    ...invalidKeyGroups(),
    forgedRangeGroup(),
    ...edgeScalarGroups(),
    ...exceptionalGroups(),
    ...abscissaGroups(),
    edgeDigestGroup(),
    farDigestGroup(),
  ];
  return { algorithm: "SM2", standard: "GB/T 32918.2-2016 clause 7", numberOfTests: lastNumber, notes: NOTES, testGroups };
}

/** As committed: one test to a line. */
export function printSm2Vectors(vectors: Sm2Vectors): string {
  const { testGroups, ...head } = vectors;
  const groups = testGroups.map(({ tests, ...group }) => {
    const lines = tests.map((test) => `        ${JSON.stringify(test)}`).join(",\n");
    return `    ${JSON.stringify(group).slice(0, -1)},"tests":[\n${lines}\n    ]}`;
  });
  return `${JSON.stringify(head, undefined, 2).slice(0, -2)},\n  "testGroups": [\n${groups.join(",\n")}\n  ]\n}\n`;
}

if (import.meta.main) {
  writeFileSync(new URL("./sm2_verify.json", import.meta.url), printSm2Vectors(generateSm2Vectors()));
}
