/**
 * `npm run bench -- leakage [RUNS]`: whether the time of private operations tells of the secret (after dudect: Reparaz, Balasch and
 * Verbauwhede, 2016). Two classes in random order, one scalar that is always the same and scalars drawn anew; Welch's t over all runs and
 * over the fastest parts of them. |t| beyond 10 is a leak, below 4.5 nothing was seen; what was not seen may still be there.
 *
 * A control shows that a leak would be seen here: the multiplication of the BigInt library that this one replaced.
 */
import { jsSm2Encrypt } from "../core/crypto/sm2-js.ts";
import { WasmSm2Private } from "../core/crypto/sm2-private.ts";
import { compileSm2PrivateFile } from "../core/crypto/wasm/module.ts";
import type { Report } from "./figures.ts";

const RUNS = Number(process.env["RONGHE_LEAKAGE_RUNS"] ?? 1_000_000);
const CONTROL_RUNS = Math.min(RUNS, 20_000);
/** Scalars are drawn before they are timed, this many at once. */
const BATCH = 2_000;
/** Shares of the fastest runs that are looked at by themselves: what interrupts a process lengthens the slowest. */
const SHARES = [1, 0.99, 0.9, 0.5] as const;

type Operation = (scalar: Uint8Array) => void;

interface Sample {
  readonly fixed: boolean;
  readonly ms: number;
}

/** A scalar of 32 bytes below n: its first byte is below 0xff. */
function drawn(): Uint8Array {
  const scalar = crypto.getRandomValues(new Uint8Array(32));
  scalar[0] = (scalar[0] ?? 0) & 0x7f;
  return scalar;
}

/** Whether a run is of the fixed class, by a byte of chance. */
const isFixed = (chance: number | undefined): boolean => ((chance ?? 0) & 1) === 0;

function measure(operation: Operation, fixed: Uint8Array, runs: number, step: (done: number) => void): readonly Sample[] {
  const samples: Sample[] = [];
  // Both classes come through the same bytes: an object of its own for each would lie elsewhere in memory, and be read at another speed.
  const scalar = new Uint8Array(32);
  for (let warm = 0; warm < 2_000; warm += 1) operation(drawn());
  while (samples.length < runs) {
    const chances = crypto.getRandomValues(new Uint8Array(Math.min(BATCH, runs - samples.length)));
    const others = Array.from(chances, drawn);
    for (const [at, other] of others.entries()) {
      const chance = isFixed(chances[at]);
      const mask = chance ? 0xff : 0;
      for (let byte = 0; byte < 32; byte += 1) scalar[byte] = ((fixed[byte] ?? 0) & mask) | ((other[byte] ?? 0) & ~mask);
      const before = performance.now();
      operation(scalar);
      const ms = performance.now() - before;
      samples.push({ fixed: chance, ms });
    }
    step(samples.length);
  }
  return samples;
}

/** Welch's t of the two classes, over the samples that took no longer than the `share` quickest. */
function welch(samples: readonly Sample[], share: number): number {
  const sorted = Float64Array.from(samples, ({ ms }) => ms).sort();
  const limit = sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
  const moments = [true, false].map((fixed) => {
    let [count, mean, square] = [0, 0, 0];
    for (const sample of samples) {
      if (sample.fixed !== fixed || sample.ms > limit) continue;
      count += 1;
      const delta = sample.ms - mean;
      mean += delta / count;
      square += delta * (sample.ms - mean);
    }
    return { mean, error: square / (count - 1) / count };
  });
  const [a, b] = moments;
  return a === undefined || b === undefined ? Number.NaN : (a.mean - b.mean) / Math.sqrt(a.error + b.error);
}

/** Prints |t| for each operation; a verdict is the reader's. */
export async function run(report: Report): Promise<void> {
  const sm2 = await WasmSm2Private.from(await compileSm2PrivateFile());
  const point = sm2.multiplyBase(drawn());
  if (point === undefined) throw new Error("a scalar was refused");
  const digest = new Uint8Array(32).fill(7);
  const entropy = new Uint8Array(32);
  const low = new Uint8Array(32);
  low[31] = 3;
  const operations: readonly { readonly name: string; readonly operation: Operation; readonly runs: number }[] = [
    { name: "k·G", operation: (scalar) => void sm2.multiplyBase(scalar), runs: RUNS },
    { name: "k·P", operation: (scalar) => void sm2.multiplyPoint(scalar, point), runs: RUNS },
    { name: "1/(1+d) and a signature by d", operation: (scalar) => void sm2.signer(scalar, () => entropy)?.(digest), runs: RUNS },
    { name: "control: k·G by sm-crypto-v2", operation: (scalar) => void jsSm2Encrypt.publicKey(scalar), runs: CONTROL_RUNS },
  ];
  const total = operations.reduce((sum, { runs }) => sum + runs, 0);
  let done = 0;
  const lines: string[] = [];
  for (const { name, operation, runs } of operations) {
    const samples = measure(operation, low, runs, (measured) => report(done + measured, total));
    done += runs;
    const parts = SHARES.map((share) => `${(share * 100).toFixed(0)} %: ${Math.abs(welch(samples, share)).toFixed(2)}`);
    lines.push(`${name}, ${runs} runs, |t| of the fastest ${parts.join(", ")}`);
  }
  for (const line of lines) console.log(line);
}
