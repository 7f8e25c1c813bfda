/** Packed by librdkafka and by Java's framing; what is damaged or too large is an error, in bounded time and memory. */
import { expect, test } from "vitest";
import { BATCH_BYTES_MAX, unpackLz4, unpackSnappy } from "./kafka-codecs.ts";

/** `settled` sixteen times, one stored block and one packed block. */
const text = Buffer.from("settled".repeat(16));
const head = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const end = u32(0);
/** Literals `settled`, then a match of 100 at distance 7, then the last five as literals. */
const packedBlock = Buffer.concat([
  Buffer.from([0x7f]),
  Buffer.from("settled"),
  Buffer.from([7, 0, 100 - 19]),
  Buffer.from([0x50]),
  Buffer.from("ttled"),
]);
const lz4 = (...blocks: Buffer[]): Buffer => Buffer.concat([head, ...blocks, end]);
const packed = Buffer.concat([u32(packedBlock.length), packedBlock]);
const stored = Buffer.concat([u32((0x80000000 | text.length) >>> 0), text]);

test("lz4: packed and stored blocks follow each other", () => {
  expect(unpackLz4(lz4(packed)).equals(text)).toBe(true);
  expect(unpackLz4(lz4(stored, packed)).toString()).toBe(`${String(text)}${String(text)}`);
});

test("snappy: bare as librdkafka packs, and in Java's frame", () => {
  const bare = Buffer.concat([Buffer.from([text.length, (7 - 1) << 2]), Buffer.from("settled"), ...copies(text.length - 7)]);
  expect(unpackSnappy(bare).equals(text)).toBe(true);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bare.length);
  const frame = Buffer.concat([Buffer.from([0x82]), Buffer.from("SNAPPY\0"), Buffer.alloc(8), length, bare, length, bare]);
  expect(unpackSnappy(frame).toString()).toBe(`${String(text)}${String(text)}`);
});

/** Copies with a two-byte offset of 7, at most 64 bytes each. */
function copies(left: number): Buffer[] {
  if (left <= 0) return [];
  const length = Math.min(64, left);
  return [Buffer.from([((length - 1) << 2) | 2, 7, 0]), ...copies(left - length)];
}

test("lz4: a length that goes beyond the batch, a frame cut off, and no frame at all are errors", () => {
  const good = lz4(packed);
  expect(() => unpackLz4(lz4(u32(0xffffffff)))).toThrow("behind the batch");
  expect(() => unpackLz4(Buffer.from("nothing of this kind"))).toThrow("no lz4 frame");
  for (let cut = 0; cut < good.length; cut++) expect(() => unpackLz4(good.subarray(0, cut))).toThrow(RangeError);
});

test("what says that it unpacks to more than a batch may is an error before it is unpacked", () => {
  // A match that stands for four mebibytes, again and again.
  const long = Buffer.concat([Buffer.from([0x1f, 0x61, 1, 0]), Buffer.alloc(16_400, 255), Buffer.from([0])]);
  const wide = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73]);
  const bomb = Buffer.concat([wide, ...Array.from({ length: 9 }, () => Buffer.concat([u32(long.length), long])), end]);
  expect(() => unpackLz4(bomb)).toThrow(`more than ${BATCH_BYTES_MAX}`);
  expect(() => unpackSnappy(Buffer.from([0x80, 0x80, 0x80, 0x20, 0]))).toThrow("too big");
});
