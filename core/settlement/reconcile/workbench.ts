/**
 * The working file of one run (see `working-schema.ts`): takes a statement in, finds what stands in it twice, and hands
 * it out again in the order of keys. Written in batches, so that memory holds one batch whatever the file's size.
 */
import { rm } from "node:fs/promises";
import { bigintOf, numberOf, textOf, wordOf } from "../../rows.ts";
import { asFen } from "../../protocol/money.ts";
import type { EventMs } from "../../protocol/time.ts";
import { type Database, type InValue, insertRows, openDatabase, type Row } from "../../../migrations/database.ts";
import type { Posting } from "../books.ts";
import type { FundPart } from "../plan.ts";
import { BadStatementError, MOVEMENT_KINDS, type StatementLine } from "./statement.ts";

/** Rows per statement and commit. */
const BATCH = 2_000;
const THEIR_COLUMNS = ["line", "key", "reference", "kind", "institution", "amount", "parts", "at_ms"] as const;
const OUR_COLUMNS = ["key", "shard", "settlement_id", "reference", "kind", "institution", "amount", "parts", "at_ms"] as const;

/** One of our postings, with the shard whose books count it. */
export interface OurRow extends Pick<Posting, "key" | "kind" | "institution" | "amount" | "parts" | "settlementId" | "railReference"> {
  readonly shard: number;
  readonly atMs: EventMs;
}

export class Workbench {
  readonly #db: Database;
  #theirs: InValue[][] = [];
  #theirLeft: InValue[][] = [];
  #ourLeft: InValue[][] = [];

  private constructor(db: Database) {
    this.#db = db;
  }

  static async open(file: string): Promise<Workbench> {
    await remove(file);
    return new Workbench(await openDatabase({ kind: "statement", file, sortOnDisk: true }));
  }

  /** Closes and removes the file. */
  async discard(): Promise<void> {
    await this.#db.close();
    await remove(this.#db.file);
  }

  async add(row: StatementLine): Promise<void> {
    this.#theirs.push([row.line, row.key, row.railReference, row.kind, row.institution, row.amount, printParts(row.parts), row.atMs]);
    if (this.#theirs.length >= BATCH) await this.#flushTheirs();
  }

  /** All rows are in: sorts them, and refuses a statement that says something twice. */
  async order(): Promise<void> {
    await this.#flushTheirs();
    const columns = THEIR_COLUMNS.join(",");
    // Whatever order and form the file had, the same rows come out in the same order: it is the same statement.
    const order = "ORDER BY key = '', key, reference, kind, line";
    await this.#write([{ sql: `INSERT INTO their_ordered (${columns}) SELECT ${columns} FROM their_row ${order}`, args: [] }]);
    const keys = `SELECT line, lag(line) OVER w AS first, key = lag(key) OVER w AS again FROM their_ordered WHERE key <> ''
      WINDOW w AS (ORDER BY place)`;
    await this.#refuse("key", "duplicateKey", `SELECT line, first FROM (${keys}) WHERE again LIMIT 1`);
    const references = "SELECT max(line) AS line, min(line) AS first FROM their_row GROUP BY reference, kind HAVING count(*) > 1 LIMIT 1";
    await this.#refuse("reference", "duplicateReference", references);
  }

  async isEmpty(): Promise<boolean> {
    return (await this.#db.read("SELECT 1 FROM their_row LIMIT 1")).length === 0;
  }

  /** Rows that repeat our keys, in the order of keys. */
  async *byKey(): AsyncGenerator<StatementLine> {
    for await (const row of this.inOrder()) {
      if (row.key === "") return;
      yield row;
    }
  }

  /** Every row, in the order of keys; behind them those without one, by reference. */
  async *inOrder(): AsyncGenerator<StatementLine> {
    const sql = `SELECT place, ${THEIR_COLUMNS.join(",")} FROM their_ordered WHERE place > ? ORDER BY place LIMIT ?`;
    for (let after = 0; ;) {
      const rows = await this.#db.read(sql, after, BATCH);
      for (const row of rows) yield theirRowOf(row);
      const last = rows.at(-1);
      if (last === undefined || rows.length < BATCH) return;
      after = numberOf(last, "place");
    }
  }

  async leaveTheirs(line: number): Promise<void> {
    this.#theirLeft.push([line]);
    if (this.#theirLeft.length >= BATCH) await this.#flushLeft();
  }

  async leaveOurs(row: OurRow): Promise<void> {
    const { key, shard, settlementId, railReference, kind, institution, amount, parts, atMs } = row;
    this.#ourLeft.push([key, shard, settlementId, railReference, kind, institution, amount, printParts(parts), atMs]);
    if (this.#ourLeft.length >= BATCH) await this.#flushLeft();
  }

  /** Everything is left or matched by key: rows that carry no key are left over too. */
  async settleLeft(): Promise<{ readonly ours: number; readonly theirs: number }> {
    await this.#flushLeft();
    await this.#write([
      { sql: "INSERT INTO their_left (line) SELECT line FROM their_row WHERE key = ''", args: [] },
      { sql: "CREATE INDEX our_reference ON our_left (reference, kind)", args: [] },
    ]);
    const [row] = await this.#db.read("SELECT (SELECT count(*) FROM our_left) AS ours, (SELECT count(*) FROM their_left) AS theirs");
    return row === undefined ? { ours: 0, theirs: 0 } : { ours: numberOf(row, "ours"), theirs: numberOf(row, "theirs") };
  }

  /** Rule 2: what both sides left over with the same reference. At most `unmatchedMax` rows were left on each side. */
  async byReference(): Promise<readonly { readonly ours: OurRow; readonly theirs: StatementLine }[]> {
    const theirs = new Map<string, StatementLine>(
      (
        await this.#db.read(
          `SELECT ${THEIR_COLUMNS.map((name) => `t.${name} AS ${name}`).join(",")} FROM their_left AS l JOIN their_row AS t ON t.line = l.line
           WHERE EXISTS (SELECT 1 FROM our_left AS o WHERE o.reference = t.reference AND o.kind = t.kind) ORDER BY t.line`,
        )
      ).map((row) => {
        const read = theirRowOf(row);
        return [`${read.kind} ${read.railReference}`, read] as const;
      }),
    );
    const pairs: { readonly ours: OurRow; readonly theirs: StatementLine }[] = [];
    for (const ours of await this.leftOurs()) {
      const at = `${ours.kind} ${ours.railReference}`;
      const found = theirs.get(at);
      if (found === undefined) continue;
      theirs.delete(at);
      pairs.push({ ours, theirs: found });
    }
    return pairs;
  }

  async leftOurs(): Promise<readonly OurRow[]> {
    return (await this.#db.read(`SELECT ${OUR_COLUMNS.join(",")} FROM our_left ORDER BY key`)).map(ourRowOf);
  }

  async leftTheirs(): Promise<readonly StatementLine[]> {
    const rows = await this.#db.read(
      `SELECT ${THEIR_COLUMNS.map((name) => `t.${name} AS ${name}`).join(",")} FROM their_left AS l JOIN their_row AS t ON t.line = l.line ORDER BY t.line`,
    );
    return rows.map(theirRowOf);
  }

  async #refuse(what: "key" | "reference", code: "duplicateKey" | "duplicateReference", sql: string): Promise<void> {
    const [twice] = await this.#db.read(sql);
    if (twice !== undefined)
      throw new BadStatementError({
        code,
        line: numberOf(twice, "line"),
        detail: {
          zh: `与第 ${numberOf(twice, "first")} 行的${what === "key" ? "我方编号" : "支付方流水号"}相同`,
          en: `the same ${what} stands in row ${numberOf(twice, "first")}`,
        },
      });
  }

  async #flushTheirs(): Promise<void> {
    const rows = this.#theirs;
    this.#theirs = [];
    await this.#write(insertRows("their_row", THEIR_COLUMNS, rows));
  }

