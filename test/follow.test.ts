/** `ronghe ledger follow` over both buses: a sound log is followed to its end, and the first defect ends it by its name. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FollowFile } from "../cli/commands/follow-file.ts";
import { startLedgerPublisher } from "../core/ledger-publisher.ts";
import { systemClock } from "../core/protocol/time.ts";
import { AT, crypto, ORIGIN, TestPlatform, testSigner } from "../ledger/testing/platform.ts";
import { printPolicy } from "../ledger/verifier/policy.ts";
import { openDatabase } from "../migrations/database.ts";
import { openEmbeddedBus } from "../streams/bus/embedded.ts";
import { connectKafkaBus } from "../streams/bus/kafka.ts";
import type { BusRecord, DeliveredRecord, EventBus } from "../streams/bus/port.ts";
import { startKafka } from "../streams/bus/testing/kafka.ts";
import { topicPlan } from "../streams/contracts/codec.ts";
import { temporaryFolder } from "./harness/folder.ts";
import { type Ended, launch, ronghe } from "./harness/process.ts";

// Each test starts whole processes: a busy machine takes its time.

const ENTRIES = "ledger.entry.appended.v1";
const CHECKPOINTS = "ledger.checkpoint.published.v1";
const REQUESTS = "settlement.request.submitted.v1";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let platform: TestPlatform;
let policy: string;
/** What a sound log puts on the bus, in its order. */
let sound: { readonly entries: readonly BusRecord[]; readonly checkpoints: readonly BusRecord[] };

/** The request that entry `n` says it came from, so that its hash is the one in the entry. */
const request = (n: number): BusRecord => ({ topic: REQUESTS, key: "H1", partition: 0, headers: {}, value: Uint8Array.of(n & 255) });

beforeAll(async () => {
  folder = await temporaryFolder();
  policy = join(folder.path, "policy.txt");
  await writeFile(policy, printPolicy([{ ...testSigner().trusted, origins: [ORIGIN] }]));
  platform = await TestPlatform.create();
  const bus = await openEmbeddedBus({ file: join(folder.path, "sound.db"), clock: systemClock });
  await bus.ensureTopics(topicPlan(1));
  for (let n = 0; n < 3; n++) {
    await platform.append(4);
    await platform.log.checkpoint(AT);
    await published(bus);
  }
  const read = async (topic: string): Promise<readonly BusRecord[]> => (await bus.read(topic, 0, 0n, 1_000)).map(plain);
  sound = { entries: await read(ENTRIES), checkpoints: await read(CHECKPOINTS) };
  expect([sound.entries.length, sound.checkpoints.length]).toEqual([12, 3]);
  await bus.close();
});
afterAll(async () => {
  await platform.close();
  await folder[Symbol.asyncDispose]();
});

/** What the log has and did not publish yet. */
async function published(bus: EventBus): Promise<void> {
  const { db, log } = platform;
  const publisher = await startLedgerPublisher({ crypto, db, log, bus, partition: 0, clock: systemClock, gatherMs: 1 });
  await publisher.drained();
  await publisher.stop();
}

function plain({ topic, key, value, headers, partition }: DeliveredRecord): BusRecord {
  return { topic, key, value, headers, partition };
}

/** Still a leaf: one bit of its last commitment is another. */
function flipped(value: Uint8Array): Uint8Array {
  return value.with(value.length - 5, (value[value.length - 5] ?? 0) ^ 1);
}

function changed(at: number, change: (record: BusRecord) => Partial<BusRecord>): readonly BusRecord[] {
  return sound.entries.map((record, n) => (n === at ? { ...record, ...change(record) } : record));
}

function swapped(): readonly BusRecord[] {
  const [a, b] = [sound.entries[5], sound.entries[6]];
  if (a === undefined || b === undefined) throw new Error("twelve entries");
  return sound.entries.with(5, b).with(6, a);
}

let counter = 0;
/** A data folder whose bus holds these records. */
async function withBus(records: readonly BusRecord[]): Promise<{ readonly data: string; add(more: readonly BusRecord[]): Promise<void> }> {
  const data = join(folder.path, `bus-${counter++}`);
  await mkdir(data);
  const add = async (more: readonly BusRecord[]): Promise<void> => {
    const bus = await openEmbeddedBus({ file: join(data, "bus.db"), clock: systemClock });
    await bus.ensureTopics(topicPlan(1));
    await publishAll(bus, more);
    await bus.close();
  };
  await add(records);
  return { data, add };
}

/** Every partition of a bus counts anew. */
async function emptied(data: string): Promise<void> {
  const file = await openDatabase({ kind: "bus", file: join(data, "bus.db") });
  await file.write([{ sql: "DELETE FROM record", args: [] }]);
  await file.close();
}

