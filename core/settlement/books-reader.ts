/** The reading half of {@link ShardBooks}: any process may open it on a read-only database of a shard. */
import type { Crypto } from "../crypto/port.ts";
import { asFen } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import type { Database, Row } from "../../migrations/database.ts";
import type { AccountingDay, DaySeal, Posting, ShardBooks, TrialBalance, TrialBalanceRow } from "./books.ts";
import type { FundPart, RailName } from "./plan.ts";
import { railKey } from "./rails/port.ts";
import { bytesOf, fenOf, instantOf, integerOf, LEGS_SQL, legsFromRows, missingOf, optional, railOf, textOf } from "./rows.ts";
import type { MissingAnswer } from "./settlement.ts";
import { legTotal } from "./plan.ts";
import { supplementPostings } from "./supplement-postings.ts";
import { trialBalanceOf } from "./trial-balance.ts";

export type BooksReader = Pick<ShardBooks, "postings" | "openKeys" | "trialBalance" | "seals">;
type OpenKey = Awaited<ReturnType<ShardBooks["openKeys"]>>[number];

/** Rows read at once. */
const PAGE_ROWS = 2_000;

export function readBooks(db: Database, crypto: Pick<Crypto, "sm3">): BooksReader {
  return new LibsqlBooksReader(db, crypto);
}

/**
 * The call that a statement would show for one whose answer is missing. A hold is in no statement; a leg whose release
 * is unclear was taken, or it was not.
 */
export function statementKey(settlementId: string, { rail, action }: MissingAnswer): string | undefined {
  return action === "authorise" ? undefined : railKey(settlementId, rail, action === "void" ? "capture" : action);
}

class LibsqlBooksReader implements BooksReader {
  readonly #db: Database;
  readonly #crypto: Pick<Crypto, "sm3">;

  constructor(db: Database, crypto: Pick<Crypto, "sm3">) {
    this.#db = db;
    this.#crypto = crypto;
  }

