/** The money half of a derivation: transfers, accounts, corrections and closed days, from leaves alone. */
import type { Crypto } from "../crypto/port.ts";
import type { Leaf } from "../../ledger/verifier/leaf.ts";
import type { AccountingDay, Adjustment, TrialBalance } from "./books.ts";
import { addDays, dayEnd } from "./day/accounting-day.ts";
import type { Derived, DerivedRow, DerivedRows } from "./derived-rows.ts";
import { DerivedSupplements } from "./derived-supplements.ts";
import { type Facts, fact, fen, Impossible, railOf, signed } from "./derived-facts.ts";
import { type Account, adjustmentTransfers, type Balance, type Transfer } from "./transfers.ts";
import { listHash, trialBalanceOf, type Turnover } from "./trial-balance.ts";

interface BookedRow extends Transfer {
  readonly atMs: bigint;
  readonly day: string;
  readonly late: boolean;
  readonly ledgerIndex: bigint;
}

interface DayTurnover {
  debit: bigint;
  credit: bigint;
}
/** A settlement without an end. */
export interface Undecided {
  readonly id: string;
  readonly acceptedAtMs: number;
}

export class DerivedMoney {
  readonly #crypto: Pick<Crypto, "sm3">;
  readonly #accounts = new Map<string, Account>();
  readonly #transfers: BookedRow[] = [];
  readonly #turnover = new Map<string, { readonly fundSource: string; readonly byDay: Map<string, DayTurnover> }>();
  readonly #adjustments: DerivedRow[] = [];
  readonly #supplements = new DerivedSupplements();
  readonly #suspended = new Map<string, bigint>();
  readonly #seals: DerivedRow[] = [];
  readonly #sealedBalances: DerivedRow[] = [];
  #closing: TrialBalance | undefined;

  constructor(crypto: Pick<Crypto, "sm3">) {
    this.#crypto = crypto;
  }

  /** Transfers of one group, on the day that the entry says. */
  book(leaf: Leaf, facts: Facts, transfers: readonly Transfer[], accounts: readonly Account[]): void {
    for (const account of accounts) this.#accounts.set(account.id, account);
    if (transfers.length === 0) return;
    const day = fact(facts, "day");
    if (this.#closing !== undefined && day <= this.#closing.day) throw new Impossible(`something is booked on the sealed day ${day}`);
    const late = facts.has("late");
    for (const transfer of transfers) {
      this.#transfers.push({ ...transfer, atMs: leaf.postedMs, day, late, ledgerIndex: leaf.index });
      if (transfer.stage !== "posted" && transfer.stage !== "reversed") continue;
      this.#turn(transfer.debit, transfer.fundSource, day).debit += transfer.amount;
      this.#turn(transfer.credit, transfer.fundSource, day).credit += transfer.amount;
    }
  }

  #turn(account: string, fundSource: string, day: string): DayTurnover {
    const of = this.#turnover.get(account) ?? { fundSource, byDay: new Map<string, DayTurnover>() };
    this.#turnover.set(account, of);
    const turnover = of.byDay.get(day) ?? { debit: 0n, credit: 0n };
    of.byDay.set(day, turnover);
    return turnover;
  }

