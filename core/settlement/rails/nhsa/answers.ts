/** What an insurer answered, checked against what it was asked; what is not true of the question is no answer. Pure. */
import * as v from "valibot";
import { asFen, type Fen, parseYuan } from "../../../protocol/money.ts";
import { type FundPart, sameParts } from "../../plan.ts";
import { type Amounts, FUND_FIELDS, partsOf, sumOf } from "../../split/amounts.ts";
import { readAmounts, violationsOf } from "../../split/equations.ts";
import type { ProvinceProfile } from "../../split/profile.ts";
import { personOutput, settleOutput, undoOutput } from "./messages.ts";

/** The question that a split must answer. */
export interface BillAsked {
  readonly msgid: string;
  readonly mdtrtId: string;
  readonly psnNo: string;
  readonly total: Fen;
}
export interface Split {
  readonly amounts: Amounts;
  readonly parts: readonly FundPart[];
  /** Of a settlement; a pre-settlement has none. */
  readonly setlId: string | undefined;
  readonly personalAccount: Fen | undefined;
}

/** Another person's, visit's or message's answer, and amounts that break an equation of the province, are refused. */
export function readSplit(output: unknown, asked: BillAsked, profile: ProvinceProfile): Split | undefined {
  const read = v.safeParse(settleOutput, output);
  if (!read.success) return undefined;
  const { setlinfo, setldetail } = read.output;
  if (setlinfo.medins_setl_id !== asked.msgid || setlinfo.mdtrt_id !== asked.mdtrtId || setlinfo.psn_no !== asked.psnNo) return undefined;
  const amounts = readAmounts(setlinfo);
  if (!amounts.ok || amounts.value.medfee_sumamt !== asked.total || violationsOf(amounts.value, profile).length > 0) return undefined;
  const funds = sumOf(FUND_FIELDS.map((field) => amounts.value[field]));
  const details = setldetail?.map((detail) => parseYuan(detail.fund_payamt));
  if (details !== undefined && details.reduce((sum: bigint, amount) => sum + (amount ?? -1n), 0n) !== funds) return undefined;
  const personalAccount = setlinfo.balc === undefined ? undefined : parseYuan(setlinfo.balc);
  return { amounts: amounts.value, parts: partsOf(amounts.value), setlId: setlinfo.setl_id, personalAccount };
}

export interface UndoAsked {
  readonly msgid: string;
  readonly mdtrtId: string;
  readonly setlId: string;
  readonly parts: readonly FundPart[];
}

/** The number of the undoing; only when exactly what was asked for was given back. */
export function readUndone(output: unknown, asked: UndoAsked): string | undefined {
  const read = v.safeParse(undoOutput, output);
  if (!read.success) return undefined;
  const { setlinfo, refd_detail } = read.output;
  if (setlinfo.medins_setl_id !== asked.msgid || setlinfo.mdtrt_id !== asked.mdtrtId || setlinfo.orig_setl_id !== asked.setlId)
    return undefined;
  const given = refd_detail.map((one) => ({
    fundSource: one.fund,
    amount: one.refd_amt.startsWith("-") ? parseYuan(one.refd_amt.slice(1)) : undefined,
  }));
  return sameParts(given, asked.parts) ? setlinfo.setl_id : undefined;
}

/** Whoever the token stands for must be whom the vault named; only what the settlement needs is read. */
export function readPerson(output: unknown, psnNo: string): { readonly insutype: string; readonly active: boolean } | undefined {
  const read = v.safeParse(personOutput, output);
  if (!read.success || read.output.baseinfo.psn_no !== psnNo) return undefined;
  const insured = read.output.insuinfo.find((one) => one.psn_insu_stas === "1") ?? read.output.insuinfo[0];
  return insured === undefined ? undefined : { insutype: insured.insutype, active: insured.psn_insu_stas === "1" };
}

export function amountOf(parts: readonly FundPart[]): Fen {
  return asFen(parts.reduce((sum, part) => sum + part.amount, 0n));
}
