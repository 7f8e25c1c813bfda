import type { RuleDefinition } from "../engine/rule.ts";

/** One code, two bills: edges that were cut off could both take it, the core paid one and refused the other. */
export const codeContested: RuleDefinition = {
  id: "code-contested",
  version: "1.0.0",
  owner: "ronghe/fraud",
  metadata: {
    name: "一码两结",
    english: "One code taken for two settlements",
    definition: "同一动态码先后被两笔结算受理（多为离线期间），先到者生效，后到者被核心拒绝",
    logic: "核心裁决结算时发现该码已属另一笔交易（扫码结果 codeContested），次数 ≥ 1",
    basis: "S0 5.2：动态码一次性使用；离线受理以核心裁决为准",
    resultType: "明确",
    timeRange: "滑动窗口",
    institutionLevels: ["全部"],
    institutionTypes: ["全部"],
    personCategories: ["全部"],
    scenarios: ["住院", "门急诊", "购药", "异地就医"],
    feeTypes: ["全部"],
    stage: "事后",
    insurance: ["全部"],
    exceptions: ["机构系统将同一笔账换号重报"],
  },
  keyGroup: "code",
  inputs: { "code.scan.observed.v1": ["code", "outcome", "institution", "terminal"] },
  triggers: ["code.scan.observed.v1"],
  parameters: {
    timesMin: { value: 1, unit: "count" },
    spanMs: { value: 172_800_000, unit: "ms" },
    cooldownMs: { value: 172_800_000, unit: "ms" },
  },
  windows: { scans: { topics: ["code.scan.observed.v1"], span: "spanMs" } },
  measures: {
    scans: { op: "window.count", window: "scans" },
    terminals: { op: "window.distinct", window: "scans", field: "terminal" },
  },
  when: {
    op: "all",
    of: [
      { op: "in", field: "outcome", texts: ["codeContested"] },
      { op: "ge", left: { op: "measure", name: "scans" }, right: { op: "parameter", name: "timesMin" } },
    ],
  },
  outcome: {
    measure: "terminals",
    bands: [{ severity: "clear", reason: "同一动态码被两笔结算受理，后到者被拒绝" }],
  },
  weight: 75,
  cooldown: "cooldownMs",
};
