/**
 * The ledger: entries appended beside bare inserts of the same rows, proofs at a million entries, the whole log exported
 * and verified beside SM3 of the bytes that any log of this kind must hash: each leaf once, and one node for each leaf.
 *
 * `RONGHE_BENCH_ENTRIES` is the size of the log, a million by default.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { loadCrypto } from "../core/crypto/index.ts";
import type { Crypto } from "../core/crypto/port.ts";
import type { EventMs } from "../core/protocol/time.ts";
import { exportFolder } from "../ledger/export/folder.ts";
import { exportPlatform } from "../ledger/export/platform.ts";
import { openLog } from "../ledger/log.ts";
import type { LeafDraft } from "../ledger/leaf-draft.ts";
import type { Log } from "../ledger/port.ts";
import { verifyExport } from "../ledger/verifier/export.ts";
import { type TrustedKey, verifierKey } from "../ledger/verifier/note.ts";
import { printPolicy } from "../ledger/verifier/policy.ts";
import { verifyDatabase, verifyReceiptText } from "../ledger/verify-files.ts";
import { type Database, type InValue, openDatabase, type Statement } from "../migrations/database.ts";
import { contest, type Figure, rateOf, type Report } from "./figures.ts";

const ORIGIN = "ronghe.example/51/settlement-0";
/** Entries per commit, as a loaded shard makes them, and commits per signed head: one in 20 ms or more (`core/head-signer.ts`). */
const BATCH = 256;
const COMMITS_PER_HEAD = 4;
const COMMITS_PER_ROUND = 8;
const APPEND_ROUNDS = 7;
const VERIFY_ROUNDS = 3;
const PROOFS = 500;
/** The bound is fast: it goes over its bytes several times, so that its turn is long enough to measure. */
const BOUND_PASSES = 4;
/** Leaves that stand for all in the bound, and how often it goes over them. */
const SAMPLE = 3 * BATCH;
const SAMPLE_PASSES = 200;
const LEAF_TAG = Uint8Array.of(0);
const NODE_BYTES = 65;
const AT = 1_790_000_000_000;
/** Sizes at which appends are measured again: their cost must not grow with the log. */
const STATIONS: readonly number[] = [100_000, 1_000_000, 10_000_000];

export async function run(report: Report): Promise<readonly Figure[]> {
  const crypto = await loadCrypto();
  const entries = Number(process.env["RONGHE_BENCH_ENTRIES"] ?? 1_000_000);
  const folder = await mkdtemp(join(tmpdir(), "ronghe-bench-ledger-"));
  const db = await openDatabase({ kind: "shard", file: join(folder, "shard.db") });
  const raw = await openDatabase({ kind: "bus", file: join(folder, "raw.db") });
  const pair = crypto.sm2GenerateKeyPair();
  const trusted: TrustedKey = { ...verifierKey(crypto.sm3, ORIGIN, pair.publicKey), origins: [ORIGIN] };
  try {
    const log = await openLog({
      db,
      origin: ORIGIN,
      crypto,
      random: (length) => crypto.random(length),
      signer: { keyName: ORIGIN, publicKey: pair.publicKey, sign: (message) => Promise.resolve(crypto.sm2Sign(pair.privateKey, message)) },
    });
    const bench: Bench = { crypto, db, raw, log, trusted, folder };
    await raw.write(RAW_TABLES.map((sql) => ({ sql, args: [] })));
    await append(bench, 1);
    const figures = [await stageFigure(bench), await appendFigure(bench, "ledger.append", "")];
    for (const station of STATIONS.filter((size) => size <= entries)) {
      await growTo(bench, station, (done) => report(done, entries));
      figures.push(await appendFigure(bench, `ledger.append.${station}`, ` behind ${station.toLocaleString("en")} others`));
    }
    await growTo(bench, entries, (done) => report(done, entries));
    figures.push(...(await proveFigures(bench)), await exportFigure(bench));
    figures.push(await verifyFigure(bench, "export"), await verifyFigure(bench, "database"));
    return figures;
  } finally {
    await Promise.all([db.close(), raw.close()]);
    await rm(folder, { recursive: true, force: true });
  }
}

interface Bench {
  readonly crypto: Crypto;
  readonly db: Database;
  /** Tables without index, trigger or meaning. */
  readonly raw: Database;
  readonly log: Log;
  readonly trusted: TrustedKey;
  readonly folder: string;
}

