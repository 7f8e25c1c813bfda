import type { RuleDefinition } from "../engine/rule.ts";

/** Somebody writes settlement requests to the bus who is no edge, or no longer one. */
export const requestForged: RuleDefinition = {
  id: "request-forged",
  version: "1.0.0",
  owner: "ronghe/fraud",
  metadata: {
    name: "伪造结算请求",
    english: "Settlement requests that no edge proved its own",
    definition: "消息总线上出现无有效边缘节点签名的结算或退费请求，未予执行",
    logic: "按请求自称的终端统计 24 小时内被搁置的请求数，≥ 1",
    basis: "边缘节点事件来源鉴别（HMAC-SM3）；GB/T 39786 8.4 完整性与不可否认性",
    resultType: "明确",
    timeRange: "滑动窗口",
    institutionLevels: ["全部"],
    institutionTypes: ["全部"],
    personCategories: ["全部"],
    scenarios: ["住院", "门急诊", "购药"],
    feeTypes: ["全部"],
    stage: "事中",
    insurance: ["全部"],
    exceptions: ["边缘节点被停用前已受理、停用后才送达的请求"],
  },
  keyGroup: "terminal",
  inputs: { "settlement.request.rejected.v1": ["institution", "terminal", "action", "outcome"] },
  triggers: ["settlement.request.rejected.v1"],
  parameters: {
    requestsMin: { value: 1, unit: "count" },
    spanMs: { value: 86_400_000, unit: "ms" },
    cooldownMs: { value: 3_600_000, unit: "ms" },
  },
  windows: { rejected: { topics: ["settlement.request.rejected.v1"], span: "spanMs" } },
  measures: { requests: { op: "window.count", window: "rejected" } },
  when: { op: "ge", left: { op: "measure", name: "requests" }, right: { op: "parameter", name: "requestsMin" } },
  outcome: {
    measure: "requests",
    bands: [{ severity: "clear", reason: "出现来源不实的结算或退费请求，未予执行" }],
  },
  weight: 90,
  cooldown: "cooldownMs",
};
