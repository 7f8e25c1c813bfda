/**
 * 补账: what people take into a shard's books of a movement that only the payer has, and the way back where the order was
 * wrong. Two people each time; booked on the open day, whatever day the payer has it on; never twice.
 */
import type { LeafDraft, LedgerPosition } from "../../ledger/leaf-draft.ts";
import { type Database, insertRows, type Statement } from "../../migrations/database.ts";
import type { Batch, Planned } from "./batch.ts";
import { bookedLeg, readKey } from "./booked-leg.ts";
import type { Supplement, SupplementRefusal, SupplementReturn } from "./books.ts";
import type { Moment } from "./moment.ts";
import { fenOf, optional, railOf, textOf } from "./rows.ts";
import type { Settlement } from "./settlement.ts";
import { isTerminal } from "./states.ts";
import type { Store } from "./store.ts";
import { reversing, supplementGroup, supplementTransfers, type Transfer } from "./transfers.ts";

export interface SupplementOptions {
  readonly db: Database;
  readonly store: Store;
}

/** Validate, find, check, and then nothing fails. A refusal is an entry too; a repeat is not. */
export async function supplement(
  options: SupplementOptions,
  order: Supplement,
  batch: Batch,
  moment: Moment,
): Promise<Planned<LedgerPosition | SupplementRefusal>> {
  if (order.parts.length === 0 || order.parts.some(({ amount }) => amount <= 0n)) throw new RangeError("a supplement moves something");
  if (await isKnown(options.db, "supplement", order.supplementId)) return () => "repeated";
  const refusal = await supplementRefusal(options, order);
  const settlement = await settlementOf(options.store, order);
  const late = moment.sealedThrough !== undefined && order.payerDay <= moment.sealedThrough;
  const region = settlement?.region;
  const facts = {
    caseId: order.caseId,
    rail: order.rail,
    movement: order.movement,
    key: order.key,
    reference: order.railReference,
    payerDay: order.payerDay,
    statementHash: order.statementHash,
    ...Object.fromEntries(order.parts.map(({ fundSource, amount }) => [`fen.${order.rail}.${fundSource}`, amount.toString()])),
    ...(region === undefined ? {} : { region }),
    ...(late ? { late: "true" } : {}),
  };
  const leafAt = batch.append(leafOf("supplement.booked", order, { ...facts, day: moment.day }, refusal, settlement?.id));
  if (refusal !== undefined) return () => refusal;
  // From here nothing fails.
  batch.book({ ...supplementTransfers(order, region), leafAt, late });
  batch.rows.push((positionOf) => insertSupplement(order, moment, positionOf(leafAt).index));
  return (positionOf) => positionOf(leafAt);
}

/** The way back, as rows of the opposite direction on the open day. */
export async function takeBack(
  options: SupplementOptions,
  order: SupplementReturn,
  batch: Batch,
  moment: Moment,
): Promise<Planned<LedgerPosition | SupplementRefusal>> {
  const { supplementId, reason, requestedBy, approvedBy } = order;
  if (await isKnown(options.db, "supplement_return", supplementId)) return () => "repeated";
  const refusal = await returnRefusal(options, order);
  const posted = await postedOf(options.db, supplementId);
  const money = Object.fromEntries(posted.map(({ rail, fundSource, amount }) => [`fen.${rail}.${fundSource}`, amount.toString()]));
  const facts = { caseId: order.caseId, ...money, day: moment.day };
  const leafAt = batch.append(leafOf("supplement.takenBack", order, facts, refusal));
  if (refusal !== undefined) return () => refusal;
  // From here nothing fails.
  batch.book({ accounts: [], transfers: posted.map(reversing), leafAt });
  batch.rows.push((positionOf) =>
    insertRows(
      "supplement_return",
      ["id", "reason", "requested_by", "approved_by", "day", "at_ms", "ledger_index"],
      [[supplementId, reason, requestedBy, approvedBy ?? null, Number(moment.day), moment.atMs, positionOf(leafAt).index]],
    ),
  );
  return (positionOf) => positionOf(leafAt);
}

