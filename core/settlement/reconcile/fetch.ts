/**
 * A statement brought to the workbench, from a file or from the payer's service. Totals first (3201): when they are
 * ours, and nothing of ours is open, the day is reconciled without details, as in practice. Else rows (3202). Either way the
 * rows are kept as a file of one form, in the order of keys: what a statement says is what it is known by, not its bytes,
 * so the same day fetched twice, or saved with other line ends, is the same statement, and anybody can read it again.
 */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { rename } from "node:fs/promises";
import { basename, join } from "node:path";
import { finished } from "node:stream/promises";
import { toHex, utf8 } from "../../protocol/bytes.ts";
import { addDays, dayEnd, dayStart } from "../day/accounting-day.ts";
import type { AccountingDay } from "../books.ts";
import { RAIL_ORDER, type RailName } from "../plan.ts";
import type { StatementRail, StatementTotals } from "../rails/port.ts";
import { printCsvRow, printCsvTrailer, readCsv } from "./csv.ts";
import { CSV_HEADER, type Encoding, type StatementMapping } from "./mapping.ts";
import type { ReconcilePorts } from "./ports.ts";
import { InstitutionSums, sameInstitutions, sameTotals, type Totals } from "../rails/statement-totals.ts";
import { BadStatementError, type StatementLine } from "./statement.ts";
import type { Workbench } from "./workbench.ts";
import { makeFolder } from "../../../migrations/make-folder.ts";

/** Reads a file of the payer; gives the file in which its rows are kept, and the SM3 of that, hex. */
export async function bringFile(
  ports: Pick<ReconcilePorts, "crypto" | "rules" | "folder">,
  bench: Workbench,
  from: {
    readonly file: string;
    readonly mapping?: StatementMapping | undefined;
    readonly encoding?: Encoding | undefined;
    readonly rail: RailName;
    readonly day: AccountingDay;
  },
): Promise<{ readonly file: string; readonly hash: string; readonly stated: boolean }> {
  const { rail, day } = from;
  const { totals, stated } = await readCsv(from, (row) => {
    checkPayer(row, rail);
    checkDay(row, day, ports.rules);
    return bench.add(row);
  });
  await bench.order();
  return { ...(await keep(ports, bench, { rail, day, totals })), stated };
}

/** Asks the payer for its rows, checks them against its own totals, and keeps them; gives file name and hash. */
export async function bringRows(
  ports: Pick<ReconcilePorts, "crypto" | "rules" | "folder">,
  bench: Workbench,
  from: { readonly payer: StatementRail; readonly day: AccountingDay; readonly totals: StatementTotals },
): Promise<{ readonly file: string; readonly hash: string }> {
  const { payer, day, totals } = from;
  const sum = new InstitutionSums();
  let line = 1;
  for await (const row of payer.statementRows(day)) {
    line++;
    const placed = { ...row, line };
    checkDay(placed, day, ports.rules);
    sum.add(row);
    await bench.add(placed);
  }
  const { institutions } = totals;
  if (!sameTotals(sum.totals, totals) || (institutions !== undefined && !sameInstitutions(institutions, sum.institutions)))
    throw new BadStatementError({
      code: "totalsDisagree",
      line: undefined,
      detail: {
        zh: "支付方的明细与其总额不符：请稍后再取",
        en: "the payer's rows do not add up to its own totals: ask again later",
      },
    });
  await bench.order();
  return await keep(ports, bench, { rail: payer.name, day, totals });
}

/** A key of ours says which payer was called: a file under another payer's name would leave both sides without counterparts. */
function checkPayer(row: StatementLine, rail: RailName): void {
  const called = row.key.split("/").at(-2);
  if (called !== rail && RAIL_ORDER.some((name) => name === called))
    throw new BadStatementError({
      code: "otherPayer",
      line: row.line,
      detail: { zh: "该行对应发给另一支付方的请求", en: "the row answers a call to another payer" },
    });
}

/** A payer may book on this day what happened on the days before; its clock is its own, too. */
function checkDay(row: StatementLine, day: AccountingDay, { midnightMs, secondLookDays }: ReconcilePorts["rules"]): void {
  if (row.atMs < dayStart(addDays(day, -secondLookDays)) - midnightMs || row.atMs >= dayEnd(day) + midnightMs)
    throw new BadStatementError({
      code: "otherDay",
      line: row.line,
      detail: { zh: "该行不属于本对账日", en: "the row is of another day than the statement" },
    });
}

async function keep(
  ports: Pick<ReconcilePorts, "crypto" | "folder">,
  bench: Workbench,
  { rail, day, totals }: { readonly rail: RailName; readonly day: AccountingDay; readonly totals: Totals },
): Promise<{ readonly file: string; readonly hash: string }> {
  const folder = join(ports.folder, "statements");
  await makeFolder(folder);
  const draft = join(folder, `${rail}-${day}.new`);
  const hash = ports.crypto.sm3Stream();
  const stream = createWriteStream(draft, { mode: 0o600 });
  const write = async (text: string): Promise<void> => {
    hash.update(utf8(text));
    if (!stream.write(text)) await once(stream, "drain");
  };
  let lines = `${CSV_HEADER}\r\n`;
  for await (const row of bench.inOrder()) {
    lines += `${printCsvRow(row)}\r\n`;
    if (lines.length < CHUNK_CHARS) continue;
    await write(lines);
    lines = "";
  }
  await write(`${lines}${printCsvTrailer(totals)}\r\n`);
  stream.end();
  await finished(stream);
  const digest = toHex(hash.digest());
  const file = join(folder, `${rail}-${day}-${digest.slice(0, 12)}.csv`);
  await rename(draft, file);
  return { file: basename(file), hash: digest };
}

const CHUNK_CHARS = 65_536;
