/** What one batch of credential uses sees: rows read once for all of them, then changed in memory as it decides. */
import type { LedgerPosition } from "../../ledger/leaf-draft.ts";
import type { Database, Statement } from "../../migrations/database.ts";
import type { Entry, PositionOf } from "../registry.ts";
import {
  type BindingRow,
  type CodeRow,
  type PersonRow,
  readBindings,
  readCodes,
  readPersons,
  readUses,
  readVisits,
  type Step,
  type UseRow,
  type VisitRow,
  writeCodes,
  writeUses,
  writeVisits,
} from "./rows.ts";

export interface Wanted {
  readonly codeFingerprints: readonly string[];
  readonly tokenFingerprints: readonly string[];
  readonly transactionIds: readonly string[];
}

/** A use granted in this batch: its row, once its entry has a position. */
export type NewUse = Omit<UseRow, "ledgerIndex" | "leafHash"> & { readonly entry: Entry };
/** A use granted before, in an earlier batch or in this one. */
export type KnownUse = Omit<UseRow, "ledgerIndex" | "leafHash"> & { readonly position: (positionOf: PositionOf) => LedgerPosition };

export class UseView {
  readonly #codes = new Map<string, CodeRow>();
  readonly #visits = new Map<string, VisitRow>();
  readonly #visitOfToken = new Map<string, string>();
  readonly #uses = new Map<string, KnownUse>();
  readonly #newUses: NewUse[] = [];
  readonly #persons = new Map<string, PersonRow>();
  readonly #bindings = new Map<string, BindingRow[]>();
  readonly #changedCodes = new Set<string>();
  readonly #changedVisits = new Set<string>();

  /** Five multi-row SELECTs at most, however many uses the batch holds. */
  static async read(db: Database, origin: string, wanted: Wanted): Promise<UseView> {
    const view = new UseView();
    const [codes, visits, uses] = await Promise.all([
      readCodes(db, wanted.codeFingerprints),
      readVisits(db, "token_fingerprint", wanted.tokenFingerprints),
      readUses(db, wanted.transactionIds),
    ]);
    for (const code of codes) view.#codes.set(code.fingerprint, code);
    for (const visit of visits) view.#keepVisit(visit);
    for (const { ledgerIndex: index, leafHash, ...use } of uses) {
      view.#uses.set(keyOf(use.step, use.transactionId), { ...use, position: () => ({ origin, index, leafHash }) });
    }
    const visitIds = [...codes.flatMap((code) => code.visitId ?? []), ...uses.map((use) => use.visitId)];
    const missing = visitIds.filter((visitId) => !view.#visits.has(visitId));
    for (const visit of await readVisits(db, "visit_id", missing)) view.#keepVisit(visit);
    const personIds = [...codes, ...view.#visits.values()].map((row) => row.personId);
    const [persons, bindings] = await Promise.all([readPersons(db, personIds), readBindings(db, "person_id", personIds)]);
    for (const person of persons) view.#persons.set(person.personId, person);
    for (const binding of bindings) view.#bindings.set(binding.personId, [...(view.#bindings.get(binding.personId) ?? []), binding]);
    return view;
  }

  code(fingerprint: string): CodeRow | undefined {
    return this.#codes.get(fingerprint);
  }

  visit(visitId: string): VisitRow | undefined {
    return this.#visits.get(visitId);
  }

  visitOfToken(fingerprint: string): VisitRow | undefined {
    const visitId = this.#visitOfToken.get(fingerprint);
    return visitId === undefined ? undefined : this.#visits.get(visitId);
  }

  use(step: Step, transactionId: string): KnownUse | undefined {
    return this.#uses.get(keyOf(step, transactionId));
  }

  /** `undefined` once erased: codes that still must be refused outlive the person. */
  findPerson(personId: string): PersonRow | undefined {
    return this.#persons.get(personId);
  }

  person(personId: string): PersonRow {
    const person = this.#persons.get(personId);
    if (person === undefined) throw new Error("a code or visit names a person that is not there");
    return person;
  }

  bindings(personId: string): readonly BindingRow[] {
    return this.#bindings.get(personId) ?? [];
  }

  changeCode(code: CodeRow): void {
    this.#codes.set(code.fingerprint, code);
    this.#changedCodes.add(code.fingerprint);
  }

  changeVisit(visit: VisitRow): void {
    this.#keepVisit(visit);
    this.#changedVisits.add(visit.visitId);
  }

  addUse(use: NewUse): void {
    const { entry, ...row } = use;
    this.#uses.set(keyOf(use.step, use.transactionId), { ...row, position: (positionOf) => positionOf(entry) });
    this.#newUses.push(use);
  }

  /** Everything that this batch changed, one statement per table. */
  statements(positionOf: PositionOf): readonly Statement[] {
    const uses = this.#newUses.map(({ entry, ...use }): UseRow => {
      const { index, leafHash } = positionOf(entry);
      return { ...use, ledgerIndex: index, leafHash };
    });
    return [
      ...writeCodes(pick(this.#codes, this.#changedCodes)),
      ...writeVisits(pick(this.#visits, this.#changedVisits)),
      ...writeUses(uses),
    ];
  }

  #keepVisit(visit: VisitRow): void {
    this.#visits.set(visit.visitId, visit);
    this.#visitOfToken.set(visit.tokenFingerprint, visit.visitId);
  }
}

function keyOf(step: Step, transactionId: string): string {
  return `${step} ${transactionId}`;
}

function pick<T>(rows: ReadonlyMap<string, T>, keys: ReadonlySet<string>): readonly T[] {
  return [...keys].flatMap((key) => rows.get(key) ?? []);
}
