/** Why an order about partners, keys and edges is not carried out. */
import type { ErrorName } from "../protocol/errors.ts";

/** What only an operator is told, in English; all else is of the error table. */
export const ACCESS_REFUSALS = {
  edgeUnknown: "unknown edge",
  alreadyThere: "that is there already",
  keyThere: "that key counts already",
  keyRetired: "that key was retired, and never counts again",
  keyUnknown: "no such key counts",
  lastKey: "it is the last key that counts: add another one first",
  tooManyKeys: "as many keys are in force as may be: retire one first",
} as const;

export type AccessRefusal = ErrorName | keyof typeof ACCESS_REFUSALS;
