import type { CodePurpose } from "../protocol/channel-operations.ts";
import type { ErrorName } from "../protocol/errors.ts";
import type { Result } from "../protocol/result.ts";
import type { EventMs } from "../protocol/time.ts";
import type { LedgerPosition } from "../../ledger/leaf-draft.ts";

/**
 * The token service (JR/T 0149; S0 4.2): binds a person's insurance, commercial and bank accounts, mints one-use
 * code tokens unrelated to them, and opens the bindings only for a current legal transaction.
 * Every call, granted or refused, is an entry of the registry log, in the transaction of its effect.
 */
export interface Vault {
  /** Mints a code for a bound user of an app. */
  issueCode(request: IssueCode): Promise<Result<IssuedCode, ErrorName>>;
  /** Consumes a code once (again with the same `transactionId`: the same answer) and opens a visit with an ecToken. */
  resolve(request: ResolveCredential): Promise<Result<ResolvedPerson, ErrorName>>;
  /**
   * Gives the accounts behind a code or ecToken for one settlement. A code not consumed yet is consumed here; a code
   * that the same institution has already resolved stands, to its own end, for the ecToken it was given. One settlement
   * per ecToken.
   */
  deTokenise(request: DeTokenise): Promise<Result<AccountBindings, ErrorName>>;
  /**
   * Gives the accounts to ask payers about a bill, without settling it: a code is consumed and opens the visit, whose
   * ecToken may ask again and then settle.
   */
  openForPresettlement(request: CredentialUse): Promise<Result<OpenedVisit, ErrorName>>;
  /** Revokes a code that was not used. */
  revokeCode(request: { readonly code: string; readonly appId: string; readonly atMs: EventMs }): Promise<Result<void, ErrorName>>;
}

export interface IssueCode {
  readonly appId: string;
  readonly appUserId: string;
  readonly purpose: CodePurpose;
  readonly form: "signed" | "opaque";
  readonly atMs: EventMs;
}
export interface IssuedCode {
  /** The text of the QR symbol. */
  readonly code: string;
  readonly expiresAtMs: EventMs;
  readonly position: LedgerPosition;
}

export interface CredentialUse {
  readonly credential: { readonly kind: "code" | "ecToken"; readonly value: string };
  readonly institution: string;
  readonly terminal: string;
  readonly businessType: string;
  /** `<institution>/<outTradeNo>`: repeating it repeats the answer. */
  readonly transactionId: string;
  readonly atMs: EventMs;
  /** Who asks, for the ledger: `edge/<id>`; the core itself when absent. */
  readonly actor?: string;
}
export type ResolveCredential = CredentialUse;
export type DeTokenise = DeTokeniseForSettlement | DeTokeniseForRefund;
export interface DeTokeniseForSettlement extends CredentialUse {
  readonly purpose: "settlement";
  /** When the edge accepted it: a code counts as of that instant, so that a slow road does not expire it. */
  readonly acceptedAtMs: EventMs;
  /** Which edge says so, and when it reached us; absent where no edge stands between. */
  readonly acceptedBy?: { readonly edge: string; readonly arrivedAtMs: EventMs };
}
/** A refund shows no code: the accounts are those of the settlement it gives back. */
export interface DeTokeniseForRefund extends Omit<CredentialUse, "credential"> {
  readonly purpose: "refund";
  readonly acceptedAtMs: EventMs;
  /** `<institution>/<outTradeNo>` of the settlement. */
  readonly originalTransactionId: string;
}

export interface ResolvedPerson {
  /** HMAC-SM3 under the analytics key, hex. */
  readonly person: string;
  readonly userName: string;
  readonly idType: string;
  readonly idNo: string;
  readonly insuOrg: string;
  readonly ecToken: string;
  readonly ecTokenExpiresMs: EventMs;
  readonly position: LedgerPosition;
}

/** The accounts of a visit that is not settled yet. */
export interface OpenedVisit extends AccountBindings {
  readonly ecTokenExpiresMs: EventMs;
}

/** Accounts for use inside the call to the rails; never stored, logged or returned to an edge (S0 4.2 (3), (4)). */
export interface AccountBindings {
  readonly person: string;
  /** NHSA token for the insurance leg (domain notes 0.7); always present: the insurance leg carries an ecToken. */
  readonly ecToken: string;
  readonly insurance?: { readonly accountId: string; readonly insuOrg: string };
  readonly commercial?: { readonly authorisationId: string };
  readonly bank?: { readonly contractId: string };
  readonly position: LedgerPosition;
}
