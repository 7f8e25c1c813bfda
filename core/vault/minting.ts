/**
 * Minting (S0 5.2, 6.2): a one-use code for a bound user of an app: unpredictable, expiring, unrelated to any
 * account. Its text leaves the vault once; what stays is a fingerprint.
 */
import type { LedgerPosition } from "../../ledger/leaf-draft.ts";
import { GroupCommit } from "../../migrations/queue.ts";
import type { Access } from "../access/access.ts";
import type { Crypto, KeyStore } from "../crypto/port.ts";
import type { Fingerprints } from "../fingerprints.ts";
import type { Identity, SealedEhcId } from "../identity/identity.ts";
import { KEY_HANDLES } from "../key-handles.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { formatFusedCode } from "../protocol/fused-code.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import { mintSignedCode } from "../protocol/signed-token.ts";
import type { EventMs } from "../protocol/time.ts";
import { makeValid } from "../protocol/valid.ts";
import type { Answer, Batch, Desk, DeskDecision, Registry } from "../registry.ts";
import { bytesOf, numberOf, placeholders, textOf } from "../rows.ts";
import { isUsable } from "./binding-state.ts";
import { usableAccounts } from "./judgement.ts";
import type { IssueCode, IssuedCode } from "./port.ts";
import { type BindingRow, type CodeRow, type PersonRow, readBindings, readPersons, writeCodes } from "./rows.ts";
import { ISSUED_FACT } from "./vault-facts.ts";

export interface MintingOptions {
  readonly registry: Registry;
  readonly access: Access;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly fingerprints: Fingerprints;
  readonly identity: Identity;
  readonly codeLifeMs: number;
}

export interface Minting {
  issue(request: IssueCode): Promise<Result<IssuedCode, ErrorName>>;
}

/** The person that an app's user is, with what a code needs of it. */
interface AppUser extends SealedEhcId {
  readonly appUser: string;
}
/** A code made and waiting for its row; without one, the request is refused and recorded as refused. */
interface Minted {
  readonly request: IssueCode;
  readonly appUser: string;
  readonly code: Omit<CodeRow, "state" | "visitId"> | undefined;
}

/** 24 characters of [0-9A-Za-z] carry 142 bits (domain notes 3.2 asks for 96). */
const OPAQUE_LENGTH = 24;
/** A random part that happens to read as a second token is drawn again: one in some ten thousand. */
const DRAWS_MAX = 16;

export function openMinting(options: MintingOptions): Minting {
  const desk = options.registry.desk(decideIssues(options));
  const users = new GroupCommit<string, AppUser | undefined>((appUsers) => readAppUsers(options.registry, appUsers));
  return { issue: (request) => issue(options, desk, users, request) };
}

async function issue(
  options: MintingOptions,
  desk: Desk<Minted, Result<LedgerPosition, ErrorName>>,
  users: GroupCommit<string, AppUser | undefined>,
  request: IssueCode,
): Promise<Result<IssuedCode, ErrorName>> {
  const appUser = await options.fingerprints.guessable("app-user", request.appId, request.appUserId);
  const user = await users.submit(appUser);
  // Whole seconds, as VALID and the signed token carry them.
  const expiresAtMs = (Math.floor((request.atMs + options.codeLifeMs) / 1000) * 1000) as EventMs;
  const text =
    user === undefined || options.access.app(request.appId) === undefined ? undefined : await mint(options, request, user, expiresAtMs);
  const code =
    text === undefined || user === undefined
      ? undefined
      : {
          fingerprint: options.fingerprints.code(text),
          appId: request.appId,
          personId: user.personId,
          purpose: request.purpose,
          form: request.form,
          issuedAtMs: request.atMs,
          expiresAtMs,
        };
  const issued = await desk.submit({ request, appUser, code });
  if (!issued.ok) return issued;
  if (text === undefined) throw new Error("a code was issued that was not made");
  return ok({ code: text, expiresAtMs, position: issued.value });
}

async function mint(options: MintingOptions, request: IssueCode, user: AppUser, expiresAtMs: EventMs): Promise<string> {
  const { crypto, keys } = options;
  const ehcId = await options.identity.openEhcId(user);
  const valid = await makeValid(expiresAtMs, (block) => keys.sm4EncryptBlocks(KEY_HANDLES.ehcProtection, block));
  const parts = { ehcId, valid, appId: request.appId };
  for (let draw = 0; draw < DRAWS_MAX; draw++) {
    const made =
      request.form === "opaque"
        ? formatFusedCode({ ...parts, token: randomText(crypto, OPAQUE_LENGTH) })
        : await mintSignedCode({
            ...parts,
            purpose: request.purpose,
            expiresAtMs,
            random6: randomText(crypto, 6),
            sign: (message) => keys.sm2Sign(options.access.signing.signer("code", request.atMs), message),
          });
    if (made.ok) return made.value;
  }
  throw new Error("every code drawn was ambiguous: the random source repeats itself");
}

