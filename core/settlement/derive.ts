/**
 * The books again, from leaves alone: settlements, transfers, conflicts, evidence, corrections and seals, as rows to
 * compare with the database or to fill an empty one with. Pure; shares with the writer the account names and the
 * table of states, nothing else.
 *
 * Not derived, because no money hangs on it: sealed credentials, who is asked when, how far the bus was read. The
 * person is in the leaves as a commitment only.
 */
import type { Crypto } from "../crypto/port.ts";
import type { Leaf } from "../../ledger/verifier/leaf.ts";
import { agree, type Facts, fact, fen, Impossible, legsOf, purses, references } from "./derived-facts.ts";
import { DerivedMoney } from "./derived-money.ts";
import { type Derived, type DerivedRow, type DerivedRows, ownerOf, settlementRow } from "./derived-rows.ts";
import { legsTotal } from "./plan.ts";
import { refundable } from "./refunds.ts";
import { advance, isTerminal, type Standing, type TransitionName } from "./states.ts";
import { accountsOf, type Balance, type Transfer, transfersOf } from "./transfers.ts";

export type { DerivedRow, DerivedRows } from "./derived-rows.ts";

/** What an entry says that cannot have happened after the entries before it. */
export interface DerivationDefect {
  readonly index: bigint;
  readonly what: string;
}

export interface Derivation {
  /** Takes the next leaf of the log, in order, verified by the caller. After a first defect others may follow from it. */
  take(leaf: Leaf): DerivationDefect | undefined;
  rows(): DerivedRows;
  balances(): readonly Balance[];
}

export function openDerivation(crypto: Pick<Crypto, "sm3">): Derivation {
  return new LeafDerivation(crypto);
}

/** All leaves of a log at once. */
export function deriveBooks(
  crypto: Pick<Crypto, "sm3">,
  leaves: Iterable<Leaf>,
): { readonly derivation: Derivation; readonly defects: readonly DerivationDefect[] } {
  const derivation = openDerivation(crypto);
  const defects: DerivationDefect[] = [];
  for (const leaf of leaves) {
    const defect = derivation.take(leaf);
    if (defect !== undefined) defects.push(defect);
  }
  return { derivation, defects };
}

class LeafDerivation implements Derivation {
  readonly #settlements = new Map<string, Derived>();
  readonly #undecided = new Set<Derived>();
  readonly #money: DerivedMoney;
  readonly #conflicts: DerivedRow[] = [];
  readonly #evidence: DerivedRow[] = [];

  constructor(crypto: Pick<Crypto, "sm3">) {
    this.#money = new DerivedMoney(crypto);
  }

  take(leaf: Leaf): DerivationDefect | undefined {
    const facts: Facts = new Map((leaf.facts ?? []).map(({ name, value }) => [name, value]));
    try {
      this.#apply(leaf, facts);
      return undefined;
    } catch (error) {
      if (error instanceof Impossible) return { index: leaf.index, what: error.message };
      throw error;
    }
  }

