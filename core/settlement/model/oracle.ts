/**
 * What the settlement room must do, written down a second time as simply as possible: no database, no ledger, no
 * concurrency, no restarts. One function per phase, one map per kind of thing. It shares nothing with the room.
 */
export type RailId = "insurance" | "commercial" | "bank";
export type Action = "authorise" | "capture" | "void" | "refund" | "reverse";
export const RAIL_IDS: readonly RailId[] = ["insurance", "commercial", "bank"];
/** In vain so often, and nobody is asked any more. */
const ASKS = 5;

export interface Person {
  readonly institution: string;
  /** Absent: no account there. Shares in percent, balances in fen. */
  readonly insurance?: { readonly share: bigint; readonly balance: bigint };
  readonly commercial?: { readonly share: bigint };
  readonly bank?: { readonly balance: bigint };
}
export interface Fault {
  readonly rail: RailId;
  readonly action: Action;
  readonly kind: "lostBefore" | "lostAfter" | "garbage" | "wrongAmount" | "refuse" | "holdExpired";
  readonly count: number;
}
export interface Step {
  readonly kind: "settle" | "refund";
  readonly no: string;
  /** Of a settlement. */
  readonly amount?: bigint;
  readonly of?: string;
  readonly scope?: "ALL" | "CASH" | "HI";
  /** Of a refund. */
  readonly part?: bigint;
}
/** Fen by rail and fund source. */
export type Money = ReadonlyMap<string, bigint>;

export interface OracleOptions {
  /** Break the model, to show that the comparison notices. */
  readonly broken?: "noRefundCap" | "noIdempotency";
}

type Legs = ReadonlyMap<RailId, Map<string, bigint>>;
type End = "settled" | "refused" | "refunded" | "awaiting";
interface Deal {
  readonly step: Step;
  state: End;
  /** What payers hold. */
  readonly held: Map<RailId, Money>;
  /** What counts: paid, given back or kept. */
  money: Map<string, bigint>;
  /** Reserved by a refund that is not decided. */
  reserved: Map<string, bigint>;
  /** While awaiting: goes on with what statements prove. */
  goOn: (() => void) | undefined;
}
type Said = "done" | "wrong" | "lost" | "refused" | "expired" | "captured" | "insufficient";

const PURSES: Readonly<Record<RailId, readonly string[]>> = {
  insurance: ["insurance/hifp_pay", "insurance/acct_pay"],
  commercial: ["commercial/commercial_claim"],
  bank: ["bank/psn_cash_pay"],
};

/** One person at one institution, from first bill to last refund. */
export class Oracle {
  readonly deals: Map<string, Deal> = new Map();
  /** Steps that reused a number for something else. */
  conflicts = 0;
  readonly #person: Person;
  readonly #faults: ReadonlyMap<string, readonly Fault[]>;
  readonly #options: OracleOptions;
  #account: bigint;
  #bank: bigint;
  readonly #attempts = new Map<string, number>();
  /** What a payer did under a key, and would repeat. */
  readonly #done = new Map<string, Said>();

  constructor(person: Person, faults: ReadonlyMap<string, readonly Fault[]>, options: OracleOptions = {}) {
    this.#person = person;
    this.#faults = faults;
    this.#options = options;
    this.#account = person.insurance?.balance ?? 0n;
    this.#bank = person.bank?.balance ?? 0n;
  }

