import { escaped } from "./escape.ts";

/** How every check of the verifier ends: a value, or the first defect by name. Nothing here throws on input. */
export type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Defect };

export interface Defect {
  readonly name: DefectName;
  /** One English sentence with what was found and what was wanted; never a personal value. */
  readonly detail: string;
  /** Entry at which it was met, where there is one. */
  readonly index?: bigint;
}

/** Why something was refused. `FORMAT.md` section 9 says what each stands for, `words.ts` says it in both languages. */
export const DEFECT_NAMES = [
  "policyMalformed",
  "leafMalformed",
  "leafIndex",
  "leafOrigin",
  "leafChain",
  "leafTime",
  "noteMalformed",
  "checkpointMalformed",
  "checkpointOrigin",
  "checkpointSize",
  "checkpointRoot",
  "signatureMissing",
  "signatureInvalid",
  "keyRetired",
  "quorumMissing",
  "proofMalformed",
  "proofRoot",
  "proofVacuous",
  "receiptMalformed",
  "commitmentMismatch",
  "erasureMalformed",
  "erasureMismatch",
  "erasedDisclosed",
  "rangeMalformed",
  "rangeBoundary",
  "rangeOpen",
  "questionMissing",
  "questionMismatch",
  "truncated",
  "uncovered",
  "headMissing",
  "headMismatch",
  "projectionMismatch",
  "tileMismatch",
  "knownCheckpoint",
  "unreadable",
  "exportMalformed",
  "exportUnfinished",
  "fileMissing",
  "fileUnknown",
  "fileHash",
  "logMissing",
  "headStale",
  "policyMissing",
  "policyExpired",
  "proofMissing",
  "cancelled",
] as const;
export type DefectName = (typeof DEFECT_NAMES)[number];

/** Defects that contradict nothing and only leave something unproven: the verdict is then "incomplete", never "valid". */
const INCONCLUSIVE: ReadonlySet<DefectName> = new Set([
  "uncovered",
  "unreadable",
  "exportUnfinished",
  "policyMissing",
  "policyExpired",
  "proofMissing",
  "rangeOpen",
  "questionMissing",
  "cancelled",
]);

export function isInconclusive(name: DefectName): boolean {
  return INCONCLUSIVE.has(name);
}

/** As it is handed out: nothing in its words steers who shows them. */
export function shownDefect(defect: Defect): Defect {
  return { ...defect, detail: escaped(defect.detail) };
}

export function passed<T>(value: T): Checked<T> {
  return { ok: true, value };
}

export function failed(name: DefectName, detail: string, index?: bigint): { readonly ok: false; readonly error: Defect } {
  return { ok: false, error: index === undefined ? { name, detail: escaped(detail) } : { name, detail: escaped(detail), index } };
}