function decideIssues(options: MintingOptions): DeskDecision<Minted, Result<LedgerPosition, ErrorName>> {
  const { db } = options.registry;
  return async (items, batch) => {
    const personIds = items.flatMap((item) => item.code?.personId ?? []);
    const [persons, bindings] = await Promise.all([readPersons(db, personIds), readBindings(db, "person_id", personIds)]);
    const personOf = new Map(persons.map((person) => [person.personId, person]));
    const issued: CodeRow[] = [];
    const answers = items.map((item) => {
      const own = bindings.filter((binding) => binding.personId === item.code?.personId);
      const person = item.code === undefined ? undefined : personOf.get(item.code.personId);
      const obstacle = obstacleTo(options.access, item, person, own);
      if (obstacle !== undefined || item.code === undefined || person === undefined) {
        return refuseIssue(item, obstacle ?? "credentialUnknown", person, batch);
      }
      issued.push({ ...item.code, state: "ISSUED", visitId: undefined });
      return recordIssue(item.request, item.code, person, batch);
    });
    batch.write(() => writeCodes(issued));
    return answers;
  };
}

function obstacleTo(access: Access, item: Minted, person: PersonRow | undefined, bindings: readonly BindingRow[]): ErrorName | undefined {
  const { request } = item;
  const app = access.app(request.appId);
  if (app === undefined) return "channelUnknown";
  if (app.status !== "active") return "channelInactive";
  const place = bindings.find(
    (binding) => binding.kind === "app" && binding.fingerprint === item.appUser && isUsable(binding, request.atMs),
  );
  if (person === undefined || person.closing || place === undefined) return "credentialUnknown";
  return request.purpose === "settle" && usableAccounts(bindings, request.atMs).length === 0 ? "bindingMissing" : undefined;
}

function recordIssue(
  request: IssueCode,
  code: Omit<CodeRow, "state" | "visitId">,
  person: PersonRow,
  batch: Batch,
): Answer<Result<LedgerPosition, ErrorName>> {
  const entry = batch.append({
    kind: "vault.code.issued",
    outcome: "accepted",
    actor: `app/${request.appId}`,
    subject: code.fingerprint,
    facts: { purpose: code.purpose, form: code.form, expiresAtMs: String(code.expiresAtMs), [ISSUED_FACT]: String(code.issuedAtMs) },
    personal: { person: person.pseudonym },
  });
  return (positionOf) => ok(positionOf(entry));
}

function refuseIssue(
  item: Minted,
  code: ErrorName,
  person: PersonRow | undefined,
  batch: Batch,
): Answer<Result<LedgerPosition, ErrorName>> {
  batch.append({
    kind: "vault.code.issued",
    outcome: "refused",
    code,
    actor: code === "channelUnknown" ? "unknown app" : `app/${item.request.appId}`,
    facts: { purpose: item.request.purpose, form: item.request.form },
    ...(person === undefined ? {} : { personal: { person: person.pseudonym } }),
  });
  return () => refused(code);
}

/** Users of many requests with one SELECT. The batch looks again at what it decides by. */
async function readAppUsers(registry: Registry, appUsers: readonly string[]): Promise<readonly (AppUser | undefined)[]> {
  const distinct = [...new Set(appUsers)];
  const rows = await registry.db.read(
    `SELECT b.fingerprint, p.person_id, p.ehc_id, p.key_version FROM binding b JOIN person p ON p.person_id = b.person_id
     WHERE b.kind = 'app' AND b.state = 'ACTIVE' AND b.fingerprint IN ${placeholders(distinct)}`,
    ...distinct,
  );
  const found = new Map(
    rows.map((row): [string, AppUser] => {
      const appUser = textOf(row, "fingerprint");
      return [
        appUser,
        { appUser, personId: textOf(row, "person_id"), ehcId: bytesOf(row, "ehc_id"), keyVersion: numberOf(row, "key_version") },
      ];
    }),
  );
  return appUsers.map((appUser) => found.get(appUser));
}

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Uniform over [0-9A-Za-z]: bytes of 248 and more are thrown away, as 248 is the largest multiple of 62. */
function randomText(crypto: Crypto, length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of crypto.random(length)) if (byte < 248 && text.length < length) text += ALPHABET.charAt(byte % 62);
  }
  return text;
}
