/** Reading and writing the reconciliation books; everything about many rows at once. */
import { bigintOf, numberOf, placeholders, textOf, textOrNull, wordOf } from "../../rows.ts";
import type { EventMs } from "../../protocol/time.ts";
import { type Database, type InValue, insertRows, type Row, type Statement } from "../../../migrations/database.ts";
import type { AccountingDay } from "../books.ts";
import { RAIL_ORDER, type RailName } from "../plan.ts";
import { type CaseReason, CASE_REASONS, CASE_STATES, type CaseState } from "./cases.ts";
import { COUNT_NAMES, type CountName, type Counts, sumOf } from "./counts.ts";
import { type Position, positionsOf } from "./entries.ts";
import { type Case, caseFromRow, type Unmatched, unmatchedFromRow } from "./records.ts";
import { printParts } from "./workbench.ts";

export interface Run {
  readonly id: string;
  readonly rail: RailName;
  readonly day: AccountingDay;
  readonly source: "service" | "file";
  readonly method: "totals" | "details";
  readonly statementHash: string;
  readonly ruleVersion: string;
  /** Under which mapping its file was read. */
  readonly mappingHash: string | undefined;
  /** Whether the statement has totals of its own; what one without them lacks proves nothing. */
  readonly totals: "stated" | "none";
  readonly state: "healing" | "finished";
  readonly startedAtMs: EventMs;
  readonly finishedAtMs: EventMs | undefined;
  readonly startedBy: string;
}
export interface RunSummary extends Run {
  readonly counts: Counts;
  /** The run's entries, one per shard. */
  readonly entries: readonly Position[];
}
export interface Step {
  readonly step: number;
  readonly action: string;
  readonly state: CaseState;
  readonly by: string;
  readonly approvedBy: string | undefined;
  readonly owner: string | undefined;
  readonly reason: CaseReason | undefined;
  readonly note: string | undefined;
  readonly atMs: EventMs;
  readonly entry: Position | undefined;
}

export const RUN_KIND = "reconciliation.finished";
export const CASE_KIND = "reconciliation.case";
const IDS_PER_READ = 1_000;

export class Store {
  readonly db: Database;

  constructor(db: Database) {
    this.db = db;
  }

  async run(id: string): Promise<RunSummary | undefined> {
    const [row] = await this.db.read("SELECT * FROM run WHERE id=?", id);
    return row === undefined ? undefined : await this.#summary(row);
  }

  /** The run whose statement stands for a payer's day. */
  async lastFinished(rail: RailName, day: AccountingDay): Promise<Run | undefined> {
    const [row] = await this.db.read(
      "SELECT * FROM run WHERE rail=? AND day=? AND state='finished' ORDER BY finished_at_ms DESC, rowid DESC LIMIT 1",
      rail,
      day,
    );
    return row === undefined ? undefined : runFromRow(row);
  }

