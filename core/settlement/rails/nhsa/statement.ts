/**
 * An insurer's account of a day. 3201 first: our own totals per institution, which the insurer finds equal or not; only
 * where it does not, or where rows are wanted, 3202 with its file. Rows come back under our calls' keys, found by msgid.
 */
import * as v from "valibot";
import { asFen, FEN_MAX, formatYuan } from "../../../protocol/money.ts";
import type { Clock } from "../../../protocol/time.ts";
import type { AccountingDay } from "../../books.ts";
import { dayEnd, dayOf, dayStart, parseDay, printDay } from "../../day/accounting-day.ts";
import { FUND_FIELDS } from "../../split/amounts.ts";
import type { Exchange } from "../exchange.ts";
import { type InstitutionTotals, railKey, StatementError, type StatementRow, type StatementTotals } from "../port.ts";
import { addUp, InstitutionSums } from "../statement-totals.ts";
import { amountOf } from "./answers.ts";
import { areaOf, type NhsaAnswer, type NhsaDesk, type NhsaSettings } from "./desk.ts";
import {
  detailsOutput,
  DOWNLOAD,
  MESSAGE_PATH,
  STATEMENT_DETAILS,
  STATEMENT_RESULT,
  STATEMENT_TOTALS,
  totalsOutput,
  UPLOAD,
  uploadOutput,
} from "./messages.ts";
import { FILE_HEADER, fileTrailer, type ReadFileRow, readStatementFile } from "./statement-file.ts";
import type { MessageName, NhsaStore } from "./store.ts";

export interface StatementPorts {
  readonly exchange: Exchange;
  readonly store: NhsaStore;
  readonly clock: Clock;
  readonly settings: NhsaSettings;
}

/** msgids looked up at a time. */
const LOOK_UP = 400;

export class InsurerStatement {
  readonly #ports: StatementPorts;
  readonly #desk: NhsaDesk;

  constructor(ports: StatementPorts, desk: NhsaDesk) {
    this.#ports = ports;
    this.#desk = desk;
  }

