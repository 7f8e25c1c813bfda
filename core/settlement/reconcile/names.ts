/** What people call a difference, its states and its movement: the one vocabulary of command line and papers. */
import type { Name } from "../day/fund-names.ts";
import type { CaseState } from "./cases.ts";
import type { CaseClass } from "./rules.ts";
import type { MovementKind } from "./statement.ts";

export const CLASS_NAMES: Readonly<Record<CaseClass, Name>> = {
  surplus: { zh: "长款", en: "surplus" },
  shortage: { zh: "短款", en: "shortage" },
  amount: { zh: "金额不符", en: "amounts differ" },
  keptMoney: { zh: "拒付未退（挂账）", en: "kept of a refused bill" },
};

export const STATE_NAMES: Readonly<Record<CaseState, Name>> = {
  open: { zh: "待处理", en: "open" },
  investigating: { zh: "核查中", en: "investigating" },
  suspended: { zh: "已挂账", en: "suspended" },
  resolved: { zh: "已解决", en: "resolved" },
  writtenOff: { zh: "已核销", en: "written off" },
  booked: { zh: "已补账", en: "taken into the books" },
};

export const KIND_NAMES: Readonly<Record<MovementKind, Name>> = {
  capture: { zh: "支付", en: "payment" },
  refund: { zh: "退款", en: "refund" },
  reversal: { zh: "冲正", en: "reversal" },
};
