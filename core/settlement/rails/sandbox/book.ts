/**
 * The books of one sandbox payer: accounts, one leg per settlement, one outcome per key. A command and its instant
 * decide everything, so the books are rebuilt after a crash by carrying out the journal's commands again.
 */
import { asFen, type Fen, formatYuan, parseYuan } from "../../../protocol/money.ts";
import type { FundPart, RailName } from "../../plan.ts";
import type { Reply } from "../contract.ts";
import type { RailRefusal } from "../port.ts";
import type { SandboxAccount } from "./accounts.ts";
import { type Decision, decide, take } from "./benefits.ts";

/** One operation, without the medium: a payer's books need no ecToken. */
export type Command =
  | { readonly action: "authorise"; readonly key: string; readonly settlementId: string; readonly account: string; readonly asked: string }
  | { readonly action: "capture" | "void" | "refund"; readonly key: string; readonly settlementId: string; readonly amount: string }
  /** An injected refusal: an outcome like any other. */
  | { readonly action: "decline"; readonly key: string };

interface LegRecord {
  state: "held" | "captured" | "refunded" | "closed";
  readonly account: string;
  readonly decision: Decision;
  readonly amount: Fen;
  readonly heldUntilMs: number;
}
interface Outcome {
  readonly reply: Reply;
  /** The command's text: the same key with another command is a conflict. */
  readonly command: string;
}

/** Money that really moved for one settlement: the check that nothing was paid twice. */
export interface LegTotal {
  readonly settlementId: string;
  readonly rail: RailName;
  captures: number;
  captured: bigint;
  refunds: number;
  refunded: bigint;
}

export class RailBook {
  readonly rail: RailName;
  readonly accounts: Map<string, SandboxAccount> = new Map();
  readonly totals: Map<string, LegTotal> = new Map();
  readonly bySource: Map<string, { captured: bigint; refunded: bigint }> = new Map();
  readonly #legs = new Map<string, LegRecord>();
  readonly #outcomes = new Map<string, Outcome>();
  readonly #holdMs: number;
  #references = 0;

  constructor(rail: RailName, holdMs: number) {
    this.rail = rail;
    this.#holdMs = holdMs;
  }

  /** The stored outcome of a key: repeated, or a conflict when the command is another one. */
  outcome(key: string, command?: Command): Reply | undefined {
    const outcome = this.#outcomes.get(key);
    if (outcome === undefined) return undefined;
    if (command !== undefined && outcome.command !== JSON.stringify(command)) return { status: "refused", key, reason: "keyConflict" };
    return outcome.reply;
  }

  /** Carries a new command out; the caller has asked {@link outcome} first and journals the command. */
  carryOut(command: Command, atMs: number): Reply {
    const reply = this.#reply(command, atMs);
    this.#outcomes.set(command.key, { reply, command: JSON.stringify(command) });
    return reply;
  }

  heldCount(): number {
    let held = 0;
    for (const leg of this.#legs.values()) if (leg.state === "held") held++;
    return held;
  }

  #reply(command: Command, atMs: number): Reply {
    switch (command.action) {
      case "authorise":
        return this.#authorise(command, atMs);
      case "capture":
        return this.#capture(command, atMs);
      case "void":
        return this.#void(command);
      case "refund":
        return this.#refund(command);
      case "decline":
        return refusal(command.key, "declined");
    }
  }

  #authorise(command: Extract<Command, { action: "authorise" }>, atMs: number): Reply {
    const { key, settlementId } = command;
    if (this.#legs.has(settlementId)) return refusal(key, "legClosed");
    const account = this.accounts.get(command.account);
    if (account === undefined) return refusal(key, "accountUnknown");
    if (account.status === "closed") return refusal(key, "accountClosed");
    const decision = decide(account, parseYuan(command.asked) ?? asFen(0n));
    if (decision === undefined) return refusal(key, "insufficient");
    take(account, decision, 1n);
    const amount = asFen(decision.parts.reduce((sum, part) => sum + part.amount, 0n));
    this.#legs.set(settlementId, { state: "held", account: command.account, decision, amount, heldUntilMs: atMs + this.#holdMs });
    return this.#done(key, amount, decision.parts);
  }

