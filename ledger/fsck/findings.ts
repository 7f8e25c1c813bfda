/** What fsck finds: every difference under a stable name, counted, the first of each name kept with its words. */

/** Names are for scripts and alarms; `docs/audit.md` says what each stands for. */
export const FINDING_NAMES = [
  "leafMissing",
  "leafMalformed",
  "leafChain",
  "leafHash",
  "columnKind",
  "columnInstitution",
  "columnSubject",
  "columnTime",
  "head",
  "headMove",
  "tileMissing",
  "tileDiffers",
  "tileExtra",
  "searchKeyMissing",
  "searchKeyExtra",
  "searchPosition",
  "disclosureDiffers",
  "disclosureMissing",
  "disclosureExtra",
  "erasureMalformed",
  "erasedMissing",
  "erasedExtra",
  "erasedKept",
  "logKey",
  "checkpoint",
  "publication",
  "schema",
  "index",
  "unreadable",
  "booksImpossible",
  "idempotency",
  "settlement",
  "account",
  "transfer",
  "conflict",
  "evidence",
  "adjustment",
  "seal",
  "sealedBalance",
  "balance",
  "consumedPosition",
  "personKept",
  "institution",
  "partnerKey",
  "terminal",
  "app",
  "edge",
  "edgeKey",
  "signingKey",
  "binding",
  "codeToken",
  "visit",
  "credentialUse",
  "person",
] as const;
export type FindingName = (typeof FINDING_NAMES)[number];

export interface Finding {
  readonly name: FindingName;
  /** Never a personal value. */
  readonly detail: string;
  /** Entry that it is about, where there is one. */
  readonly index?: bigint;
}

/** Of each name so many are kept with their words; all are counted. */
const KEPT_MAX = 10;

export class Findings {
  readonly #kept: Finding[] = [];
  readonly #unproven: string[] = [];
  #unprovenCount = 0;
  readonly #counts = new Map<FindingName, number>();

  add(name: FindingName, detail: string, index?: bigint): void {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    if (count <= KEPT_MAX) this.#kept.push(index === undefined ? { name, detail } : { name, detail, index });
  }

  /** What entries of an older version do not say of a row: it may be right, and nothing here proves it. */
  unproven(what: string): void {
    this.#unprovenCount += 1;
    if (this.#unproven.length < KEPT_MAX) this.#unproven.push(what);
  }

  get unprovenCount(): number {
    return this.#unprovenCount;
  }

  get unprovenKept(): readonly string[] {
    return this.#unproven;
  }

  get counts(): ReadonlyMap<FindingName, number> {
    return this.#counts;
  }

  get kept(): readonly Finding[] {
    return this.#kept;
  }
}
