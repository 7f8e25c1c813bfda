declare const eventMs: unique symbol;
/** An instant in milliseconds since 1970-01-01T00:00:00Z. */
export type EventMs = number & { readonly [eventMs]: true };

/** Where time comes from. Domain code takes instants as arguments; only the rim holds a clock. */
export interface Clock {
  now(): EventMs;
}

export const systemClock: Clock = { now: () => Date.now() as EventMs };

/** China Standard Time has no daylight saving: a fixed offset of eight hours (Asia/Shanghai since 1991). */
export const CST_OFFSET_MS = 8 * 3_600_000;

/** `yyyyMMddHHmmss` in UTC+8, the 14-digit timestamp of S3 A.2. */
export function formatCst14(at: EventMs): string {
  return new Date(at + CST_OFFSET_MS).toISOString().replaceAll(/[-:T]/g, "").slice(0, 14);
}

/** Parses `yyyyMMddHHmmss` in UTC+8; impossible dates (month 13, 30 February) give `undefined`. */
export function parseCst14(text: string): EventMs | undefined {
  if (!/^\d{14}$/.test(text)) return undefined;
  const part = (from: number, to: number): number => Number(text.slice(from, to));
  const [year, month, day] = [part(0, 4), part(4, 6), part(6, 8)];
  const [hour, minute, second] = [part(8, 10), part(10, 12), part(12, 14)];
  const local = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  // `Date.UTC` carries 30 February into March; only a real date comes back as it went in.
  const real = local.getUTCFullYear() === year && local.getUTCMonth() === month - 1 && local.getUTCDate() === day;
  return real && hour < 24 && minute < 60 && second < 60 ? ((local.getTime() - CST_OFFSET_MS) as EventMs) : undefined;
}

/** How far an envelope's timestamp may be from ours. S3 names no window; ±5 min (domain notes 8.1 row 5). */
export const TIMESTAMP_WINDOW_MS = 300_000;

/**
 * The timestamp of S3 A.2 as partners send it, string or number lexeme: 10 digits are seconds, 13 milliseconds,
 * 14 local time in UTC+8 (domain notes 8.1 row 5). Any other length or an impossible date gives `undefined`.
 */
export function parseWireTimestamp(digits: string): EventMs | undefined {
  if (!/^[1-9]\d*$/.test(digits)) return undefined;
  switch (digits.length) {
    case 10:
      return (Number(digits) * 1000) as EventMs;
    case 13:
      return Number(digits) as EventMs;
    case 14:
      return parseCst14(digits);
    default:
      return undefined;
  }
}

/** The calendar day of an instant in UTC+8, `yyyy-MM-dd`: the business day of settlement and supervision. */
export function cstDay(at: EventMs): string {
  return new Date(at + CST_OFFSET_MS).toISOString().slice(0, 10);
}
