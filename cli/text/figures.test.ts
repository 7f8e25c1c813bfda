import { expect, test } from "vitest";
import type { NumberExpression } from "../../streams/fraud/engine/rule.ts";
import { SHIPPED_RULES } from "../../streams/fraud/rules/index.ts";
import { figureText, yuanText } from "./figures.ts";

test.each([
  ["distanceMetres", "512361", "两地距离 512.4 公里", "distance 512.4 km"],
  ["distanceMetres", "80", "两地距离 80 米", "distance 80 m"],
  ["speedMetresPerHour", "10247220", "所需速度 10,247.2 公里/小时", "speed 10,247.2 km/h"],
  ["elapsedMs", "180000", "间隔 3 分钟", "elapsed 3 min"],
  ["elapsedMs", "1500", "间隔 1.5 秒", "elapsed 1.5 s"],
  ["cooldownMs", "2592000000", "静默时间 30 天", "cooldown 30 d"],
  ["historyMs", "5430000", "回看时间 1 小时 30 分钟", "history 1 h 30 min"],
  ["amountFen", "123450", "amountFen 1,234.50 元", "amount 1,234.50 yuan"],
  ["elapsedMs", "unknown", "间隔 未知", "elapsed unknown"],
  ["personsMin", "5", "人数限值 5", "persons min 5"],
])("an alert's %s=%s reads in words and units", (name, value, zh, en) => {
  expect(figureText(name, value, "zh")).toBe(zh);
  expect(figureText(name, value, "en")).toBe(en);
});

test.each([
  [0n, "0.00"],
  [123_450n, "1,234.50"],
  [-100_000_001n, "-1,000,000.01"],
])("%s fen are %s yuan", (fen, text) => {
  expect(yuanText(fen)).toBe(text);
});

/** How a figure of each unit ends, in Chinese; a count has no unit. */
const ENDS = { m: / 米$/, "m/h": / 公里\/小时$/, ms: / 秒$/, fen: / 元$/, count: / [\d,.]+$/ } as const;

function unitOf(expression: NumberExpression): keyof typeof ENDS {
  switch (expression.op) {
    case "distance":
      return "m";
    case "speed":
      return "m/h";
    case "since":
      return "ms";
    case "window.sum":
      return "fen";
    case "window.count":
    case "window.distinct":
    case "sequence":
      return "count";
    default:
      throw new Error(`no shipped rule measures by ${expression.op}`);
  }
}
const figures = SHIPPED_RULES.flatMap(({ id, measures, parameters }) => [
  ...Object.entries(measures).map(([name, expression]) => ({ id, name, unit: unitOf(expression) })),
  ...Object.entries(parameters).map(([name, { unit }]) => ({ id, name, unit })),
]);

test.each(figures)("$name of rule $id has a Chinese name and its unit ($unit)", ({ name, unit }) => {
  const shown = figureText(name, "12", "zh");
  expect(shown).not.toMatch(/[A-Za-z]/);
  if (!(unit in ENDS)) throw new Error(`no unit ${unit}`);
  expect(shown).toMatch(ENDS[unit as keyof typeof ENDS]);
});
