/**
 * SM3 over many messages in one call: four at a time in WebAssembly vectors (`wasm/assembly/sm3-many.ts`), three to four times as fast
 * as one call each. For who has the messages at hand, as a verifier of a whole log has.
 */

import type { Sm3Many } from "./port.ts";

const DIGEST_BYTES = 32;
const PAGE_BYTES = 65_536;

interface Sm3ManyModule {
  readonly memory: WebAssembly.Memory;
  readonly INPUT: WebAssembly.Global<"i32">;
  initialise(): void;
  hashMany(prefix: number, bounds: number, count: number, out: number): void;
}

function isSm3ManyModule(exports: object): exports is Sm3ManyModule {
  const named = new Map<string, unknown>(Object.entries(exports));
  return (
    named.get("memory") instanceof WebAssembly.Memory &&
    named.get("INPUT") instanceof WebAssembly.Global &&
    typeof named.get("initialise") === "function" &&
    typeof named.get("hashMany") === "function"
  );
}

/** The function over a memory of its own. Throws when `module` is another one, or the runtime refuses it. */
export async function instantiateSm3Many(module: WebAssembly.Module): Promise<Sm3Many> {
  const { exports } = await WebAssembly.instantiate(module, {});
  if (!isSm3ManyModule(exports)) throw new Error("this is not sm3many.wasm");
  const { memory, INPUT, initialise, hashMany } = exports;
  initialise();
  const input = INPUT.value;
  let view = new Uint8Array(memory.buffer);
  return function sm3Many(prefix, bytes, bounds) {
    const count = bounds.length / 2;
    if (!Number.isInteger(count) || prefix < 0 || prefix > 255) throw new RangeError("bounds come in pairs, a prefix is one byte");
    const boundsAt = input + Math.ceil(bytes.length / 4) * 4;
    const out = boundsAt + 8 * count;
    const end = out + DIGEST_BYTES * count;
    if (end > memory.buffer.byteLength) memory.grow(Math.ceil((end - memory.buffer.byteLength) / PAGE_BYTES));
    if (view.buffer !== memory.buffer) view = new Uint8Array(memory.buffer);
    view.set(bytes, input);
    const places = new Uint32Array(memory.buffer, boundsAt, 2 * count);
    for (let at = 0; at < bounds.length; at += 2) {
      const [from, to] = [bounds[at] ?? 0, bounds[at + 1] ?? 0];
      if (from > to || to > bytes.length) throw new RangeError("a message stands outside of the bytes");
      places[at] = input + from;
      places[at + 1] = input + to;
    }
    hashMany(prefix, boundsAt, count, out);
    return view.slice(out, end);
  };
}

/** As {@link loadSm3Many}, or `undefined` where that cannot be, or where it does not give what `sm3` gives. */
export async function trySm3Many(sm3: (parts: readonly Uint8Array[]) => Uint8Array): Promise<Sm3Many | undefined> {
  const many = await loadSm3Many().catch(() => undefined);
  return many !== undefined && agrees(many, sm3) ? many : undefined;
}

/** Every place of a message's end within a block, four messages of different lengths side by side. */
function agrees(many: Sm3Many, sm3: (parts: readonly Uint8Array[]) => Uint8Array): boolean {
  const bytes = Uint8Array.from({ length: 200 }, (_, at) => (at * 167) & 255);
  const bounds = Uint32Array.from({ length: 2 * 70 }, (_, at) => (at % 2 === 0 ? at / 2 : 69 + at / 2));
  const digests = many(1, bytes, bounds);
  for (let n = 0; 2 * n < bounds.length; n += 1) {
    const wanted = sm3([Uint8Array.of(1), bytes.subarray(bounds[2 * n], bounds[2 * n + 1])]);
    if (!wanted.every((byte, at) => byte === digests[DIGEST_BYTES * n + at])) return false;
  }
  return true;
}

/** From the file beside this one, where the runtime has files (Node, Deno, Bun). */
export async function loadSm3Many(): Promise<Sm3Many> {
  const { readFile } = await import("node:fs/promises");
  return await instantiateSm3Many(await WebAssembly.compile(await readFile(new URL("./wasm/sm3many.wasm", import.meta.url))));
}
