/**
 * The NHSA interface as we speak it with an insurer (domain notes 4.1 to 4.3): the frame around every message, the
 * transactions we use, their inputs and outputs. Schemas are shared by our adapter and by the sandbox insurer.
 * Amounts are text of yuan with two decimals; what a province reads differently stands in its profile.
 */
import * as v from "valibot";
import { codePoints } from "../../../protocol/texts.ts";
import type { feeLine } from "../../../protocol/fee-lines.ts";
import type { RailRefusal } from "../port.ts";
import { AMOUNT_FIELDS, type AmountField, FUND_FIELDS, type FundField } from "../../split/amounts.ts";

/** What kind of visit is settled decides the transactions. */
export type VisitKind = "outpatient" | "pharmacy" | "inpatient";
export interface Transactions {
  readonly presettle: string;
  readonly settle: string;
  readonly undo: string;
  /** Name of the node that holds the bill, and of the one that holds its lines. */
  readonly node: "data" | "druginfo";
  readonly details: "feedetail" | "drugdetail";
}
export const TRANSACTIONS: Readonly<Record<VisitKind, Transactions>> = {
  outpatient: { presettle: "2206", settle: "2207", undo: "2208", node: "data", details: "feedetail" },
  pharmacy: { presettle: "2101", settle: "2102", undo: "2103", node: "druginfo", details: "drugdetail" },
  inpatient: { presettle: "2303", settle: "2304", undo: "2305", node: "data", details: "feedetail" },
};
/** Originals that 2601 may reverse (domain notes 4.2). */
export const REVERSIBLE: ReadonlySet<string> = new Set(["2102", "2103", "2207", "2208", "2304", "2305", "2401"]);
export const SIGN_IN = "9001";
export const PERSON = "1101";
export const REVERSE = "2601";
export const STATEMENT_TOTALS = "3201";
export const STATEMENT_DETAILS = "3202";
export const UPLOAD = "9101";
export const DOWNLOAD = "9102";

/** `med_type`: 41 is a pharmacy; 21 to 24 and 52 are in-patient stays; everything else is seen in the out-patient department. */
const INPATIENT_TYPES: ReadonlySet<string> = new Set(["21", "22", "23", "24", "52"]);
export function visitKindOf(medType: string): VisitKind {
  if (medType === "41") return "pharmacy";
  return INPATIENT_TYPES.has(medType) ? "inpatient" : "outpatient";
}
/** 41 定点药店购药 where a pharmacy sells (S3 C.1 first level 02), else 11 普通门诊. */
export function defaultMedType(businessType: string): string {
  return businessType.startsWith("02") ? "41" : "11";
}

const text = (max: number) => v.pipe(v.string(), codePoints(0, max));
const filled = (max: number) => v.pipe(v.string(), codePoints(1, max));
const amount = v.pipe(v.string(), v.regex(/^-?(?:0|[1-9]\d{0,13})\.\d{2}$/));
/** Institution code (12), `yyyyMMddHHmmss` (14), sequence (4). */
export const msgid = v.pipe(v.string(), v.regex(/^[0-9A-Za-z]{12}\d{18}$/));
export const INSTITUTION_CODE = /^[0-9A-Za-z]{12}$/;
/** The shape of an ecToken; the only medium of the insurance leg (S3 D.1; domain notes 0.7, 8.2 row 44). */
export const EC_TOKEN = /^[0-9A-Za-z]{20,64}$/;

export const nhsaRequest = v.strictObject({
  infno: v.pipe(v.string(), v.regex(/^\d{4}$/)),
  msgid,
  mdtrtarea_admvs: v.pipe(v.string(), v.regex(/^\d{6}$/)),
  insuplc_admdvs: text(6),
  recer_sys_code: filled(10),
  dev_no: text(100),
  dev_safe_info: text(2000),
  cainfo: text(1024),
  signtype: text(10),
  infver: filled(6),
  opter_type: v.picklist(["1", "2", "3"]),
  opter: filled(30),
  opter_name: filled(50),
  /** `yyyy-MM-dd HH:mm:ss`, UTC+8. */
  inf_time: v.pipe(v.string(), v.regex(/^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/)),
  fixmedins_code: v.pipe(v.string(), v.regex(INSTITUTION_CODE)),
  fixmedins_name: filled(200),
  /** From the day's sign-in; empty in the sign-in itself. */
  sign_no: text(30),
  input: v.record(v.string(), v.unknown()),
});
export type NhsaRequest = v.InferOutput<typeof nhsaRequest>;

