/**
 * Money that a payer kept of a refused bill: it was taken, and by the payer's own statement not given back. The books
 * count it (`effects.ts`, `refuse`); here it is found again, with what was given back of it since, and given back.
 */
import type { Crypto } from "../crypto/port.ts";
import { asFen, type Fen } from "../protocol/money.ts";
import { requestHash, settlementId } from "../protocol/settlement-id.ts";
import type { Database, Row } from "../../migrations/database.ts";
import { leftOf, refundOf } from "./acceptance.ts";
import type { Batch, Planned } from "./batch.ts";
import type { AccountingDay, GiveBack, GiveBackAnswer, Kept } from "./books.ts";
import { effectsOfAcceptance } from "./effects.ts";
import type { Moment } from "./moment.ts";
import { type FundPart, legsTotal } from "./plan.ts";
import { railKey } from "./rails/port.ts";
import { fenOf, instantOf, integerOf, optional, railOf, textOf } from "./rows.ts";
import type { Settlement } from "./settlement.ts";
import { isTerminal } from "./states.ts";
import type { Store } from "./store.ts";

/** A reversal that the payer's closed day does not have is the only way to kept money: few rows, however many bills. */
const KEPT_SQL = `
SELECT t.*, s.institution, e.run_id, e.statement_hash FROM evidence AS e
  JOIN settlement AS s ON s.id=e.settlement_id
  JOIN transfer AS t ON t.group_id=s.id AND t.rail=e.rail AND t.stage='posted'
WHERE e.found='absent' AND e.taken=1 AND e.key=e.settlement_id || '/' || e.rail || '/reverse' AND s.state='refused' AND s.action='settle'
  AND NOT EXISTS (SELECT 1 FROM transfer AS r WHERE r.group_id=t.group_id AND r.rail=t.rail AND r.fund_source=t.fund_source AND r.stage='reversed')
ORDER BY t.group_id, t.rail, t.rowid`;
/** What refunds of a bill gave back, or are about to. */
const GIVEN_SQL = `
SELECT t.rail, t.fund_source, t.stage, t.amount, s.state FROM settlement AS s JOIN transfer AS t ON t.group_id=s.id
WHERE s.parent_id=? AND t.stage IN ('pending','posted')`;

export async function readKept(db: Pick<Database, "read">): Promise<readonly Kept[]> {
  const groups = Map.groupBy(await db.read(KEPT_SQL), (row) => `${textOf(row, "group_id")} ${textOf(row, "rail")}`);
  return await Promise.all([...groups.values()].map(async (rows) => keptOf(rows, await givenOf(db, rows))));
}

async function givenOf(db: Pick<Database, "read">, [first]: readonly Row[]): Promise<readonly Row[]> {
  if (first === undefined) return [];
  const rail = railOf(first, "rail");
  return (await db.read(GIVEN_SQL, textOf(first, "group_id"))).filter((row) => row["rail"] === rail);
}

function keptOf(rows: readonly Row[], given: readonly Row[]): Kept {
  const [first] = rows;
  if (first === undefined) throw new RangeError("a group has a row");
  const [id, rail] = [textOf(first, "group_id"), railOf(first, "rail")];
  const posted = given.filter((row) => row["stage"] === "posted");
  const parts = rows.map((row): FundPart => ({ fundSource: textOf(row, "fund_source"), amount: fenOf(row, "amount") }));
  return {
    rail,
    settlementId: id,
    institution: textOf(first, "institution"),
    key: railKey(id, rail, "capture"),
    railReference: optional(first, "rail_reference", textOf) ?? "",
    day: String(integerOf(first, "day")) as AccountingDay,
    postedAtMs: instantOf(first, "at_ms"),
    parts,
    left: parts.flatMap(({ fundSource, amount }): FundPart[] => {
      const of = posted.filter((row) => row["fund_source"] === fundSource);
      const left = of.reduce<bigint>((rest, row) => rest - fenOf(row, "amount"), amount);
      return left > 0n ? [{ fundSource, amount: asFen(left) }] : [];
    }),
    runId: textOf(first, "run_id"),
    statementHash: textOf(first, "statement_hash"),
  };
}

