/** The supervisor's table, and its comparison with the ledger, fen by fen. */
import { cstDay, type EventMs } from "../../core/protocol/time.ts";
import type { Database } from "../../migrations/database.ts";

/** One institution on one business day (UTC+8). */
export interface SupervisionRow {
  readonly day: string;
  readonly institution: string;
  /**
   * Scans by what came of them. An edge notes every scan; the core adds those that the edge had to accept and only the
   * core could refuse (a code used before, never issued), so each `core` line belongs to an `accepted` line of an edge.
   */
  readonly scans: readonly { readonly step: string; readonly outcome: string; readonly observedBy: string; readonly scans: number }[];
  readonly settled: number;
  readonly refunded: number;
  readonly refused: number;
  /** Claims whose payer's answer was missing at some time; most end settled or refused later. */
  readonly unknown: number;
  readonly funds: readonly FundFigure[];
}
export interface FundFigure {
  readonly rail: string;
  readonly fundSource: string;
  readonly settledFen: bigint;
  readonly refundedFen: bigint;
  /** Settled less refunded. */
  readonly netFen: bigint;
}

/** Rows by day and institution; all days when none is given. */
export async function supervisionReport(db: Pick<Database, "read">, day?: string): Promise<readonly SupervisionRow[]> {
  const where = day === undefined ? "" : "WHERE day = ?";
  const args = day === undefined ? [] : [day];
  const [scans, claims, funds] = await Promise.all([
    db.read(`SELECT day, institution, step, outcome, observed_by, scans FROM supervision_scan ${where} ORDER BY 1, 2, 3, 4, 5`, ...args),
    db.read(`SELECT day, institution, ending, claims FROM supervision_claim ${where} ORDER BY 1, 2, 3`, ...args),
    db.read(
      `SELECT day, institution, rail, fund_source, settled_fen, refunded_fen FROM supervision_fund ${where} ORDER BY 1, 2, 3, 4`,
      ...args,
    ),
  ]);
  const rows = new Map<string, Draft>();
  const rowOf = (row: Readonly<Record<string, unknown>>): Draft => {
    const [day, institution] = [String(row["day"]), String(row["institution"])];
    const name = `${day}\n${institution}`;
    const found = rows.get(name) ?? { day, institution, scans: [], settled: 0, refunded: 0, refused: 0, unknown: 0, funds: [] };
    rows.set(name, found);
    return found;
  };
  for (const row of scans) {
    const [step, outcome, observedBy] = [String(row["step"]), String(row["outcome"]), String(row["observed_by"])];
    rowOf(row).scans.push({ step, outcome, observedBy, scans: Number(row["scans"]) });
  }
  for (const row of claims) rowOf(row)[String(row["ending"]) as "settled" | "refunded" | "refused" | "unknown"] = Number(row["claims"]);
  for (const row of funds) {
    const [settledFen, refundedFen] = [BigInt(String(row["settled_fen"])), BigInt(String(row["refunded_fen"]))];
    const of = { rail: String(row["rail"]), fundSource: String(row["fund_source"]) };
    rowOf(row).funds.push({ ...of, settledFen, refundedFen, netFen: settledFen - refundedFen });
  }
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

type Draft = { -readonly [Name in keyof SupervisionRow]: SupervisionRow[Name] } & {
  scans: SupervisionRow["scans"][number][];
  funds: FundFigure[];
};

/** What the comparison needs of a leaf; `decodeLeaf` of the ledger's verifier gives it. */
export interface LedgerEntry {
  readonly kind: string;
  readonly institution?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly postedMs: bigint;
  readonly facts?: readonly { readonly name: string; readonly value: string }[] | undefined;
}

/** One figure on both sides. */
export interface FundComparison {
  readonly day: string;
  readonly institution: string;
  readonly rail: string;
  readonly fundSource: string;
  readonly supervisionFen: bigint;
  readonly ledgerFen: bigint;
  /** Supervision less ledger; 0 when they agree. */
  readonly differenceFen: bigint;
}
export interface LedgerComparison {
  /** True only when every figure of either side is on the other, to the fen, and the numbers of claims agree. */
  readonly agrees: boolean;
  readonly funds: readonly FundComparison[];
  readonly claims: { readonly supervision: ClaimTotals; readonly ledger: ClaimTotals };
  readonly totalFen: { readonly supervision: bigint; readonly ledger: bigint };
}
export interface ClaimTotals {
  readonly settled: number;
  readonly refunded: number;
}

const FUND_FACT = /^fen\.(insurance|commercial|bank)\.(.+)$/;
const DECIMAL = /^(?:0|[1-9]\d*)$/;

/** Kinds of the entries that move money, and which way: of a refused bill, what a payer keeps. */
const MONEY_KINDS = { "settlement.settled": 1n, "settlement.refunded": -1n, "settlement.refused": 1n } as const;
export const MONEY_ENTRIES: readonly string[] = Object.keys(MONEY_KINDS);

/**
 * Adds up the money facts of the ledger's {@link MONEY_ENTRIES} per business day and institution, and lays them beside the supervisor's net figures. A fact that is no decimal number agrees with nothing.
 */
export function compareWithLedger(rows: readonly SupervisionRow[], entries: Iterable<LedgerEntry>): LedgerComparison {
  const funds = new Map<
    string,
    { of: Omit<FundComparison, "supervisionFen" | "ledgerFen" | "differenceFen">; ours: bigint; ledger: bigint }
  >();
  const figure = (of: Omit<FundComparison, "supervisionFen" | "ledgerFen" | "differenceFen">) => {
    const name = JSON.stringify([of.day, of.institution, of.rail, of.fundSource]);
    const found = funds.get(name) ?? { of, ours: 0n, ledger: 0n };
    funds.set(name, found);
    return found;
  };
  const ours = { settled: 0, refunded: 0 };
  for (const row of rows) {
    ours.settled += row.settled;
    ours.refunded += row.refunded;
    for (const { rail, fundSource, netFen } of row.funds)
      figure({ day: row.day, institution: row.institution, rail, fundSource }).ours += netFen;
  }
  const ledger = { settled: 0, refunded: 0 };
  let wellFormed = true;
  for (const entry of entries) {
    const sign = Object.hasOwn(MONEY_KINDS, entry.kind) ? MONEY_KINDS[entry.kind as keyof typeof MONEY_KINDS] : undefined;
    if (sign === undefined) continue;
    if (entry.kind === "settlement.settled") ledger.settled += 1;
    if (entry.kind === "settlement.refunded") ledger.refunded += 1;
    const day = cstDay(Number(entry.postedMs) as EventMs);
    for (const { name, value } of entry.facts ?? []) {
      const [, rail, fundSource] = FUND_FACT.exec(name) ?? [];
      if (rail === undefined || fundSource === undefined) continue;
      if (DECIMAL.test(value)) figure({ day, institution: entry.institution ?? "", rail, fundSource }).ledger += sign * BigInt(value);
      else wellFormed = false;
    }
  }
  const compared = [...funds.values()].map(({ of, ours, ledger }) => ({
    ...of,
    supervisionFen: ours,
    ledgerFen: ledger,
    differenceFen: ours - ledger,
  }));
  return {
    agrees:
      wellFormed &&
      compared.every(({ differenceFen }) => differenceFen === 0n) &&
      ours.settled === ledger.settled &&
      ours.refunded === ledger.refunded,
    funds: compared.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)),
    claims: { supervision: ours, ledger },
    totalFen: {
      supervision: compared.reduce((sum, { supervisionFen }) => sum + supervisionFen, 0n),
      ledger: compared.reduce((sum, { ledgerFen }) => sum + ledgerFen, 0n),
    },
  };
}

