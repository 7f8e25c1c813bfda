/** The HTTP face of the sandbox insurer: the other side of `nhsa/messages.ts`, as strict as a real one. */
import { type Context, Hono } from "hono";
import * as v from "valibot";
import { utf8Text } from "../../../protocol/bytes.ts";
import { feeLines } from "../../../protocol/fee-lines.ts";
import { asFen, formatYuan, parseYuan } from "../../../protocol/money.ts";
import type { Clock } from "../../../protocol/time.ts";
import { AMOUNT_FIELDS, type Amounts, FUND_FIELDS } from "../../split/amounts.ts";
import {
  billDetails,
  billInput,
  DOWNLOAD,
  lineOf,
  MESSAGE_BYTES_MAX,
  MESSAGE_PATH,
  FUND_PAY_TYPES,
  type NhsaRefusalCode,
  type NhsaRequest,
  nhsaRequest,
  PERSON,
  personInput,
  REVERSE,
  reverseInput,
  SIGN_IN,
  signInInput,
  TRANSACTIONS,
  type Transactions,
  undoInput,
} from "../nhsa/messages.ts";
import type { FaultedAction } from "./faults.ts";
import { type Frame, frames, output, refusal } from "./insurer-frame.ts";
import { InsurerStatements, type StatementPorts } from "./insurer-statements.ts";
import type { BillCommand, InsurerAnswer, InsurerBook, InsurerCommand } from "./insurer-book.ts";
import { type SpoiledPorts, Spoiler } from "./spoil.ts";

export interface InsurerAppPorts extends SpoiledPorts, Omit<StatementPorts, "profile"> {
  readonly book: InsurerBook;
  readonly clock: Clock;
  /** Looks the msgid up, else carries the command out; resolves when it is durable. */
  readonly execute: (command: InsurerCommand) => Promise<InsurerAnswer>;
}

/** What a message asks for, read and found well-formed. */
interface Read {
  readonly action: FaultedAction;
  readonly work: () => Promise<string>;
}

/** Uploads of statements are the longest messages. */
const UPLOAD_CHARS_MAX = 70_000_000;

export function createInsurerApp(ports: InsurerAppPorts): Hono {
  const desk = new InsurerDesk(ports);
  const spoiler = new Spoiler(ports);
  const frameOf = frames();
  const app = new Hono();
  app.post(`${MESSAGE_PATH}:infno`, async (c) => {
    const message = await readMessage(c);
    if (message === undefined) return c.json({ error: "malformed" }, 400);
    const frame = frameOf(message, ports.clock.now());
    const read = desk.read(message, frame);
    if (typeof read === "string") return c.body(refusal(frame, read), 200, { "content-type": "application/json" });
    if (message.infno === DOWNLOAD) return await desk.download(c, message, frame);
    return await spoiler.answer(c, {
      ...read,
      refuse: async () => desk.told(frame, await ports.execute({ action: "decline", ...nameOf(message) })),
      oneFenMore,
      errorText: () => JSON.stringify({ ...frame.reply, infcode: "0", err_msg: "业务处理失败", output: null }),
    });
  });
  return app;
}

class InsurerDesk {
  readonly #ports: InsurerAppPorts;
  readonly #statements: InsurerStatements;
  /** Whom a token was seen with first: it stands for that person only. */
  readonly #tokens = new Map<string, string>();

  constructor(ports: InsurerAppPorts) {
    this.#ports = ports;
    this.#statements = new InsurerStatements({ ...ports, profile: ports.book.profile });
  }

  read(message: NhsaRequest, frame: Frame): Read | NhsaRefusalCode {
    const { infno } = message;
    if (infno === SIGN_IN) return this.#signIn(message, frame);
    if (message.sign_no !== signNo(message)) return "F9001";
    if (infno === PERSON) return this.#person(message, frame);
    if (infno === REVERSE) return this.#reverse(message, frame);
    const visit = Object.values(TRANSACTIONS).find((known) => [known.presettle, known.settle, known.undo].includes(infno));
    if (visit !== undefined) return infno === visit.undo ? this.#undo(message, frame) : this.#bill(message, frame, visit);
    const statement = this.#statements.read(message, frame);
    return statement ?? "F9999";
  }

  download(c: Context, message: NhsaRequest, frame: Frame): Promise<Response> {
    return this.#statements.download(c, message, frame);
  }