export async function supplementRefusal({ db, store }: SupplementOptions, order: Supplement): Promise<SupplementRefusal | undefined> {
  const one = onePerson(order);
  if (one !== undefined) return one;
  const settlement = await settlementOf(store, order);
  if (order.settlementId !== undefined && settlement === undefined) return "settlementUnknown";
  // Its own answer, or the next statement, may still book it.
  if (settlement !== undefined && !isTerminal(settlement.standing.state)) return "settlementOpen";
  const call = readKey(order.key);
  if (call !== undefined && (await bookedLeg(db, call)).counted) return "alreadyBooked";
  const [again] = await db.read(
    `SELECT 1 FROM supplement AS s WHERE rail=?1 AND movement=?2 AND ((?3<>'' AND key=?3) OR (?4<>'' AND rail_reference=?4))
     AND NOT EXISTS (SELECT 1 FROM supplement_return AS r WHERE r.id=s.id) LIMIT 1`,
    order.rail,
    order.movement,
    order.key,
    order.railReference,
  );
  return again === undefined ? undefined : "alreadyBooked";
}

export async function returnRefusal({ db }: SupplementOptions, order: SupplementReturn): Promise<SupplementRefusal | undefined> {
  const one = onePerson(order);
  if (one !== undefined) return one;
  const [booked] = await db.read("SELECT institution, case_id FROM supplement WHERE id=?", order.supplementId);
  const isOurs = booked !== undefined && booked["institution"] === order.institution && booked["case_id"] === order.caseId;
  return isOurs ? undefined : "notBooked";
}

function onePerson({ requestedBy, approvedBy }: Pick<Supplement, "requestedBy" | "approvedBy">): SupplementRefusal | undefined {
  if (approvedBy === undefined) return "needsSecondPerson";
  return approvedBy === requestedBy ? "samePerson" : undefined;
}

/** Only the institution's own. */
async function settlementOf(store: Store, { settlementId, institution }: Supplement): Promise<Settlement | undefined> {
  if (settlementId === undefined) return undefined;
  const found = (await store.byId([settlementId])).get(settlementId);
  return found?.institution === institution ? found : undefined;
}

async function isKnown(db: Database, table: "supplement" | "supplement_return", id: string): Promise<boolean> {
  return (await db.read(`SELECT 1 FROM ${table} WHERE id=?`, id)).length > 0;
}

async function postedOf(db: Database, supplementId: string): Promise<readonly Transfer[]> {
  const group = supplementGroup(supplementId);
  return (await db.read("SELECT * FROM transfer WHERE group_id=? AND stage='posted' ORDER BY rowid", group)).map((row) => ({
    group,
    rail: railOf(row, "rail"),
    fundSource: textOf(row, "fund_source"),
    stage: "posted",
    debit: textOf(row, "debit"),
    credit: textOf(row, "credit"),
    amount: fenOf(row, "amount"),
    railReference: optional(row, "rail_reference", textOf),
  }));
}

function leafOf(
  kind: "supplement.booked" | "supplement.takenBack",
  order: SupplementReturn,
  facts: Readonly<Record<string, string>>,
  refusal: SupplementRefusal | undefined,
  subject?: string,
): LeafDraft {
  const { supplementId, institution, reason, requestedBy, approvedBy } = order;
  return {
    kind: refusal === undefined ? kind : "supplement.refused",
    outcome: refusal === undefined ? "accepted" : "refused",
    actor: `operator/${requestedBy}`,
    institution,
    ...(subject === undefined ? {} : { subject }),
    idempotencyKey: supplementId,
    facts: {
      ...facts,
      reason,
      ...(approvedBy === undefined ? {} : { approvedBy }),
      ...(refusal === undefined ? {} : { cause: refusal }),
    },
  };
}

function insertSupplement(order: Supplement, moment: Moment, ledgerIndex: bigint): readonly Statement[] {
  const columns = ["id", "case_id", "rail", "movement", "key", "rail_reference", "payer_day", "statement_hash", "institution"];
  return insertRows(
    "supplement",
    [...columns, "settlement_id", "reason", "requested_by", "approved_by", "day", "at_ms", "ledger_index"],
    [
      [
        order.supplementId,
        order.caseId,
        order.rail,
        order.movement,
        order.key,
        order.railReference,
        Number(order.payerDay),
        order.statementHash,
        order.institution,
        order.settlementId ?? null,
        order.reason,
        order.requestedBy,
        order.approvedBy ?? null,
        Number(moment.day),
        moment.atMs,
        ledgerIndex,
      ],
    ],
  );
}
