/**
 * Rows of the vault as a batch sees them: read for all items at once, changed in memory while the batch decides,
 * written back whole as one multi-row statement per table.
 */
import { type Database, insertRows, type InValue, type Row, type Statement } from "../../migrations/database.ts";
import { bigintOf, bytesOf, numberOf, placeholders, textOf, textOrNull, wordOf } from "../rows.ts";
import { BINDING_STATES, type BindingState } from "./binding-state.ts";

export const CODE_STATES = ["ISSUED", "CONSUMED", "EXPIRED", "REVOKED"] as const;
export const ACCOUNT_KINDS = ["insurance", "commercial", "bank"] as const;
export type AccountKind = (typeof ACCOUNT_KINDS)[number];
export type BindingKind = AccountKind | "app";
const BINDING_KINDS = [...ACCOUNT_KINDS, "app"] as const;
const PURPOSES = ["settle", "verify"] as const;
export const STEPS = ["resolve", "presettlement", "settlement", "refund"] as const;
export type Step = (typeof STEPS)[number];

export interface CodeRow {
  readonly fingerprint: string;
  readonly appId: string;
  readonly personId: string;
  readonly purpose: (typeof PURPOSES)[number];
  readonly form: "signed" | "opaque";
  readonly state: (typeof CODE_STATES)[number];
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly visitId: string | undefined;
}

export interface VisitRow {
  readonly visitId: string;
  readonly tokenFingerprint: string;
  readonly codeFingerprint: string;
  readonly personId: string;
  readonly purpose: (typeof PURPOSES)[number];
  readonly institution: string;
  readonly terminal: string;
  readonly businessFamily: string;
  readonly area: string;
  readonly expiresAtMs: number;
  readonly settledBy: string | undefined;
}

export interface UseRow {
  readonly transactionId: string;
  readonly step: Step;
  readonly credential: string;
  readonly terminal: string;
  readonly businessType: string;
  readonly visitId: string;
  readonly bindings: readonly string[];
  readonly atMs: number;
  readonly ledgerIndex: bigint;
  readonly leafHash: Uint8Array;
}

export interface PersonRow {
  readonly personId: string;
  readonly pseudonym: string;
  readonly identity: Uint8Array;
  readonly keyVersion: number;
  /** An erasure was ordered: nothing new is granted. */
  readonly closing: boolean;
}

export interface BindingRow {
  readonly bindingId: string;
  readonly personId: string;
  readonly kind: BindingKind;
  readonly state: BindingState;
  readonly suspendedBy: readonly string[];
  readonly fingerprint: string;
  readonly account: Uint8Array | undefined;
  readonly keyVersion: number;
  readonly insuOrg: string;
  readonly expiresAtMs: number | undefined;
  readonly changedAtMs: number;
}

export async function readCodes(db: Database, fingerprints: readonly string[]): Promise<readonly CodeRow[]> {
  return await readIn(db, "SELECT * FROM code_token WHERE fingerprint IN", fingerprints, (row) => ({
    fingerprint: textOf(row, "fingerprint"),
    appId: textOf(row, "app_id"),
    personId: textOf(row, "person_id"),
    purpose: wordOf(row, "purpose", PURPOSES),
    form: wordOf(row, "form", ["signed", "opaque"]),
    state: wordOf(row, "state", CODE_STATES),
    issuedAtMs: numberOf(row, "issued_at_ms"),
    expiresAtMs: numberOf(row, "expires_at_ms"),
    visitId: textOrNull(row, "visit_id"),
  }));
}

export async function readVisits(
  db: Database,
  column: "visit_id" | "token_fingerprint",
  keys: readonly string[],
): Promise<readonly VisitRow[]> {
  return await readIn(db, `SELECT * FROM visit WHERE ${column} IN`, keys, (row) => ({
    visitId: textOf(row, "visit_id"),
    tokenFingerprint: textOf(row, "token_fingerprint"),
    codeFingerprint: textOf(row, "code_fingerprint"),
    personId: textOf(row, "person_id"),
    purpose: wordOf(row, "purpose", PURPOSES),
    institution: textOf(row, "institution"),
    terminal: textOf(row, "terminal"),
    businessFamily: textOf(row, "business_family"),
    area: textOf(row, "area"),
    expiresAtMs: numberOf(row, "expires_at_ms"),
    settledBy: textOrNull(row, "settled_by"),
  }));
}

export async function readUses(db: Database, transactionIds: readonly string[]): Promise<readonly UseRow[]> {
  return await readIn(db, "SELECT * FROM credential_use WHERE transaction_id IN", transactionIds, (row) => ({
    transactionId: textOf(row, "transaction_id"),
    step: wordOf(row, "step", STEPS),
    credential: textOf(row, "credential"),
    terminal: textOf(row, "terminal"),
    businessType: textOf(row, "business_type"),
    visitId: textOf(row, "visit_id"),
    bindings: JSON.parse(textOf(row, "bindings")) as readonly string[],
    atMs: numberOf(row, "at_ms"),
    ledgerIndex: bigintOf(row, "ledger_index"),
    leafHash: bytesOf(row, "leaf_hash"),
  }));
}

