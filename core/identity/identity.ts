/**
 * Real-name people (S1 3.3, 3.4; S0 6.1): one person per document, a main index ID, an EHC-ID. Everything that names a
 * person is sealed under `identity.data`; the registry log holds a commitment and no more.
 */
import type { LedgerPosition } from "../../ledger/leaf-draft.ts";
import { insertRows } from "../../migrations/database.ts";
import type { Crypto, KeyStore } from "../crypto/port.ts";
import type { Fingerprints } from "../fingerprints.ts";
import { KEY_HANDLES, SEALING, SEALING_VERSION, sealedColumn } from "../key-handles.ts";
import { toHex, utf8, utf8Text } from "../protocol/bytes.ts";
import { type EhcDocumentType, ehcTypesOf } from "../protocol/documents.ts";
import { deriveEhcId } from "../protocol/ehc-id.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { isIdNumber } from "../protocol/id-numbers.ts";
import { personPseudonymInput } from "../protocol/pseudonym.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import { type IdType, isIdType } from "../protocol/tables.ts";
import type { Answer, Batch, Desk, DeskDecision, Registry } from "../registry.ts";
import { bytesOf, numberOf, placeholders, textOf } from "../rows.ts";

export interface PersonRegistration {
  /** S3 C.2. */
  readonly idType: string;
  readonly idNo: string;
  readonly name: string;
  /** The health card's type, where the NHSA type stands for several documents; the first of them otherwise. */
  readonly ehcType?: EhcDocumentType;
}

export interface RegisteredPerson {
  readonly personId: string;
  /** HMAC-SM3 of `personId` under the analytics key, hex. */
  readonly pseudonym: string;
  /** False when the same person was registered before. */
  readonly isNew: boolean;
}

/** What stands on the first document. */
export interface RealName {
  readonly name: string;
  readonly idType: string;
  readonly idNo: string;
}

export interface Identity {
  /** Checks document and name and registers once; again with the same name: the same person. */
  register(registration: PersonRegistration, by: string): Promise<Result<RegisteredPerson, ErrorName>>;
  /** The person behind a document, by fingerprint alone. */
  find(idType: string, idNo: string): Promise<RegisteredPerson | undefined>;
  /** Opens a sealed name; for replies to those who may see it. */
  openRealName(row: SealedRealName): Promise<RealName>;
  /** Opens the EHC-ID, 64 hex digits, for minting a code. */
  openEhcId(row: SealedEhcId): Promise<string>;
}

export interface SealedRealName {
  readonly personId: string;
  readonly identity: Uint8Array;
  readonly keyVersion: number;
}
export interface SealedEhcId {
  readonly personId: string;
  readonly ehcId: Uint8Array;
  readonly keyVersion: number;
}

export interface IdentityOptions {
  readonly registry: Registry;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly fingerprints: Fingerprints;
}

export function openIdentity(options: IdentityOptions): Identity {
  return new RegistryIdentity(options);
}

/** All that is written, made before the batch, so that the batch itself only looks and decides. */
interface NewPerson {
  readonly by: string;
  readonly personId: string;
  readonly fingerprint: string;
  readonly pseudonym: string;
  readonly mainIndex: Uint8Array;
  readonly identity: Uint8Array;
  readonly ehcId: Uint8Array;
  readonly ehcFingerprint: string;
  readonly idType: IdType;
  readonly ehcType: EhcDocumentType;
  readonly number: Uint8Array;
}
type Registered =
  | { readonly known: SealedRealName & RegisteredPerson & { readonly closing: boolean } }
  | { readonly created: RegisteredPerson; readonly position: LedgerPosition };

class RegistryIdentity implements Identity {
  readonly #options: IdentityOptions;
  readonly #desk: Desk<NewPerson, Registered>;

  constructor(options: IdentityOptions) {
    this.#options = options;
    this.#desk = options.registry.desk(decideRegistrations(options.registry));
  }

