/**
 * Gross figures of random stories, with refused bills that a payer reversed or keeps, refunds, late ones and closed days:
 * the institution's own statement, the month statement, supervision and the ledger's entries say the same to the fen.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadCrypto } from "../core/crypto/index.ts";
import { createInstitutionStatements } from "../core/settlement/day/institution-statements.ts";
import { monthStatement } from "../core/settlement/day/month.ts";
import { trial } from "../core/settlement/model/trial.ts";
import { STATEMENT_PAGE_MAX, type StatementLine } from "../core/settlement/statement-port.ts";
import type { World } from "../core/settlement/testing/world.ts";
import { decodeEvent } from "../streams/contracts/codec.ts";
import { compareWithLedger, supervisionReport } from "../streams/supervision/report.ts";
import { isSupervised, Tally } from "../streams/supervision/tally.ts";
import { type Database, insertRows, openDatabase } from "../migrations/database.ts";

const SEEDS = [1, 2, 3, 4, 5, 6];
const STORIES = 60;
const crypto = await loadCrypto();
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-figures-"));
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

/** Fen settled and refunded, by institution, payer and fund source. */
type Gross = Map<string, readonly [bigint, bigint]>;

function print(gross: Gross): readonly string[] {
  return [...gross]
    .filter(([, sums]) => sums.some((fen) => fen !== 0n))
    .map(([at, [paid, back]]) => `${at} ${paid} ${back}`)
    .sort();
}

async function allRows(statements: ReturnType<typeof createInstitutionStatements>, institution: string, period: string) {
  const rows: StatementLine[] = [];
  for (let after: string | undefined; ;) {
    const page = await statements.read({ institution, period, limit: STATEMENT_PAGE_MAX, ...(after === undefined ? {} : { after }) });
    if (page === undefined) throw new Error("no page");
    rows.push(...page.rows);
    after = page.next;
    if (after === undefined) return { rows, totals: page.totals };
  }
}

/** As supervision's service counts them, each event once. */
async function supervised(world: World, file: string): Promise<{ db: Database; rows: Awaited<ReturnType<typeof supervisionReport>> }> {
  const tally = new Tally();
  const seen = new Set<string>();
  for (const record of world.told) {
    const event = decodeEvent(record);
    if (!event.ok || !isSupervised(event.value) || seen.has(event.value.id)) continue;
    seen.add(event.value.id);
    tally.add(event.value);
  }
  const db = await openDatabase({ kind: "streams", file });
  await db.write([
    ...insertRows(
      "supervision_claim",
      ["day", "institution", "ending", "claims"],
      tally.claims.map((one) => [one.day, one.institution, one.ending, one.claims]),
    ),
    ...insertRows(
      "supervision_fund",
      ["day", "institution", "rail", "fund_source", "settled_fen", "refunded_fen"],
      tally.funds.map((one) => [one.day, one.institution, one.rail, one.fundSource, one.settledFen, one.refundedFen]),
    ),
  ]);
  return { db, rows: await supervisionReport(db) };
}

async function figuresDiffer(world: World, name: string, met: Set<string>): Promise<readonly string[]> {
  const findings: string[] = [];
  const [own, month, watched]: [Gross, Gross, Gross] = [new Map(), new Map(), new Map()];
  const add = (to: Gross, at: string, [paid, back]: readonly [bigint, bigint]): void => {
    const [before, after] = to.get(at) ?? [0n, 0n];
    to.set(at, [before + paid, after + back]);
  };
  const days = (await world.read("SELECT DISTINCT day FROM transfer WHERE stage<>'pending' ORDER BY day")).map((row) => String(row["day"]));
  const months = [...new Set(days.map((day) => day.slice(0, 6)))];
  const institutions = (await world.read("SELECT DISTINCT institution FROM settlement ORDER BY 1")).map((row) =>
    String(row["institution"]),
  );
  const statements = createInstitutionStatements({ shardOf: () => world, clock: { now: () => world.now } });
  for (const institution of institutions)
    for (const period of months) {
      const { rows, totals } = await allRows(statements, institution, period);
      for (const { rail, fundSource, settled, refunded } of totals.sources)
        add(own, `${institution} ${rail} ${fundSource}`, [settled, refunded]);
      for (const row of rows) met.add(row.kind);
      const sum = (refunds: boolean): bigint =>
        rows.filter(({ kind }) => (kind === "refund") === refunds).reduce((total, { amount }) => total + amount, 0n);
      if (sum(false) !== totals.settled || sum(true) !== totals.refunded)
        findings.push(`${name}: the rows of ${institution} are not its totals`);
      for (const row of rows)
        if (row.legs.reduce((total, { amount }) => total + amount, 0n) !== row.amount)
          findings.push(`${row.outTradeNo}: its legs are not it`);
      const statement = await monthStatement([world.shard.books], { month: period, whose: { institution } });
      for (const one of statement.sources) add(month, `${institution} ${one.rail} ${one.fundSource}`, [one.captured, one.refunded]);
      if (statement.total.reversed > 0n) met.add("reversed");
      for (const day of statement.days) {
        if (day.standing === "disagrees") findings.push(`${name}: ${day.day} disagrees with its seal`);
        if (day.late > 0) met.add("late");
      }
    }
  const { db, rows } = await supervised(world, join(folder, `${name}.db`));
  for (const { institution, funds } of rows)
    for (const { rail, fundSource, settledFen, refundedFen } of funds)
      add(watched, `${institution} ${rail} ${fundSource}`, [settledFen, refundedFen]);
  if (JSON.stringify(print(own)) !== JSON.stringify(print(month)))
    findings.push(`${name}: own ${print(own).join()} month ${print(month).join()}`);
  if (JSON.stringify(print(own)) !== JSON.stringify(print(watched)))
    findings.push(`${name}: own ${print(own).join()} supervision ${print(watched).join()}`);
  const { agrees, totalFen } = compareWithLedger(rows, await world.leaves());
  if (!agrees) findings.push(`${name}: supervision ${totalFen.supervision}, ledger ${totalFen.ledger}`);
  await db.close();
  return findings;
}

test("statement, month, supervision and ledger have the same gross figures, whatever payers did", async () => {
  const met = new Set<string>();
  for (const seed of SEEDS) {
    const name = `f${seed}`;
    const file = join(folder, `${name}-shard.db`);
    expect(await trial({ crypto, file, seed, stories: STORIES, inspect: (world) => figuresDiffer(world, name, met) })).toEqual([]);
  }
  // Nothing was compared that did not happen.
  expect([...met].sort()).toEqual(["kept", "late", "refund", "reversed", "settlement"]);
});
