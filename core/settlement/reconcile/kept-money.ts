/**
 * Money that a payer keeps of a refused bill (挂账) is a case of its own, from when the shard's books have it: nobody waits
 * for a run. The shard says what was kept and what is left of it; the case follows, and closes when nothing is left. Found
 * again from the shard after any end of the process, so that nothing is lost between two databases.
 */
import type { Crypto } from "../../crypto/port.ts";
import type { Statement } from "../../../migrations/database.ts";
import type { Kept } from "../books.ts";
import { partsTotal } from "../plan.ts";
import { afterStep, type CaseStep, isClosed, NOBODY } from "./cases.ts";
import { carryOutCorrections, insertCorrections } from "./corrections.ts";
import { caseIdOf } from "./findings.ts";
import { restated, suspenseMoves } from "./follow.ts";
import { caseEntry } from "./leaves.ts";
import type { ReconcilePorts } from "./ports.ts";
import type { Case } from "./records.ts";
import { insertCases, insertSteps, restateCase, stepCase, type StepRow } from "./store.ts";

/** Brings every case of kept money to what the shards say. Nothing is written where nothing changed. */
export async function followKept(ports: ReconcilePorts): Promise<void> {
  for (const [shard, books] of ports.shards) {
    for (const kept of await books.kept()) {
      const known = await ports.store.case(keptCaseId(ports.crypto, kept));
      await followOne(ports, kept, known ?? (await openCase(ports, shard, kept)));
    }
  }
  await carryOutCorrections(ports.store.db, ports.shards);
  await ports.recorder.record();
}

function keptCaseId(crypto: Pick<Crypto, "sm3">, { rail, day, key, railReference: reference }: Kept): string {
  return `${caseIdOf(crypto, rail, day, { key, reference })}-kept`;
}

async function openCase({ store, recorder, crypto, clock }: ReconcilePorts, shard: number, kept: Kept): Promise<Case> {
  const { rail, day, institution, settlementId, key, railReference, parts, postedAtMs, runId, statementHash } = kept;
  const atMs = clock.now();
  const side = { amount: partsTotal(parts), parts };
  const opened: Case = {
    id: keptCaseId(crypto, kept),
    rail,
    day,
    class: "keptMoney",
    shard,
    institution,
    settlementId,
    key,
    reference: railReference,
    kind: "capture",
    ours: side,
    theirs: side,
    atMs: postedAtMs,
    unmatchedId: undefined,
    runId,
    statementHash,
    line: undefined,
    state: "open",
    owner: undefined,
    steps: 1,
    changedAtMs: atMs,
  };
  const step: StepRow = { ...SAID_BY_NOBODY, caseId: opened.id, step: 1, action: "open", state: "open", atMs };
  await store.db.write([...insertCases([opened]), ...insertSteps([step]), ...recorder.insert([caseEntry(opened, step)])]);
  return opened;
}

async function followOne(ports: ReconcilePorts, kept: Kept, before: Case): Promise<void> {
  const left = { amount: partsTotal(kept.left), parts: kept.left };
  if (isClosed(before.state) || before.ours?.amount === left.amount) return;
  const atMs = ports.clock.now();
  const following = restated(before, { ours: left, theirs: left }, { reason: "givenBack", atMs });
  const suspense = insertCorrections(suspenseMoves(following), atMs);
  if (left.amount > 0n) {
    const { now, step } = following;
    await write(ports, now, step, [restateCase(now, step), ...suspense]);
    return;
  }
  const ended: CaseStep = { action: "settle", by: NOBODY, reason: "givenBack" };
  const after = afterStep(before.state, ended);
  if (typeof after === "string") throw new Error(`a case that is ${before.state} does not end: ${after}`);
  const step: StepRow = {
    ...SAID_BY_NOBODY,
    ...ended,
    caseId: before.id,
    step: before.steps + 1,
    action: "settle",
    state: after.state,
    atMs,
  };
  await write(ports, before, step, [stepCase(step), ...suspense]);
}

async function write({ store, recorder }: ReconcilePorts, about: Case, step: StepRow, changes: readonly Statement[]): Promise<void> {
  await store.db.write([...changes, ...insertSteps([step]), ...recorder.insert([caseEntry(about, step)])]);
}

const SAID_BY_NOBODY = { by: NOBODY, approvedBy: undefined, owner: undefined, reason: undefined, note: undefined } as const;