  async register(registration: PersonRegistration, by: string): Promise<Result<RegisteredPerson, ErrorName>> {
    const name = registration.name.normalize("NFC").trim();
    if (!isIdType(registration.idType) || !/^[^\p{Cc}]{1,200}$/u.test(name)) return refused("badRequest");
    const idNo = canonicalNumber(registration.idNo);
    const ehcType = ehcTypeOf(registration.idType, registration.ehcType);
    if (ehcType === undefined || !isIdNumber(registration.idType, idNo, "strict")) return refused("badRequest");
    const person = await this.#prepare({ name, idNo, idType: registration.idType, ehcType }, by);
    if (person === undefined) return refused("badRequest");
    const registered = await this.#desk.submit(person);
    if ("created" in registered) return ok(registered.created);
    // One document, two names: somebody must look, nothing is overwritten.
    const { personId, pseudonym, closing } = registered.known;
    if (closing) return refused("inProgress");
    const sameName = (await this.openRealName(registered.known)).name === name;
    return sameName ? ok({ personId, pseudonym, isNew: false }) : refused("idempotencyConflict");
  }

  async find(idType: string, idNo: string): Promise<RegisteredPerson | undefined> {
    if (!isIdType(idType)) return undefined;
    const fingerprint = await this.#options.fingerprints.guessable("document", idType, canonicalNumber(idNo));
    const [row] = await this.#options.registry.db.read(
      "SELECT p.person_id, p.pseudonym FROM person_document d JOIN person p ON p.person_id = d.person_id WHERE d.fingerprint = ?",
      fingerprint,
    );
    return row === undefined ? undefined : { personId: textOf(row, "person_id"), pseudonym: textOf(row, "pseudonym"), isNew: false };
  }

  async openRealName(row: SealedRealName): Promise<RealName> {
    const opened = await this.#open(row.identity, "identity", row);
    return JSON.parse(opened) as RealName;
  }

  async openEhcId(row: SealedEhcId): Promise<string> {
    return await this.#open(row.ehcId, "ehc_id", row);
  }

  /** `undefined` when the document cannot become an EHC-ID: over 30 characters, or not ASCII. */
  async #prepare(
    document: RealName & { readonly idType: IdType; readonly ehcType: EhcDocumentType },
    by: string,
  ): Promise<NewPerson | undefined> {
    const { crypto, keys, fingerprints } = this.#options;
    const { name, idType, idNo, ehcType } = document;
    const input = personPseudonymInput(idType, idNo);
    // The guide's inputs of the main index are not public and its SM3 is unkeyed (domain notes 2.2): an unkeyed digest of an
    // ID number is a dictionary look-up, so ours is HMAC-SM3 and opaque to everyone else.
    const mainIndex = await keys.hmacSm3(KEY_HANDLES.personIndex, input);
    const ehcId = await deriveEhcId(crypto, toHex(mainIndex), { idType: ehcType, idNo }, (block) =>
      keys.sm4EncryptBlocks(KEY_HANDLES.ehcSecurity, block),
    );
    if (ehcId === undefined) return undefined;
    const personId = toHex(crypto.random(16));
    const seal = (table: string, column: string, value: string): Promise<Uint8Array> =>
      keys.seal(`${SEALING.identity}/${SEALING_VERSION}`, utf8(value), sealedColumn(table, column, personId, SEALING_VERSION));
    return {
      by,
      personId,
      mainIndex,
      idType,
      ehcType,
      fingerprint: await fingerprints.guessable("document", idType, idNo),
      // Of the random id, not of the document: once the id is destroyed nobody can tell whose pseudonym it was, and a topic
      // forgets nothing.
      pseudonym: toHex(await keys.hmacSm3(KEY_HANDLES.analyticsPerson, utf8(personId))),
      identity: await seal(
        "person",
        "identity",
        JSON.stringify({
          name,
          idType,
          idNo,
        } satisfies RealName),
      ),
      ehcId: await seal("person", "ehc_id", ehcId),
      ehcFingerprint: await fingerprints.guessable("ehc-id", ehcId),
      number: await seal("person_document", "number", idNo),
    };
  }

  async #open(sealed: Uint8Array, column: string, row: { readonly personId: string; readonly keyVersion: number }): Promise<string> {
    const aad = sealedColumn("person", column, row.personId, row.keyVersion);
    const opened = await this.#options.keys.open(`${SEALING.identity}/${row.keyVersion}`, sealed, aad);
    const text = opened === undefined ? undefined : utf8Text(opened);
    if (text === undefined) throw new Error("a sealed identity does not open: wrong key store or altered database");
    return text;
  }
}

