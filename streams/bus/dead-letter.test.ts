import { expect, test } from "vitest";
import { deadLetterTopics, PoisonError, withDeadLetters } from "./dead-letter.ts";
import type { BusRecord, DeliveredRecord, PublishVerdict } from "./port.ts";

const delivered = (offset: bigint): DeliveredRecord => ({
  topic: "a.b.v2",
  partition: 3,
  offset,
  key: "k",
  value: Uint8Array.of(1),
  headers: {},
  timestampMs: 77,
});
const control = { heartbeat: () => Promise.resolve(), stopped: () => false };
const slice = { topic: "a.b.v2", partition: 3, records: [delivered(5n), delivered(6n)] };

function letterBox(verdict: PublishVerdict): {
  letters: BusRecord[];
  publish: (records: readonly BusRecord[]) => Promise<PublishVerdict[]>;
} {
  const letters: BusRecord[] = [];
  return {
    letters,
    publish: (records) => {
      letters.push(...records);
      return Promise.resolve(records.map(() => verdict));
    },
  };
}
const ok: PublishVerdict = { kind: "ok", partition: 0, offset: 0n };

test("each topic has its dead letters beside it", () => {
  expect(deadLetterTopics(["a.b.v2"])).toEqual([{ name: "a.b.dlq.v1", partitions: 1 }]);
});

test("a slice of nothing but poison ends with every record put aside and told of", async () => {
  const box = letterBox(ok);
  const told: bigint[] = [];
  const handler = withDeadLetters(
    box,
    { consumer: "c/1", onQuarantine: ({ record }) => Promise.resolve(void told.push(record.offset)) },
    ({ records }) => Promise.reject(new PoisonError(records[0] ?? delivered(0n), "bad")),
  );
  await handler(slice, control);
  expect([told, box.letters.map(({ headers }) => headers["dlq_offset"])]).toEqual([
    [5n, 6n],
    ["5", "6"],
  ]);
  expect(box.letters[0]).toMatchObject({ topic: "a.b.dlq.v1", headers: { dlq_partition: "3", dlq_timestamp_ms: "77", dlq_attempts: "1" } });
});

test("an ordinary failure passes: an outage is no reason to skip a record", async () => {
  const box = letterBox(ok);
  const handler = withDeadLetters(box, { consumer: "c/1" }, () => Promise.reject(new Error("payer away")));
  await expect(handler(slice, control)).rejects.toThrow("payer away");
  expect(box.letters).toEqual([]);
});

test("nothing is skipped while the dead letter cannot be written", async () => {
  const told: unknown[] = [];
  const handler = withDeadLetters(
    letterBox({ kind: "retryable", reason: "away" }),
    { consumer: "c/1", onQuarantine: () => Promise.resolve(void told.push(1)) },
    ({ records }) => Promise.reject(new PoisonError(records[0] ?? delivered(0n), "bad")),
  );
  await expect(handler(slice, control)).rejects.toThrow("no dead letter: away");
  expect(told).toEqual([]);
});

test("of a record too large for any letter a letter without content tells where it stands, and what follows goes on", async () => {
  const letters: BusRecord[] = [];
  const publish = (records: readonly BusRecord[]): Promise<PublishVerdict[]> => {
    letters.push(...records);
    return Promise.resolve(records.map((record) => (record.value.length > 0 ? { kind: "fatal", reason: "too large" } : ok)));
  };
  const handled: bigint[] = [];
  const handler = withDeadLetters({ publish }, { consumer: "c/1" }, ({ records }) => {
    const [first] = records;
    if (first?.offset === 5n) return Promise.reject(new PoisonError(first, "bad"));
    return Promise.resolve(void handled.push(...records.map(({ offset }) => offset)));
  });
  await handler(slice, control);
  expect(handled).toEqual([6n]);
  expect(letters.at(-1)).toMatchObject({
    topic: "a.b.dlq.v1",
    key: "k",
    headers: { dlq_offset: "5", dlq_error: "bad", dlq_value_bytes: "1" },
  });
  expect(letters.at(-1)?.value).toHaveLength(0);
});

test("a record that is good at the second try is not put aside", async () => {
  const box = letterBox(ok);
  let calls = 0;
  const handler = withDeadLetters(box, { consumer: "c/1", maxAttempts: 2 }, ({ records }) =>
    ++calls === 1 ? Promise.reject(new PoisonError(records[1] ?? delivered(0n), "odd")) : Promise.resolve(),
  );
  await handler(slice, control);
  expect([calls, box.letters.length]).toEqual([2, 0]);
});

test("a poison record of another slice is a bug, not a dead letter", async () => {
  const handler = withDeadLetters(letterBox(ok), { consumer: "c/1" }, () => Promise.reject(new PoisonError(delivered(9n), "bad")));
  await expect(handler(slice, control)).rejects.toThrow("not of this slice");
});

test("an error class is a name: no text that may quote a record gets into a header", () => {
  expect(() => new PoisonError(delivered(1n), "unexpected value 张三")).toThrow("short name");
});