  async totals(dayText: string): Promise<StatementTotals> {
    const day = wanted(dayText);
    const institutions: InstitutionTotals[] = [];
    for (const institution of await this.#ports.store.institutions()) {
      const ours = await this.#ours(institution, day);
      const { captures, refunds } = ours;
      // 3201 says of each institution that its sums are ours; of single funds it says nothing.
      if (await this.#agrees(institution, day, ours)) {
        const stated = { captures, captured: asFen(ours.captured), refunds, refunded: asFen(ours.refunded) };
        if (captures + refunds > 0) institutions.push({ institution, ...stated, funds: undefined });
        continue;
      }
      const sums = new InstitutionSums();
      for await (const row of this.#rowsOf(institution, day)) sums.add(row);
      institutions.push(...sums.institutions);
    }
    return { day, closed: dayOf(this.#ports.clock.now()) > day, ...addUp(institutions).totals, institutions };
  }

  async *rows(dayText: string): AsyncIterable<StatementRow> {
    const day = wanted(dayText);
    for (const institution of await this.#ports.store.institutions()) yield* this.#rowsOf(institution, day);
  }

  /** What we know to have moved on the day, as 3201 wants it: givings-back below zero. */
  async #ours(institution: string, day: AccountingDay): Promise<Ours> {
    const sums = { captures: 0, captured: 0n, refunds: 0, refunded: 0n, medfee: 0n, fund: 0n, account: 0n };
    for await (const one of this.#ports.store.moved(institution, dayStart(day), dayEnd(day))) {
      const undo = "key" in one;
      const leg = undo ? undefined : one;
      const amount = amountOf(one.parts);
      const whole = undo ? await this.#billOf(one.settlementId) : billIn(leg?.bill?.total);
      const bill = undo && !one.whole ? amount : whole;
      const sign = undo ? -1n : 1n;
      const of = (field: string): bigint => one.parts.find((part) => part.fundSource === field)?.amount ?? 0n;
      sums.medfee += sign * bill;
      sums.fund +=
        sign *
        (FUND_FIELDS.reduce((sum, field) => sum + of(field), 0n) +
          (this.#ports.settings.profile.fundIncludesAccount ? of("acct_pay") : 0n));
      sums.account += sign * of("acct_pay");
      if (undo) {
        sums.refunds++;
        sums.refunded += amount;
      } else {
        sums.captures++;
        sums.captured += amount;
      }
    }
    return sums;
  }

  async #billOf(settlementId: string): Promise<bigint> {
    return billIn((await this.#ports.store.leg(settlementId))?.bill?.total);
  }

  /** Sums beyond `numeric(16,2)` have no place in 3201: of such a day nothing is asked, and its rows are summed. */
  async #agrees(institution: string, day: AccountingDay, ours: Ours): Promise<boolean> {
    if ([ours.medfee, ours.fund, ours.account].some((sum) => sum > FEN_MAX || sum < -FEN_MAX)) return false;
    const data = {
      insutype: "",
      clr_type: "",
      setl_optins: areaOf(institution),
      stmt_begndate: printDay(day),
      stmt_enddate: printDay(day),
      medfee_sumamt: formatYuan(asFen(ours.medfee)),
      fund_pay_sumamt: formatYuan(asFen(ours.fund)),
      acct_pay: formatYuan(asFen(ours.account)),
      fixmedins_setl_cnt: String(ours.captures + ours.refunds),
    };
    const told = await this.#ask(institution, STATEMENT_TOTALS, { data }, totalsOutput);
    return told.stmtinfo.stmt_rslt === STATEMENT_RESULT.equal;
  }

  /** An empty file of ours makes every row of theirs one that we do not have: so they tell all of them. */
  async *#rowsOf(institution: string, day: AccountingDay): AsyncIterable<StatementRow> {
    const fsUploadIn = { in: FILE_HEADER + fileTrailer(0), filename: `${institution}-${day}.txt`, fixmedins_code: institution };
    const { file_qury_no } = await this.#ask(institution, UPLOAD, { fsUploadIn }, uploadOutput);
    const range = { stmt_begndate: printDay(day), stmt_enddate: printDay(day) };
    const details = await this.#ask(
      institution,
      STATEMENT_DETAILS,
      { data: { setl_optins: areaOf(institution), ...range, file_qury_no } },
      detailsOutput,
    );
    const message = await this.#desk.framed({
      infno: DOWNLOAD,
      institution,
      msgid: await this.#desk.msgid(institution),
      insuredArea: "",
      input: { fsDownloadIn: { ...details.fileinfo, fixmedins_code: institution } },
    });
    if (typeof message !== "string") throw failed(message);
    const file = readStatementFile(this.#ports.exchange.stream({ path: MESSAGE_PATH + DOWNLOAD, body: message }, "text/plain"));
    let waiting: ReadFileRow[] = [];
    for await (const row of file) {
      waiting.push(row);
      if (waiting.length < LOOK_UP) continue;
      yield* await this.#named(institution, waiting);
      waiting = [];
    }
    yield* await this.#named(institution, waiting);
  }

  async #named(institution: string, rows: readonly ReadFileRow[]): Promise<readonly StatementRow[]> {
    if (rows.length === 0) return [];
    const names = await this.#ports.store.keysOf(rows.map((row) => row.msgid));
    return rows.map((row) => {
      const amount = amountOf(row.parts);
      return { ...callOf(names.get(row.msgid), row), institution, amount, parts: row.parts, railReference: row.setlId, atMs: row.atMs };
    });
  }

  async #ask<S extends v.GenericSchema>(
    institution: string,
    infno: string,
    input: Readonly<Record<string, unknown>>,
    schema: S,
  ): Promise<v.InferOutput<S>> {
    const msgid = await this.#desk.msgid(institution);
    const answer = await this.#desk.ask({ infno, institution, msgid, insuredArea: "", input }, (output) => {
      const read = v.safeParse(schema, output);
      return read.success ? { value: read.output } : undefined;
    });
    if (answer.kind !== "done") throw failed(answer);
    return answer.output.value;
  }
}

interface Ours {
  readonly captures: number;
  readonly captured: bigint;
  readonly refunds: number;
  readonly refunded: bigint;
  readonly medfee: bigint;
  readonly fund: bigint;
  readonly account: bigint;
}

function billIn(total: string | undefined): bigint {
  return BigInt((total ?? "0.00").replace(".", ""));
}

/** Which call of ours a row is; one that is none keeps the payer's own name. */
function callOf(name: MessageName | undefined, row: ReadFileRow): Pick<StatementRow, "key" | "kind"> {
  switch (name?.kind) {
    case undefined:
      return { key: row.msgid, kind: row.refund ? "refund" : "capture" };
    case "capture":
      return { key: railKey(name.settlementId, "insurance", "capture"), kind: "capture" };
    case "reversal":
      return { key: railKey(name.settlementId, "insurance", "reverse"), kind: "reversal" };
    case "undo":
      return { key: name.key, kind: name.key.endsWith("/reverse") ? "reversal" : "refund" };
  }
}

function wanted(day: string): AccountingDay {
  const parsed = parseDay(day);
  if (parsed === undefined) throw new RangeError("not an accounting day");
  return parsed;
}

function failed(answer: Exclude<NhsaAnswer<unknown>, { kind: "done" }>): StatementError {
  if (answer.kind === "refused") return new StatementError("refused", "the insurer refused its statement");
  return new StatementError(answer.reason === "garbage" ? "malformed" : answer.reason, `the insurer's statement: ${answer.reason}`);
}
