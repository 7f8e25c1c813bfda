import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadCrypto } from "../../core/crypto/index.ts";
import { utf8, utf8Text } from "../../core/protocol/bytes.ts";
import { asFen, formatYuan } from "../../core/protocol/money.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import { type Database, openDatabase } from "../../migrations/database.ts";
import { openEmbeddedBus } from "../bus/embedded.ts";
import type { BusRecord, EventBus } from "../bus/port.ts";
import { encodeEvent, topicPlan } from "../contracts/codec.ts";
import type { AnyWrittenEvent } from "../contracts/event.ts";
import { deadLetterTopic } from "../contracts/topics.ts";
import { compareWithLedger, type LedgerEntry, type SupervisionRow } from "./report.ts";
import { gapsOf } from "../gap.ts";
import { startSupervision, type SupervisionService } from "./service.ts";

const crypto = await loadCrypto();
const SETTLED = "settlement.claim.settled.v1";
const REFUNDED = "settlement.claim.refunded.v1";
/** 23:59:59.999 of 5 January in UTC+8. */
const LAST_MS = Date.UTC(2026, 0, 5, 15, 59, 59, 999);
const PERSON = "3f".repeat(32);

type Leg = { readonly rail: "insurance" | "commercial" | "bank"; readonly fundSource: string; readonly fen: bigint };
interface Claim {
  readonly id: string;
  readonly atMs?: number;
  readonly institution?: string;
  readonly legs: readonly Leg[];
}
function claim(type: typeof SETTLED | typeof REFUNDED, { id, atMs = LAST_MS, institution = "H1", legs }: Claim): AnyWrittenEvent {
  const data = {
    settlementId: id,
    institution,
    terminal: "T1",
    businessType: "01301",
    outTradeNo: id,
    requestHash: "00".repeat(32),
    person: PERSON,
    amount: formatYuan(asFen(legs.reduce((sum, { fen }) => sum + fen, 0n))),
    legs: legs.map(({ rail, fundSource, fen }) => ({ rail, fundSource, amount: formatYuan(asFen(fen)) })),
    atMs,
  };
  const head = { id: `${id}.${type}`, source: "/ronghe/core/settlement", timeMs: atMs, key: institution };
  if (type === SETTLED) return { ...head, type, data };
  return { ...head, type, data: { ...data, originalSettlementId: "s", originalSettledAtMs: atMs } };
}
function leafOf(event: AnyWrittenEvent, legs: readonly Leg[]): LedgerEntry {
  return {
    kind: event.type === SETTLED ? "settlement.settled" : "settlement.refunded",
    institution: event.key,
    postedMs: BigInt(event.timeMs),
    facts: [
      { name: "fen.total", value: "1" },
      ...legs.map(({ rail, fundSource, fen }) => ({ name: `fen.${rail}.${fundSource}`, value: fen.toString() })),
    ],
  };
}
function scan(id: string, outcome: string, observedBy: "edge" | "core" = "edge"): AnyWrittenEvent {
  const data = { institution: "H1", terminal: "T1", businessType: "01301", step: "verify", codeKind: "fused.signed", outcome } as const;
  const head = { id, source: "/ronghe/edge/e1", timeMs: LAST_MS, key: "H1" };
  return { ...head, type: "code.scan.observed.v1", data: { ...data, observedBy, atMs: LAST_MS } };
}
const fund = (fen: bigint): Leg => ({ rail: "insurance", fundSource: "hifp_pay", fen });
const cash = (fen: bigint): Leg => ({ rail: "bank", fundSource: "cash", fen });

let folder: string;
let bus: EventBus;
let db: Database;
const running: SupervisionService[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-supervision-"));
  bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock: { now: () => LAST_MS } });
  await bus.ensureTopics(topicPlan(3));
  db = await openDatabase({ kind: "streams", file: join(folder, "streams.db") });
});
afterEach(async () => {
  for (const service of running.splice(0)) await service.stop();
  await bus.close();
  await db.close();
  await rm(folder, { recursive: true });
});
async function start(): Promise<SupervisionService> {
  const service = await startSupervision({ bus, db, crypto, clock: { now: () => LAST_MS as EventMs } });
  running.push(service);
  return service;
}
async function publish(events: readonly AnyWrittenEvent[]): Promise<void> {
  for (const verdict of await bus.publish(events.map((event) => encodeEvent(event)))) expect(verdict.kind).toBe("ok");
}

