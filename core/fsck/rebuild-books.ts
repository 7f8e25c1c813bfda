/** The tables of a settlement shard, filled from what its leaves say, so that the platform goes on where it was. */
import { type Database, insertRows, type InValue, type Statement } from "../../migrations/database.ts";
import { bytesOf, numberOf, textOf } from "../rows.ts";
import type { DerivedRow, DerivedRows } from "../settlement/derive.ts";
import type { ShardDerivation } from "./shard-books.ts";
import type { LogKeyDerivation } from "./log-keys.ts";

/** What leaves do not hold and other places still do. */
export interface Recalled {
  /** The pseudonym of whoever a payment was for; `undefined` for somebody erased or unknown. */
  readonly personOf: (institution: string, outTradeNo: string) => Promise<string | undefined>;
  /** Sealed credential and bill of a request, JSON each, from the record that it came in; the record's hash must be the given one. */
  readonly toldBy: (place: RequestPlace) => Promise<{ readonly credential: string | null; readonly care: string | null } | undefined>;
}
export interface RequestPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly recordHash: Uint8Array;
}

export interface RebuildBooks {
  readonly db: Database;
  readonly books: ShardDerivation;
  readonly keys: LogKeyDerivation;
  readonly firstHandle: string;
  readonly recalled: Recalled;
  readonly nowMs: number;
}

export interface RebuiltBooks {
  readonly settlements: number;
  readonly transfers: number;
  /** Settlements without an end, that are carried on. */
  readonly open: number;
  /** Open ones whose request is on no bus any more: nothing was taken for them yet, and they will be refused. */
  readonly withoutRequest: number;
  /** Paid ones that nobody can say whose they were: erased, or not known to the core's database. */
  readonly withoutPerson: number;
}

/** Rows per transaction. */
const TOGETHER = 2_048;
/** Stages in the order in which they may follow each other. */
const STAGES = ["pending", "posted", "voided", "expired", "reversed"];

export async function rebuildBooks({ db, books, keys, firstHandle, recalled, nowMs }: RebuildBooks): Promise<RebuiltBooks> {
  const derived = books.rows();
  const counts = {
    settlements: derived.settlement.length,
    transfers: derived.transfer.length,
    open: 0,
    withoutRequest: 0,
    withoutPerson: 0,
  };
  const persons = new Map<string, string | undefined>();
  const settlements: DerivedRow[] = [];
  for (const row of derived.settlement) settlements.push(await completed(row, recalled, { nowMs, counts, persons }));
  await fill(db, "settlement", settlements);
  await fill(db, "account", derived.account);
  await fill(
    db,
    "transfer",
    derived.transfer.toSorted((a, b) => order(a) - order(b)),
  );
  for (const table of ["conflict", "evidence", "adjustment", "supplement", "supplement_return", "sealed_balance"] as const)
    await fill(db, table, derived[table]);
  await fill(
    db,
    "seal",
    derived.seal.toSorted((a, b) => Number(a["day"]) - Number(b["day"])),
  );
  await db.write([
    ...insertRows(
      "consumed_position",
      ["topic", "partition", "next_offset"],
      [...books.positions.values()].map(({ topic, partition, nextOffset }) => [topic, partition, nextOffset]),
    ),
    ...insertRows("log_key", ["handle", "verifier_key", "first_size", "last_size"], keys.rows(firstHandle)),
  ]);
  return counts;
}

async function fill(db: Database, table: keyof DerivedRows, rows: readonly DerivedRow[]): Promise<void> {
  for (let from = 0; from < rows.length; from += TOGETHER) await db.write(insertion(table, rows.slice(from, from + TOGETHER)));
}

function insertion(table: string, rows: readonly DerivedRow[]): readonly Statement[] {
  const columns = Object.keys(rows[0] ?? {});
  return insertRows(
    table,
    columns.map((column) => `"${column}"`),
    rows.map((row) => columns.map((column): InValue => row[column] ?? null)),
  );
}

interface Completion {
  readonly nowMs: number;
  readonly counts: { open: number; withoutRequest: number; withoutPerson: number };
  /** By settlement: a refund is of whoever its settlement was. */
  readonly persons: Map<string, string | undefined>;
}

/** The columns that no leaf holds. What was under way is due at once: every call to a payer has a key, so that asking again pays nothing twice. */
async function completed(row: DerivedRow, recalled: Recalled, { nowMs, counts, persons }: Completion): Promise<DerivedRow> {
  const [id, institution, outTradeNo, parent] = [row["id"], row["institution"], row["out_trade_no"], row["parent_id"]].map(String);
  const own = row["action"] === "settle" && row["bound"] !== null;
  const person = own ? await recalled.personOf(institution ?? "", outTradeNo ?? "") : persons.get(parent ?? "");
  persons.set(id ?? "", person);
  if ((own || row["action"] === "refund") && row["state"] !== "refused" && person === undefined) counts.withoutPerson += 1;
  const isOpen = row["decided_at_ms"] === null;
  const needsRequest =
    isOpen && row["action"] === "settle" && (row["state"] === "accepted" || row["state"] === "holding" || row["phase"] === "holding");
  const told = needsRequest ? await recalled.toldBy(placeOf(row)) : undefined;
  if (isOpen) counts.open += 1;
  if (needsRequest && told === undefined) counts.withoutRequest += 1;
  return {
    ...row,
    person: person ?? null,
    credential: told?.credential ?? null,
    care: told?.care ?? null,
    attempt: 0n,
    step_at_ms: BigInt(nowMs),
    revision: 0n,
    due_at_ms: isOpen && row["state"] !== "awaiting" ? BigInt(nowMs) : null,
  };
}

function placeOf(row: DerivedRow): RequestPlace {
  const { record_hash: recordHash, ...others } = row;
  return {
    topic: textOf(others as never, "topic"),
    partition: numberOf(others as never, "partition"),
    offset: BigInt(String(row["offset"])),
    recordHash: recordHash instanceof Uint8Array ? recordHash : bytesOf(row as never, "record_hash"),
  };
}

/** Transfers as they were written: by entry, and within one by the step of their life. */
function order(row: DerivedRow): number {
  return Number(row["ledger_index"]) * STAGES.length + STAGES.indexOf(String(row["stage"]));
}
