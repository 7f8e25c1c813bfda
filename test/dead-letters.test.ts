/** `ronghe bus dead-letters` on both buses: what was put aside is listed, shown without content, and put back once. */
import { mkdir } from "node:fs/promises";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { layoutOf } from "../cli/platform/layout.ts";
import { loadCrypto } from "../core/crypto/index.ts";
import type { EventMs } from "../core/protocol/time.ts";
import { type Database, openDatabase } from "../migrations/database.ts";
import { DEAD_LETTER_HEADERS } from "../streams/bus/dead-letter.ts";
import { openEmbeddedBus } from "../streams/bus/embedded.ts";
import { connectKafkaBus } from "../streams/bus/kafka.ts";
import { markerOf } from "../streams/bus/letters.ts";
import type { BusRecord, DeliveredRecord, EventBus } from "../streams/bus/port.ts";
import { startKafka } from "../streams/bus/testing/kafka.ts";
import { encodeEvent, topicPlan } from "../streams/contracts/codec.ts";
import { deadLetterTopic } from "../streams/contracts/topics.ts";
import { startFraud } from "../streams/fraud/service.ts";
import { temporaryFolder } from "./harness/folder.ts";
import { type Ended, ronghe } from "./harness/process.ts";

const crypto = await loadCrypto();
const kafka = await startKafka();
const TOPIC = "code.scan.observed.v1";
const MINUTE_MS = 60_000;
const ID_NUMBER = "510104199003071234";

const scan = (id: string): BusRecord => {
  const atMs = Date.now();
  const data = { institution: "H51010400001", terminal: "T1", businessType: "01301", step: "verify", codeKind: "unreadable" } as const;
  const head = { id, type: TOPIC, source: "/ronghe/edge/e1", timeMs: atMs, key: "H51010400001" } as const;
  return encodeEvent({ ...head, data: { ...data, outcome: "accepted", observedBy: "edge", atMs } });
};
const standing = async (bus: EventBus): Promise<readonly DeliveredRecord[]> => {
  const ends = await bus.endOffsets(TOPIC);
  return (await Promise.all(ends.map((_, partition) => bus.read(TOPIC, partition, 0n, 100)))).flat();
};

afterAll(async () => {
  if (!("skipped" in kafka)) await kafka.stop();
});

/** A busy broker refuses some for now. */
async function publishAll(bus: EventBus, records: readonly BusRecord[]): Promise<void> {
  let left = records;
  await expect
    .poll(async () => {
      const verdicts = await bus.publish(left);
      left = left.filter((_, at) => verdicts[at]?.kind !== "ok");
      return left.length;
    })
    .toBe(0);
}