  /** Everything that arrives together: taken in first, in order, then carried out. */
  round(steps: readonly Step[]): void {
    const opened: Deal[] = [];
    for (const step of steps) {
      const known = this.deals.get(step.no);
      if (known !== undefined && this.#options.broken !== "noIdempotency") {
        if (JSON.stringify(known.step, asText) !== JSON.stringify(step, asText)) this.conflicts++;
        continue;
      }
      const deal: Deal = { step, state: "refused", held: new Map(), money: new Map(), reserved: new Map(), goOn: undefined };
      if (step.kind === "settle" || this.#mayRefund(deal)) opened.push(deal);
      this.deals.set(step.no, deal);
    }
    for (const deal of opened) {
      if (deal.step.kind === "settle") this.#settle(deal);
      else this.#refund(deal);
    }
  }

  /** Every payer's statement is shown. */
  reconcile(): void {
    for (const deal of this.deals.values()) {
      const { goOn } = deal;
      deal.goOn = undefined;
      goOn?.();
    }
  }

  #settle(deal: Deal): void {
    const { no, amount: bill = 0n } = deal.step;
    const bound = RAIL_IDS.filter((rail) => this.#person[rail] !== undefined);
    if (bound.length === 0) return;
    const legs = new Map<RailId, Map<string, bigint>>();
    const believed = new Map<RailId, bigint>();
    let lost = 0;
    const asks = (): "held" | "refused" | "gaveUp" => {
      for (;;) {
        const said = this.#holdOnce({ no, bill, bound, legs, believed, held: deal.held });
        if (said !== "lost") return said;
        if (++lost === ASKS) return "gaveUp";
      }
    };
    const held = asks();
    // A plain no to the first question ever asked leaves nothing to release.
    if (held === "refused" && legs.size === 0 && lost === 0) return;
    if (held === "held") this.#post(deal, bound, legs, believed);
    else this.#undo(deal, { bound, legs: new Map(), captured: new Set() });
  }

  #holdOnce(at: {
    readonly no: string;
    readonly bill: bigint;
    readonly bound: readonly RailId[];
    readonly legs: Map<RailId, Map<string, bigint>>;
    readonly believed: Map<RailId, bigint>;
    readonly held: Map<RailId, Money>;
  }): "held" | "refused" | "lost" {
    let rest = at.bill;
    for (const rail of at.bound) {
      if (rest === 0n) break;
      const asked = rest;
      const said = this.#call(at.no, rail, "authorise", () => {
        const parts = this.#offer(rail, asked);
        if (parts === undefined) return "insufficient";
        at.legs.set(rail, parts);
        at.held.set(rail, parts);
        this.#take(parts, 1n);
        return "done";
      });
      if (said === "lost") return "lost";
      if (said !== "done" && said !== "wrong") return "refused";
      const offered = sum(at.legs.get(rail) ?? new Map());
      // One fen too much is noticed where there is no room for it, and then the payer's record tells the truth.
      const claimed = said === "wrong" && offered > 0n && offered < asked ? offered + 1n : offered;
      if (claimed > 0n) at.believed.set(rail, claimed);
      else at.legs.delete(rail);
      rest -= claimed;
    }
    return rest === 0n ? "held" : "refused";
  }

  #post(deal: Deal, bound: readonly RailId[], legs: Legs, believed: ReadonlyMap<RailId, bigint>): void {
    const { no } = deal.step;
    const captured = new Set<RailId>();
    const rails = bound.filter((rail) => legs.has(rail));
    let said: readonly Said[] = [];
    for (let asks = 1; asks <= ASKS; asks++) {
      said = rails.map((rail) =>
        this.#call(no, rail, "capture", () => {
          if (believed.get(rail) !== sum(legs.get(rail) ?? new Map())) return "refused";
          captured.add(rail);
          return "done";
        }),
      );
      if (said.some((one) => one === "refused" || one === "expired")) {
        const expired = new Set(rails.filter((_, at) => said[at] === "expired"));
        for (const rail of expired) this.#release(deal, rail);
        return this.#undo(deal, { bound, legs, captured });
      }
      if (said.every((one) => one === "done")) return this.#end(deal, "settled", rails, legs);
    }
    deal.state = "awaiting";
    const unheard = rails.filter((_, at) => said[at] !== "done");
    // The statements show what was taken; without the rest the bill is not paid.
    deal.goOn = () => {
      if (captured.size === rails.length) return this.#end(deal, "settled", rails, legs);
      this.#undo(deal, { bound, legs, captured }, new Map(unheard.map((rail) => [rail, captured.has(rail) ? "taken" : "untaken"])));
    };
  }

  /** Releases what is held and gives back what was taken. `proved`: what statements show, which nobody is asked about. */
  #undo(
    deal: Deal,
    at: { readonly bound: readonly RailId[]; readonly legs: Legs; readonly captured: ReadonlySet<RailId> },
    proved: ReadonlyMap<RailId, "untaken" | "taken" | "reversed" | "kept"> = new Map(),
  ): void {
    const { no } = deal.step;
    for (let asks = 1; asks <= ASKS; asks++) {
      const unheard = new Map<RailId, "void" | "reverse">();
      let stuck = false;
      for (const rail of at.bound) {
        const known = proved.get(rail);
        if (known !== undefined && known !== "taken") continue;
        if (known === undefined) {
          const released = this.#call(no, rail, "void", () => (at.captured.has(rail) ? "captured" : this.#release(deal, rail)));
          if (released === "done") continue;
          if (released !== "captured") {
            unheard.set(rail, "void");
            stuck ||= released !== "lost";
            continue;
          }
        }
        const reversed = this.#call(no, rail, "reverse", () => {
          this.#take(at.legs.get(rail) ?? new Map(), -1n);
          return "done";
        });
        if (reversed === "done") continue;
        unheard.set(rail, "reverse");
        stuck ||= reversed === "refused";
      }
      if (unheard.size === 0)
        return this.#end(
          deal,
          "refused",
          at.bound.filter((rail) => proved.get(rail) === "kept"),
          at.legs,
        );
      if (!stuck && asks < ASKS) continue;
      deal.state = "awaiting";
      deal.goOn = () => {
        const now = new Map(proved);
        for (const [rail, call] of unheard) {
          if (call === "void") now.set(rail, at.captured.has(rail) ? "taken" : "untaken");
          else now.set(rail, this.#done.get(`${no}/${rail}/reverse`) === "done" ? "reversed" : "kept");
        }
        this.#undo(deal, at, now);
      };
      return;
    }
  }

  #release(deal: Deal, rail: RailId): "done" {
    this.#take(deal.held.get(rail) ?? new Map(), -1n);
    deal.held.delete(rail);
    return "done";
  }

  #mayRefund(deal: Deal): boolean {
    const { of = "", scope = "ALL", part } = deal.step;
    const original = this.deals.get(of);
    // Of a refused bill, what a payer kept.
    if (original?.state !== "settled" && original?.state !== "refused") return false;
    if (original.step.kind === "refund") return false;
    const left = new Map([...original.money].filter(([purse]) => inScope(purse, scope)));
    if (this.#options.broken !== "noRefundCap")
      for (const other of this.deals.values())
        if (other.step.of === of)
          for (const [purse, fen] of other.reserved) if (left.has(purse)) left.set(purse, (left.get(purse) ?? 0n) - fen);
    const most = sum(left);
    if (most === 0n || (part !== undefined && part > most)) return false;
    deal.reserved = share(part ?? most, left);
    return true;
  }

  #refund(deal: Deal): void {
    const { no } = deal.step;
    const rails = RAIL_IDS.filter((rail) => PURSES[rail].some((purse) => (deal.reserved.get(purse) ?? 0n) > 0n));
    const given = new Set<RailId>();
    const dropped = new Set<RailId>();
    const give = (): void => {
      for (let asks = 1; asks <= ASKS; asks++) {
        const open = rails.find((rail) => {
          if (given.has(rail) || dropped.has(rail)) return false;
          const said = this.#call(no, rail, "refund", () => {
            this.#take(ofRail(deal.reserved, rail), -1n);
            return "done";
          });
          if (said === "done") given.add(rail);
          return said !== "done";
        });
        if (open === undefined) return this.#endRefund(deal, given);
        if (this.#done.get(`${no}/${open}/refund`) === "refused" && open === rails[0]) return this.#endRefund(deal, new Set());
        if (this.#done.get(`${no}/${open}/refund`) !== "refused" && asks < ASKS) continue;
        deal.state = "awaiting";
        deal.goOn = () => {
          if (this.#done.get(`${no}/${open}/refund`) === "done") given.add(open);
          else if (open === rails[0]) return this.#endRefund(deal, new Set());
          else dropped.add(open);
          give();
        };
        return;
      }
    };
    give();
  }

  #endRefund(deal: Deal, given: ReadonlySet<RailId>): void {
    const legs = new Map(RAIL_IDS.map((rail) => [rail, ofRail(deal.reserved, rail)] as const));
    this.#end(deal, given.size === 0 ? "refused" : "refunded", [...given], legs);
    deal.reserved = new Map(deal.money);
  }

  #end(deal: Deal, state: End, rails: readonly RailId[], legs: Legs): void {
    deal.state = state;
    deal.money = new Map(rails.flatMap((rail) => [...(legs.get(rail) ?? [])]));
  }

  /** One attempt at a payer: it does a key's work once, and the fault decides what is heard of it. */
  #call(no: string, rail: RailId, action: Action, work: () => Said): Said {
    const key = `${no}/${rail}/${action}`;
    const attempt = (this.#attempts.get(key) ?? 0) + 1;
    this.#attempts.set(key, attempt);
    const planned = this.#faults.get(no)?.find((fault) => fault.rail === rail && fault.action === action);
    const fault = planned !== undefined && attempt <= planned.count ? planned.kind : undefined;
    if (fault === "lostBefore") return "lost";
    const said = this.#done.get(key) ?? (fault === "refuse" ? "refused" : fault === "holdExpired" ? "expired" : work());
    this.#done.set(key, said);
    if (fault === "lostAfter" || fault === "garbage") return "lost";
    if (fault === "wrongAmount" && said === "done") return action === "authorise" ? "wrong" : "lost";
    return said;
  }

  #offer(rail: RailId, asked: bigint): Map<string, bigint> | undefined {
    if (rail === "bank") return asked > this.#bank ? undefined : new Map([["bank/psn_cash_pay", asked]]);
    const fund = (asked * (this.#person[rail]?.share ?? 0n)) / 100n;
    if (rail === "commercial") return nonZero([["commercial/commercial_claim", fund]]);
    const own = asked - fund < this.#account ? asked - fund : this.#account;
    return nonZero([
      ["insurance/hifp_pay", fund],
      ["insurance/acct_pay", own],
    ]);
  }

  #take(parts: Money, direction: 1n | -1n): void {
    this.#account -= direction * (parts.get("insurance/acct_pay") ?? 0n);
    this.#bank -= direction * (parts.get("bank/psn_cash_pay") ?? 0n);
  }
}

