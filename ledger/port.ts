import type { Statement } from "../migrations/database.ts";
import type { EventMs } from "../core/protocol/time.ts";
import type { LeafDraft, LedgerPosition } from "./leaf-draft.ts";

/**
 * The sequencer of one log, for the one process that owns the database it lives in. The owner stages entries,
 * writes `statements` in the same batch as their effects, and says how the batch ended. One stage at a time.
 */
export interface Log {
  readonly origin: string;
  /** Durable size and root. */
  readonly size: bigint;
  readonly root: Uint8Array;
  /** Fixes bytes, indices and the new root. Refuses (throws) while an earlier stage is open. */
  stage(drafts: readonly LeafDraft[], atMs: EventMs): StagedAppend;
  /**
   * Signs the durable head, stores the note and returns it; returns the latest one when nothing was appended since.
   * Called after each group commit: one signature per batch, only over what is durable.
   */
  checkpoint(atMs: EventMs): Promise<Checkpoint>;
  /** The latest stored checkpoint, if any. */
  latestCheckpoint(): Checkpoint | undefined;
  /**
   * Receipt text (`ledger/FORMAT.md`): leaf, index, inclusion proof, checkpoint. Needs a checkpoint that covers `index`: the latest one, or
   * `under`, one of this log that others have cosigned.
   */
  receipt(index: bigint, under?: Checkpoint): Promise<string>;
  /** Proof that the first `to` entries begin with the first `from`, 0 < from ≤ to ≤ size (RFC 6962 2.1.2). */
  consistency(from: bigint, to: bigint): Promise<readonly Uint8Array[]>;
  /** Exact leaf bytes from `from` on, at most `limit`, for the entries topic. */
  leaves(from: bigint, limit: number): Promise<readonly { readonly index: bigint; readonly bytes: Uint8Array }[]>;
}

export interface StagedAppend {
  /** In the order of the drafts. */
  readonly positions: readonly LedgerPosition[];
  readonly statements: readonly Statement[];
  /** The batch committed: the log moves on. */
  committed(): void;
  /** The batch failed: the log stays where it was. */
  aborted(): void;
}

export interface Checkpoint {
  readonly origin: string;
  readonly size: bigint;
  readonly root: Uint8Array;
  /** Signed note text, C2SP form. */
  readonly note: string;
}
