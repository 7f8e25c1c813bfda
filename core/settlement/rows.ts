/** Settlements and transfers as rows, and back. Multi-row statements only: a batch costs few statements, not many. */
import * as v from "valibot";
import { ERRORS, type ErrorName } from "../protocol/errors.ts";
import { sealedCredential } from "../protocol/internal.ts";
import { asFen, type Fen } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import { type InValue, insertRows, type Row, type Statement } from "../../migrations/database.ts";
import { type FundPart, type Leg, RAIL_ORDER, type RailName } from "./plan.ts";
import { printMissing, readMissing } from "./leaves.ts";
import type { Moment } from "./moment.ts";
import { REFUND_SCOPES, type RefundScope } from "./refunds.ts";
import type { Care, MissingAnswer, Proven, Settlement } from "./settlement.ts";
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
  "scope",
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
/** Told with the request, and erased; never changed in between. */
const TOLD_COLUMNS = ["credential", "care"] as const;
const PROGRESS_COLUMNS = [
  "state",
  "phase",
  "person",
  "region",
  "bound",
  "refusal",
  "missing",
  "unknown_reported",
  "decided_at_ms",
  "attempt",
  "step_at_ms",
  "revision",
  "due_at_ms",
  "ledger_index",
] as const;
const TRANSFER_COLUMNS = [
  "group_id",
  "rail",
  "fund_source",
  "stage",
  "debit",
  "credit",
  "amount",
  "rail_reference",
  "at_ms",
  "day",
  "late",
  "ledger_index",
] as const;
const UPDATES_PER_STATEMENT = 500;

export const SETTLEMENT_COLUMNS: string = [...FACT_COLUMNS, ...TOLD_COLUMNS, ...PROGRESS_COLUMNS].map((name) => `"${name}"`).join(",");

/** A row that contradicts the schema's promises: the database was edited by someone else. */
export class CorruptRowError extends Error {
  override readonly name = "CorruptRowError";
}

export function insertSettlements(settlements: readonly Settlement[]): readonly Statement[] {
  return insertRows(
    "settlement",
    [...FACT_COLUMNS, ...TOLD_COLUMNS, ...PROGRESS_COLUMNS].map((name) => `"${name}"`),
    settlements.map((one) => [...facts(one), ...told(one), ...progress(one)]),
  );
}

/** One UPDATE … FROM (VALUES …) for all of them. */
export function updateSettlements(settlements: readonly Settlement[]): readonly Statement[] {
  const width = PROGRESS_COLUMNS.length + 2;
  const assignments = [
    ...PROGRESS_COLUMNS.map((name, at) => `"${name}"=v.column${at + 2}`),
    // They are long, and a step changes nothing in them but their end.
    ...TOLD_COLUMNS.map((name) => `"${name}"=CASE WHEN v.column${width} THEN "${name}" END`),
  ].join(",");
  const statements: Statement[] = [];
  for (let from = 0; from < settlements.length; from += UPDATES_PER_STATEMENT) {
    const part = settlements.slice(from, from + UPDATES_PER_STATEMENT);
    const one = `(${Array.from({ length: width }, () => "?").join(",")})`;
    statements.push({
      sql: `UPDATE settlement SET ${assignments} FROM (VALUES ${part.map(() => one).join(",")}) AS v WHERE settlement.id=v.column1`,
      args: part.flatMap((settlement) => [settlement.id, ...progress(settlement), settlement.credential === undefined ? 0 : 1]),
    });
  }
  return statements;
}

/** A transfer as it is written: when, on which day, by which entry. */
export interface BookedTransfer extends Transfer {
  readonly late: boolean;
  readonly ledgerIndex: bigint;
}