  /** A correction outside the saga. */
  adjust(leaf: Leaf, facts: Facts): void {
    const kind = (["suspend", "release", "writeOff"] as const).find((name) => name === fact(facts, "adjustment"));
    const rail = railOf(fact(facts, "rail"));
    if (kind === undefined || rail === undefined) throw new Impossible("no such correction");
    const adjustment: Omit<Adjustment, "reason"> = {
      adjustmentId: leaf.idempotencyKey ?? "",
      caseId: fact(facts, "caseId"),
      kind,
      rail,
      fundSource: fact(facts, "fundSource"),
      institution: leaf.institution ?? "",
      settlementId: leaf.subject,
      amount: signed(fact(facts, "amount")),
      requestedBy: leaf.actor.replace(/^operator\//, ""),
      approvedBy: facts.get("approvedBy"),
    };
    if (kind === "writeOff" && (adjustment.approvedBy === undefined || adjustment.approvedBy === adjustment.requestedBy))
      throw new Impossible("a write-off by one person");
    const purse = [adjustment.caseId, adjustment.institution, rail, adjustment.fundSource].join("/");
    const held = this.#suspended.get(purse) ?? 0n;
    const { amount } = adjustment;
    if (kind !== "suspend" && (amount > 0n ? amount > held : amount < held)) throw new Impossible("more leaves suspense than is in it");
    this.#suspended.set(purse, kind === "suspend" ? held + amount : held - amount);
    const { accounts, transfers } = adjustmentTransfers(adjustment);
    this.book(leaf, facts, transfers, accounts);
    this.#adjustments.push({
      id: adjustment.adjustmentId,
      case_id: adjustment.caseId,
      kind,
      rail,
      fund_source: adjustment.fundSource,
      institution: adjustment.institution,
      settlement_id: adjustment.settlementId ?? null,
      amount,
      reason: fact(facts, "reason"),
      requested_by: adjustment.requestedBy,
      approved_by: adjustment.approvedBy ?? null,
      day: fen(fact(facts, "day")),
      at_ms: leaf.postedMs,
      ledger_index: leaf.index,
    });
  }

  /** 补账. `settlement`: the one that the entry names, if any. */
  supplement(leaf: Leaf, facts: Facts, settlement: Derived | undefined): void {
    const { accounts, transfers } = this.#supplements.book(leaf, facts, settlement);
    this.book(leaf, facts, transfers, accounts);
  }

  takeBack(leaf: Leaf, facts: Facts): void {
    this.book(leaf, facts, this.#supplements.takeBack(leaf, facts), []);
  }

  /** 日切. `undecided`: the settlements without an end. */
  close(leaf: Leaf, facts: Facts, undecided: Iterable<Undecided>): void {
    const day = fact(facts, "day") as AccountingDay;
    const before = this.#closing;
    if (before !== undefined && day !== addDays(before.day, 1)) throw new Impossible(`${day} is sealed after ${before.day}`);
    const turnover: Turnover[] = [];
    for (const [account, { fundSource, byDay }] of this.#turnover) {
      let net = 0n;
      for (const [on, { debit, credit }] of byDay) if (on <= day) net += credit - debit;
      const { debit, credit } = byDay.get(day) ?? { debit: 0n, credit: 0n };
      turnover.push({ account, fundSource, debit, credit, net });
    }
    const trial = trialBalanceOf(this.#crypto, day, before?.rows ?? [], turnover);
    if (trial.hash !== fact(facts, "trial.hash")) throw new Impossible(`the trial balance of ${day} is another one`);
    const end = dayEnd(day);
    const carriedOver = [...undecided].flatMap(({ id, acceptedAtMs }) => (acceptedAtMs < end ? [id] : [])).sort();
    if (listHash(this.#crypto, carriedOver) !== fact(facts, "carried.hash"))
      throw new Impossible(`other settlements were open at the seal of ${day}`);
    this.#closing = trial;
    // What is in the closing balances need not be added up again.
    for (const { byDay } of this.#turnover.values()) for (const on of byDay.keys()) if (on <= day) byDay.delete(on);
    for (const row of trial.rows)
      this.#sealedBalances.push({
        day: BigInt(day),
        account: row.account,
        fund_source: row.fundSource,
        debit: row.debit,
        credit: row.credit,
        balance: row.balance,
      });
    this.#seals.push({
      day: BigInt(day),
      sealed_at_ms: leaf.postedMs,
      trial_hash: trial.hash,
      head_size: fen(fact(facts, "head.size")),
      carried_over: JSON.stringify(carriedOver),
      ledger_index: leaf.index,
    });
  }

  rows(): Pick<DerivedRows, "account" | "transfer" | "adjustment" | "supplement" | "supplement_return" | "seal" | "sealed_balance"> {
    return {
      account: [...this.#accounts.values()].map((one) => ({
        id: one.id,
        side: one.side,
        rail: one.rail,
        fund_source: one.fundSource,
        institution: one.institution ?? null,
        region: one.region,
      })),
      transfer: this.#transfers.map(transferRow),
      adjustment: this.#adjustments,
      supplement: this.#supplements.booked,
      supplement_return: this.#supplements.returned,
      seal: this.#seals,
      sealed_balance: this.#sealedBalances,
    };
  }

  balances(): readonly Balance[] {
    const found = new Map<string, { fundSource: string; posted: bigint; pending: bigint }>();
    const of = (account: string, fundSource: string): { posted: bigint; pending: bigint } => {
      const balance = found.get(account) ?? { fundSource, posted: 0n, pending: 0n };
      found.set(account, balance);
      return balance;
    };
    for (const { debit, credit, fundSource, stage, amount } of this.#transfers)
      for (const [account, moved] of [
        [credit, amount],
        [debit, -amount],
      ] as const) {
        const balance = of(account, fundSource);
        if (stage === "posted" || stage === "reversed") balance.posted += moved;
        if (stage === "pending") balance.pending += moved;
        else if (stage !== "reversed") balance.pending -= moved;
      }
    return [...found].map(([account, balance]) => ({ account, ...balance })).sort((a, b) => (a.account < b.account ? -1 : 1));
  }
}

function transferRow(one: BookedRow): DerivedRow {
  return {
    group_id: one.group,
    rail: one.rail,
    fund_source: one.fundSource,
    stage: one.stage,
    debit: one.debit,
    credit: one.credit,
    amount: one.amount,
    rail_reference: one.railReference ?? null,
    at_ms: one.atMs,
    day: BigInt(one.day),
    late: one.late ? 1n : 0n,
    ledger_index: one.ledgerIndex,
  };
}
