/**
 * Checks of a call in a fixed order, as data: of several faults the first in the list decides. The list that is run is
 * the list that documents print, so that what is published is what happens.
 */
import type { Result } from "./result.ts";

/** One look at a call. `Row` names a row of the published table; a step may stand for several, in their order. */
export interface Step<Row extends string, Draft, Refusal> {
  readonly rows: readonly Row[];
  readonly look: (draft: Draft) => Result<void, Refusal> | Promise<Result<void, Refusal>>;
}

/** Runs the steps until one refuses. What a step finds out it keeps in the draft, for those after it. */
export async function inOrder<Row extends string, Draft, Refusal>(
  steps: readonly Step<Row, Draft, Refusal>[],
  draft: Draft,
): Promise<Result<void, Refusal>> {
  let looked: Result<void, Refusal> = { ok: true, value: undefined };
  for (const { look } of steps) {
    looked = await look(draft);
    if (!looked.ok) return looked;
  }
  return looked;
}

/** What a step before this one found out; that it did is the order's business, so its absence is a bug. */
export function found<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("a step looks at what no step before it found");
  return value;
}
