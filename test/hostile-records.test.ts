/**
 * Records of a client that is not ours on every topic: headers that are null, missing or given twice, no key, tombstones,
 * values huge, cut off or no text, every compression, batches that unpack to more than anybody takes. Every part lives,
 * and every record is accounted for. `TEST_HOSTILE_RECORDS` says how many there are on each.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OUTCOME_TOPICS } from "../core/protocol/ingest.ts";
import { SETTLEMENT_GROUP } from "../core/settlement/worker.ts";
import { DEAD_LETTER_HEADERS } from "../streams/bus/dead-letter.ts";
import { connectKafkaBus } from "../streams/bus/kafka.ts";
import type { EventBus } from "../streams/bus/port.ts";
import { startKafka } from "../streams/bus/testing/kafka.ts";
import { deadLetterTopic, TOPICS } from "../streams/contracts/topics.ts";
import { SHIPPED_RULES } from "../streams/fraud/rules/index.ts";
import { SUPERVISED_TOPICS } from "../streams/supervision/tally.ts";
import { type EdgeProcess, startEdge, untilReady } from "./harness/edges.ts";
import { temporaryFolder } from "./harness/folder.ts";
import { ronghe, serve, type Serving } from "./harness/process.ts";
import { type Province, startProvince } from "./harness/province.ts";
import { hostileClient, type Written, writeHostile } from "./hostile/client.ts";

/** A few that unpack to more than anybody takes come on top, for each topic. */
const BOMBS = 4;
const RECORDS = Number(process.env["TEST_HOSTILE_RECORDS"] ?? 10_000);
const REQUESTS = "settlement.request.submitted.v1";

const [client, kafka] = [hostileClient(), await startKafka()];
const skipped = "skipped" in client ? client.skipped : "skipped" in kafka ? kafka.skipped : undefined;
afterAll(async () => {
  if (!("skipped" in kafka)) await kafka.stop();
});

/** Who must have put aside what of which topics. */
const READERS = [
  { consumer: SETTLEMENT_GROUP, topics: [REQUESTS] },
  { consumer: "fraud/1", topics: [...new Set(SHIPPED_RULES.flatMap(({ inputs }) => Object.keys(inputs)))] },
  { consumer: "supervision/1", topics: SUPERVISED_TOPICS },
];

/** Records that `consumer` has put aside of a topic; a letter may stand for a whole batch. */
async function putAside(bus: EventBus, topic: string, consumer: string): Promise<number> {
  const seen = new Map<string, number>();
  for (let from = 0n; ;) {
    const letters = await bus.read(deadLetterTopic(topic), 0, from, 500);
    const last = letters.at(-1);
    if (last === undefined) return [...seen.values()].reduce((sum, records) => sum + records, 0);
    for (const { headers } of letters)
      if (headers[DEAD_LETTER_HEADERS.consumer] === consumer) {
        const place = `${headers[DEAD_LETTER_HEADERS.partition]}/${headers[DEAD_LETTER_HEADERS.offset]}`;
        seen.set(place, Number(headers[DEAD_LETTER_HEADERS.records] ?? 1));
      }
    from = last.offset + 1n;
  }
}

describe.skipIf(skipped !== undefined)(`${RECORDS} hostile records on every topic${skipped === undefined ? "" : `: ${skipped}`}`, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let province: Province;
  let edge: EdgeProcess;
  let streams: Serving;
  let bus: EventBus;
  let written: Written;
  let settings: Readonly<Record<string, string>>;
  let serial = 0;

  beforeAll(async () => {
    if ("skipped" in client || "skipped" in kafka) return;
    folder = await temporaryFolder();
    settings = { RONGHE_DATA: folder.path, RONGHE_LOG: "off", RONGHE_BUS: "kafka", RONGHE_KAFKA_BROKERS: kafka.brokers.join(",") };
    province = await startProvince(folder.path, kafka.brokers, 1);
    edge = await startEdge("Node", await province.edgeSettings(1));
    streams = await serve(["streams"], settings);
    await untilReady(edge);
    bus = await connectKafkaBus({ brokers: kafka.brokers, clientId: "counts" });
    written = await writeHostile(client.python, kafka.brokers, RECORDS, Object.keys(TOPICS));
  });
  afterAll(async () => {
    await bus?.close();
    expect(await streams?.stop()).toBe(0);
    expect(await edge?.stop()).toBe(0);
    await province?.stop();
    await folder?.[Symbol.asyncDispose]();
  });

  const leftOut = async (): Promise<string | undefined> =>
    /^ronghe_edge_outcomes_left_out (\d+)$/m.exec(await (await fetch(`${edge.url}/metrics`)).text())?.[1];
  const settles = async (): Promise<void> => {
    const desk = province.desk(edge, 0);
    const bill = {
      ...desk.scene,
      outTradeNo: `hostile-${++serial}`,
      code: await province.code(serial),
      amount: "12.30",
      waitSeconds: "30",
    };
    expect(await desk.client.settle(bill)).toMatchObject({ ok: true, value: { status: "settled" } });
  };

  it("are all taken by the broker", () => {
    expect(written.refused).toEqual([]);
    expect(Object.keys(written.taken)).toEqual(Object.keys(TOPICS));
    for (const count of Object.values(written.taken)) expect(count).toBe(RECORDS + BOMBS);
  });

  it("are each a dead letter of everyone who reads the topic, and none is lost", async () => {
    for (const { consumer, topics } of READERS)
      for (const topic of topics) {
        const expected = written.taken[topic] ?? 0;
        // Whoever has died puts nothing more aside: then the test's own time ends it.
        while ((await putAside(bus, topic, consumer)) < expected && streams.child.exitCode === null) await sleep(200);
        expect([consumer, topic, await putAside(bus, topic, consumer)]).toEqual([consumer, topic, expected]);
      }
  });

  it("are left out by the edge that reads outcomes, which counts each", async () => {
    const expected = OUTCOME_TOPICS.reduce((sum, topic) => sum + (written.taken[topic] ?? 0), 0);
    // An edge that died refuses the question.
    while (Number(await leftOut()) < expected) await sleep(200);
    expect(await leftOut()).toBe(String(expected));
  });

  it("keep nobody from settling, neither now nor after every part has started again", async () => {
    await settles();
    await province.coreDown();
    await edge.kill9();
    await streams.kill9();
    await province.coreUp();
    await edge.start();
    streams = await serve(["streams"], settings);
    await untilReady(edge);
    await settles();
    expect(streams.child.exitCode).toBeNull();
  });

  it("are shown by `ronghe tail`, line by line", async () => {
    const { code, stdout, stderr } = await ronghe(["tail", REQUESTS, "--limit", "100"], settings);
    expect([code, stderr]).toEqual([0, ""]);
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as object),
    ).toHaveLength(100);
  });
});
