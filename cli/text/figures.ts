/** Figures in words and units for readers; machines read the plain ones in `--json`. */
import { asFen, formatYuan } from "../../core/protocol/money.ts";

export type Lang = "zh" | "en";

const UNITS = {
  zh: { km: "公里", m: "米", kmh: "公里/小时", yuan: "元", s: "秒", min: "分钟", h: "小时", d: "天", unknown: "未知" },
  en: { km: "km", m: "m", kmh: "km/h", yuan: "yuan", s: "s", min: "min", h: "h", d: "d", unknown: "unknown" },
} as const;

/** Names of measures and parameters as the shipped rules have them; others are shown by their own name. */
const MEASURES: Readonly<Record<string, string>> = {
  distanceMetres: "两地距离",
  distanceOverMetres: "距离限值",
  speedMetresPerHour: "所需速度",
  speedOverMetresPerHour: "速度限值",
  elapsedMs: "间隔",
  historyMs: "回看时间",
  cooldownMs: "静默时间",
  spanMs: "窗口",
  gapBelowMs: "相邻间隔限值",
  persons: "人数",
  personsMin: "人数限值",
  terminals: "终端数",
  terminalsMin: "终端数限值",
  times: "次数",
  timesMin: "次数限值",
  uses: "用码次数",
  scans: "扫码次数",
  refundedFen: "退费金额",
  requests: "请求数",
  requestsMin: "请求数限值",
  cycles: "循环次数",
  cyclesMin: "循环次数限值",
};

/** Money with thousands separated. @example yuanText(123450n) === "1,234.50" */
export function yuanText(fen: bigint): string {
  const [whole = "", cents = ""] = formatYuan(asFen(fen)).split(".");
  return `${whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ",")}.${cents}`;
}

/** A rule's value by its name, whose end says the unit. @example figureText("distanceMetres", "512361", "zh") === "两地距离 512.4 公里" */
export function figureText(name: string, value: string, lang: Lang): string {
  const shown = lang === "zh" ? (MEASURES[name] ?? name) : words(name);
  return `${shown} ${valueText(name, value, lang)}`;
}

function valueText(name: string, value: string, lang: Lang): string {
  const unit = UNITS[lang];
  if (value === "unknown") return unit.unknown;
  if (!/^-?\d{1,15}$/.test(value)) return value;
  const number = Number(value);
  if (name.endsWith("MetresPerHour")) return `${grouped(number / 1000)} ${unit.kmh}`;
  if (name.endsWith("Metres")) return Math.abs(number) < 1000 ? `${number} ${unit.m}` : `${grouped(number / 1000)} ${unit.km}`;
  if (name.endsWith("Fen")) return `${yuanText(BigInt(value))} ${unit.yuan}`;
  if (name.endsWith("Ms")) return durationText(number, lang);
  return grouped(number);
}

/** The two greatest units. @example durationText(180_000, "zh") === "3 分钟" */
export function durationText(ms: number, lang: Lang): string {
  const unit = UNITS[lang];
  if (Math.abs(ms) < 60_000) return `${grouped(ms / 1000)} ${unit.s}`;
  const seconds = Math.round(ms / 1000);
  const parts = [
    [Math.trunc(seconds / 86_400), unit.d],
    [Math.trunc(seconds / 3600) % 24, unit.h],
    [Math.trunc(seconds / 60) % 60, unit.min],
    [seconds % 60, unit.s],
  ] as const;
  const first = parts.findIndex(([count]) => count !== 0);
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count !== 0)
    .map(([count, name]) => `${count} ${name}`)
    .join(" ");
}

/** At most one decimal, thousands separated. */
function grouped(number: number): string {
  return number.toLocaleString("en-US", { maximumFractionDigits: 1 });
}

/** `distanceOverMetres` as "distance over": the unit stands behind the value. */
function words(name: string): string {
  return name
    .replace(/(?:MetresPerHour|Metres|Fen|Ms)$/, "")
    .replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .trim();
}
