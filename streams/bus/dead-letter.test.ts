import { expect, test } from "vitest";
import { DeadLetters, deadLetterTopics } from "./dead-letter.ts";
import type { BusRecord, DeliveredRecord, Poison, PublishVerdict } from "./port.ts";

const delivered = (offset: bigint): DeliveredRecord => ({
  topic: "a.b.v2",
  partition: 3,
  offset,
  key: "k",
  value: Uint8Array.of(1),
  headers: {},
  timestampMs: 77,
});
const poison = (offset: bigint): Poison => ({ record: delivered(offset), errorClass: "notJson" });

class LetterBox {
  readonly publishes: BusRecord[][] = [];
  readonly #verdict: (record: BusRecord) => PublishVerdict;

  constructor(verdict: (record: BusRecord) => PublishVerdict) {
    this.#verdict = verdict;
  }

  publish(records: readonly BusRecord[]): Promise<PublishVerdict[]> {
    this.publishes.push([...records]);
    return Promise.resolve(records.map((record) => this.#verdict(record)));
  }
}
const ok: PublishVerdict = { kind: "ok", partition: 0, offset: 0n };
const offsetsOf = (letters: readonly BusRecord[] | undefined): unknown => letters?.map(({ headers }) => headers["dlq_offset"]);

test("each topic has its dead letters beside it", () => {
  expect(deadLetterTopics(["a.b.v2"])).toEqual([{ name: "a.b.dlq.v1", partitions: 1 }]);
});

test("a hundred poison records are one publish, in their order, and the log tells of them all", async () => {
  const box = new LetterBox(() => ok);
  const lines: unknown[] = [];
  const letters = new DeadLetters(box, { consumer: "c/1", log: (...line) => lines.push(line) });
  await letters.bury(Array.from({ length: 100 }, (_, at) => poison(BigInt(at))));
  expect(box.publishes).toHaveLength(1);
  expect(offsetsOf(box.publishes[0])).toEqual(Array.from({ length: 100 }, (_, at) => String(at)));
  expect(box.publishes[0]?.[0]).toMatchObject({
    topic: "a.b.dlq.v1",
    key: "k",
    headers: { dlq_partition: "3", dlq_timestamp_ms: "77", dlq_error: "notJson", dlq_consumer: "c/1" },
  });
  expect(lines).toHaveLength(1);
});

test("nothing to put aside publishes nothing", async () => {
  const box = new LetterBox(() => ok);
  await new DeadLetters(box, { consumer: "c/1" }).bury([]);
  expect(box.publishes).toEqual([]);
});

test("nothing counts as put aside while one letter of many cannot be written", async () => {
  const lines: unknown[] = [];
  const box = new LetterBox(({ headers }) => (headers["dlq_offset"] === "6" ? { kind: "retryable", reason: "away" } : ok));
  const letters = new DeadLetters(box, { consumer: "c/1", log: (...line) => lines.push(line) });
  await expect(letters.bury([poison(5n), poison(6n), poison(7n)])).rejects.toThrow("no dead letter: away");
  expect(lines).toEqual([]);
});

test("of records too large for any letter, letters without content tell where they stand", async () => {
  const box = new LetterBox(({ value, headers }) =>
    headers["dlq_offset"] !== "6" && value.length > 0 ? { kind: "fatal", reason: "large" } : ok,
  );
  await new DeadLetters(box, { consumer: "c/1" }).bury([poison(5n), poison(6n), poison(7n)]);
  expect(box.publishes.map(offsetsOf)).toEqual([
    ["5", "6", "7"],
    ["5", "7"],
  ]);
  for (const letter of box.publishes[1] ?? []) {
    expect(letter).toMatchObject({ key: "k", headers: { dlq_error: "notJson", dlq_value_bytes: "1" } });
    expect(letter.value).toHaveLength(0);
  }
});

test("what a record says in a letter's name is not in its letter: it can pretend no number, place or replay", async () => {
  const box = new LetterBox(() => ok);
  const headers = { dlq_records: "1000000", dlq_value_bytes: "1", dlq_replayed: "9", dlq_consumer: "core", ce_id: "e" };
  await new DeadLetters(box, { consumer: "c/1" }).bury([{ record: { ...delivered(5n), headers }, errorClass: "notJson" }]);
  expect(box.publishes[0]?.[0]?.headers).toEqual({
    ce_id: "e",
    dlq_topic: "a.b.v2",
    dlq_partition: "3",
    dlq_offset: "5",
    dlq_timestamp_ms: "77",
    dlq_error: "notJson",
    dlq_consumer: "c/1",
  });
});
