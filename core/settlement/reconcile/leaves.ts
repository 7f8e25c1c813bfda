/** The entries that a reconciliation leaves in the shards' logs. Counts and sums are clear; a note is a commitment. */
import { fromHex } from "../../protocol/bytes.ts";
import type { EventMs } from "../../protocol/time.ts";
import { NOBODY } from "./cases.ts";
import { COUNT_NAMES, type Counts } from "./counts.ts";
import type { Entry } from "./entries.ts";
import type { Case } from "./records.ts";
import { CASE_KIND, type Run, RUN_KIND, type StepRow } from "./store.ts";

/** One entry per shard, each with the shard's own counts. */
export function runEntries(run: Run, counts: ReadonlyMap<number, Counts>, atMs: EventMs): readonly Entry[] {
  const hash = fromHex(run.statementHash);
  return [...counts].map(([shard, own]) => ({
    shard,
    atMs,
    draft: {
      kind: RUN_KIND,
      outcome: "accepted",
      actor: `operator/${run.startedBy}`,
      subject: run.id,
      ruleSetVersion: run.ruleVersion,
      ...(hash === undefined ? {} : { requestHash: hash }),
      facts: {
        rail: run.rail,
        day: run.day,
        source: run.source,
        method: run.method,
        ...(run.mappingHash === undefined ? {} : { mapping: run.mappingHash }),
        ...(run.totals === "stated" ? {} : { totals: run.totals }),
        ...Object.fromEntries(COUNT_NAMES.map((name) => [`count.${name}`, own[name].toString()])),
      },
    },
  }));
}

export function caseEntry(one: Case, step: StepRow): Entry {
  const { shard, institution, settlementId, rail, day, ours, theirs, key, reference } = one;
  const facts: Record<string, string> = { action: step.action, state: step.state, class: one.class, rail, day, key, reference };
  if (ours !== undefined) facts["fen.ours"] = ours.amount.toString();
  if (theirs !== undefined) facts["fen.theirs"] = theirs.amount.toString();
  for (const name of ["owner", "approvedBy", "reason"] as const) {
    const value = step[name];
    if (value !== undefined) facts[name] = value;
  }
  return {
    shard,
    atMs: step.atMs,
    draft: {
      kind: CASE_KIND,
      outcome: "accepted",
      actor: step.by === NOBODY ? "core" : `operator/${step.by}`,
      subject: `${one.id}/${step.step}`,
      facts,
      ...(institution === "" ? {} : { institution }),
      ...(settlementId === undefined ? {} : { parent: settlementId }),
      ...(step.note === undefined ? {} : { personal: { note: step.note } }),
    },
  };
}
