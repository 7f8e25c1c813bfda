/** Reconciliation at the sandbox insurer: 3201 compares totals, 9101 and 3202 rows, 9102 gives the file. */
import type { Context } from "hono";
import * as v from "valibot";
import { asFen, formatYuan } from "../../../protocol/money.ts";
import type { EventMs } from "../../../protocol/time.ts";
import { FUND_FIELDS } from "../../split/amounts.ts";
import type { ProvinceProfile } from "../../split/profile.ts";
import {
  DOWNLOAD,
  detailsInput,
  downloadInput,
  type NhsaRefusalCode,
  type NhsaRequest,
  STATEMENT_DETAILS,
  STATEMENT_RESULT,
  STATEMENT_TOTALS,
  totalsInput,
  UPLOAD,
  uploadInput,
} from "../nhsa/messages.ts";
import { FILE_HEADER, fileRow, fileTrailer, readStatementFile } from "../nhsa/statement-file.ts";
import type { FaultedAction } from "./faults.ts";
import { type Frame, output, refusal } from "./insurer-frame.ts";
import { asTold, type Movement, type ToldMovement } from "./movements.ts";
import { streamOf } from "./stream.ts";

export interface StatementPorts {
  readonly profile: ProvinceProfile;
  readonly movements: (query: { readonly day: string; readonly institution: string }) => AsyncIterable<ToldMovement>;
}

/** Files asked for and not fetched yet; the oldest are dropped. */
const FILES_MAX = 100;
const ROWS_PER_CHUNK = 500;

export class InsurerStatements {
  readonly #ports: StatementPorts;
  /** What hospitals uploaded: bill in fen by msgid, given back below zero. */
  readonly #uploads = new Map<string, ReadonlyMap<string, bigint>>();
  readonly #files = new Map<string, { readonly day: string; readonly institution: string; readonly theirs: ReadonlyMap<string, bigint> }>();
  #number = 0;

  constructor(ports: StatementPorts) {
    this.#ports = ports;
  }