/** As a newer writer would say it. */
function newer(event: AnyWrittenEvent, from: string): BusRecord {
  const record = encodeEvent(event);
  return { ...record, value: utf8((utf8Text(record.value) ?? "").replace(`"${from}"`, '"added.later"')) };
}

describe("supervision", () => {
  test("counts scans by outcome, claims by ending and funds by source, per institution and business day of UTC+8", async () => {
    const service = await start();
    await publish([
      scan("a", "accepted"),
      scan("b", "accepted"),
      scan("c", "codeUsed", "core"),
      claim(SETTLED, { id: "s1", legs: [fund(8_000n), cash(4_850n)] }),
      claim(SETTLED, { id: "s2", legs: [fund(100n)], atMs: LAST_MS + 1 }),
      claim(SETTLED, { id: "s3", legs: [fund(7n)], institution: "H2" }),
      claim(REFUNDED, { id: "r1", legs: [fund(3_000n)] }),
    ]);
    await service.drained();
    const none = { settled: 0, refunded: 0, refused: 0, unknown: 0, scans: [] };
    const insurance = { rail: "insurance", fundSource: "hifp_pay" };
    const bank = { rail: "bank", fundSource: "cash", settledFen: 4_850n, refundedFen: 0n, netFen: 4_850n };
    expect(await service.report()).toEqual([
      {
        ...none,
        day: "2026-01-05",
        institution: "H1",
        scans: [
          { step: "verify", outcome: "accepted", observedBy: "edge", scans: 2 },
          { step: "verify", outcome: "codeUsed", observedBy: "core", scans: 1 },
        ],
        settled: 1,
        refunded: 1,
        funds: [bank, { ...insurance, settledFen: 8_000n, refundedFen: 3_000n, netFen: 5_000n }],
      },
      { ...none, day: "2026-01-05", institution: "H2", settled: 1, funds: [{ ...insurance, settledFen: 7n, refundedFen: 0n, netFen: 7n }] },
      {
        ...none,
        day: "2026-01-06",
        institution: "H1",
        settled: 1,
        funds: [{ ...insurance, settledFen: 100n, refundedFen: 0n, netFen: 100n }],
      },
    ]);
    expect((await service.report("2026-01-06")).map(({ institution }) => institution)).toEqual(["H1"]);
  });

  test("counts a repeated delivery once, over a restart too", async () => {
    const events = [
      scan("a", "accepted"),
      claim(SETTLED, { id: "s1", legs: [fund(8_000n)] }),
      claim(REFUNDED, { id: "r1", legs: [fund(1n)] }),
    ];
    const first = await start();
    await publish(events);
    await first.drained();
    const report = await first.report();
    await first.stop();
    const second = await start();
    await publish([...events, ...events]);
    await second.drained();
    expect(await second.report()).toEqual(report);
  });

  test("counts what is left when records left the topic before it came to them, and says which are missing", async () => {
    await publish([scan("a", "accepted"), scan("b", "accepted"), scan("c", "accepted")]);
    await bus.close();
    const file = await openDatabase({ kind: "bus", file: join(folder, "bus.db") });
    await file.write([{ sql: `DELETE FROM record WHERE "offset" < 2`, args: [] }]);
    await file.close();
    bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock: { now: () => LAST_MS } });
    const service = await start();
    await service.drained();
    expect((await service.report())[0]?.scans).toEqual([{ step: "verify", outcome: "accepted", observedBy: "edge", scans: 1 }]);
    expect(await gapsOf(db)).toMatchObject([
      { service: "supervision", kind: "unread", topic: "code.scan.observed.v1", fromOffset: 0n, toOffset: 1n, records: 2 },
    ]);
  });

  test.each([
    ["ends below where supervision stands", 1],
    ["has grown beyond where supervision stands", 4],
  ])("counts all of a topic that counts its offsets anew and %s, each event once, and says so", async (_, newer) => {
    const first = await start();
    await publish([scan("a", "accepted"), scan("b", "accepted"), scan("c", "accepted")]);
    await first.drained();
    await first.stop();
    await bus.close();
    const file = await openDatabase({ kind: "bus", file: join(folder, "bus.db") });
    await file.write([{ sql: "DELETE FROM record", args: [] }]);
    await file.close();
    bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock: { now: () => LAST_MS } });
    await publish([...Array.from({ length: newer }, (_, at) => scan(`n${at}`, "accepted")), scan("c", "accepted")]);
    const second = await start();
    await second.drained();
    expect((await second.report())[0]?.scans).toEqual([{ step: "verify", outcome: "accepted", observedBy: "edge", scans: 3 + newer }]);
    expect(await gapsOf(db)).toMatchObject([{ service: "supervision", kind: "restarted", fromOffset: 3n, untilMs: LAST_MS }]);
  });

  test("counts what bears a value that it does not know: a leg of a new payer to the fen, a scan of a new step", async () => {
    const service = await start();
    await bus.publish([
      newer(claim(SETTLED, { id: "s1", legs: [fund(8_000n), cash(1n)] }), "insurance"),
      newer(scan("a", "accepted"), "verify"),
    ]);
    await service.drained();
    const [row] = await service.report();
    expect(row?.scans).toEqual([{ step: "unknown", outcome: "accepted", observedBy: "edge", scans: 1 }]);
    expect(row?.funds.map(({ rail, fundSource, netFen }) => `${rail} ${fundSource} ${netFen}`)).toEqual([
      "bank cash 1",
      "unknown hifp_pay 8000",
    ]);
    expect(await db.read("SELECT reason FROM supervision_quarantine")).toEqual([]);
  });

  test("puts an unreadable record aside, marks it, and counts what follows", async () => {
    const service = await start();
    const record = encodeEvent(scan("a", "accepted"));
    await bus.publish([record, { ...record, headers: {} }, encodeEvent(scan("b", "accepted"))]);
    await service.drained();
    expect((await service.report())[0]?.scans).toEqual([{ step: "verify", outcome: "accepted", observedBy: "edge", scans: 2 }]);
    expect(await db.read("SELECT topic, reason FROM supervision_quarantine")).toEqual([
      { topic: "code.scan.observed.v1", reason: "specversionUnknown" },
    ]);
    expect(await bus.endOffsets(deadLetterTopic("code.scan.observed.v1"))).toEqual([1n]);
  });

  test("puts a flood of unreadable records aside in one publish a slice, each marked once, and counts what stands between them", async () => {
    let publishes = 0;
    const publish = bus.publish.bind(bus);
    bus.publish = (records) => ((publishes += 1), publish(records));
    const record = encodeEvent(scan("a", "accepted"));
    const spoilt = Array.from({ length: 90 }, () => ({ ...record, headers: {} }));
    await publish([...spoilt.slice(0, 45), record, ...spoilt.slice(45), encodeEvent(scan("b", "accepted"))]);
    const service = await start();
    await service.drained();
    expect((await service.report())[0]?.scans).toEqual([{ step: "verify", outcome: "accepted", observedBy: "edge", scans: 2 }]);
    expect(await db.read("SELECT count(*) AS records FROM supervision_quarantine")).toEqual([{ records: 90n }]);
    expect(publishes).toBe(1);
    await service.stop();
    await (await start()).drained();
    expect(await bus.endOffsets(deadLetterTopic("code.scan.observed.v1"))).toEqual([90n]);
  });

  test("puts an amount aside that no wire can carry, rather than round it", async () => {
    const service = await start();
    const event = claim(SETTLED, { id: "s1", legs: [fund(1n)] });
    const huge = { ...event.data, legs: [{ rail: "insurance", fundSource: "hifp_pay", amount: "123456789012345678.00" }] };
    await publish([{ ...event, data: huge } as AnyWrittenEvent]);
    await service.drained();
    expect(await service.report()).toEqual([]);
    expect(await db.read("SELECT reason FROM supervision_quarantine")).toEqual([{ reason: "amountInvalid" }]);
  });

  test("adds up with the ledger to the fen, whatever was settled and given back", async () => {
    const service = await start();
    const legs = fc.uniqueArray(
      fc.record({
        rail: fc.constantFrom("insurance", "commercial", "bank"),
        fundSource: fc.constantFrom("hifp_pay", "acct_pay", "cash"),
        fen: fc.bigInt({ min: 0n, max: 10n ** 15n }),
      }),
      { selector: ({ rail, fundSource }) => `${rail}.${fundSource}`, maxLength: 4 },
    );
    const made = fc.sample(fc.tuple(fc.boolean(), fc.constantFrom("H1", "H2"), fc.integer({ min: 0, max: 10 ** 9 }), legs), {
      numRuns: 300,
      seed: 7,
    });
    const claims = made.map(([settles, institution, later, legs], n) => {
      const event = claim(settles ? SETTLED : REFUNDED, { id: `c${n}`, institution, atMs: LAST_MS + later, legs });
      return { event, leaf: leafOf(event, legs) };
    });
    await publish(claims.map(({ event }) => event));
    await service.drained();
    const comparison = compareWithLedger(
      await service.report(),
      claims.map(({ leaf }) => leaf),
    );
    expect(comparison.agrees).toBe(true);
    expect(comparison.totalFen.supervision).toBe(comparison.totalFen.ledger);
    expect(comparison.funds.length).toBeGreaterThan(10);
  });
});