async function publishAll(bus: EventBus, records: readonly BusRecord[]): Promise<void> {
  const verdicts = await bus.publish(records);
  expect(verdicts.filter(({ kind }) => kind !== "ok")).toEqual([]);
}

async function follow(data: string, ...more: readonly string[]): Promise<Ended & { readonly report: Record<string, unknown> }> {
  const ended = await ronghe(["ledger", "follow", "--data", data, "--policy", policy, "--once", "--json", ...more]);
  return { ...ended, report: JSON.parse(ended.stdout.trim().split("\n").at(-1) || "{}") as Record<string, unknown> };
}

describe("a log on the embedded bus", () => {
  it("is followed to its end, and later from where it was left", async () => {
    const state = join(folder.path, "state.json");
    const requests = Array.from({ length: 12 }, (_, n) => request(n));
    const [first, second] = [sound.entries.slice(0, 4), sound.entries.slice(4)];
    const bus = await withBus([...requests, ...first, ...sound.checkpoints.slice(0, 1)]);
    const begun = await follow(bus.data, "--state", state, "--requests");
    expect(begun.code, begun.stderr).toBe(0);
    expect(begun.report).toMatchObject({
      logs: [{ origin: ORIGIN, size: 4, entries: 4, checkpoints: 1 }],
      provenance: { requests: 4, requestsMissing: 0 },
    });
    await bus.add([...second, ...sound.checkpoints.slice(1)]);
    const ended = await follow(bus.data, "--state", state, "--entries");
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.report).toMatchObject({ ok: true, logs: [{ size: 12, entries: 12, duplicates: 0, checkpoints: 3, uncovered: 0 }] });
    // Both ways: where each entry stands on the bus, and which record it came from.
    const lines = ended.stdout
      .trim()
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { index: string; at: object; from: object });
    expect(lines.map(({ index }) => index)).toEqual(["4", "5", "6", "7", "8", "9", "10", "11"]);
    expect(lines[0]).toMatchObject({
      at: { topic: ENTRIES, partition: 0, offset: "4" },
      from: { topic: REQUESTS, partition: 0, offset: "4", recordHash: Buffer.from(crypto.sm3(Uint8Array.of(4))).toString("hex") },
    });
    expect(JSON.parse(await readFile(state, "utf8"))).toMatchObject({ format: "ronghe-follow/2", behind: [] });
    await writeFile(state, "{}");
    expect((await follow(bus.data, "--state", state)).code).toBe(2);
    expect((await follow(bus.data, "--state", state, "--from", "beginning")).code).toBe(0);
  });

  it("a state that is almost right is refused in one line, and left as it is", async () => {
    const state = join(folder.path, "almost.json");
    const { data } = await withBus([...sound.entries, ...sound.checkpoints.slice(0, 2)]);
    expect((await follow(data, "--state", state, "--wait", "0")).report).toMatchObject({ defect: { name: "uncovered" } });
    const kept = JSON.parse(await readFile(state, "utf8")) as FollowFile;
    const { [ORIGIN]: log } = kept.logs;
    if (log === undefined) throw new Error("the log was followed");
    const almost: readonly (readonly [string, object])[] = [
      ["a size with a fraction", { base: { ...log.base, size: 1.5 } }],
      ["a size below nothing", { base: { ...log.base, size: -1 } }],
      ["a peak too few", { base: { ...log.base, peaks: log.base.peaks.slice(1) } }],
      ["no newest entry", { last: undefined }],
      ["more under the quorum than came", { accepted: "99999" }],
      ["a size that is no number", { accepted: "8 " }],
      ["a checkpoint waited for that is over less", { waiting: [{ size: "3", root: "00".repeat(32), hasQuorum: true }] }],
      ["a count below nothing", { counts: { ...log.counts, reissued: -3 } }],
      ["a member that nobody knows", { checkpoint: {} }],
    ];
    for (const [what, change] of almost) {
      const text = JSON.stringify({ ...kept, logs: { [ORIGIN]: { ...log, ...change } } });
      await writeFile(state, text);
      const refused = await follow(data, "--state", state);
      expect([refused.code, refused.stderr], what).toEqual([
        2,
        `ronghe: ${state} is not a state of \`ledger follow\`; --from beginning starts anew\n`,
      ]);
      expect(await readFile(state, "utf8")).toBe(text);
    }
  });

  const table: readonly (readonly [string, string, () => readonly BusRecord[], string?])[] = [
    ["an entry left out", "streamGap", () => [...sound.entries.toSpliced(5, 1), ...sound.checkpoints]],
    ["two entries swapped", "streamReordered", () => [...swapped(), ...sound.checkpoints]],
    ["an entry changed", "leafChain", () => [...changed(5, ({ value }) => ({ value: flipped(value) })), ...sound.checkpoints]],
    ["the last entry changed", "checkpointRoot", () => [...changed(11, ({ value }) => ({ value: flipped(value) })), ...sound.checkpoints]],
    ["the tail cut off", "truncated", () => [...sound.entries.slice(0, 10), ...sound.checkpoints]],
    ["the newest checkpoint left out", "uncovered", () => [...sound.entries, ...sound.checkpoints.slice(0, 2)]],
    [
      "an entry under another name",
      "streamHeader",
      () => [...changed(3, ({ headers }) => ({ headers: { ...headers, ce_ledgerseq: "4" } })), ...sound.checkpoints],
    ],
    ["bytes that are no entry", "leafMalformed", () => [...changed(3, () => ({ value: Uint8Array.of(1, 2, 3) })), ...sound.checkpoints]],
    ["nothing of a log that the policy names", "logMissing", () => []],
    [
      "a request that is another one",
      "provenanceMismatch",
      () => [request(0), request(99), ...sound.entries, ...sound.checkpoints],
      "--requests",
    ],
  ];
  it.each(table.map(([what, name, records, option]) => ({ what, name, records, option })))(
    "$what: $name",
    async ({ name, records, option }) => {
      const { data } = await withBus(records());
      const ended = await follow(data, "--wait", "0", ...(option === undefined ? [] : [option]));
      expect(ended.code).toBe(1);
      expect(ended.report).toMatchObject({ ok: false, defect: { name, origin: ORIGIN } });
      expect(ended.stderr).toContain(`DEFECT ${name}`);
    },
  );

  it("repeats of the same records are counted, and no defect", async () => {
    const repeated = [...sound.entries.slice(0, 6), ...sound.entries.slice(2), ...sound.checkpoints, ...sound.checkpoints];
    const { data } = await withBus(repeated);
    const ended = await follow(data);
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.report).toMatchObject({ logs: [{ entries: 12, duplicates: 4, checkpoints: 3, reissued: 3 }] });
  });
});

