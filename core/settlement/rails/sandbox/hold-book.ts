/**
 * The books of a payer that holds before it takes (commercial insurer, bank): accounts, one leg per settlement, one
 * outcome per key. A command and its instant decide everything, so the books are rebuilt after a crash by carrying out
 * the journal's commands again.
 */
import { asFen, type Fen, formatYuan, parseYuan } from "../../../protocol/money.ts";
import type { FundPart } from "../../plan.ts";
import { sumOf } from "../../split/amounts.ts";
import { coversRefund, leftOf, refundParts } from "../../split/refund-parts.ts";
import { shareOf } from "../../split/split.ts";
import type { Reply } from "../contract.ts";
import type { RailRefusal } from "../port.ts";
import type { BankAccount, CommercialAccount } from "./accounts.ts";
import type { Movement } from "./movements.ts";
import { Totals } from "./totals.ts";

export type HoldRail = "commercial" | "bank";
export type HoldAccount = CommercialAccount | BankAccount;
/** One operation, as the journal keeps it. */
export type HoldCommand =
  | {
      readonly action: "authorise";
      readonly key: string;
      readonly settlementId: string;
      readonly institution: string;
      readonly account: string;
      readonly asked: string;
    }
  | {
      readonly action: "capture" | "void" | "refund";
      readonly key: string;
      readonly settlementId: string;
      readonly institution: string;
      readonly amount: string;
      readonly parts?: readonly { readonly fundSource: string; readonly amount: string }[];
    }
  /** An injected refusal: an outcome like any other. */
  | { readonly action: "decline"; readonly key: string };

export interface CarriedOut {
  readonly reply: Reply;
  readonly movements: readonly Movement[];
}

interface LegRecord {
  state: "held" | "captured" | "closed";
  readonly institution: string;
  readonly account: string;
  readonly parts: readonly FundPart[];
  readonly heldUntilMs: number;
  readonly refunds: (readonly FundPart[])[];
}
interface Outcome {
  readonly reply: Reply;
  /** The command's text: the same key with another command is a conflict. */
  readonly command: string;
}

export class HoldBook {
  readonly rail: HoldRail;
  readonly accounts: Map<string, HoldAccount> = new Map();
  readonly totals: Totals = new Totals();
  readonly #legs = new Map<string, LegRecord>();
  readonly #outcomes = new Map<string, Outcome>();
  readonly #holdMs: number;
  #references = 0;

  constructor(rail: HoldRail, holdMs: number) {
    this.rail = rail;
    this.#holdMs = holdMs;
  }

  /** The stored outcome of a key: repeated, or a conflict when the command is another one. */
  outcome(key: string, command?: HoldCommand): Reply | undefined {
    const outcome = this.#outcomes.get(key);
    if (outcome === undefined) return undefined;
    if (command !== undefined && outcome.command !== JSON.stringify(command)) return refusal(key, "keyConflict");
    return outcome.reply;
  }

  /** Carries a new command out; the caller has asked {@link outcome} first, and keeps the command. */
  carryOut(command: HoldCommand, atMs: number): CarriedOut {
    const done = this.#do(command, atMs);
    this.#outcomes.set(command.key, { reply: done.reply, command: JSON.stringify(command) });
    for (const movement of done.movements) this.totals.add(movement);
    return done;
  }

  /** What the payer would pay of `asked`; nothing is held. */
  quote(accountId: string, asked: Fen): { readonly parts: readonly FundPart[] } | RailRefusal {
    const account = this.accounts.get(accountId);
    if (account === undefined) return "accountUnknown";
    if (account.status === "closed") return "accountClosed";
    return { parts: decide(account, asked) ?? [] };
  }

