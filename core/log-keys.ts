/**
 * The keys of one log. A key is changed by overlap: the new one is announced in an entry that the old one signs; from there
 * on both sign every checkpoint; then an entry retires the old one, and only the new one signs. Sizes say which key may
 * sign what, so that a checkpoint tells by itself whether its key was in office.
 */
import type { Log } from "../ledger/port.ts";
import { type LogSigner, openLog } from "../ledger/log.ts";
import { type TrustedKey, parseVerifierKey, printVerifierKey, verifierKey } from "../ledger/verifier/note.ts";
import type { Database, Statement } from "../migrations/database.ts";
import type { Crypto, KeyStore } from "./crypto/port.ts";
import { ledgerPersons } from "./ledger-persons.ts";
import type { Clock } from "./protocol/time.ts";
import { ok, refused, type Result } from "./protocol/result.ts";

export interface LogKey {
  readonly handle: string;
  readonly key: TrustedKey;
}

export interface OpenKeyedLogOptions {
  readonly db: Database;
  readonly origin: string;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  /** Handle of the log's first key, made when missing: `ledger.registry/1`. */
  readonly firstHandle: string;
}

/** Opens a log with the keys that are in office. */
export async function openKeyedLog(options: OpenKeyedLogOptions): Promise<Log> {
  const { db, origin, crypto, keys } = options;
  const inOffice = (await logKeys(options)).filter(({ key }) => key.sizes?.last === undefined);
  const signers = await Promise.all(inOffice.map(({ handle }) => signerOf(keys, origin, handle)));
  // The newest comes first: it is the one that will stay.
  const [signer, ...alsoSigners] = signers.toReversed();
  if (signer === undefined) throw new Error(`no key of ${origin} is in office`);
  const personOf = await ledgerPersons(crypto, keys);
  const committed = (name: string, value: string): string => (name === "person" ? personOf(value) : value);
  return await openLog({ db, origin, crypto, random: (length) => crypto.random(length), signer, alsoSigners, committed });
}

async function signerOf(keys: KeyStore, origin: string, handle: string): Promise<LogSigner> {
  return { keyName: origin, publicKey: await keys.publicKey(handle), sign: (message) => keys.sm2Sign(handle, message) };
}

/** Every key the log ever had, oldest first, with the sizes it may sign. */
export async function logKeys({ db, origin, crypto, keys, firstHandle }: OpenKeyedLogOptions): Promise<readonly LogKey[]> {
  const rows = await db.read("SELECT handle, verifier_key, first_size, last_size FROM log_key ORDER BY first_size, handle");
  if (rows.length === 0) {
    await keys.ensure(firstHandle, "sm2");
    return [{ handle: firstHandle, key: { ...verifierKey(crypto.sm3, origin, await keys.publicKey(firstHandle)), origins: [origin] } }];
  }
  return rows.map((row) => {
    const parsed = parseVerifierKey(crypto.sm3, String(row["verifier_key"]));
    if (!parsed.ok) throw new Error(`a key of ${origin} cannot be read: ${parsed.error.detail}`);
    const first = BigInt(String(row["first_size"]));
    const last = typeof row["last_size"] === "bigint" ? { last: row["last_size"] } : {};
    return { handle: String(row["handle"]), key: { ...parsed.value, origins: [origin], sizes: { first, ...last } } };
  });
}

export type RotationRefusal = "overlapOpen" | "nothingToRetire";

export interface RotationOptions extends OpenKeyedLogOptions {
  readonly clock: Clock;
  /** Who does it, as the ledger names actors: `operator/name`. */
  readonly actor: string;
}

/**
 * First half of a change of keys: makes the next key, announces it in an entry of kind `ledger.key.announced`, and signs the head
 * with both. Until {@link retireKey} both keys sign.
 */
export async function announceKey(options: RotationOptions): Promise<Result<readonly LogKey[], RotationRefusal>> {
  const { origin, crypto, keys } = options;
  const known = await logKeys(options);
  const [current, second] = known.filter(({ key }) => key.sizes?.last === undefined);
  if (current === undefined || second !== undefined) return refused("overlapOpen");
  const handle = nextHandle(current.handle);
  await keys.ensure(handle, "sm2");
  const next = verifierKey(crypto.sm3, origin, await keys.publicKey(handle));
  const log = await openKeyedLog(options);
  const facts = { key: printVerifierKey(next), previous: printVerifierKey(current.key) };
  const first = known.length === 1 && current.key.sizes === undefined ? [keyRow(current.handle, current.key, 0n)] : [];
  await append(options, log, { kind: "ledger.key.announced", facts }, (index) => [...first, keyRow(handle, next, index + 1n)]);
  await signHead(options);
  return ok(await logKeys(options));
}

/** Second half: retires the older key in an entry of kind `ledger.key.retired`; it signs the head with that entry, and nothing after it. */
export async function retireKey(options: RotationOptions): Promise<Result<readonly LogKey[], RotationRefusal>> {
  const [old, next] = (await logKeys(options)).filter(({ key }) => key.sizes?.last === undefined);
  if (old === undefined || next === undefined) return refused("nothingToRetire");
  const log = await openKeyedLog(options);
  const facts = { key: printVerifierKey(old.key), next: printVerifierKey(next.key) };
  await append(options, log, { kind: "ledger.key.retired", facts }, (index) => [
    { sql: "UPDATE log_key SET last_size = ? WHERE handle = ?", args: [index + 1n, old.handle] },
  ]);
  // Both keys still stand in this opened log: its newest head is the last that the old one signs.
  await log.checkpoint(options.clock.now());
  return ok(await logKeys(options));
}

async function append(
  { db, clock, actor }: RotationOptions,
  log: Log,
  draft: { readonly kind: string; readonly facts: Readonly<Record<string, string>> },
  rows: (index: bigint) => readonly Statement[],
): Promise<void> {
  const staged = log.stage([{ ...draft, outcome: "accepted", actor }], clock.now());
  const [position] = staged.positions;
  if (position === undefined) throw new Error("an entry without a position");
  try {
    await db.write([...rows(position.index), ...staged.statements]);
  } catch (error) {
    staged.aborted();
    throw error;
  }
  staged.committed();
}

/** With the keys that are in office now. */
async function signHead(options: RotationOptions): Promise<void> {
  const log = await openKeyedLog(options);
  await log.checkpoint(options.clock.now());
}

function keyRow(handle: string, key: TrustedKey, first: bigint): Statement {
  return { sql: "INSERT INTO log_key (handle, verifier_key, first_size) VALUES (?, ?, ?)", args: [handle, printVerifierKey(key), first] };
}

/** `<purpose>/<version>`: the version after this one. */
function nextHandle(handle: string): string {
  const [purpose = "", version = ""] = handle.split("/");
  return `${purpose}/${Number(version) + 1}`;
}
