/** Record batches as any client may make them, byte by byte: every one of them is some record to our readers. */
import { expect, test } from "vitest";
import { readBatches } from "./kafka-batches.ts";
import { deliveredOf } from "./kafka-log.ts";

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value < 0 ? -2 * value - 1 : 2 * value; ; left >>>= 7) {
    if (left < 128) return Buffer.from([...bytes, left]);
    bytes.push((left & 127) | 128);
  }
}
const bytesOf = (value: Buffer | null): Buffer => (value === null ? varint(-1) : Buffer.concat([varint(value.length), value]));

interface Raw {
  readonly value?: string;
  readonly headers?: readonly (readonly [string, Buffer | null])[];
}

function rawRecord({ value = "", headers = [] }: Raw, at: number): Buffer {
  const body = Buffer.concat([
    Buffer.from([0, 0]),
    varint(at),
    bytesOf(null),
    bytesOf(Buffer.from(value)),
    varint(headers.length),
    ...headers.flatMap(([name, given]) => [bytesOf(Buffer.from(name)), bytesOf(given)]),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

function batch(
  base: number,
  records: readonly Raw[],
  { magic = 2, attributes = 0, body = Buffer.concat(records.map(rawRecord)) }: { magic?: number; attributes?: number; body?: Buffer } = {},
): Buffer {
  const head = Buffer.alloc(61);
  head.writeBigInt64BE(BigInt(base), 0);
  head.writeInt32BE(49 + body.length, 8);
  head.writeInt8(magic, 16);
  head.writeInt16BE(attributes, 21);
  head.writeInt32BE(records.length - 1, 23);
  head.writeInt32BE(records.length, 57);
  return Buffer.concat([head, body]);
}

const delivered = async (...batches: Buffer[]) => (await readBatches(Buffer.concat(batches))).map((record) => deliveredOf(record, "t", 0));
const summary = async (...batches: Buffer[]) =>
  (await delivered(...batches)).map(({ offset, value, unreadable }) => [
    Number(offset),
    Buffer.from(value).toString(),
    unreadable?.records,
  ]);

test("a header without a value is none, whatever its name, and ends no reader", async () => {
  const headers = [
    ["x", null],
    ["constructor", Buffer.from("c")],
    ["toString", null],
    ["__proto__", Buffer.from("p")],
    ["bytes", Buffer.from([0xff])],
    ["twice", Buffer.from("first")],
    ["twice", Buffer.from("last")],
    ["", Buffer.from("nameless")],
  ] as const;
  const [record] = await delivered(batch(0, [{ value: "{}", headers }]));
  expect(new Map(Object.entries(record?.headers ?? {}))).toEqual(
    new Map([
      ["constructor", "c"],
      ["__proto__", "p"],
      ["bytes", "\uFFFD"],
      ["twice", "last"],
      ["", "nameless"],
    ]),
  );
});

test.each([
  ["of another magic", { magic: 1 }],
  ["said to be packed, and is not: gzip", { attributes: 1 }],
  ["said to be packed, and is not: snappy", { attributes: 2 }],
  ["said to be packed, and is not: lz4", { attributes: 3 }],
  ["said to be packed, and is not: zstd", { attributes: 4 }],
  ["cut off in the middle of a record", { body: rawRecord({ value: "whole" }, 0).subarray(0, 4) }],
  ["without the records that it counts", { body: Buffer.alloc(0) }],
])("a batch %s is one unreadable record at its last offset, and the next batch is read", async (_, made) => {
  expect(await summary(batch(0, [{ value: "before" }]), batch(1, [{}, {}, {}], made), batch(4, [{ value: "after" }]))).toEqual([
    [0, "before", undefined],
    [3, "", 3],
    [4, "after", undefined],
  ]);
});

test("the batch that the end of an answer cuts off is left for the next answer", async () => {
  const [first, second] = [batch(0, [{ value: "a" }]), batch(1, [{ value: "b" }])];
  for (let cut = 0; cut < second.length; cut++) expect(await summary(first, second.subarray(0, cut))).toEqual([[0, "a", undefined]]);
});

test("a batch of more records than a call takes arguments is read", async () => {
  const many = 200_000;
  const records = await readBatches(
    batch(
      0,
      Array.from({ length: many }, () => ({})),
    ),
  );
  expect([records.length, records.at(-1)?.offset]).toEqual([many, String(many - 1)]);
});
