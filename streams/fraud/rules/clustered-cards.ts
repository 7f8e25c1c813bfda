import type { RuleDefinition } from "../engine/rule.ts";

/** Many people at one terminal, one right after the other: somebody holds their codes. */
export const clusteredCards: RuleDefinition = {
  id: "clustered-cards",
  version: "1.0.0",
  owner: "ronghe/fraud",
  metadata: {
    name: "集中代刷",
    english: "Many persons at one terminal in minutes",
    definition: "多人的码在同一终端短时间内接连使用（敛卡代刷）",
    logic: "同一终端 3 分钟内接连解码、相邻间隔 < 40 秒，不同人员 ≥ 5",
    basis: "国家医保局大数据模型“医保电子凭证套现”所指情形；阈值为本平台默认",
    resultType: "可疑",
    timeRange: "滑动窗口",
    institutionLevels: ["全部"],
    institutionTypes: ["全部"],
    personCategories: ["全部"],
    scenarios: ["门急诊", "购药"],
    feeTypes: ["全部"],
    stage: "事中",
    insurance: ["全部"],
    exceptions: ["集中体检、接种等备案的群体业务"],
  },
  keyGroup: "terminal",
  inputs: { "identity.token.resolved.v1": ["terminal", "institution", "person"] },
  triggers: ["identity.token.resolved.v1"],
  parameters: {
    personsMin: { value: 5, unit: "count" },
    spanMs: { value: 180_000, unit: "ms" },
    gapBelowMs: { value: 40_000, unit: "ms" },
    cooldownMs: { value: 1_800_000, unit: "ms" },
  },
  windows: { run: { topics: ["identity.token.resolved.v1"], span: "spanMs", gapBelow: "gapBelowMs" } },
  measures: {
    persons: { op: "window.distinct", window: "run", field: "person" },
    uses: { op: "window.count", window: "run" },
  },
  when: { op: "ge", left: { op: "measure", name: "persons" }, right: { op: "parameter", name: "personsMin" } },
  outcome: {
    measure: "persons",
    bands: [{ severity: "suspicious", reason: "多人在同一终端接连用码" }],
  },
  weight: 65,
  cooldown: "cooldownMs",
};
