/** The frame of the sandbox insurer's answers. */
import { randomInt } from "node:crypto";
import { type EventMs, formatCst14 } from "../../../protocol/time.ts";
import type { NhsaRefusalCode, NhsaRequest } from "../nhsa/messages.ts";

export interface Frame {
  readonly msgid: string;
  readonly reply: { readonly inf_refmsgid: string; readonly refmsg_time: string; readonly respond_time: string };
}

/** Numbers answers; begins anywhere, so that a restart in the same second does not repeat one. */
export function frames(): (message: NhsaRequest, nowMs: EventMs) => Frame {
  let number = randomInt(10_000_000_000);
  return (message, nowMs) => {
    number = (number + 1) % 10_000_000_000;
    const time17 = formatCst14(nowMs) + String(nowMs % 1000).padStart(3, "0");
    const inf_refmsgid = `${message.mdtrtarea_admvs}${formatCst14(nowMs)}${String(number).padStart(10, "0")}`;
    return { msgid: message.msgid, reply: { inf_refmsgid, refmsg_time: time17, respond_time: time17 } };
  };
}

export function output(frame: Frame, content: object): string {
  return JSON.stringify({ infcode: "0", ...frame.reply, err_msg: "", output: content });
}

export function refusal(frame: Frame, code: NhsaRefusalCode): string {
  return JSON.stringify({ infcode: "-1", ...frame.reply, err_msg: `${code} ${TEXTS[code]}`, output: null });
}

const TEXTS: Readonly<Record<NhsaRefusalCode, string>> = {
  F1001: "人员信息不存在",
  F1002: "参保状态异常",
  F1003: "未提供有效的医保电子凭证令牌",
  F1004: "待遇核验不通过",
  F2001: "该就诊已结算",
  F2002: "结算记录不存在",
  F2003: "结算已撤销",
  F2004: "退费金额超过可退金额",
  F2005: "该交易不允许冲正",
  F2006: "原交易已冲正",
  F2007: "原报文已冲正，不再受理",
  F2008: "报文编号重复且内容不一致",
  F9001: "未签到或签到已失效",
  F9999: "交易被拒绝",
};
