import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadCrypto } from "../../core/crypto/index.ts";
import { StorageWatch } from "../../core/protocol/server/storage-watch.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import { openDatabase } from "../../migrations/database.ts";
import { openEmbeddedBus } from "../../streams/bus/embedded.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import { encodeEvent, topicPlan } from "../../streams/contracts/codec.ts";
import type { WrittenEvent } from "../../streams/contracts/event.ts";
import { layoutOf } from "./layout.ts";
import { type RunningStreams, startStreams } from "./streams.ts";

const crypto = await loadCrypto();
const clock = { now: (): EventMs => Date.UTC(2026, 0, 6) as EventMs };
const SCANS = "code.scan.observed.v1";
let folder: string;
let bus: EventBus;
let streams: RunningStreams | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-streams-watch-"));
  await mkdir(dirname(layoutOf(folder).streams.database), { recursive: true });
  bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
  await bus.ensureTopics(topicPlan(1));
});
afterEach(async () => {
  await streams?.stop();
  streams = undefined;
  await bus.close();
  await rm(folder, { recursive: true });
});

function scan(id: string): WrittenEvent<typeof SCANS> {
  const place = { institution: "H1", terminal: "T1", businessType: "01301" };
  const data = { ...place, step: "verify", codeKind: "fused.signed", outcome: "accepted", observedBy: "edge", atMs: clock.now() } as const;
  return { id, type: SCANS, source: "/ronghe/edge/e1", timeMs: clock.now(), key: "H1", data };
}
async function start(over: EventBus): Promise<string> {
  const config = { RONGHE_HOST: "127.0.0.1", RONGHE_STREAMS_PORT: 0 };
  streams = await startStreams({ config, layout: layoutOf(folder), bus: over, crypto, clock, storage: new StorageWatch({ clock }) });
  return streams.url;
}

test("the streams say how they stand, what they judged and counted, and what left the bus before they came to it", async () => {
  await bus.publish(["a", "b", "c"].map((id) => encodeEvent(scan(id))));
  await bus.publish([{ ...encodeEvent(scan("d")), headers: {} }]);
  await bus.close();
  const file = await openDatabase({ kind: "bus", file: join(folder, "bus.db") });
  await file.write([{ sql: `DELETE FROM record WHERE "offset" < 2`, args: [] }]);
  await file.close();
  bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
  const url = await start(bus);
  await streams?.drained();
  const ready = await fetch(`${url}/ready`);
  expect([ready.status, await ready.json()]).toMatchObject([
    200,
    { ready: true, gaps: 2, services: [{ state: "running" }, { state: "running" }] },
  ]);
  expect((await fetch(`${url}/health`)).status).toBe(200);
  const metrics = (await (await fetch(`${url}/metrics`)).text()).split("\n");
  for (const line of [
    'ronghe_streams_running{service="fraud"} 1',
    'ronghe_streams_running{service="supervision"} 1',
    `ronghe_streams_lost_records{service="fraud",kind="unread",topic="${SCANS}"} 2`,
    `ronghe_streams_gaps{service="supervision",kind="unread",topic="${SCANS}"} 1`,
    "ronghe_fraud_journaled 2",
    "ronghe_fraud_alerts 0",
    'ronghe_supervision_counted{what="scans"} 1',
    `ronghe_streams_behind{service="supervision",topic="${SCANS}"} 0`,
    'ronghe_dead_letters{topic="code.scan.observed.dlq.v1"} 2',
    `ronghe_dead_letter_records{topic="${SCANS}",reason="specversionUnknown"} 2`,
  ])
    expect(metrics).toContain(line);
});

test("the streams are not ready while one of the services does not run, and say which and why", async () => {
  const url = await start({
    ensureTopics: (topics) => bus.ensureTopics(topics),
    publish: (records) => bus.publish(records),
    consume: (subscription, handler) =>
      subscription.group === "fraud" ? Promise.reject(new RangeError("no group")) : bus.consume(subscription, handler),
    read: (...place) => bus.read(...place),
    endOffsets: (topic) => bus.endOffsets(topic),
    health: () => bus.health(),
    close: () => bus.close(),
  });
  const ready = await fetch(`${url}/ready`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({
    ready: false,
    services: [
      { service: "fraud", state: "failed", reason: "RangeError" },
      { service: "supervision", state: "running" },
    ],
  });
  expect((await fetch(`${url}/health`)).status).toBe(200);
  expect(await (await fetch(`${url}/metrics`)).text()).toContain('ronghe_streams_running{service="fraud"} 0');
});