  #apply(leaf: Leaf, facts: Facts): void {
    switch (leaf.kind) {
      case "settlement.accepted":
        return void this.#open(leaf, facts, { state: "accepted", phase: undefined });
      case "settlement.refunding":
        return this.#refunding(leaf, facts);
      case "settlement.holding":
        return this.#holding(this.#of(leaf), leaf, facts);
      case "settlement.held":
        return this.#held(this.#of(leaf), leaf, facts);
      case "settlement.settled":
        return this.#settled(this.#of(leaf), leaf, facts);
      case "settlement.refunded":
        return this.#refunded(this.#of(leaf), leaf, facts);
      case "settlement.voiding":
        return this.#voiding(this.#of(leaf), leaf, facts);
      case "settlement.expired":
        return this.#move(this.#of(leaf), leaf, "expire", { refusal: fact(facts, "reason"), missing: fact(facts, "missing") });
      case "settlement.refused":
        return this.#refused(leaf, facts);
      case "settlement.unknown":
        return this.#missing(this.#of(leaf), leaf, facts, "lose");
      case "settlement.awaiting":
        return this.#missing(this.#of(leaf), leaf, facts, "leave");
      case "settlement.healed":
        return this.#healed(this.#of(leaf), leaf, facts);
      case "settlement.lateAnswer":
        if (facts.has("statementHash")) this.#keepEvidence(leaf, facts, "offered");
        return;
      case "settlement.conflict":
        return this.#conflict(leaf, facts);
      case "adjustment.suspended":
      case "adjustment.released":
      case "adjustment.writtenOff":
        return this.#money.adjust(leaf, facts);
      case "supplement.booked":
        return this.#money.supplement(leaf, facts, this.#settlements.get(leaf.subject ?? ""));
      case "supplement.takenBack":
        return this.#money.takeBack(leaf, facts);
      case "day.closed":
        return this.#money.close(leaf, facts, this.#undecided);
      default:
        // Entries without money: the opening of the log, unreadable records, reconciliation runs, cases.
        return;
    }
  }

  #of(leaf: Leaf): Derived {
    const found = this.#settlements.get(leaf.subject ?? "");
    if (found === undefined) throw new Impossible(`${leaf.kind} of a settlement that was never taken in`);
    return found;
  }

  #open(leaf: Leaf, facts: Facts, standing: Standing, parent?: Derived): Derived {
    const id = leaf.subject ?? "";
    if (this.#settlements.has(id)) throw new Impossible(`${id} is taken in twice`);
    const action = fact(facts, "action");
    if (action !== "settle" && action !== "refund") throw new Impossible("no such action");
    const opened: Derived = {
      id,
      opening: leaf,
      action,
      parent,
      amount: fen(fact(facts, "fen.total")),
      acceptedAtMs: Number(fen(fact(facts, "acceptedAtMs"))),
      refunds: [],
      standing,
      region: undefined,
      bound: null,
      refusal: null,
      missing: null,
      unknownReported: false,
      decidedAtMs: null,
      legs: [],
      ledgerIndex: leaf.index,
    };
    this.#settlements.set(id, opened);
    if (!isTerminal(standing.state)) this.#undecided.add(opened);
    return opened;
  }

  #refunding(leaf: Leaf, facts: Facts): void {
    const parent = this.#settlements.get(leaf.parent ?? "");
    const isPaid = parent?.standing.state === "settled" || (parent?.standing.state === "refused" && parent.legs.length > 0);
    if (parent === undefined || !isPaid) throw new Impossible("a refund of what was neither settled nor kept");
    const legs = legsOf(facts);
    const counted = parent.refunds.filter(({ standing }) => standing.state !== "refused").map((refund) => refund.legs);
    const left = new Map(purses(refundable(parent.legs, counted, "ALL")));
    if (purses(legs).some(([purse, amount]) => amount > (left.get(purse) ?? 0n))) throw new Impossible("a refund of more than was paid");
    if (legsTotal(legs) !== fen(fact(facts, "fen.total"))) throw new Impossible("the legs do not sum to the amount");
    const refund = this.#open(leaf, facts, { state: "refunding", phase: undefined }, parent);
    refund.region = facts.get("region");
    refund.legs = legs;
    parent.refunds.push(refund);
    this.#book(leaf, facts, refund, transfersOf(ownerOf(refund), legs, "pending"));
  }

  #holding(one: Derived, leaf: Leaf, facts: Facts): void {
    this.#move(one, leaf, "hold");
    one.region = facts.get("region");
    one.bound = fact(facts, "bound")
      .split(" ")
      .map((rail) => rail.charAt(0))
      .join("");
  }

  #held(one: Derived, leaf: Leaf, facts: Facts): void {
    const legs = legsOf(facts, "reference");
    if (legsTotal(legs) !== one.amount) throw new Impossible("the legs do not sum to the bill");
    this.#move(one, leaf, "held", { legs });
    this.#book(leaf, facts, one, transfersOf(ownerOf(one), legs, "pending"));
  }

  #settled(one: Derived, leaf: Leaf, facts: Facts): void {
    agree(legsOf(facts), one.legs);
    this.#move(one, leaf, "settle");
    this.#book(leaf, facts, one, transfersOf(ownerOf(one), one.legs, "posted", references(facts, "reference")));
  }

  #refunded(one: Derived, leaf: Leaf, facts: Facts): void {
    const given = references(facts, "reference");
    const legs = one.legs.filter(({ rail }) => given.has(rail));
    agree(legsOf(facts), legs);
    const left = one.legs.filter(({ rail }) => !given.has(rail));
    this.#move(one, leaf, "refund", { legs });
    this.#book(leaf, facts, one, [...transfersOf(ownerOf(one), legs, "posted", given), ...transfersOf(ownerOf(one), left, "voided")]);
  }

  #voiding(one: Derived, leaf: Leaf, facts: Facts): void {
    const expired = references(facts, "expired");
    const gone = one.legs.filter(({ rail }) => expired.has(rail));
    this.#move(one, leaf, "void", { refusal: fact(facts, "reason"), legs: one.legs.filter(({ rail }) => !expired.has(rail)) });
    this.#book(leaf, facts, one, transfersOf(ownerOf(one), gone, "expired"));
  }

  #refused(leaf: Leaf, facts: Facts): void {
    const refusal = fact(facts, "reason");
    const known = this.#settlements.get(leaf.subject ?? "");
    if (known === undefined) {
      const refusedAtOnce = this.#open(leaf, facts, { state: "refused", phase: undefined });
      refusedAtOnce.refusal = refusal;
      refusedAtOnce.decidedAtMs = leaf.postedMs;
      return;
    }
    const reversed = references(facts, "reversed");
    const kept = references(facts, "kept");
    const returned = known.legs.filter(({ rail }) => reversed.has(rail));
    const stayed = known.legs.filter(({ rail }) => kept.has(rail));
    const released = known.legs.filter(({ rail }) => !reversed.has(rail) && !kept.has(rail));
    // Entries of earlier versions name the payer that keeps it and not the amounts.
    if (legsOf(facts).length > 0) agree(legsOf(facts), stayed);
    this.#move(known, leaf, "refuse", { refusal, legs: stayed });
    this.#book(leaf, facts, known, [
      ...transfersOf(ownerOf(known), [...returned, ...stayed], "posted"),
      ...transfersOf(ownerOf(known), returned, "reversed", reversed),
      ...transfersOf(ownerOf(known), released, "voided"),
    ]);
  }

  #missing(one: Derived, leaf: Leaf, facts: Facts, name: "lose" | "leave"): void {
    this.#move(one, leaf, name, { missing: fact(facts, "missing") });
    if (one.standing.phase !== fact(facts, "phase")) throw new Impossible("an answer of another step is missing");
    one.unknownReported = true;
  }

  #healed(one: Derived, leaf: Leaf, facts: Facts): void {
    this.#move(one, leaf, "heal", { missing: facts.get("missing") ?? null });
    this.#keepEvidence(leaf, facts, "found");
  }

  #move(one: Derived, leaf: Leaf, name: TransitionName, change: Partial<Pick<Derived, "legs" | "refusal" | "missing">> = {}): void {
    const standing = advance(one.standing, name);
    if (standing === undefined) throw new Impossible(`no ${name} from ${one.standing.state}`);
    Object.assign(one, { standing, missing: null, ledgerIndex: leaf.index, ...change });
    if (!isTerminal(standing.state)) return;
    one.decidedAtMs = leaf.postedMs;
    this.#undecided.delete(one);
  }

  #book(leaf: Leaf, facts: Facts, one: Derived, transfers: readonly Transfer[]): void {
    if (transfers.length > 0) this.#money.book(leaf, facts, transfers, accountsOf(ownerOf(one), one.legs));
  }

  #conflict(leaf: Leaf, facts: Facts): void {
    const { id } = this.#of(leaf);
    this.#conflicts.push({
      source: fact(facts, "event.source"),
      event_id: fact(facts, "event.id"),
      settlement_id: id,
      request_hash: leaf.requestHash ?? null,
      ledger_index: leaf.index,
    });
  }

  #keepEvidence(leaf: Leaf, facts: Facts, prefix: "found" | "offered"): void {
    const found = prefix === "offered" ? "done" : fact(facts, "found");
    const isDone = found === "done";
    this.#evidence.push({
      key: fact(facts, "key"),
      statement_hash: fact(facts, "statementHash"),
      settlement_id: leaf.subject ?? "",
      rail: fact(facts, "rail"),
      found,
      amount: isDone ? fen(fact(facts, `${prefix}.total`)) : null,
      rail_reference: isDone ? fact(facts, "reference") : null,
      parts: isDone ? fact(facts, `${prefix}.parts`) : null,
      run_id: fact(facts, "runId"),
      taken: prefix === "found" ? 1n : 0n,
      ledger_index: leaf.index,
    });
  }

  rows(): DerivedRows {
    return {
      settlement: [...this.#settlements.values()].map(settlementRow),
      conflict: this.#conflicts,
      evidence: this.#evidence,
      ...this.#money.rows(),
    };
  }

  balances(): readonly Balance[] {
    return this.#money.balances();
  }
}
