/**
 * From what a run found, and what earlier runs left, to everything it writes: rows that wait, rows that met, cases that
 * open and cases that clear themselves, counts, and the entries for the logs. Decides all of it; writes nothing.
 */
import type { EventMs } from "../../protocol/time.ts";
import type { Statement } from "../../../migrations/database.ts";
import { afterStep, type CaseReason, NOBODY } from "./cases.ts";
import type { Tally } from "./counts.ts";
import type { Entry } from "./entries.ts";
import { caseOfPair, caseOfUnmatched } from "./findings.ts";
import { caseEntry, runEntries } from "./leaves.ts";
import type { Pair } from "./match.ts";
import type { ReconcilePorts } from "./ports.ts";
import type { Case, Unmatched } from "./records.ts";
import { meetEarlier, waitedLongEnough, withdrawn } from "./second-look.ts";
import {
  insertCases,
  insertCounts,
  insertRun,
  insertSteps,
  meet,
  moveUnmatched,
  putUnmatched,
  type Run,
  type StepRow,
  stepCase,
} from "./store.ts";

/** What a comparison found; ids are of `unmatched`. */
export interface Found {
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
}

export async function conclude(ports: ReconcilePorts, run: Run, tally: Tally, found: Found): Promise<Concluded> {
  const { store, crypto, clock } = ports;
  const atMs = clock.now();
  const { left, seen } = await unseen(ports, run, found.left);
  const look = await meetEarlier(store, run.rail, left);
  const gone = new Set(look.cancelled);
  const kept = left.filter((row) => !gone.has(row));
  const due = await waitedLongEnough(ports, run, look.waiting);
  const drafts = [
    ...found.disagreeing.map((pair) => caseOfPair(crypto, run, pair, atMs)),
    ...look.disagreeing.map(([ours, theirs]) => caseOfPair(crypto, run, pairOf(ours, theirs), atMs)),
    ...due.map((row) => caseOfUnmatched(crypto, run, row, atMs)),
  ];
  const corrected = await withdrawn(store, run, {
    rows: new Set([...found.left.map((row) => row.id), ...found.healed]),
    cases: new Set(drafts.map((draft) => draft.id)),
  });
  const opened = await newOnes(ports, drafts);
  const clearing = await cleared(ports, look.met, look.disagreeing, corrected.cases, atMs);

  for (const one of opened) tally.add(one.shard, one.class);
  for (const [row] of look.met) tally.add(row.shard, "met");
  for (const row of look.cancelled) tally.add(row.shard, "cancelled");
  for (const row of seen) if (row.state === "met" || row.state === "healed") tally.add(row.shard, "met");
  const dueIds = new Set(due.map((row) => row.id));
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
      ...putUnmatched(kept),
      ...moveUnmatched(
        kept.map((row) => row.id),
        "waiting",
      ),
      ...moveUnmatched(found.healed, "healed"),
      ...moveUnmatched([...found.withdrawn, ...corrected.rows.map((row) => row.id)], "withdrawn"),
      ...look.met.flatMap(([a, b]) => meet(a.id, b.id, run.id)),
      ...moveUnmatched([...dueIds, ...found.contested, ...look.disagreeing.flat().map((row) => row.id)], "case"),
      ...insertCases(opened),
      ...clearing.map(({ step }) => stepCase(step)),
      ...insertSteps([...openings, ...clearing.map(({ step }) => step)]),
      { sql: "UPDATE run SET state='finished', finished_at_ms=? WHERE id=?", args: [atMs, run.id] },
    ],
    entries: [
      ...runEntries(run, tally.perShard, atMs),
      ...opened.map((one, at) =>
        caseEntry(one, openings[at] ?? { ...NOTHING_SAID, caseId: one.id, step: 1, action: "open", state: "open", by: NOBODY, atMs }),
      ),
      ...clearing.map(({ about, step }) => caseEntry(about, step)),
    ],
  };
}

/** Rows that an earlier statement of the day left over too, and of which something has become since, stay that. */
async function unseen(
  { store }: ReconcilePorts,
  run: Run,
  rows: readonly Unmatched[],
): Promise<{ left: readonly Unmatched[]; seen: readonly Unmatched[] }> {
  const known = await store.unmatchedBy(
    "id",
    run.rail,
    rows.map((row) => row.id),
  );
  // What this very run was healing is decided by now.
  const seen = known.filter((row) => row.state !== "withdrawn" && row.state !== "waiting" && row.runId !== run.id);
  const ids = new Set(seen.map((row) => row.id));
  return { left: rows.filter((row) => !ids.has(row.id)), seen };
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

/**
 * A case is opened once per movement. One that a corrected statement cleared is opened again, under the next number,
 * when a later statement states the difference again; one that people closed is not.
 */
async function newOnes({ store }: ReconcilePorts, drafts: readonly Case[]): Promise<readonly Case[]> {
  const opened: Case[] = [];
  for (const draft of new Map(drafts.map((one) => [one.id, one])).values()) {
    const before = await store.cases("id=?1 OR id LIKE ?1 || '.%'", draft.id);
    const last = before.at(-1);
    const reason = last === undefined ? undefined : (await store.steps(last.id)).at(-1)?.reason;
    if (last === undefined) opened.push(draft);
    else if (last.state === "resolved" && reason === "statementCorrected")
      opened.push({ ...draft, id: `${draft.id}.${before.length + 1}` });
  }
  return opened;
}

interface Clearing {
  readonly about: Case;
  readonly step: StepRow;
}

/** Cases that end without anybody. One that is suspended waits for a person: money stands in suspense for it. */
async function cleared(
  { store }: ReconcilePorts,
  met: readonly (readonly [Unmatched, Unmatched])[],
  disagreeing: readonly (readonly [Unmatched, Unmatched])[],
  corrected: readonly Case[],
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
    if (typeof after === "string") return [];
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
