/**
 * From what a run found, and what earlier runs left, to everything it writes: rows that wait, rows that met, cases that
 * open and cases that clear themselves, counts, and the entries for the logs. Decides all of it; writes nothing.
 */
import type { EventMs } from "../../protocol/time.ts";
import type { Statement } from "../../../migrations/database.ts";
import { afterStep, type CaseReason, isClosed, NOBODY } from "./cases.ts";
import type { OwedCorrection } from "./corrections.ts";
import type { Tally } from "./counts.ts";
import type { Entry } from "./entries.ts";
import { caseOfPair, caseOfUnmatched } from "./findings.ts";
import { follow, suspenseMoves } from "./follow.ts";
import { caseEntry, runEntries } from "./leaves.ts";
import type { Pair } from "./match.ts";
import { adjustments } from "./orders.ts";
import type { ReconcilePorts } from "./ports.ts";
import type { Case, Unmatched } from "./records.ts";
import { halves, meetEarlier, waitedLongEnough, withdrawnCases, withdrawnRows } from "./second-look.ts";
import {
  insertCases,
  insertCounts,
  insertRun,
  insertSteps,
  meet,
  moveUnmatched,
  putUnmatched,
  restateCase,
  type Run,
  type StepRow,
  stepCase,
} from "./store.ts";

/** What a comparison found; ids are of `unmatched`. */
export interface Found {
  /** Whether rows were read: totals confirm nothing of a single movement, and withdraw nothing. */
  readonly rowsRead: boolean;
  /** Rows of this day without counterpart. */
  readonly left: readonly Unmatched[];
  readonly disagreeing: readonly Pair[];
  readonly healed: readonly string[];
  readonly withdrawn: readonly string[];
  readonly contested: readonly string[];
}
export interface Concluded {
  readonly statements: readonly Statement[];
  readonly entries: readonly Entry[];
  /** What cases in suspense (挂账) say otherwise now, and what leaves it with them, to be moved in the shards' books. */
  readonly suspense: readonly OwedCorrection[];
}

export async function conclude(ports: ReconcilePorts, run: Run, tally: Tally, found: Found): Promise<Concluded> {
  const { store, crypto, clock } = ports;
  const atMs = clock.now();
  const { left, seen } = await unseen(ports, run, found.left);
  const look = await meetEarlier(store, run.rail, left);
  const cancelled = new Set(look.cancelled);
  const kept = left.filter((row) => !cancelled.has(row));
  const due = await waitedLongEnough(ports, run, look.waiting);
  const known = await knownDifferences(ports, run, { seen, waiting: look.waiting, due, atMs });
  const gone = found.rowsRead ? await withdrawnRows(store, run, new Set([...found.left.map((row) => row.id), ...found.healed])) : [];
  const halved = await halves(store, run, gone);
  const drafts = [
    ...found.disagreeing.map((pair) => caseOfPair(crypto, run, pair, atMs)),
    ...look.disagreeing.map(([ours, theirs]) => caseOfPair(crypto, run, pairOf(ours, theirs), atMs)),
    ...due.map((row) => caseOfUnmatched(crypto, run, row, atMs)),
    ...known.drafts,
  ];
  const { opened, restated, stated } = await follow(store, [...halved, ...drafts], atMs);
  const corrected = found.rowsRead ? await withdrawnCases(store, run, gone, stated) : [];
  const clearing = await cleared(ports, look.met, look.disagreeing, corrected, stated, atMs);

  const today = new Set(look.waiting.map((row) => row.id));
  const earlier = new Set(due.filter((row) => !today.has(row.id)).map((row) => row.id));
  for (const one of drafts)
    if (one.class !== "keptMoney" && (one.unmatchedId === undefined || !earlier.has(one.unmatchedId))) tally.add(one.shard, one.class);
  for (const one of opened) tally.add(one.shard, "opened");
  for (const [row] of look.met) tally.add(row.shard, "met");
  for (const row of look.cancelled) tally.add(row.shard, "cancelled");
  for (const { was } of seen) if (was.state === "met" || was.state === "healed") tally.add(was.shard, "met");
  const dueIds = new Set([...due, ...known.rows].map((row) => row.id));
  for (const row of look.waiting) if (!dueIds.has(row.id)) tally.add(row.shard, "waiting");
  const openings = opened.map((one): StepRow => ({
    ...NOTHING_SAID,
    caseId: one.id,
    step: 1,
    action: "open",
    state: "open",
    by: NOBODY,
    atMs,
  }));
  return {
    statements: [
      ...insertRun(run),
      ...insertCounts(run.id, tally.perShard),
      ...putUnmatched([...kept, ...seen.map(({ now }) => now)], "restate"),
      ...moveUnmatched(
        kept.map((row) => row.id),
        "waiting",
      ),
      ...moveUnmatched(found.healed, "healed"),
      ...moveUnmatched([...found.withdrawn, ...gone.map((row) => row.id)], "withdrawn"),
      ...look.met.flatMap(([a, b]) => meet(a.id, b.id, run.id)),
      ...moveUnmatched([...dueIds, ...found.contested, ...look.disagreeing.flat().map((row) => row.id)], "case"),
      ...insertCases(opened),
      ...clearing.map(({ step }) => stepCase(step)),
      ...restated.map(({ now, step }) => restateCase(now, step)),
      ...insertSteps([...openings, ...clearing.map(({ step }) => step), ...restated.map(({ step }) => step)]),
      { sql: "UPDATE run SET state='finished', finished_at_ms=? WHERE id=?", args: [atMs, run.id] },
    ],
    entries: [
      ...runEntries(run, tally.perShard, atMs),
      ...opened.map((one, at) =>
        caseEntry(one, openings[at] ?? { ...NOTHING_SAID, caseId: one.id, step: 1, action: "open", state: "open", by: NOBODY, atMs }),
      ),
      ...clearing.map(({ about, step }) => caseEntry(about, step)),
      ...restated.map(({ now, step }) => caseEntry(now, step)),
    ],
    suspense: [
      ...restated.flatMap((one) => suspenseMoves(one)),
      ...clearing.flatMap(({ about, step }) => (about.state === "suspended" ? adjustments(about, "release", step) : [])),
    ],
  };
}

