import * as fc from "fast-check";
import { Partitioners } from "kafkajs";
import { expect, test } from "vitest";
import { murmur2, partitionOf } from "./partition.ts";

const kafkajs = Partitioners.DefaultPartitioner();
const partitionMetadata = (count: number) =>
  Array.from({ length: count }, (_, partitionId) => ({ partitionId, leader: 1, partitionErrorCode: 0, replicas: [], isr: [] }));

test("any key lands where kafkajs's default partitioner puts it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 80 }), fc.integer({ min: 1, max: 64 }), (key, count) => {
      const theirs = kafkajs({ topic: "t", partitionMetadata: partitionMetadata(count), message: { key, value: null } });
      expect(partitionOf(key, count)).toBe(theirs);
    }),
    { numRuns: 2_000 },
  );
});

// From Kafka's own UtilsTest.testMurmur2.
test.each([
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["a-little-bit-longer-string", -1486304829],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
])("murmur2 of %s is what Kafka says", (text, hash) => {
  expect(murmur2(new TextEncoder().encode(text))).toBe(hash);
});

test("a key that is part of a larger buffer hashes by its own bytes", () => {
  const bytes = new TextEncoder().encode("xxfoobarxx");
  expect(murmur2(bytes.subarray(2, 8))).toBe(-790332482);
});
