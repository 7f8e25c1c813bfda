import { describe, expect, it } from "vitest";
import { FIELD_PRIME, inverse, modulo } from "../testing/affine.ts";
import { buildSm2Verify } from "./build.ts";
import { compileSm2VerifyFile } from "./module.ts";
import { readFileSync } from "node:fs";

/*
 * The bounds that `assembly/field.ts` proves in its comments, walked at their extremes: every limb at the largest magnitude that the
 * stated weight allows, in patterns of signs that make columns add up or cancel.
 */
const LIMBS = 9;
const R = 1n << 261n;
const UNIT = 1n << 28n;

const instance = await WebAssembly.instantiate(await compileSm2VerifyFile(), {});
const exported = new Map<string, unknown>(Object.entries(instance.exports));
const memory = exported.get("memory");
if (!(memory instanceof WebAssembly.Memory)) throw new Error("no memory");
const view = new DataView(memory.buffer);

function operation(name: string): (...addresses: readonly number[]) => void {
  const found = exported.get(name);
  if (typeof found !== "function") throw new Error(`no ${name}`);
  return (...addresses) => void found(...addresses);
}

const [OUT, A, B, C, D] = [0x4000, 0x4100, 0x4200, 0x4300, 0x4400];

function write(address: number, limbs: readonly bigint[]): bigint {
  let value = 0n;
  for (const [at, limb] of limbs.entries()) {
    view.setInt32(address + 4 * at, Number(limb), true);
    value += limb << BigInt(29 * at);
  }
  return value;
}

function read(address: number): { readonly limbs: readonly bigint[]; readonly value: bigint } {
  const limbs = Array.from({ length: LIMBS }, (_, at) => BigInt(view.getInt32(address + 4 * at, true)));
  return { limbs, value: limbs.reduce((sum, limb, at) => sum + (limb << BigInt(29 * at)), 0n) };
}

/** Limbs of weight `weight`, the last within size 15: every pattern of 12 that pull columns one way, apart, or leave holes. */
function extremes(weight: number): readonly (readonly bigint[])[] {
  const most = BigInt(weight) * UNIT;
  const last = 1n << 27n;
  const patterns: readonly ((at: number) => bigint)[] = [
    () => 1n,
    () => -1n,
    (at) => (at % 2 === 0 ? 1n : -1n),
    (at) => (at % 2 === 0 ? -1n : 1n),
    (at) => (at < 4 ? 1n : -1n),
    (at) => (at < 4 ? -1n : 1n),
    (at) => (at === 0 ? 1n : 0n),
    (at) => (at === 7 ? -1n : 0n),
    (at) => (at % 3 === 0 ? 1n : -1n),
    (at) => (at % 3 === 1 ? 0n : 1n),
    (at) => (at === 8 ? 1n : 0n),
    () => 0n,
  ];
  const limbs = patterns.map((sign) => Array.from({ length: LIMBS }, (_, at) => sign(at) * (at === 8 ? last : most)));
  // One off the extreme, where a carry just does or does not happen.
  const near = patterns.slice(0, 4).map((sign) => Array.from({ length: LIMBS }, (_, at) => sign(at) * (at === 8 ? last : most - 1n)));
  return [...limbs, ...near];
}

/** Magnitude in units of p, rounded up. */
function size(value: bigint): bigint {
  return (value < 0n ? -value : value) / FIELD_PRIME + 1n;
}

function expectReduced(what: string): void {
  const { limbs } = read(OUT);
  for (const limb of limbs.slice(0, 8)) if (limb < -UNIT || limb >= UNIT) throw new Error(`${what}: a limb of ${limb} is not reduced`);
  const top = limbs[8] ?? 0n;
  if (top < -UNIT || top > UNIT) throw new Error(`${what}: the last limb is ${top}`);
}

function expectProduct(what: string, product: bigint, sizes: bigint): void {
  expectReduced(what);
  const { value } = read(OUT);
  expect(modulo(value * R, FIELD_PRIME), what).toBe(modulo(product, FIELD_PRIME));
  expect(32n * (value < 0n ? -value : value) <= (32n + sizes) * FIELD_PRIME, `${what}: size`).toBe(true);
}