  heldCount(): number {
    let held = 0;
    for (const leg of this.#legs.values()) if (leg.state === "held") held++;
    return held;
  }

  #do(command: HoldCommand, atMs: number): CarriedOut {
    switch (command.action) {
      case "authorise":
        return still(this.#authorise(command, atMs));
      case "capture":
        return this.#capture(command, atMs);
      case "void":
        return still(this.#void(command));
      case "refund":
        return this.#refund(command, atMs);
      case "decline":
        return still(refusal(command.key, "declined"));
    }
  }

  #authorise(command: Extract<HoldCommand, { action: "authorise" }>, atMs: number): Reply {
    const { key, settlementId, institution } = command;
    if (this.#legs.has(settlementId)) return refusal(key, "legClosed");
    const account = this.accounts.get(command.account);
    if (account === undefined) return refusal(key, "accountUnknown");
    if (account.status === "closed") return refusal(key, "accountClosed");
    const parts = decide(account, yuan(command.asked));
    if (parts === undefined) return refusal(key, "insufficient");
    move(account, parts, -1n);
    const heldUntilMs = atMs + this.#holdMs;
    this.#legs.set(settlementId, { state: "held", institution, account: command.account, parts, heldUntilMs, refunds: [] });
    return this.#done(key, parts, true);
  }

  #capture(command: Extract<HoldCommand, { amount: string }>, atMs: number): CarriedOut {
    const { key, settlementId } = command;
    const leg = this.#legs.get(settlementId);
    if (leg === undefined) return still(refusal(key, "holdUnknown"));
    if (leg.state === "held" && atMs >= leg.heldUntilMs) this.#release(leg);
    if (leg.state === "closed") return still(refusal(key, "holdExpired"));
    if (leg.state === "captured") return still(refusal(key, "captured"));
    if (yuan(command.amount) !== amountOf(leg.parts)) return still(refusal(key, "holdUnknown"));
    leg.state = "captured";
    const reply = this.#done(key, leg.parts, false);
    return { reply, movements: [this.#movement("capture", command, leg.parts, reply, atMs)] };
  }

  /** A leg never asked for is closed too, so that an authorisation still on its way is refused when it arrives. */
  #void(command: Extract<HoldCommand, { amount: string }>): Reply {
    const { key, settlementId, institution } = command;
    const leg = this.#legs.get(settlementId);
    if (leg === undefined) {
      this.#legs.set(settlementId, { state: "closed", institution, account: "", parts: [], heldUntilMs: 0, refunds: [] });
      return this.#done(key, [], false);
    }
    if (leg.state === "captured") return refusal(key, leftOf(leg.parts, leg.refunds).length === 0 ? "refunded" : "captured");
    const released = leg.state === "held" ? leg.parts : [];
    if (leg.state === "held") this.#release(leg);
    return this.#done(key, released, false);
  }

  #refund(command: Extract<HoldCommand, { amount: string }>, atMs: number): CarriedOut {
    const { key, settlementId } = command;
    const leg = this.#legs.get(settlementId);
    if (leg?.state !== "captured") return still(refusal(key, "notCaptured"));
    const left = leftOf(leg.parts, leg.refunds);
    if (left.length === 0) return still(refusal(key, "refunded"));
    const amount = yuan(command.amount);
    const named = command.parts?.map((part) => ({ fundSource: part.fundSource, amount: yuan(part.amount) }));
    const parts = named ?? refundParts(left, amount);
    if (parts === undefined || amountOf(parts) !== amount || !coversRefund(left, parts)) return still(refusal(key, "refundExceeds"));
    leg.refunds.push(parts);
    const account = this.accounts.get(leg.account);
    if (account !== undefined) move(account, parts, 1n);
    const reply = this.#done(key, parts, true);
    const kind = key.endsWith("/reverse") ? "reversal" : "refund";
    return { reply, movements: [this.#movement(kind, command, parts, reply, atMs)] };
  }

  #release(leg: LegRecord): void {
    leg.state = "closed";
    const account = this.accounts.get(leg.account);
    if (account !== undefined) move(account, leg.parts, 1n);
  }

  #movement(
    kind: Movement["kind"],
    command: Extract<HoldCommand, { amount: string }>,
    parts: readonly FundPart[],
    reply: Reply,
    atMs: number,
  ): Movement {
    const { key, settlementId, institution } = command;
    const reference = reply.status === "done" ? reply.reference : "";
    return { rail: this.rail, kind, key, institution, settlementId, amount: amountOf(parts), parts, bill: asFen(0n), reference, atMs };
  }

  #done(key: string, parts: readonly FundPart[], told: boolean): Reply {
    this.#references++;
    const reference = `${this.rail.slice(0, 1).toUpperCase()}${String(this.#references).padStart(12, "0")}`;
    const reply = { status: "done" as const, key, amount: formatYuan(amountOf(parts)), reference };
    return told ? { ...reply, parts: parts.map((part) => ({ fundSource: part.fundSource, amount: formatYuan(part.amount) })) } : reply;
  }
}

/** `undefined`: the account cannot pay what it must (only the bank must). */
function decide(account: HoldAccount, asked: Fen): readonly FundPart[] | undefined {
  if (account.rail === "bank") return account.balance < asked ? undefined : partOf("psn_cash_pay", asked);
  const share = shareOf(asked, account.share);
  return partOf(
    "commercial_claim",
    [share, account.ceiling, account.claimCeiling].reduce((a, b) => (a < b ? a : b)),
  );
}

function move(account: HoldAccount, parts: readonly FundPart[], direction: 1n | -1n): void {
  const change = direction * amountOf(parts);
  if (account.rail === "bank") account.balance = asFen(account.balance + change);
  else account.ceiling = asFen(account.ceiling + change);
}

function partOf(fundSource: string, amount: Fen): readonly FundPart[] {
  return amount === 0n ? [] : [{ fundSource, amount }];
}

function amountOf(parts: readonly FundPart[]): Fen {
  return sumOf(parts.map((part) => part.amount));
}

function still(reply: Reply): CarriedOut {
  return { reply, movements: [] };
}

function refusal(key: string, reason: RailRefusal): Reply {
  return { status: "refused", key, reason };
}

function yuan(text: string): Fen {
  return parseYuan(text) ?? asFen(0n);
}