describe.each(["embedded", "kafka"] as const)("dead letters on the %s bus", (kind) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let db: Database;
  let settings: Readonly<Record<string, string>>;

  beforeEach(async (context) => {
    if (kind === "kafka" && "skipped" in kafka) context.skip(kafka.skipped);
    folder = await temporaryFolder();
    const brokers = "skipped" in kafka ? "" : kafka.brokers.join(",");
    settings = { RONGHE_DATA: folder.path, RONGHE_BUS: kind, ...(kind === "kafka" ? { RONGHE_KAFKA_BROKERS: brokers } : {}) };
    const layout = layoutOf(folder.path);
    await mkdir(layout.core.folder, { recursive: true });
    await mkdir(layout.streams.folder, { recursive: true });
    db = await openDatabase({ kind: "streams", file: layout.streams.database });
  });
  afterEach(async () => {
    await db?.close();
    await folder?.[Symbol.asyncDispose]();
  });

  /** Closed afterwards: the command line is another process. */
  async function onBus<T>(work: (bus: EventBus) => Promise<T>): Promise<T> {
    const bus =
      kind === "embedded"
        ? await openEmbeddedBus({ file: layoutOf(folder.path).bus, clock: { now: () => Date.now() } })
        : await connectKafkaBus({ brokers: "skipped" in kafka ? [] : kafka.brokers, clientId: "test" });
    try {
      await bus.ensureTopics(topicPlan(2));
      return await work(bus);
    } finally {
      await bus.close();
    }
  }
  const judge = async (bus: EventBus, behindMs: number): Promise<void> => {
    const fraud = await startFraud({ bus, db, crypto, clock: { now: () => (Date.now() - behindMs) as EventMs } });
    await fraud.drained();
    await fraud.stop();
  };
  const replay = async (...more: string[]): Promise<Ended> =>
    await ronghe(["bus", "dead-letters", "replay", "--topic", TOPIC, "--lang", "en", ...more], settings);
  const idsOf = async (): Promise<readonly (string | undefined)[]> =>
    (await onBus(standing)).map(({ headers }) => headers["ce_id"]).filter((id) => id?.startsWith(folder.path) === true);

  it("are listed, shown without content, put back once when they are good by now, and then judged", async () => {
    const id = `${folder.path}/honest`;
    const spoilt = { ...scan(`${folder.path}/spoilt`), value: Buffer.from(`{"name":"张三","id":"${ID_NUMBER}"\u001b[2J`) };
    const strange = { ...spoilt, headers: { ...spoilt.headers, [ID_NUMBER]: ID_NUMBER, ce_id: `${folder.path}/x${ID_NUMBER}` } };
    await onBus(async (bus) => {
      await publishAll(bus, [scan(id), spoilt, strange]);
      // A host whose clock is 15 minutes slow takes every honest event for one from the future.
      await judge(bus, 15 * MINUTE_MS);
    });

    const listed = await ronghe(["bus", "dead-letters", "list", "--topic", TOPIC, "--json"], settings);
    const { deadLetters } = JSON.parse(listed.stdout) as { deadLetters: Record<string, unknown>[] };
    const groupOf = (reason: string): Record<string, unknown> | undefined => deadLetters.find((group) => group["reason"] === reason);
    expect(groupOf("timeAhead")).toMatchObject({ topic: TOPIC, consumer: "fraud/1", records: 1, replayed: 0 });
    expect(groupOf("notJson")).toMatchObject({ records: 2 });
    const table = await ronghe(["bus", "dead-letters", "list", "--topic", TOPIC], settings);
    expect([table.code, table.stdout.includes("死信")]).toEqual([0, true]);

    for (const reason of ["timeAhead", "notJson"]) {
      const name = String(groupOf(reason)?.["firstLetter"]);
      const nth = name.split("/").at(-1);
      for (const more of [["--json"], []]) {
        const shown = await ronghe(["bus", "dead-letters", "show", name, ...more], settings);
        expect([shown.code, shown.stderr, shown.stdout.includes("H51010400001")]).toEqual([0, "", true]);
        expect(shown.stdout).not.toContain("张三");
      }
      const second = await ronghe(["bus", "dead-letters", "show", `${TOPIC}/${Number(nth) + 1}`], settings);
      expect(second.stdout).not.toMatch(new RegExp(`${ID_NUMBER}|\u001b`, "u"));
    }

    const before = (await onBus(standing)).find(({ headers }) => headers["ce_id"] === id);
    expect(await replay("--reason", "timeAhead")).toMatchObject({ code: 0, stdout: expect.stringContaining("1 replayed") as string });
    const again = (await onBus(standing)).filter(({ headers }) => headers["ce_id"] === id);
    expect(again).toHaveLength(2);
    for (const { key, partition, headers, value } of again)
      expect({ key, partition, headers, value }).toEqual({
        key: before?.key,
        partition: before?.partition,
        headers: before?.headers,
        value: before?.value,
      });

    const counted = (await idsOf()).length;
    expect(await replay("--reason", "timeAhead")).toMatchObject({ code: 0, stdout: "nothing to replay; 1 were replayed before\n" });
    const all = await replay();
    expect([all.code, all.stdout]).toEqual([1, expect.stringMatching(/not replayed: notJson[\s\S]*1 replayed before, 2 still of no use/)]);
    expect((await idsOf()).length).toBe(counted);

    await onBus((bus) => judge(bus, 0));
    expect(await db.read("SELECT status, count(*) AS n FROM fraud_journal GROUP BY status ORDER BY status")).toEqual([
      { status: "quarantined", n: 3n },
      { status: "taken", n: 1n },
    ]);
  });

  it("that somebody invented put nothing on a topic, and an invented marker keeps nothing back", async () => {
    const id = `${folder.path}/real`;
    const letters = deadLetterTopic(TOPIC);
    await onBus(async (bus) => {
      const [verdict] = await bus.publish([scan(id)]);
      if (verdict?.kind !== "ok") throw new Error("not published");
      const place = { topic: TOPIC, partition: verdict.partition, offset: verdict.offset };
      const letterAt = (offset: bigint, value: Uint8Array): BusRecord => ({
        ...scan(`${folder.path}/invented`),
        topic: letters,
        value,
        headers: {
          ...scan(`${folder.path}/invented`).headers,
          [DEAD_LETTER_HEADERS.topic]: TOPIC,
          [DEAD_LETTER_HEADERS.partition]: String(place.partition),
          [DEAD_LETTER_HEADERS.offset]: String(offset),
          [DEAD_LETTER_HEADERS.error]: "originForged",
          [DEAD_LETTER_HEADERS.consumer]: "somebody",
        },
      });
      const { value } = scan(`${folder.path}/invented`);
      const nonsense = { topic: letters, key: "k", value: Buffer.from("no letter"), headers: {} };
      await bus.publish([letterAt(place.offset, value), letterAt(999_999n, value), nonsense, markerOf(place, "k", place.offset)]);
    });
    const replayed = await replay("--reason", "originForged");
    expect(replayed.stdout).toMatch(/now at[\s\S]*999999 not replayed: recordGone[\s\S]*1 replayed, 0 replayed before, 1 still of no use/);
    expect(await idsOf()).toEqual([id, id]);
    expect((await replay("--reason", "originForged")).stdout).toContain("1 replayed before");
    expect(await idsOf()).toEqual([id, id]);
  });

  it("are refused in one line when the topic or the letter is none", async () => {
    await onBus(() => Promise.resolve());
    for (const args of [
      ["list", "--topic", "no.such.v1"],
      ["show", `${TOPIC}/99999`],
      ["show", "nonsense"],
      ["replay", "--topic", "no.such.v1"],
    ]) {
      const { code, stderr } = await ronghe(["bus", "dead-letters", ...args], settings);
      expect([args, code, stderr.trim().split("\n").length]).toEqual([args, 2, 1]);
    }
  });
});
