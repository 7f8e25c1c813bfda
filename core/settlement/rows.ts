/** Settlements and transfers as rows, and back. Multi-row statements only: a batch costs few statements, not many. */
import * as v from "valibot";
import { ERRORS, type ErrorName } from "../protocol/errors.ts";
import { sealedCredential } from "../protocol/internal.ts";
import { asFen, type Fen } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import { type InValue, insertRows, type Row, type Statement } from "../../migrations/database.ts";
import { type FundPart, type Leg, RAIL_ORDER, type RailName } from "./plan.ts";
import type { Settlement } from "./settlement.ts";
import { readStanding } from "./states.ts";
import type { Transfer } from "./transfers.ts";

const FACT_COLUMNS = [
  "id",
  "institution",
  "out_trade_no",
  "request_hash",
  "action",
  "parent_id",
  "parent_settled_at_ms",
  "terminal",
  "business_type",
  "edge",
  "amount",
  "accepted_at_ms",
  "recorded_at_ms",
  "topic",
  "partition",
  "offset",
  "record_hash",
] as const;
const PROGRESS_COLUMNS = [
  "state",
  "phase",
  "person",
  "bound",
  "credential",
  "refusal",
  "unknown_rail",
  "unknown_reported",
  "decided_at_ms",
  "attempt",
  "revision",
  "due_at_ms",
  "ledger_index",
] as const;
const TRANSFER_COLUMNS = [
  "settlement_id",
  "rail",
  "fund_source",
  "stage",
  "debit",
  "credit",
  "amount",
  "rail_reference",
  "at_ms",
  "ledger_index",
] as const;
const UPDATES_PER_STATEMENT = 500;

export const SETTLEMENT_COLUMNS: string = [...FACT_COLUMNS, ...PROGRESS_COLUMNS].map((name) => `"${name}"`).join(",");

/** A row that contradicts the schema's promises: the database was edited by someone else. */
export class CorruptRowError extends Error {
  override readonly name = "CorruptRowError";
}

export function insertSettlements(settlements: readonly Settlement[]): readonly Statement[] {
  return insertRows(
    "settlement",
    [...FACT_COLUMNS, ...PROGRESS_COLUMNS].map((name) => `"${name}"`),
    settlements.map((one) => [...facts(one), ...progress(one)]),
  );
}

/** One UPDATE … FROM (VALUES …) for all of them. */
export function updateSettlements(settlements: readonly Settlement[]): readonly Statement[] {
  const width = PROGRESS_COLUMNS.length + 1;
  const assignments = PROGRESS_COLUMNS.map((name, at) => `"${name}"=v.column${at + 2}`).join(",");
  const statements: Statement[] = [];
  for (let from = 0; from < settlements.length; from += UPDATES_PER_STATEMENT) {
    const part = settlements.slice(from, from + UPDATES_PER_STATEMENT);
    const one = `(${Array.from({ length: width }, () => "?").join(",")})`;
    statements.push({
      sql: `UPDATE settlement SET ${assignments} FROM (VALUES ${part.map(() => one).join(",")}) AS v WHERE settlement.id=v.column1`,
      args: part.flatMap((settlement) => [settlement.id, ...progress(settlement)]),
    });
  }
  return statements;
}

export function insertTransfers(transfers: readonly (Transfer & { readonly ledgerIndex: bigint })[], atMs: EventMs): readonly Statement[] {
  return insertRows(
    "transfer",
    TRANSFER_COLUMNS,
    transfers.map((one) => [
      one.settlementId,
      one.rail,
      one.fundSource,
      one.stage,
      one.debit,
      one.credit,
      one.amount,
      one.railReference ?? null,
      atMs,
      one.ledgerIndex,
    ]),
  );
}

function facts(one: Settlement): InValue[] {
  return [
    one.id,
    one.institution,
    one.outTradeNo,
    one.requestHash,
    one.action,
    one.parent?.id ?? null,
    one.parent?.settledAtMs ?? null,
    one.terminal,
    one.businessType,
    one.edge,
    one.amount,
    one.acceptedAtMs,
    one.recordedAtMs,
    one.provenance.topic,
    one.provenance.partition,
    one.provenance.offset,
    one.provenance.recordHash,
  ];
}

function progress(one: Settlement): InValue[] {
  return [
    one.standing.state,
    one.standing.phase ?? null,
    one.person ?? null,
    one.bound?.map((rail) => rail.charAt(0)).join("") ?? null,
    one.credential === undefined ? null : JSON.stringify(one.credential),
    one.refusal ?? null,
    one.unknownRail ?? null,
    one.unknownReported ? 1 : 0,
    one.decidedAtMs ?? null,
    one.attempt,
    one.revision,
    one.dueAtMs ?? null,
    one.ledgerIndex ?? null,
  ];
}