describe("the comparison with the ledger", () => {
  const event = claim(SETTLED, { id: "s1", legs: [fund(100n)] });
  const leaf = leafOf(event, [fund(100n)]);
  const row: SupervisionRow = {
    day: "2026-01-05",
    institution: "H1",
    scans: [],
    settled: 1,
    refunded: 0,
    refused: 0,
    unknown: 0,
    funds: [{ rail: "insurance", fundSource: "hifp_pay", settledFen: 100n, refundedFen: 0n, netFen: 100n }],
  };

  test("agrees when both sides say the same, and looks at no other entries", () => {
    expect(compareWithLedger([row], [leaf, { ...leaf, kind: "settlement.held" }]).agrees).toBe(true);
  });

  test.each<[string, readonly SupervisionRow[], readonly LedgerEntry[]]>([
    ["a fen is missing", [row], [leafOf(event, [fund(99n)])]],
    ["the ledger lacks an entry", [row], []],
    ["supervision lacks a row", [], [leaf]],
    ["another institution was paid", [row], [{ ...leaf, institution: "H2" }]],
    ["another source paid", [row], [leafOf(event, [{ ...fund(100n), fundSource: "acct_pay" }])]],
    ["it was another business day", [row], [{ ...leaf, postedMs: leaf.postedMs + 1n }]],
    ["two entries cancel out", [row], [leaf, leaf, { ...leaf, kind: "settlement.refunded" }]],
    ["a fact is no number", [row], [{ ...leaf, facts: [...(leaf.facts ?? []), { name: "fen.bank.cash", value: "1e2" }] }]],
  ])("disagrees when %s", (_, rows, leaves) => {
    expect(compareWithLedger(rows, leaves).agrees).toBe(false);
  });

  test("tells where and by how much", () => {
    expect(compareWithLedger([row], [leafOf(event, [fund(99n)])]).funds).toEqual([
      {
        day: "2026-01-05",
        institution: "H1",
        rail: "insurance",
        fundSource: "hifp_pay",
        supervisionFen: 100n,
        ledgerFen: 99n,
        differenceFen: 1n,
      },
    ]);
  });
});
