/** Whether our books have what a call of ours would have moved. */
import type { Database, Row } from "../../migrations/database.ts";
import { RAIL_ORDER, type RailName } from "./plan.ts";
import type { RailAction } from "./rails/port.ts";
import { integerOf, textOf } from "./rows.ts";

export interface Call {
  readonly id: string;
  readonly rail: RailName;
  readonly action: RailAction;
}

/** Only calls that move money stand in statements. */
export function readKey(key: string): Call | undefined {
  const [id = "", railText, actionText, ...more] = key.split("/");
  const rail = RAIL_ORDER.find((name) => name === railText);
  const action = (["capture", "refund", "reverse"] as const).find((name) => name === actionText);
  return rail === undefined || action === undefined || more.length > 0 ? undefined : { id, rail, action };
}

/** What our books have of one leg: how much was reserved, and whether the call itself was counted. */
export async function bookedLeg(
  db: Database,
  { id, rail, action }: Call,
): Promise<{ readonly amount: bigint; readonly parts: ReadonlyMap<string, bigint>; readonly counted: boolean }> {
  const rows = await db.read("SELECT fund_source, stage, amount FROM transfer WHERE group_id=? AND rail=?", id, rail);
  const ofStage = (stage: string): readonly Row[] => rows.filter((row) => row["stage"] === stage);
  const parts = new Map(ofStage("pending").map((row) => [textOf(row, "fund_source"), integerOf(row, "amount")]));
  const counted = ofStage(action === "reverse" ? "reversed" : "posted").length > 0;
  return { amount: [...parts.values()].reduce((sum, part) => sum + part, 0n), parts, counted };
}
