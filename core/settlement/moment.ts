/** When something is written, and on which accounting day (会计日) it counts. Pure. */
import type { EventMs } from "../protocol/time.ts";
import type { AccountingDay } from "./books.ts";
import { addDays, dayOf } from "./day/accounting-day.ts";

/** The same for everything of one commit. */
export interface Moment {
  readonly atMs: EventMs;
  /** The day of `atMs`, or the first open one where that is sealed already. */
  readonly day: AccountingDay;
  readonly sealedThrough: AccountingDay | undefined;
}

export function momentAt(atMs: EventMs, sealedThrough: AccountingDay | undefined): Moment {
  const own = dayOf(atMs);
  return { atMs, day: sealedThrough === undefined || own > sealedThrough ? own : addDays(sealedThrough, 1), sealedThrough };
}

/** Whether what was accepted at an instant comes after the seal of its own day. */
export function isLate(acceptedAtMs: EventMs, moment: Moment): boolean {
  return moment.sealedThrough !== undefined && dayOf(acceptedAtMs) <= moment.sealedThrough;
}
