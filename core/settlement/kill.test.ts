/**
 * A hundred times `kill -9` between two steps: before or after a write, a call to a payer, a publication, or at any
 * moment at all. What was begun is finished by the next process, and in the end everything is as if nobody had been
 * killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import { toHex } from "../protocol/bytes.ts";
import { systemClock } from "../protocol/time.ts";
import { verifierKey } from "../../ledger/verifier/note.ts";
import { verifyDatabase } from "../../ledger/verify-files.ts";
import { type Database, openDatabase } from "../../migrations/database.ts";
import { openEmbeddedBus } from "../../streams/bus/embedded.ts";
import { dice } from "./model/stories.ts";
import type { SeedAccount } from "./rails/sandbox/accounts.ts";
import type { SandboxTotals } from "./rails/sandbox/admin-app.ts";
import { type SandboxRails, startSandboxRails } from "./rails/sandbox/start.ts";
import { openStore } from "./store.ts";
import { compareWithLeaves } from "./testing/compare.ts";
import type { KillChildOptions } from "./testing/kill-child.ts";
import { ORIGIN, shardFileIn } from "./testing/room.ts";

const LANES = 2;
const KILLS_PER_LANE = 50;
/** A process that lives to its end does so many rounds; most do not. */
const ROUNDS_AT_ONCE = 6;
/** About as many points as two rounds have. */
const POINTS = 160;
const seed = Number(process.env["TEST_SEED"] ?? 20_260_512);
const crypto = await loadCrypto();
const CHILD = fileURLToPath(new URL("testing/kill-child.ts", import.meta.url));

const ACCOUNTS: readonly SeedAccount[] = ["rich", "poor"].flatMap((name): SeedAccount[] => [
  { rail: "insurance", account: `i-${name}`, sharePercent: 60 },
  { rail: "commercial", account: `c-${name}`, sharePercent: 50 },
  { rail: "bank", account: `b-${name}`, balance: name === "rich" ? "1000000.00" : "1.00" },
]);

const ENDS = ["refund refunded", "settle refused", "settle settled"];

interface Lane {
  readonly folder: string;
  readonly sandbox: SandboxRails;
  readonly keys: ReturnType<typeof crypto.sm2GenerateKeyPair>;
  readonly railsKey: Uint8Array;
}
const lanes: Lane[] = [];
const children = new Set<ChildProcess>();
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  for (const { sandbox, folder } of lanes.splice(0)) {
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  }
});

async function openLane(): Promise<Lane> {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-kill-"));
  const sandbox = await startSandboxRails({ clock: systemClock, file: join(folder, "payers.db"), seedAccounts: ACCOUNTS });
  const lane = { folder, sandbox, keys: crypto.sm2GenerateKeyPair(), railsKey: crypto.random(32) };
  lanes.push(lane);
  return lane;
}

type Run = Pick<KillChildOptions, "fromRound" | "toRound" | "killAt"> & { readonly killAfterMs?: number };

/** Runs one process to its end, its own or ours; gives the first round that it did not finish. */
async function run(
  { folder, sandbox, keys, railsKey }: Lane,
  { killAfterMs, ...rounds }: Run,
): Promise<{ readonly next: number; readonly killed: boolean }> {
  const urls = { insurance: sandbox.insuranceUrl, commercial: sandbox.commercialUrl, bank: sandbox.bankUrl };
  const hex = { privateKey: toHex(keys.privateKey), publicKey: toHex(keys.publicKey), railsKey: toHex(railsKey) };
  const options: KillChildOptions = { folder, urls, ...hex, ...rounds };
  const env = { ...process.env, NODE_COMPILE_CACHE: join(folder, "compiled") };
  const child = spawn(process.execPath, [CHILD, JSON.stringify(options)], { stdio: ["ignore", "pipe", "pipe"], env });
  children.add(child);
  let complaint = "";
  child.stderr.on("data", (text: Buffer) => (complaint += text.toString()));
  let next = rounds.fromRound;
  let timer: NodeJS.Timeout | undefined;
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    if (line === "ready" && killAfterMs !== undefined) timer = setTimeout(() => child.kill("SIGKILL"), killAfterMs);
    if (line.startsWith("done ")) next = Number(line.slice(5)) + 1;
  });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  clearTimeout(timer);
  children.delete(child);
  if (signal !== "SIGKILL" && code !== 0) throw new Error(`the process ended with ${code}: ${complaint}`);
  return { next, killed: signal === "SIGKILL" };
}

