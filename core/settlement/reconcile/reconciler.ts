/**
 * The reconciliation room: runs, cases and what people do with them. One thing at a time; every effect is in the books
 * in one transaction, and in the ledger behind it.
 */
import { formatYuan } from "../../protocol/money.ts";
import { ok, refused, type Result } from "../../protocol/result.ts";
import type { Database, Statement } from "../../../migrations/database.ts";
import { enqueue } from "../../../streams/bus/outbox.ts";
import { encodeEvent } from "../../../streams/contracts/codec.ts";
import type { RailName } from "../plan.ts";
import { afterStep, type CaseRefusal, type CaseStep } from "./cases.ts";
import { carryOutCorrections, insertCorrections, refusedCorrection } from "./corrections.ts";
import { type Entry, EntryRecorder, type FindEntry, type Position } from "./entries.ts";
import { followKept } from "./kept-money.ts";
import { caseEntry } from "./leaves.ts";
import { correctionsOf } from "./orders.ts";
import type { ReconcilePorts } from "./ports.ts";
import type { ShardBooks } from "../books.ts";
import { type Case, owedBySource, type Unmatched } from "./records.ts";
import { type ReconcileRules, RULES } from "./rules.ts";
import { type KeptMapping, type MappingRefusal, setMapping } from "./mappings.ts";
import { reconcileDay, type RunAnswer, type RunRefusal, type RunRequest } from "./run.ts";
import { aloneAgain, insertSteps, RUN_KIND, type Step, stepCase, type StepRow, Store } from "./store.ts";

export interface ReconcilerOptions extends Pick<ReconcilePorts, "shards" | "shardOf" | "payers" | "crypto" | "clock" | "folder"> {
  /** Database of kind `books`; the reconciler is its only writer, and the owner closes it. */
  readonly db: Database;
  readonly find: FindEntry;
  readonly rules?: ReconcilePorts["rules"];
  /** The platform's first day. */
  readonly foundedOn?: NonNullable<ReconcilePorts["foundedOn"]>;
  /** Told when an event waits in the outbox of `db`. */
  readonly onEvent?: () => void;
}

export interface Reconciler {
  readonly store: Store;
  readonly recorder: EntryRecorder;
  run(request: RunRequest): Promise<Result<RunAnswer, RunRefusal>>;
  /** How a payer writes its files from now on. */
  setMapping(request: {
    readonly rail: RailName;
    readonly by: string;
    readonly mapping: unknown;
  }): Promise<Result<KeptMapping, MappingRefusal>>;
  /** Every case of kept money as the shards have it now; done by itself whenever they say that it changed. */
  followKept(): Promise<void>;
  /** What a person does with a case. `settle` is nobody's to do. */
  step(caseId: string, step: CaseStep): Promise<Result<Case, CaseRefusal>>;
  show(caseId: string): Promise<CaseStory | undefined>;
  /** Runs, steps and whatever else writes these books take turns: each decides over what the one before wrote. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}
export interface CaseStory {
  readonly case: Case;
  readonly steps: readonly Step[];
  /** What it means in money: above zero, the payer owes us. */
  readonly owed: readonly { readonly fundSource: string; readonly amount: bigint }[];
  /** Rule 3: rows of the other side that a person may want to look at. Never matched by themselves. */
  readonly proposals: readonly Unmatched[];
}

export async function openReconciler(options: ReconcilerOptions): Promise<Reconciler> {
  const opened = new LibsqlReconciler(options);
  // What an earlier process had in its books and not yet in the shards, and what the shards have and it did not see.
  await opened.followKept();
  return opened;
}

class LibsqlReconciler implements Reconciler {
  readonly store: Store;
  readonly recorder: EntryRecorder;
  readonly #ports: ReconcilePorts;
  #tail: Promise<unknown> = Promise.resolve();
  #isToLook = false;

