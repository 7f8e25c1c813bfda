/** The outcome of a verification, check by check. A check that was not made is never shown as passed. */
import type { Defect } from "./verdict.ts";

export interface CheckResult<Name extends string = string> {
  readonly name: Name;
  readonly ok: boolean;
  readonly detail: string;
}

const NOT_MADE = "not checked";

/** Checks in their fixed order, each failed until it has passed. */
export class CheckList<Name extends string> {
  readonly #results = new Map<Name, CheckResult<Name>>();

  constructor(names: readonly Name[]) {
    for (const name of names) this.#results.set(name, { name, ok: false, detail: NOT_MADE });
  }

  pass(name: Name, detail: string): void {
    this.#results.set(name, { name, ok: true, detail });
  }

  results(): readonly CheckResult<Name>[] {
    return [...this.#results.values()];
  }

  /** The results when `name` found `defect`. */
  failedAt(name: Name, defect: Defect): readonly CheckResult<Name>[] {
    this.#results.set(name, { name, ok: false, detail: defect.detail });
    return this.results();
  }
}