/** 17 digits, `yyyyMMddHHmmssSSS`. */
const time17 = v.pipe(v.string(), v.regex(/^\d{17}$/));
export const nhsaReply = v.object({
  infcode: v.union([v.picklist(["0", "-1"]), v.pipe(v.picklist([0, -1]), v.transform(String))]),
  /** Area (6), `yyyyMMddHHmmss` (14), number (10): the receiver's name for its answer. */
  inf_refmsgid: v.pipe(v.string(), v.regex(/^\d{30}$/)),
  refmsg_time: time17,
  respond_time: time17,
  err_msg: v.optional(v.nullable(text(4000))),
  output: v.optional(v.nullable(v.unknown())),
});
export type NhsaReply = v.InferOutput<typeof nhsaReply>;

/** The bill of 2206, 2207 and their like. */
export const billInput = v.strictObject({
  psn_no: filled(64),
  /** 01: electronic credential. No other medium settles here. */
  mdtrt_cert_type: v.literal("01"),
  mdtrt_cert_no: v.pipe(v.string(), v.regex(EC_TOKEN)),
  med_type: filled(6),
  medfee_sumamt: amount,
  psn_setlway: v.literal("01"),
  mdtrt_id: filled(30),
  chrg_bchno: filled(30),
  acct_used_flag: v.picklist(["0", "1"]),
  insutype: filled(6),
  /** Our settlement's id, for people who must find it again. */
  exp_content: text(64),
});
export const billDetails = v.array(
  v.strictObject({
    feedetl_sn: filled(30),
    med_list_codg: filled(50),
    medins_list_name: filled(100),
    cnt: text(20),
    pric: text(20),
    det_item_fee_sumamt: amount,
    med_chrgitm_type: filled(6),
    chrgitm_lv: filled(3),
  }),
);

const optionalAmount = v.optional(amount);
const amountFields = Object.fromEntries(AMOUNT_FIELDS.map((field) => [field, optionalAmount])) as Record<
  AmountField,
  typeof optionalAmount
>;
export const setlinfo = v.object({
  psn_no: filled(64),
  mdtrt_id: filled(30),
  /** Absent in a pre-settlement. */
  setl_id: v.optional(filled(30)),
  /** Our msgid, given back. */
  medins_setl_id: msgid,
  balc: v.optional(amount),
  ...amountFields,
});
export const setldetail = v.array(v.object({ fund_pay_type: filled(6), fund_payamt: amount }));
export const settleOutput = v.object({ setlinfo, setldetail: v.optional(setldetail) });
export type SettleOutput = v.InferOutput<typeof settleOutput>;

/** 2208, 2103, 2305: all of it, or with `refd_detail` a part, each amount below zero. */
export const undoInput = v.strictObject({
  psn_no: filled(64),
  mdtrt_id: filled(30),
  setl_id: filled(30),
  exp_content: text(64),
  refd_detail: v.optional(v.pipe(v.array(v.strictObject({ fund: filled(32), refd_amt: amount })), v.minLength(1), v.maxLength(16))),
});
export const undoOutput = v.object({
  setlinfo: v.object({ mdtrt_id: filled(30), setl_id: filled(30), orig_setl_id: filled(30), medins_setl_id: msgid, medfee_sumamt: amount }),
  refd_detail: v.pipe(v.array(v.object({ fund: filled(32), refd_amt: amount })), v.maxLength(16)),
});
export const reverseInput = v.strictObject({ psn_no: filled(64), omsgid: msgid, oinfno: v.pipe(v.string(), v.regex(/^\d{4}$/)) });

export const personInput = v.strictObject({
  mdtrt_cert_type: v.literal("01"),
  mdtrt_cert_no: v.pipe(v.string(), v.regex(EC_TOKEN)),
  psn_no: filled(64),
});
/** Whoever else the insurer knows this person to be is left unread. */
export const personOutput = v.object({
  baseinfo: v.object({ psn_no: filled(64) }),
  insuinfo: v.pipe(
    v.array(v.object({ insutype: filled(6), psn_insu_stas: filled(3), balc: amount, insuplc_admdvs: text(6) })),
    v.minLength(1),
  ),
});

export const signInInput = v.strictObject({ opter_no: filled(30), mac: text(20), ip: text(20) });
export const signInOutput = v.object({ signinoutb: v.object({ sign_no: filled(30) }) });

