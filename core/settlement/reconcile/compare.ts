/** Both sides of a day compared by rules 1 and 2; what is left over is small and comes back as lists. */
import { signed, type Tally } from "./counts.ts";
import { disagreements, type Pair, sideBySide } from "./match.ts";
import type { OpenCall } from "./open-calls.ts";
import type { ReconcilePorts } from "./ports.ts";
import { BadStatementError, type StatementLine } from "./statement.ts";
import type { OurRow, Workbench } from "./workbench.ts";

export interface Compared {
  /** Only we have them. */
  readonly ours: readonly OurRow[];
  /** Only the payer has them. */
  readonly theirs: readonly StatementLine[];
  readonly disagreeing: readonly Pair[];
  /** Rows of the payer that answer a call of ours whose answer is missing. */
  readonly answered: readonly { readonly line: StatementLine; readonly call: OpenCall }[];
}
export interface CompareInput {
  readonly ports: Pick<ReconcilePorts, "shardOf" | "rules">;
  readonly bench: Workbench;
  readonly tally: Tally;
  /** All shards', in the order of keys. */
  readonly ours: AsyncIterable<OurRow>;
  /** The open call that a key would answer. */
  readonly answers: (key: string) => OpenCall | undefined;
}

export async function compareRows({ ports, bench, tally, ours, answers }: CompareInput): Promise<Compared> {
  const disagreeing: Pair[] = [];
  const answered: { readonly line: StatementLine; readonly call: OpenCall }[] = [];
  const { unmatchedMax } = ports.rules;
  const scale = new Scale();
  const pair = (mine: OurRow, theirs: StatementLine, byReference: boolean): void => {
    const what = disagreements(mine, theirs);
    scale.add(mine.amount, theirs.amount);
    if (what.length > 0) disagreeing.push({ ours: mine, theirs, what });
    else tally.add(mine.shard, byReference ? "byReference" : "matched");
    if (disagreeing.length > unmatchedMax) throw scale.fault() ?? tooMany(unmatchedMax);
  };
  let left = 0;
  for await (const { ours: mine, theirs } of sideBySide(ours, bench.byKey())) {
    if (mine !== undefined) {
      tally.add(mine.shard, "rowsOurs");
      tally.add(mine.shard, "fenOurs", signed(mine));
    }
    if (theirs !== undefined) countTheirs(theirs);
    const call = theirs === undefined ? undefined : answers(theirs.key);
    // A run that was cut short may find its own healing posted already: it stays what it was, a healing.
    if (theirs !== undefined && call !== undefined) {
      answered.push({ line: theirs, call });
      scale.add(call.amount, theirs.amount);
    } else if (mine !== undefined && theirs !== undefined) pair(mine, theirs, false);
    else if (mine !== undefined) await bench.leaveOurs(mine);
    else if (theirs !== undefined) await bench.leaveTheirs(theirs.line);
    if ((mine === undefined || theirs === undefined) && ++left > 2 * unmatchedMax) throw tooMany(unmatchedMax);
  }
  const counted = await bench.settleLeft();
  if (counted.ours > unmatchedMax || counted.theirs > unmatchedMax) throw tooMany(unmatchedMax);
  const pairs = await bench.byReference();
  const [usedOurs, usedTheirs] = [new Set(pairs.map(({ ours: mine }) => mine.key)), new Set(pairs.map(({ theirs }) => theirs.line))];
  const leftTheirs = await bench.leftTheirs();
  for (const row of leftTheirs) if (row.key === "") countTheirs(row);
  for (const { ours: mine, theirs } of pairs) pair(mine, theirs, true);
  const fault = scale.fault();
  if (fault !== undefined) throw fault;
  return {
    ours: (await bench.leftOurs()).filter((row) => !usedOurs.has(row.key)),
    theirs: leftTheirs.filter((row) => !usedTheirs.has(row.line)),
    disagreeing,
    answered,
  };

  function countTheirs(row: StatementLine): void {
    const shard = ports.shardOf(row.institution);
    tally.add(shard, "rowsTheirs");
    tally.add(shard, "fenTheirs", signed(row));
  }
}

/** A hundred fen are a yuan: one amount a hundred times the other is a slip, nearly all of them are another unit. */
const SCALED_ROWS_MIN = 2;
const SCALED_TENTHS_MIN = 9n;

class Scale {
  #pairs = 0n;
  /** Theirs a hundred times ours, and ours a hundred times theirs. */
  #above = 0n;
  #below = 0n;

  add(ours: bigint, theirs: bigint): void {
    this.#pairs++;
    if (theirs === ours * 100n) this.#above++;
    else if (ours === theirs * 100n) this.#below++;
  }

  fault(): BadStatementError | undefined {
    const off = this.#above > this.#below ? this.#above : this.#below;
    if (off < SCALED_ROWS_MIN || off * 10n < this.#pairs * SCALED_TENTHS_MIN) return undefined;
    const above = off === this.#above;
    return new BadStatementError({
      code: "inFen",
      line: undefined,
      detail: {
        zh: `能对上的 ${this.#pairs} 笔中有 ${off} 笔的金额恰为我方的 ${above ? "100 倍" : "1/100"}：单位（元、分）弄错了，请核对映射中的 unit`,
        en: `of ${this.#pairs} movements that both sides have, ${off} are exactly ${above ? "100 times" : "1/100 of"} ours: yuan and fen are mixed up, see the mapping's unit`,
      },
    });
  }
}

function tooMany(max: number): BadStatementError {
  return new BadStatementError({
    code: "tooManyUnmatched",
    line: undefined,
    detail: {
      zh: `无对应记录的行超过 ${max}：是否为另一日或另一支付方的对账单？`,
      en: `more than ${max} rows have no counterpart: a statement of another day or of another payer?`,
    },
  });
}
