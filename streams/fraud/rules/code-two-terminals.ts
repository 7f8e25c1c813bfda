import type { RuleDefinition } from "../engine/rule.ts";

/** One dynamic code is one visit at one desk: seen at a second terminal, a copy is going round. */
export const codeTwoTerminals: RuleDefinition = {
  id: "code-two-terminals",
  version: "1.0.0",
  owner: "ronghe/fraud",
  metadata: {
    name: "同码多终端",
    english: "One code seen at two terminals",
    definition: "同一动态码在有效期前后于两台及以上终端出现",
    logic: "按码指纹统计 24 小时内扫码终端数，不论扫码结果，终端数 ≥ 2",
    basis: "S0 5.2：动态码一次性使用，不可预测且限时有效",
    resultType: "可疑",
    timeRange: "滑动窗口",
    institutionLevels: ["全部"],
    institutionTypes: ["全部"],
    personCategories: ["全部"],
    scenarios: ["住院", "门急诊", "购药", "异地就医"],
    feeTypes: ["全部"],
    stage: "事中",
    insurance: ["全部"],
    exceptions: ["静态电子健康卡码可在多台终端出示"],
  },
  keyGroup: "code",
  inputs: { "code.scan.observed.v1": ["code", "codeKind", "institution", "terminal"] },
  triggers: ["code.scan.observed.v1"],
  parameters: {
    terminalsMin: { value: 2, unit: "count" },
    spanMs: { value: 86_400_000, unit: "ms" },
    cooldownMs: { value: 86_400_000, unit: "ms" },
  },
  windows: { scans: { topics: ["code.scan.observed.v1"], span: "spanMs" } },
  measures: {
    terminals: { op: "window.distinct", window: "scans", field: "terminal" },
    scans: { op: "window.count", window: "scans" },
  },
  when: {
    op: "all",
    of: [
      { op: "ge", left: { op: "measure", name: "terminals" }, right: { op: "parameter", name: "terminalsMin" } },
      { op: "not", of: { op: "in", field: "codeKind", texts: ["ehc.static"] } },
    ],
  },
  outcome: {
    measure: "terminals",
    bands: [{ severity: "suspicious", reason: "同一动态码出现在多台终端" }],
  },
  weight: 60,
  cooldown: "cooldownMs",
};