  /** Newest last. */
  async runs(
    filter: { readonly rail?: RailName | undefined; readonly day?: AccountingDay | undefined } = {},
  ): Promise<readonly RunSummary[]> {
    const rows = await this.db.read(
      "SELECT * FROM run WHERE (?1 IS NULL OR rail=?1) AND (?2 IS NULL OR day=?2) ORDER BY day, rail, started_at_ms, id",
      filter.rail ?? null,
      filter.day ?? null,
    );
    return await Promise.all(rows.map((row) => this.#summary(row)));
  }

  async #summary(row: Row): Promise<RunSummary> {
    const run = runFromRow(row);
    const byShard = await this.countsOf(run.id);
    return { ...run, counts: sumOf(byShard.values()), entries: await positionsOf(this.db, RUN_KIND, run.id) };
  }

  async countsOf(runId: string): Promise<ReadonlyMap<number, Counts>> {
    const shards = new Map<number, Record<CountName, bigint>>();
    for (const row of await this.db.read("SELECT shard, name, value FROM run_count WHERE run_id=?", runId)) {
      const shard = numberOf(row, "shard");
      const counts = shards.get(shard) ?? { ...sumOf([]) };
      shards.set(shard, counts);
      counts[wordOf(row, "name", COUNT_NAMES)] = bigintOf(row, "value");
    }
    return shards;
  }

  /** Days of a payer with a finished run, and how they were compared. */
  async reconciledDays(rail: RailName): Promise<ReadonlyMap<AccountingDay, ReadonlySet<"totals" | "details">>> {
    const days = new Map<AccountingDay, Set<"totals" | "details">>();
    for (const row of await this.db.read("SELECT DISTINCT day, method FROM run WHERE rail=? AND state='finished'", rail)) {
      const day = textOf(row, "day") as AccountingDay;
      days.set(day, (days.get(day) ?? new Set<"totals" | "details">()).add(wordOf(row, "method", ["totals", "details"])));
    }
    return days;
  }

  /** Days of a payer of which a statement says that it is whole: what it lacks was not done. */
  async provenDays(rail: RailName): Promise<readonly AccountingDay[]> {
    const sql = "SELECT DISTINCT day FROM run WHERE rail=? AND state='finished' AND method='details' AND totals='stated'";
    return (await this.db.read(sql, rail)).map((row) => textOf(row, "day") as AccountingDay);
  }

  async unmatched(where: string, ...args: readonly InValue[]): Promise<readonly Unmatched[]> {
    return (await this.db.read(`SELECT * FROM unmatched WHERE ${where}`, ...args)).map(unmatchedFromRow);
  }

  /** Rows whose `column` is one of the values. */
  async unmatchedBy(
    column: "id" | "key" | "reference" | "settlement_id",
    rail: RailName,
    values: readonly string[],
  ): Promise<readonly Unmatched[]> {
    const found: Unmatched[] = [];
    for (let from = 0; from < values.length; from += IDS_PER_READ) {
      const part = values.slice(from, from + IDS_PER_READ);
      found.push(...(await this.unmatched(`rail=? AND ${column} IN ${placeholders(part)}`, rail, ...part)));
    }
    return found;
  }

  async case(id: string): Promise<Case | undefined> {
    const [row] = await this.db.read("SELECT * FROM reconciliation_case WHERE id=?", id);
    return row === undefined ? undefined : caseFromRow(row);
  }

  async cases(where = "1", ...args: readonly InValue[]): Promise<readonly Case[]> {
    return (await this.db.read(`SELECT * FROM reconciliation_case WHERE ${where} ORDER BY day, rail, id`, ...args)).map(caseFromRow);
  }

  /** Every difference there was about a movement, whatever day it was found on; oldest first. */
  async family({ rail, key, reference, kind }: Pick<Case, "rail" | "key" | "reference" | "kind">): Promise<readonly Case[]> {
    const sql = `SELECT * FROM reconciliation_case WHERE rail=?1 AND key=?2 AND class<>'keptMoney' AND (?2<>'' OR (reference=?3 AND kind=?4)) ORDER BY rowid`;
    return (await this.db.read(sql, rail, key, reference, kind)).map(caseFromRow);
  }

  async steps(caseId: string): Promise<readonly Step[]> {
    const rows = await this.db.read(
      `SELECT s.*, e.origin, e.ledger_index FROM case_step AS s
       LEFT JOIN entry AS e ON e.kind=? AND e.subject = s.case_id || '/' || s.step WHERE s.case_id=? ORDER BY s.step`,
      CASE_KIND,
      caseId,
    );
    return rows.map((row) => ({
      step: numberOf(row, "step"),
      action: textOf(row, "action"),
      state: wordOf(row, "state", CASE_STATES),
      by: textOf(row, "done_by"),
      approvedBy: textOrNull(row, "approved_by"),
      owner: textOrNull(row, "owner"),
      reason: row["reason"] === null ? undefined : wordOf(row, "reason", CASE_REASONS),
      note: textOrNull(row, "note"),
      atMs: numberOf(row, "at_ms") as EventMs,
      entry: row["ledger_index"] === null ? undefined : { origin: textOf(row, "origin"), index: bigintOf(row, "ledger_index") },
    }));
  }
}

function runFromRow(row: Row): Run {
  return {
    id: textOf(row, "id"),
    rail: wordOf(row, "rail", RAIL_ORDER),
    day: textOf(row, "day") as AccountingDay,
    source: wordOf(row, "source", ["service", "file"]),
    method: wordOf(row, "method", ["totals", "details"]),
    statementHash: textOf(row, "statement_hash"),
    ruleVersion: textOf(row, "rule_version"),
    mappingHash: textOrNull(row, "mapping_hash"),
    totals: wordOf(row, "totals", ["stated", "none"]),
    state: wordOf(row, "state", ["healing", "finished"]),
    startedAtMs: numberOf(row, "started_at_ms") as EventMs,
    finishedAtMs: row["finished_at_ms"] === null ? undefined : (numberOf(row, "finished_at_ms") as EventMs),
    startedBy: textOf(row, "started_by"),
  };
}

export function insertRun(run: Run): readonly Statement[] {
  return insertRows(
    "run",
    [
      "id",
      "rail",
      "day",
      "source",
      "method",
      "statement_hash",
      "rule_version",
      "mapping_hash",
      "totals",
      "state",
      "started_at_ms",
      "finished_at_ms",
      "started_by",
    ],
    [
      [
        run.id,
        run.rail,
        run.day,
        run.source,
        run.method,
        run.statementHash,
        run.ruleVersion,
        run.mappingHash ?? null,
        run.totals,
        run.state,
        run.startedAtMs,
        run.finishedAtMs ?? null,
        run.startedBy,
      ],
    ],
    "ON CONFLICT DO NOTHING",
  );
}

export function insertCounts(runId: string, counts: ReadonlyMap<number, Counts>): readonly Statement[] {
  const rows = [...counts].flatMap(([shard, one]) => COUNT_NAMES.map((name): InValue[] => [runId, shard, name, one[name]]));
  return insertRows("run_count", ["run_id", "shard", "name", "value"], rows);
}

/** A row that an earlier statement of the day left over already: what is said of it is the newest statement's, what became of it stays. */
const RESTATED = `ON CONFLICT (id) DO UPDATE SET kind=excluded.kind, institution=excluded.institution, reference=excluded.reference,
  amount=excluded.amount, parts=excluded.parts, at_ms=excluded.at_ms, run_id=excluded.run_id, line=excluded.line,
  state=CASE unmatched.state WHEN 'withdrawn' THEN excluded.state ELSE unmatched.state END
  WHERE unmatched.state IN ('withdrawn', 'waiting', 'case')`;
/** While it is not known yet what a row is, only one that was withdrawn is written anew. */
const BEGUN = `ON CONFLICT (id) DO UPDATE SET amount=excluded.amount, parts=excluded.parts, at_ms=excluded.at_ms, run_id=excluded.run_id,
  line=excluded.line, state=excluded.state WHERE unmatched.state='withdrawn'`;

export function putUnmatched(rows: readonly Unmatched[], known: "restate" | "begin"): readonly Statement[] {
  return insertRows(
    "unmatched",
    [
      "id",
      "rail",
      "day",
      "side",
      "shard",
      "key",
      "reference",
      "kind",
      "institution",
      "settlement_id",
      "amount",
      "parts",
      "at_ms",
      "run_id",
      "line",
      "state",
    ],
    rows.map((row) => [
      row.id,
      row.rail,
      row.day,
      row.side,
      row.shard,
      row.key,
      row.reference,
      row.kind,
      row.institution,
      row.settlementId ?? null,
      row.amount,
      printParts(row.parts),
      row.atMs,
      row.runId,
      row.line ?? null,
      row.state,
    ]),
    known === "restate" ? RESTATED : BEGUN,
  );
}

export function moveUnmatched(ids: readonly string[], state: Unmatched["state"]): readonly Statement[] {
  const statements: Statement[] = [];
  for (let from = 0; from < ids.length; from += IDS_PER_READ) {
    const part = ids.slice(from, from + IDS_PER_READ);
    statements.push({ sql: `UPDATE unmatched SET state=? WHERE id IN ${placeholders(part)}`, args: [state, ...part] });
  }
  return statements;
}

/** Two rows that found each other. */
export function meet(a: string, b: string, runId: string): readonly Statement[] {
  const sql = "UPDATE unmatched SET state='met', met_id=?, met_run_id=? WHERE id=?";
  return [
    { sql, args: [b, runId, a] },
    { sql, args: [a, runId, b] },
  ];
}

/** What a supplement made of a row of the payer's, when it was taken back: the row is alone, and ours is none any more. */
export function aloneAgain(one: Case, supplementId: string): readonly Statement[] {
  const ourKey = one.key === "" ? `supplement/${supplementId}` : one.key;
  return [
    { sql: "UPDATE unmatched SET state='withdrawn' WHERE rail=? AND side='ours' AND key=?", args: [one.rail, ourKey] },
    { sql: "UPDATE unmatched SET state='case', met_id=NULL, met_run_id=NULL WHERE id=? AND state='met'", args: [one.unmatchedId ?? null] },
  ];
}

const CASE_COLUMNS = [
  "id",
  "rail",
  "day",
  "class",
  "shard",
  "institution",
  "settlement_id",
  "key",
  "reference",
  "kind",
  "our_amount",
  "our_parts",
  "their_amount",
  "their_parts",
  "at_ms",
  "unmatched_id",
  "run_id",
  "statement_hash",
  "line",
  "state",
  "owner",
  "steps",
  "changed_at_ms",
] as const;

export function insertCases(cases: readonly Case[]): readonly Statement[] {
  return insertRows(
    "reconciliation_case",
    CASE_COLUMNS,
    cases.map((one) => [
      one.id,
      one.rail,
      one.day,
      one.class,
      one.shard,
      one.institution,
      one.settlementId ?? null,
      one.key,
      one.reference,
      one.kind,
      one.ours?.amount ?? null,
      printParts(one.ours?.parts ?? []),
      one.theirs?.amount ?? null,
      printParts(one.theirs?.parts ?? []),
      one.atMs,
      one.unmatchedId ?? null,
      one.runId,
      one.statementHash,
      one.line ?? null,
      one.state,
      one.owner ?? null,
      one.steps,
      one.changedAtMs,
    ]),
  );
}

export type StepRow = Omit<Step, "entry"> & { readonly caseId: string };

export function insertSteps(steps: readonly StepRow[]): readonly Statement[] {
  return insertRows(
    "case_step",
    ["case_id", "step", "action", "state", "done_by", "approved_by", "owner", "reason", "note", "at_ms"],
    steps.map((one) => [
      one.caseId,
      one.step,
      one.action,
      one.state,
      one.by,
      one.approvedBy ?? null,
      one.owner ?? null,
      one.reason ?? null,
      one.note ?? null,
      one.atMs,
    ]),
  );
}

/** A step by which the case says something else; the guard lets it happen once. */
export function restateCase(now: Case, step: StepRow): Statement {
  return {
    sql: `UPDATE reconciliation_case SET class=?, reference=?, kind=?, our_amount=?, our_parts=?, their_amount=?, their_parts=?,
      unmatched_id=?, run_id=?, statement_hash=?, line=?, steps=?, changed_at_ms=? WHERE id=?`,
    args: [
      now.class,
      now.reference,
      now.kind,
      now.ours?.amount ?? null,
      printParts(now.ours?.parts ?? []),
      now.theirs?.amount ?? null,
      printParts(now.theirs?.parts ?? []),
      now.unmatchedId ?? null,
      now.runId,
      now.statementHash,
      now.line ?? null,
      step.step,
      step.atMs,
      now.id,
    ],
  };
}

/** The guard lets each step of a case happen once. */
export function stepCase(step: StepRow): Statement {
  return {
    sql: "UPDATE reconciliation_case SET state=?, owner=coalesce(?, owner), steps=?, changed_at_ms=? WHERE id=?",
    args: [step.state, step.owner ?? null, step.step, step.atMs, step.caseId],
  };
}
