/** Accounting days (会计日): calendar days of UTC+8, as eight digits. Pure arithmetic on them. */
import { CST_OFFSET_MS, type EventMs, formatCst14, parseCst14 } from "../../protocol/time.ts";
import type { AccountingDay } from "../books.ts";

const DAY_MS = 86_400_000;

/** The accounting day of an instant. @example dayOf(Date.UTC(2026, 0, 1, 16) as EventMs) // "20260102" */
export function dayOf(atMs: EventMs): AccountingDay {
  return formatCst14(atMs).slice(0, 8) as AccountingDay;
}

/** `20260102` or `2026-01-02`; `undefined` for anything else, impossible dates too. */
export function parseDay(text: string): AccountingDay | undefined {
  const digits = /^\d{4}-\d{2}-\d{2}$/.test(text) ? text.replaceAll("-", "") : text;
  return /^\d{8}$/.test(digits) && parseCst14(`${digits}000000`) !== undefined ? (digits as AccountingDay) : undefined;
}

/** First instant of the day. */
export function dayStart(day: AccountingDay): EventMs {
  const start = parseCst14(`${day}000000`);
  if (start === undefined) throw new RangeError("not an accounting day");
  return start;
}

/** First instant after the day. */
export function dayEnd(day: AccountingDay): EventMs {
  return (dayStart(day) + DAY_MS) as EventMs;
}

/** @example addDays("20260131" as AccountingDay, 1) // "20260201" */
export function addDays(day: AccountingDay, days: number): AccountingDay {
  return dayOf((dayStart(day) + days * DAY_MS) as EventMs);
}

/** `yyyy-MM-dd`, as people read it. */
export function printDay(day: AccountingDay): string {
  return `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`;
}

/** `yyyyMM` or `yyyy-MM`; `undefined` for anything else. */
export function parseMonth(text: string): string | undefined {
  const digits = /^\d{4}-\d{2}$/.test(text) ? text.replace("-", "") : text;
  return /^\d{6}$/.test(digits) && parseDay(`${digits}01`) !== undefined ? digits : undefined;
}

/** Every day of a month, in order. @example daysOfMonth("202602").length // 28 */
export function daysOfMonth(month: string): readonly AccountingDay[] {
  const days: AccountingDay[] = [];
  for (let day = parseDay(`${month}01`); day?.startsWith(month) === true; day = addDays(day, 1)) days.push(day);
  return days;
}

/** Milliseconds from the instant to the end of its day. */
export function msToDayEnd(atMs: EventMs): number {
  return DAY_MS - ((atMs + CST_OFFSET_MS) % DAY_MS);
}
