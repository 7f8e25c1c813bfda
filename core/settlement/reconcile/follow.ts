/**
 * A case follows what the statement in force says of its movement. Each difference that a run found is set beside the
 * newest case of the movement: it is opened, restated by a step of its own, or stands as it is. Pure but for reading.
 */
import type { EventMs } from "../../protocol/time.ts";
import { afterStep, type CaseReason, isClosed, NOBODY } from "./cases.ts";
import type { OwedCorrection } from "./corrections.ts";
import { type Case, owedBySource } from "./records.ts";
import type { Step, StepRow, Store } from "./store.ts";
import { printParts } from "./workbench.ts";

export interface Followed {
  readonly opened: readonly Case[];
  readonly restated: readonly Restated[];
  /** Cases that this statement states: none of them is cleared by it. */
  readonly stated: ReadonlySet<string>;
}
export interface Restated {
  readonly before: Case;
  readonly now: Case;
  readonly step: StepRow;
}

/** Ways in which a case ends without anybody: the same difference, when it is stated again, is a case again. */
const CLEARED_BY_STATEMENT: ReadonlySet<CaseReason | undefined> = new Set(["statementCorrected", "counterpartArrived", "sameMovement"]);

export async function follow(store: Store, drafts: readonly Case[], atMs: EventMs): Promise<Followed> {
  const opened: Case[] = [];
  const restated: Restated[] = [];
  const stated = new Set<string>();
  // A later draft of a movement knows more: a row that met its counterpart comes behind the row alone.
  for (const draft of new Map(drafts.map((one) => [one.id, one])).values()) {
    const family = await store.family(draft);
    const last = family.at(-1);
    if (last === undefined) opened.push(draft);
    else if (!isClosed(last.state)) {
      stated.add(last.id);
      // Cases of earlier versions have another class for what was given back.
      if (!saysTheSame(last, draft) || last.class !== draft.class) restated.push(restate(last, draft, atMs));
    } else if (isOpenedAgain(last, (await store.steps(last.id)).at(-1), draft)) opened.push({ ...draft, id: nextId(draft.id, family) });
  }
  return { opened, restated, stated };
}

/** What people closed stays closed while the payer says what it said then. */
function isOpenedAgain(last: Case, lastStep: Step | undefined, draft: Case): boolean {
  return (lastStep?.by === NOBODY && CLEARED_BY_STATEMENT.has(lastStep.reason)) || !saysTheSame(last, draft);
}

function nextId(id: string, family: readonly Case[]): string {
  const same = family.filter((one) => one.id === id || one.id.startsWith(`${id}.`));
  return same.length === 0 ? id : `${id}.${same.length + 1}`;
}

function saysTheSame(a: Case, b: Case): boolean {
  return a.kind === b.kind && sideText(a.ours) === sideText(b.ours) && sideText(a.theirs) === sideText(b.theirs);
}

function sideText(side: Case["ours"]): string {
  return side === undefined ? "" : `${side.amount} ${printParts(side.parts)}`;
}

/** The case stays whose it was, and in the log it began in; what is said of the movement is the statement's. */
function restate(before: Case, draft: Case, atMs: EventMs): Restated {
  const { runId, statementHash, line, reference, kind, ours, theirs, unmatchedId } = draft;
  const stated = { runId, statementHash, line, reference, kind, ours, theirs, unmatchedId, class: draft.class };
  return restated(before, stated, { reason: "statementChanged", atMs });
}

/** A case that says something else, by a step of nobody's. */
export function restated(
  before: Case,
  stated: Partial<Case>,
  { reason, atMs }: { readonly reason: CaseReason; readonly atMs: EventMs },
): Restated {
  const now: Case = { ...before, ...stated, steps: before.steps + 1, changedAtMs: atMs };
  const said = { action: "restate", by: NOBODY, reason } as const;
  const after = afterStep(before.state, said);
  if (typeof after === "string") throw new Error(`a case that is ${before.state} cannot be restated`);
  const nothing = { approvedBy: undefined, owner: undefined, note: undefined };
  return { before, now, step: { ...nothing, ...said, caseId: before.id, step: now.steps, state: after.state, atMs } };
}

/** What is in suspense for a case is what the case says: the rest of the way, per fund source. */
export function suspenseMoves({ before, now, step }: Restated): readonly OwedCorrection[] {
  if (before.state !== "suspended") return [];
  const moves = new Map<string, bigint>();
  for (const { fundSource, amount } of owedBySource(now)) moves.set(fundSource, amount);
  for (const { fundSource, amount } of owedBySource(before)) moves.set(fundSource, (moves.get(fundSource) ?? 0n) - amount);
  return [...moves]
    .filter(([, amount]) => amount !== 0n)
    .map(([fundSource, amount]) => ({
      shard: now.shard,
      correction: {
        do: "adjust",
        order: {
          adjustmentId: `${now.id}/${now.steps}/${now.runId}/${fundSource}`,
          caseId: now.id,
          kind: "suspend",
          rail: now.rail,
          fundSource,
          institution: now.institution,
          settlementId: now.settlementId,
          amount,
          reason: step.reason ?? "statementChanged",
          requestedBy: NOBODY,
          approvedBy: undefined,
        },
      },
    }));
}
