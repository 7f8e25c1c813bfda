import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { byUtf8, encodeLeaf } from "../leaf-encoder.ts";
import { crypto } from "../testing/platform.ts";
import { TIME_MS_MAX, toHex, utf8 } from "./bytes.ts";
import { commitmentHash, decodeLeaf, type Leaf, LEAF_BYTES_MAX, verifyOpening } from "./leaf.ts";

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const text = fc.string({ unit: "binary", maxLength: 12 }).filter((value) => value.isWellFormed());
const time = fc.oneof(fc.bigInt({ min: 0n, max: TIME_MS_MAX }), fc.constantFrom(0n, TIME_MS_MAX));
const number = fc.oneof(fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }), fc.constantFrom(0n, 1n << 53n, (1n << 53n) + 1n, (1n << 63n) - 1n));
const names = fc
  .uniqueArray(
    text.filter((name) => name !== ""),
    { maxLength: 4 },
  )
  .map((list) => list.sort(byUtf8));

const leaves: fc.Arbitrary<Leaf> = fc
  .record(
    {
      origin: fc.stringMatching(/^[\x21-\x2a\x2c-\x7e]{1,20}$/),
      index: number,
      previous: hash,
      postedMs: time,
      kind: text,
      outcome: fc.constantFrom("accepted" as const, "refused" as const),
      code: text,
      actor: text,
      institution: text,
      subject: text,
      parent: text,
      idempotencyKey: text,
      requestHash: hash,
      provenance: fc.record({ topic: text, partition: fc.integer({ min: 0, max: 0xffff_ffff }), offset: number, recordHash: hash }),
      ruleSetVersion: text,
      facts: names.chain((list) => fc.tuple(...list.map((name) => text.map((value) => ({ name, value }))))),
      commitments: names.chain((list) => fc.tuple(...list.map((name) => hash.map((bytes) => ({ name, hash: bytes }))))),
    },
    { requiredKeys: ["origin", "index", "previous", "postedMs", "kind", "outcome", "actor"] },
  )
  .map(({ previous, ...leaf }) => (leaf.index === 0n ? leaf : { ...leaf, previous }));

const small: Leaf = { origin: "log.example", index: 0n, postedMs: 1n, kind: "k", outcome: "accepted", actor: "a" };
const wide: Leaf = {
  ...small,
  index: 7n,
  previous: crypto.sm3(),
  code: "c",
  institution: "i",
  subject: "s",
  parent: "p",
  idempotencyKey: "d",
  requestHash: crypto.sm3(Uint8Array.of(1)),
  provenance: { topic: "t", partition: 3, offset: 9n, recordHash: crypto.sm3(Uint8Array.of(2)) },
  ruleSetVersion: "r",
  facts: [
    { name: "a", value: "1" },
    { name: "b", value: "" },
  ],
  commitments: [
    { name: "m", hash: crypto.sm3(Uint8Array.of(3)) },
    { name: "n", hash: crypto.sm3(Uint8Array.of(4)) },
  ],
};

