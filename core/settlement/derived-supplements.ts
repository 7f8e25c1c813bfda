/** Supplements (补账) from leaves alone: who took what into the books, and what went back. */
import type { Leaf } from "../../ledger/verifier/leaf.ts";
import { type Facts, fact, fen, Impossible, legsOf, railOf } from "./derived-facts.ts";
import type { Derived, DerivedRow } from "./derived-rows.ts";
import { type Account, reversing, supplementTransfers, type Transfer } from "./transfers.ts";

const MOVEMENTS = ["capture", "refund", "reversal"] as const;
interface Moved {
  readonly accounts: readonly Account[];
  readonly transfers: readonly Transfer[];
}

export class DerivedSupplements {
  readonly booked: DerivedRow[] = [];
  readonly returned: DerivedRow[] = [];
  /** What stands in the books, by supplement; `undefined`: it went back. */
  readonly #standing = new Map<string, Moved | undefined>();

  /** `settlement`: the one that the entry names, if any. */
  book(leaf: Leaf, facts: Facts, settlement: Derived | undefined): Moved {
    const id = leaf.idempotencyKey ?? "";
    const rail = railOf(fact(facts, "rail"));
    const movement = MOVEMENTS.find((name) => name === fact(facts, "movement"));
    if (rail === undefined || movement === undefined) throw new Impossible("no such movement");
    if (this.#standing.has(id)) throw new Impossible(`supplement ${id} is booked twice`);
    const legs = legsOf(facts);
    const [leg] = legs;
    if (leg === undefined || legs.length > 1 || leg.rail !== rail) throw new Impossible("a supplement moves money of one payer");
    if (leaf.subject !== undefined && settlement?.opening.institution !== leaf.institution)
      throw new Impossible("a supplement to a settlement that its institution does not have");
    if (settlement?.region !== facts.get("region")) throw new Impossible("a supplement in another area than its settlement");
    const people = peopleOf(leaf, facts, "a supplement");
    const [railReference, institution] = [fact(facts, "reference"), leaf.institution ?? ""];
    const moved = supplementTransfers(
      { supplementId: id, rail, movement, railReference, institution, parts: leg.parts },
      facts.get("region"),
    );
    this.#standing.set(id, moved);
    this.booked.push({
      id,
      case_id: fact(facts, "caseId"),
      rail,
      movement,
      key: fact(facts, "key"),
      rail_reference: railReference,
      payer_day: fen(fact(facts, "payerDay")),
      statement_hash: fact(facts, "statementHash"),
      institution,
      settlement_id: leaf.subject ?? null,
      ...people,
    });
    return moved;
  }

  takeBack(leaf: Leaf, facts: Facts): readonly Transfer[] {
    const id = leaf.idempotencyKey ?? "";
    const moved = this.#standing.get(id);
    if (moved === undefined) throw new Impossible(`supplement ${id} does not stand in the books`);
    const people = peopleOf(leaf, facts, "the return of a supplement");
    this.#standing.set(id, undefined);
    this.returned.push({ id, ...people });
    return moved.transfers.filter(({ stage }) => stage === "posted").map(reversing);
  }
}

function peopleOf(leaf: Leaf, facts: Facts, what: string): DerivedRow {
  const requestedBy = leaf.actor.replace(/^operator\//, "");
  const approvedBy = facts.get("approvedBy");
  if (approvedBy === undefined || approvedBy === requestedBy) throw new Impossible(`${what} by one person`);
  return {
    reason: fact(facts, "reason"),
    requested_by: requestedBy,
    approved_by: approvedBy,
    day: fen(fact(facts, "day")),
    at_ms: leaf.postedMs,
    ledger_index: leaf.index,
  };
}