/** What an append costs before anything is written: exact bytes, hashes, tree. */
async function stageFigure({ crypto, log }: Bench): Promise<Figure> {
  const bytes = await leavesOf(log, BATCH);
  const outcome = await contest({
    rounds: APPEND_ROUNDS,
    subject() {
      for (let batch = 0; batch < COMMITS_PER_ROUND; batch++) log.stage(drafts(batch * BATCH), AT as EventMs).aborted();
      return COMMITS_PER_ROUND * BATCH;
    },
    bound: () => hashAll(crypto, bytes, COMMITS_PER_ROUND * BOUND_PASSES),
  });
  return {
    name: "ledger.stage",
    what: "entries fixed and hashed, without the disk and the signature",
    unit: "entries/s",
    perSecond: outcome.perSecond,
    bound: { what: "SM3 of each leaf and one node", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
    note: `leaves of ${meanLength(bytes)} bytes on average`,
  };
}

async function appendFigure(bench: Bench, name: string, where: string): Promise<Figure> {
  let rows: readonly RawRows[] = [];
  const outcome = await contest({
    rounds: APPEND_ROUNDS,
    async subject() {
      rows = await append(bench, COMMITS_PER_ROUND);
      return COMMITS_PER_ROUND * BATCH;
    },
    async bound() {
      if (rows.length === 0) rows = await append(bench, COMMITS_PER_ROUND);
      for (const commit of rows) await bench.raw.write(rawInserts(commit));
      const written = rows.length * BATCH;
      rows = [];
      return written;
    },
  });
  return {
    name,
    what: `append, ${BATCH} entries per commit, a signed head per ${COMMITS_PER_HEAD}${where}`,
    unit: "entries/s",
    perSecond: outcome.perSecond,
    bound: { what: "bare multi-row inserts of the same rows", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
    aim: { ratio: 0.6 },
  };
}

/** One inclusion in the whole log: receipts made from the database, and checked from their text. */
async function proveFigures({ crypto, log, trusted }: Bench): Promise<readonly Figure[]> {
  await log.checkpoint(AT as EventMs);
  const size = Number(log.size);
  const receipts: string[] = [];
  const made = await rateOf(async () => {
    for (let n = 0; n < PROOFS; n++) receipts.push(await log.receipt(BigInt((n * 7_919_317) % size)));
    return PROOFS;
  }, 0);
  const checked = await rateOf(() => {
    for (const text of receipts)
      if (!verifyReceiptText(text, { crypto, trustedKeys: [trusted] }).ok) throw new Error("a receipt does not verify");
    return PROOFS;
  }, 0);
  const at = `at ${size.toLocaleString("en")} entries`;
  return [
    { name: "ledger.prove", what: `receipt of any entry ${at}: leaf read, path, text`, unit: "receipts/s", perSecond: made },
    { name: "ledger.check", what: `receipt checked ${at}: text, path, SM2 signature`, unit: "receipts/s", perSecond: checked },
  ];
}

async function exportFigure({ crypto, db, log, trusted, folder }: Bench): Promise<Figure> {
  const note = log.latestCheckpoint()?.note ?? "";
  const policy = new TextEncoder().encode(printPolicy([trusted]));
  const write = async (): Promise<number> => {
    const out = exportFolder(join(folder, "out"));
    const { logs } = await exportPlatform({ folder: out, logs: [{ origin: ORIGIN, db, note }], policy, sm3: crypto.sm3 });
    return logs.reduce((sum, one) => sum + one.size, 0);
  };
  const first = await rateOf(write, 0);
  const from = performance.now();
  await write();
  return {
    name: "ledger.export",
    what: "export into an empty folder",
    unit: "entries/s",
    perSecond: first,
    note: `run again with nothing new: ${((performance.now() - from) / 1000).toFixed(1)} s`,
  };
}

async function verifyFigure(bench: Bench, what: "export" | "database"): Promise<Figure> {
  const { crypto, db, log, trusted, folder } = bench;
  const sample = await leavesOf(log, SAMPLE);
  let [peak, seconds] = [0, 0];
  const measure = (): void => void (peak = Math.max(peak, process.memoryUsage.rss()));
  const before = process.memoryUsage.rss();
  const outcome = await contest({
    rounds: VERIFY_ROUNDS,
    warmUps: 0,
    async subject() {
      const from = performance.now();
      const verified =
        what === "export"
          ? (await verifyExport({ files: exportFolder(join(folder, "out")), crypto, trust: [trusted], onProgress: measure })).logs[0]
          : await verifyDatabase({ db, crypto, trustedKeys: [trusted], origin: ORIGIN, onProgress: measure });
      if (verified?.ok !== true) throw new Error(`the log does not verify: ${verified?.firstDefect?.detail}`);
      seconds = (performance.now() - from) / 1000;
      return Number(verified.size);
    },
    bound: () => hashAll(crypto, sample, SAMPLE_PASSES),
  });
  return {
    name: `ledger.verify.${what}`,
    what: `verify ${what === "export" ? "an export" : "a database"} of ${log.size.toLocaleString("en")} entries`,
    unit: "entries/s",
    perSecond: outcome.perSecond,
    bound: { what: "SM3 of each leaf and one node", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
    aim: { ratio: 0.7 },
    note: `${seconds.toFixed(1)} s the last time; ${Math.round((peak - before) / 1e6)} MB more memory at the most than before`,
  };
}

/** Appends commits of full durability; gives the rows of each. */
async function append({ db, log }: Bench, commits: number): Promise<readonly RawRows[]> {
  const rows: RawRows[] = [];
  for (let commit = 1; commit <= commits; commit++) {
    const from = Number(log.size);
    const staged = log.stage(drafts(from), (AT + from) as EventMs);
    await db.write(staged.statements);
    staged.committed();
    if (commit % COMMITS_PER_HEAD === 0) await log.checkpoint((AT + from) as EventMs);
    rows.push(rawRows(staged.statements));
  }
  return rows;
}

/** Fills up to a size without waiting for the disk. */
async function growTo({ db, log }: Bench, size: number, onProgress: (done: number) => void): Promise<void> {
  while (Number(log.size) < size) {
    const from = Number(log.size);
    const staged = log.stage(drafts(from, Math.min(BATCH, size - from)), (AT + from) as EventMs);
    await db.write(staged.statements, "process");
    staged.committed();
    if (Math.floor(from / BATCH) % COMMITS_PER_HEAD === 0) {
      await log.checkpoint((AT + from) as EventMs);
      onProgress(from);
    }
  }
  await log.checkpoint((AT + size) as EventMs);
}

const RAW_TABLES = [
  "CREATE TABLE raw_leaf (idx INTEGER PRIMARY KEY, bytes BLOB, hash BLOB, kind TEXT, institution TEXT, subject TEXT, at_ms INTEGER)",
  "CREATE TABLE raw_disclosure (idx INTEGER, name TEXT, salt BLOB, value TEXT)",
];

interface RawRows {
  readonly leaf: readonly InValue[];
  readonly disclosure: readonly InValue[];
}

/** The values of one commit's entries, as one flat list per table. */
function rawRows(statements: readonly Statement[]): RawRows {
  const of = (table: string): readonly InValue[] =>
    statements.filter(({ sql }) => sql.startsWith(`INSERT INTO ${table} (`)).flatMap(({ args }) => args);
  return { leaf: of("leaf"), disclosure: of("disclosure") };
}

/** One statement per table and commit. */
function rawInserts({ leaf, disclosure }: RawRows): readonly Statement[] {
  return [rawInsert("raw_leaf", 7, leaf), ...(disclosure.length === 0 ? [] : [rawInsert("raw_disclosure", 4, disclosure)])];
}

function rawInsert(table: string, columns: number, args: readonly InValue[]): Statement {
  const one = `(${Array.from({ length: columns }, () => "?").join(",")})`;
  return { sql: `INSERT INTO ${table} VALUES ${Array.from({ length: args.length / columns }, () => one).join(",")}`, args };
}

function drafts(from: number, count: number = BATCH): readonly LeafDraft[] {
  return Array.from({ length: count }, (_, n) => draft(from + n));
}

/** Every third leaf accepts, every third holds, every third settles: what a settlement leaves behind. */
function draft(n: number): LeafDraft {
  const institution = `H5101040000${n % 6}`;
  const digest = HASHES[n % HASHES.length] ?? new Uint8Array(32);
  const common = {
    outcome: "accepted" as const,
    institution,
    subject: Buffer.from(digest).toString("hex"),
    idempotencyKey: `B${n}`,
    requestHash: digest,
    provenance: { topic: "settlement.request.submitted.v1", partition: 0, offset: BigInt(n), recordHash: digest },
  };
  const money = { "fen.total": "12850", "fen.insurance.hifp_pay": "9000", "fen.insurance.acct_pay": "1000", "fen.bank.cash": "2850" };
  const where = { terminal: "5101040001000000000", businessType: "01301" };
  switch (n % 3) {
    case 0:
      return { ...common, kind: "settlement.accepted", actor: "edge/edge-1", facts: { action: "settle", ...where, "fen.total": "12850" } };
    case 1:
      return { ...common, kind: "settlement.held", actor: "core", facts: money };
    default:
      return { ...common, kind: "settlement.settled", actor: "core", facts: { ...where, ...money }, personal: { person: common.subject } };
  }
}

/** Stand for request hashes: making them is the edge's work, not the ledger's. */
const HASHES = Array.from({ length: 97 }, (_, n) => new Uint8Array(32).fill(n));

async function leavesOf(log: Log, count: number): Promise<readonly Uint8Array[]> {
  return (await log.leaves(0n, count)).map((leaf) => leaf.bytes);
}

/** One SM3 over 0x00 ‖ leaf and one over 65 bytes, for every leaf, `times` over, by the same implementation call by call. */
function hashAll(crypto: Crypto, leaves: readonly Uint8Array[], times: number): number {
  const node = new Uint8Array(NODE_BYTES);
  node[0] = 1;
  for (let pass = 0; pass < times; pass++)
    for (const leaf of leaves) {
      node.set(crypto.sm3(LEAF_TAG, leaf), 1);
      crypto.sm3(node);
    }
  return times * leaves.length;
}

function meanLength(leaves: readonly Uint8Array[]): number {
  return Math.round(leaves.reduce((sum, leaf) => sum + leaf.length, 0) / leaves.length);
}
