import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadCrypto } from "../../core/crypto/index.ts";
import { utf8, utf8Text } from "../../core/protocol/bytes.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import { type Database, insertRows, type InValue, openDatabase } from "../../migrations/database.ts";
import { openEmbeddedBus } from "../bus/embedded.ts";
import type { BusRecord, EventBus, Slice, SliceHandler } from "../bus/port.ts";
import { canonicalJson } from "../contracts/canonical.ts";
import { decodeEvent, encodeEvent, topicPlan } from "../contracts/codec.ts";
import type { AnyEvent, AnyWrittenEvent } from "../contracts/event.ts";
import { deadLetterTopic } from "../contracts/topics.ts";
import { gapsOf } from "../gap.ts";
import type { Alert } from "./engine/evaluate.ts";
import { loadRuleset } from "./engine/program.ts";
import { publishRuleset } from "./publish.ts";
import { replay } from "./replay.ts";
import { clusteredCards } from "./rules/clustered-cards.ts";
import { SHIPPED_RULES } from "./rules/index.ts";
import { SCENARIOS } from "./scenarios.ts";
import { AHEAD_MS_MAX, type FraudService, startFraud } from "./service.ts";
import { FraudStore } from "./store.ts";

const crypto = await loadCrypto();
const clock = { now: (): EventMs => Date.UTC(2026, 5, 1) as EventMs };
const RULE_TOPIC = "fraud.rule.published.v1";
const ALERT_TOPIC = "fraud.alert.raised.v1";
const SCAN_TOPIC = "code.scan.observed.v1";

