/**
 * One reconciliation of one payer's day. Reads from top to bottom: bring the statement, know whether it was compared
 * before, compare, heal what was open, and only then write: the run, what waits, the cases, and the entries for the logs.
 */
import { join } from "node:path";
import { toHex, utf8 } from "../../protocol/bytes.ts";
import { ok, refused, type Result } from "../../protocol/result.ts";
import { dayEnd, dayOf } from "../day/accounting-day.ts";
import type { AccountingDay, Posting, ShardBooks } from "../books.ts";
import type { RailName } from "../plan.ts";
import { StatementError } from "../rails/port.ts";
import { IS_OPEN, isPerson } from "./cases.ts";
import { compareRows } from "./compare.ts";
import { conclude, type Found } from "./conclude.ts";
import { carryOutCorrections, insertCorrections, refusedCorrection } from "./corrections.ts";
import { signed, Tally } from "./counts.ts";
import { bringFile, bringRows } from "./fetch.ts";
import { ourUnmatched, theirUnmatched } from "./findings.ts";
import { heal } from "./heal.ts";
import { type Encoding, mappingHash } from "./mapping.ts";
import { mappingFor } from "./mappings.ts";
import { inOrderOfKeys } from "./match.ts";
import { type OpenCall, openCalls, type TriedCall } from "./open-calls.ts";
import type { ReconcilePorts } from "./ports.ts";
import { InstitutionSums, sameInstitutions } from "../rails/statement-totals.ts";
import { BadStatementError, totalsText } from "./statement.ts";
import { insertRun, type Run, type RunSummary, type Store } from "./store.ts";
import { type OurRow, Workbench } from "./workbench.ts";

export interface RunRequest {
  readonly rail: RailName;
  readonly day: AccountingDay;
  readonly by: string;
  readonly input:
    | { readonly kind: "file"; readonly file: string; readonly encoding?: Encoding | undefined }
    /** `always`: rows even where the totals are equal. */
    | { readonly kind: "service"; readonly details: "asNeeded" | "always" };
}
export type RunRefusal =
  | { readonly code: "personMalformed" | "dayNotOver" | "beforeFounding" | "payerDayOpen" | "noPayer" }
  /** The payer did not answer, or its answer is no statement. */
  | { readonly code: "payerUnreadable"; readonly reason: StatementError["reason"] }
  | { readonly code: "badStatement"; readonly defects: BadStatementError["defects"] };
export interface RunAnswer extends RunSummary {
  /** The same statement stands already under the same rules: this is what came of it then. */
  readonly repeated: boolean;
}

export async function reconcileDay(ports: ReconcilePorts, request: RunRequest): Promise<Result<RunAnswer, RunRefusal>> {
  const { rail, day } = request;
  if (!isPerson(request.by)) return refused({ code: "personMalformed" });
  if (ports.clock.now() < dayEnd(day)) return refused({ code: "dayNotOver" });
  if (ports.foundedOn !== undefined && day < ports.foundedOn) return refused({ code: "beforeFounding" });
  const bench = await Workbench.open(join(ports.folder, `reconcile-${rail}.working.db`));
  try {
    const brought = await bring(ports, bench, request);
    if (!brought.ok) return brought;
    return ok(await runOnce(ports, bench, request, brought.value));
  } catch (error) {
    if (error instanceof BadStatementError) return refused({ code: "badStatement", defects: error.defects });
    if (error instanceof StatementError) return refused({ code: "payerUnreadable", reason: error.reason });
    throw error;
  } finally {
    await bench.discard();
  }
}

/** What there is to compare with. */
interface Brought {
  readonly method: Run["method"];
  readonly hash: string;
  readonly mappingHash: string | undefined;
  readonly totals: Run["totals"];
}

