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

/** What is wrong with the result at OUT as a reduced element, or `undefined`. */
function faultOfReduced(): string | undefined {
  const { limbs } = read(OUT);
  const wide = limbs.slice(0, 8).find((limb) => limb < -UNIT || limb >= UNIT);
  if (wide !== undefined) return `a limb of ${wide} is not reduced`;
  const top = limbs[8] ?? 0n;
  return top < -UNIT || top > UNIT ? `the last limb is ${top}` : undefined;
}

/** What is wrong with the result at OUT as `product` / R of factors with these sizes, or `undefined`. */
function faultOfProduct(product: bigint, sizes: bigint): string | undefined {
  const { value } = read(OUT);
  if (modulo(value * R, FIELD_PRIME) !== modulo(product, FIELD_PRIME)) return "another residue";
  if (32n * (value < 0n ? -value : value) > (32n + sizes) * FIELD_PRIME) return "larger than its bound";
  return faultOfReduced();
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
    const faults: string[] = [];
    for (const [i, a] of extremes(left).entries()) {
      for (const [j, b] of extremes(right).entries()) {
        const [x, y] = [write(A, a), write(B, b)];
        multiply(OUT, A, B);
        const fault = faultOfProduct(x * y, size(x) * size(y));
        if (fault !== undefined) faults.push(`patterns ${i}, ${j}: ${fault}`);
      }
    }
    expect(faults).toEqual([]);
  });

  it.each([1, 2, 3])("squares weight %i", (weight) => {
    const faults: string[] = [];
    for (const [i, a] of extremes(weight).entries()) {
      const x = write(A, a);
      square(OUT, A);
      const fault = faultOfProduct(x * x, size(x) * size(x));
      if (fault !== undefined) faults.push(`pattern ${i}: ${fault}`);
    }
    expect(faults).toEqual([]);
  });

  it("subtracts products of weights 3·2 and 2·4", () => {
    const faults: string[] = [];
    for (const [i, a] of extremes(3).entries()) {
      for (const [j, b] of extremes(2).entries()) {
        for (const [k, c] of extremes(2).entries()) {
          const [x, y, v] = [write(A, a), write(B, b), write(C, c)];
          for (const factor of [2n, -2n]) {
            const w = write(
              D,
              b.map((limb) => factor * limb),
            );
            multiplyDifference(OUT, A, B, C, D);
            const fault = faultOfProduct(x * y - v * w, size(x) * size(y) + size(v) * size(w));
            if (fault !== undefined) faults.push(`patterns ${i}, ${j}, ${k}, ${factor}: ${fault}`);
          }
        }
      }
    }
    expect(faults).toEqual([]);
  });

  it("folds a - b - 2c of weight 4 to a value within 0.51·p", () => {
    for (const [i, a] of extremes(4).entries()) {
      for (const [j, b] of extremes(4).entries()) {
        const [x, y, z] = [write(A, a), write(B, b), write(C, extremes(4)[(i + j) % 16] ?? a)];
        reduceDifference(OUT, A, B, C);
        const what = `patterns ${i}, ${j}`;
        expect(faultOfReduced(), what).toBeUndefined();
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
    write(A, extremes(2)[1] ?? []);
    let value = modulo(read(A).value, FIELD_PRIME);
    const inverseR = inverse(R, FIELD_PRIME);
    for (let step = 0; step < 5000; step += 1) {
      square(OUT, A);
      expect(faultOfReduced(), `step ${step}`).toBeUndefined();
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
