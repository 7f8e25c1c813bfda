/**
 * The second look (T+1, T+2): rows that a day left over meet rows that other days left over; what has met nothing when
 * the payer's next days are compared too becomes a case. A corrected statement takes back what the first one began.
 */
import { addDays } from "../day/accounting-day.ts";
import type { AccountingDay } from "../books.ts";
import type { RailName } from "../plan.ts";
import { IS_OPEN, isClosed } from "./cases.ts";
import { disagreements } from "./match.ts";
import type { ReconcilePorts } from "./ports.ts";
import type { Case, Unmatched } from "./records.ts";
import { classOf } from "./rules.ts";
import type { Run, Store } from "./store.ts";

export interface SecondLook {
  /** Pairs that agree: the payer booked it on another day. */
  readonly met: readonly (readonly [Unmatched, Unmatched])[];
  /** Pairs that found each other and do not agree; ours first. */
  readonly disagreeing: readonly (readonly [Unmatched, Unmatched])[];
  /** Of this run: a payment and its own reversal, of which the other side has neither. Together they are nothing. */
  readonly cancelled: readonly Unmatched[];
  /** Of this run, still alone. */
  readonly waiting: readonly Unmatched[];
}

/** Rows in these states may still find a counterpart. A healed row of the payer meets the posting that its healing made. */
const ALONE: ReadonlySet<Unmatched["state"]> = new Set(["waiting", "case", "healed"]);

export async function meetEarlier(store: Store, rail: RailName, left: readonly Unmatched[]): Promise<SecondLook> {
  const named = (column: "key" | "reference" | "settlement_id", values: readonly (string | undefined)[]): Promise<readonly Unmatched[]> =>
    store.unmatchedBy(column, rail, [...new Set(values.filter((value) => value !== undefined && value !== ""))] as string[]);
  const known = [
    ...(await named(
      "key",
      left.map((row) => row.key),
    )),
    ...(await named(
      "reference",
      left.map((row) => row.reference),
    )),
    ...(await named(
      "settlement_id",
      left.map((row) => (row.kind === "refund" ? undefined : row.settlementId)),
    )),
  ];
  const ids = new Set(left.map((row) => row.id));
  const alone = new Alone(known.filter((row) => ALONE.has(row.state) && !isStandIn(row) && !ids.has(row.id)));
  const met: (readonly [Unmatched, Unmatched])[] = [];
  const disagreeing: (readonly [Unmatched, Unmatched])[] = [];
  const waiting: Unmatched[] = [];
  for (const row of left) {
    const other = alone.take(row);
    if (other === undefined) {
      waiting.push(row);
      continue;
    }
    const [ours, theirs] = row.side === "ours" ? [row, other] : [other, row];
    if (ours.side === theirs.side || disagreements(ours, theirs).length === 0) met.push([row, other]);
    else disagreeing.push([ours, theirs]);
  }
  const cancelled = cancelling(waiting);
  const gone = new Set(cancelled);
  return { met, disagreeing, cancelled, waiting: waiting.filter((row) => !gone.has(row)) };
}

function cancelling(rows: readonly Unmatched[]): readonly Unmatched[] {
  const captures = new Map(
    rows.flatMap((row) => (row.kind === "capture" && row.settlementId !== undefined ? [[pairName(row), row] as const] : [])),
  );
  return rows.flatMap((row) => {
    const capture = row.kind === "reversal" && row.settlementId !== undefined ? captures.get(pairName(row)) : undefined;
    if (capture === undefined) return [];
    captures.delete(pairName(row));
    return [capture, row];
  });
}

function pairName({ side, settlementId = "", amount }: Unmatched): string {
  return `${side} ${settlementId} ${amount}`;
}

/** Rows by everything they may be found by. */
class Alone {
  readonly #rows = new Map<string, Map<string, Unmatched>>();

  constructor(rows: readonly Unmatched[]) {
    for (const row of rows)
      for (const name of namesOf(row)) {
        const named = this.#rows.get(name) ?? new Map<string, Unmatched>();
        this.#rows.set(name, named.set(row.id, row));
      }
  }

  /** The counterpart of a row, which is then nobody else's. */
  take(row: Unmatched): Unmatched | undefined {
    for (const name of counterpartNames(row)) {
      const [found] = this.#rows.get(name)?.values() ?? [];
      if (found === undefined) continue;
      for (const each of namesOf(found)) this.#rows.get(each)?.delete(found.id);
      return found;
    }
    return undefined;
  }
}