async function bring(ports: ReconcilePorts, bench: Workbench, request: RunRequest): Promise<Result<Brought, RunRefusal>> {
  const { rail, day, input } = request;
  if (input.kind === "file") {
    const mapping = await mappingFor(ports.store.db, rail, input.file);
    const { hash, stated } = await bringFile(ports, bench, { ...input, rail, day, mapping });
    return ok({ method: "details", hash, mappingHash: mappingHash(ports.crypto, mapping), totals: stated ? "stated" : "none" });
  }
  const payer = ports.payers[rail];
  if (payer === undefined) return refused({ code: "noPayer" });
  const totals = await payer.statementTotals(day);
  if (!totals.closed) return refused({ code: "payerDayOpen" });
  const stated = totals.captures + totals.refunds === 0 ? [] : totals.institutions;
  const equal = stated !== undefined && sameInstitutions(stated, (await ourTotals(ports, rail, day)).institutions);
  if (equal && input.details !== "always" && !(await wantsRows(ports, rail, day)))
    return ok({ ...FROM_SERVICE, method: "totals", hash: toHex(ports.crypto.sm3(utf8(totalsText(rail, day, stated)))) });
  const { hash } = await bringRows(ports, bench, { payer, day, totals });
  return ok({ ...FROM_SERVICE, method: "details", hash });
}

/** A service speaks our contract or the insurer's, and says what its rows sum to. */
const FROM_SERVICE = { mappingHash: undefined, totals: "stated" } as const;

/**
 * Equal totals prove nothing about a call whose answer is missing, nor about a row of an earlier day that is looked for,
 * nor about a difference of this day that nobody has closed.
 */
async function wantsRows(ports: ReconcilePorts, rail: RailName, day: AccountingDay): Promise<boolean> {
  const open = await openCalls(ports.shards, rail);
  if ([...open.values()].some((call) => dayOf(call.askedAtMs) <= day)) return true;
  if ((await ports.store.unmatched("rail=? AND state IN ('waiting','healing') LIMIT 1", rail)).length > 0) return true;
  return (await ports.store.cases(`rail=? AND day=? AND class<>'keptMoney' AND ${IS_OPEN}`, rail, day)).length > 0;
}

async function ourTotals(ports: ReconcilePorts, rail: RailName, day: AccountingDay): Promise<InstitutionSums> {
  const sum = new InstitutionSums();
  for (const books of ports.shards.values()) for await (const posting of standing(books, { rail, day })) sum.add(posting);
  return sum;
}

/**
 * The id says: this payer, this day, this statement, these rules; of a statement without totals, that it has none, for it
 * proves less; of one that was compared before, also behind which run.
 */
export function runIdOf(
  ports: Pick<ReconcilePorts, "crypto" | "rules">,
  of: {
    readonly rail: RailName;
    readonly day: AccountingDay;
    readonly hash: string;
    readonly totals: Run["totals"];
    readonly behind?: string;
  },
): string {
  const { rail, day, hash, totals, behind } = of;
  const more = [...(totals === "stated" ? [] : ["no totals"]), ...(behind === undefined ? [] : [behind])];
  const text = ["ronghe.reconciliation/v1", rail, day, hash, ports.rules.version, ...more].join("\n");
  return `rc${toHex(ports.crypto.sm3(utf8(text))).slice(0, 40)}`;
}

/**
 * The same statement again is the same run. When another one was compared since, a wrong file for example, it is a run
 * of its own behind that one: the newest statement of a day stands, and what the other one left is taken back.
 */
async function runIdFor(ports: ReconcilePorts, { rail, day }: RunRequest, { method, hash, totals }: Brought): Promise<string> {
  const { store, rules } = ports;
  const own = runIdOf(ports, { rail, day, hash, totals });
  const last = method === "details" ? await store.lastFinished(rail, day) : undefined;
  if (last === undefined || (await store.run(own))?.state !== "finished") return own;
  if (last.statementHash === hash && last.totals === totals && last.ruleVersion === rules.version) return last.id;
  return runIdOf(ports, { rail, day, hash, totals, behind: last.id });
}