const date = v.pipe(v.string(), v.regex(/^\d{4}-\d{2}-\d{2}$/));
/** Empty `insutype` and `clr_type`: all of them. */
export const totalsInput = v.strictObject({
  insutype: text(6),
  clr_type: text(6),
  setl_optins: filled(6),
  stmt_begndate: date,
  stmt_enddate: date,
  medfee_sumamt: amount,
  fund_pay_sumamt: amount,
  acct_pay: amount,
  fixmedins_setl_cnt: v.pipe(v.string(), v.regex(/^\d{1,16}$/)),
});
export const totalsOutput = v.object({ stmtinfo: v.object({ setl_optins: text(6), stmt_rslt: v.pipe(v.string(), v.regex(/^\d{6}$/)) }) });
export const uploadInput = v.strictObject({ in: text(64_000_000), filename: filled(200), fixmedins_code: filled(12) });
export const uploadOutput = v.object({ file_qury_no: filled(64) });
export const detailsInput = v.strictObject({ setl_optins: filled(6), stmt_begndate: date, stmt_enddate: date, file_qury_no: filled(64) });
export const detailsOutput = v.object({ fileinfo: v.object({ file_qury_no: filled(64), filename: filled(200) }) });
export const downloadInput = v.strictObject({ file_qury_no: filled(64), filename: filled(200), fixmedins_code: filled(12) });

/** `stmt_rslt` of 3201, and of each row of 3202's file. */
export const STATEMENT_RESULT = { equal: "000000", hospitalOnly: "000101", centreOnly: "000102", amount: "000103" } as const;
/** Columns of 3202's file: a header row, tabs between, one row per settlement or refund (amounts below zero), a trailer `#` with the count. */
export const STATEMENT_COLUMNS = [
  "msgid",
  "setl_id",
  "mdtrt_id",
  "refd_setl_flag",
  "setl_time",
  "medfee_sumamt",
  ...FUND_FIELDS,
  "fund_pay_sumamt",
  "acct_pay",
  "acct_mulaid_pay",
  "cash_payamt",
  "hosp_part_amt",
  "stmt_rslt",
] as const;

/** `fund_pay_type` of what each fund pays (domain notes 4.3). */
export const FUND_PAY_TYPES: Readonly<Record<"employee" | "resident", Readonly<Record<FundField, string>>>> = {
  employee: {
    hifp_pay: "310100",
    cvlserv_pay: "320200",
    hifes_pay: "370200",
    hifmi_pay: "390200",
    hifob_pay: "330200",
    maf_pay: "610100",
    oth_pay: "999997",
  },
  resident: {
    hifp_pay: "390100",
    cvlserv_pay: "320200",
    hifes_pay: "370200",
    hifmi_pay: "390200",
    hifob_pay: "330200",
    maf_pay: "610100",
    oth_pay: "999997",
  },
};

/** Refusals begin with a code of this table, then words for people; an insurer's own texts mean `declined`. */
export const NHSA_REFUSALS = {
  F1001: "accountUnknown",
  F1002: "accountClosed",
  F1003: "ecTokenMissing",
  F1004: "declined",
  F2001: "captured",
  F2002: "notCaptured",
  F2003: "refunded",
  F2004: "refundExceeds",
  F2005: "declined",
  F2006: "refunded",
  F2007: "legClosed",
  F2008: "keyConflict",
  F9001: "signInNeeded",
  F9999: "declined",
} as const satisfies Record<string, RailRefusal | "signInNeeded">;
export type NhsaRefusalCode = keyof typeof NHSA_REFUSALS;

export function refusalIn(errMsg: string): RailRefusal | "signInNeeded" {
  const code = errMsg.slice(0, 5);
  return Object.hasOwn(NHSA_REFUSALS, code) ? NHSA_REFUSALS[code as NhsaRefusalCode] : "declined";
}

/** `mdtrt_id` and `chrg_bchno` have 30 characters; our ids have 34, of which the last 30 are as unlikely to meet. */
export function visitIdOf(settlementId: string): string {
  return settlementId.slice(-30);
}

/** A line as the insurer takes it, and back. */
export function detailOf(line: v.InferOutput<typeof feeLine>, at: number): v.InferOutput<typeof billDetails>[number] {
  const [yuan = "0", cents = ""] = line.amount.split(".");
  return {
    feedetl_sn: String(at + 1),
    med_list_codg: line.itemCode,
    medins_list_name: line.itemName,
    cnt: line.quantity,
    pric: line.unitPrice,
    det_item_fee_sumamt: `${yuan}.${cents.padEnd(2, "0")}`,
    med_chrgitm_type: line.category,
    chrgitm_lv: line.selfPayClass,
  };
}
export function lineOf(detail: v.InferOutput<typeof billDetails>[number]): unknown {
  return {
    itemCode: detail.med_list_codg,
    itemName: detail.medins_list_name,
    quantity: detail.cnt,
    unitPrice: detail.pric,
    amount: detail.det_item_fee_sumamt,
    category: detail.med_chrgitm_type,
    selfPayClass: detail.chrgitm_lv,
  };
}

export const MESSAGE_PATH = "/fsi/api/";
export const MESSAGE_BYTES_MAX = 256 * 1024;
