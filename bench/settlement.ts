/**
 * Settlements end to end on one machine, embedded bus: from the first request that arrives at the edge until every one
 * is settled over three payers, in the ledger, signed, on the bus, judged by the fraud rules and counted. The payers and
 * the hospitals have threads of their own; nobody waits on purpose. The bound writes the bytes that such a settlement
 * leaves behind (leaves, state, transfers, outbox) into one libSQL file, as bare multi-row inserts.
 *
 * Then the same with payers that take 50 ms for each answer, in turns with payers that take none: while legs are in
 * flight others are worked on, so the rate should hardly fall. What the saga itself adds is what a settlement takes from
 * its acceptance to its outcome beyond the payers' own time.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../cli/config.ts";
import { type ClientProfile, partnerOf, readClients, signerOf } from "../cli/platform/clients.ts";
import { foundSandbox } from "../cli/platform/found.ts";
import { type Layout, layoutOf } from "../cli/platform/layout.ts";
import { PARTS, type RunningPlatform, runPlatform } from "../cli/platform/run.ts";
import { readLogFiles, verifyPlatform } from "../cli/platform/verify.ts";
import type { Province, SandboxPerson } from "../cli/sandbox/province.ts";
import { seededRandom } from "../cli/sandbox/random.ts";
import { loadCrypto } from "../core/crypto/index.ts";
import type { Crypto } from "../core/crypto/port.ts";
import { sealRequest } from "../core/protocol/envelope.ts";
import { asFen, formatYuan } from "../core/protocol/money.ts";
import { systemClock } from "../core/protocol/time.ts";
import { startSandboxRails } from "../core/settlement/rails/sandbox/start.ts";
import { type Database, insertRows, openDatabase } from "../migrations/database.ts";
import { contest, type Figure, median, type Report } from "./figures.ts";
import { type Load, type LoadReport, startLoad } from "./load.ts";

/** More than settle at once: an entitlement that is used twice at a time comes out other than pre-settled, and is refused. */
const PEOPLE = 1_000;
const PARTITIONS = 2;
const SEED = 7;
const ROUNDS = 3;
const WARM_UP = 300;
const PER_ROUND = 800;
/** Requests under way at the edge: a province at its busiest, not more than the payers' connections can use. */
const POSTS_AT_ONCE = 96;
const CODES_AT_ONCE = 64;
/** Rows per commit of the bound. */
const BOUND_ROWS = 256;
/** How long a slow payer takes for each answer. */
const SLOW_MS = 50;
/** Answers of payers that follow one another in one settlement: who it is, three holds, and the captures at once. */
const ANSWERS_IN_TURN = 5;
const SLOW_ROUNDS = 3;
const PER_SLOW_ROUND = 800;
/** Hospitals that wait for the outcome, so few that none waits for another: what is left is the saga's own time. */
const CALM = 160;
const CALM_AT_ONCE = 4;