async function runOnce(ports: ReconcilePorts, bench: Workbench, request: RunRequest, brought: Brought): Promise<RunAnswer> {
  const { store, recorder, clock, rules } = ports;
  const { rail, day } = request;
  const { method, hash, mappingHash, totals } = brought;
  const id = await runIdFor(ports, request, brought);
  await refuseOtherDays(store, bench, request, hash);
  const known = await store.run(id);
  if (known?.state === "finished") return { ...known, repeated: true };
  const run: Run = known ?? {
    id,
    rail,
    day,
    source: request.input.kind,
    method,
    statementHash: hash,
    ruleVersion: rules.version,
    mappingHash,
    totals,
    state: "healing",
    startedAtMs: clock.now(),
    finishedAtMs: undefined,
    startedBy: request.by,
  };
  const tally = new Tally([...ports.shards.keys()]);
  const found = method === "totals" ? await countOnly(ports, run, tally) : await details(ports, bench, run, tally);
  const concluded = await conclude(ports, run, tally, found);
  const refusal = await refusedCorrection(ports.shards, concluded.suspense, clock.now());
  if (refusal !== undefined) throw new Error(`suspense does not follow its case: ${refusal}`);
  const corrections = insertCorrections(concluded.suspense, clock.now());
  await store.db.write([...concluded.statements, ...corrections, ...recorder.insert(concluded.entries)]);
  await carryOutCorrections(store.db, ports.shards);
  await recorder.record();
  const finished = await store.run(id);
  if (finished === undefined) throw new Error("a run that was written is gone");
  return { ...finished, repeated: false };
}

/** The very file of another day. Days without rows all look alike, and are left alone. */
async function refuseOtherDays(store: Store, bench: Workbench, { rail, day }: RunRequest, hash: string): Promise<void> {
  if (await bench.isEmpty()) return;
  const other = (await store.runs({ rail })).find((run) => run.statementHash === hash && run.day !== day);
  if (other !== undefined)
    throw new BadStatementError({
      code: "otherDay",
      line: undefined,
      detail: {
        zh: `同一对账单已作为 ${other.day} 的对过`,
        en: `this very statement was compared as that of ${other.day}`,
      },
    });
}

/** Equal totals: every posting of ours is in them, and none was looked at. */
async function countOnly(ports: ReconcilePorts, run: Run, tally: Tally): Promise<Found> {
  for (const [shard, books] of ports.shards)
    for await (const posting of standing(books, run)) {
      for (const name of ["rowsOurs", "rowsTheirs", "totalsEqual"] as const) tally.add(shard, name);
      for (const name of ["fenOurs", "fenTheirs"] as const) tally.add(shard, name, signed(posting));
    }
  return { rowsRead: false, left: [], disagreeing: [], healed: [], withdrawn: [], contested: [] };
}

async function details(ports: ReconcilePorts, bench: Workbench, run: Run, tally: Tally): Promise<Found> {
  const open = await openCalls(ports.shards, run.rail);
  const tried = await triedBefore(ports, run);
  const ours = inOrderOfKeys([...ports.shards].map(([shard, books]) => ourRows(books, shard, run)));
  const answers = (key: string): OpenCall | undefined => open.get(key) ?? tried.get(key);
  const compared = await compareRows({ ports, bench, tally, ours, answers });
  await ports.store.db.write(insertRun(run));
  const healing = await heal(ports, run, { compared, open, tried, tally });
  const left = [
    ...compared.ours.map((row) => ourUnmatched(run, row)),
    ...compared.theirs.map((row) => theirUnmatched(run, row, ports.shardOf(row.institution))),
    ...healing.left,
  ];
  return { rowsRead: true, ...healing, left, disagreeing: [...compared.disagreeing, ...healing.contradicting] };
}

/** Calls that this run had begun to heal when a process ended: the shard may have forgotten that they were open. */
async function triedBefore(ports: ReconcilePorts, run: Run): Promise<ReadonlyMap<string, TriedCall>> {
  const rows = await ports.store.unmatched("run_id=? AND state='healing'", run.id);
  return new Map(
    rows.map(({ key, shard, settlementId = "", amount, atMs, side }) => [key, { key, shard, settlementId, amount, askedAtMs: atMs, side }]),
  );
}

/** What was taken into the books by a wrong order and went back is none of ours. */
async function* standing(books: ShardBooks, { rail, day }: Pick<Run, "rail" | "day">): AsyncGenerator<Posting> {
  for await (const posting of books.postings({ rail, day })) if (posting.supplement?.takenBack !== true) yield posting;
}

async function* ourRows(books: ShardBooks, shard: number, run: Run): AsyncGenerator<OurRow> {
  for await (const posting of standing(books, run)) {
    const { key, kind, institution, amount, parts, settlementId, railReference, postedAtMs: atMs } = posting;
    yield { key, kind, institution, amount, parts, settlementId, railReference, shard, atMs };
  }
}
