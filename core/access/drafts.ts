import type { LeafDraft } from "../../ledger/leaf-draft.ts";

/** An entry of the registry log for a change that was made; refused changes of access leave none. */
export function acceptedDraft(kind: string, actor: string, institution: string | undefined, subject: string): LeafDraft {
  return { kind, outcome: "accepted", actor, subject, ...(institution === undefined ? {} : { institution }) };
}
