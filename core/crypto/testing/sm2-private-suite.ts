/**
 * What SM2 with private keys in WebAssembly must show, in every runtime: no test framework, no files, no Node. Expected values come from
 * BigInt arithmetic over affine points (`affine.ts`) and from RFC 6979 written a second time, which share nothing with the module.
 */
import { concat, fromHex, toHex, utf8 } from "../text.ts";
import { jsSm3 } from "../sm3-js.ts";
import { WasmSm2Private } from "../sm2-private.ts";
import { instantiateSm2Private } from "../wasm/module.ts";
import { type AffinePoint, addPoints, BASE_POINT, FIELD_PRIME, inverse, modulo, multiplyPoint, ORDER } from "./affine.ts";
import type { SuiteResult } from "./sm2-suite.ts";

/** 32 bytes, big-endian. */
function number(value: bigint): Uint8Array {
  const bytes = fromHex(value.toString(16).padStart(64, "0"));
  if (bytes === undefined) throw new Error("not hex");
  return bytes;
}

function encoded(point: AffinePoint | undefined): string {
  return point === undefined ? "infinity" : `04${toHex(number(point.x))}${toHex(number(point.y))}`;
}

/** A number below `below` that follows from a label, so that a run repeats. */
function drawn(label: string, below: bigint): bigint {
  const wide = toHex(jsSm3.hash([utf8(label)])) + toHex(jsSm3.hash([utf8(`${label}'`)]));
  return modulo(BigInt(`0x${wide}`), below - 1n) + 1n;
}

/** Where windows, signs and parities change, and what is drawn. */
const SMALL = [1n, 2n, 3n, 4n, 15n, 16n, 17n, 30n, 31n, 32n, 33n, 63n, 64n, 1023n, 1024n, 1025n];
const MIDDLE = [ORDER >> 1n, (ORDER >> 1n) + 1n, 1n << 255n, (1n << 255n) - 1n, (1n << 255n) + 1n];
const FACTORS: readonly bigint[] = [
  ...SMALL,
  ...MIDDLE,
  ...[1n, 2n, 3n, 15n, 16n, 31n, 32n, 33n, 1024n].map((less) => ORDER - less),
  ...[5n, 32n, 64n, 128n, 224n, 250n].flatMap((bit) => [(1n << bit) - 1n, 1n << bit]),
  ...Array.from({ length: 12 }, (_, at) => drawn(`factor ${at}`, ORDER)),
];

/** Numbers that no private key and no nonce may be. */
const OUTSIDE: readonly bigint[] = [0n, ORDER, ORDER + 1n, (1n << 256n) - 1n];