function decideRegistrations(registry: Registry): DeskDecision<NewPerson, Registered> {
  return async (persons, batch) => {
    const fingerprints = persons.map((person) => person.fingerprint);
    const rows = await registry.db.read(
      `SELECT person_id, fingerprint, pseudonym, identity, key_version, closing FROM person WHERE fingerprint IN ${placeholders(fingerprints)}`,
      ...fingerprints,
    );
    const known = new Map(
      rows.map((row) => [
        textOf(row, "fingerprint"),
        {
          personId: textOf(row, "person_id"),
          pseudonym: textOf(row, "pseudonym"),
          isNew: false,
          identity: bytesOf(row, "identity"),
          keyVersion: numberOf(row, "key_version"),
          closing: numberOf(row, "closing") !== 0,
        },
      ]),
    );
    const created: NewPerson[] = [];
    const answers = persons.map((person): Answer<Registered> => {
      const there = known.get(person.fingerprint);
      if (there !== undefined) return () => ({ known: there });
      created.push(person);
      known.set(person.fingerprint, { ...person, isNew: false, keyVersion: SEALING_VERSION, closing: false });
      return create(person, batch);
    });
    batch.write(() => [
      ...insertRows("person", PERSON_COLUMNS, personRows(created, batch.atMs)),
      ...insertRows("person_document", DOCUMENT_COLUMNS, documentRows(created)),
    ]);
    return answers;
  };
}

function create(person: NewPerson, batch: Batch): Answer<Registered> {
  const entry = batch.append({
    kind: "identity.person.registered",
    outcome: "accepted",
    actor: person.by,
    facts: { idType: person.idType },
    personal: { person: person.pseudonym },
  });
  const { personId, pseudonym } = person;
  return (positionOf) => ({ created: { personId, pseudonym, isNew: true }, position: positionOf(entry) });
}

const PERSON_COLUMNS = [
  "person_id",
  "fingerprint",
  "pseudonym",
  "main_index",
  "identity",
  "ehc_id",
  "ehc_fingerprint",
  "key_version",
  "registered_at_ms",
];
const DOCUMENT_COLUMNS = ["fingerprint", "person_id", "nhsa_type", "ehc_type", "number", "key_version"];

function personRows(persons: readonly NewPerson[], atMs: number) {
  return persons.map((person) => [
    person.personId,
    person.fingerprint,
    person.pseudonym,
    person.mainIndex,
    person.identity,
    person.ehcId,
    person.ehcFingerprint,
    SEALING_VERSION,
    atMs,
  ]);
}

function documentRows(persons: readonly NewPerson[]) {
  return persons.map((person) => [person.fingerprint, person.personId, person.idType, person.ehcType, person.number, SEALING_VERSION]);
}

/** As {@link personPseudonymInput} folds it: full-width digits, white space, a small x. */
export function canonicalNumber(idNo: string): string {
  return idNo.normalize("NFKC").replaceAll(/\s/gu, "").toUpperCase();
}

/** NHSA types 11 to 15 have no row on the health side: they become 其他. */
function ehcTypeOf(idType: IdType, wanted: EhcDocumentType | undefined): EhcDocumentType | undefined {
  const ways = ehcTypesOf(idType);
  const types: readonly EhcDocumentType[] = ways.kind === "one" ? [ways.type] : ways.kind === "several" ? ways.types : ["99"];
  return wanted === undefined ? types[0] : types.find((type) => type === wanted);
}
