/**
 * Whether one use of a credential is granted. Pure: rows in, verdict out; nothing is changed here.
 * Refusals in the order of checking, each with its name of the error table.
 */
import type { ErrorName } from "../protocol/errors.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import { isUsable } from "./binding-state.ts";
import { CLOCK_SKEW_MS } from "./domain-controls.ts";
import { ACCOUNT_KINDS, type BindingRow, type CodeRow, type Step, type VisitRow } from "./rows.ts";
import type { UseView } from "./use-view.ts";

/** What was shown, by fingerprint; a code that no vault could know never gets here. */
export type Presented =
  | { readonly kind: "code"; readonly fingerprint: string; readonly form: "fused.signed" | "fused.opaque" }
  | { readonly kind: "ecToken"; readonly fingerprint: string }
  /** A refund shows nothing: it names the settlement. */
  | { readonly kind: "settlement"; readonly transactionId: string };

export interface Use {
  readonly step: Step;
  readonly presented: Presented;
  readonly institution: string;
  readonly terminal: string;
  readonly businessType: string;
  readonly transactionId: string;
  /** The instant that expiry is measured against. */
  readonly instantMs: number;
}

/** Who it is and what may be opened. Either an open visit, or a code whose visit is to be opened now. */
export interface Granted {
  readonly personId: string;
  readonly code: CodeRow | undefined;
  readonly visit: VisitRow | undefined;
  /** Accounts to open, at most one of each kind. */
  readonly bindings: readonly BindingRow[];
}

export function judge(use: Use, view: UseView): Result<Granted, ErrorName> {
  switch (use.presented.kind) {
    case "settlement":
      return judgeRefund(use, use.presented.transactionId, view);
    case "code": {
      const code = view.code(use.presented.fingerprint);
      return code === undefined ? refused("codeUnknown") : judgeCode(use, code, view);
    }
    case "ecToken": {
      const visit = view.visitOfToken(use.presented.fingerprint);
      // One answer for unknown and foreign: an institution learns nothing about another's visits (S3 C.4 501001).
      if (visit === undefined || visit.institution !== use.institution) return refused("tokenInvalid");
      return judgeVisit(use, visit, view);
    }
  }
}

function judgeCode(use: Use, code: CodeRow, view: UseView): Result<Granted, ErrorName> {
  if (isPaying(use.step) && code.purpose !== "settle") return refused("codeKindRefused");
  switch (code.state) {
    case "REVOKED":
      return refused("codeRevoked");
    case "EXPIRED":
      return refused("codeExpired");
    case "CONSUMED": {
      const visit = code.visitId === undefined ? undefined : view.visit(code.visitId);
      if (visit === undefined) throw new Error("a consumed code without its visit");
      // A code that was decoded at this terminal stands for the ecToken it was given, once, for the settlement. At
      // another terminal it would be a second showing of a one-use code (S0 5.2): there the ecToken settles.
      const mine = visit.institution === use.institution && visit.terminal === use.terminal;
      if (use.step !== "settlement" || !mine || visit.settledBy !== undefined) return refused("codeUsed");
      // Its own end holds all the same, as an edge sees it: whoever photographed it gets no part of the ecToken's longer life.
      return use.instantMs > code.expiresAtMs + CLOCK_SKEW_MS ? refused("codeExpired") : judgeVisit(use, visit, view);
    }
    case "ISSUED":
      if (use.instantMs < code.issuedAtMs - CLOCK_SKEW_MS) return refused("timestampOutside");
      // An edge takes a code a little after its end, because clocks differ; what it took is not refused for that here.
      if (use.instantMs >= code.expiresAtMs + (use.step === "settlement" ? CLOCK_SKEW_MS : 0)) return refused("codeExpired");
      return withAccounts(use, { personId: code.personId, code, visit: undefined }, view);
  }
}

function judgeVisit(use: Use, visit: VisitRow, view: UseView): Result<Granted, ErrorName> {
  if (visit.businessFamily !== use.businessType.slice(0, 2)) return refused("businessTypeRefused");
  if (isPaying(use.step) && visit.purpose !== "settle") return refused("codeKindRefused");
  if (use.instantMs >= visit.expiresAtMs) return refused("tokenInvalid");
  // One settlement per ecToken, and after it the visit is over (domain notes 8.1 row 22).
  if (visit.settledBy !== undefined) return refused("tokenInvalid");
  return withAccounts(use, { personId: visit.personId, code: undefined, visit }, view);
}

/** A refund goes back to the accounts of the settlement, whatever became of their bindings, as long as they exist. */
function judgeRefund(use: Use, original: string, view: UseView): Result<Granted, ErrorName> {
  const settlement = view.use("settlement", original);
  if (settlement === undefined || !original.startsWith(`${use.institution}/`)) return refused("settlementUnknown");
  const visit = view.visit(settlement.visitId);
  if (visit === undefined) throw new Error("a settlement without its visit");
  const opened = new Set(settlement.bindings);
  const bindings = view.bindings(visit.personId).filter((binding) => opened.has(binding.bindingId));
  return ok({ personId: visit.personId, code: undefined, visit, bindings });
}

function withAccounts(use: Use, found: Omit<Granted, "bindings">, view: UseView): Result<Granted, ErrorName> {
  const bindings = usableAccounts(view.bindings(found.personId), use.instantMs);
  if (isPaying(use.step) && bindings.length === 0) return refused("bindingMissing");
  return ok({ ...found, bindings });
}

/** A code issued to identify is good for neither. */
function isPaying(step: Step): boolean {
  return step === "settlement" || step === "presettlement";
}

/** One usable account of each kind: the one that changed last, as the person's latest choice. */
export function usableAccounts(bindings: readonly BindingRow[], atMs: number): readonly BindingRow[] {
  return ACCOUNT_KINDS.flatMap((kind) => {
    const usable = bindings.filter((binding) => binding.kind === kind && binding.account !== undefined && isUsable(binding, atMs));
    const latest = usable.reduce<BindingRow | undefined>(
      (best, binding) => (best === undefined || binding.changedAtMs >= best.changedAtMs ? binding : best),
      undefined,
    );
    return latest === undefined ? [] : [latest];
  });
}

/** What a use left in the record, to recognise its repetition. */
export function credentialOf(presented: Presented): string {
  return presented.kind === "settlement" ? presented.transactionId : presented.fingerprint;
}
