/**
 * The platform's keys that edges trust, in versions: `bundle` signs what edges work with, `code` signs code tokens.
 * Each is replaced by overlap and without a restart of anybody.
 *
 * A code key is announced in bundles first and signs only after a bundle's whole life: by then every edge that still
 * serves knows it, those without a link included. A bundle key signs for an edge as soon as that edge says that it
 * trusts it. A retired key is in no later bundle, and edges refuse what it signs.
 */
import type { LedgerPosition } from "../../ledger/leaf-draft.ts";
import { insertRows } from "../../migrations/database.ts";
import type { KeyStore } from "../crypto/port.ts";
import { KEY_HANDLES } from "../key-handles.ts";
import { fromHex, toHex } from "../protocol/bytes.ts";
import type { AccessRefusal } from "./refusals.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import type { Desk } from "../registry.ts";
import type { Change } from "./changes.ts";
import type { Directory, SigningKey, SigningPurpose } from "./directory.ts";
import { acceptedDraft } from "./drafts.ts";

export interface SigningKeys {
  /** Not retired, newest first. */
  inForce(purpose: SigningPurpose): readonly SigningKey[];
  /** Every version there ever was, newest first. */
  list(purpose: SigningPurpose): readonly SigningKey[];
  /** Handle of the newest key that may sign at an instant. */
  signer(purpose: SigningPurpose, nowMs: number): string;
  /** A new version that signs `leadMs` from now. */
  add(purpose: SigningPurpose, leadMs: number, by: string): Promise<Result<SigningKey, AccessRefusal>>;
  /** Never the last that may sign. */
  retire(handle: string, by: string): Promise<Result<LedgerPosition, AccessRefusal>>;
}

const FIRST: Readonly<Record<SigningPurpose, string>> = { bundle: KEY_HANDLES.bundleSign, code: KEY_HANDLES.codeSign };
const COLUMNS = ["handle", "purpose", "public_key", "added_at_ms", "active_from_ms"];
/** What a bundle lists at most (`protocol/internal.ts`). */
const IN_FORCE_MAX = 8;

export interface SigningKeysOptions {
  readonly keys: KeyStore;
  readonly directory: Directory;
  readonly changes: Desk<Change, Result<LedgerPosition, AccessRefusal>>;
}

/** Enters the first versions where there are none yet. */
export async function openSigningKeys(options: SigningKeysOptions): Promise<SigningKeys> {
  const signing = createSigningKeys(options);
  for (const purpose of ["bundle", "code"] as const)
    if (signing.list(purpose).length === 0) expectOk(await signing.add(purpose, 0, "core"));
  return signing;
}

function createSigningKeys({ keys, directory, changes }: SigningKeysOptions): SigningKeys {
  const list = (purpose: SigningPurpose): readonly SigningKey[] =>
    [...directory.signingKeys.values()].filter((key) => key.purpose === purpose).toReversed();
  const inForce = (purpose: SigningPurpose): readonly SigningKey[] => list(purpose).filter((key) => key.retiredAtMs === undefined);
  const active = (purpose: SigningPurpose, nowMs: number): readonly SigningKey[] =>
    inForce(purpose).filter((key) => key.activeFromMs <= nowMs);

  return {
    list,
    inForce,
    signer(purpose, nowMs) {
      // With a clock that stepped back none may be active: then the oldest in force signs.
      const signer = active(purpose, nowMs)[0] ?? inForce(purpose).at(-1);
      if (signer === undefined) throw new Error(`no key in force signs ${purpose}s`);
      return signer.handle;
    },
    async add(purpose, leadMs, by) {
      if (!(Number.isSafeInteger(leadMs) && leadMs >= 0)) return refused("badRequest");
      const [base] = FIRST[purpose].split("/");
      const handle = `${base}/${list(purpose).length + 1}`;
      await keys.ensure(handle, "sm2");
      const publicKey = toHex(await keys.publicKey(handle));
      let made: SigningKey | undefined;
      const change = await changes.submit({
        touches: `signing-key/${purpose}`,
        check: ({ signingKeys }) => {
          if (signingKeys.has(handle)) return "inProgress";
          return inForce(purpose).length >= IN_FORCE_MAX ? "tooManyKeys" : undefined;
        },
        draft: {
          ...acceptedDraft("access.signing-key.added", by, undefined, handle),
          facts: { purpose, publicKey, leadMs: String(leadMs) },
        },
        statements: (atMs) => {
          made = { handle, purpose, publicKey, addedAtMs: atMs, activeFromMs: atMs + leadMs, retiredAtMs: undefined };
          return insertRows("signing_key", COLUMNS, [[handle, purpose, publicKey, atMs, made.activeFromMs]]);
        },
        apply: ({ signingKeys }) => {
          if (made !== undefined) signingKeys.set(handle, made);
        },
      });
      if (!change.ok) return change;
      if (made === undefined) throw new Error("a signing key was entered that was not made");
      return ok(made);
    },
    async retire(handle, by) {
      let retiredAtMs = 0;
      return await changes.submit({
        touches: `signing-key/${directory.signingKeys.get(handle)?.purpose ?? ""}`,
        check: ({ signingKeys }) => {
          const key = signingKeys.get(handle);
          if (key === undefined || key.retiredAtMs !== undefined) return "keyUnknown";
          return inForce(key.purpose).length > 1 ? undefined : "lastKey";
        },
        draft: acceptedDraft("access.signing-key.retired", by, undefined, handle),
        statements: (atMs) => {
          retiredAtMs = atMs;
          return [{ sql: "UPDATE signing_key SET retired_at_ms = ? WHERE handle = ?", args: [atMs, handle] }];
        },
        apply: ({ signingKeys }) => {
          const key = signingKeys.get(handle);
          if (key !== undefined) signingKeys.set(handle, { ...key, retiredAtMs });
        },
      });
    },
  };
}

/** Public keys of a purpose as bytes, newest first. */
export function publicKeysOf(keys: readonly SigningKey[]): readonly Uint8Array[] {
  return keys.map(({ publicKey }) => fromHex(publicKey) ?? new Uint8Array());
}

function expectOk(result: Result<unknown, AccessRefusal>): void {
  if (!result.ok) throw new Error(`the first signing key is refused with ${result.error}`);
}