/** Largest remainder, by repeatedly giving one fen to the part that is furthest behind its exact share. */
function share(amount: bigint, left: Money): Map<string, bigint> {
  const total = sum(left);
  const shares = new Map([...left].map(([purse, fen]) => [purse, (fen * amount) / total]));
  for (let missing = amount - sum(shares); missing > 0n; missing -= 1n) {
    let behind = "";
    let most = -1n;
    for (const [purse, fen] of left) {
      const gap = fen * amount - (shares.get(purse) ?? 0n) * total;
      if (gap > most) [behind, most] = [purse, gap];
    }
    shares.set(behind, (shares.get(behind) ?? 0n) + 1n);
  }
  return shares;
}

function inScope(purse: string, scope: "ALL" | "CASH" | "HI"): boolean {
  return scope === "ALL" || purse.startsWith("bank/") === (scope === "CASH");
}

function ofRail(money: Money, rail: RailId): Map<string, bigint> {
  return new Map([...money].filter(([purse, fen]) => purse.startsWith(`${rail}/`) && fen > 0n));
}

function nonZero(parts: readonly (readonly [string, bigint])[]): Map<string, bigint> {
  return new Map(parts.filter(([, fen]) => fen > 0n));
}

function sum(money: Money): bigint {
  return [...money.values()].reduce((total, fen) => total + fen, 0n);
}

function asText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
