/**
 * What must hold when all is over, whatever happened before. Read from the files, from the payers' books and from what
 * hospitals wrote down; each line of the answer is a broken promise.
 */
import { join } from "node:path";
import { toHex } from "../../core/protocol/bytes.ts";
import { openStore } from "../../core/settlement/store.ts";
import type { Settlement } from "../../core/settlement/settlement.ts";
import { compareWithLeaves, readLeaves } from "../../core/settlement/testing/compare.ts";
import type { Movement } from "../../core/settlement/testing/payers.ts";
import { RAIL_ORDER } from "../../core/settlement/plan.ts";
import type { Leaf } from "../../ledger/verifier/leaf.ts";
import { verifyDatabase } from "../../ledger/verify-files.ts";
import { Connection } from "../../migrations/connection.ts";
import { type Database, openDatabase } from "../../migrations/database.ts";
import type { Trace } from "./chance.ts";
import { EDGES, type EdgeName, type Founded, PARTITIONS, PEOPLE, REGISTRY_ORIGIN, shardOrigin } from "./founding.ts";
import type { Told } from "./hospitals.ts";
import type { SimPayers } from "./payers.ts";

export interface CheckOptions {
  readonly founded: Founded;
  readonly folder: string;
  readonly payers: SimPayers;
  readonly told: readonly Told[];
  readonly trace: Trace;
  readonly doctored: boolean;
}

/** A request that an edge has made durable, in the order of its commits. */
interface Taken {
  readonly edge: EdgeName;
  readonly institution: string;
  readonly outTradeNo: string;
  readonly requestHash: string;
}

interface Books {
  readonly settlements: ReadonlyMap<string, Settlement>;
  readonly leaves: readonly Leaf[];
}

export async function check(options: CheckOptions): Promise<readonly string[]> {
  const { founded, folder, payers, told, trace, doctored } = options;
  if (doctored) doctor(join(folder, "shard-0.db"), join(folder, "shard-1.db"));
  const findings: string[] = [];
  const settlements = new Map<string, Settlement>();
  const leaves: Leaf[] = [];
  const opened = async <T>(kind: "core" | "shard" | "edge", name: string, look: (db: Database) => Promise<T>): Promise<T> => {
    const db = await openDatabase({ kind, file: join(folder, `${name}.db`), readOnly: true });
    try {
      return await look(db);
    } finally {
      await db.close();
    }
  };
  await opened("core", "core", async (db) => findings.push(...(await ledgerDefects(founded, db, REGISTRY_ORIGIN))));
  for (let partition = 0; partition < PARTITIONS; partition++)
    await opened("shard", `shard-${partition}`, async (db) => {
      const defects = await ledgerDefects(founded, db, shardOrigin(partition));
      findings.push(...defects);
      if (defects.length > 0) return;
      findings.push(...(await compareWithLeaves(db, founded.crypto)), ...(await notConserved(db)));
      for (const [id, one] of await settlementsIn(db)) settlements.set(id, one);
      leaves.push(...(await readLeaves(db)));
    });
  if (findings.length > 0) return findings;
  for (const leaf of leaves) {
    // The hash of the entry before holds all of its bytes; salts and sealed values differ where SM2 itself signs.
    const before = founded.crypto.isSm2() ? "" : toHex(leaf.previous ?? new Uint8Array());
    trace.note(`${leaf.origin} ${leaf.index} ${leaf.kind} ${leaf.outcome} ${leaf.idempotencyKey ?? ""} ${leaf.postedMs} ${before}`);
  }
  const taken: Taken[] = [];
  for (const edge of EDGES) taken.push(...(await opened("edge", edge, (db) => takenBy(db, edge))));
  const books = { settlements, leaves };
  findings.push(
    ...notKept(told, taken),
    ...notOnce(taken, books),
    ...outOfOrder(taken, books),
    ...moneyDiffers(payers, books),
    ...toldOtherwise(told, books),
    ...codesPaidTwice(told, books),
  );
  for (const edge of EDGES) findings.push(...(await opened("edge", edge, (db) => resultsDiffer(db, edge, books))));
  return findings;
}

async function ledgerDefects({ crypto, trustedKeys }: Founded, db: Database, origin: string): Promise<readonly string[]> {
  const report = await verifyDatabase({ db, crypto, trustedKeys, origin });
  return report.ok ? [] : [`${origin} does not verify: ${report.firstDefect?.name} ${report.firstDefect?.detail}`];
}