/** A row that an earlier statement of the day left over too, and of which something has become since. */
interface Seen {
  readonly was: Unmatched;
  /** As this statement has it. */
  readonly now: Unmatched;
}

async function unseen(
  { store }: ReconcilePorts,
  run: Run,
  rows: readonly Unmatched[],
): Promise<{ left: readonly Unmatched[]; seen: readonly Seen[] }> {
  const known = await store.unmatchedBy(
    "id",
    run.rail,
    rows.map((row) => row.id),
  );
  const before = new Map(known.map((row) => [row.id, row]));
  const left: Unmatched[] = [];
  const seen: Seen[] = [];
  for (const now of rows) {
    const was = before.get(now.id);
    // What this very run was healing is decided by now.
    if (was === undefined || was.state === "withdrawn" || was.state === "waiting" || was.runId === run.id) left.push(now);
    else seen.push({ was, now });
  }
  return { left, seen };
}

/**
 * Rows whose movement is a difference already, so that nothing is waited for: those behind a case, and those whose case said
 * otherwise so far (both had it, and now one has not).
 */
async function knownDifferences(
  { store, crypto }: ReconcilePorts,
  run: Run,
  of: {
    readonly seen: readonly Seen[];
    readonly waiting: readonly Unmatched[];
    readonly due: readonly Unmatched[];
    readonly atMs: EventMs;
  },
): Promise<{ readonly drafts: readonly Case[]; readonly rows: readonly Unmatched[] }> {
  const drafts: Case[] = [];
  const rows: Unmatched[] = [];
  const isDue = new Set(of.due.map((row) => row.id));
  for (const row of of.waiting.filter(({ id }) => !isDue.has(id))) {
    const draft = caseOfUnmatched(crypto, run, row, of.atMs);
    const last = (await store.family(draft)).at(-1);
    if (last === undefined || isClosed(last.state)) continue;
    drafts.push(draft);
    rows.push(row);
  }
  for (const { was, now } of of.seen.filter(({ was: { state } }) => state === "case")) {
    const draft = caseOfUnmatched(crypto, run, now, of.atMs);
    const last = (await store.family(draft)).at(-1);
    // Met on another day and not agreed with: the other day's side stays what it is.
    const pair = last?.class === "amount" && last.unmatchedId === undefined;
    if (!pair) drafts.push(draft);
    else
      drafts.push({
        ...last,
        runId: run.id,
        statementHash: run.statementHash,
        ...(was.side === "ours" ? { ours: draft.ours } : { theirs: draft.theirs }),
      });
  }
  return { drafts, rows };
}

const NOTHING_SAID: Pick<StepRow, "approvedBy" | "owner" | "reason" | "note"> = {
  approvedBy: undefined,
  owner: undefined,
  reason: undefined,
  note: undefined,
};

function pairOf(ours: Unmatched, theirs: Unmatched): Pair {
  return {
    ours: { ...ours, railReference: ours.reference, settlementId: ours.settlementId ?? "" },
    theirs: { ...theirs, railReference: theirs.reference, line: theirs.line ?? 0 },
    what: [],
  };
}

interface Clearing {
  readonly about: Case;
  readonly step: StepRow;
}

/** Cases that end without anybody; what is in suspense for one leaves it with the same step. */
async function cleared(
  { store }: ReconcilePorts,
  met: readonly (readonly [Unmatched, Unmatched])[],
  disagreeing: readonly (readonly [Unmatched, Unmatched])[],
  corrected: readonly Case[],
  stated: ReadonlySet<string>,
  atMs: EventMs,
): Promise<readonly Clearing[]> {
  const arrived = await casesOf(store, met.flat());
  const joined = await casesOf(store, disagreeing.flat());
  const reasons = new Map<string, readonly [Case, CaseReason]>();
  for (const one of corrected) reasons.set(one.id, [one, "statementCorrected"]);
  for (const one of joined) reasons.set(one.id, [one, "sameMovement"]);
  for (const one of arrived) reasons.set(one.id, [one, "counterpartArrived"]);
  return [...reasons.values()].flatMap(([about, reason]) => {
    const after = afterStep(about.state, { action: "settle", by: NOBODY, reason });
    if (stated.has(about.id) || typeof after === "string") return [];
    const step: StepRow = {
      ...NOTHING_SAID,
      reason,
      caseId: about.id,
      step: about.steps + 1,
      action: "settle",
      state: after.state,
      by: NOBODY,
      atMs,
    };
    return [{ about, step }];
  });
}

async function casesOf(store: ReconcilePorts["store"], rows: readonly Unmatched[]): Promise<readonly Case[]> {
  const ids = rows.filter((row) => row.state === "case").map((row) => row.id);
  return ids.length === 0 ? [] : await store.cases("unmatched_id IN (SELECT value FROM json_each(?))", JSON.stringify(ids));
}