/** A state of the whole log, and a bus that was put back with other records. */
async function putBack(records: readonly BusRecord[]) {
  const bus = await withBus([...sound.entries, ...sound.checkpoints]);
  const state = ["--state", join(folder.path, `anew-${counter}.json`), "--wait", "0"];
  expect((await follow(bus.data, ...state)).report).toMatchObject({ ok: true, anew: [], logs: [{ size: 12 }] });
  await emptied(bus.data);
  await bus.add(records);
  return { ...bus, state };
}

describe("a topic that counts its offsets anew", () => {
  const anew = { topic: ENTRIES, partition: 0, offset: "12" };
  const both = [{ topic: CHECKPOINTS, partition: 0, offset: "3" }, anew];

  it("is cut until the newest entry that was read of it comes again: the next run says so, and the one after it", async () => {
    const { data, add, state } = await putBack([...sound.entries.slice(0, 8), ...sound.checkpoints]);
    const cut = await follow(data, ...state);
    expect(cut.code).toBe(1);
    expect(cut.report).toMatchObject({ ok: false, defect: { name: "truncated", origin: ORIGIN }, anew: [anew] });
    expect(cut.stderr).toContain(`${ENTRIES}/0 counts its offsets anew`);
    expect((await follow(data, ...state)).report).toMatchObject({ ok: false, defect: { name: "truncated" }, anew: [] });
    await add(sound.entries.slice(8));
    const whole = await follow(data, ...state);
    expect(whole.code, whole.stderr).toBe(0);
    expect(whole.report).toMatchObject({ ok: true, anew: [], logs: [{ size: 12, entries: 12, uncovered: 0 }] });
  });

  it("is noticed although it is longer by now, by the record that was read last", async () => {
    const { data, state } = await putBack([request(1), request(2)].map((record) => ({ ...record, topic: ENTRIES })).concat(sound.entries));
    const ended = await follow(data, ...state);
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.report).toMatchObject({ ok: true, anew: both, logs: [{ size: 12, duplicates: 12 }], leftOut: { records: 2 } });
  });

  it("goes on from what was read when only what comes now is there", async () => {
    const { data, state } = await putBack([]);
    expect((await follow(data, ...state)).report).toMatchObject({ ok: false, defect: { name: "truncated" } });
    await platform.append(1);
    await platform.log.checkpoint(AT);
    const bus = await openEmbeddedBus({ file: join(data, "bus.db"), clock: systemClock });
    await published(bus);
    await bus.close();
    const ended = await follow(data, ...state);
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.report).toMatchObject({ ok: true, logs: [{ size: 13, entries: 13, uncovered: 0 }] });
  });

  it("while it is followed is read from its first record, entries that wait for a checkpoint too", async () => {
    const bus = await withBus([...sound.entries, ...sound.checkpoints.slice(0, 2)]);
    const state = join(folder.path, "under-our-eyes.json");
    const following = launch(["ledger", "follow", "--data", bus.data, "--policy", policy, "--state", state, "--json"], {});
    const reads = async (wanted: object) =>
      await expect.poll(async () => JSON.parse(await readFile(state, "utf8").catch(() => "{}")) as unknown).toMatchObject(wanted);
    try {
      await reads({ behind: [{ partition: 0, from: "8", to: "12" }] });
      await emptied(bus.data);
      await bus.add(sound.entries.slice(4));
      await reads({ behind: [{ partition: 0, from: "4", to: "8" }] });
      await bus.add(sound.checkpoints);
      await reads({ behind: [] });
    } finally {
      expect(await following.stop()).toBe(0);
    }
    const report =
      following
        .output()
        .split("\n")
        .find((line) => line.startsWith("{")) ?? "";
    expect(JSON.parse(report)).toMatchObject({ ok: true, logs: [{ size: 12, duplicates: 4, reissued: 2, uncovered: 0 }] });
  });
});

