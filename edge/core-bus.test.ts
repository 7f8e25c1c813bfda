import { describe, expect, it } from "vitest";
import type { IngestRequest, OutcomesRequest } from "../core/protocol/ingest.ts";
import type { BusRecord, Slice } from "../streams/bus/port.ts";
import type { CoreCall } from "./app/core-calls.ts";
import { createCoreBus } from "./core-bus.ts";

const record = (id: string, bytes = 1): BusRecord => ({
  topic: "code.scan.observed.v1",
  key: "H1",
  headers: { ce_id: id },
  value: new Uint8Array(bytes),
});
type Answer = Awaited<ReturnType<CoreCall>>;

/** A core that answers batches as told; what it was asked. */
function coreSaying(answer: (ids: readonly string[], call: number) => Answer): {
  bus: ReturnType<typeof createCoreBus>;
  calls: string[][];
} {
  const calls: string[][] = [];
  const bus = createCoreBus((_method, _path, content) => {
    const ids = (content as IngestRequest).records.map(({ headers }) => headers["ce_id"] ?? "");
    calls.push(ids);
    return Promise.resolve(answer(ids, calls.length));
  });
  return { bus, calls };
}
const verdicts = (...words: string[]): Answer => ({ status: 200, json: { ok: true, verdicts: words } });
const kinds = async (published: Promise<readonly { kind: string }[]>): Promise<string[]> => (await published).map(({ kind }) => kind);

describe("handing over to the core", () => {
  it("says of each record what the core said", async () => {
    const { bus } = coreSaying(() => verdicts("stored", "institutionRefused", "later"));
    const published = await bus.publish([record("1"), record("2"), record("3")]);
    expect(published.map(({ kind }) => kind)).toEqual(["ok", "fatal", "retryable"]);
    expect(published[1]).toMatchObject({ reason: expect.stringContaining("institutionRefused") });
  });

  it("sends 500 records or half a mebibyte at a time, and nothing behind a batch that was not taken", async () => {
    const all = coreSaying((ids) => verdicts(...ids.map(() => "stored")));
    await all.bus.publish(Array.from({ length: 1_100 }, (_, n) => record(String(n))));
    expect(all.calls.map((ids) => ids.length)).toEqual([500, 500, 100]);
    const large = coreSaying((ids) => verdicts(...ids.map(() => "stored")));
    await large.bus.publish(Array.from({ length: 9 }, (_, n) => record(String(n), 100_000)));
    expect(large.calls.map((ids) => ids.length)).toEqual([5, 4]);
    const away = coreSaying(() => undefined);
    expect(await kinds(away.bus.publish(Array.from({ length: 600 }, (_, n) => record(String(n)))))).toEqual(
      Array.from({ length: 600 }, () => "retryable"),
    );
    expect(away.calls).toHaveLength(1);
  });

  const unclear: [string, Answer][] = [
    ["does not answer", undefined],
    ["answers 401", { status: 401, json: {} }],
    ["answers 503", { status: 503, json: {} }],
    ["gives another number of verdicts", verdicts("stored")],
    ["gives a word of a newer version", verdicts("stored", "sent")],
  ];
  it.each(unclear)("keeps everything when the core %s", async (_what, answer) => {
    const { bus } = coreSaying(() => answer);
    expect(await kinds(bus.publish([record("1"), record("2")]))).toEqual(["retryable", "retryable"]);
  });

  it("finds the record that the core cannot read, and sets only that one aside", async () => {
    const { bus, calls } = coreSaying((ids) => (ids.includes("2") ? { status: 400, json: {} } : verdicts(...ids.map(() => "stored"))));
    expect(await kinds(bus.publish([record("1"), record("2"), record("3")]))).toEqual(["ok", "fatal", "ok"]);
    expect(calls).toEqual([["1", "2", "3"], ["1"], ["2"], ["3"]]);
  });
});

describe("asking the core for outcomes", () => {
  const topic = "settlement.claim.settled.v1";
  const outcome = (offset: string) => ({ topic, partition: 0, offset, key: "H1", headers: {}, value: "AA==", timestampMs: 1 });
  const reply = (next: string, ...records: object[]): Answer => ({
    status: 200,
    json: { ok: true, records, positions: [{ topic, partition: 0, next }] },
  });

  it("goes on from the subscriber's own offset, and repeats what was not kept", async () => {
    const asked: string[] = [];
    const bus = createCoreBus((_method, _path, content, limits) => {
      const { positions, recordsMax } = content as OutcomesRequest;
      if (recordsMax === 0) return Promise.resolve(reply("0"));
      const next = positions[0]?.next ?? "";
      asked.push(next);
      if (next === "7") return Promise.resolve(reply("8", outcome("7")));
      return new Promise((resolve) => limits?.signal?.addEventListener("abort", () => resolve(undefined)));
    });
    const slices: Slice[] = [];
    let failures = 1;
    const kept = Promise.withResolvers<void>();
    const consumer = await bus.consume({ group: "e", topics: [topic], position: () => Promise.resolve(7n) }, (slice) => {
      if (failures-- > 0) return Promise.reject(new Error("disk full"));
      slices.push(slice);
      kept.resolve();
      return Promise.resolve();
    });
    await kept.promise;
    await consumer.stop();
    expect(slices.map(({ records }) => records.map(({ offset }) => offset))).toEqual([[7n]]);
    expect(asked.slice(0, 2)).toEqual(["7", "7"]);
  });

  it("comes up without the core, and waits for it", async () => {
    let tries = 0;
    const back = Promise.withResolvers<void>();
    const bus = createCoreBus((_method, _path, content) => {
      if (++tries < 3) return Promise.resolve(undefined);
      if ((content as OutcomesRequest).recordsMax === 0) return Promise.resolve(reply("0"));
      return Promise.resolve(reply("1", outcome("0")));
    });
    const consumer = await bus.consume({ group: "e", topics: [topic] }, () => {
      back.resolve();
      return Promise.resolve();
    });
    await back.promise;
    await consumer.stop();
    expect(tries).toBeGreaterThan(2);
  });

  it("ends when it has read further than the topic reaches", async () => {
    const bus = createCoreBus(() => Promise.resolve({ status: 409, json: { ok: false, error: "positionAhead" } }));
    const consumer = await bus.consume({ group: "e", topics: [topic] }, () => Promise.resolve());
    await expect(consumer.crashed).rejects.toThrow("further than their topics reach");
    await bus.close();
  });

  it("gives no other topic", async () => {
    const bus = createCoreBus(() => Promise.resolve(undefined));
    await expect(bus.consume({ group: "e", topics: ["settlement.request.submitted.v1"] }, () => Promise.resolve())).rejects.toThrow(
      "no settlement.request",
    );
  });
});