/** RFC 6979 3.2 and 3.6 by HMAC-SM3: the first candidate within 1 and n-1. */
function nonce(d: bigint, e: bigint, entropy: Uint8Array): bigint {
  let key = new Uint8Array(32);
  let value = new Uint8Array(32).fill(1);
  const hmac = (...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => Uint8Array.from(jsSm3.hmac(key, parts));
  const seed = concat(number(d), number(modulo(e, ORDER)), entropy);
  for (const mark of [0, 1]) {
    key = hmac(value, Uint8Array.of(mark), seed);
    value = hmac(value);
  }
  for (;;) {
    value = hmac(value);
    const k = BigInt(`0x${toHex(value)}`);
    if (k >= 1n && k < ORDER) return k;
    key = hmac(value, Uint8Array.of(0));
    value = hmac(value);
  }
}

/** GB/T 32918.2 clause 6 as it is printed. */
function signed(d: bigint, e: bigint, entropy: Uint8Array): string {
  const k = nonce(d, e, entropy);
  const x = multiplyPoint(k, BASE_POINT)?.x ?? 0n;
  const r = modulo(e + x, ORDER);
  const s = modulo(inverse(1n + d, ORDER) * modulo(k - r * d, ORDER), ORDER);
  return toHex(number(r)) + toHex(number(s));
}

class Findings implements SuiteResult {
  checks = 0;
  readonly failures: string[] = [];

  same(what: string, wanted: unknown, got: unknown): void {
    this.checks += 1;
    if (wanted !== got) this.failures.push(`${what}: wanted ${String(wanted)}, got ${String(got)}`);
  }
}

const hexOf = (bytes: Uint8Array | undefined): string | undefined => (bytes === undefined ? undefined : toHex(bytes));

function checkMultiples(sm2: WasmSm2Private, found: Findings): void {
  for (const [at, k] of FACTORS.entries()) {
    found.same(`multiple of the base point by ${k}`, encoded(multiplyPoint(k, BASE_POINT)), hexOf(sm2.multiplyBase(number(k))));
    const point = at === 0 ? BASE_POINT : multiplyPoint(drawn(`point ${at}`, ORDER), BASE_POINT);
    const bytes = fromHex(encoded(point));
    if (point === undefined || bytes === undefined) throw new Error("infinity was drawn");
    found.same(`multiple of a point by ${k}`, encoded(multiplyPoint(k, point)), hexOf(sm2.multiplyPoint(number(k), bytes)));
  }
}

function checkRefusals(sm2: WasmSm2Private, found: Findings): void {
  const base = fromHex(encoded(BASE_POINT)) ?? new Uint8Array();
  for (const k of OUTSIDE) {
    found.same(`base point by ${k}, out of range`, undefined, hexOf(sm2.multiplyBase(number(k))));
    found.same(`a point by ${k}, out of range`, undefined, hexOf(sm2.multiplyPoint(number(k), base)));
    found.same(`signing with ${k}, out of range`, undefined, sm2.signer(number(k)));
  }
  found.same("signing with n-1, which has no inverse of 1+d", undefined, sm2.signer(number(ORDER - 1n)));
  found.same("signing with n-2", "function", typeof sm2.signer(number(ORDER - 2n)));
  const moved = base.slice();
  moved[64] = (moved[64] ?? 0) ^ 1;
  found.same("a point off the curve", undefined, hexOf(sm2.multiplyPoint(number(2n), moved)));
  const wide = concat(
    Uint8Array.of(4),
    number(BASE_POINT.x + FIELD_PRIME < 1n << 256n ? BASE_POINT.x + FIELD_PRIME : FIELD_PRIME),
    base.subarray(33),
  );
  found.same("a coordinate of p or more", undefined, hexOf(sm2.multiplyPoint(number(2n), wide)));
}

function checkSignatures(sm2: WasmSm2Private, found: Findings): void {
  const digests = [
    0n,
    1n,
    ORDER - 1n,
    ORDER,
    ORDER + 1n,
    (1n << 256n) - 1n,
    ...Array.from({ length: 6 }, (_, at) => drawn(`digest ${at}`, 1n << 256n)),
  ];
  const keys = [1n, 2n, ORDER - 2n, drawn("key", ORDER - 1n)];
  for (const d of keys) {
    for (const [at, e] of digests.entries()) {
      const entropy = jsSm3.hash([utf8(`entropy ${at}`)]);
      const sign = sm2.signer(number(d), () => entropy);
      found.same(`signature by ${d} over ${e}`, signed(d, e, entropy), sign === undefined ? undefined : toHex(sign(number(e))));
    }
  }
  const key = drawn("key", ORDER - 1n);
  const fixed = sm2.signer(number(key), () => new Uint8Array(32));
  const fresh = sm2.signer(number(key));
  if (fixed === undefined || fresh === undefined) throw new Error("a key was refused");
  found.same("the same randomness gives the same signature", toHex(fixed(number(5n))), toHex(fixed(number(5n))));
  found.same("fresh randomness gives another", false, toHex(fresh(number(5n))) === toHex(fresh(number(5n))));
}

/** Nothing that a call worked with is in the module's memory afterwards, in either order of bytes. */
async function checkWiped(module: WebAssembly.Module, found: Findings): Promise<void> {
  const inside = await instantiateSm2Private(module);
  const view = new Uint8Array(inside.memory.buffer);
  const d = drawn("wiped", ORDER - 1n);
  const e = drawn("wiped digest", ORDER);
  const entropy = jsSm3.hash([utf8("wiped entropy")]);
  const k = nonce(d, e, entropy);
  const clean = view.slice();
  view.set(number(d), inside.PRIVATE_KEY.value);
  inside.prepare();
  view.set(entropy, inside.ENTROPY.value);
  view.set(number(e), inside.DIGEST.value);
  inside.sign();
  inside.wipe();
  const text = toHex(view);
  for (const [name, value] of [
    ["the private key", d],
    ["the nonce", k],
    ["1+d", d + 1n],
    ["n-d", ORDER - d],
    ["n-k", ORDER - k],
  ] as const) {
    const bytes = number(value);
    for (const form of [bytes, bytes.toReversed()]) found.same(`${name} after wiping`, false, text.includes(toHex(form)));
  }
  let changed = 0;
  for (const [at, byte] of view.entries()) if (byte !== clean[at] && byte !== 0) changed += 1;
  // A second pass over what is public: addresses whose content differs from before the call and is not zero.
  found.same("bytes that a signature leaves behind", 0, changed);
}

interface Formulas {
  readonly PROJECTIVE: WebAssembly.Global<"i32">;
  addComplete(point: number, other: number): void;
  addAffineComplete(point: number, x: number, y: number): void;
  fromBytes(out: number, bytes: number): void;
  normalise(out: number): void;
  toWords(out: number, a: number, spare: number): void;
}

function isFormulas(exports: object): exports is Formulas {
  const named = new Map<string, unknown>(Object.entries(exports));
  const functions = ["addComplete", "addAffineComplete", "fromBytes", "normalise", "toWords"];
  return named.get("PROJECTIVE") instanceof WebAssembly.Global && functions.every((name) => typeof named.get(name) === "function");
}

const FIELD_BYTES = 36;

const opposite = (point: AffinePoint): AffinePoint => ({ x: point.x, y: FIELD_PRIME - point.y });

/** The formulas have no exceptions: points that are equal, opposite or infinite are added like others. */
async function checkFormulas(module: WebAssembly.Module, found: Findings): Promise<void> {
  const inside = await instantiateSm2Private(module);
  const formulas: object = inside;
  if (!isFormulas(formulas)) throw new Error("the module does not export its formulas");
  const view = new Uint8Array(inside.memory.buffer);
  const [sum, other, bytes] = [formulas.PROJECTIVE.value, 0x4000, 0x4100];
  const write = (address: number, point: AffinePoint | undefined): void => {
    for (const [at, value] of (point === undefined ? [0n, 1n, 0n] : [point.x, point.y, 1n]).entries()) {
      view.set(number(value), bytes);
      formulas.fromBytes(address + at * FIELD_BYTES, bytes);
    }
  };
  const read = (): string => {
    // x = X/Z: of infinity the inverse of 0 is 0, so that both coordinates are.
    formulas.normalise(0x4200);
    const coordinates = [0, 1].map((at) => {
      formulas.toWords(0x4300, 0x4200 + at * FIELD_BYTES, 0x4400);
      return BigInt(`0x${toHex(view.slice(0x4300, 0x4320).toReversed())}`);
    });
    const [x = 0n, y = 0n] = coordinates;
    return x === 0n && y === 0n ? "infinity" : encoded({ x, y });
  };
  const points = Array.from({ length: 4 }, (_, at) => multiplyPoint(drawn(`formula ${at}`, ORDER), BASE_POINT));
  const [p, q] = points;
  if (p === undefined || q === undefined) throw new Error("infinity was drawn");
  const cases: readonly (readonly [string, AffinePoint | undefined, AffinePoint | undefined])[] = [
    ["two points", p, q],
    ["a point and itself", p, p],
    ["a point and its opposite", p, opposite(p)],
    ["a point and infinity", p, undefined],
    ["infinity and a point", undefined, p],
    ["infinity and itself", undefined, undefined],
  ];
  for (const [what, a, b] of cases) {
    write(sum, a);
    write(other, b);
    formulas.addComplete(sum, other);
    found.same(`${what}, added`, encoded(addPoints(a, b)), read());
    if (b === undefined) continue;
    write(sum, a);
    formulas.addAffineComplete(sum, other, other + FIELD_BYTES);
    found.same(`${what}, added from a table`, encoded(addPoints(a, b)), read());
  }
}

/** How many there are. */
export const PRIVATE_CHECKS = 195;

/** Every check, on a module that the runner compiled. */
export async function runPrivateSuite(module: WebAssembly.Module): Promise<SuiteResult> {
  const found = new Findings();
  const sm2 = await WasmSm2Private.from(module);
  checkMultiples(sm2, found);
  checkRefusals(sm2, found);
  checkSignatures(sm2, found);
  await checkWiped(module, found);
  await checkFormulas(module, found);
  return found;
}
