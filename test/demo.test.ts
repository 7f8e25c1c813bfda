/** The demo as a newcomer runs it, on both buses, and what it leaves behind. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@libsql/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeProvince } from "../cli/sandbox/province.ts";
import { seededRandom } from "../cli/sandbox/random.ts";
import { openEmbeddedBus } from "../streams/bus/embedded.ts";
import { startKafka } from "../streams/bus/testing/kafka.ts";
import { TOPICS } from "../streams/contracts/topics.ts";
import { allFiles, copyFolder, temporaryFolder } from "./harness/folder.ts";
import { launch, ronghe } from "./harness/process.ts";

const SETTLEMENTS = "60";
/** `PEOPLE_MIN` of the demo. */
const PEOPLE = 80;

const kafka = await startKafka();
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let data: string;
let stdout: string;
let summary: Record<string, unknown>;

beforeAll(async () => {
  folder = await temporaryFolder();
  data = join(folder.path, "embedded");
  const ended = await ronghe(["demo", "--once", "--json", "--settlements", SETTLEMENTS, "--data", data]);
  expect(ended.code, ended.stderr).toBe(0);
  stdout = ended.stdout;
  summary = lastLine(stdout);
});
afterAll(async () => {
  await folder[Symbol.asyncDispose]();
  if (!("skipped" in kafka)) await kafka.stop();
});

const lastLine = (text: string): Record<string, unknown> => JSON.parse(text.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;

/** What was settled and given back, without the run's own prefix. */
async function outcomes(settings: Record<string, string>): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const topic of ["settlement.claim.settled.v1", "settlement.claim.refunded.v1", "settlement.claim.refused.v1"]) {
    const tail = await ronghe(["tail", topic], settings);
    for (const line of tail.stdout.split("\n").filter((one) => one !== "")) {
      const { data: event } = JSON.parse(line) as { data: { outTradeNo: string; institution: string; amount?: string; legs?: unknown } };
      lines.push(JSON.stringify([topic, event.institution, event.outTradeNo.replace(/^[^-]+-/, ""), event.amount, event.legs]));
    }
  }
  return lines.sort();
}

