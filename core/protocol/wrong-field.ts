/** Which field of a request is wrong, for a sender whose signature verified: the name, never the value. */
import * as v from "valibot";

/** A name such as ours are, so that nothing else of a message is repeated: not a number, not a sentence. */
const NAME = /^[A-Za-z][0-9A-Za-z_]{0,39}$/;
const INDEX = /^(?:0|[1-9][0-9]{0,3})$/;

/** @example fieldOf(issue) // "feeLines.3.amount" */
export function fieldOf(issue: v.BaseIssue<unknown>): string | undefined {
  const path = v.getDotPath(issue);
  if (path === null) return undefined;
  const [first = "", ...rest] = path.split(".");
  return NAME.test(first) && rest.every((part) => NAME.test(part) || INDEX.test(part)) ? path : undefined;
}