async function settlementsIn(db: Database): Promise<ReadonlyMap<string, Settlement>> {
  const ids = (await db.read("SELECT id FROM settlement")).map((row) => String(row["id"]));
  return await openStore(db).byId(ids);
}

async function notConserved(db: Database): Promise<readonly string[]> {
  const sums = new Map<string, bigint>();
  for (const { fundSource, posted, pending } of await openStore(db).balances())
    for (const [what, fen] of [
      [`${fundSource} posted`, posted],
      [`${fundSource} pending`, pending],
    ] as const)
      sums.set(what, (sums.get(what) ?? 0n) + fen);
  return [...sums].flatMap(([what, left]) => (left === 0n ? [] : [`${what} is not conserved: ${left} fen too many`]));
}

async function takenBy(db: Database, edge: EdgeName): Promise<readonly Taken[]> {
  const rows = await db.read("SELECT org_id, out_trade_no, request_hash FROM taken_request ORDER BY rowid");
  return rows.map((row) => ({
    edge,
    institution: String(row["org_id"]),
    outTradeNo: String(row["out_trade_no"]),
    requestHash: String(row["request_hash"]),
  }));
}

/**
 * What an edge accepted it has, with the content it accepted; what it acknowledged in other words, because the core had
 * told it the outcome, it or another edge has.
 */
function notKept(told: readonly Told[], taken: readonly Taken[]): readonly string[] {
  const kept = new Set(taken.map((one) => `${one.edge} ${one.institution}/${one.outTradeNo} ${one.requestHash}`));
  return told.flatMap(({ institution, outTradeNo, requestHash, acknowledgedBy, acceptedBy }) => {
    const has = (edge: EdgeName): boolean => kept.has(`${edge} ${institution}/${outTradeNo} ${requestHash}`);
    const isKept = EDGES.some(has);
    return [...acknowledgedBy].flatMap((edge) =>
      has(edge) || (isKept && !acceptedBy.has(edge)) ? [] : [`${edge} acknowledged ${institution}/${outTradeNo} and has it not`],
    );
  });
}

function openings(leaves: readonly Leaf[]): readonly Leaf[] {
  return leaves.filter(({ kind, actor }) => actor.startsWith("edge/") && kind.startsWith("settlement.") && kind !== "settlement.conflict");
}

/** Every request taken is in the ledger exactly once, as an opening or as a conflict; and nothing else is. */
function notOnce(taken: readonly Taken[], { leaves, settlements }: Books): readonly string[] {
  const findings: string[] = [];
  const [opened, conflicts, asked] = [new Map<string, number>(), new Map<string, number>(), new Set<string>()];
  for (const leaf of openings(leaves)) count(opened, nameOf(leaf));
  for (const leaf of leaves.filter(({ kind }) => kind === "settlement.conflict"))
    count(conflicts, `${leaf.facts?.find(({ name }) => name === "event.source")?.value} ${nameOf(leaf)}`);
  for (const { edge, institution, outTradeNo, requestHash } of taken) {
    const name = `${institution}/${outTradeNo} ${requestHash}`;
    asked.add(name);
    const [times, refused] = [opened.get(name) ?? 0, conflicts.get(`/ronghe/edge/${edge} ${name}`) ?? 0];
    if (times + refused !== 1)
      findings.push(`${institution}/${outTradeNo}, taken by ${edge}, is ${times} times in the ledger, and ${refused} times a conflict`);
  }
  for (const name of opened.keys()) if (!asked.has(name)) findings.push(`${name} is in the ledger, and no edge has taken it`);
  for (const quarantined of leaves.filter(({ kind }) => kind === "settlement.quarantined"))
    findings.push(`entry ${quarantined.index} of ${quarantined.origin} quarantines a record`);
  if (openings(leaves).length !== settlements.size)
    findings.push(`${settlements.size} settlements from ${openings(leaves).length} openings`);
  return findings;
}

/** What one edge took of one institution is opened in the order in which it was taken. */
function outOfOrder(taken: readonly Taken[], { leaves }: Books): readonly string[] {
  const findings: string[] = [];
  const places = new Map(openings(leaves).map((leaf) => [`${leaf.actor} ${nameOf(leaf)}`, leaf.index]));
  const last = new Map<string, bigint>();
  for (const { edge, institution, outTradeNo, requestHash } of taken) {
    const index = places.get(`edge/${edge} ${institution}/${outTradeNo} ${requestHash}`);
    if (index === undefined) continue;
    const lane = `${edge} ${institution}`;
    if (index < (last.get(lane) ?? -1n)) findings.push(`${institution}/${outTradeNo} of ${edge} overtook another of its institution`);
    last.set(lane, index);
  }
  return findings;
}