  async *postings(query: { readonly rail: RailName; readonly day: AccountingDay }): AsyncIterable<Posting> {
    const supplements = (await supplementPostings(this.#db, query)).values();
    let next = supplements.next();
    for await (const posting of this.#ofSettlements(query)) {
      for (; next.done !== true && next.value.key < posting.key; next = supplements.next()) yield next.value;
      yield posting;
    }
    for (; next.done !== true; next = supplements.next()) yield next.value;
  }

  async *#ofSettlements({ rail, day }: { readonly rail: RailName; readonly day: AccountingDay }): AsyncIterable<Posting> {
    // Of corrections no payer's statement shows any but supplements.
    const sql = `SELECT t.*, s.institution, s.action FROM transfer AS t JOIN settlement AS s ON s.id=t.group_id
      WHERE t.stage IN ('posted','reversed') AND t.day=? AND t.rail=? AND (t.group_id, t.stage)>(?, ?)
      ORDER BY t.group_id, t.stage, t.rowid LIMIT ?`;
    for (let after: readonly [string, string] = ["", ""]; ;) {
      const rows = await this.#db.read(sql, Number(day), rail, ...after, PAGE_ROWS);
      const groups = groupsOf(rows);
      const isLast = rows.length < PAGE_ROWS;
      // The last group of a full page may go on behind it, and is read again with the next.
      for (const group of isLast ? groups : groups.slice(0, -1)) yield postingOf(group);
      if (isLast) return;
      const whole = groups.at(-2)?.[0];
      if (whole === undefined) throw new RangeError(`a posting has ${PAGE_ROWS} parts or more`);
      after = [textOf(whole, "group_id"), textOf(whole, "stage")];
    }
  }

  async openKeys(rail: RailName): Promise<readonly OpenKey[]> {
    const waiting = await this.#db.read("SELECT id, missing, step_at_ms FROM settlement WHERE missing IS NOT NULL ORDER BY id");
    const calls = waiting.flatMap((row) => {
      const missing = (optional(row, "missing", missingOf) ?? []).filter((call) => call.rail === rail);
      const settlementId = textOf(row, "id");
      const keys = new Set(missing.flatMap((call) => statementKey(settlementId, call) ?? []));
      return [...keys].map((key) => ({ key, settlementId, askedAtMs: instantOf(row, "step_at_ms") }));
    });
    const open: OpenKey[] = [];
    for (let from = 0; from < calls.length; from += PAGE_ROWS) {
      const part = calls.slice(from, from + PAGE_ROWS);
      const marks = part.map(() => "?").join(",");
      const legs = legsFromRows(await this.#db.read(LEGS_SQL(marks), ...part.map(({ settlementId }) => settlementId)));
      for (const call of part) {
        const leg = legs.get(call.settlementId)?.find((one) => one.rail === rail);
        open.push({ ...call, amount: leg === undefined ? asFen(0n) : legTotal(leg) });
      }
    }
    return open;
  }

  async trialBalance(day: AccountingDay): Promise<TrialBalance> {
    const sealed = await this.#db.read("SELECT * FROM sealed_balance WHERE day=? ORDER BY account", Number(day));
    const [seal] = await this.#db.read("SELECT trial_hash FROM seal WHERE day=?", Number(day));
    if (seal !== undefined) return { day, rows: sealed.map(balanceRow), hash: textOf(seal, "trial_hash") };
    // Everything before the last seal is in its closing balances: what is read is what came since.
    const opening = await this.#db.read(
      "SELECT * FROM sealed_balance WHERE day=(SELECT max(day) FROM seal WHERE day<?) ORDER BY account",
      Number(day),
    );
    const turnover = await this.#db.read(TURNOVER_SQL, Number(day), Number(day), Number(day), Number(day), Number(day), Number(day));
    return trialBalanceOf(
      this.#crypto,
      day,
      opening.map(balanceRow),
      turnover.map((row) => ({
        account: textOf(row, "account"),
        fundSource: textOf(row, "fund_source"),
        debit: integerOf(row, "debit"),
        credit: integerOf(row, "credit"),
        net: integerOf(row, "net"),
      })),
    );
  }

  async seals(): Promise<readonly DaySeal[]> {
    const [head] = await this.#db.read("SELECT origin FROM head");
    const origin = head === undefined ? "" : textOf(head, "origin");
    const found: DaySeal[] = [];
    for (const row of await this.#db.read("SELECT * FROM seal ORDER BY day")) {
      const day = String(integerOf(row, "day")) as AccountingDay;
      found.push({
        day,
        sealedAtMs: instantOf(row, "sealed_at_ms"),
        trialBalance: await this.trialBalance(day),
        head: { size: integerOf(row, "head_size"), root: bytesOf(row, "head_root") },
        offsets: readOffsets(textOf(row, "offsets")),
        carriedOver: JSON.parse(textOf(row, "carried_over")) as string[],
        position: { origin, index: integerOf(row, "ledger_index"), leafHash: bytesOf(row, "leaf_hash") },
      });
    }
    return found;
  }
}

const SINCE = "stage IN ('posted','reversed') AND day<=? AND day>coalesce((SELECT max(day) FROM seal WHERE day<?), 0)";
/** Turnover of one day, and all that came since the last seal before it. */
const TURNOVER_SQL = `
SELECT account, min(fund_source) AS fund_source, sum(CASE WHEN day=? THEN debit ELSE 0 END) AS debit,
  sum(CASE WHEN day=? THEN credit ELSE 0 END) AS credit, sum(credit-debit) AS net
FROM (
  SELECT credit AS account, fund_source, day, 0 AS debit, amount AS credit FROM transfer WHERE ${SINCE}
  UNION ALL
  SELECT debit AS account, fund_source, day, amount AS debit, 0 AS credit FROM transfer WHERE ${SINCE}
)
GROUP BY account ORDER BY account`;

type Offsets = DaySeal["offsets"];

/** As the seal's row keeps them. */
export function printOffsets(offsets: Offsets): string {
  return JSON.stringify(offsets.map((one) => ({ ...one, nextOffset: one.nextOffset.toString() })));
}

function readOffsets(text: string): Offsets {
  const rows = JSON.parse(text) as { topic: string; partition: number; nextOffset: string }[];
  return rows.map(({ topic, partition, nextOffset }) => ({ topic, partition, nextOffset: BigInt(nextOffset) }));
}

function balanceRow(row: Row): TrialBalanceRow {
  return {
    account: textOf(row, "account"),
    fundSource: textOf(row, "fund_source"),
    debit: fenOf(row, "debit"),
    credit: fenOf(row, "credit"),
    balance: integerOf(row, "balance"),
  };
}

function groupsOf(rows: readonly Row[]): readonly (readonly [Row, ...Row[]])[] {
  const groups: [Row, ...Row[]][] = [];
  for (const row of rows) {
    const last = groups.at(-1);
    if (last !== undefined && last[0]["group_id"] === row["group_id"] && last[0]["stage"] === row["stage"]) last.push(row);
    else groups.push([row]);
  }
  return groups;
}

/** Of a `posted` or `reversed` transfer beside the `action` of its settlement. */
export function postingKind({ stage, action }: Row): Posting["kind"] {
  return stage === "reversed" ? "reversal" : action === "refund" ? "refund" : "capture";
}

function postingOf(group: readonly [Row, ...Row[]]): Posting {
  const [first] = group;
  const rail = railOf(first, "rail");
  const settlementId = textOf(first, "group_id");
  const parts: readonly FundPart[] = group.map((row) => ({ fundSource: textOf(row, "fund_source"), amount: fenOf(row, "amount") }));
  const kind = postingKind(first);
  return {
    rail,
    settlementId,
    key: railKey(settlementId, rail, kind === "reversal" ? "reverse" : kind),
    kind,
    institution: textOf(first, "institution"),
    amount: asFen(parts.reduce((sum, part) => sum + part.amount, 0n)),
    parts,
    railReference: optional(first, "rail_reference", textOf) ?? "",
    postedAtMs: instantOf(first, "at_ms") satisfies EventMs,
    day: String(integerOf(first, "day")) as AccountingDay,
    late: integerOf(first, "late") !== 0n,
    ledgerIndex: integerOf(first, "ledger_index"),
  };
}
