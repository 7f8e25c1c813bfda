/**
 * Signed notes in the C2SP form and the checkpoints they carry (`FORMAT.md` sections 5 and 6): the SM2 signature is a
 * private signature type (0xff), lines of unknown keys are ignored, so rotation and cosigning need no new format.
 */
import type { Crypto } from "../../core/crypto/port.ts";
import { equalBytes, fromBase64, fromHex, isName, parseDecimal, toBase64, toHex, utf8 } from "./bytes.ts";
import { HASH_BYTES, type Hash, type TreeHead } from "./tree.ts";
import { type Checked, failed, passed } from "./verdict.ts";

/** All the cryptography that a verifier needs. */
export type VerifierCrypto = Pick<Crypto, "sm3" | "sm2Verify">;

/** C2SP signature type byte of private algorithms, and what tells ours from others of that type. */
const SIGNATURE_TYPE = Uint8Array.of(0xff);
const ALGORITHM = "ronghe-sm2-sm3-v1\n";
const KEY_ID_BYTES = 4;
const SIGNATURE_BYTES = 64;
const PUBLIC_KEY_BYTES = 65;
const NOTE_CHARACTERS_MAX = 64 * 1024;
const SIGNATURES_MAX = 64;

export interface VerifierKey {
  readonly name: string;
  /** First four bytes of SM3(name ‖ 0x0a ‖ key data). */
  readonly id: Uint8Array;
  /** 04 ‖ x ‖ y. */
  readonly publicKey: Uint8Array;
}

/** A key that an auditor trusts, and the logs it may speak for; every log when `origins` is absent. */
export interface TrustedKey extends VerifierKey {
  readonly origins?: readonly string[];
}

export function verifierKey(hash: Hash, name: string, publicKey: Uint8Array): VerifierKey {
  if (!isName(name)) throw new RangeError("a key name is visible ASCII without a plus sign");
  if (publicKey.length !== PUBLIC_KEY_BYTES || publicKey[0] !== 0x04) throw new RangeError("an SM2 public key is 04, x and y");
  return { name, publicKey, id: hash(utf8(`${name}\n`), keyData(publicKey)).slice(0, KEY_ID_BYTES) };
}

function keyData(publicKey: Uint8Array): Uint8Array {
  return Uint8Array.of(...SIGNATURE_TYPE, ...utf8(ALGORITHM), ...publicKey);
}

/** `<name>+<key id in hex>+<base64 of the key data>`. */
export function printVerifierKey(key: VerifierKey): string {
  return `${key.name}+${toHex(key.id)}+${toBase64(keyData(key.publicKey))}`;
}

/** Refuses a key whose id is not the hash of its name and data: a slip in copying is found here. */
export function parseVerifierKey(hash: Hash, text: string): Checked<VerifierKey> {
  const [name = "", id = "", encoded = "", ...rest] = splitKey(text);
  const data = fromBase64(encoded);
  const prefix = SIGNATURE_TYPE.length + utf8(ALGORITHM).length;
  const publicKey = data?.subarray(prefix);
  const isOurs =
    publicKey?.length === PUBLIC_KEY_BYTES && publicKey[0] === 0x04 && data !== undefined && equalBytes(data, keyData(publicKey));
  if (!isName(name) || rest.length > 0 || !isOurs) return failed("policyMalformed", "a verifier key is not <name>+<id>+<SM2 key data>");
  const key = verifierKey(hash, name, publicKey);
  const given = fromHex(id);
  if (given === undefined || !equalBytes(given, key.id)) return failed("policyMalformed", `the id of key ${name} does not fit its data`);
  return passed(key);
}

/** Base64 may hold plus signs: only the first two part the fields. */
function splitKey(text: string): readonly string[] {
  const first = text.indexOf("+");
  const second = text.indexOf("+", first + 1);
  return first === -1 || second === -1 ? [] : [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)];
}