/** The payers moved what the settlements say, once. */
function moneyDiffers(payers: SimPayers, { settlements, leaves }: Books): readonly string[] {
  const findings: string[] = [];
  for (const rail of RAIL_ORDER) {
    const keys = new Set<string>();
    for (const { key } of payers[rail].movements) {
      if (keys.has(key)) findings.push(`${key} was paid twice`);
      keys.add(key);
    }
    for (const group of payers[rail].byGroup.keys())
      if (!settlements.has(group)) findings.push(`${rail} moved money for ${group}, which nobody asked for`);
  }
  findings.push(...purseDiffers(payers));
  for (const one of settlements.values()) {
    const { id, action, standing, amount, legs } = one;
    const counts = standing.state === "settled" || standing.state === "refunded";
    for (const rail of RAIL_ORDER) {
      const wanted = counts ? printParts(legs.filter((leg) => leg.rail === rail).flatMap(({ parts }) => parts)) : "";
      const moved = printParts((payers[rail].byGroup.get(id) ?? []).flatMap(partsMoved(action)));
      if (wanted !== moved) findings.push(`${id} (${action}, ${standing.state}): ${rail} moved [${moved}], the books say [${wanted}]`);
    }
    const paid = sum(legs.flatMap(({ parts }) => parts.map((part) => part.amount)));
    // A refund of which a statement proved that one payer gave nothing back is smaller than what was asked for.
    const partly = action === "refund" && paid < amount && leaves.some((leaf) => leaf.subject === id && isProvedAbsent(leaf));
    if (counts && paid !== amount && !partly) findings.push(`${id}: legs of ${paid} fen for ${amount}`);
    if (!["settled", "refused", "refunded"].includes(standing.state)) findings.push(`${id} is left ${standing.state}`);
  }
  return findings;
}

function isProvedAbsent({ kind, facts }: Leaf): boolean {
  return kind === "settlement.healed" && facts?.some(({ name, value }) => name === "found" && value === "absent") === true;
}

/** What people lack is what was taken and not given back: nothing is held any more. */
function purseDiffers({ insurance, bank }: SimPayers): readonly string[] {
  const left = sum([...insurance.accounts.values(), ...bank.accounts.values()].map(({ balance }) => balance));
  const given = sum(PEOPLE.map((person) => (person.insurance?.balance ?? 0n) + (person.bank?.balance ?? 0n)));
  const moved = [...insurance.movements, ...bank.movements].flatMap(({ kind, parts }) =>
    parts.flatMap(({ fundSource, amount }) =>
      fundSource === "acct_pay" || fundSource === "psn_cash_pay" ? [kind === "capture" ? amount : -amount] : [],
    ),
  );
  return given - left === sum(moved) ? [] : [`people lack ${given - left} fen, and ${sum(moved)} were taken`];
}

/** Of a bill what was taken and not given back at once, of a refund what was given back. */
function partsMoved(action: Settlement["action"]) {
  return ({ kind, parts }: Movement): readonly { readonly fundSource: string; readonly amount: bigint }[] => {
    if ((kind === "refund") !== (action === "refund")) return [];
    return kind === "reversal" ? parts.map((part) => ({ ...part, amount: -part.amount })) : parts;
  };
}

function printParts(parts: readonly { readonly fundSource: string; readonly amount: bigint }[]): string {
  const sums = new Map<string, bigint>();
  for (const { fundSource, amount } of parts) sums.set(fundSource, (sums.get(fundSource) ?? 0n) + amount);
  return [...sums]
    .flatMap(([fund, fen]) => (fen === 0n ? [] : [`${fund}=${fen}`]))
    .sort()
    .join(" ");
}