describe("one leaf has one encoding", () => {
  test("decoding what was encoded gives the same leaf", () => {
    fc.assert(
      fc.property(leaves, (leaf) => {
        expect(decodeLeaf(encodeLeaf(leaf))).toEqual({ ok: true, value: leaf });
      }),
    );
  });

  test("bytes with anything changed are refused, or are the encoding of exactly what they decode to", () => {
    const change = fc.tuple(fc.nat(), fc.constantFrom("flip", "insert", "delete", "cut"), fc.integer({ min: 0, max: 255 }));
    const unfaithful = fc.check(
      fc.property(leaves, change, (leaf, [place, how, byte]) => {
        const bytes = encodeLeaf(leaf);
        const at = place % bytes.length;
        const changed = { flip: [byte], insert: [byte, bytes[at] ?? 0], delete: [], cut: [] }[how];
        const rest = how === "cut" ? new Uint8Array() : bytes.subarray(at + 1);
        const other = Uint8Array.of(...bytes.subarray(0, at), ...changed, ...rest);
        const decoded = decodeLeaf(other);
        return !decoded.ok || toHex(encodeLeaf(decoded.value)) === toHex(other);
      }),
      { numRuns: 1000 },
    );
    expect(unfaithful.counterexample).toBeNull();
  });

  test("every single bit of a leaf with every field changes what it says, or makes it unreadable", () => {
    const bytes = encodeLeaf(wide);
    let unreadable = 0;
    const unchanged: number[] = [];
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const other = bytes.with(bit >>> 3, (bytes[bit >>> 3] ?? 0) ^ (1 << (bit & 7)));
      const decoded = decodeLeaf(other);
      if (!decoded.ok) unreadable += 1;
      else if (toHex(encodeLeaf(decoded.value)) !== toHex(other)) unchanged.push(bit);
    }
    expect(unchanged).toEqual([]);
    expect(unreadable).toBeGreaterThan(300);
  });

  test("a character that moves over a field boundary gives other bytes", () => {
    const shifted = [
      { ...wide, institution: "is", subject: "" },
      { ...wide, institution: "", subject: "is" },
      {
        ...wide,
        facts: [
          { name: "a1", value: "" },
          { name: "b", value: "" },
        ],
      },
      { ...wide, facts: [{ name: "a", value: "1b" }] },
    ];
    const encoded = [wide, ...shifted].map((leaf) => toHex(encodeLeaf(leaf)));
    expect(new Set(encoded).size).toBe(encoded.length);
  });

  test("absent, empty and the text null are three things", () => {
    const encoded = [
      small,
      { ...small, subject: "" },
      { ...small, subject: "null" },
      { ...small, facts: [] },
      { ...small, commitments: [] },
    ];
    expect(new Set(encoded.map((leaf) => toHex(encodeLeaf(leaf)))).size).toBe(encoded.length);
    for (const leaf of encoded) expect(decodeLeaf(encodeLeaf(leaf))).toEqual({ ok: true, value: leaf });
  });

  test("Unicode twins stay apart: nothing is normalised", () => {
    const twins = ["\u00e9", "e\u0301", "\ufeff\u00e9", "A", "\uff21", "\u0410"];
    expect(new Set(twins.map((subject) => toHex(encodeLeaf({ ...small, subject })))).size).toBe(twins.length);
    for (const subject of twins) expect(decodeLeaf(encodeLeaf({ ...small, subject }))).toMatchObject({ value: { subject } });
  });

  test("numbers above 2^53 are exact", () => {
    const index = (1n << 53n) + 1n;
    expect(decodeLeaf(encodeLeaf({ ...wide, index, postedMs: TIME_MS_MAX }))).toMatchObject({
      value: { index, postedMs: TIME_MS_MAX },
    });
  });

  test("names stand in the order of their UTF-8 bytes, not of UTF-16", () => {
    const sorted = ["\u{1f600}", "\uffee", "b", "a"].sort(byUtf8);
    expect(sorted).toEqual(["a", "b", "\uffee", "\u{1f600}"]);
    expect(decodeLeaf(encodeLeaf({ ...small, facts: sorted.map((name) => ({ name, value: "" })) })).ok).toBe(true);
  });
});