const stranger = (record: BusRecord | undefined): BusRecord => {
  const note = Buffer.from(record?.value ?? []).toString();
  const unsigned = note.slice(0, note.indexOf("\n\n") + 2);
  return { ...(record ?? request(0)), value: Buffer.from(`${unsigned}— somebody AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n`) };
};

const entry = (n: number): BusRecord => sound.entries[n] ?? request(n);

describe("records of a stranger on a log's topics", () => {
  const elsewhere = "ronghe.example/51/settlement-9";
  const strangers: readonly (readonly [string, string, () => BusRecord])[] = [
    ["bytes that are no entry", "leafMalformed", () => ({ ...entry(5), value: Uint8Array.of(1, 2, 3) })],
    ["a tombstone without headers", "leafMalformed", () => ({ ...entry(5), value: new Uint8Array(), headers: {} })],
    ["an entry under another number", "streamHeader", () => ({ ...entry(5), headers: { ...entry(5).headers, ce_ledgerseq: "7" } })],
    ["another entry under a number that is taken", "streamConflict", () => ({ ...entry(3), value: flipped(entry(3).value) })],
    ["an entry from far ahead", "streamGap", () => entry(11)],
    ["a checkpoint that nobody trusted signed", "signatureMissing", () => stranger(sound.checkpoints[0])],
    ["a checkpoint of another log", "streamHeader", () => ({ ...(sound.checkpoints[0] ?? request(0)), key: elsewhere })],
    ["a note that is none", "noteMalformed", () => ({ ...(sound.checkpoints[0] ?? request(0)), value: Buffer.from(`${ORIGIN}\n1\n`) })],
  ];
  it.each(strangers.map(([what, name, record]) => ({ what, name, record })))(
    "$what is named, left out, and stops nobody",
    async ({ name, record }) => {
      const state = join(folder.path, `strangers-${counter}.json`);
      const bus = await withBus([...sound.entries.slice(0, 5), record(), ...sound.entries.slice(5), ...sound.checkpoints]);
      const ended = await follow(bus.data, "--state", state);
      expect(ended.code, ended.stderr).toBe(0);
      expect(ended.report).toMatchObject({
        ok: true,
        logs: [{ origin: ORIGIN, size: 12, entries: 12, checkpoints: 3, uncovered: 0 }],
        leftOut: { records: 1, first: [{ name, at: { partition: 0 } }] },
      });
      expect(ended.stderr).toContain(`left out ${name}`);
      // Behind the end as well, and when it is gone on from what was kept.
      await bus.add([record()]);
      const again = await follow(bus.data, "--state", state);
      expect(again.code, again.stderr).toBe(0);
    },
  );

  // Whoever has read the newest entry can make one that names it.
  it.each([
    ["before", true],
    ["behind", false],
  ])("an entry that is chained on rightly, %s the log's own, is named once a checkpoint is over the other", async (_, isBefore) => {
    const state = join(folder.path, `chained-${counter}.json`);
    const false11 = { ...entry(11), value: flipped(entry(11).value) };
    const pair = isBefore ? [false11, entry(11)] : [entry(11), false11];
    const bus = await withBus([...sound.entries.slice(0, 11), ...pair, ...sound.checkpoints.slice(0, 2)]);
    const undecided = await follow(bus.data, "--state", state, "--wait", "0");
    expect(undecided.report).toMatchObject({ ok: false, defect: { name: "uncovered" }, leftOut: { records: 0 } });
    expect(JSON.parse(await readFile(state, "utf8"))).toMatchObject({ behind: [{ partition: 0, from: "8", to: "13" }] });
    await bus.add(sound.checkpoints.slice(2));
    const ended = await follow(bus.data, "--state", state, "--entries");
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.report).toMatchObject({
      ok: true,
      logs: [{ size: 12, entries: 12, checkpoints: 3, uncovered: 0, duplicates: 0 }],
      leftOut: { records: 1, first: [{ name: "streamConflict", index: "11", at: { offset: isBefore ? "11" : "12" } }] },
    });
    // Only what was signed is told of, each once.
    expect(ended.stdout.match(/"leafHash"/g)).toHaveLength(4);
    expect(JSON.parse(await readFile(state, "utf8"))).toMatchObject({ behind: [] });
  });

  it("an old checkpoint that the log did sign, put there again, is left out: the newest stands", async () => {
    const { data } = await withBus([...sound.entries, ...sound.checkpoints.toReversed()]);
    const ended = await follow(data);
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.report).toMatchObject({
      logs: [{ size: 12, uncovered: 0 }],
      leftOut: { records: 2, first: [{ name: "streamReordered" }, {}] },
    });
  });

  it("an entry of a log that the policy names no key for begins no log", async () => {
    const other = await TestPlatform.create(elsewhere);
    await other.append(1);
    const [leaf] = await other.log.leaves(0n, 1);
    const headers = { ...entry(0).headers, ce_ledgerlog: elsewhere, ce_ledgerseq: "0" };
    const { data } = await withBus([
      { ...entry(0), key: elsewhere, headers, value: leaf?.bytes ?? new Uint8Array() },
      ...sound.entries,
      ...sound.checkpoints,
    ]);
    await other.close();
    const ended = await follow(data);
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.report).toMatchObject({ logs: [{ origin: ORIGIN, size: 12 }], leftOut: { records: 1, first: [{ name: "leafOrigin" }] } });
  });
});