/** Everything that must not depend on how often a process ended. */
async function endState({ folder, sandbox, keys }: Lane): Promise<object> {
  const db = await openDatabase({ kind: "shard", file: shardFileIn(folder), readOnly: true });
  const bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock: systemClock });
  try {
    expect(await compareWithLeaves(db, crypto)).toEqual([]);
    const trusted = [{ ...verifierKey((...parts) => crypto.sm3(...parts), ORIGIN, keys.publicKey), origins: [ORIGIN] }];
    expect((await verifyDatabase({ db, crypto, trustedKeys: trusted, origin: ORIGIN })).ok).toBe(true);
    const totals = (await (await fetch(`${sandbox.adminUrl}/admin/totals`)).json()) as SandboxTotals;
    // Where nothing happened, nothing differs.
    expect(await rows(db, "SELECT DISTINCT action, state FROM settlement ORDER BY 1, 2")).toEqual(ENDS);
    return {
      settlements: await rows(db, "SELECT id, action, state, amount, refusal, scope FROM settlement ORDER BY id"),
      transfers: await rows(db, "SELECT group_id, rail, fund_source, stage, amount FROM transfer ORDER BY 1, 2, 3, 4"),
      balances: (await openStore(db).balances()).map(({ account, posted, pending }) => `${account} ${posted} ${pending}`),
      payers: { ...totals, legs: totals.legs.map((leg) => JSON.stringify(leg)).sort() },
      outcomes: [...(await outcomeIds(bus))].sort(),
    };
  } finally {
    await bus.close();
    await db.close();
  }
}

async function rows(db: Database, sql: string): Promise<readonly string[]> {
  return (await db.read(sql)).map((row) => Object.values(row).join(" "));
}

async function outcomeIds(bus: Awaited<ReturnType<typeof openEmbeddedBus>>): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (const topic of ["settlement.claim.settled.v1", "settlement.claim.refused.v1", "settlement.claim.refunded.v1"])
    for (const { headers } of await bus.read(topic, 0, 0n, 100_000)) ids.add(headers["ce_id"] ?? "");
  return ids;
}

/** Kill after kill, and then one process that may live. */
async function killedLane(lane: Lane, laneSeed: number): Promise<{ readonly rounds: number; readonly kills: number }> {
  const random = dice(laneSeed);
  let round = 0;
  let kills = 0;
  while (kills < KILLS_PER_LANE) {
    // Every fifth at any moment, the others at a point.
    const end = kills % 5 === 4 ? { killAfterMs: random.int(0, 250) } : { killAt: random.int(1, POINTS) };
    const { next, killed } = await run(lane, { fromRound: round, toRound: round + ROUNDS_AT_ONCE, ...end });
    round = next;
    if (killed) kills++;
  }
  const { next } = await run(lane, { fromRound: round, toRound: round + 1 });
  return { rounds: next, kills };
}

test(`${LANES * KILLS_PER_LANE} kills later everything is as without any (TEST_SEED=${seed})`, async () => {
  const killed = await Promise.all(
    Array.from({ length: LANES }, async (_, at) => {
      const lane = await openLane();
      return { lane, ...(await killedLane(lane, seed + at)) };
    }),
  );
  for (const { lane, rounds, kills } of killed) {
    expect(kills).toBe(KILLS_PER_LANE);
    const calm = await openLane();
    expect(await run(calm, { fromRound: 0, toRound: rounds })).toEqual({ next: rounds, killed: false });
    const state = await endState(lane);
    expect(state).toEqual(await endState(calm));
    expect(state).toMatchObject({ payers: { doubled: 0, held: 0 } });
  }
});