  told(frame: Frame, answer: InsurerAnswer): string {
    switch (answer.kind) {
      case "refused":
        return refusal(frame, answer.code);
      case "reversed":
        return output(frame, {});
      case "settled":
        return output(frame, this.#settled(frame, answer));
      case "undone":
        return output(frame, {
          setlinfo: {
            mdtrt_id: answer.mdtrtId,
            setl_id: answer.setlId,
            orig_setl_id: answer.origSetlId,
            medins_setl_id: frame.msgid,
            medfee_sumamt: formatYuan(asFen(-answer.bill)),
          },
          refd_detail: answer.parts.map((part) => ({ fund: part.fundSource, refd_amt: formatYuan(asFen(-part.amount)) })),
        });
    }
  }

  #signIn(message: NhsaRequest, frame: Frame): Read | NhsaRefusalCode {
    const input = v.safeParse(signInInput, message.input["signIn"]);
    if (!input.success) return "F9999";
    return {
      action: "query",
      work: () => Promise.resolve(output(frame, { signinoutb: { sign_time: frame.reply.refmsg_time, sign_no: signNo(message) } })),
    };
  }

  #person(message: NhsaRequest, frame: Frame): Read | NhsaRefusalCode {
    const input = v.safeParse(personInput, message.input["data"]);
    if (!input.success) return "F1003";
    const { psn_no, mdtrt_cert_no } = input.output;
    if (!this.#mayStandFor(mdtrt_cert_no, psn_no)) return "F1003";
    return {
      action: "query",
      work: () => {
        const account = this.#ports.book.accounts.get(psn_no);
        if (account === undefined) return Promise.resolve(refusal(frame, "F1001"));
        const { plan } = account;
        const insured = {
          insutype: plan.insured === "employee" ? "310" : "390",
          psn_insu_stas: account.status === "active" ? "1" : "2",
          balc: formatYuan(plan.personalAccount),
          insuplc_admdvs: message.insuplc_admdvs,
        };
        return Promise.resolve(output(frame, { baseinfo: { psn_no }, insuinfo: [insured] }));
      },
    };
  }