  constructor(options: ReconcilerOptions) {
    const { db, find, shards, onEvent } = options;
    this.store = new Store(db);
    const first = Math.min(...shards.keys());
    const onRecorded = async (entry: Entry, position: Position): Promise<readonly Statement[]> => {
      if (entry.draft.kind !== RUN_KIND || entry.shard !== first) return [];
      const announced = await this.#announcement(entry.draft.subject, position);
      onEvent?.();
      return announced;
    };
    this.recorder = new EntryRecorder({ db, shards, find, onRecorded });
    this.#ports = { ...options, rules: options.rules ?? RULES, store: this.store, recorder: this.recorder };
    for (const books of shards.values()) books.onKept(() => this.#lookAtKept());
  }

  run(request: RunRequest): Promise<Result<RunAnswer, RunRefusal>> {
    return this.inTurn(() => reconcileDay(this.#ports, request));
  }

  setMapping(request: Parameters<Reconciler["setMapping"]>[0]): ReturnType<Reconciler["setMapping"]> {
    const { crypto, clock } = this.#ports;
    return this.inTurn(() => setMapping({ db: this.store.db, crypto, nowMs: clock.now() }, request));
  }

  followKept(): Promise<void> {
    return this.inTurn(() => followKept(this.#ports));
  }

  /** At most one look waits. What fails is looked at again with the next news, and at the next start. */
  #lookAtKept(): void {
    if (this.#isToLook) return;
    this.#isToLook = true;
    this.inTurn(() => {
      this.#isToLook = false;
      return followKept(this.#ports);
    }).catch(() => undefined);
  }

  step(caseId: string, step: CaseStep): Promise<Result<Case, CaseRefusal>> {
    return this.inTurn(() => this.#step(caseId, step));
  }

  show(caseId: string): Promise<CaseStory | undefined> {
    return caseStory(this.store, caseId, this.#ports.rules);
  }

  async idle(): Promise<void> {
    await this.#tail;
  }

  async #step(caseId: string, step: CaseStep): Promise<Result<Case, CaseRefusal>> {
    const before = await this.store.case(caseId);
    if (before === undefined) return refused("caseUnknown");
    const after = afterStep(before.state, step);
    if (typeof after === "string") return refused(after);
    const steps = await this.store.steps(caseId);
    const owed = correctionsOf(this.#ports.crypto, before, steps, step);
    if (typeof owed === "string") return refused(owed);
    const atMs = this.#ports.clock.now();
    const no = step.action === "giveBack" ? await this.#giveBack(before, step) : await refusedCorrection(this.#ports.shards, owed, atMs);
    if (no === "underWay") return ok(before);
    if (no !== undefined && no !== "repeated") return refused(no);
    const { action, by, approvedBy, owner, reason, note } = step;
    const row: StepRow = { caseId, step: before.steps + 1, action, state: after.state, by, approvedBy, owner, reason, note, atMs };
    await this.store.db.write([
      stepCase(row),
      ...insertSteps([row]),
      ...insertCorrections(owed, atMs),
      ...owed.flatMap(({ correction }) => (correction.do === "takeBack" ? aloneAgain(before, correction.order.supplementId) : [])),
      ...this.recorder.insert([caseEntry(before, row)]),
    ]);
    await this.#catchUp();
    const now = await this.store.case(caseId);
    return now === undefined ? refused("caseUnknown") : ok(now);
  }

  /** What the books say was ordered is done, and recorded, before anything else is decided. */
  async #catchUp(): Promise<void> {
    await carryOutCorrections(this.store.db, this.#ports.shards);
    await this.recorder.record();
  }

  /** The shard takes it first, and once: a step that a process did not write any more is written by the repeat. */
  async #giveBack(one: Case, { by, approvedBy }: CaseStep): Promise<CaseRefusal | "underWay" | undefined> {
    const { settlementId, id: caseId, rail } = one;
    if (one.class !== "keptMoney" || settlementId === undefined || approvedBy === undefined) return "notKept";
    const answer = await this.#books(one.shard).giveBack({ caseId, settlementId, rail, requestedBy: by, approvedBy });
    switch (answer) {
      case "begun":
        return undefined;
      case "repeated":
        return (await this.store.steps(caseId)).at(-1)?.action === "giveBack" ? "underWay" : undefined;
      case "originalErased":
      case "refundsExhausted":
      case "nothingLeft":
        return answer;
      case "originalUnknown":
      case "originalNotSettled":
      case "refundOfRefund":
        return "notKept";
    }
  }

  #books(shard: number): ShardBooks {
    const books = this.#ports.shards.get(shard);
    if (books === undefined) throw new Error(`no shard ${shard}`);
    return books;
  }

  async #announcement(runId: string, position: Position): Promise<readonly Statement[]> {
    const run = await this.store.run(runId);
    if (run === undefined) throw new Error("an entry without its run");
    const { counts } = run;
    const atMs = run.finishedAtMs ?? run.startedAtMs;
    const event = encodeEvent({
      id: `${run.id}.finished`,
      type: "supervision.reconciliation.finished.v1",
      source: "/ronghe/core/reconciliation",
      timeMs: atMs,
      subject: run.id,
      key: run.rail,
      ledger: { log: position.origin, index: position.index },
      data: {
        runId: run.id,
        rail: run.rail,
        day: run.day,
        source: run.source,
        method: run.method,
        statementHash: run.statementHash,
        ruleVersion: run.ruleVersion,
        rows: { ours: Number(counts.rowsOurs), theirs: Number(counts.rowsTheirs) },
        net: { ours: netYuan(counts.fenOurs), theirs: netYuan(counts.fenTheirs) },
        matched: Number(counts.matched + counts.byReference),
        totalsEqual: Number(counts.totalsEqual),
        cancelled: Number(counts.cancelled),
        healed: Number(counts.healed),
        waiting: Number(counts.waiting),
        met: Number(counts.met),
        surplus: Number(counts.surplus),
        shortage: Number(counts.shortage),
        amount: Number(counts.amount),
        opened: Number(counts.opened),
        atMs,
      },
    });
    return enqueue([{ ...event, eventId: `${run.id}.finished` }], atMs);
  }

  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#tail.then(async () => {
      await this.#catchUp();
      return await work();
    });
    this.#tail = run.catch(() => undefined);
    return run;
  }
}

/** Reads only: any process may. */
export async function caseStory(
  store: Store,
  caseId: string,
  rules: Pick<ReconcileRules, "proposalWindowMs"> = RULES,
): Promise<CaseStory | undefined> {
  const one = await store.case(caseId);
  if (one === undefined) return undefined;
  const proposals = await proposalsFor(store, one, rules.proposalWindowMs);
  return { case: one, steps: await store.steps(caseId), owed: owedBySource(one), proposals };
}

async function proposalsFor(store: Store, one: Case, windowMs: number): Promise<readonly Unmatched[]> {
  if (one.class === "amount" || one.class === "keptMoney") return [];
  const [side, amount] = one.ours === undefined ? ["ours", one.theirs?.amount ?? 0n] : ["theirs", one.ours.amount];
  return await store.unmatched(
    "rail=? AND institution=? AND amount=? AND side=? AND kind=? AND at_ms BETWEEN ? AND ? AND state IN ('waiting','case') ORDER BY at_ms, id LIMIT 10",
    one.rail satisfies RailName,
    one.institution,
    amount,
    side,
    one.kind,
    one.atMs - windowMs,
    one.atMs + windowMs,
  );
}

/** A net sum may be below zero. */
function netYuan(fen: bigint): string {
  return formatYuan(fen as Parameters<typeof formatYuan>[0]);
}