export async function readPersons(db: Database, personIds: readonly string[]): Promise<readonly PersonRow[]> {
  const columns = "person_id, pseudonym, identity, key_version, closing";
  return await readIn(db, `SELECT ${columns} FROM person WHERE person_id IN`, personIds, (row) => ({
    personId: textOf(row, "person_id"),
    pseudonym: textOf(row, "pseudonym"),
    identity: bytesOf(row, "identity"),
    keyVersion: numberOf(row, "key_version"),
    closing: numberOf(row, "closing") !== 0,
  }));
}

export async function readBindings(
  db: Database,
  column: "binding_id" | "person_id" | "fingerprint",
  keys: readonly string[],
): Promise<readonly BindingRow[]> {
  return await readIn(db, `SELECT * FROM binding WHERE ${column} IN`, keys, (row) => ({
    bindingId: textOf(row, "binding_id"),
    personId: textOf(row, "person_id"),
    kind: wordOf(row, "kind", BINDING_KINDS),
    state: wordOf(row, "state", BINDING_STATES),
    suspendedBy: JSON.parse(textOf(row, "suspended_by")) as readonly string[],
    fingerprint: textOf(row, "fingerprint"),
    account: row["account"] === null ? undefined : bytesOf(row, "account"),
    keyVersion: numberOf(row, "key_version"),
    insuOrg: textOf(row, "insu_org"),
    expiresAtMs: row["expires_at_ms"] === null ? undefined : numberOf(row, "expires_at_ms"),
    changedAtMs: numberOf(row, "changed_at_ms"),
  }));
}

export function writeCodes(rows: readonly CodeRow[]): readonly Statement[] {
  return upsert(
    "code_token",
    ["fingerprint"],
    ["app_id", "person_id", "purpose", "form", "issued_at_ms", "expires_at_ms"],
    ["state", "visit_id"],
    rows.map((row) => [
      row.fingerprint,
      row.appId,
      row.personId,
      row.purpose,
      row.form,
      row.issuedAtMs,
      row.expiresAtMs,
      row.state,
      row.visitId ?? null,
    ]),
  );
}

export function writeVisits(rows: readonly VisitRow[]): readonly Statement[] {
  return upsert(
    "visit",
    ["visit_id"],
    [
      "token_fingerprint",
      "code_fingerprint",
      "person_id",
      "purpose",
      "institution",
      "terminal",
      "business_family",
      "area",
      "expires_at_ms",
    ],
    ["settled_by"],
    rows.map((row) => [
      row.visitId,
      row.tokenFingerprint,
      row.codeFingerprint,
      row.personId,
      row.purpose,
      row.institution,
      row.terminal,
      row.businessFamily,
      row.area,
      row.expiresAtMs,
      row.settledBy ?? null,
    ]),
  );
}

export function writeUses(rows: readonly UseRow[]): readonly Statement[] {
  return insertRows(
    "credential_use",
    ["transaction_id", "step", "credential", "terminal", "business_type", "visit_id", "bindings", "at_ms", "ledger_index", "leaf_hash"],
    rows.map((row) => [
      row.transactionId,
      row.step,
      row.credential,
      row.terminal,
      row.businessType,
      row.visitId,
      JSON.stringify(row.bindings),
      row.atMs,
      row.ledgerIndex,
      row.leafHash,
    ]),
  );
}

export function writeBindings(rows: readonly BindingRow[]): readonly Statement[] {
  return upsert(
    "binding",
    ["binding_id"],
    ["person_id", "kind", "fingerprint", "key_version", "insu_org", "expires_at_ms"],
    ["state", "suspended_by", "account", "changed_at_ms"],
    rows.map((row) => [
      row.bindingId,
      row.personId,
      row.kind,
      row.fingerprint,
      row.keyVersion,
      row.insuOrg,
      row.expiresAtMs ?? null,
      row.state,
      JSON.stringify(row.suspendedBy),
      row.account ?? null,
      row.changedAtMs,
    ]),
  );
}

/** Rows are written whole; of a row that exists only `changing` moves. Columns: key, then fixed, then changing. */
function upsert(
  table: string,
  key: readonly string[],
  fixed: readonly string[],
  changing: readonly string[],
  rows: readonly (readonly InValue[])[],
): readonly Statement[] {
  const moves = changing.map((column) => `${column} = excluded.${column}`).join(", ");
  return insertRows(table, [...key, ...fixed, ...changing], rows, `ON CONFLICT (${key.join(", ")}) DO UPDATE SET ${moves}`);
}

async function readIn<T>(db: Database, select: string, keys: readonly string[], read: (row: Row) => T): Promise<readonly T[]> {
  const distinct = [...new Set(keys)];
  if (distinct.length === 0) return [];
  return (await db.read(`${select} ${placeholders(distinct)}`, ...distinct)).map(read);
}
