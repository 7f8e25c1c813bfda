/**
 * Payers inside the process, behind the rail port, for tests that need ten thousand faults and no socket. They keep the
 * rules of docs/rails.md: a key's work is done once and its answer repeated for ever, whatever the fault does to the
 * answer on its way. Their books are what a statement would say.
 */
import { asFen, type Fen } from "../../protocol/money.ts";
import type { Evidence } from "../books.ts";
import type { FundPart, RailName } from "../plan.ts";
import {
  type Asking,
  type AuthoriseAnswer,
  type AuthoriseRequest,
  type LegRequest,
  type MoveAnswer,
  type QueryAnswer,
  type Rail,
  type RailAccount,
  type RailAction,
  railKey,
  type RailRefusal,
  type RefundRequest,
  type VoidAnswer,
} from "../rails/port.ts";

/** How a call goes wrong. `lostBefore` does nothing, the other lost ones do their work; all of them leave no answer. */
export const FAULTS = ["lostBefore", "lostAfter", "garbage", "wrongAmount", "refuse", "holdExpired"] as const;
export type PayerFault = (typeof FAULTS)[number];
export interface FaultPlan {
  readonly rail: RailName;
  readonly action: RailAction;
  readonly kind: PayerFault;
  /** How many attempts it spoils, from the first. */
  readonly count: number;
}

/** What a person has at one payer. Insurers pay a share of what they are asked, in percent. */
export interface PayerAccount {
  readonly sharePercent?: number;
  /** The insurer's personal account, or the bank's balance. */
  balance: bigint;
}

type Answer = { readonly amount: Fen; readonly parts: readonly FundPart[]; readonly railReference: string } | RailRefusal;
interface HeldLeg {
  state: "held" | "captured" | "closed";
  readonly account: PayerAccount | undefined;
  readonly parts: readonly FundPart[];
  readonly given: Map<string, bigint>;
}
/** Money that moved, by the key of the call. */
export interface Movement {
  readonly key: string;
  readonly kind: "capture" | "refund" | "reversal";
  readonly amount: Fen;
  readonly parts: readonly FundPart[];
  readonly railReference: string;
}

export interface PayerOptions {
  readonly faultOf: (rail: RailName, action: RailAction, id: string) => Pick<FaultPlan, "kind" | "count"> | undefined;
  /** Breaks the payer's side of idempotency, to show that a test notices. */
  readonly forgetsKeys?: boolean;
}

export class InProcessPayer implements Rail {
  readonly name: RailName;
  readonly accounts: Map<string, PayerAccount> = new Map();
  readonly movements: Movement[] = [];
  /** By settlement or refund. */
  readonly byGroup: Map<string, Movement[]> = new Map();
  readonly #options: PayerOptions;
  readonly #legs = new Map<string, HeldLeg>();
  readonly #answers = new Map<string, Answer>();
  readonly #attempts = new Map<string, number>();
  #references = 0;

  constructor(name: RailName, options: PayerOptions) {
    this.name = name;
    this.#options = options;
  }

  async authorise(request: AuthoriseRequest, asking: Asking): Promise<AuthoriseAnswer> {
    const key = railKey(request.settlementId, this.name, "authorise");
    const known = asking === "again" ? this.#answers.get(key) : undefined;
    const account = known === undefined ? await request.account() : undefined;
    if (known === undefined && account === undefined) return { kind: "unasked" };
    const answer = this.#call("authorise", request.settlementId, key, () => this.#authorise(request, account));
    return answer.kind === "done" ? { ...answer, parts: answer.parts ?? [] } : answer;
  }