describe("what no leaf can say is a bug of the writer", () => {
  const cases: readonly (readonly [string, Leaf])[] = [
    ["a lone surrogate", { ...small, subject: "\ud800" }],
    ["a negative number", { ...small, postedMs: -1n }],
    ["a number of 2^63", { ...small, index: 1n << 63n }],
    ["a time behind the calendar", { ...small, postedMs: TIME_MS_MAX + 1n }],
    ["a short hash", { ...small, requestHash: new Uint8Array(31) }],
    ["a partition of 2^32", { ...small, provenance: { topic: "t", partition: 2 ** 32, offset: 0n, recordHash: crypto.sm3() } }],
    ["an empty fact name", { ...small, facts: [{ name: "", value: "" }] }],
    [
      "repeated names",
      {
        ...small,
        facts: [
          { name: "a", value: "" },
          { name: "a", value: "" },
        ],
      },
    ],
    [
      "names out of order",
      {
        ...small,
        commitments: [
          { name: "b", hash: crypto.sm3() },
          { name: "a", hash: crypto.sm3() },
        ],
      },
    ],
    ["more than 65,535 bytes", { ...small, subject: "x".repeat(LEAF_BYTES_MAX) }],
  ];
  for (const [what, leaf] of cases) test(`refused: ${what}`, () => expect(() => encodeLeaf(leaf)).toThrow(RangeError));

  test("the longest leaf that fits is read back", () => {
    const room = LEAF_BYTES_MAX - encodeLeaf({ ...small, subject: "" }).length;
    const bytes = encodeLeaf({ ...small, subject: "x".repeat(room) });
    expect(bytes).toHaveLength(LEAF_BYTES_MAX);
    expect(decodeLeaf(bytes).ok).toBe(true);
    expect(() => encodeLeaf({ ...small, subject: "x".repeat(room + 1) })).toThrow(RangeError);
  });
});

const field = (tag: number, ...body: readonly number[]): readonly number[] => [tag, 0, 0, 0, body.length, ...body];
/** A fact with this name and an empty value. */
const lpPair = (...name: readonly number[]): readonly number[] => [0, 0, 0, name.length, ...name, 0, 0, 0, 0];
const zeros = (count: number): readonly number[] => Array.from({ length: count }, () => 0);