/** Kinds of entries of movements that people took into the books (补账), or out of them again: no event tells supervision of those. */
export const SUPPLEMENT_ENTRIES: readonly string[] = ["supplement.booked", "supplement.takenBack"];

/**
 * What supplements moved to institutions, net, of one business day or of all: books and statements have it, the figures
 * above and the entries that they are compared with have not. `undefined` where there are none. Entries in the order of
 * their logs, of every day: what is taken back names what was booked.
 */
export function supplementsFen(entries: Iterable<LedgerEntry>, day?: string): bigint | undefined {
  const booked = new Map<string, bigint>();
  let net: bigint | undefined;
  for (const { kind, institution, idempotencyKey, postedMs, facts = [] } of entries) {
    if (!SUPPLEMENT_ENTRIES.includes(kind)) continue;
    const name = JSON.stringify([institution, idempotencyKey]);
    const fen = facts.reduce((sum, fact) => sum + (FUND_FACT.test(fact.name) && DECIMAL.test(fact.value) ? BigInt(fact.value) : 0n), 0n);
    const toInstitution = facts.some((fact) => fact.name === "movement" && fact.value === "capture");
    const moved = kind === "supplement.booked" ? (toInstitution ? fen : -fen) : -(booked.get(name) ?? 0n);
    booked.set(name, moved);
    if (day === undefined || cstDay(Number(postedMs) as EventMs) === day) net = (net ?? 0n) + moved;
  }
  return net;
}

function nameOf({ day, institution, rail, fundSource }: FundComparison): string {
  return JSON.stringify([day, institution, rail, fundSource]);
}
