/**
 * Every compression a Kafka producer may choose: the producer, or an administrator's `compression.type`, decides it and
 * not the reader. kafkajs brings gzip alone, and without a limit. What a batch unpacks to is bounded, since a megabyte
 * on the wire may stand for gigabytes.
 */
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import kafkajs from "kafkajs";
import lz4 from "lz4js";
import snappy from "snappyjs";

/** Of one record batch, unpacked; ours are at most a megabyte before they are packed. */
export const BATCH_BYTES_MAX = 32 * 1024 * 1024;

const bounded = { maxOutputLength: BATCH_BYTES_MAX };
const fast = { params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 } };
const gzip = promisify(zlib.gzip);
const gunzip = promisify(zlib.gunzip);
const zstdCompress = promisify(zlib.zstdCompress);
const zstdDecompress = promisify(zlib.zstdDecompress);

/** What we write: as small as gzip at a fifth of the time (307 kB of requests: 0.6 ms against 3.3 ms). */
export const OUR_COMPRESSION: kafkajs.CompressionTypes = kafkajs.CompressionTypes.ZSTD;

export function unpackSnappy(packed: Buffer): Buffer {
  if (!packed.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return snappyBlock(packed, BATCH_BYTES_MAX);
  // Java's framing: magic, two versions, then blocks with their length before them.
  const blocks: Buffer[] = [];
  let left = BATCH_BYTES_MAX;
  for (let at = XERIAL_HEADER_BYTES; at < packed.length;) {
    const length = packed.readUInt32BE(at);
    at += 4;
    if (length > packed.length - at) throw new RangeError("a snappy block ends behind the batch");
    const block = snappyBlock(packed.subarray(at, at + length), left);
    blocks.push(block);
    left -= block.length;
    at += length;
  }
  return Buffer.concat(blocks);
}

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;

function snappyBlock(packed: Buffer, bytesMax: number): Buffer {
  return snappy.uncompress(packed, bytesMax);
}

const LZ4_MAGIC = 0x184d2204;
const LZ4_BLOCK_BYTES: Readonly<Record<number, number>> = { 4: 1 << 16, 5: 1 << 18, 6: 1 << 20, 7: 1 << 22 };
const LZ4_STORED = 0x80000000;
/** No byte of a packed block stands for more than this. */
const LZ4_RATIO_MAX = 255;

interface Lz4Block {
  readonly at: number;
  readonly length: number;
  readonly stored: boolean;
  readonly bytesMax: number;
}

/** The frame is read here and not by lz4js, which believes every length that it says. */
export function unpackLz4(packed: Buffer): Buffer {
  const blocks = lz4Blocks(packed);
  const bytesMax = blocks.reduce((sum, block) => sum + block.bytesMax, 0);
  const unpacked = Buffer.alloc(Math.min(bytesMax, BATCH_BYTES_MAX));
  let end = 0;
  for (const { at, length, stored } of blocks) {
    if (stored) packed.copy(unpacked, end, at, at + length);
    end = stored ? end + length : lz4.decompressBlock(packed, unpacked, at, length, end);
    if (!(end <= unpacked.length)) throw new RangeError(`lz4 unpacks to more than ${unpacked.length} bytes`);
  }
  return unpacked.subarray(0, end);
}

function lz4Blocks(packed: Buffer): Lz4Block[] {
  if (packed.readUInt32LE(0) !== LZ4_MAGIC) throw new RangeError("no lz4 frame");
  const flags = packed.readUInt8(4);
  const blockMax = LZ4_BLOCK_BYTES[(packed.readUInt8(5) >> 4) & 7];
  if (blockMax === undefined) throw new RangeError("no lz4 block size");
  const [checksumBytes, sizeBytes] = [(flags & 0x10) === 0 ? 0 : 4, (flags & 0x08) === 0 ? 0 : 8];
  const blocks: Lz4Block[] = [];
  for (let at = 7 + sizeBytes; ;) {
    const word = packed.readUInt32LE(at);
    if (word === 0) return blocks;
    const stored = word >= LZ4_STORED;
    const length = stored ? word - LZ4_STORED : word;
    if (length > blockMax || length > packed.length - at - 4) throw new RangeError("an lz4 block ends behind the batch");
    blocks.push({ at: at + 4, length, stored, bytesMax: stored ? length : Math.min(blockMax, length * LZ4_RATIO_MAX) });
    at += 4 + length + checksumBytes;
  }
}

interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(packed: Buffer): Promise<Buffer>;
}

/** Read only: nothing here is written with it. */
const readOnly = (unpack: (packed: Buffer) => Buffer): Codec => ({
  compress: () => Promise.reject(new Error("we write no such batches")),
  // A promise, so that what a library throws reaches the reader of the batch and nobody else.
  decompress: (packed) => Promise.resolve(packed).then(unpack),
});

Object.assign<typeof kafkajs.CompressionCodecs, Readonly<Record<number, () => Codec>>>(kafkajs.CompressionCodecs, {
  [kafkajs.CompressionTypes.GZIP]: () => ({
    compress: ({ buffer }) => gzip(buffer),
    decompress: (packed) => gunzip(packed, bounded),
  }),
  [kafkajs.CompressionTypes.Snappy]: () => readOnly(unpackSnappy),
  [kafkajs.CompressionTypes.LZ4]: () => readOnly(unpackLz4),
  [kafkajs.CompressionTypes.ZSTD]: () => ({
    compress: ({ buffer }) => zstdCompress(buffer, fast),
    decompress: (packed) => zstdDecompress(packed, bounded),
  }),
});
