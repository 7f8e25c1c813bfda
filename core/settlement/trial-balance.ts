/** The trial balance of a day (试算平衡): turnover and closing balance of every account, and their fingerprint. Pure. */
import type { Crypto } from "../crypto/port.ts";
import { toHex, utf8 } from "../protocol/bytes.ts";
import { asFen } from "../protocol/money.ts";
import type { AccountingDay, TrialBalance, TrialBalanceRow } from "./books.ts";

export interface Turnover {
  readonly account: string;
  readonly fundSource: string;
  /** Of the day. */
  readonly debit: bigint;
  readonly credit: bigint;
  /** Credits less debits since the opening balance, the day itself included. */
  readonly net: bigint;
}

/** Accounts without balance and turnover are left out. Rows stand in the order of account ids, by UTF-16 code unit. */
export function trialBalanceOf(
  crypto: Pick<Crypto, "sm3">,
  day: AccountingDay,
  opening: readonly Pick<TrialBalanceRow, "account" | "fundSource" | "balance">[],
  turnover: readonly Turnover[],
): TrialBalance {
  const rows = new Map<string, TrialBalanceRow>();
  for (const { account, fundSource, balance } of opening)
    rows.set(account, { account, fundSource, debit: asFen(0n), credit: asFen(0n), balance });
  for (const { account, fundSource, debit, credit, net } of turnover) {
    const balance = (rows.get(account)?.balance ?? 0n) + net;
    rows.set(account, { account, fundSource, debit: asFen(debit), credit: asFen(credit), balance });
  }
  const kept = [...rows.values()]
    .filter(({ debit, credit, balance }) => debit !== 0n || credit !== 0n || balance !== 0n)
    .sort((a, b) => (a.account < b.account ? -1 : 1));
  return { day, rows: kept, hash: trialBalanceHash(crypto, day, kept) };
}

/** SM3 hex over a heading and one line per row: account, fund source, debit, credit and balance in fen, between tabs. */
export function trialBalanceHash(crypto: Pick<Crypto, "sm3">, day: AccountingDay, rows: readonly TrialBalanceRow[]): string {
  const lines = rows.map(({ account, fundSource, debit, credit, balance }) => [account, fundSource, debit, credit, balance].join("\t"));
  return toHex(crypto.sm3(utf8(["ronghe.trial-balance/v1", day, ...lines, ""].join("\n"))));
}

/** SM3 hex over ids, one per line. */
export function listHash(crypto: Pick<Crypto, "sm3">, ids: readonly string[]): string {
  return toHex(crypto.sm3(utf8(ids.map((id) => `${id}\n`).join(""))));
}