describe("the demo", () => {
  it("gives each event its own source and id over all topics: settlements, scans, alerts, reconciliation, entries, checkpoints", async () => {
    const bus = await openEmbeddedBus({ file: join(data, "bus.db"), clock: { now: () => 0 }, readOnly: true });
    const events = new Map<string, string>();
    const topics = new Set<string>();
    for (const topic of Object.keys(TOPICS))
      for (const [partition] of (await bus.endOffsets(topic)).entries())
        for (const { headers, value } of await bus.read(topic, partition, 0n, 100_000)) {
          topics.add(topic);
          const pair = `${headers["ce_source"]} ${headers["ce_id"]}`;
          const event = `${topic} ${Buffer.from(value).toString("base64")}`;
          expect([pair, events.get(pair) ?? event]).toEqual([pair, event]);
          events.set(pair, event);
        }
    await bus.close();
    expect([...topics]).toEqual(
      expect.arrayContaining([
        "code.scan.observed.v1",
        "fraud.alert.raised.v1",
        "ledger.checkpoint.published.v1",
        "ledger.entry.appended.v1",
        "settlement.claim.refunded.v1",
        "settlement.claim.settled.v1",
        "supervision.reconciliation.finished.v1",
      ]),
    );
    expect(events.size).toBeGreaterThan(1_000);
  });

  it("prints one JSON summary last, every figure of it counted, and verifies", () => {
    const names = "bus codes scans settlements alerts reconciliation daysClosed ledger verified";
    expect(Object.keys(summary)).toEqual(names.split(" "));
    expect(summary).toMatchObject({ reconciliation: { differences: 0, healed: 1, open: 0 }, daysClosed: 2 });
    expect((summary["reconciliation"] as { matched: number }).matched).toBeGreaterThanOrEqual(100);
    expect(summary).toMatchObject({ bus: "embedded", verified: true, alerts: { injected: 6, caught: 6, other: 0 } });
    const { completed, refunded } = summary["settlements"] as { completed: number; refused: number; refunded: number };
    expect(completed).toBeGreaterThanOrEqual(60);
    expect(refunded).toBeGreaterThanOrEqual(4);
    expect((summary["ledger"] as { origin: string; size: number; root: string }[]).map((log) => log.origin)).toEqual([
      "ronghe.example/51/registry",
      "ronghe.example/51/settlement-0",
      "ronghe.example/51/settlement-1",
    ]);
  });

  it("leaves alerts that replay byte for byte, and figures that add up with the ledger to the fen", async () => {
    const settings = { RONGHE_DATA: data };
    expect(lastLine((await ronghe(["alerts", "--replay"], settings)).stdout)).toMatchObject({
      identical: true,
      alerts: { before: 6, again: 6 },
    });
    const supervised = await ronghe(["supervise", "--json"], settings);
    expect(supervised.code).toBe(0);
    expect(lastLine(supervised.stdout)).toMatchObject({ comparison: { agrees: true } });
  });

  it("leaves no name, document number, account or code in any file but those of the callers and the payers, nor in its output", async () => {
    const { people } = makeProvince(seededRandom(1), { people: PEOPLE });
    const secrets = people
      .flatMap((person) => [person.idNo, person.insurance?.accountId, person.commercial?.authorisationId, person.bank?.contractId])
      .filter((text) => text !== undefined);
    const names = [...new Set(people.map((person) => person.name))].filter((name) => name.length >= 3);
    const files = (await allFiles(data)).filter((file) => !file.path.includes("/clients/") && !file.path.includes("/sandbox/"));
    expect(files.length).toBeGreaterThan(8);
    for (const { path, bytes } of [...files, { path: "output", bytes: Buffer.from(stdout) }]) {
      for (const secret of secrets) expect(bytes.includes(secret), `${path} holds a number of the sandbox`).toBe(false);
      for (const name of names) expect(bytes.includes(Buffer.from(name)), `${path} holds a name of the sandbox`).toBe(false);
      // EHCID:0:VALID: is how every code begins.
      expect(/[0-9A-F]{64}:0:[0-9A-F]{32}:/.test(bytes.toString("latin1")), `${path} holds a code`).toBe(false);
    }
  });

  it("goes on after Ctrl-C in the middle and ends with the same bills", async () => {
    const again = join(folder.path, "again");
    const args = ["demo", "--once", "--json", "--settlements", SETTLEMENTS, "--data", again];
    for (const afterMs of [700, 1_500, 2_500, 3_500]) {
      const run = launch(args, {});
      await sleep(afterMs);
      await run.stop();
    }
    const last = await ronghe(args);
    expect(last.code, last.stderr).toBe(0);
    expect(lastLine(last.stdout)).toMatchObject({ verified: true });
    expect(await outcomes({ RONGHE_DATA: again })).toEqual(await outcomes({ RONGHE_DATA: data }));
  });

  it.skipIf("skipped" in kafka)("gives the same settlements over a real Kafka broker", async () => {
    if ("skipped" in kafka) return;
    const settings = { RONGHE_KAFKA_BROKERS: kafka.brokers.join(",") };
    const over = join(folder.path, "kafka");
    const ended = await ronghe(["demo", "--once", "--json", "--settlements", SETTLEMENTS, "--bus", "kafka", "--data", over], settings);
    expect(ended.code, ended.stderr).toBe(0);
    const { ledger: _, bus, ...counted } = lastLine(ended.stdout);
    const { ledger: __, bus: ___, ...expected } = summary;
    expect(bus).toBe("kafka");
    expect(counted).toEqual(expected);
    expect(await outcomes({ ...settings, RONGHE_BUS: "kafka", RONGHE_DATA: over })).toEqual(await outcomes({ RONGHE_DATA: data }));
  });
});

describe("a ledger that somebody changed", () => {
  const edits: readonly (readonly [string, string, string])[] = [
    [
      "one byte of a row",
      "UPDATE leaf SET bytes = CAST(substr(bytes, 1, 60) || x'ff' || substr(bytes, 62) AS BLOB) WHERE idx = 5",
      "entry 5",
    ],
    ["the last row deleted", "DELETE FROM leaf WHERE idx = (SELECT max(idx) FROM leaf)", "first defect"],
    [
      "two rows swapped",
      "UPDATE leaf SET bytes = CASE idx WHEN 3 THEN (SELECT bytes FROM leaf WHERE idx = 4) ELSE (SELECT bytes FROM leaf WHERE idx = 3) END WHERE idx IN (3, 4)",
      "entry 3",
    ],
    ["the head replaced", "UPDATE head SET root = randomblob(32)", "headMismatch"],
  ];
  it.each(edits)("%s: verification fails and names the first defect", async (_, sql, named) => {
    const file = join(data, "core", "settlement-1.db");
    await using copy = await temporaryFolder();
    await copyFolder(data, copy.path);
    const db = createClient({ url: `file:${file.replace(data, copy.path)}` });
    for (const trigger of (await db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")).rows)
      await db.execute(`DROP TRIGGER ${String(trigger["name"])}`);
    await db.execute(sql);
    db.close();
    const ended = await ronghe(["ledger", "verify"], { RONGHE_DATA: copy.path });
    expect(ended.code).toBe(1);
    expect(ended.stdout).toContain("INVALID");
    expect(ended.stdout).toContain(named);
  });
});