async function deleted(brokers: readonly string[], topic: string): Promise<void> {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
}

describe("a log on Kafka", async () => {
  const kafka = await startKafka();
  // Topics have fixed names: a broker that others use as well holds their logs, too.
  const isOurs = !("skipped" in kafka) && kafka.via !== "RONGHE_KAFKA_BROKERS";
  afterAll(async () => {
    if (!("skipped" in kafka)) await kafka.stop();
  });

  it.skipIf(!isOurs)("is followed like one on the embedded bus, and a defect names its place", async () => {
    if ("skipped" in kafka) return;
    const settings = { RONGHE_BUS: "kafka", RONGHE_KAFKA_BROKERS: kafka.brokers.join(",") };
    const bus = await connectKafkaBus({ brokers: kafka.brokers, clientId: "follow-test" });
    const state = join(folder.path, "kafka-state.json");
    const command = ["ledger", "follow", "--policy", policy, "--once", "--wait", "0", "--json", "--state", state];
    try {
      await bus.ensureTopics(topicPlan(1));
      await publishAll(bus, [...sound.entries, ...sound.checkpoints]);
      const good = await ronghe(command, settings);
      expect(good.code, good.stderr).toBe(0);
      // The same index once more with other bytes.
      await publishAll(bus, [{ ...entry(11), value: flipped(entry(11).value) }]);
      // Its checkpoint is over the first: the other is nobody's.
      const bad = await ronghe(command, settings);
      expect(bad.code, bad.stderr).toBe(0);
      expect(bad.stderr).toContain(`left out streamConflict in ${ORIGIN} at ${ENTRIES}/0/`);
      // Deleted, it is away; made again, it counts its offsets anew.
      await deleted(kafka.brokers, ENTRIES);
      const away = await ronghe(command, settings);
      expect([away.code, away.stderr]).toEqual([1, `ronghe: the bus has no topic ${ENTRIES}\n`]);
      await bus.ensureTopics(topicPlan(1));
      await publishAll(bus, sound.entries.slice(0, 8));
      const cut = await ronghe(command, settings);
      expect(cut.code, cut.stderr).toBe(1);
      expect(cut.stderr).toContain(`${ENTRIES}/0 counts its offsets anew`);
      expect(cut.stderr).toContain(`DEFECT truncated in ${ORIGIN}`);
    } finally {
      await bus.close();
    }
  });
});
