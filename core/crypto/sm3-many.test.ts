import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadCrypto } from "./index.ts";
import { loadSm3Many } from "./sm3-many.ts";
import { buildSm3Many } from "./wasm/build.ts";

const crypto = await loadCrypto();
const sm3Many = await loadSm3Many();

/** Messages one behind the other with `gap` bytes between them. */
function packed(messages: readonly Uint8Array[], gap = 0): { readonly bytes: Uint8Array; readonly bounds: Uint32Array } {
  const bytes = new Uint8Array(messages.reduce((sum, message) => sum + gap + message.length, 0)).fill(0xa5);
  const bounds = new Uint32Array(2 * messages.length);
  let at = 0;
  for (const [n, message] of messages.entries()) {
    bytes.set(message, at + gap);
    bounds.set([at + gap, at + gap + message.length], 2 * n);
    at += gap + message.length;
  }
  return { bytes, bounds };
}

function oneByOne(prefix: number, messages: readonly Uint8Array[]): readonly string[] {
  return messages.map((message) => Buffer.from(crypto.sm3(Uint8Array.of(prefix), message)).toString("hex"));
}

function allAtOnce(prefix: number, messages: readonly Uint8Array[], gap = 0): readonly string[] {
  const { bytes, bounds } = packed(messages, gap);
  const digests = sm3Many(prefix, bytes, bounds);
  return messages.map((_, n) => Buffer.from(digests.subarray(32 * n, 32 * n + 32)).toString("hex"));
}

const filled = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => (at * 131 + length) & 255);

describe("SM3 over many messages gives what SM3 of each gives", () => {
  test("for every length up to 300, in one call and in calls of their own", () => {
    const messages = Array.from({ length: 301 }, (_, length) => filled(length));
    expect(allAtOnce(0, messages)).toEqual(oneByOne(0, messages));
    for (const message of messages.slice(0, 140)) expect(allAtOnce(1, [message])).toEqual(oneByOne(1, [message]));
  });

  test("for any number of messages of any lengths, gaps and prefix", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 40 }),
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 0, max: 5 }),
        (messages, prefix, gap) => {
          expect(allAtOnce(prefix, messages, gap)).toEqual(oneByOne(prefix, messages));
        },
      ),
      { numRuns: 150 },
    );
  });

  test("for one message of 65,535 bytes beside short ones, and for more than the first memory holds", () => {
    const mixed = [filled(65_535), filled(3), filled(64), filled(63), filled(65), filled(500)];
    expect(allAtOnce(0, mixed)).toEqual(oneByOne(0, mixed));
    const many = Array.from({ length: 5_000 }, (_, n) => filled(n % 300));
    expect(allAtOnce(0, many)).toEqual(oneByOne(0, many));
    expect(allAtOnce(0, mixed)).toEqual(oneByOne(0, mixed));
  });

  test("the same bytes by overlapping bounds, and none at all", () => {
    const bytes = filled(200);
    const digests = sm3Many(0, bytes, new Uint32Array([0, 200, 10, 90, 10, 90, 200, 200]));
    const hex = (from: number, to: number): string | undefined => oneByOne(0, [bytes.subarray(from, to)])[0];
    expect([0, 1, 2, 3].map((n) => Buffer.from(digests.subarray(32 * n, 32 * n + 32)).toString("hex"))).toEqual([
      hex(0, 200),
      hex(10, 90),
      hex(10, 90),
      hex(200, 200),
    ]);
    expect(sm3Many(0, bytes, new Uint32Array())).toHaveLength(0);
  });
});

test("bounds that lie are refused", () => {
  const bytes = new Uint8Array(10);
  for (const bounds of [[0, 11], [5, 4], [0]]) expect(() => sm3Many(0, bytes, new Uint32Array(bounds))).toThrow(RangeError);
  expect(() => sm3Many(256, bytes, new Uint32Array([0, 1]))).toThrow(RangeError);
});

test("the committed module is what its source gives", () => {
  expect(Buffer.compare(buildSm3Many(), readFileSync(new URL("./wasm/sm3many.wasm", import.meta.url)))).toBe(0);
});
