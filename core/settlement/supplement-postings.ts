/**
 * Supplements (补账) as postings: what was taken into the books counts on the day it was booked, under the key that the
 * payer's own row has, and meets that row there; one that was taken back counts twice, each way once.
 */
import { asFen } from "../protocol/money.ts";
import type { Database, Row } from "../../migrations/database.ts";
import { bigintOf, numberOf, textOf, wordOf } from "../rows.ts";
import type { AccountingDay, Posting } from "./books.ts";
import type { RailName } from "./plan.ts";
import { fenOf, instantOf } from "./rows.ts";

export const MOVEMENTS = ["capture", "refund", "reversal"] as const;

/** In the order of keys; few, whatever the day has of settlements. */
export async function supplementPostings(
  db: Pick<Database, "read">,
  { rail, day }: { readonly rail: RailName; readonly day: AccountingDay },
): Promise<readonly Posting[]> {
  const rows = await db.read(
    `SELECT s.*, t.fund_source, t.stage, t.amount, t.at_ms AS moved_at_ms, t.late, t.ledger_index AS moved_by,
       EXISTS (SELECT 1 FROM supplement_return AS r WHERE r.id=s.id) AS taken_back
     FROM transfer AS t JOIN supplement AS s ON s.id=substr(t.group_id, length('supplement/') + 1)
     WHERE t.stage IN ('posted','reversed') AND t.day=? AND t.rail=? AND t.group_id>='supplement/' AND t.group_id<'supplement0'
     ORDER BY t.group_id, t.stage, t.rowid`,
    Number(day),
    rail,
  );
  const groups = Map.groupBy(rows, (row) => `${textOf(row, "id")} ${textOf(row, "stage")}`);
  return [...groups.values()].map((group) => postingOf(group, { rail, day })).sort((a, b) => (a.key < b.key ? -1 : 1));
}

function postingOf(group: readonly Row[], of: { readonly rail: RailName; readonly day: AccountingDay }): Posting {
  const [first] = group;
  if (first === undefined) throw new RangeError("a group has a row");
  const supplementId = textOf(first, "id");
  const key = textOf(first, "key");
  const parts = group.map((row) => ({ fundSource: textOf(row, "fund_source"), amount: fenOf(row, "amount") }));
  return {
    ...of,
    settlementId: typeof first["settlement_id"] === "string" ? first["settlement_id"] : "",
    key: key === "" ? `supplement/${supplementId}` : key,
    kind: supplementKind(wordOf(first, "movement", MOVEMENTS), first["stage"] === "reversed"),
    institution: textOf(first, "institution"),
    amount: asFen(parts.reduce((sum, part) => sum + part.amount, 0n)),
    parts,
    railReference: textOf(first, "rail_reference"),
    postedAtMs: instantOf(first, "moved_at_ms"),
    late: numberOf(first, "late") !== 0,
    ledgerIndex: bigintOf(first, "moved_by"),
    supplement: { supplementId, takenBack: numberOf(first, "taken_back") !== 0 },
  };
}

/** What is taken back moves the other way. */
export function supplementKind(movement: Posting["kind"], isReturn: boolean): Posting["kind"] {
  if (!isReturn) return movement;
  return movement === "capture" ? "reversal" : "capture";
}
