/**
 * The ledger: entries appended (fixed, hashed, written with full durability, head signed) and a whole log verified,
 * beside SM3 of the bytes that any log of this kind must hash: each leaf once, and one node of the tree for each leaf.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCrypto } from "../core/crypto/index.ts";
import type { Crypto } from "../core/crypto/port.ts";
import { type EventMs, systemClock } from "../core/protocol/time.ts";
import { openLog } from "../ledger/log.ts";
import type { LeafDraft } from "../ledger/leaf-draft.ts";
import type { Log } from "../ledger/port.ts";
import { verifierKey } from "../ledger/verifier/note.ts";
import { verifyDatabase } from "../ledger/verify-files.ts";
import { type Database, openDatabase } from "../migrations/database.ts";
import { contest, type Figure, type Report } from "./figures.ts";

const ORIGIN = "ronghe.example/51/settlement-0";
/** Entries per commit and signed head, as a loaded shard makes them. */
const BATCH = 256;
const BATCHES_PER_ROUND = 8;
const APPEND_ROUNDS = 7;
const VERIFY_ROUNDS = 5;
/** The bound is fast: it goes over its bytes several times, so that its turn is long enough to measure. */
const BOUND_PASSES = 4;
const LEAF_TAG = Uint8Array.of(0);
const NODE_BYTES = 65;

export async function run(report: Report): Promise<readonly Figure[]> {
  const crypto = await loadCrypto();
  const folder = await mkdtemp(join(tmpdir(), "ronghe-bench-ledger-"));
  const db = await openDatabase({ kind: "shard", file: join(folder, "shard.db") });
  const pair = crypto.sm2GenerateKeyPair();
  const steps = 2 * APPEND_ROUNDS + VERIFY_ROUNDS + 3;
  let done = 0;
  const step = (): void => report(++done, steps);
  try {
    const log = await openLog({
      db,
      origin: ORIGIN,
      crypto,
      random: (length) => crypto.random(length),
      signer: { keyName: ORIGIN, publicKey: pair.publicKey, sign: (message) => Promise.resolve(crypto.sm2Sign(pair.privateKey, message)) },
    });
    await append(crypto, db, log, 1);
    const staged = await stageFigure(crypto, log, step);
    const appended = await appendFigure(crypto, db, log, step);
    const trustedKeys = [{ ...verifierKey(crypto.sm3, ORIGIN, pair.publicKey), origins: [ORIGIN] }];
    return [appended, staged, await verifyFigure(crypto, db, trustedKeys, step)];
  } finally {
    await db.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What an append costs before anything is written: exact bytes, hashes, tree. */
async function stageFigure(crypto: Crypto, log: Log, step: () => void): Promise<Figure> {
  const bytes = await leavesOf(log);
  const outcome = await contest({
    rounds: APPEND_ROUNDS,
    report: step,
    subject() {
      for (let batch = 0; batch < BATCHES_PER_ROUND; batch++) log.stage(drafts(crypto, batch * BATCH), systemClock.now()).aborted();
      return BATCHES_PER_ROUND * BATCH;
    },
    bound: () => hashAll(crypto, bytes, BATCHES_PER_ROUND),
  });
  return {
    name: "ledger.stage",
    what: "the same without the disk and the signature",
    unit: "entries/s",
    perSecond: outcome.perSecond,
    bound: { what: "SM3 of each leaf and one node", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
  };
}

async function appendFigure(crypto: Crypto, db: Database, log: Log, step: () => void): Promise<Figure> {
  const bytes = await leavesOf(log);
  const outcome = await contest({
    rounds: APPEND_ROUNDS,
    report: step,
    subject: () => append(crypto, db, log, BATCHES_PER_ROUND),
    bound: () => hashAll(crypto, bytes, BATCHES_PER_ROUND),
  });
  return {
    name: "ledger.append",
    what: `append, ${BATCH} entries per commit and signed head`,
    unit: "entries/s",
    perSecond: outcome.perSecond,
    bound: { what: "SM3 of each leaf and one node", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
    aim: { ratio: 0.5 },
    note: `leaves of ${meanLength(bytes)} bytes on average`,
  };
}

async function verifyFigure(
  crypto: Crypto,
  db: Database,
  trustedKeys: Parameters<typeof verifyDatabase>[0]["trustedKeys"],
  step: () => void,
): Promise<Figure> {
  const rows = await db.read("SELECT bytes FROM leaf ORDER BY idx");
  const bytes = rows.map((row) => (row["bytes"] instanceof ArrayBuffer ? new Uint8Array(row["bytes"]) : new Uint8Array()));
  const outcome = await contest({
    rounds: VERIFY_ROUNDS,
    report: step,
    async subject() {
      const verified = await verifyDatabase({ db, crypto, trustedKeys, origin: ORIGIN });
      if (!verified.ok) throw new Error(`the log does not verify: ${verified.firstDefect?.detail}`);
      return Number(verified.size);
    },
    bound: () => hashAll(crypto, bytes, 1),
  });
  return {
    name: "ledger.verify",
    what: `verify a whole database of ${bytes.length.toLocaleString("en")} entries`,
    unit: "entries/s",
    perSecond: outcome.perSecond,
    bound: { what: "SM3 of each leaf and one node", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
    aim: { ratio: 0.6 },
  };
}

async function append(crypto: Crypto, db: Database, log: Log, batches: number): Promise<number> {
  for (let batch = 0; batch < batches; batch++) {
    const from = Number(log.size);
    const atMs = systemClock.now() as EventMs;
    const staged = log.stage(drafts(crypto, from), atMs);
    await db.write(staged.statements);
    staged.committed();
    await log.checkpoint(atMs);
  }
  return batches * BATCH;
}

function drafts(crypto: Crypto, from: number): readonly LeafDraft[] {
  return Array.from({ length: BATCH }, (_, n) => draft(crypto, from + n));
}

/** Every third leaf accepts, every third holds, every third settles: what a settlement leaves behind. */
function draft(crypto: Crypto, n: number): LeafDraft {
  const institution = `H5101040000${n % 6}`;
  const digest = HASHES[n % HASHES.length] ?? crypto.sm3();
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

async function leavesOf(log: Log): Promise<readonly Uint8Array[]> {
  return (await log.leaves(0n, BATCH)).map((leaf) => leaf.bytes);
}

/** One SM3 over 0x00 ‖ leaf and one over 65 bytes, for every leaf, `times` over. */
function hashAll(crypto: Crypto, leaves: readonly Uint8Array[], times: number): number {
  const node = new Uint8Array(NODE_BYTES);
  node[0] = 1;
  for (let pass = 0; pass < times * BOUND_PASSES; pass++)
    for (const leaf of leaves) {
      node.set(crypto.sm3(LEAF_TAG, leaf), 1);
      crypto.sm3(node);
    }
  return times * BOUND_PASSES * leaves.length;
}

function meanLength(leaves: readonly Uint8Array[]): number {
  return Math.round(leaves.reduce((sum, leaf) => sum + leaf.length, 0) / leaves.length);
}