  capture({ settlementId, amount }: LegRequest): Promise<MoveAnswer> {
    const key = railKey(settlementId, this.name, "capture");
    return Promise.resolve(this.#call("capture", settlementId, key, () => this.#capture(settlementId, key, amount)));
  }

  void({ settlementId }: LegRequest): Promise<VoidAnswer> {
    const key = railKey(settlementId, this.name, "void");
    return Promise.resolve(this.#call("void", settlementId, key, () => this.#release(settlementId)));
  }

  refund(request: RefundRequest): Promise<MoveAnswer> {
    const key = railKey(request.refundId, this.name, request.action);
    return Promise.resolve(this.#call(request.action, request.refundId, key, () => this.#giveBack(request, key)));
  }

  query(key: string): Promise<QueryAnswer> {
    const answer = this.#answers.get(key);
    if (answer === undefined) return Promise.resolve({ kind: "absent" });
    return Promise.resolve(typeof answer === "string" ? { kind: "refused", reason: answer } : { kind: "done", ...answer });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** What a statement of a closed day proves about a call. */
  statementOf(key: string): Evidence["found"] {
    const movement = this.byGroup.get(key.split("/", 1)[0] ?? "")?.find((one) => one.key === key);
    if (movement === undefined) return { kind: "absent" };
    const { amount, parts, railReference } = movement;
    return { kind: "done", amount, parts, railReference };
  }

  heldCount(): number {
    return [...this.#legs.values()].filter((leg) => leg.state === "held").length;
  }

  /** Does the work once, unless a fault kept the call away; then spoils the answer. */
  #call(action: RailAction, id: string, key: string, work: () => Answer): MoveAnswer {
    const attempt = (this.#attempts.get(key) ?? 0) + 1;
    this.#attempts.set(key, attempt);
    const plan = this.#options.faultOf(this.name, action, id);
    const fault = plan !== undefined && attempt <= plan.count ? plan.kind : undefined;
    if (fault === "lostBefore") return { kind: "unknown", reason: "timeout" };
    let answer = this.#options.forgetsKeys === true ? undefined : this.#answers.get(key);
    if (answer === undefined) {
      answer = fault === "refuse" ? "declined" : fault === "holdExpired" ? this.#expire(id) : work();
      this.#answers.set(key, answer);
    }
    if (fault === "lostAfter") return { kind: "unknown", reason: "timeout" };
    if (fault === "garbage") return { kind: "unknown", reason: "garbage" };
    if (typeof answer === "string") return { kind: "refused", reason: answer };
    return fault === "wrongAmount" ? oneFenMore(answer) : { kind: "done", ...answer };
  }

  #authorise({ settlementId, asked }: AuthoriseRequest, told: RailAccount | undefined): Answer {
    if (this.#legs.has(settlementId)) return "legClosed";
    const account = told === undefined ? undefined : this.accounts.get(accountId(told));
    if (account === undefined) return "accountUnknown";
    const parts = this.#offer(account, asked);
    if (parts === undefined) return "insufficient";
    move(account, parts, -1n);
    this.#legs.set(settlementId, { state: "held", account, parts, given: new Map() });
    return this.#done(parts);
  }

  #offer(account: PayerAccount, asked: Fen): readonly FundPart[] | undefined {
    const share = (asked * BigInt(account.sharePercent ?? 0)) / 100n;
    const own = account.balance < asked - share ? account.balance : asked - share;
    switch (this.name) {
      case "insurance":
        return partsOf([
          ["hifp_pay", share],
          ["acct_pay", own],
        ]);
      case "commercial":
        return partsOf([["commercial_claim", share]]);
      case "bank":
        return account.balance < asked ? undefined : partsOf([["psn_cash_pay", asked]]);
    }
  }

  #capture(settlementId: string, key: string, amount: Fen): Answer {
    const leg = this.#legs.get(settlementId);
    if (leg === undefined) return "holdUnknown";
    if (leg.state === "closed") return "holdExpired";
    if (leg.state === "captured" && this.#options.forgetsKeys !== true) return "captured";
    if (sumOf(leg.parts) !== amount) return "holdUnknown";
    leg.state = "captured";
    return this.#moved(key, "capture", leg.parts);
  }

  #expire(settlementId: string): Answer {
    this.#release(settlementId);
    return "holdExpired";
  }

  #release(settlementId: string): Answer {
    const leg = this.#legs.get(settlementId);
    if (leg?.state === "captured") return "captured";
    if (leg?.state === "held" && leg.account !== undefined) move(leg.account, leg.parts, 1n);
    if (leg === undefined) this.#legs.set(settlementId, { state: "closed", account: undefined, parts: [], given: new Map() });
    else leg.state = "closed";
    return this.#done([]);
  }

  #giveBack({ settlementId, action, parts = [] }: RefundRequest, key: string): Answer {
    const leg = this.#legs.get(settlementId);
    if (leg?.state !== "captured") return "notCaptured";
    for (const { fundSource, amount } of parts) {
      const taken = leg.parts.find((part) => part.fundSource === fundSource)?.amount ?? 0n;
      if ((leg.given.get(fundSource) ?? 0n) + amount > taken) return "refundExceeds";
    }
    for (const { fundSource, amount } of parts) leg.given.set(fundSource, (leg.given.get(fundSource) ?? 0n) + amount);
    if (leg.account !== undefined) move(leg.account, parts, 1n);
    return this.#moved(key, action === "reverse" ? "reversal" : "refund", parts);
  }

  #moved(key: string, kind: Movement["kind"], parts: readonly FundPart[]): Answer {
    const done = this.#done(parts);
    const movement = { key, kind, ...done };
    const [group = ""] = key.split("/");
    const ofGroup = this.byGroup.get(group) ?? [];
    this.byGroup.set(group, ofGroup);
    ofGroup.push(movement);
    this.movements.push(movement);
    return done;
  }

  #done(parts: readonly FundPart[]): Exclude<Answer, string> {
    this.#references++;
    return { amount: sumOf(parts), parts, railReference: `${this.name.charAt(0).toUpperCase()}${this.#references}` };
  }
}

function oneFenMore(answer: Exclude<Answer, string>): MoveAnswer {
  const parts = answer.parts.map((part, at) => (at === 0 ? { ...part, amount: asFen(part.amount + 1n) } : part));
  return { kind: "done", ...answer, amount: asFen(answer.amount + 1n), parts };
}

function accountId(account: RailAccount): string {
  switch (account.rail) {
    case "insurance":
      return account.psnNo;
    case "commercial":
      return account.authorisationId;
    case "bank":
      return account.contractId;
  }
}

/** A fund's share comes out of no balance here; a personal account's and a bank's do. */
function move(account: PayerAccount, parts: readonly FundPart[], direction: 1n | -1n): void {
  for (const { fundSource, amount } of parts)
    if (fundSource === "acct_pay" || fundSource === "psn_cash_pay") account.balance += direction * amount;
}

function partsOf(parts: readonly (readonly [string, bigint])[]): readonly FundPart[] {
  return parts.flatMap(([fundSource, amount]) => (amount > 0n ? [{ fundSource, amount: asFen(amount) }] : []));
}

function sumOf(parts: readonly FundPart[]): Fen {
  return asFen(parts.reduce((sum, part) => sum + part.amount, 0n));
}