/** Whether a step may have made kept money, or given some back. */
export function concernsKept({ action, standing, legs }: Settlement): boolean {
  return standing.state === "refunded" || (standing.state === "refused" && action === "settle" && legs.length > 0);
}

/**
 * A refund of what one payer kept, by two operators instead of a hospital. Find, check, and then nothing fails. Its number
 * follows from the case and from how often it was tried: a repeat finds the one that is under way.
 */
export async function giveBack(
  { store, crypto }: { readonly store: Store; readonly crypto: Pick<Crypto, "sm3"> },
  asked: GiveBack,
  batch: Batch,
  moment: Moment,
): Promise<Planned<GiveBackAnswer>> {
  const { original, refunds } = await store.withRefunds(asked.settlementId);
  if (original === undefined) return () => "originalUnknown";
  const own = refunds.filter((one) => one.edge.startsWith("operator/") && one.outTradeNo.startsWith(`giveback-${asked.caseId}.`));
  if (own.some((one) => !isTerminal(one.standing.state))) return () => "repeated";
  const scope = asked.rail === "bank" ? "CASH" : "HI";
  const allowed = leftOf(original, refunds, scope);
  if (typeof allowed === "string") return () => allowed;
  const legs = allowed.filter(({ rail }) => rail === asked.rail);
  const amount = legsTotal(legs);
  if (amount === 0n || original.standing.state !== "refused") return () => "nothingLeft";
  // From here nothing fails.
  const number = await freeNumber(store, crypto, { institution: original.institution, caseId: asked.caseId, tried: own.length });
  const facts = factsOf(crypto, original, { asked, scope, amount, number }, moment);
  const refund = refundOf(original, { facts, scope, amount, legs }, moment);
  const said = { caseId: asked.caseId, approvedBy: asked.approvedBy };
  const planned = batch.slice({ opened: [effectsOfAcceptance(refund, moment, said)], conflicts: [], quarantined: [] });
  return (positionOf) => {
    planned(positionOf);
    return "begun";
  };
}

/** The number of the next try; one that the hospital used for something of its own is passed over. */
async function freeNumber(
  store: Store,
  crypto: Pick<Crypto, "sm3">,
  of: { readonly institution: string; readonly caseId: string; readonly tried: number },
): Promise<string> {
  for (let next = of.tried + 1; ; next++) {
    const number = `giveback-${of.caseId}.${next}`;
    const id = settlementId(crypto, of.institution, number);
    if ((await store.byId([id])).size === 0) return number;
  }
}

/** The bill's own record is what the refund goes back to: no record of the bus asks for it. */
function factsOf(
  crypto: Pick<Crypto, "sm3">,
  original: Settlement,
  of: {
    readonly asked: GiveBack;
    readonly scope: "CASH" | "HI";
    readonly amount: Fen;
    readonly number: string;
  },
  moment: Moment,
): Parameters<typeof refundOf>[1]["facts"] {
  const { institution, terminal, businessType, outTradeNo: originalOutTradeNo, provenance } = original;
  const { asked, scope, amount, number: outTradeNo } = of;
  const canonical = { action: "refund", institution, businessType, outTradeNo, originalOutTradeNo } as const;
  return {
    id: settlementId(crypto, institution, outTradeNo),
    institution,
    outTradeNo,
    requestHash: requestHash(crypto, { ...canonical, refundType: scope, refundAmount: amount }),
    action: "refund",
    parent: undefined,
    scope,
    terminal,
    businessType,
    edge: `operator/${asked.requestedBy}`,
    amount,
    acceptedAtMs: moment.atMs,
    recordedAtMs: moment.atMs,
    provenance,
  };
}