  async #flushLeft(): Promise<void> {
    const [theirs, ours] = [this.#theirLeft, this.#ourLeft];
    this.#theirLeft = [];
    this.#ourLeft = [];
    await this.#write([...insertRows("their_left", ["line"], theirs), ...insertRows("our_left", OUR_COLUMNS, ours)]);
  }

  /** A working file survives nothing: a run that was cut short begins again. */
  async #write(statements: Parameters<Database["write"]>[0]): Promise<void> {
    await this.#db.write(statements, "process");
  }
}

async function remove(file: string): Promise<void> {
  for (const suffix of ["", "-wal", "-shm"]) await rm(`${file}${suffix}`, { force: true });
}

/** `source=fen` pairs in the order of sources, so that equal splits are equal texts. */
export function printParts(parts: readonly FundPart[]): string {
  return parts
    .map((part) => `${part.fundSource}=${part.amount}`)
    .sort()
    .join(";");
}

export function readParts(text: string): readonly FundPart[] {
  if (text === "") return [];
  return text.split(";").map((pair) => {
    const [fundSource = "", fen = "0"] = pair.split("=");
    return { fundSource, amount: asFen(BigInt(fen)) };
  });
}

function theirRowOf(row: Row): StatementLine {
  return {
    line: numberOf(row, "line"),
    key: textOf(row, "key"),
    railReference: textOf(row, "reference"),
    kind: wordOf(row, "kind", MOVEMENT_KINDS),
    institution: textOf(row, "institution"),
    amount: asFen(bigintOf(row, "amount")),
    parts: readParts(textOf(row, "parts")),
    atMs: numberOf(row, "at_ms") as EventMs,
  };
}

function ourRowOf(row: Row): OurRow {
  return {
    key: textOf(row, "key"),
    shard: numberOf(row, "shard"),
    settlementId: textOf(row, "settlement_id"),
    railReference: textOf(row, "reference"),
    kind: wordOf(row, "kind", MOVEMENT_KINDS),
    institution: textOf(row, "institution"),
    amount: asFen(bigintOf(row, "amount")),
    parts: readParts(textOf(row, "parts")),
    atMs: numberOf(row, "at_ms") as EventMs,
  };
}
