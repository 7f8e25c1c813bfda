import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { KeyKind } from "./port.ts";
import { PASSPHRASE_ITERATIONS_MAX, PASSPHRASE_ITERATIONS_MIN, PASSPHRASE_SALT_BYTES } from "./passphrase.ts";
import { concat, fromBase64, toBase64, utf8 } from "./text.ts";

const FORMAT = "ronghe-keystore";
const VERSION = 1;
const KDF_NAME = "PBKDF2-HMAC-SM3";

/** How the passphrase became the KEK; absent when the KEK came from outside. */
export interface KdfSettings {
  readonly iterations: number;
  readonly salt: Uint8Array;
}

export interface WrappedKey {
  readonly handle: string;
  readonly kind: KeyKind;
  readonly createdAtMs: number;
  /** `Crypto.seal` of the key under the KEK; the other fields are its associated data. */
  readonly wrapped: Uint8Array;
}

export interface KeyStoreFile {
  readonly kdf: KdfSettings | undefined;
  /** A sealed constant: opens under the right KEK, also when there is no key yet. */
  readonly check: Uint8Array;
  readonly keys: readonly WrappedKey[];
  /** HMAC-SM3 over {@link macInput}: an entry taken out or put back is noticed, not only one that was changed. */
  readonly mac: Uint8Array;
}

/** The file is not a key store, or was changed by someone without the KEK. Restore it from a backup. */
export class KeyStoreDamagedError extends Error {
  override readonly name = "KeyStoreDamagedError";
}

/** `<purpose>/<version>`: letters, digits, dot, dash and underscore in segments, then a whole number from 1. */
export function isHandle(handle: string): boolean {
  return handle.length <= 128 && /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*\/[1-9][0-9]{0,8}$/.test(handle);
}

function isKind(kind: unknown): kind is KeyKind {
  return kind === "sm2" || kind === "sm4" || kind === "secret";
}

/** Length-prefixed, so that no two lists of fields give the same bytes. */
function framed(...parts: readonly Uint8Array[]): Uint8Array {
  return concat(
    ...parts.flatMap((part) => {
      const length = new Uint8Array(4);
      new DataView(length.buffer).setUint32(0, part.length);
      return [length, part];
    }),
  );
}

/** What a wrapped key is bound to: it opens under no other handle, kind, age or format. */
export function entryAad(entry: Omit<WrappedKey, "wrapped">): Uint8Array {
  return framed(utf8(FORMAT), utf8(String(VERSION)), utf8(entry.handle), utf8(entry.kind), utf8(String(entry.createdAtMs)));
}

/** Everything in the file but the MAC itself. */
export function macInput(file: Omit<KeyStoreFile, "mac">): Uint8Array {
  const kdf = file.kdf === undefined ? utf8("none") : framed(utf8(KDF_NAME), utf8(String(file.kdf.iterations)), file.kdf.salt);
  return framed(utf8(FORMAT), utf8(String(VERSION)), kdf, file.check, ...file.keys.map((key) => framed(entryAad(key), key.wrapped)));
}

export function printKeyStoreFile(file: KeyStoreFile): string {
  const kdf = file.kdf === undefined ? null : { name: KDF_NAME, iterations: file.kdf.iterations, salt: toBase64(file.kdf.salt) };
  const keys = file.keys.map((key) => ({ ...key, wrapped: toBase64(key.wrapped) }));
  return `${JSON.stringify({ format: FORMAT, version: VERSION, kdf, check: toBase64(file.check), keys, mac: toBase64(file.mac) }, null, 2)}\n`;
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown, names: readonly string[]): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new KeyStoreDamagedError("not an object where one belongs");
  const found = Object.keys(value).sort().join();
  if (found !== [...names].sort().join()) throw new KeyStoreDamagedError("other fields than a key store has");
  return value as Fields;
}

function bytesOf(value: unknown): Uint8Array {
  const bytes = typeof value === "string" ? fromBase64(value) : undefined;
  if (bytes === undefined) throw new KeyStoreDamagedError("not canonical Base64 where it belongs");
  return bytes;
}

function parseKdf(value: unknown): KdfSettings | undefined {
  if (value === null) return undefined;
  const { name, iterations, salt } = fieldsOf(value, ["name", "iterations", "salt"]);
  const bytes = bytesOf(salt);
  const sane =
    name === KDF_NAME &&
    Number.isInteger(iterations) &&
    Number(iterations) >= PASSPHRASE_ITERATIONS_MIN &&
    Number(iterations) <= PASSPHRASE_ITERATIONS_MAX &&
    bytes.length === PASSPHRASE_SALT_BYTES;
  if (!sane) throw new KeyStoreDamagedError("passphrase settings outside what this version makes");
  return { iterations: Number(iterations), salt: bytes };
}

function parseKey(value: unknown): WrappedKey {
  const { handle, kind, createdAtMs, wrapped } = fieldsOf(value, ["handle", "kind", "createdAtMs", "wrapped"]);
  if (typeof handle !== "string" || !isHandle(handle) || !isKind(kind)) throw new KeyStoreDamagedError("an entry without a handle or kind");
  if (typeof createdAtMs !== "number" || !Number.isSafeInteger(createdAtMs)) throw new KeyStoreDamagedError("an entry without its time");
  return { handle, kind, createdAtMs, wrapped: bytesOf(wrapped) };
}

/** Throws {@link KeyStoreDamagedError} for anything that {@link printKeyStoreFile} does not print. */
export function parseKeyStoreFile(text: string): KeyStoreFile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new KeyStoreDamagedError("not JSON");
  }
  const { format, version, kdf, check, keys, mac } = fieldsOf(json, ["format", "version", "kdf", "check", "keys", "mac"]);
  if (format !== FORMAT) throw new KeyStoreDamagedError("not a key store");
  if (version !== VERSION) throw new KeyStoreDamagedError("a key store of another version of this program");
  if (!Array.isArray(keys)) throw new KeyStoreDamagedError("no list of keys");
  const entries = keys.map(parseKey);
  if (new Set(entries.map((entry) => entry.handle)).size !== entries.length) throw new KeyStoreDamagedError("one handle twice");
  return { kdf: parseKdf(kdf), check: bytesOf(check), keys: entries, mac: bytesOf(mac) };
}

/** `undefined` when there is no file yet. */
export async function readKeyStoreFile(path: string): Promise<KeyStoreFile | undefined> {
  try {
    return parseKeyStoreFile(await readFile(path, "utf8"));
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}

export function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

/**
 * Writes beside the file, flushes, then renames over it, then flushes the folder: after a crash there is the old file or the new one.
 * Only one writer at a time: see `withKeyStoreLock`.
 */
export async function writeKeyStoreFile(path: string, file: KeyStoreFile): Promise<void> {
  const temporary = `${path}.tmp`;
  // A crash may have left one; it holds wrapped keys only.
  await rm(temporary, { force: true });
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(printKeyStoreFile(file));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