function namesOf(row: Unmatched): readonly string[] {
  const names = [`${row.side} reference ${row.kind} ${row.reference}`];
  if (row.key !== "") names.push(`${row.side} key ${row.key}`);
  if (row.state !== "healed" && row.settlementId !== undefined) names.push(`${row.kind} ${pairName(row)}`);
  return names.filter((name) => !name.endsWith(" "));
}

/** The same movement on the other side; or, of one side alone, a payment and its own reversal, which come to nothing. */
function counterpartNames(row: Unmatched): readonly string[] {
  const side = row.side === "ours" ? "theirs" : "ours";
  const names = row.key === "" ? [] : [`${side} key ${row.key}`];
  if (row.reference !== "") names.push(`${side} reference ${row.kind} ${row.reference}`);
  if (row.kind !== "refund" && row.settlementId !== undefined)
    names.push(`${row.kind === "capture" ? "reversal" : "capture"} ${pairName(row)}`);
  return names;
}

/** Made for a call that never happened: there is nothing to meet. */
function isStandIn(row: Unmatched): boolean {
  return row.side === "ours" && row.state === "healed";
}

/** Rows whose next days are compared and that are still alone. `also` are rows of this run, not written yet. */
export async function waitedLongEnough(
  { store, rules }: Pick<ReconcilePorts, "store" | "rules">,
  run: Run,
  also: readonly Unmatched[],
): Promise<readonly Unmatched[]> {
  const days = new Set([run.day, ...(await store.reconciledDays(run.rail)).keys()]);
  const isOver = (day: AccountingDay): boolean =>
    Array.from({ length: rules.secondLookDays }, (_, after) => addDays(day, after + 1)).every((next) => days.has(next));
  const known = await store.unmatched(
    "rail=? AND state='waiting' AND id NOT IN (SELECT value FROM json_each(?))",
    run.rail,
    JSON.stringify(also.map((row) => row.id)),
  );
  return [...known, ...also].filter((row) => isOver(row.day));
}

/** Rows that earlier statements of the same day left over and this one, whose rows were read, does not confirm. */
export async function withdrawnRows(store: Store, run: Run, confirmed: ReadonlySet<string>): Promise<readonly Unmatched[]> {
  const rows = await store.unmatched("rail=? AND day=? AND run_id<>? AND state IN ('waiting','case')", run.rail, run.day, run.id);
  return rows.filter((row) => !confirmed.has(row.id));
}

/** Cases of the same day that nothing speaks for any more. `stated`: those of which this statement says something. */
export async function withdrawnCases(
  store: Store,
  run: Run,
  rows: readonly Unmatched[],
  stated: ReadonlySet<string>,
): Promise<readonly Case[]> {
  const gone = new Set(rows.map((row) => row.id));
  const cases = await store.cases(`rail=? AND day=? AND class<>'keptMoney' AND ${IS_OPEN}`, run.rail, run.day);
  return cases.filter((one) => !stated.has(one.id) && (one.unmatchedId === undefined || gone.has(one.unmatchedId)));
}

/**
 * Cases of another day in which a row of this day was one side: without it the other side is alone, and has waited already.
 */
export async function halves(store: Store, run: Run, gone: readonly Unmatched[]): Promise<readonly Case[]> {
  const drafts: Case[] = [];
  for (const row of gone.filter(({ state }) => state === "case")) {
    const last = (await store.family(row)).at(-1);
    if (last === undefined || isClosed(last.state) || last.class !== "amount" || last.day === run.day) continue;
    const side = row.side === "ours" ? "theirs" : "ours";
    const others = await store.unmatched("rail=? AND side=? AND day=? AND state='case'", run.rail, side, last.day);
    const other = others.find(({ key, reference, kind }) =>
      last.key === "" || key === "" ? reference === last.reference && kind === last.kind : key === last.key,
    );
    if (other === undefined) continue;
    const sides = { ours: undefined, theirs: undefined, [side]: last[side] };
    const said = { runId: run.id, statementHash: run.statementHash, line: other.line };
    drafts.push({ ...last, ...sides, ...said, class: classOf(last.kind, side), unmatchedId: other.id });
  }
  return drafts;
}
