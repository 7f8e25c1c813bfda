/**
 * What a service says when it wants an entry in a log. The ledger adds origin, index, previous hash and time,
 * salts the personal fields, and fixes the exact bytes (`ledger/FORMAT.md`).
 */
export interface LeafDraft {
  /** `<domain>.<what happened>`, for example `settlement.settled`. */
  readonly kind: string;
  readonly outcome: "accepted" | "refused";
  /** Code of the error table when refused. */
  readonly code?: string;
  /** Who did it: `edge/<id>`, `app/<id>`, `core`, `operator/<id>`. */
  readonly actor: string;
  /** orgId of the institution concerned. */
  readonly institution?: string;
  /** What it is about: a settlement id, a token fingerprint. */
  readonly subject?: string;
  /** What it follows from: the settlement that a refund gives back. */
  readonly parent?: string;
  readonly idempotencyKey?: string;
  /** SM3 of the canonical request, 32 bytes. */
  readonly requestHash?: Uint8Array;
  /** Where on the bus the cause stands. */
  readonly provenance?: Provenance;
  readonly ruleSetVersion?: string;
  /** Public facts, clear in the leaf. Money is decimal fen under names such as `fen.insurance.hifp_pay`. */
  readonly facts?: Readonly<Record<string, string>>;
  /** Personal fields: only a salted commitment enters the leaf, value and salt are kept beside the log. */
  readonly personal?: Readonly<Record<string, string>>;
}

export interface Provenance {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** SM3 of the record's value, 32 bytes. */
  readonly recordHash: Uint8Array;
}

/** Where an entry stands: enough to ask for its proof. */
export interface LedgerPosition {
  readonly origin: string;
  readonly index: bigint;
  /** SM3(0x00 ‖ leaf bytes). */
  readonly leafHash: Uint8Array;
}
