/**
 * What a hospital may do while the core or the bus is away: it goes on, within bounds that somebody agreed to bear
 * (`OfflineAllowance` of the institution). What is taken is durable and goes to the core when the link is back; there it
 * is judged by the moment it was taken.
 */
import type { ErrorName } from "../../core/protocol/errors.ts";
import type { Fen } from "../../core/protocol/money.ts";
import { ok, refused, type Result } from "../../core/protocol/result.ts";
import type { Change } from "../ports.ts";
import type { AdmittedCall } from "./call.ts";
import type { LinkState } from "./link.ts";

/** How a bill counts against the allowance, or why it is not taken. The sum is checked where it is written. */
export function allowanceFor(call: AdmittedCall, link: LinkState, bill: Fen): Result<NonNullable<Change["bill"]>, ErrorName> {
  const { offline } = call.institution.settings;
  if (link.offlineSinceMs === undefined) return ok({ fen: bill });
  if (call.nowMs - link.offlineSinceMs >= offline.forMs) return refused("offlineTooLong");
  if (bill > BigInt(offline.amountMaxFen)) return refused("offlineAmount");
  return ok({ fen: bill, offline: { sinceMs: link.offlineSinceMs, totalMaxFen: BigInt(offline.totalMaxFen) } });
}
