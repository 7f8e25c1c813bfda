/**
 * A month of one institution or of one payer, summed per day and fund source from the shards' postings, and compared
 * with the sealed trial balances: an accountant sees which figures a seal stands behind, and where the seal is.
 */
import { toHex } from "../../protocol/bytes.ts";
import type { AccountingDay, DaySeal, ShardBooks, TrialBalance } from "../books.ts";
import { RAIL_ORDER, type RailName } from "../plan.ts";
import { daysOfMonth } from "./accounting-day.ts";
import { Figures, type SourceSums, type Sums } from "./figures.ts";

/** The reading half of a shard's books is enough. */
export type MonthBooks = Pick<ShardBooks, "postings" | "seals">;
export type Whose = { readonly institution: string } | { readonly rail: RailName };

export interface CitedSeal {
  readonly origin: string;
  readonly index: bigint;
  /** Tree head that the seal states: size, and root in hex. */
  readonly size: bigint;
  readonly root: string;
  readonly trialBalanceHash: string;
  readonly sealedAtMs: number;
}
export interface MonthDay {
  readonly day: AccountingDay;
  readonly sources: readonly SourceSums[];
  readonly total: Sums;
  /** Movements that belong to an earlier day, which was sealed when they came. */
  readonly late: number;
  /** One per shard concerned; none while the day is open. */
  readonly seals: readonly CitedSeal[];
  /** `open`: no seal yet, provisional; `disagrees`: not what the seals say. */
  readonly standing: "sealed" | "open" | "disagrees";
}
export interface MonthStatement {
  readonly month: string;
  readonly whose: Whose;
  /** Days with movements or seals. */
  readonly days: readonly MonthDay[];
  readonly sources: readonly SourceSums[];
  readonly total: Sums;
}

export async function monthStatement(
  books: readonly MonthBooks[],
  query: { readonly month: string; readonly whose: Whose },
): Promise<MonthStatement> {
  const { month, whose } = query;
  const seals = await Promise.all(books.map(async (one) => new Map((await one.seals()).map((seal) => [seal.day, seal]))));
  const whole = new Figures();
  const days: MonthDay[] = [];
  for (const day of daysOfMonth(month)) {
    const today = new Figures();
    let late = 0;
    for (const one of books)
      for (const rail of "rail" in whose ? [whose.rail] : RAIL_ORDER)
        for await (const posting of one.postings({ rail, day })) {
          if ("institution" in whose && posting.institution !== whose.institution) continue;
          if (posting.late) late++;
          today.add(posting);
          whole.add(posting);
        }
    const found = seals.flatMap((bySeal) => bySeal.get(day) ?? []);
    if (today.isEmpty && found.length === 0) continue;
    days.push(dayOfMonth({ day, today, late }, whose, { found, all: found.length === books.length }));
  }
  return { month, whose, days, sources: whole.sources, total: whole.total };
}

function dayOfMonth(
  { day, today, late }: { readonly day: AccountingDay; readonly today: Figures; readonly late: number },
  whose: Whose,
  sealed: { readonly found: readonly DaySeal[]; readonly all: boolean },
): MonthDay {
  const { sources, total } = today;
  if (!sealed.all) return { day, sources, total, late, seals: [], standing: "open" };
  const relevant = sealed.found.filter((seal) => "rail" in whose || accountsOf(seal.trialBalance, whose).length > 0);
  const stated = sealedSums(
    sealed.found.map((seal) => seal.trialBalance),
    whose,
  );
  const agrees = stated.size === sources.length && sources.every((one) => sameSums(stated.get(`${one.rail} ${one.fundSource}`), one));
  return {
    day,
    sources,
    total,
    late,
    seals: (relevant.length > 0 ? relevant : sealed.found).map(cited),
    standing: agrees ? "sealed" : "disagrees",
  };
}

function cited({ position, head, trialBalance, sealedAtMs }: DaySeal): CitedSeal {
  const { origin, index } = position;
  return { origin, index, size: head.size, root: toHex(head.root), trialBalanceHash: trialBalance.hash, sealedAtMs };
}

interface Turnover {
  captured: bigint;
  refunded: bigint;
}

/** Institutions' purses take what is captured and give what is given back, reversals too; corrections go through other purses. */
function sealedSums(balances: readonly TrialBalance[], whose: Whose): ReadonlyMap<string, Turnover> {
  const sums = new Map<string, Turnover>();
  for (const balance of balances)
    for (const row of accountsOf(balance, whose)) {
      const rail = row.account.split("/")[2] ?? "";
      const at = `${rail} ${row.fundSource}`;
      const sum = sums.get(at) ?? { captured: 0n, refunded: 0n };
      sums.set(at, sum);
      sum.captured += row.credit;
      sum.refunded += row.debit;
    }
  return sums;
}

function accountsOf({ rows }: TrialBalance, whose: Whose): TrialBalance["rows"] {
  return rows.filter((row) => {
    const [side, institution, rail] = row.account.split("/");
    const isWhose = "rail" in whose ? rail === whose.rail : institution === whose.institution;
    return side === "institution" && isWhose && (row.debit > 0n || row.credit > 0n);
  });
}

function sameSums(stated: Turnover | undefined, own: Sums): boolean {
  return stated !== undefined && stated.captured === own.captured + own.reversed && stated.refunded === own.refunded + own.reversed;
}
