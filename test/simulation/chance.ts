/** Everything that a seed decides, and what of it came to pass. */
import { createHash } from "node:crypto";
import { type SeededRandom, seededRandom } from "../../cli/sandbox/random.ts";

export const FAULTS = [
  "edge ends before a write",
  "edge ends after a write",
  "core ends before a write",
  "core ends after a write",
  "bus ends before a write",
  "bus ends after a write",
  "publish lost",
  "publish answer lost",
  "publish duplicated",
  "publish delayed",
  "publish given up and made afterwards",
  "call lost",
  "answer lost",
  "call duplicated",
  "call delayed",
  "call given up and made afterwards",
  "slice delivered again",
  "edge cut from bus",
  "edge cut from core",
  "core cut from bus",
  "edge disk full",
  "edge clock ahead",
  "edge clock behind",
  "core clock ahead",
  "core clock behind",
  "payer times out before",
  "payer times out after",
  "payer answers 5xx",
  "payer answers nonsense",
  "payer refuses",
  "payer lets a hold expire",
  "payer called twice",
] as const;
export type Fault = (typeof FAULTS)[number];

/** One line for each thing that happened, and a hash over all of them. */
export class Trace {
  readonly lines: string[] = [];
  readonly hit: Map<Fault, number> = new Map();
  readonly #hash = createHash("sha256");
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  note(line: string): void {
    const stamped = `${this.#now().toFixed(3).padStart(10)} ${line}`;
    this.lines.push(stamped);
    this.#hash.update(`${stamped}\n`);
  }

  fault(fault: Fault, detail = ""): void {
    this.hit.set(fault, (this.hit.get(fault) ?? 0) + 1);
    this.note(`FAULT ${fault}${detail === "" ? "" : ` ${detail}`}`);
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }
}

/** A die of its own for each purpose, so that one more throw here changes nothing there. */
export function dieFor(seed: number, purpose: string): SeededRandom {
  const digest = createHash("sha256").update(`${seed}/${purpose}`).digest();
  return seededRandom(digest.readInt32BE(0));
}
