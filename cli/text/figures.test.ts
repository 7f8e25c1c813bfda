import { expect, test } from "vitest";
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