export function insertTransfers(transfers: readonly BookedTransfer[], moment: Moment): readonly Statement[] {
  return insertRows(
    "transfer",
    TRANSFER_COLUMNS,
    transfers.map((one) => [
      one.group,
      one.rail,
      one.fundSource,
      one.stage,
      one.debit,
      one.credit,
      one.amount,
      one.railReference ?? null,
      moment.atMs,
      Number(moment.day),
      one.late ? 1 : 0,
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
    one.scope ?? null,
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

function told(one: Settlement): InValue[] {
  return [one.credential === undefined ? null : JSON.stringify(one.credential), one.care === undefined ? null : JSON.stringify(one.care)];
}

function progress(one: Settlement): InValue[] {
  return [
    one.standing.state,
    one.standing.phase ?? null,
    one.person ?? null,
    one.region ?? null,
    one.bound?.map((rail) => rail.charAt(0)).join("") ?? null,
    one.refusal ?? null,
    one.missing.length === 0 ? null : printMissing(one.missing),
    one.unknownReported ? 1 : 0,
    one.decidedAtMs ?? null,
    one.attempt,
    one.stepAtMs,
    one.revision,
    one.dueAtMs ?? null,
    one.ledgerIndex ?? null,
  ];
}

/** What stands in other tables. */
export interface Attached {
  readonly legs?: readonly Leg[] | undefined;
  readonly evidence?: readonly Proven[] | undefined;
}

/** A stored settlement; its legs come from its transfers ({@link legsFromRows}). */
export function settlementFromRow(row: Row, parts: Attached): Settlement {
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
    scope: optional(row, "scope", scopeOf),
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
    region: optional(row, "region", textOf),
    bound: optional(row, "bound", boundOf),
    credential: credential === undefined ? undefined : v.parse(sealedCredential, JSON.parse(credential)),
    care: optional(row, "care", (from, column) => JSON.parse(textOf(from, column)) as Care),
    refusal: optional(row, "refusal", refusalOf),
    missing: optional(row, "missing", missingOf) ?? [],
    unknownReported: integerOf(row, "unknown_reported") !== 0n,
    decidedAtMs: optional(row, "decided_at_ms", instantOf),
    attempt: Number(integerOf(row, "attempt")),
    stepAtMs: instantOf(row, "step_at_ms"),
    revision: Number(integerOf(row, "revision")),
    dueAtMs: optional(row, "due_at_ms", instantOf),
    legs: parts.legs ?? [],
    evidence: parts.evidence ?? [],
    ledgerIndex: optional(row, "ledger_index", integerOf),
  };
}

/** The reserved rows are the whole of a group; what was released, expired or reversed no longer counts. */
export const LEGS_SQL = (marks: string): string =>
  `SELECT p.group_id, p.rail, p.fund_source, p.amount, p.rail_reference FROM transfer AS p
   WHERE p.stage='pending' AND p.group_id IN (${marks}) AND NOT EXISTS (SELECT 1 FROM transfer AS e WHERE e.group_id=p.group_id
     AND e.rail=p.rail AND e.fund_source=p.fund_source AND e.stage IN ('voided','expired','reversed')) ORDER BY p.rowid`;

/** Groups transfer rows (group_id, rail, fund_source, amount, rail_reference) into legs, in the order of payers. */
export function legsFromRows(rows: readonly Row[]): ReadonlyMap<string, readonly Leg[]> {
  const found = new Map<string, Map<RailName, { parts: FundPart[]; railReference: string }>>();
  for (const row of rows) {
    const id = textOf(row, "group_id");
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

/** What statements proved, by settlement. */
export function evidenceFromRows(rows: readonly Row[]): ReadonlyMap<string, readonly Proven[]> {
  const found = new Map<string, Proven[]>();
  for (const row of rows) {
    const id = textOf(row, "settlement_id");
    const proven = found.get(id) ?? [];
    found.set(id, proven);
    proven.push({ key: textOf(row, "key"), found: foundOf(row) });
  }
  return found;
}

function foundOf(row: Row): Proven["found"] {
  if (row["found"] === "absent") return { kind: "absent" };
  return {
    kind: "done",
    amount: fenOf(row, "amount"),
    railReference: textOf(row, "rail_reference"),
    parts: readParts(textOf(row, "parts")),
  };
}

function readParts(text: string): readonly FundPart[] {
  if (text === "") return [];
  return text.split(" ").map((part) => {
    const [fundSource = "", fen = ""] = part.split("=");
    return { fundSource, amount: asFen(BigInt(fen)) };
  });
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

export function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new CorruptRowError(`${column} is no blob`);
}

export function fenOf(row: Row, column: string): Fen {
  return asFen(integerOf(row, column));
}

export function instantOf(row: Row, column: string): EventMs {
  return Number(integerOf(row, column)) as EventMs;
}

export function railOf(row: Row, column: string): RailName {
  const rail = RAIL_ORDER.find((name) => name === row[column]);
  if (rail === undefined) throw new CorruptRowError(`${column} is no rail`);
  return rail;
}

function boundOf(row: Row, column: string): readonly RailName[] {
  const initials = textOf(row, column);
  return RAIL_ORDER.filter((rail) => initials.includes(rail.charAt(0)));
}

function scopeOf(row: Row, column: string): RefundScope {
  const scope = REFUND_SCOPES.find((name) => name === row[column]);
  if (scope === undefined) throw new CorruptRowError(`${column} is no refund type`);
  return scope;
}

export function missingOf(row: Row, column: string): readonly MissingAnswer[] {
  const missing = readMissing(textOf(row, column));
  if (missing === undefined) throw new CorruptRowError(`${column} is no list of calls`);
  return missing;
}

function refusalOf(row: Row, column: string): ErrorName {
  const name = textOf(row, column);
  if (!isErrorName(name)) throw new CorruptRowError(`${column} is no error name`);
  return name;
}

function isErrorName(name: string): name is ErrorName {
  return Object.hasOwn(ERRORS, name);
}

export function optional<T>(row: Row, column: string, read: (row: Row, column: string) => T): T | undefined {
  return row[column] === null || row[column] === undefined ? undefined : read(row, column);
}