/** Final answers are what the books say, to the fen. */
function toldOtherwise(told: readonly Told[], { settlements }: Books): readonly string[] {
  const findings: string[] = [];
  for (const { institution, outTradeNo, requestHash, final, amount } of told) {
    if (final === undefined) continue;
    const name = `${institution}/${outTradeNo}`;
    const booked = settlements.get(final.settlementId);
    const same = booked !== undefined && toHex(booked.requestHash) === requestHash;
    if (booked === undefined) findings.push(`${name} was told ${final.status}, and is not in the books`);
    else if (same && booked.standing.state !== final.status)
      findings.push(`${name} was told ${final.status} and is ${booked.standing.state}`);
    // The number stands for other content: this one is refused, and the poll by number may tell of the other.
    if (final.status !== "settled" || !same) continue;
    const paid = sum((final.legs ?? []).map((leg) => fen(leg.amount)));
    if (paid !== fen(final.amount ?? "0.00") || (amount !== undefined && paid !== amount))
      findings.push(`${name}: told legs of ${paid} fen for a bill of ${amount}`);
  }
  return findings;
}

/** A code pays for one bill, wherever it was shown. */
function codesPaidTwice(told: readonly Told[], { settlements }: Books): readonly string[] {
  const paid = new Map<string, Set<string>>();
  for (const one of settlements.values()) {
    if (one.standing.state !== "settled") continue;
    const code = told.find(
      (asked) => asked.institution === one.institution && asked.outTradeNo === one.outTradeNo.replace(/~\d+$/, ""),
    )?.code;
    if (code !== undefined) paid.set(code, (paid.get(code) ?? new Set()).add(one.outTradeNo));
  }
  return [...paid.values()].flatMap((bills) => (bills.size > 1 ? [`one code paid twice: ${[...bills].join(", ")}`] : []));
}

/** What an edge answers from now on is what the books say. */
async function resultsDiffer(db: Database, edge: EdgeName, { settlements }: Books): Promise<readonly string[]> {
  const rows = await db.read("SELECT settlement_id, request_hash, reply FROM result");
  const known = new Map(
    rows.map((row) => [
      `${String(row["settlement_id"])} ${String(row["request_hash"])}`,
      JSON.parse(String(row["reply"])) as { status: string },
    ]),
  );
  return [...settlements.values()].flatMap(({ id, requestHash, standing }) => {
    const status = known.get(`${id} ${toHex(requestHash)}`)?.status ?? "nothing";
    return status === standing.state ? [] : [`${edge} would answer ${status} for ${id}, which is ${standing.state}`];
  });
}

/** Whether every one of the edges knows how every settlement ended. */
export async function haveOutcomes(edges: readonly Database[], books: readonly Database[]): Promise<boolean> {
  const ended = new Set<string>();
  for (const db of books)
    for (const { id, request_hash: hash, state } of await db.read("SELECT id, request_hash, state FROM settlement"))
      ended.add(`${String(id)} ${hash instanceof ArrayBuffer ? toHex(new Uint8Array(hash)) : ""} ${String(state)}`);
  for (const db of edges) {
    const rows = await db.read("SELECT settlement_id, request_hash, reply ->> 'status' AS status FROM result");
    const known = new Set(rows.map((row) => `${String(row["settlement_id"])} ${String(row["request_hash"])} ${String(row["status"])}`));
    if (![...ended].every((one) => known.has(one))) return false;
  }
  return true;
}

/** Changes one byte of an entry, as somebody with the disk in hand might. */
function doctor(...files: readonly string[]): void {
  for (const file of files) {
    const connection = new Connection(file);
    for (const { name } of connection.run({ sql: "SELECT name FROM sqlite_master WHERE type = 'trigger'", args: [] }).rows)
      connection.run({ sql: `DROP TRIGGER "${String(name)}"`, args: [] });
    const [row] = connection.run({ sql: "SELECT idx, bytes FROM leaf ORDER BY idx DESC LIMIT 1", args: [] }).rows;
    const bytes = new Uint8Array(row?.["bytes"] as ArrayBuffer);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    connection.run({ sql: "UPDATE leaf SET bytes = ? WHERE idx = ?", args: [bytes, row?.["idx"] ?? 0n] });
    connection.close();
  }
}

function nameOf(leaf: Leaf): string {
  return `${leaf.institution}/${leaf.idempotencyKey} ${toHex(leaf.requestHash ?? new Uint8Array())}`;
}

function count(into: Map<string, number>, key: string): void {
  into.set(key, (into.get(key) ?? 0) + 1);
}

function sum(amounts: Iterable<bigint>): bigint {
  return [...amounts].reduce((total, amount) => total + amount, 0n);
}

function fen(yuan: string): bigint {
  return BigInt(yuan.replace(".", ""));
}