/** A stored settlement; its legs come from its transfers ({@link legsFromRows}). */
export function settlementFromRow(row: Row, legs: readonly Leg[]): Settlement {
  const standing = readStanding(row["state"], row["phase"]);
  const action = row["action"];
  if (standing === undefined || (action !== "settle" && action !== "refund")) throw new CorruptRowError("settlement.state or action");
  const credential = optional(row, "credential", textOf);
  return {
    id: textOf(row, "id"),
    institution: textOf(row, "institution"),
    outTradeNo: textOf(row, "out_trade_no"),
    requestHash: bytesOf(row, "request_hash"),
    action,
    parent: optional(row, "parent_id", (from, column) => ({
      id: textOf(from, column),
      settledAtMs: instantOf(from, "parent_settled_at_ms"),
    })),
    terminal: textOf(row, "terminal"),
    businessType: textOf(row, "business_type"),
    edge: textOf(row, "edge"),
    amount: fenOf(row, "amount"),
    acceptedAtMs: instantOf(row, "accepted_at_ms"),
    recordedAtMs: instantOf(row, "recorded_at_ms"),
    provenance: {
      topic: textOf(row, "topic"),
      partition: Number(integerOf(row, "partition")),
      offset: integerOf(row, "offset"),
      recordHash: bytesOf(row, "record_hash"),
    },
    standing,
    person: optional(row, "person", textOf),
    bound: optional(row, "bound", boundOf),
    credential: credential === undefined ? undefined : v.parse(sealedCredential, JSON.parse(credential)),
    refusal: optional(row, "refusal", refusalOf),
    unknownRail: optional(row, "unknown_rail", railOf),
    unknownReported: integerOf(row, "unknown_reported") !== 0n,
    decidedAtMs: optional(row, "decided_at_ms", instantOf),
    attempt: Number(integerOf(row, "attempt")),
    revision: Number(integerOf(row, "revision")),
    dueAtMs: optional(row, "due_at_ms", instantOf),
    legs,
    ledgerIndex: optional(row, "ledger_index", integerOf),
  };
}

/** Groups transfer rows (settlement_id, rail, fund_source, amount, rail_reference) into legs, in the order of payers. */
export function legsFromRows(rows: readonly Row[]): ReadonlyMap<string, readonly Leg[]> {
  const found = new Map<string, Map<RailName, { parts: FundPart[]; railReference: string }>>();
  for (const row of rows) {
    const id = textOf(row, "settlement_id");
    const legs = found.get(id) ?? new Map<RailName, { parts: FundPart[]; railReference: string }>();
    found.set(id, legs);
    const rail = railOf(row, "rail");
    const leg = legs.get(rail) ?? { parts: [], railReference: optional(row, "rail_reference", textOf) ?? "" };
    legs.set(rail, leg);
    leg.parts.push({ fundSource: textOf(row, "fund_source"), amount: fenOf(row, "amount") });
  }
  return new Map(
    [...found].map(([id, legs]) => [
      id,
      RAIL_ORDER.flatMap((rail) => {
        const leg = legs.get(rail);
        return leg === undefined ? [] : [{ rail, ...leg }];
      }),
    ]),
  );
}

export function textOf(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new CorruptRowError(`${column} is no text`);
  return value;
}

export function integerOf(row: Row, column: string): bigint {
  const value = row[column];
  if (typeof value === "bigint") return value;
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  throw new CorruptRowError(`${column} is no integer`);
}

function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new CorruptRowError(`${column} is no blob`);
}

function fenOf(row: Row, column: string): Fen {
  return asFen(integerOf(row, column));
}

function instantOf(row: Row, column: string): EventMs {
  return Number(integerOf(row, column)) as EventMs;
}

function railOf(row: Row, column: string): RailName {
  const rail = RAIL_ORDER.find((name) => name === row[column]);
  if (rail === undefined) throw new CorruptRowError(`${column} is no rail`);
  return rail;
}

function boundOf(row: Row, column: string): readonly RailName[] {
  const initials = textOf(row, column);
  return RAIL_ORDER.filter((rail) => initials.includes(rail.charAt(0)));
}

function refusalOf(row: Row, column: string): ErrorName {
  const name = textOf(row, column);
  if (!isErrorName(name)) throw new CorruptRowError(`${column} is no error name`);
  return name;
}

function isErrorName(name: string): name is ErrorName {
  return Object.hasOwn(ERRORS, name);
}

function optional<T>(row: Row, column: string, read: (row: Row, column: string) => T): T | undefined {
  return row[column] === null || row[column] === undefined ? undefined : read(row, column);
}