  /** Pre-settlement, or settlement. */
  #bill(message: NhsaRequest, frame: Frame, visit: Transactions): Read | NhsaRefusalCode {
    const node = message.input[visit.node];
    const input = v.safeParse(billInput, node);
    // Without an ecToken nothing is settled (S3 D.1); which of the fields was wrong is said for this one only.
    if (!input.success) return input.issues.some((issue) => issue.path?.[0]?.key === "mdtrt_cert_no") ? "F1003" : "F9999";
    const details = v.safeParse(v.optional(billDetails, []), message.input[visit.details]);
    const bill = parseYuan(input.output.medfee_sumamt);
    if (!details.success || bill === undefined) return "F9999";
    if (!this.#mayStandFor(input.output.mdtrt_cert_no, input.output.psn_no)) return "F1003";
    const lines = v.safeParse(v.optional(feeLines), details.output.length === 0 ? undefined : details.output.map(lineOf));
    if (!lines.success) return "F9999";
    const command: BillCommand = {
      action: "settle",
      ...nameOf(message),
      settlementId: input.output.exp_content,
      mdtrtId: input.output.mdtrt_id,
      account: input.output.psn_no,
      bill: bill.toString(),
      ...(lines.output === undefined ? {} : { lines: lines.output }),
    };
    if (message.infno === visit.settle)
      return { action: "capture", work: async () => this.told(frame, await this.#ports.execute(command)) };
    return {
      action: "authorise",
      work: () => {
        const amounts = this.#ports.book.presettle(command);
        if (typeof amounts === "string") return Promise.resolve(refusal(frame, amounts));
        const quoted = { account: command.account, mdtrtId: command.mdtrtId, amounts };
        return Promise.resolve(output(frame, this.#settled(frame, quoted)));
      },
    };
  }

  #undo(message: NhsaRequest, frame: Frame): Read | NhsaRefusalCode {
    const input = v.safeParse(undoInput, message.input["data"]);
    if (!input.success) return "F9999";
    const parts = input.output.refd_detail?.map((part) => [part.fund, parseYuan(part.refd_amt.slice(1))?.toString()] as const);
    if (input.output.refd_detail?.some((part) => !part.refd_amt.startsWith("-")) === true) return "F9999";
    const command: InsurerCommand = {
      action: "undo",
      ...nameOf(message),
      account: input.output.psn_no,
      setlId: input.output.setl_id,
      ...(parts === undefined ? {} : { parts: parts.map(([fund, fen]) => [fund, fen ?? "0"] as const) }),
      reversal: input.output.exp_content.endsWith("/reverse"),
    };
    return { action: "refund", work: async () => this.told(frame, await this.#ports.execute(command)) };
  }

  #reverse(message: NhsaRequest, frame: Frame): Read | NhsaRefusalCode {
    const input = v.safeParse(reverseInput, message.input["data"]);
    if (!input.success) return "F2005";
    const { psn_no, omsgid, oinfno } = input.output;
    const command: InsurerCommand = { action: "reverse", ...nameOf(message), account: psn_no, omsgid, oinfno };
    return { action: "void", work: async () => this.told(frame, await this.#ports.execute(command)) };
  }

  #settled(
    frame: Frame,
    told: { readonly account: string; readonly mdtrtId: string; readonly amounts: Amounts; readonly setlId?: string },
  ): object {
    const insured = this.#ports.book.accounts.get(told.account)?.plan.insured ?? "resident";
    const funds = FUND_FIELDS.filter((field) => told.amounts[field] > 0n);
    return {
      setlinfo: {
        psn_no: told.account,
        mdtrt_id: told.mdtrtId,
        ...(told.setlId === undefined ? {} : { setl_id: told.setlId }),
        medins_setl_id: frame.msgid,
        balc: formatYuan(this.#ports.book.accounts.get(told.account)?.plan.personalAccount ?? asFen(0n)),
        ...Object.fromEntries(AMOUNT_FIELDS.map((field) => [field, formatYuan(told.amounts[field])])),
      },
      setldetail: funds.map((field) => ({ fund_pay_type: FUND_PAY_TYPES[insured][field], fund_payamt: formatYuan(told.amounts[field]) })),
    };
  }

  #mayStandFor(token: string, person: string): boolean {
    const known = this.#tokens.get(token) ?? person;
    if (this.#tokens.size >= TOKENS_MAX) this.#tokens.delete(this.#tokens.keys().next().value ?? "");
    this.#tokens.set(token, known);
    return known === person;
  }
}

/** Tokens remembered; the oldest are forgotten first. */
const TOKENS_MAX = 100_000;

function nameOf(message: NhsaRequest): { readonly msgid: string; readonly infno: string; readonly institution: string } {
  return { msgid: message.msgid, infno: message.infno, institution: message.fixmedins_code };
}

/** One number per institution and day, the same after a restart. */
function signNo(message: NhsaRequest): string {
  return `S${message.fixmedins_code}${message.inf_time.slice(0, 10).replaceAll("-", "")}`;
}

/** On the total of the funds and on one fund, against the cash: every equation still holds. */
function oneFenMore(text: string): string {
  const told = JSON.parse(text) as {
    output?: { setlinfo?: Record<string, string>; setldetail?: { fund_payamt: string }[]; refd_detail?: { refd_amt: string }[] };
  };
  const info = told.output?.setlinfo;
  const refund = told.output?.refd_detail?.[0];
  if (refund !== undefined) refund.refd_amt = `-${shifted(refund.refd_amt.slice(1), 1n)}`;
  else if (info?.["psn_cash_pay"] !== undefined) {
    const fund = FUND_FIELDS.find((field) => info[field] !== "0.00") ?? "hifp_pay";
    for (const field of [fund, "fund_pay_sumamt"]) info[field] = shifted(info[field] ?? "0.00", 1n);
    // A bill that leaves no cash has a fen less in the account, else a fen more in all.
    const payer = ["psn_cash_pay", "acct_pay", "acct_mulaid_pay"].find((field) => info[field] !== "0.00");
    if (payer === undefined) for (const field of ["medfee_sumamt", "inscp_scp_amt"]) info[field] = shifted(info[field] ?? "0.00", 1n);
    else for (const field of [payer, "psn_part_amt"]) info[field] = shifted(info[field] ?? "0.00", -1n);
    const detail = told.output?.setldetail?.[0];
    if (detail !== undefined) detail.fund_payamt = shifted(detail.fund_payamt, 1n);
  }
  return JSON.stringify(told);
}

function shifted(yuan: string, by: bigint): string {
  return formatYuan(asFen((parseYuan(yuan) ?? 0n) + by));
}

async function readMessage(c: Context): Promise<NhsaRequest | undefined> {
  const text = utf8Text(new Uint8Array(await c.req.arrayBuffer()));
  if (text === undefined || text.length > UPLOAD_CHARS_MAX) return undefined;
  try {
    const parsed = v.safeParse(nhsaRequest, JSON.parse(text));
    if (!parsed.success || parsed.output.infno !== c.req.param("infno")) return undefined;
    if (text.length > MESSAGE_BYTES_MAX && !STATEMENT_MESSAGES.has(parsed.output.infno)) return undefined;
    return parsed.output.msgid.startsWith(parsed.output.fixmedins_code) ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
const STATEMENT_MESSAGES: ReadonlySet<string> = new Set(["9101"]);