describe("bytes that no writer makes are refused", () => {
  const parts: Readonly<Record<number, readonly number[]>> = {
    1: field(1, 0x6c),
    2: field(2, 0, 0, 0, 0, 0, 0, 0, 0),
    4: field(4, 0, 0, 0, 0, 0, 0, 0, 1),
    5: field(5, 0x6b),
    6: field(6, 1),
    8: field(8, 0x61),
  };
  const magic = [...utf8("RHLEAF"), 0, 1];
  const build = (changed: Readonly<Record<number, readonly number[]>> = {}, head: readonly number[] = magic): Uint8Array =>
    Uint8Array.from([...head, ...Object.values({ ...parts, ...changed }).flat()]);

  test("the smallest leaf is accepted", () => expect(decodeLeaf(build())).toMatchObject({ ok: true, value: { origin: "l", kind: "k" } }));

  const cases: readonly (readonly [string, Uint8Array])[] = [
    ["nothing", new Uint8Array()],
    ["another version", build({}, [...utf8("RHLEAF"), 0, 2])],
    ["another kind of bytes", build({}, [...utf8("RHCOMM"), 0, 1])],
    ["a byte behind the end", Uint8Array.of(...build(), 0)],
    ["a cut header", Uint8Array.of(...build(), 9, 0, 0, 0)],
    ["a length behind the end", Uint8Array.of(...build(), 9, 0, 0, 0, 1)],
    ["an unknown field", build({ 18: field(18) })],
    ["a repeated field", Uint8Array.of(...build(), ...field(8, 0x61))],
    ["fields out of order", Uint8Array.of(...build(), ...field(7, 0x61))],
    ["field 0", Uint8Array.of(...magic, ...field(0), ...build().subarray(8))],
    ...[1, 2, 4, 5, 6, 8].map((tag): readonly [string, Uint8Array] => [`no field ${tag}`, build({ [tag]: [] })]),
    ["an empty origin", build({ 1: field(1) })],
    ["an origin with a space", build({ 1: field(1, 0x6c, 0x20) })],
    ["an origin with a newline", build({ 1: field(1, 0x6c, 0x0a) })],
    ["an origin with a plus sign", build({ 1: field(1, 0x2b) })],
    ["an origin that is not ASCII", build({ 1: field(1, 0xc3, 0xa9) })],
    ["a short index", build({ 2: field(2, ...zeros(7)) })],
    ["an index of 2^63", build({ 2: field(2, 0x80, ...zeros(7)), 3: field(3, ...zeros(32)) })],
    ["a time of 2^63", build({ 4: field(4, 0x80, ...zeros(7)) })],
    ["outcome 0", build({ 6: field(6, 0) })],
    ["outcome 3", build({ 6: field(6, 3) })],
    ["a previous hash in the first leaf", build({ 3: field(3, ...zeros(32)) })],
    ["no previous hash in a later leaf", build({ 2: field(2, ...zeros(7), 1) })],
    ["text that is not UTF-8", build({ 8: field(8, 0xff) })],
    ["overlong UTF-8", build({ 8: field(8, 0xc0, 0x80) })],
    ["a surrogate in UTF-8", build({ 8: field(8, 0xed, 0xa0, 0x80) })],
    ["a short request hash", build({ 13: field(13, ...zeros(31)) })],
    ["a short provenance", build({ 14: field(14, ...zeros(4 + 43)) })],
    ["a long provenance", build({ 14: field(14, ...zeros(4 + 45)) })],
    ["a provenance topic behind its end", build({ 14: field(14, 0, 0, 0, 99, ...zeros(44)) })],
    ["a provenance offset of 2^63", build({ 14: field(14, ...zeros(8), 0x80, ...zeros(39)) })],
    ["a cut fact", build({ 16: field(16, 0, 0, 0, 1, 0x61, 0, 0, 0) })],
    ["an empty fact name", build({ 16: field(16, ...zeros(8)) })],
    ["repeated facts", build({ 16: field(16, ...lpPair(0x61), ...lpPair(0x61)) })],
    ["facts out of order", build({ 16: field(16, ...lpPair(0x62), ...lpPair(0x61)) })],
    ["a prefix behind the longer fact name", build({ 16: field(16, ...lpPair(0x61, 0x61), ...lpPair(0x61)) })],
    ["a cut commitment", build({ 17: field(17, 0, 0, 0, 1, 0x61, ...zeros(31)) })],
    ["a commitment without a name", build({ 17: field(17, 0, 0, 0, 0, ...zeros(32)) })],
    ["more than 65,535 bytes", Uint8Array.of(...build(), 9, 0, 1, 0, 0, ...zeros(65_536))],
  ];
  for (const [what, bytes] of cases)
    test(`refused: ${what}`, () => expect(decodeLeaf(bytes)).toMatchObject({ ok: false, error: { name: "leafMalformed" } }));
});

describe("a commitment opens to one value only", () => {
  const opening = { name: "name", salt: new Uint8Array(16).fill(7), value: "张三" };
  const leaf = { ...wide, commitments: [{ name: "name", hash: commitmentHash(crypto.sm3, wide, opening) }] };

  test("with its name, salt and value in its place", () => expect(verifyOpening(crypto.sm3, leaf, opening).ok).toBe(true));

  test("and with nothing else", () => {
    const wrong = [
      { ...opening, value: "张四" },
      { ...opening, value: "" },
      { ...opening, name: "person" },
      { ...opening, salt: new Uint8Array(16).fill(8) },
      { ...opening, salt: new Uint8Array(15).fill(7) },
      { ...opening, salt: new Uint8Array() },
    ];
    for (const other of wrong) expect(verifyOpening(crypto.sm3, leaf, other)).toMatchObject({ error: { name: "commitmentMismatch" } });
    for (const other of [
      { ...leaf, index: 8n },
      { ...leaf, origin: "log.exampl" },
      { ...leaf, commitments: [] },
    ])
      expect(verifyOpening(crypto.sm3, other, opening)).toMatchObject({ error: { name: "commitmentMismatch" } });
  });
});