/** Every positive scenario as its own little world: own people, codes and terminals, ids never shared. */
const schemes = SCENARIOS.filter(({ label }) => label === "positive").map(({ rule, events, raises }, world) => ({
  rule,
  events: events.map((event) => inWorld(event, world)),
  raises: raises.map((id) => `${world}-${id}`),
}));
function inWorld(event: AnyWrittenEvent, world: number): AnyWrittenEvent {
  const text = JSON.stringify({ ...event, id: `${world}-${event.id}` })
    .replaceAll(/"(person|codeFingerprint)":"00/g, `"$1":"${world.toString(16).padStart(2, "0")}`)
    .replaceAll(/"(institution|key)":"H/g, `"$1":"W${world}H`)
    .replaceAll(/"(settlementId|originalSettlementId)":"/g, `"$1":"${world}-`);
  return JSON.parse(text) as AnyWrittenEvent;
}
const all = schemes.flatMap(({ events }) => events);
const DAY_MS = 86_400_000;
/** The same schemes once more, by others and some time later. */
function again(worlds: number, laterMs: number): readonly AnyWrittenEvent[] {
  return SCENARIOS.filter(({ label }) => label === "positive").flatMap(({ events }, world) =>
    events.map((event) => later(inWorld(event, worlds + world), laterMs)),
  );
}
function later(event: AnyWrittenEvent, ms: number): AnyWrittenEvent {
  const atMs = event.timeMs + ms;
  return { ...event, timeMs: atMs, data: { ...event.data, atMs } } as AnyWrittenEvent;
}
const expected = schemes.flatMap(({ rule, raises }) => raises.map((id) => `${rule} ${id}`)).sort();
const told = (alerts: readonly Alert[]): readonly string[] => alerts.map(({ rule, trigger }) => `${rule} ${trigger}`).sort();
const bytes = (alerts: readonly Alert[]): readonly string[] => alerts.map(canonicalJson);

let folder: string;
let bus: EventBus;
let db: Database;
const running: FraudService[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-fraud-"));
  bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
  await bus.ensureTopics(topicPlan(3));
  db = await openDatabase({ kind: "streams", file: join(folder, "streams.db") });
});
afterEach(async () => {
  for (const service of running.splice(0)) await service.stop();
  await bus.close();
  await db.close();
  await rm(folder, { recursive: true });
});

async function start(options: Partial<Parameters<typeof startFraud>[0]> = {}): Promise<FraudService> {
  const service = await startFraud({ bus, db, crypto, clock, ...options });
  running.push(service);
  return service;
}
async function publish(events: readonly AnyWrittenEvent[]): Promise<void> {
  for (const verdict of await bus.publish(events.map((event) => encodeEvent(event)))) expect(verdict.kind).toBe("ok");
}
async function published(topic: string): Promise<readonly AnyEvent[]> {
  const events: AnyEvent[] = [];
  for (const [partition] of (await bus.endOffsets(topic)).entries())
    for (const record of await bus.read(topic, partition, 0n, 1_000)) {
      const decoded = decodeEvent(record);
      if (decoded.ok) events.push(decoded.value);
    }
  return events;
}
async function journalOf(status: string): Promise<readonly Record<string, unknown>[]> {
  return await db.read("SELECT topic, event_key, reason FROM fraud_journal WHERE status = ?", status);
}

describe("the fraud service", () => {
  test("raises one alert for each scheme, publishes it, and cites the events and ledger positions it used", async () => {
    const service = await start();
    const [first, ...rest] = schemes.flatMap(({ events }) => events);
    if (first === undefined) throw new Error("no schemes");
    await publish([{ ...first, ledger: { log: "ronghe.example/registry", index: 42n } }, ...rest]);
    await service.drained();
    const alerts = await service.alerts();
    expect(told(alerts)).toEqual(expected);
    expect(alerts.find(({ trigger }) => trigger === "0-b")?.evidence).toEqual([
      { eventId: "0-a", type: SCAN_TOPIC, log: "ronghe.example/registry", index: "42" },
      { eventId: "0-b", type: SCAN_TOPIC },
    ]);
    const sent = (await published(ALERT_TOPIC)).map(({ data }) => canonicalJson(data)).sort();
    expect(sent).toEqual([...bytes(alerts)].sort());
  });

  test("publishes each version of a rule once", async () => {
    await (await start()).stop();
    const service = await start();
    await service.drained();
    expect((await published(RULE_TOPIC)).map(({ key }) => key).sort()).toEqual(SHIPPED_RULES.map(({ id }) => id).sort());
  });

  test("counts a repeated delivery once: same alerts, same journal, same state", async () => {
    const service = await start();
    const events = schemes.flatMap(({ events }) => events);
    await publish(events);
    await service.drained();
    const alerts = bytes(await service.alerts());
    const before = await replay({ bus, journal: new FraudStore(db), crypto });
    await publish([...events, ...events]);
    await service.drained();
    expect(bytes(await service.alerts())).toEqual(alerts);
    expect(await replay({ bus, journal: new FraudStore(db), crypto })).toEqual(before);
    expect(await published(ALERT_TOPIC)).toHaveLength(alerts.length);
  });

  test("drops a repeated source and id even when the rest of the event differs, and what no rule can see too", async () => {
    const service = await start();
    const [scan] = schemes[0]?.events ?? [];
    if (scan?.type !== "code.scan.observed.v1") throw new Error("the first scheme is no scan");
    const { codeFingerprint: _, ...unreadable } = scan.data;
    const blank = { ...scan, id: "blank", data: { ...unreadable, codeKind: "unreadable" as const } };
    await publish([scan, blank]);
    await publish([{ ...scan, data: { ...scan.data, terminal: "T9", atMs: scan.data.atMs + 1 } }, blank]);
    await service.drained();
    expect(await journalOf("taken")).toHaveLength(2);
    expect(await service.alerts()).toEqual([]);
  });

  test("goes on where it stopped: schemes that straddle a restart are found, once", async () => {
    const halves = schemes.map(({ events }) => [events.slice(0, -1), events.slice(-1)] as const);
    const first = await start();
    await publish(halves.flatMap(([begin]) => begin));
    await first.drained();
    await first.stop();
    const second = await start();
    await publish(halves.flatMap(([, end]) => end));
    await second.drained();
    expect(told(await second.alerts())).toEqual(expected);
  });

  test("loses nothing when it dies between judging and committing", async () => {
    let failures = 2;
    const failing: Database = {
      ...delegate(db),
      write: async (statements) => {
        if (statements.some(({ sql }) => sql.includes("INTO fraud_alert")) && failures-- > 0) throw new Error("disk full");
        return await db.write(statements);
      },
    };
    const service = await start({ db: failing });
    await publish(schemes.flatMap(({ events }) => events));
    await service.drained();
    expect(failures).toBeLessThan(1);
    expect(told(await service.alerts())).toEqual(expected);
    expect(bytes((await replay({ bus, journal: new FraudStore(db), crypto })).alerts)).toEqual(bytes(await service.alerts()));
  });

  test("loses nothing when judging itself fails half way through a batch", async () => {
    let failures = 0;
    // An alert's id is a digest: here the first one cannot be made, after events before it were taken in.
    const failing = {
      ...crypto,
      sm3: (data: Uint8Array) => {
        if (failures > 0 && new TextDecoder().decode(data).startsWith("ronghe/alert/v1")) {
          failures -= 1;
          throw new Error("no digest");
        }
        return crypto.sm3(data);
      },
    };
    const service = await start({ crypto: failing });
    failures = 1;
    await publish(schemes.flatMap(({ events }) => events));
    await service.drained();
    expect(failures).toBe(0);
    expect(told(await service.alerts())).toEqual(expected);
    expect(await journalOf("taken")).toHaveLength(schemes.flatMap(({ events }) => events).length);
  });

  test("refuses to start when what it judged is no longer what the journal says", async () => {
    const service = await start();
    await publish(schemes.flatMap(({ events }) => events));
    await service.drained();
    await service.stop();
    await db.write([
      { sql: "DELETE FROM fraud_snapshot", args: [] },
      { sql: "UPDATE fraud_journal SET status = 'late' WHERE position = 3", args: [] },
    ]);
    await expect(start()).rejects.toThrow(/bus or journal changed/);
  });

  test("refuses a rule that changed without a new version", async () => {
    await (await start()).stop();
    const changed = loadRuleset([{ ...clusteredCards, weight: 1 }], crypto);
    if (!changed.ok) throw new Error(changed.error.reason);
    await expect(start({ ruleset: changed.value })).rejects.toThrow(/changed without a new version/);
  });
});

describe("a record that cannot be judged", () => {
  const good = schemes[0]?.events ?? [];
  const [template] = good;
  if (template === undefined) throw new Error("no schemes");

  test("goes to the dead letters and is marked in the journal, and what follows is judged", async () => {
    const service = await start();
    const record = encodeEvent(template);
    await bus.publish([{ ...record, value: new TextEncoder().encode("{") }]);
    await publish(good);
    await service.drained();
    expect(await journalOf("quarantined")).toEqual([{ topic: SCAN_TOPIC, event_key: null, reason: "notJson" }]);
    const [letter] = await bus.read(deadLetterTopic(SCAN_TOPIC), 0, 0n, 10);
    expect(letter?.headers).toMatchObject({ dlq_topic: SCAN_TOPIC, dlq_error: "notJson", ce_id: template.id });
    expect(told(await service.alerts())).toEqual(["code-two-terminals 0-b"]);
    await service.stop();
    const again = await start();
    await again.drained();
    expect(await bus.endOffsets(deadLetterTopic(SCAN_TOPIC))).toEqual([1n]);
  });

  test("costs a flood of them one publish and one commit a slice, good events between them judged in their place", async () => {
    const { bus: counted, publishes } = counting();
    let writes = 0;
    const watched: Database = { ...delegate(db), write: (...given) => ((writes += 1), db.write(...given)) };
    const flood = encodeEvent({ ...template, id: "flood" });
    const spoilt = Array.from({ length: 150 }, (_, at) => ({ ...flood, value: new TextEncoder().encode(`{${at}`) }));
    const all = good.flatMap((event, at) => [...spoilt.slice(at * 50, at * 50 + 50), encodeEvent(event), ...spoilt.slice(150 + at)]);
    for (const verdict of await bus.publish(all)) expect(verdict.kind).toBe("ok");
    const service = await start({ bus: counted, db: watched });
    const before = { publishes: publishes(), writes };
    await service.drained();
    const letters = await bus.read(deadLetterTopic(SCAN_TOPIC), 0, 0n, 1_000);
    expect(letters).toHaveLength(good.length * 50);
    expect(told(await service.alerts())).toEqual(["code-two-terminals 0-b"]);
    expect(await journalOf("quarantined")).toHaveLength(letters.length);
    // Two events and fifty broken records before each; alerts and rules have publishes of their own.
    expect(publishes() - before.publishes).toBeLessThan(10);
    expect(writes - before.writes).toBeLessThan(30);
    const offsets = await db.read('SELECT position FROM fraud_journal ORDER BY partition, "offset"');
    expect(offsets.length).toBe(letters.length + good.length);
    expect(bytes((await replay({ bus, journal: new FraudStore(db), crypto })).alerts)).toEqual(bytes(await service.alerts()));
  });

  test("because its clock is ahead: believed, it would push honest events out of their windows", async () => {
    const service = await start();
    const ahead = clock.now() + AHEAD_MS_MAX + 1;
    await publish([{ ...template, id: "ahead", timeMs: ahead, data: { ...template.data, atMs: ahead } } as AnyWrittenEvent, ...good]);
    await service.drained();
    expect(await journalOf("quarantined")).toMatchObject([{ reason: "timeAhead" }]);
    expect(told(await service.alerts())).toEqual(["code-two-terminals 0-b"]);
  });

  test("unless it is our own clock that is slow: what is not ahead of the bus's clock is judged", async () => {
    const slow = { now: (): EventMs => (clock.now() - 15 * 60_000) as EventMs };
    const skewed: EventBus = { ...counting().bus, health: () => Promise.resolve({ skewMs: 15 * 60_000, repacked: [] }) };
    const shifted = good.map((event) => {
      const atMs = event.timeMs + clock.now() - (good.at(-1)?.timeMs ?? 0);
      return { ...event, timeMs: atMs, data: { ...event.data, atMs } } as AnyWrittenEvent;
    });
    const service = await start({ bus: skewed, clock: slow });
    await publish(shifted);
    await service.drained();
    expect(await journalOf("quarantined")).toEqual([]);
    expect(told(await service.alerts())).toEqual(["code-two-terminals 0-b"]);
    const ahead = clock.now() + AHEAD_MS_MAX + 1;
    await publish([{ ...template, id: "ahead", timeMs: ahead, data: { ...template.data, atMs: ahead } } as AnyWrittenEvent]);
    await service.drained();
    expect(await journalOf("quarantined")).toMatchObject([{ reason: "timeAhead" }]);
  });

  test("nor by the word of a bus whose clock is days away from ours", async () => {
    const skewMs = 2 * 86_400_000;
    const service = await start({ bus: { ...counting().bus, health: () => Promise.resolve({ skewMs, repacked: [] }) } });
    const ahead = clock.now() + skewMs;
    await publish([{ ...template, id: "ahead", timeMs: ahead, data: { ...template.data, atMs: ahead } } as AnyWrittenEvent]);
    await service.drained();
    expect(await journalOf("quarantined")).toMatchObject([{ reason: "timeAhead" }]);
  });

  test("because it came after its windows had gone is journaled as late, and a replay leaves it out too", async () => {
    const service = await start();
    await publish(good);
    const old = template.timeMs - 8 * 86_400_000;
    await publish([{ ...template, id: "old", timeMs: old, data: { ...template.data, atMs: old } } as AnyWrittenEvent]);
    await service.drained();
    expect(await journalOf("late")).toHaveLength(1);
    expect(bytes((await replay({ bus, journal: new FraudStore(db), crypto })).alerts)).toEqual(bytes(await service.alerts()));
  });

  test("unless the rest is well and only an optional field is unknown", async () => {
    const service = await start();
    for (const event of good) {
      const record = encodeEvent(event);
      const value = new TextEncoder().encode(canonicalJson({ ...event.data, device: "X9" }));
      await bus.publish([{ ...record, value }]);
    }
    await service.drained();
    expect(told(await service.alerts())).toEqual(["code-two-terminals 0-b"]);
  });
});

describe("an event with a value that this version does not know", () => {
  const scheme = schemes.find(({ rule }) => rule === "code-two-terminals");
  test("is judged by what is known of it, and raises nothing by what is not; a version that knows it judges it again as it was", async () => {
    if (scheme === undefined) throw new Error("no such scheme");
    const service = await start();
    const records = scheme.events.map((event): BusRecord => {
      const record = encodeEvent(event);
      return { ...record, value: utf8((utf8Text(record.value) ?? "").replace('"codeKind":"fused.signed"', '"codeKind":"added.later"')) };
    });
    await bus.publish(records);
    await service.drained();
    await service.stop();
    expect(await service.alerts()).toEqual([]);
    expect(await journalOf("quarantined")).toEqual([]);
    expect((await journalOf("taken")).map(({ reason }) => reason)).toEqual(records.map(() => "unknown:codeKind"));
    const digest = (await new FraudStore(db).standing())?.stateDigest;
    // What a later version reads in these records.
    await bus.close();
    const file = await openDatabase({ kind: "bus", file: join(folder, "bus.db") });
    await file.write([
      { sql: `UPDATE record SET value = CAST(replace(CAST(value AS TEXT), '"added.later"', '"fused.opaque"') AS BLOB)`, args: [] },
    ]);
    await file.close();
    bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
    await db.write([{ sql: "DELETE FROM fraud_snapshot", args: [] }]);
    await (await start()).stop();
    expect(await gapsOf(db)).toEqual([]);
    expect((await new FraudStore(db).standing())?.stateDigest).toBe(digest);
    expect((await replay({ bus, journal: new FraudStore(db), crypto })).alerts).toEqual([]);
  });
});

describe("a replay", () => {
  test("gives the same alerts byte for byte, over restarts in the middle", async () => {
    const events = schemes.flatMap(({ events }) => events);
    for (let from = 0; from < events.length; from += 17) {
      const service = await start();
      await publish(events.slice(from, from + 17));
      await service.drained();
      await service.stop();
    }
    const live = await new FraudStore(db).alerts();
    const replayed = await replay({ bus, journal: new FraudStore(db), crypto });
    expect(told(live)).toEqual(expected);
    expect(bytes(replayed.alerts)).toEqual(bytes(live));
    expect(replayed.events).toBe(events.length);
    expect(replayed.stateDigest).toBe((await new FraudStore(db).standing())?.stateDigest);
  });

  test("changes rules where the live service did", async () => {
    const without = publishRuleset(SHIPPED_RULES.slice(1), SCENARIOS, crypto);
    if (!without.ok) throw new Error(without.error.reason);
    const [first, last] = [schemes.slice(0, 6), schemes.slice(6)].map((part) => part.flatMap(({ events }) => events));
    const before = await start({ ruleset: without.value });
    await publish(first ?? []);
    await before.drained();
    await before.stop();
    const after = await start();
    await publish(last ?? []);
    await after.drained();
    const live = await after.alerts();
    expect(live.length).toBeGreaterThan(0);
    const store = new FraudStore(db);
    expect((await store.rulesets()).length).toBe(2);
    expect(bytes((await replay({ bus, journal: store, crypto })).alerts)).toEqual(bytes(live));
  });

  test("with other rules is a backtest: it tells what they would have raised, and changes nothing", async () => {
    const service = await start();
    await publish(schemes.flatMap(({ events }) => events));
    await service.drained();
    const only = loadRuleset([clusteredCards], crypto);
    if (!only.ok) throw new Error(only.error.reason);
    const { alerts } = await replay({ bus, journal: new FraudStore(db), crypto, rules: only.value });
    expect(new Set(alerts.map(({ rule }) => rule))).toEqual(new Set(["clustered-cards"]));
    expect(told(await service.alerts())).toEqual(expected);
  });

  test("of records that all left the bus judges nothing, and says how many are lost", async () => {
    const service = await start();
    const events = schemes[0]?.events ?? [];
    await publish(events);
    await service.drained();
    const emptied = { read: () => Promise.resolve([]) };
    const { alerts, ...rest } = await replay({ bus: emptied, journal: new FraudStore(db), crypto });
    expect(alerts).toEqual([]);
    expect(rest).toEqual({ fromPosition: events.length + 1, lost: events.length, events: 0 });
  });

  test("begins behind the reach of records that left the bus while the kept state still had them, and gives the same alerts from there", async () => {
    const first = await start();
    await publish(all);
    await first.drained();
    await first.stop();
    await forget(SCAN_TOPIC);
    const second = await start();
    await publish(again(100, 90 * DAY_MS));
    await second.drained();
    await second.stop();
    expect(await gapsOf(db)).toEqual([]);
    const store = new FraudStore(db);
    const replayed = await replay({ bus, journal: store, crypto });
    expect(replayed.lost).toBeGreaterThan(0);
    expect(replayed.fromPosition).toBeGreaterThan(all.length / 2);
    expect(replayed.alerts.length).toBeGreaterThan(schemes.length / 2);
    expect(bytes(replayed.alerts)).toEqual(bytes(await store.alerts(replayed.fromPosition)));
    expect(replayed.stateDigest).toBe((await store.standing())?.stateDigest);
  });
});

describe("a topic that counts its offsets anew", () => {
  const newer = again(200, 0);
  const keysOnce = async (): Promise<void> => {
    const rows = await db.read("SELECT COUNT(*) AS taken, COUNT(DISTINCT event_key) AS events FROM fraud_journal");
    expect(rows).toEqual([{ taken: BigInt(all.length + newer.length), events: BigInt(all.length + newer.length) }]);
  };
  const twice = [...expected, ...expected.map((line) => line.replace(/ (\d+)-/, (_, world) => ` ${200 + Number(world)}-`))].sort();

  test.each([
    ["ends below where fraud stands", newer, []],
    ["has grown beyond where fraud stands", [...newer, ...all], []],
    ["ends there, and brings old events again afterwards", newer, all],
  ])("and %s is a finding, and all of it is judged, each event once", async (_, before, after) => {
    const first = await start();
    await publish(all);
    await first.drained();
    await first.stop();
    await forget(undefined);
    await publish(before);
    const logged: string[] = [];
    const second = await start({ log: (level, message) => void logged.push(`${level} ${message}`) });
    await publish(after);
    await second.drained();
    expect(logged).toContain("error a partition counts its offsets anew; it is read from its first record");
    expect(new Set((await gapsOf(db)).map(({ service, kind }) => `${service} ${kind}`))).toEqual(new Set(["fraud restarted"]));
    expect(told(await second.alerts())).toEqual(twice);
    await keysOnce();
    await second.stop();
    // A restart from the bus alone finds other events in the old places, and does not take them for what was judged.
    await db.write([{ sql: "DELETE FROM fraud_snapshot", args: [] }]);
    const third = await start();
    await third.drained();
    expect(told(await third.alerts())).toEqual(twice);
    await keysOnce();
    const store = new FraudStore(db);
    const replayed = await replay({ bus, journal: store, crypto });
    expect(bytes(replayed.alerts)).toEqual(bytes(await store.alerts(replayed.fromPosition)));
  });

  test("while fraud reads it is read from its first record too; a slice that was delivered again is not", async () => {
    const handed: SliceHandler[] = [];
    const member = { stop: () => Promise.resolve(), crashed: new Promise<never>(() => undefined) };
    const service = await start({ bus: { ...counting().bus, consume: (_, handler) => (handed.push(handler), Promise.resolve(member)) } });
    const [old, young] = [all, newer].map((events) => sliceOf(events.filter(({ type }) => type === SCAN_TOPIC)));
    const control = { heartbeat: () => Promise.resolve(), stopped: () => false };
    for (const slice of [old, old, young, young]) if (slice !== undefined) await handed[0]?.(slice, control);
    expect((await gapsOf(db)).map(({ kind, fromOffset }) => `${kind} ${fromOffset}`)).toEqual([`restarted ${old?.records.length}`]);
    expect(await journalOf("taken")).toHaveLength(2 * (old?.records.length ?? 0));
    await service.stop();
  });
});

test("a start that fails leaves nothing running: its forwarder reads no outbox beside the next one's", async () => {
  let reads = 0;
  const watched = { ...delegate(db), read: (sql: string, ...args: InValue[]) => ((reads += 1), db.read(sql, ...args)) };
  const refusing: EventBus = { ...counting().bus, consume: () => Promise.reject(new Error("the group cannot be joined")) };
  await expect(startFraud({ bus: refusing, db: watched, crypto, clock })).rejects.toThrow("cannot be joined");
  reads = 0;
  // Longer than a forwarder waits between two looks.
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(reads).toBe(0);
});

describe("a record that the topic no longer holds", () => {
  const half = Math.floor(all.length / 2);

  test("after it was judged is a recorded gap: judging goes on, over restarts, and a replay gives the same alerts", async () => {
    const first = await start();
    await publish(all.slice(0, half));
    await first.drained();
    await first.stop();
    await forget(SCAN_TOPIC);
    await db.write([{ sql: "DELETE FROM fraud_snapshot", args: [] }]);
    const logged: string[] = [];
    const second = await start({ log: (level, message) => void logged.push(`${level} ${message}`) });
    const gaps = (await gapsOf(db)).filter(({ kind }) => kind === "judged");
    expect(gaps.every(({ service, topic, position }) => service === "fraud" && topic === SCAN_TOPIC && position === half + 1)).toBe(true);
    expect(gaps.reduce((sum, { records }) => sum + records, 0)).toBeGreaterThan(0);
    expect(logged).toContain("error a topic no longer holds records that were taken and are needed again; it goes on without them");
    const before = (await second.alerts()).length;
    await publish(all.slice(half));
    await second.drained();
    await second.stop();
    const third = await start();
    await third.drained();
    expect((await third.alerts()).length).toBeGreaterThan(before);
    expect((await gapsOf(db)).filter(({ kind }) => kind === "judged")).toEqual(gaps);
    const store = new FraudStore(db);
    const replayed = await replay({ bus, journal: store, crypto });
    expect(replayed.fromPosition).toBe(half + 1);
    expect(bytes(replayed.alerts)).toEqual(bytes(await store.alerts(replayed.fromPosition)));
    await third.stop();
    expect(replayed.stateDigest).toBe((await store.standing())?.stateDigest);
  });

  test("before it was judged is a recorded gap too, and what is left is judged", async () => {
    const first = await start();
    await first.stop();
    await publish(all);
    await forget(SCAN_TOPIC);
    const service = await start();
    await service.drained();
    const gaps = await gapsOf(db);
    expect(new Set(gaps.map(({ kind, topic, fromOffset }) => `${kind} ${topic} ${fromOffset}`))).toEqual(
      new Set([`unread ${SCAN_TOPIC} 0`]),
    );
    expect((await service.alerts()).length).toBeGreaterThan(0);
  });
});

async function stopped(): Promise<string | undefined> {
  const service = await start();
  await publish(all);
  await service.drained();
  await service.stop();
  return (await new FraudStore(db).standing())?.stateDigest;
}

describe("a restart", () => {
  test("takes the state from its snapshot, reads nothing that was judged, and stands where the bus would have put it", async () => {
    const digest = await stopped();
    const fast = counting();
    await (await start({ bus: fast.bus })).stop();
    expect(fast.reads()).toBe(0);
    expect((await new FraudStore(db).standing())?.stateDigest).toBe(digest);
    await db.write([{ sql: "DELETE FROM fraud_snapshot", args: [] }]);
    const slow = counting();
    await (await start({ bus: slow.bus })).stop();
    expect(slow.reads()).toBeGreaterThan(0);
    expect((await new FraudStore(db).standing())?.stateDigest).toBe(digest);
  });

  test.each([
    ["a byte of it changed", "UPDATE fraud_snapshot SET bytes = CAST(substr(bytes, 1, 40) || x'00' || substr(bytes, 42) AS BLOB)"],
    ["it says another position", "UPDATE fraud_snapshot SET position = position - 1"],
    ["it says more parts", "UPDATE fraud_snapshot SET parts = parts + 1"],
  ])("reads the bus instead of a snapshot when %s", async (_, sql) => {
    const digest = await stopped();
    await db.write([{ sql, args: [] }]);
    const slow = counting();
    const logged: string[] = [];
    await (await start({ bus: slow.bus, log: (_, message) => void logged.push(message) })).stop();
    expect(slow.reads()).toBeGreaterThan(0);
    expect(logged).toContain("the kept fraud state is damaged: the bus is read instead");
    expect((await new FraudStore(db).standing())?.stateDigest).toBe(digest);
  });

  test("takes what came after the snapshot from the bus", async () => {
    const first = await start();
    await publish(all.slice(0, 30));
    await first.drained();
    await first.stop();
    const kept = await db.read("SELECT * FROM fraud_snapshot ORDER BY nth");
    const second = await start();
    await publish(all.slice(30));
    await second.drained();
    await second.stop();
    const digest = (await new FraudStore(db).standing())?.stateDigest;
    const columns = ["nth", "position", "watermark_ms", "ruleset_digest", "parts", "hash", "bytes"];
    const back = insertRows(
      "fraud_snapshot",
      columns,
      kept.map((row) => columns.map((column) => row[column] ?? null)),
    );
    await db.write([{ sql: "DELETE FROM fraud_snapshot", args: [] }, ...back]);
    const some = counting();
    await (await start({ bus: some.bus })).stop();
    expect(some.reads()).toBeGreaterThan(0);
    expect((await new FraudStore(db).standing())?.stateDigest).toBe(digest);
  });
});

function delegate(db: Database): Database {
  return {
    file: db.file,
    write: (statements) => db.write(statements),
    read: (sql, ...args) => db.read(sql, ...args),
    get busyCount() {
      return db.busyCount;
    },
    close: () => db.close(),
  };
}

/** The bus, and how often the journal's events were read from it and records published to it. */
function counting(): { readonly bus: EventBus; readonly reads: () => number; readonly publishes: () => number } {
  let [reads, publishes] = [0, 0];
  const counted: EventBus = {
    ensureTopics: (topics) => bus.ensureTopics(topics),
    publish: (records) => {
      publishes += 1;
      return bus.publish(records);
    },
    consume: (subscription, handler) => bus.consume(subscription, handler),
    read: (topic, partition, from, limit) => {
      // One record says whether the partition still counts as it did.
      if (limit > 1) reads += 1;
      return bus.read(topic, partition, from, limit);
    },
    endOffsets: (topic) => bus.endOffsets(topic),
    health: () => bus.health(),
    close: () => bus.close(),
  };
  return { bus: counted, reads: () => reads, publishes: () => publishes };
}

/** Records of one partition, from its first offset on. */
function sliceOf(events: readonly AnyWrittenEvent[]): Slice {
  const records = events.map((event, at) => ({ ...encodeEvent(event), partition: 0, offset: BigInt(at), timestampMs: 0 }));
  return { topic: SCAN_TOPIC, partition: 0, records };
}

/** What retention does: of each partition of a topic the newest record is left; without a topic, every partition begins anew. */
async function forget(topic: string | undefined): Promise<void> {
  await bus.close();
  const file = await openDatabase({ kind: "bus", file: join(folder, "bus.db") });
  const newest = `SELECT MAX("offset") FROM record AS of WHERE of.topic_id = record.topic_id AND of.partition = record.partition`;
  const some = `DELETE FROM record WHERE topic_id = (SELECT id FROM topic WHERE name = ?) AND "offset" < (${newest})`;
  await file.write([topic === undefined ? { sql: "DELETE FROM record", args: [] } : { sql: some, args: [topic] }]);
  await file.close();
  bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
}
