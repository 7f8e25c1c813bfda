import type { RuleDefinition } from "../engine/rule.ts";

/** Two desks too far apart for the time between: somebody else stood at one of them. */
export const impossibleTravel: RuleDefinition = {
  id: "impossible-travel",
  version: "1.0.0",
  owner: "ronghe/fraud",
  metadata: {
    name: "异地时空冲突",
    english: "Impossible travel between scans",
    definition: "同一人先后两次面对面用码，两地距离与间隔时间所需速度超出常理",
    logic: "同一人 24 小时内相邻两次解码：距离 > 50 公里且所需速度 > 150 公里/小时",
    basis: "两次用码终端的备案位置与时间",
    resultType: "可疑",
    timeRange: "滑动窗口",
    institutionLevels: ["全部"],
    institutionTypes: ["全部"],
    personCategories: ["全部"],
    scenarios: ["住院", "门急诊", "购药", "异地就医"],
    feeTypes: ["全部"],
    stage: "事中",
    insurance: ["全部"],
    exceptions: ["互联网诊疗", "亲属代购"],
  },
  keyGroup: "person",
  inputs: { "identity.token.resolved.v1": ["person", "institution", "terminal", "latitude", "longitude"] },
  triggers: ["identity.token.resolved.v1"],
  parameters: {
    distanceOverMetres: { value: 50_000, unit: "m" },
    speedOverMetresPerHour: { value: 150_000, unit: "m/h" },
    historyMs: { value: 86_400_000, unit: "ms" },
    cooldownMs: { value: 21_600_000, unit: "ms" },
  },
  windows: { visits: { topics: ["identity.token.resolved.v1"], span: "historyMs" } },
  measures: {
    distanceMetres: { op: "distance", window: "visits" },
    speedMetresPerHour: { op: "speed", window: "visits" },
    elapsedMs: { op: "since", window: "visits" },
  },
  when: {
    op: "all",
    of: [
      { op: "gt", left: { op: "measure", name: "distanceMetres" }, right: { op: "parameter", name: "distanceOverMetres" } },
      { op: "gt", left: { op: "measure", name: "speedMetresPerHour" }, right: { op: "parameter", name: "speedOverMetresPerHour" } },
    ],
  },
  outcome: {
    measure: "speedMetresPerHour",
    bands: [{ severity: "suspicious", reason: "两次用码之间所需速度超出常理" }],
  },
  weight: 70,
  cooldown: "cooldownMs",
};
