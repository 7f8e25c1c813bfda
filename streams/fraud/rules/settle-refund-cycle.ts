import type { RuleDefinition } from "../engine/rule.ts";

/** Settled and given back, again and again, for one person at one institution: cash drawn through the account. */
export const settleRefundCycle: RuleDefinition = {
  id: "settle-refund-cycle",
  version: "1.0.0",
  owner: "ronghe/fraud",
  metadata: {
    name: "结算退费循环",
    english: "Settle-and-refund cycles",
    definition: "同一人在同一机构反复结算后退费（刷卡—退药—再刷）",
    logic: "按人员和机构统计 30 日内“结算后退费”次数，同一笔结算分次退费计一次，次数 ≥ 3",
    basis: "国家医保局 2025 年 7 月定点药店通报所列情形",
    resultType: "可疑",
    timeRange: "滑动窗口",
    institutionLevels: ["全部"],
    institutionTypes: ["全部"],
    personCategories: ["全部"],
    scenarios: ["门急诊", "购药"],
    feeTypes: ["全部"],
    stage: "事后",
    insurance: ["全部"],
    exceptions: ["机构系统故障期间的冲正"],
  },
  keyGroup: "personAtInstitution",
  inputs: {
    "settlement.claim.settled.v1": ["person", "institution", "terminal", "settlement", "amount"],
    "settlement.claim.refunded.v1": ["person", "institution", "terminal", "originalSettlement", "amount"],
  },
  triggers: ["settlement.claim.settled.v1", "settlement.claim.refunded.v1"],
  parameters: {
    cyclesMin: { value: 3, unit: "count" },
    spanMs: { value: 2_592_000_000, unit: "ms" },
    cooldownMs: { value: 2_592_000_000, unit: "ms" },
  },
  windows: {
    claims: { topics: ["settlement.claim.settled.v1", "settlement.claim.refunded.v1"], span: "spanMs" },
    refunds: { topics: ["settlement.claim.refunded.v1"], span: "spanMs" },
  },
  measures: {
    cycles: {
      op: "sequence",
      window: "claims",
      from: { topic: "settlement.claim.settled.v1", field: "settlement" },
      to: { topic: "settlement.claim.refunded.v1", field: "originalSettlement" },
    },
    refundedFen: { op: "window.sum", window: "refunds", field: "amount" },
  },
  when: {
    op: "all",
    of: [
      // Cheap first: without enough refunds there is nothing to pair.
      { op: "ge", left: { op: "window.count", window: "refunds" }, right: { op: "parameter", name: "cyclesMin" } },
      { op: "ge", left: { op: "measure", name: "cycles" }, right: { op: "parameter", name: "cyclesMin" } },
    ],
  },
  outcome: {
    measure: "cycles",
    bands: [
      { below: 10, severity: "suspicious", reason: "30 日内多次结算后退费" },
      { from: 10, severity: "clear", reason: "30 日内结算后退费十次及以上" },
    ],
  },
  weight: 50,
  cooldown: "cooldownMs",
};