export interface NoteSignature {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

export interface SignedNote {
  /** What is signed, with its final newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** Splits text from signatures; everything that could be read in two ways is refused. */
export function parseNote(note: string): Checked<SignedNote> {
  if (note.length > NOTE_CHARACTERS_MAX) return failed("noteMalformed", "the note is too long");
  // eslint-disable-next-line no-control-regex -- the format forbids control characters
  if (!note.isWellFormed() || /[\x00-\x09\x0b-\x1f\x7f]/.test(note)) return failed("noteMalformed", "the note holds control characters");
  const split = note.lastIndexOf("\n\n");
  if (split < 1 || !note.endsWith("\n")) return failed("noteMalformed", "the note has no blank line between text and signatures");
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > SIGNATURES_MAX) return failed("noteMalformed", `the note has more than ${SIGNATURES_MAX} signatures`);
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const [, name = "", encoded = ""] = /^\u2014 ([^ ]+) ([^ ]+)$/u.exec(line) ?? [];
    const blob = fromBase64(encoded);
    if (!isName(name) || blob === undefined || blob.length <= KEY_ID_BYTES)
      return failed("noteMalformed", "a signature line is not `— <name> <base64>`");
    signatures.push({ name, keyId: blob.subarray(0, KEY_ID_BYTES), signature: blob.subarray(KEY_ID_BYTES) });
  }
  return passed({ text: note.slice(0, split + 1), signatures });
}

/** The signature line of one key. */
export function printSignature(key: VerifierKey, signature: Uint8Array): string {
  return `\u2014 ${key.name} ${toBase64(Uint8Array.of(...key.id, ...signature))}\n`;
}

export interface CheckpointBody extends TreeHead {
  readonly origin: string;
}

/** Origin, size and root, one line each. Extension lines of C2SP are not part of this profile. */
export function printCheckpointBody(body: CheckpointBody): string {
  return `${body.origin}\n${body.size}\n${toBase64(body.root)}\n`;
}

export function parseCheckpointBody(text: string): Checked<CheckpointBody> {
  const lines = text.split("\n");
  const [origin = "", sizeText = "", rootText = "", end] = lines;
  const size = parseDecimal(sizeText);
  const root = fromBase64(rootText);
  if (lines.length !== 4 || end !== "") return failed("checkpointMalformed", "a checkpoint is exactly three lines: origin, size, root");
  if (!isName(origin)) return failed("checkpointMalformed", "the origin is not visible ASCII without a plus sign");
  if (size === undefined) return failed("checkpointMalformed", "the size is not a decimal below 2^63 without leading zeros");
  if (root?.length !== HASH_BYTES) return failed("checkpointMalformed", "the root is not the Base64 of 32 bytes");
  return passed({ origin, size, root });
}

export interface VerifiedCheckpoint extends CheckpointBody {
  /** Keys whose signatures were found good. */
  readonly signers: readonly string[];
}

/**
 * A checkpoint with at least one good signature of a key trusted for its origin. A trusted key's signature that does
 * not verify is a defect even beside good ones: somebody changed the note. Lines of unknown keys prove nothing either way.
 */
export function verifyCheckpoint(crypto: VerifierCrypto, note: string, trusted: readonly TrustedKey[]): Checked<VerifiedCheckpoint> {
  const parsed = parseNote(note);
  if (!parsed.ok) return parsed;
  const body = parseCheckpointBody(parsed.value.text);
  if (!body.ok) return body;
  const message = utf8(parsed.value.text);
  const signers: string[] = [];
  for (const { name, keyId, signature } of parsed.value.signatures) {
    // A key may stand on several lines of a policy, each with origins of its own.
    const speaks = (entry: TrustedKey): boolean => entry.origins?.includes(body.value.origin) !== false;
    const key = trusted.find((entry) => entry.name === name && equalBytes(entry.id, keyId) && speaks(entry));
    if (key === undefined) continue;
    if (signature.length !== SIGNATURE_BYTES || !crypto.sm2Verify(key.publicKey, message, signature))
      return failed("signatureInvalid", `the signature of ${name} on the checkpoint of size ${body.value.size} is wrong`);
    if (signers.includes(printVerifierKey(key))) return failed("noteMalformed", `${name} signed twice`);
    signers.push(printVerifierKey(key));
  }
  if (signers.length === 0)
    return failed("signatureMissing", `no key trusted for ${body.value.origin} signed the checkpoint of size ${body.value.size}`);
  return passed({ ...body.value, signers });
}