describe("field arithmetic at the extreme limbs", () => {
  const multiply = operation("multiply");
  const square = operation("square");
  const multiplyDifference = operation("multiplyDifference");
  const reduceDifference = operation("reduceDifference");

  it.each([
    [1, 1],
    [7, 2],
    [2, 7],
    [3, 4],
    [4, 3],
    [1, 7],
  ])("multiplies weights %i and %i", (left, right) => {
    for (const [i, a] of extremes(left).entries()) {
      for (const [j, b] of extremes(right).entries()) {
        const [x, y] = [write(A, a), write(B, b)];
        multiply(OUT, A, B);
        expectProduct(`patterns ${i}, ${j}`, x * y, size(x) * size(y));
      }
    }
  });

  it.each([1, 2, 3])("squares weight %i", (weight) => {
    for (const [i, a] of extremes(weight).entries()) {
      const x = write(A, a);
      square(OUT, A);
      expectProduct(`pattern ${i}`, x * x, size(x) * size(x));
    }
  });

  it("subtracts products of weights 3·2 and 2·4", () => {
    for (const [i, a] of extremes(3).entries()) {
      for (const [j, b] of extremes(2).entries()) {
        for (const [k, c] of extremes(4).entries()) {
          const [x, y, v, w] = [write(A, a), write(B, b), write(C, b), write(D, c)];
          multiplyDifference(OUT, A, B, C, D);
          const sizes = size(x) * size(y) + size(v) * size(w);
          const negated = write(
            C,
            b.map((limb) => -limb),
          );
          if ((i + j + k) % 16 === 0) expectProduct(`patterns ${i}, ${j}, ${k}`, x * y - v * w, sizes);
          multiplyDifference(OUT, A, B, C, D);
          if ((i + j + k) % 16 === 1) expectProduct(`patterns ${i}, ${j}, ${k}, opposite`, x * y - negated * w, sizes);
        }
      }
    }
  });

  it("folds a - b - 2c of weight 4 to a value within 0.51·p", () => {
    for (const [i, a] of extremes(4).entries()) {
      for (const [j, b] of extremes(4).entries()) {
        const [x, y, z] = [write(A, a), write(B, b), write(C, extremes(4)[(i + j) % 16] ?? a)];
        reduceDifference(OUT, A, B, C);
        const what = `patterns ${i}, ${j}`;
        expectReduced(what);
        const { value } = read(OUT);
        expect(modulo(value, FIELD_PRIME), what).toBe(modulo(x - y - 2n * z, FIELD_PRIME));
        expect(100n * (value < 0n ? -value : value) < 51n * FIELD_PRIME, `${what}: size`).toBe(true);
      }
    }
  });

  it("gives each multiple of p the limbs of 0 when folded, which is how equality is seen", () => {
    write(
      C,
      Array.from({ length: LIMBS }, () => 0n),
    );
    const p = [-1n, 0n, 64n, -512n, 0n, 0n, 0n, -(1n << 21n), 1n << 24n];
    for (let k = -7n; k <= 7n; k += 1n) {
      expect(
        write(
          A,
          p.map((limb) => k * limb),
        ),
      ).toBe(k * FIELD_PRIME);
      reduceDifference(OUT, A, C, C);
      expect(
        read(OUT).limbs.every((limb) => limb === 0n),
        `${k}·p`,
      ).toBe(true);
    }
  });

  it("stays within its bounds over long runs of operations fed with their own results", () => {
    // A stored weight never grows: squares and products of results, from the largest value on.
    write(A, extremes(2)[1] ?? []);
    let value = modulo(read(A).value, FIELD_PRIME);
    const inverseR = inverse(R, FIELD_PRIME);
    for (let step = 0; step < 5000; step += 1) {
      square(OUT, A);
      expectReduced(`step ${step}`);
      value = (value * value * inverseR) % FIELD_PRIME;
      multiply(A, OUT, OUT);
      value = (value * value * inverseR) % FIELD_PRIME;
    }
    expect(modulo(read(A).value, FIELD_PRIME)).toBe(value);
  });
});

describe("sm2verify.wasm", () => {
  it("is what its source gives, byte for byte", () => {
    const committed = readFileSync(new URL("./sm2verify.wasm", import.meta.url));
    expect(Buffer.compare(buildSm2Verify(), committed)).toBe(0);
  });
});