export async function run(report: Report): Promise<readonly Figure[]> {
  const data = await mkdtemp(join(tmpdir(), "ronghe-bench-settlement-"));
  try {
    return await measure(data, report);
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

async function measure(data: string, report: Report): Promise<readonly Figure[]> {
  const crypto = await loadCrypto();
  const layout = layoutOf(data);
  const ports = { RONGHE_EDGE_PORT: "0", RONGHE_CORE_PORT: "0", RONGHE_STREAMS_PORT: "0", RONGHE_RAILS_PORT: "0" };
  const config = readConfig({ ...ports, RONGHE_DATA: data, RONGHE_CODE_TTL_S: "300", RONGHE_LOG: "off" });
  const { province, seedAccounts } = await foundSandbox({ config, layout, crypto, seed: SEED, people: PEOPLE, partitions: PARTITIONS });
  const seeded = await startSandboxRails({ file: layout.sandbox.rails, clock: systemClock, seedAccounts });
  await seeded.close();
  const platform = await runPlatform({ config, parts: new Set(PARTS), crypto, quiet: true, railsThread: true });
  const bare = await openDatabase({ kind: "bus", file: join(data, "bound.db") });
  const load = startLoad({ url: platform.edge?.url ?? "", path: "/v1/rh.settle", atOnce: POSTS_AT_ONCE });
  try {
    const visits = await visitsOf(platform, province);
    const warmUp = await visits.next(WARM_UP);
    const bodies: (readonly string[])[] = [];
    for (let round = 0; round < ROUNDS; round++) bodies.push(await visits.next(PER_ROUND));
    await platform.drained();
    // The first settlements warm everything up, and tell how many bytes one leaves behind.
    await settleAll(platform, load, warmUp);
    const left = await leftBehind(layout, WARM_UP);
    const bound = await bareInserts(bare, left);
    const answered: Settled[] = [];
    const outcome = await contest({
      rounds: ROUNDS,
      warmUps: 0,
      report,
      async subject(round) {
        answered.push(await settleAll(platform, load, bodies[round] ?? []));
        return PER_ROUND;
      },
      bound: () => bound(PER_ROUND),
    });
    const slow = await slowPayers(platform, load, visits, { report, calm: await calmly(platform, visits) });
    await checkOutcome(platform, layout, WARM_UP + ROUNDS * PER_ROUND + 2 * (SLOW_ROUNDS * PER_SLOW_ROUND + CALM));
    const rows = left.reduce((sum, kind) => sum + kind.rows, 0);
    const bytes = left.reduce((sum, kind) => sum + kind.rows * kind.bytes, 0);
    const [p50, p99] = [median(answered.map((one) => one.p50Ms)), median(answered.map((one) => one.p99Ms))];
    return [
      {
        name: "settlement.end-to-end",
        what: "settlements end to end, embedded bus, three payers",
        unit: "settlements/s",
        perSecond: outcome.perSecond,
        bound: { what: "multi-row inserts of the same bytes", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
        aim: { perSecond: 500 },
        note: `${median(answered.map((one) => one.cpuMs)).toFixed(1)} ms of CPU on the platform's thread for each; each left ${rows.toFixed(1)} rows and ${Math.round(bytes)} bytes; with ${POSTS_AT_ONCE} requests under way the edge answered in ${p50.toFixed(0)} ms (median), ${p99.toFixed(0)} ms (99 of 100)`,
      },
      slow,
    ];
  } finally {
    await load.close();
    await bare.close();
    await platform.stop();
  }
}

interface Calm {
  /** 99 of 100 hospitals waited at most so long for the outcome, ms. */
  readonly quickMs: number;
  readonly slowMs: number;
  /** The median one. */
  readonly slowMedianMs: number;
}

async function calmly(platform: RunningPlatform, visits: Visits): Promise<Calm> {
  const load = startLoad({ url: platform.edge?.url ?? "", path: "/v1/rh.settle", atOnce: CALM_AT_ONCE });
  try {
    const waited = async (ms: number): Promise<LoadReport> => {
      await delayPayers(platform, ms);
      return await settleAll(platform, load, await visits.next(CALM, "20"));
    };
    const [quick, slow] = [await waited(0), await waited(SLOW_MS)];
    return { quickMs: quick.p99Ms, slowMs: slow.p99Ms, slowMedianMs: slow.p50Ms };
  } finally {
    await load.close();
  }
}

async function slowPayers(
  platform: RunningPlatform,
  load: Load,
  visits: Visits,
  { report, calm }: { readonly report: Report; readonly calm: Calm },
): Promise<Figure> {
  const bodies: (readonly string[])[] = [];
  for (let round = 0; round < 2 * SLOW_ROUNDS; round++) bodies.push(await visits.next(PER_SLOW_ROUND));
  await platform.drained();
  const settle = async (ms: number, round: number): Promise<number> => {
    await delayPayers(platform, ms);
    await settleAll(platform, load, bodies[ms === 0 ? round : SLOW_ROUNDS + round] ?? []);
    return PER_SLOW_ROUND;
  };
  const outcome = await contest({
    rounds: SLOW_ROUNDS,
    warmUps: 0,
    report,
    subject: (round) => settle(SLOW_MS, round),
    bound: (round) => settle(0, round),
  });
  await delayPayers(platform, 0);
  const payersMs = ANSWERS_IN_TURN * SLOW_MS;
  return {
    name: "settlement.slow-payers",
    what: `settlements end to end, payers that take ${SLOW_MS} ms for each answer`,
    unit: "settlements/s",
    perSecond: outcome.perSecond,
    bound: { what: "the same, payers that take none", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
    aim: { ratio: 0.8 },
    note: `with ${CALM_AT_ONCE} hospitals waiting for the outcome 99 of 100 have it within ${calm.slowMs.toFixed(0)} ms (the median one ${calm.slowMedianMs.toFixed(0)} ms), of which the payers take up to ${payersMs} ms: the saga, the ledger and the way there and back add ${(calm.slowMs - payersMs).toFixed(0)} ms; with payers that take no time ${calm.quickMs.toFixed(0)} ms`,
  };
}

async function delayPayers({ rails }: RunningPlatform, ms: number): Promise<void> {
  if (rails === undefined) throw new Error("a benchmark of settlements has the sandbox payers");
  for (const rail of ["insurance", "commercial", "bank"]) {
    const body = JSON.stringify({ rail, ms });
    const answer = await fetch(`${rails.adminUrl}/admin/delay`, { method: "POST", headers: { "content-type": "application/json" }, body });
    if (!answer.ok) throw new Error(`the sandbox refuses a delay: ${answer.status}`);
  }
}

interface Visits {
  /** Requests that were never sent, each with a code of its own, signed now. */
  next(count: number, waitSeconds?: string): Promise<readonly string[]>;
}

async function visitsOf(platform: RunningPlatform, province: Province): Promise<Visits> {
  const { crypto, core, layout } = platform;
  if (core === undefined) throw new Error("a benchmark of settlements runs all parts");
  const hospitals = await readClients(layout, "institution");
  // Bills that nobody can pay are refused; that is another path.
  const payers = province.people.filter((person) => (person.bank?.balanceFen ?? 0n) >= 1_000_000n);
  const random = seededRandom(SEED);
  let serial = 0;

  async function visit(waitSeconds: string | undefined): Promise<string> {
    const n = serial++;
    const person = payers[n % payers.length];
    const hospital = hospitals[n % hospitals.length];
    if (person === undefined || hospital === undefined) throw new Error("a province without people or hospitals");
    const amountFen = BigInt(random.int(2_000, 60_000));
    return await requestOf(crypto, hospital, { code: await codeOf(person), outTradeNo: `B${n}`, amountFen, waitSeconds });
  }

  async function codeOf(person: SandboxPerson): Promise<string> {
    const { appId, appUserId } = person;
    const issued = await core?.services.vault.issueCode({ appId, appUserId, purpose: "settle", form: "signed", atMs: systemClock.now() });
    if (issued?.ok !== true) throw new Error(`no code: ${issued?.error}`);
    return issued.value.code;
  }

  return {
    async next(count, waitSeconds) {
      const bodies: string[] = [];
      while (bodies.length < count)
        bodies.push(
          ...(await Promise.all(Array.from({ length: Math.min(CODES_AT_ONCE, count - bodies.length) }, () => visit(waitSeconds)))),
        );
      return bodies;
    },
  };
}

async function requestOf(
  crypto: Crypto,
  hospital: ClientProfile,
  bill: { code: string; outTradeNo: string; amountFen: bigint; waitSeconds: string | undefined },
): Promise<string> {
  const scene = {
    businessType: hospital.orgId.startsWith("H") ? "01301" : "02121",
    termId: hospital.terminals[0] ?? "",
    termIp: "10.8.0.7",
    operatorId: "01",
    operatorName: "收费员",
    officeId: "A01",
    officeName: "收费处",
  };
  const { orgId } = hospital;
  const { waitSeconds } = bill;
  const wait = waitSeconds === undefined ? {} : { waitSeconds };
  const data = { ...scene, orgId, outTradeNo: bill.outTradeNo, code: bill.code, amount: formatYuan(asFen(bill.amountFen)), ...wait };
  const request = { orgId, transType: "rh.settle", version: "1.0.0", data, timestampMs: systemClock.now() };
  return await sealRequest(crypto, request, partnerOf(hospital), signerOf(crypto, hospital));
}

interface Settled extends LoadReport {
  /** CPU of the platform's thread, ms per settlement: what another process on the machine changes least. */
  readonly cpuMs: number;
}

async function settleAll(platform: RunningPlatform, load: Load, bodies: readonly string[]): Promise<Settled> {
  const before = process.threadCpuUsage();
  const report = await load.post(bodies);
  if (report.accepted !== bodies.length) throw new Error(`the edge refused requests of the benchmark: ${JSON.stringify(report.refusals)}`);
  await platform.drained();
  const used = process.threadCpuUsage(before);
  return { ...report, cpuMs: (used.user + used.system) / 1000 / bodies.length };
}

/** Fast and wrong is not fast: every request settled, none refused, and the ledgers verify. */
async function checkOutcome(platform: RunningPlatform, layout: Layout, sent: number): Promise<void> {
  const logs = await readLogFiles(layout, platform.platform);
  const settled = logs.reduce((sum, log) => sum + (log.kinds.get("settlement.settled") ?? 0), 0);
  if (settled !== sent) throw new Error(`${settled} of ${sent} requests were settled`);
  const bad = (await verifyPlatform({ layout, crypto: platform.crypto })).find((one) => !one.ok);
  if (bad !== undefined) throw new Error(`${bad.origin} does not verify: ${bad.firstDefect?.detail}`);
}

/** Rows of one kind: how many a settlement leaves behind, and how many bytes each has on average. */
interface LeftBehind {
  readonly rows: number;
  readonly bytes: number;
}

/** Leaves, state and transfers of the shards, and every event that passed an outbox, by settlement. */
async function leftBehind(layout: Layout, settlements: number): Promise<readonly LeftBehind[]> {
  const kinds: LeftBehind[] = [];
  const count = async (file: string, kind: "shard" | "bus", table: string, where = "1"): Promise<LeftBehind> => {
    const db = await openDatabase({ kind, file, readOnly: true });
    try {
      const columns = (await db.read(`SELECT name FROM pragma_table_info('${table}')`)).map((row) => `"${String(row["name"])}"`);
      const size = columns.map((column) => `coalesce(length(cast(${column} AS blob)), 0)`).join(" + ");
      const [row] = await db.read(`SELECT count(*) AS rows, coalesce(sum(${size}), 0) AS bytes FROM ${table} WHERE ${where}`);
      const rows = Number(row?.["rows"] ?? 0);
      return { rows: rows / settlements, bytes: rows === 0 ? 0 : Number(row?.["bytes"] ?? 0) / rows };
    } finally {
      await db.close();
    }
  };
  for (let partition = 0; partition < PARTITIONS; partition++)
    for (const table of ["leaf", "disclosure", "settlement", "transfer"])
      kinds.push(await count(layout.core.shard(partition), "shard", table));
  const events = "topic_id IN (SELECT id FROM topic WHERE name LIKE 'settlement.%' OR name LIKE 'code.scan.%')";
  kinds.push(await count(layout.bus, "bus", "record", events));
  return kinds.filter((kind) => kind.rows > 0);
}

/** Inserts what so many settlements leave behind, and gives their number. */
async function bareInserts(db: Database, left: readonly LeftBehind[]): Promise<(settlements: number) => Promise<number>> {
  await db.write([{ sql: "CREATE TABLE bound (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)", args: [] }]);
  return async (settlements) => {
    const rows = left.flatMap((kind) =>
      Array.from({ length: Math.round(kind.rows * settlements) }, () => [new Uint8Array(Math.round(kind.bytes)).fill(0x5a)]),
    );
    for (let from = 0; from < rows.length; from += BOUND_ROWS)
      await db.write(insertRows("bound", ["bytes"], rows.slice(from, from + BOUND_ROWS)));
    return settlements;
  };
}
