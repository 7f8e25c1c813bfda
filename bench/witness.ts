/**
 * From an entry to a receipt that two of three witnesses stand by: appended with an fsync, head signed, shown to three
 * witnesses (processes of their own, HTTP on this machine, an fsync each), published, receipt printed. One after the other,
 * so that each takes the whole way alone. The bound is the same entry with a receipt that the log alone has signed.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readConfig } from "../cli/config.ts";
import { initWitness } from "../cli/platform/witness.ts";
import { openPublication, type Publication } from "../core/checkpoint-publication.ts";
import { loadCrypto } from "../core/crypto/index.ts";
import type { Crypto } from "../core/crypto/port.ts";
import { systemClock } from "../core/protocol/time.ts";
import { openLog } from "../ledger/log.ts";
import type { Log } from "../ledger/port.ts";
import { type Policy, type Trust, type Witness, verifierKey } from "../ledger/verifier/note.ts";
import { printPolicy } from "../ledger/verifier/policy.ts";
import { verifyReceiptText } from "../ledger/verify-files.ts";
import { type Database, openDatabase } from "../migrations/database.ts";
import { contest, type Figure, type Report } from "./figures.ts";

const ORIGIN = "ronghe.example/51/settlement-0";
const WITNESSES: readonly string[] = ["hospital", "insurer", "bank"];
const QUORUM = 2;
const ROUNDS = 6;
const PER_ROUND = 50;
const MAIN = fileURLToPath(new URL("../cli/main.ts", import.meta.url));

export async function run(report: Report): Promise<readonly Figure[]> {
  const crypto = await loadCrypto();
  const folder = await mkdtemp(join(tmpdir(), "ronghe-bench-witness-"));
  const stops: (() => Promise<void> | void)[] = [() => rm(folder, { recursive: true, force: true })];
  try {
    const [witnessed, alone] = [await openOwn(crypto, folder, "witnessed"), await openOwn(crypto, folder, "alone")];
    stops.push(
      () => witnessed.db.close(),
      () => alone.db.close(),
    );
    const policyFile = join(folder, "logs-policy.txt");
    await writeFile(policyFile, printPolicy([witnessed.trusted]));
    const witnesses: Witness[] = [];
    for (const name of WITNESSES) {
      const started = await startWitness(crypto, join(folder, name), name, policyFile);
      stops.push(started.stop);
      witnesses.push(started.witness);
    }
    const groups = [{ name: "enough", threshold: QUORUM, members: WITNESSES }];
    const policy: Policy = { logs: [witnessed.trusted], witnesses, groups, quorum: "enough" };
    const witnessing = { policy, onMissing: "closed" as const, intervalMs: 1, timeoutMs: 10_000, receiptWaitMs: 10_000 };
    const { db, log } = witnessed;
    const publication = await openPublication({ db, log, crypto, clock: systemClock, witnessing });
    stops.push(() => publication.stop());
    const signed = await openPublication({ db: alone.db, log: alone.log, crypto, clock: systemClock });

    const times: number[] = [];
    const outcome = await contest({
      rounds: ROUNDS,
      report,
      subject: () => receipts({ ...witnessed, publication, crypto, trust: policy }, times),
      bound: () => receipts({ ...alone, publication: signed, crypto, trust: [alone.trusted] }),
    });
    const sorted = times.slice(PER_ROUND).toSorted((a, b) => a - b);
    const at = (share: number): string => (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN).toFixed(1);
    return [
      {
        name: "witness.receipt",
        what: "entry to receipt cosigned by 2 of 3 local witnesses",
        unit: "receipts",
        perSecond: outcome.perSecond,
        bound: { what: "the same, signed by the log alone", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
        note: `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, slowest ${at(1)} ms over ${sorted.length} receipts, one at a time`,
      },
    ];
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

interface Own {
  readonly db: Database;
  readonly log: Log;
  readonly trusted: Policy["logs"][number];
}

async function openOwn(crypto: Crypto, folder: string, name: string): Promise<Own> {
  const db = await openDatabase({ kind: "shard", file: join(folder, `${name}.db`) });
  const pair = crypto.sm2GenerateKeyPair();
  const sign = (message: Uint8Array): Promise<Uint8Array> => Promise.resolve(crypto.sm2Sign(pair.privateKey, message));
  const signer = { keyName: ORIGIN, publicKey: pair.publicKey, sign };
  const log = await openLog({ db, origin: ORIGIN, crypto, random: (length) => crypto.random(length), signer });
  return { db, log, trusted: { ...verifierKey(crypto.sm3, ORIGIN, pair.publicKey), origins: [ORIGIN] } };
}

/** `ronghe witness serve`, as a hospital runs it. */
async function startWitness(
  crypto: Crypto,
  data: string,
  name: string,
  policyFile: string,
): Promise<{ readonly witness: Witness; stop(): Promise<void> }> {
  const key = await initWitness(readConfig({}), crypto, data, `witness.example/${name}`);
  const child = spawn(process.execPath, [MAIN, "witness", "serve", "--data", data, "--policy", policyFile, "--port", "0"], {
    env: Object.fromEntries(Object.entries(process.env).filter(([variable]) => !variable.startsWith("RONGHE_"))),
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    let output = "";
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const found = /http:\/\/\S+/.exec(output);
      if (found !== null && output.includes("stop with Ctrl-C")) resolve(found[0]);
    });
    child.on("close", () => reject(new Error(`the witness ended: ${output}`)));
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
  };
  return { witness: { name, key, url }, stop };
}

interface Way extends Own {
  readonly publication: Publication;
  readonly crypto: Crypto;
  readonly trust: Trust;
}

async function receipts({ db, log, publication, crypto, trust }: Way, times?: number[]): Promise<number> {
  for (let n = 0; n < PER_ROUND; n++) {
    const from = performance.now();
    const facts = { terminal: "T0001", businessType: "01301", "fen.total": String(12_850 + n) };
    const staged = log.stage(
      [{ kind: "settlement.settled", outcome: "accepted", actor: "core", institution: "H1", facts }],
      systemClock.now(),
    );
    await db.write(staged.statements);
    staged.committed();
    await log.checkpoint(systemClock.now());
    publication.dirty();
    const receipt = await log.receipt(staged.positions[0]?.index ?? 0n, await publication.publishNow());
    times?.push(performance.now() - from);
    if (!verifyReceiptText(receipt, { crypto, trustedKeys: trust }).ok) throw new Error("a receipt does not verify");
  }
  return PER_ROUND;
}
