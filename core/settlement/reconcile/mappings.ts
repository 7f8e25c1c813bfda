/** Mappings in the books: every one that was ever set for a payer, with who set it and when. The newest is in force. */
import type { Crypto } from "../../crypto/port.ts";
import { ok, refused, type Result } from "../../protocol/result.ts";
import type { EventMs } from "../../protocol/time.ts";
import { numberOf, textOf, wordOf } from "../../rows.ts";
import { type Database, insertRows, type Row } from "../../../migrations/database.ts";
import { RAIL_ORDER, type RailName } from "../plan.ts";
import { isPerson } from "./cases.ts";
import { CANONICAL, CSV_HEADER, mappingHash, printMapping, readMapping, type StatementMapping } from "./mapping.ts";
import { beginsWith } from "./sniff.ts";
import type { Said } from "./statement.ts";

export interface KeptMapping {
  readonly rail: RailName;
  /** From 1, per payer. */
  readonly version: number;
  readonly mapping: StatementMapping;
  /** SM3 of its text, hex. */
  readonly hash: string;
  readonly setBy: string;
  readonly setAtMs: EventMs;
}
export type MappingRefusal = { readonly code: "personMalformed" } | { readonly code: "mappingMalformed"; readonly detail: Said };

/** Newest last. */
export async function mappingsOf(db: Pick<Database, "read">, rail?: RailName): Promise<readonly KeptMapping[]> {
  const rows = await db.read("SELECT * FROM statement_mapping WHERE ?1 IS NULL OR rail=?1 ORDER BY rail, version", rail ?? null);
  return rows.map(mappingFromRow);
}

/** What is in force for a payer. */
export async function mappingOf(db: Pick<Database, "read">, rail: RailName): Promise<KeptMapping | undefined> {
  const [row] = await db.read("SELECT * FROM statement_mapping WHERE rail=? ORDER BY version DESC LIMIT 1", rail);
  return row === undefined ? undefined : mappingFromRow(row);
}

/** Under which a file of a payer is read: the kept form is itself whatever mapping is in force, so that it can be read again. */
export async function mappingFor(db: Pick<Database, "read">, rail: RailName, file: string): Promise<StatementMapping> {
  if (await beginsWith(file, CSV_HEADER)) return CANONICAL;
  return (await mappingOf(db, rail))?.mapping ?? CANONICAL;
}

/** Sets a mapping for a payer's files from now on; what is in force already is not set again. */
export async function setMapping(
  { db, crypto, nowMs }: { readonly db: Database; readonly crypto: Pick<Crypto, "sm3">; readonly nowMs: EventMs },
  { rail, by, mapping: input }: { readonly rail: RailName; readonly by: string; readonly mapping: unknown },
): Promise<Result<KeptMapping, MappingRefusal>> {
  if (!isPerson(by)) return refused({ code: "personMalformed" });
  const read = readMapping(input, rail);
  if (!read.ok) return refused({ code: "mappingMalformed", detail: read.error });
  const hash = mappingHash(crypto, read.value);
  const before = await mappingOf(db, rail);
  if (before?.hash === hash) return ok(before);
  const kept: KeptMapping = { rail, version: (before?.version ?? 0) + 1, mapping: read.value, hash, setBy: by, setAtMs: nowMs };
  const columns = ["rail", "version", "mapping", "hash", "set_by", "set_at_ms"] as const;
  await db.write(insertRows("statement_mapping", columns, [[rail, kept.version, printMapping(kept.mapping), hash, by, nowMs]]));
  return ok(kept);
}

function mappingFromRow(row: Row): KeptMapping {
  const rail = wordOf(row, "rail", RAIL_ORDER);
  const read = readMapping(JSON.parse(textOf(row, "mapping")), rail);
  if (!read.ok) throw new Error(`mapping ${numberOf(row, "version")} of ${rail} is not one that this version knows`);
  return {
    rail,
    version: numberOf(row, "version"),
    mapping: read.value,
    hash: textOf(row, "hash"),
    setBy: textOf(row, "set_by"),
    setAtMs: numberOf(row, "set_at_ms") as EventMs,
  };
}
