/**
 * Day close (日切). Reads from top to bottom: validate, find, check; then the decision is written down, entered in every
 * shard's log, and each shard seals. Ended anywhere in between, closing the day again goes on where it was.
 */
import { ok, refused, type Result } from "../../protocol/result.ts";
import type { Clock } from "../../protocol/time.ts";
import { type Database, insertRows, type Statement } from "../../../migrations/database.ts";
import { toHex } from "../../protocol/bytes.ts";
import { numberOf, textOf, textOrNull } from "../../rows.ts";
import type { AccountingDay, DaySeal, ShardBooks } from "../books.ts";
import { RAIL_ORDER, type RailName } from "../plan.ts";
import { isPerson } from "../reconcile/cases.ts";
import type { Entry, EntryRecorder } from "../reconcile/entries.ts";
import type { Store } from "../reconcile/store.ts";
import { addDays, dayEnd } from "./accounting-day.ts";

export interface CloseRequest {
  readonly day: AccountingDay;
  readonly by: string;
  /** Closes although a payer's day is not reconciled; the reason enters the ledger. */
  readonly withoutReconciliation?: string | undefined;
}
export type CloseRefusal =
  | { readonly code: "personMalformed" | "dayNotOver" | "beforeFounding" | "reasonMalformed" }
  | { readonly code: "earlierDayOpen"; readonly day: AccountingDay }
  | { readonly code: "reconciliationMissing"; readonly rails: readonly RailName[] }
  /** Debits and credits of a fund source differ: the books are damaged, and stay open. */
  | { readonly code: "trialBalanceBroken"; readonly fundSource: string };
export interface ClosedDay {
  readonly day: AccountingDay;
  readonly closedAtMs: number;
  readonly closedBy: string;
  readonly overrideReason: string | undefined;
  /** One per shard, in order. */
  readonly seals: readonly DaySeal[];
  /** Was closed before. */
  readonly repeated: boolean;
}

export interface CloserPorts {
  readonly db: Database;
  readonly store: Store;
  readonly recorder: EntryRecorder;
  readonly shards: ReadonlyMap<number, ShardBooks>;
  readonly clock: Clock;
  /** The platform's first day: from then on every day is closed, in order. */
  readonly foundedOn: AccountingDay;
}

/** What the log calls the decision to close; the seals themselves are the shards' `day.closed`. */
export const CLOSING_KIND = "day.closing";
/** Short, and no free text about people: it stands in the ledger in clear. */
const REASON = /^[0-9A-Za-z][0-9A-Za-z ,.;:()/-]{2,99}$/;

export async function closeDay(ports: CloserPorts, request: CloseRequest): Promise<Result<ClosedDay, CloseRefusal>> {
  const { db, clock, store, shards, recorder } = ports;
  const { day, by, withoutReconciliation: reason } = request;
  if (!isPerson(by)) return refused({ code: "personMalformed" });
  if (reason !== undefined && !REASON.test(reason)) return refused({ code: "reasonMalformed" });
  const known = await closing(db, day);
  if (known?.closedAtMs !== undefined) return ok(await closedDay(ports, known, true));
  if (clock.now() < dayEnd(day)) return refused({ code: "dayNotOver" });
  if (day < ports.foundedOn) return refused({ code: "beforeFounding" });
  const earlier = await earlierOpen(ports, day);
  if (earlier !== undefined) return refused({ code: "earlierDayOpen", day: earlier });
  const runs = await runsOf(store, day);
  const missing = RAIL_ORDER.filter((rail) => runs.get(rail)?.compared !== true);
  // A decision that was taken stands: a close cut short goes on with it.
  if (missing.length > 0 && reason === undefined && known === undefined) return refused({ code: "reconciliationMissing", rails: missing });
  for (const books of shards.values()) {
    const broken = brokenSource(await books.trialBalance(day));
    if (broken !== undefined) return refused({ code: "trialBalanceBroken", fundSource: broken });
  }
  // From here nothing is decided any more.
  const override = missing.length === 0 ? undefined : reason;
  const decided = known ?? { day, closedBy: by, overrideReason: override, closedAtMs: undefined };
  const entries = [...shards.keys()].map((shard): Entry => ({ shard, atMs: clock.now(), draft: closingDraft(decided, runs) }));
  await db.write([...insertClosing(decided), ...recorder.insert(entries)]);
  await recorder.record();
  const seals: [number, DaySeal][] = [];
  for (const [shard, books] of shards) {
    const sealed = await books.seal(day, clock.now());
    const seal = sealed === "alreadySealed" ? (await books.seals()).find((one) => one.day === day) : sealed;
    if (seal === undefined || typeof seal === "string")
      throw new Error(`shard ${shard} does not seal a day that may be sealed: ${typeof seal === "string" ? seal : "sealed past it"}`);
    seals.push([shard, seal]);
  }
  await db.write([
    ...seals.flatMap(([shard, seal]) => sealRows(shard, seal)),
    { sql: "UPDATE day_closing SET closed_at_ms=? WHERE day=?", args: [clock.now(), day] },
  ]);
  const closed = await closing(db, day);
  if (closed === undefined) throw new Error("a closed day is gone");
  return ok(await closedDay(ports, closed, false));
}

