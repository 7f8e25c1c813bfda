/**
 * Fields as banks, insurers and the spreadsheets between them write them. Every reading is exact or none: what is not one
 * of the known spellings is no guess but `undefined`.
 */
import { asFen, type Fen } from "../../protocol/money.ts";
import { CST_OFFSET_MS, type EventMs, parseCst14 } from "../../protocol/time.ts";

/** Letters, digits and signs of full width (U+FF01 to FF5E) are the same as those of ASCII; nothing else is made another character. */
function halfWidth(text: string): string {
  return text
    .replaceAll(/[\uFF01-\uFF5E]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
    .replaceAll("\uFFE5", "\u00A5")
    .replaceAll("\u2212", "-")
    .replaceAll(/[\u3000\u00A0\u200B\uFEFF]/g, " ");
}

/** Most cells: nothing to be taken off. */
const PLAIN = /^(?:[0-9A-Za-z._/:;-](?:[ -~]*[!-~])?)?$/;

/** What a cell holds: without blanks around it, without the apostrophe or the `="…"` by which a spreadsheet keeps text as text. */
export function cellText(raw: string): string {
  if (PLAIN.test(raw)) return raw;
  const text = halfWidth(raw).trim();
  const kept = /^="(.*)"$/s.exec(text)?.[1] ?? (text.startsWith("'") ? text.slice(1) : text);
  return kept.trim();
}

/** As names of columns and words are compared. */
export function wordText(raw: string): string {
  return cellText(raw).replaceAll(/\s/g, "").toLowerCase();
}

export interface AmountForm {
  readonly unit: "yuan" | "fen";
  /** `two`: always two decimals; `optional`: as a spreadsheet leaves them, none to two. */
  readonly decimals: "two" | "optional";
}
export interface SignedAmount {
  readonly fen: Fen;
  readonly negative: boolean;
}

/**
 * An amount of up to `digits` digits before the point: currency marks, separated thousands, a sign before or behind it or
 * parentheses. `whole`: digits alone where two decimals are wanted.
 *
 * @example readAmount("(1,234.50)", { unit: "yuan", decimals: "two" }, 14) // { fen: 123450n, negative: true }
 */
export function readAmount(cell: string, { unit, decimals }: AmountForm, digits: number): SignedAmount | "whole" | undefined {
  const bare = cell
    .replace(/^([-+(]?)\s*(?:¥|CNY|RMB|人民币)\s*/i, "$1")
    .replace(/\s*元(\)?)$/, "$1")
    .replace(/^负\s*/, "-");
  const match = /^(?:\((?<inside>[\d,.]+)\)|(?<before>[-+]?)(?<plain>[\d,.]+)(?<behind>-?))$/.exec(bare)?.groups;
  if (match === undefined) return undefined;
  const { inside, before = "", plain = "", behind = "" } = match;
  if (before !== "" && behind !== "") return undefined;
  const number = /^(?<yuan>0|[1-9]\d*|[1-9]\d{0,2}(?:,\d{3})+)(?:\.(?<cents>\d{1,2}))?$/.exec(inside ?? plain)?.groups;
  const yuan = number?.["yuan"]?.replaceAll(",", "");
  if (yuan === undefined || yuan.length > digits + (unit === "fen" ? 2 : 0)) return undefined;
  const cents = number?.["cents"] ?? "";
  const negative = inside !== undefined || before === "-" || behind === "-";
  if (unit === "fen") return cents === "" ? { fen: asFen(BigInt(yuan)), negative } : undefined;
  if (decimals === "two" && cents.length !== 2) return cents === "" ? "whole" : undefined;
  return { fen: asFen(BigInt(yuan) * 100n + BigInt(cents.padEnd(2, "0"))), negative };
}

/** A count, with the word for things that may stand behind it. */
export function readCount(cell: string): number | undefined {
  const digits = /^(0|[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d*)\s*(?:笔|条|行|rows)?$/.exec(cell)?.[1]?.replaceAll(",", "");
  return digits === undefined || digits.length > 12 ? undefined : Number(digits);
}

const DATE = String.raw`(?<year>\d{4})(?:(?<mark>[-/.])(?<month>\d{1,2})\k<mark>(?<day>\d{1,2})|年(?<zhMonth>\d{1,2})月(?<zhDay>\d{1,2})日|(?<solidMonth>\d{2})(?<solidDay>\d{2}))`;
const TIME = String.raw`(?<half>上午|下午)?\s*(?:(?<hour>\d{1,2})(?::|时|点)(?<minute>\d{1,2})(?:(?::|分)(?<second>\d{1,2})秒?)?|(?<solid>\d{6}))(?:[.,](?<fraction>\d{1,9}))?`;
const ZONE = String.raw`\s*(?<zone>Z|[+-]\d{2}:?\d{2})?`;
const DATE_ALONE = new RegExp(`^${DATE}$`);
const TIME_ALONE = new RegExp(`^${TIME}${ZONE}$`);
const DATE_AND_TIME = new RegExp(`^${DATE}[T\\s]?\\s*${TIME}${ZONE}$`);

/**
 * The second an instant lies in: the fraction is dropped, as the kept form has none. The zone is what the text says, else
 * the one given.
 *
 * @example readInstant("2026/8/1 9:05:00.999", "+08:00")
 */
export function readInstant(cell: string, zone: string): EventMs | undefined {
  return instantOf(DATE_AND_TIME.exec(cell)?.groups, zone);
}

/** Date and time in two cells; a day without a time of day is its first second. */
export function readDateAndTime(date: string, time: string | undefined, zone: string): EventMs | undefined {
  const day = DATE_ALONE.exec(date)?.groups;
  const clock = time === undefined ? {} : TIME_ALONE.exec(time)?.groups;
  return day === undefined || clock === undefined ? undefined : instantOf({ ...day, ...clock }, zone);
}

/** Of one digit or two. */
function two(text = "0"): string {
  return text.padStart(2, "0");
}

type Groups = Readonly<Record<string, string | undefined>>;

function instantOf(groups: Groups | undefined, zone: string): EventMs | undefined {
  if (groups === undefined) return undefined;
  const { year = "", solid } = groups;
  const day = `${two(groups["month"] ?? groups["zhMonth"] ?? groups["solidMonth"])}${two(groups["day"] ?? groups["zhDay"] ?? groups["solidDay"])}`;
  const hour = hourOf(groups["half"], solid?.slice(0, 2) ?? groups["hour"] ?? "0");
  const clock = solid?.slice(2) ?? `${two(groups["minute"])}${two(groups["second"])}`;
  const local = hour === undefined ? undefined : parseCst14(`${year}${day}${two(hour)}${clock}`);
  const offset = offsetMs(groups["zone"] ?? zone);
  return local === undefined || offset === undefined ? undefined : ((local + CST_OFFSET_MS - offset) as EventMs);
}

/** 上午 and 下午 count twelve hours each. */
function hourOf(half: string | undefined, hour: string): string | undefined {
  if (half === undefined) return hour;
  if (!/^(?:[1-9]|0[1-9]|1[0-2])$/.test(hour)) return undefined;
  return String((Number(hour) % 12) + (half === "下午" ? 12 : 0));
}

export function offsetMs(zone: string): number | undefined {
  if (zone === "Z") return 0;
  const [, sign = "", hours = "", minutes = ""] = /^([+-])(\d{2}):?(\d{2})$/.exec(zone) ?? [];
  if (sign === "" || Number(hours) > 14 || Number(minutes) > 59) return undefined;
  return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}
