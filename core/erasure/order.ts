/** An order to erase (个人信息保护法 art. 47), as it is given, and why one is refused. Pure. */
import * as v from "valibot";
import type { Result } from "../protocol/result.ts";

/** Legal grounds, as they stand in the ledger. */
export const ERASURE_GROUNDS = {
  withdrawn: "consent withdrawn (个人信息保护法 47-3)",
  purposeEnded: "purpose met, or no longer needed (47-1)",
  serviceEnded: "service ended, or the retention period is over (47-2)",
  unlawful: "handled against law or agreement (47-4)",
  required: "another law or regulation requires it (47-5)",
} as const;
export type ErasureGround = keyof typeof ERASURE_GROUNDS;
const GROUNDS = Object.keys(ERASURE_GROUNDS) as [ErasureGround, ...ErasureGround[]];

/**
 * - `person`: all that is kept of the person; afterwards nobody knows who it was.
 * - `records`: what entries of the past commit to; the person stays registered.
 */
export const ERASURE_SCOPES = ["person", "records"] as const;
export type ErasureScope = (typeof ERASURE_SCOPES)[number];

/** Enters the ledger: plain words without room for a story about somebody. */
const name = v.pipe(v.string(), v.regex(/^[0-9A-Za-z][0-9A-Za-z._@-]{0,63}$/));
const fingerprint = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

export const erasureOrder = v.strictObject({
  order: v.pipe(v.string(), v.regex(/^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$/)),
  by: name,
  approvedBy: name,
  ground: v.picklist(GROUNDS),
  scope: v.picklist(ERASURE_SCOPES),
  /** Keyed fingerprint of a document, or of an app and its name for the person: neither crosses a wire as it is. */
  person: v.variant("by", [
    v.strictObject({ by: v.literal("document"), fingerprint }),
    v.strictObject({ by: v.literal("appUser"), fingerprint }),
  ]),
});
export type ErasureOrder = v.InferOutput<typeof erasureOrder>;

export const ERASURE_REFUSALS = {
  samePerson: "an erasure needs a second person: whoever ordered it cannot approve it",
  personUnknown: "nobody is registered under this document or name, or everything was erased before",
  orderConflict: "this order number was used for another erasure",
  orderOpen: "another order about this person is under way: run it again first",
  settlementsOpen: "the person has settlements without an end: nothing new is taken, run the order again once they ended",
  filesInUse: "everything is erased, but another process reads a database: run the order again, to clear what the files still hold",
} as const;
export type ErasureRefusal = keyof typeof ERASURE_REFUSALS;

export interface ErasedLog {
  readonly origin: string;
  /** Erasure entries, ascending; decimal. */
  readonly entries: readonly string[];
  /** Commitments that they name. */
  readonly commitments: number;
}
export interface Erased {
  readonly order: string;
  /** The order was carried out before. */
  readonly repeated: boolean;
  readonly logs: readonly ErasedLog[];
}
export type ErasureAnswer = Result<Erased, ErasureRefusal>;
