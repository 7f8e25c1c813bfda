/**
 * Changes to the directory: each is one entry of the registry log, its rows, and then the directory in memory.
 * Two changes of one thing in one batch are not merged: the second is refused and may be tried again.
 */
import type { LeafDraft } from "../../ledger/leaf-draft.ts";
import type { LedgerPosition } from "../../ledger/leaf-draft.ts";
import type { Statement } from "../../migrations/database.ts";
import type { AccessRefusal } from "./refusals.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import type { Batch, DeskDecision } from "../registry.ts";
import type { Directory } from "./directory.ts";

export interface Change {
  /** What it touches, for example `institution/H1`. */
  readonly touches: string;
  /** Why it cannot be made now. */
  readonly check: (directory: Directory) => AccessRefusal | undefined;
  readonly draft: LeafDraft;
  readonly statements: (atMs: number) => readonly Statement[];
  readonly apply: (directory: Directory) => void;
}

export function decideChanges(directory: Directory): DeskDecision<Change, Result<LedgerPosition, AccessRefusal>> {
  return (changes, batch) => {
    const touched = new Set<string>();
    return Promise.resolve(changes.map((change) => decide(directory, touched, change, batch)));
  };
}

function decide(directory: Directory, touched: Set<string>, change: Change, batch: Batch) {
  const obstacle = touched.has(change.touches) ? "inProgress" : change.check(directory);
  if (obstacle !== undefined) return () => refused<AccessRefusal>(obstacle);
  touched.add(change.touches);
  const entry = batch.append(change.draft);
  batch.write(() => change.statements(batch.atMs));
  batch.afterwards(() => change.apply(directory));
  return (positionOf: (at: typeof entry) => LedgerPosition) => ok(positionOf(entry));
}
