/** What both adapters do alike when they hand out slices. */

/** Records per slice unless the subscription says otherwise. */
export const SLICE_MAX_DEFAULT = 100;

/** First and longest pause before a slice whose handler threw comes again, ms. */
const REDELIVERY_PAUSE_MIN_MS = 100;
const REDELIVERY_PAUSE_MAX_MS = 5_000;

/** Pause after the n-th failure in a row of one slice, ms: doubles up to the longest. */
export function redeliveryPauseMs(failures: number): number {
  return Math.min(REDELIVERY_PAUSE_MAX_MS, REDELIVERY_PAUSE_MIN_MS * 2 ** Math.min(failures - 1, 16));
}