  /** `undefined`: no transaction of this desk. */
  read(
    message: NhsaRequest,
    frame: Frame,
  ): { readonly action: FaultedAction; readonly work: () => Promise<string> } | NhsaRefusalCode | undefined {
    const action = "statement" as const;
    switch (message.infno) {
      case STATEMENT_TOTALS: {
        const input = v.safeParse(totalsInput, message.input["data"]);
        const day = input.success ? oneDay(input.output) : undefined;
        if (!input.success || day === undefined) return "F9999";
        return { action, work: async () => output(frame, { stmtinfo: await this.#compare(input.output, day, message.fixmedins_code) }) };
      }
      case UPLOAD: {
        const input = v.safeParse(uploadInput, message.input["fsUploadIn"]);
        if (!input.success || input.output.fixmedins_code !== message.fixmedins_code) return "F9999";
        return { action, work: async () => await this.#upload(input.output.in, frame) };
      }
      case STATEMENT_DETAILS: {
        const input = v.safeParse(detailsInput, message.input["data"]);
        const day = input.success ? oneDay(input.output) : undefined;
        const theirs = input.success ? this.#uploads.get(input.output.file_qury_no) : undefined;
        if (day === undefined || theirs === undefined) return "F9999";
        return {
          action,
          work: () => {
            const file_qury_no = this.#keep(this.#files, { day, institution: message.fixmedins_code, theirs });
            return Promise.resolve(output(frame, { fileinfo: { file_qury_no, filename: `${message.fixmedins_code}-${day}.txt` } }));
          },
        };
      }
      case DOWNLOAD:
        return { action, work: () => Promise.resolve("") };
      default:
        return undefined;
    }
  }

  download(c: Context, message: NhsaRequest, frame: Frame): Promise<Response> {
    const input = v.safeParse(downloadInput, message.input["fsDownloadIn"]);
    const file = input.success ? this.#files.get(input.output.file_qury_no) : undefined;
    const known = file?.institution === message.fixmedins_code ? file : undefined;
    if (known === undefined) return Promise.resolve(c.body(refusal(frame, "F9999"), 200, { "content-type": "application/json" }));
    return Promise.resolve(c.body(streamOf(this.#rows(known)), 200, { "content-type": "text/plain; charset=utf-8" }));
  }

  async #compare(theirs: v.InferOutput<typeof totalsInput>, day: string, institution: string): Promise<object> {
    const sums = { medfee: 0n, fund: 0n, account: 0n, count: 0 };
    for await (const movement of this.#ports.movements({ day, institution })) {
      const told = asTold(movement);
      const sign = told.kind === "capture" ? 1n : -1n;
      const of = (field: string): bigint => told.parts.find((part) => part.fundSource === field)?.amount ?? 0n;
      sums.medfee += sign * told.bill;
      sums.fund +=
        sign * (FUND_FIELDS.reduce((sum, field) => sum + of(field), 0n) + (this.#ports.profile.fundIncludesAccount ? of("acct_pay") : 0n));
      sums.account += sign * of("acct_pay");
      sums.count++;
    }
    const equal =
      theirs.medfee_sumamt === formatYuan(asFen(sums.medfee)) &&
      theirs.fund_pay_sumamt === formatYuan(asFen(sums.fund)) &&
      theirs.acct_pay === formatYuan(asFen(sums.account)) &&
      theirs.fixmedins_setl_cnt === String(sums.count);
    const stmt_rslt = equal ? STATEMENT_RESULT.equal : STATEMENT_RESULT.amount;
    return { setl_optins: theirs.setl_optins, stmt_rslt, stmt_rslt_dscr: equal ? "平账" : "不平" };
  }

  async #upload(text: string, frame: Frame): Promise<string> {
    const rows = new Map<string, bigint>();
    try {
      for await (const row of readStatementFile(once(text))) rows.set(row.msgid, row.refund ? -row.bill : row.bill);
    } catch {
      return refusal(frame, "F9999");
    }
    return output(frame, { file_qury_no: this.#keep(this.#uploads, rows) });
  }

  /** Every row of ours with how it compares, then theirs that we do not have. */
  async *#rows(file: {
    readonly day: string;
    readonly institution: string;
    readonly theirs: ReadonlyMap<string, bigint>;
  }): AsyncIterable<Uint8Array> {
    const encoder = new TextEncoder();
    const unmatched = new Map(file.theirs);
    let text = FILE_HEADER;
    let rows = 0;
    for await (const movement of this.#ports.movements(file)) {
      const told = asTold(movement);
      const signed = told.kind === "capture" ? told.bill : asFen(-told.bill);
      const claimed = unmatched.get(told.key);
      unmatched.delete(told.key);
      const result =
        claimed === undefined ? STATEMENT_RESULT.centreOnly : claimed === signed ? STATEMENT_RESULT.equal : STATEMENT_RESULT.amount;
      text += fileRow(rowOf(told, result), this.#ports.profile);
      if (++rows % ROWS_PER_CHUNK !== 0) continue;
      yield encoder.encode(text);
      text = "";
    }
    for (const [msgid, bill] of unmatched) {
      const amount = asFen(bill < 0n ? -bill : bill);
      const row = { msgid, setlId: "-", settlementId: "-", refund: bill < 0n, atMs: 0 as EventMs, bill: amount, parts: [] };
      text += fileRow({ ...row, result: STATEMENT_RESULT.hospitalOnly }, this.#ports.profile);
      rows++;
    }
    yield encoder.encode(text + fileTrailer(rows));
  }

  #keep<T>(into: Map<string, T>, value: T): string {
    const name = `F${String(++this.#number).padStart(12, "0")}`;
    if (into.size >= FILES_MAX) into.delete(into.keys().next().value ?? "");
    into.set(name, value);
    return name;
  }
}

function rowOf(told: Movement, result: string): Parameters<typeof fileRow>[0] {
  return {
    msgid: told.key,
    setlId: told.reference,
    settlementId: told.settlementId,
    refund: told.kind !== "capture",
    atMs: told.atMs as EventMs,
    bill: told.bill,
    parts: told.parts,
    result,
  };
}

function oneDay(range: { readonly stmt_begndate: string; readonly stmt_enddate: string }): string | undefined {
  return range.stmt_begndate === range.stmt_enddate ? range.stmt_begndate.replaceAll("-", "") : undefined;
}

async function* once(text: string): AsyncIterable<Uint8Array> {
  yield await Promise.resolve(new TextEncoder().encode(text));
}
