/** The outcome of a verification, check by check, with what each one saw. A check that was not made is never shown as passed. */
import { escaped } from "./escape.ts";
import { type Defect, type DefectName, isInconclusive } from "./verdict.ts";

export type CheckStatus = "ok" | "failed" | "incomplete";
export type Verdict = "valid" | "invalid" | "incomplete";

/** What a check can show for itself. Words for each stand in `words.ts`. */
export type EvidenceName =
  | "origin"
  | "size"
  | "root"
  | "index"
  | "leafHash"
  | "leafBytes"
  | "kind"
  | "postedAt"
  | "firstAt"
  | "lastAt"
  | "signedBy"
  | "cosignedBy"
  | "cosignedAt"
  | "quorum"
  | "keyValidity"
  | "pathHashes"
  | "entries"
  | "bundles"
  | "tiles"
  | "files"
  | "bytes"
  | "checkpoints"
  | "disclosed"
  | "committed"
  | "erasedAt"
  | "oldSize"
  | "oldRoot"
  | "missing"
  | "file";

/** Counts and sizes as numbers, instants in milliseconds under a name that ends in `At`, hashes in hex, all else as text. */
export type EvidenceValue = bigint | number | string | readonly string[];
export type Evidence = Readonly<Partial<Record<EvidenceName, EvidenceValue>>>;

/** Why a check is not passed: a defect, or that the check was not made because an earlier one ended the verification. */
export type ReasonName = DefectName | "notMade";

export interface CheckResult<Name extends string = string> {
  readonly name: Name;
  readonly status: CheckStatus;
  /** `status` is `ok`. */
  readonly ok: boolean;
  /** One English sentence. */
  readonly detail: string;
  readonly reason?: ReasonName;
  readonly evidence: Evidence;
}

const NOT_MADE = "not checked";

/** Checks in their fixed order, each not made until it has ended. */
export class CheckList<Name extends string> {
  readonly #results = new Map<Name, CheckResult<Name>>();

  constructor(names: readonly Name[]) {
    for (const name of names)
      this.#results.set(name, { name, status: "incomplete", ok: false, detail: NOT_MADE, reason: "notMade", evidence: {} });
  }

  pass(name: Name, detail: string, evidence: Evidence = {}): void {
    this.#results.set(name, { name, status: "ok", ok: true, detail: escaped(detail), evidence: shown(evidence) });
  }

  /** The check met `defect`: failed, or incomplete when the defect only says that something could not be judged. */
  fail(name: Name, defect: Defect, evidence: Evidence = {}): void {
    const status = isInconclusive(defect.name) ? "incomplete" : "failed";
    const at = defect.index === undefined ? {} : { index: defect.index };
    const detail = escaped(defect.detail);
    this.#results.set(name, { name, status, ok: false, detail, reason: defect.name, evidence: { ...shown(evidence), ...at } });
  }

  results(): readonly CheckResult<Name>[] {
    return [...this.#results.values()];
  }

  /** The results when `name` found `defect`. */
  failedAt(name: Name, defect: Defect): readonly CheckResult<Name>[] {
    this.fail(name, defect);
    return this.results();
  }
}

/** What comes from the material (kinds, names of files) is shown so that nothing in it steers who shows it. */
function shown(evidence: Evidence): Evidence {
  return Object.fromEntries(
    Object.entries(evidence).map(([name, value]) => [
      name,
      typeof value === "string" ? escaped(value) : typeof value === "object" ? value.map(escaped) : value,
    ]),
  );
}

/** Invalid when any check failed; valid only when there are checks and every one was made and passed. */
export function verdictOf(checks: readonly Pick<CheckResult, "status">[]): Verdict {
  if (checks.some((check) => check.status === "failed")) return "invalid";
  return checks.length > 0 && checks.every((check) => check.status === "ok") ? "valid" : "incomplete";
}

/** The verdict over several things verified together. */
export function worstOf(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes("invalid")) return "invalid";
  return verdicts.length > 0 && verdicts.every((verdict) => verdict === "valid") ? "valid" : "incomplete";
}