interface Closing {
  readonly day: AccountingDay;
  readonly closedBy: string;
  readonly overrideReason: string | undefined;
  readonly closedAtMs: number | undefined;
}

async function closing(db: Database, day: AccountingDay): Promise<Closing | undefined> {
  return (await closings(db)).find((one) => one.day === day);
}

/** Closed days, and one that a close may have left half done; in order. */
export async function closings(db: Database): Promise<readonly Closing[]> {
  return (await db.read("SELECT * FROM day_closing ORDER BY day")).map((row) => ({
    day: textOf(row, "day") as AccountingDay,
    closedBy: textOf(row, "closed_by"),
    overrideReason: textOrNull(row, "override_reason"),
    closedAtMs: row["closed_at_ms"] === null ? undefined : numberOf(row, "closed_at_ms"),
  }));
}

async function closedDay({ shards }: CloserPorts, one: Closing, repeated: boolean): Promise<ClosedDay> {
  const seals = await Promise.all([...shards.values()].map(async (books) => (await books.seals()).find((seal) => seal.day === one.day)));
  return { ...one, closedAtMs: one.closedAtMs ?? 0, seals: seals.filter((seal) => seal !== undefined), repeated };
}

/** The first day that is not closed, when it lies before this one. */
async function earlierOpen({ db, foundedOn }: CloserPorts, day: AccountingDay): Promise<AccountingDay | undefined> {
  const last = (await closings(db)).findLast((one) => one.closedAtMs !== undefined);
  const next = last === undefined ? foundedOn : addDays(last.day, 1);
  return next < day ? next : undefined;
}

interface RestsOn {
  readonly id: string;
  /** Row by row, or there was nothing to compare on either side: equal totals alone close no day. */
  readonly compared: boolean;
}

/** The newest run of each payer's day that compared rows; where there is none, the newest. */
async function runsOf(store: Store, day: AccountingDay): Promise<ReadonlyMap<RailName, RestsOn>> {
  const runs = new Map<RailName, RestsOn>();
  for (const { id, rail, state, method, counts } of await store.runs({ day })) {
    const compared = method === "details" || counts.rowsOurs + counts.rowsTheirs === 0n;
    if (state === "finished" && (compared || runs.get(rail)?.compared !== true)) runs.set(rail, { id, compared });
  }
  return runs;
}

/** Every transfer has two sides of the same fund source, so the balances of each source sum to nothing. */
function brokenSource({ rows }: Awaited<ReturnType<ShardBooks["trialBalance"]>>): string | undefined {
  const sums = new Map<string, bigint>();
  for (const row of rows) sums.set(row.fundSource, (sums.get(row.fundSource) ?? 0n) + row.balance);
  return [...sums].find(([, sum]) => sum !== 0n)?.[0];
}

function closingDraft(one: Closing, runs: ReadonlyMap<RailName, RestsOn>): Entry["draft"] {
  const overridden = one.overrideReason === undefined ? {} : { override: one.overrideReason };
  return {
    kind: CLOSING_KIND,
    outcome: "accepted",
    actor: `operator/${one.closedBy}`,
    subject: `day/${one.day}`,
    facts: { day: one.day, ...Object.fromEntries([...runs].map(([rail, { id }]) => [`run.${rail}`, id])), ...overridden },
  };
}

function insertClosing(one: Closing): readonly Statement[] {
  return insertRows(
    "day_closing",
    ["day", "closed_by", "override_reason", "closed_at_ms"],
    [[one.day, one.closedBy, one.overrideReason ?? null, null]],
    "ON CONFLICT DO NOTHING",
  );
}

function sealRows(shard: number, seal: DaySeal): readonly Statement[] {
  const { day, position, sealedAtMs, head, trialBalance, carriedOver } = seal;
  return insertRows(
    "day_seal",
    ["day", "shard", "origin", "ledger_index", "sealed_at_ms", "head_size", "head_root", "trial_balance_hash", "carried_over"],
    [[day, shard, position.origin, position.index, sealedAtMs, head.size, toHex(head.root), trialBalance.hash, carriedOver.length]],
    "ON CONFLICT DO NOTHING",
  );
}