  #capture(command: Extract<Command, { amount: string }>, atMs: number): Reply {
    const { key, settlementId } = command;
    const leg = this.#legs.get(settlementId);
    if (leg === undefined) return refusal(key, "holdUnknown");
    if (leg.state === "held" && atMs >= leg.heldUntilMs) this.#release(leg);
    if (leg.state === "closed") return refusal(key, "holdExpired");
    if (leg.state !== "held") return refusal(key, "captured");
    if (parseYuan(command.amount) !== leg.amount) return refusal(key, "holdUnknown");
    leg.state = "captured";
    this.#count(settlementId, leg, "captured");
    return this.#done(key, leg.amount);
  }

  /** A leg never asked for is closed too, so that an authorisation still on its way is refused when it arrives. */
  #void(command: Extract<Command, { amount: string }>): Reply {
    const { key, settlementId } = command;
    const leg = this.#legs.get(settlementId);
    if (leg === undefined) {
      this.#legs.set(settlementId, { state: "closed", account: "", decision: NOTHING, amount: asFen(0n), heldUntilMs: 0 });
      return this.#done(key, asFen(0n));
    }
    if (leg.state === "captured") return refusal(key, "captured");
    if (leg.state === "refunded") return refusal(key, "refunded");
    const amount = leg.state === "held" ? leg.amount : asFen(0n);
    if (leg.state === "held") this.#release(leg);
    return this.#done(key, amount);
  }

  #refund(command: Extract<Command, { amount: string }>): Reply {
    const { key, settlementId } = command;
    const leg = this.#legs.get(settlementId);
    if (leg === undefined || leg.state === "held" || leg.state === "closed") return refusal(key, "notCaptured");
    if (leg.state === "refunded") return refusal(key, "refunded");
    if (parseYuan(command.amount) !== leg.amount) return refusal(key, "notCaptured");
    leg.state = "refunded";
    const account = this.accounts.get(leg.account);
    if (account !== undefined) take(account, leg.decision, -1n);
    this.#count(settlementId, leg, "refunded");
    return this.#done(key, leg.amount);
  }

  #release(leg: LegRecord): void {
    leg.state = "closed";
    const account = this.accounts.get(leg.account);
    if (account !== undefined) take(account, leg.decision, -1n);
  }

  #count(settlementId: string, leg: LegRecord, way: "captured" | "refunded"): void {
    const total = this.totals.get(settlementId) ?? { settlementId, rail: this.rail, captures: 0, captured: 0n, refunds: 0, refunded: 0n };
    this.totals.set(settlementId, total);
    if (way === "captured") total.captures++;
    else total.refunds++;
    total[way] += leg.amount;
    for (const part of leg.decision.parts) {
      const source = this.bySource.get(part.fundSource) ?? { captured: 0n, refunded: 0n };
      this.bySource.set(part.fundSource, source);
      source[way] += part.amount;
    }
  }

  #done(key: string, amount: Fen, parts?: readonly FundPart[]): Reply {
    this.#references++;
    const reference = `${this.rail.slice(0, 1).toUpperCase()}${String(this.#references).padStart(12, "0")}`;
    const reply = { status: "done" as const, key, amount: formatYuan(amount), reference };
    if (parts === undefined) return reply;
    return { ...reply, parts: parts.map((part) => ({ fundSource: part.fundSource, amount: formatYuan(part.amount) })) };
  }
}

const NOTHING: Decision = { parts: [], deductible: asFen(0n) };

function refusal(key: string, reason: RailRefusal): Reply {
  return { status: "refused", key, reason };
}
