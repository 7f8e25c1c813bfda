/**
 * What a statement says about calls whose answer is missing: done, with amount and reference; or not there on a day
 * that the payer has closed. Said to the shard with the evidence; the shard decides and records.
 */
import { addDays, dayEnd, dayOf } from "../day/accounting-day.ts";
import type { AccountingDay, Evidence, Healing } from "../books.ts";
import type { Compared } from "./compare.ts";
import type { Tally } from "./counts.ts";
import { absentUnmatched, theirUnmatched } from "./findings.ts";
import type { Pair } from "./match.ts";
import type { OpenCall, TriedCall } from "./open-calls.ts";
import type { ReconcilePorts } from "./ports.ts";
import type { Unmatched } from "./records.ts";
import type { StatementLine } from "./statement.ts";
import { putUnmatched, type Run } from "./store.ts";
import type { OurRow } from "./workbench.ts";

export interface HealInput {
  readonly compared: Compared;
  readonly open: ReadonlyMap<string, OpenCall>;
  readonly tried: ReadonlyMap<string, TriedCall>;
  readonly tally: Tally;
}
export interface HealOutcome {
  /** Rows of `unmatched` that answered a call, or stand for one that never happened. */
  readonly healed: readonly string[];
  /** Stand-ins that were not needed after all. */
  readonly withdrawn: readonly string[];
  /** Rows of the payer whose call was answered meanwhile, or that speak of no call of ours. */
  readonly left: readonly Unmatched[];
  /** What the payer did is not what was asked. */
  readonly contradicting: readonly Pair[];
  /** Rows of `unmatched` that stand behind `contradicting`. */
  readonly contested: readonly string[];
}

/** Every attempt is written down before the shard is asked, so that a run cut short counts the same when it goes on. */
export async function heal(ports: ReconcilePorts, run: Run, { compared, open, tried, tally }: HealInput): Promise<HealOutcome> {
  const { answered } = compared;
  const stated = new Set(answered.map(({ line }) => line.key));
  const covered = await coveredDays(ports, run);
  const before = [...tried.values()].filter(({ side }) => side === "ours");
  const now = [...open.values()].filter((call) => !stated.has(call.key) && !tried.has(call.key) && isAbsent(ports, run, call, covered));
  const absent = [...before, ...now];
  const rows = answered.map(({ line, call }) => ({ ...theirUnmatched(run, line, call.shard), state: "healing" as const }));
  await ports.store.db.write(putUnmatched([...rows, ...absent.map((call) => absentUnmatched(run, call))], "begin"));
  const out = {
    healed: [] as string[],
    withdrawn: [] as string[],
    left: [] as Unmatched[],
    contradicting: [] as Pair[],
    contested: [] as string[],
  };
  for (const [at, { line, call }] of answered.entries()) {
    const { amount, railReference, parts } = line;
    const healing = await say(ports, run, call, { kind: "done", amount, railReference, parts });
    const row = rows[at];
    if (row === undefined) continue;
    if (hasHealed(healing, tried.has(call.key))) {
      tally.add(call.shard, "healed");
      out.healed.push(row.id);
    } else if (healing === "contradicts") {
      out.contradicting.push({ ours: asked(call, line), theirs: line, what: ["amount"] });
      out.contested.push(row.id);
    } else out.left.push({ ...row, state: "waiting" });
  }
  for (const call of absent) {
    const { id } = absentUnmatched(run, call);
    if (hasHealed(await say(ports, run, call, { kind: "absent" }), tried.has(call.key))) {
      tally.add(call.shard, "healed");
      out.healed.push(id);
    } else out.withdrawn.push(id);
  }
  return out;
}

/** Asked twice, the shard says the second time that nothing is open any more. */
function hasHealed(healing: Healing, triedBefore: boolean): boolean {
  return healing === "healed" || (healing === "notOpen" && triedBefore);
}

/** What we asked for, beside what the payer did. */
function asked({ key, shard, settlementId, amount, askedAtMs: atMs }: OpenCall, { kind, institution }: StatementLine): OurRow {
  return { key, shard, settlementId, amount, atMs, kind, institution, parts: [], railReference: "" };
}

async function say(ports: ReconcilePorts, run: Run, call: OpenCall, found: Evidence["found"]): Promise<Healing> {
  const books = ports.shards.get(call.shard);
  if (books === undefined) throw new Error(`no shard ${call.shard} to heal in`);
  const evidence: Evidence = { key: call.key, rail: run.rail, found, statementHash: run.statementHash, runId: run.id };
  return await books.heal(evidence, ports.clock.now());
}

/** Days of the payer that were compared row by row with a statement that is whole by its own totals. */
async function coveredDays(ports: ReconcilePorts, run: Run): Promise<ReadonlySet<AccountingDay>> {
  const days = await ports.store.provenDays(run.rail);
  return new Set([...(run.totals === "stated" ? [run.day] : []), ...days]);
}

/**
 * Not in the statement of the day it was asked on, nor in that of the next day when it was asked just before midnight;
 * what the payer did later than that it did after being asked again, and will be told to take back.
 */
function isAbsent(ports: ReconcilePorts, run: Run, call: OpenCall, covered: ReadonlySet<AccountingDay>): boolean {
  const asked = dayOf(call.askedAtMs);
  const late = call.askedAtMs + ports.rules.midnightMs > dayEnd(asked);
  const last = late ? addDays(asked, 1) : asked;
  return last <= run.day && covered.has(asked) && covered.has(last);
}
