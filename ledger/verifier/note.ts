/**
 * Signed notes in the C2SP form and the checkpoints they carry (`FORMAT.md` sections 5 and 6): the SM2 signature is a
 * private signature type (0xff), lines of unknown keys are ignored, so rotation and cosigning need no new format.
 */
import type { Crypto } from "../../core/crypto/port.ts";
import { equalBytes, fromBase64, fromHex, isLonger, isName, parseDecimal, TIME_MS_MAX, toBase64, toHex, u64At, utf8 } from "./bytes.ts";
import { describeQuorum, meetsQuorum, type QuorumRule } from "./quorum.ts";
import { HASH_BYTES, type Hash, type TreeHead } from "./tree.ts";
import { type Checked, failed, passed } from "./verdict.ts";

/** All the cryptography that a verifier needs. */
export type VerifierCrypto = Pick<Crypto, "sm3" | "sm2Verify" | "sm3Many">;

/** C2SP signature type byte of private algorithms, and what tells ours from others of that type. */
const SIGNATURE_TYPE = Uint8Array.of(0xff);
const ALGORITHM = { log: "ronghe-sm2-sm3-v1\n", witness: "ronghe-sm2-sm3-cosignature-v1\n" } as const;
const KEY_ID_BYTES = 4;
const SIGNATURE_BYTES = 64;
const TIMESTAMP_BYTES = 8;
const TIMESTAMP_MAX = TIME_MS_MAX / 1000n;
const PUBLIC_KEY_BYTES = 65;
export const NOTE_BYTES_MAX = 64 * 1024;
const SIGNATURES_MAX = 64;

/** A key that signs the checkpoints of logs. */
export interface VerifierKey {
  readonly kind?: never;
  readonly name: string;
  /** First four bytes of SM3(name ‖ 0x0a ‖ key data). */
  readonly id: Uint8Array;
  /** 04 ‖ x ‖ y. */
  readonly publicKey: Uint8Array;
}

/** A key that cosigns: its key data name another algorithm, so that neither kind of line passes for the other. */
export interface WitnessKey extends Omit<VerifierKey, "kind"> {
  readonly kind: "witness";
}

/** A key that an auditor trusts, and the logs it may speak for; every log when `origins` is absent. */
export interface TrustedKey extends VerifierKey {
  readonly origins?: readonly string[];
  /** Sizes that the key may sign, both ends included; after `last` it is retired. Stands with exactly one origin. */
  readonly sizes?: SizeRange;
}

export interface SizeRange {
  readonly first: bigint;
  /** Still in office when absent. */
  readonly last?: bigint;
}

/** Somebody else who signs what a log shows, after checking that it only grew. */
export interface Witness {
  /** As the policy calls it; the name in its key may be another. */
  readonly name: string;
  readonly key: WitnessKey;
  /** Where it takes checkpoints; verifiers need none. */
  readonly url?: string;
}

/** What an auditor trusts: keys of logs, witnesses, and which of these must have cosigned. `parsePolicy` reads one. */
export interface Policy extends QuorumRule {
  readonly logs: readonly TrustedKey[];
  readonly witnesses: readonly Witness[];
  /** Seconds since the quorum cosigned, beyond which a head is no longer taken for the newest. */
  readonly headAgeS?: bigint;
  /** Instant from which on the policy itself counts no more: there is a newer one. */
  readonly untilMs?: bigint;
}

/** Keys alone are a policy that asks for no witness. */
export type Trust = Policy | readonly TrustedKey[];

/** The policy that a list of keys stands for. */
export function asPolicy(trust: Trust): Policy {
  return "logs" in trust ? trust : { logs: trust, witnesses: [], groups: [] };
}

export function verifierKey(hash: Hash, name: string, publicKey: Uint8Array): VerifierKey {
  return { name, publicKey, id: keyId(hash, name, keyData("log", publicKey)) };
}

export function witnessKey(hash: Hash, name: string, publicKey: Uint8Array): WitnessKey {
  return { kind: "witness", name, publicKey, id: keyId(hash, name, keyData("witness", publicKey)) };
}

function keyId(hash: Hash, name: string, data: Uint8Array): Uint8Array {
  if (!isName(name)) throw new RangeError("a key name is visible ASCII without a plus sign");
  return hash(utf8(`${name}\n`), data).slice(0, KEY_ID_BYTES);
}

function keyData(kind: keyof typeof ALGORITHM, publicKey: Uint8Array): Uint8Array {
  if (publicKey.length !== PUBLIC_KEY_BYTES || publicKey[0] !== 0x04) throw new RangeError("an SM2 public key is 04, x and y");
  return Uint8Array.of(...SIGNATURE_TYPE, ...utf8(ALGORITHM[kind]), ...publicKey);
}

/** `<name>+<key id in hex>+<base64 of the key data>`. */
export function printVerifierKey(key: VerifierKey | WitnessKey): string {
  return `${key.name}+${toHex(key.id)}+${toBase64(keyData(key.kind ?? "log", key.publicKey))}`;
}

/** Refuses a key whose id is not the hash of its name and data: a slip in copying is found here. */
export function parseVerifierKey(hash: Hash, text: string): Checked<VerifierKey> {
  return parseKey(text, "log", (name, publicKey) => verifierKey(hash, name, publicKey));
}

/** As {@link parseVerifierKey}, for a key that cosigns. */
export function parseWitnessKey(hash: Hash, text: string): Checked<WitnessKey> {
  return parseKey(text, "witness", (name, publicKey) => witnessKey(hash, name, publicKey));
}

function parseKey<Key extends VerifierKey | WitnessKey>(
  text: string,
  kind: keyof typeof ALGORITHM,
  keyOf: (name: string, publicKey: Uint8Array) => Key,
): Checked<Key> {
  const [name = "", id = "", encoded = "", ...rest] = splitKey(text);
  const data = fromBase64(encoded);
  const publicKey = data?.subarray(SIGNATURE_TYPE.length + ALGORITHM[kind].length);
  const isOurs =
    publicKey?.length === PUBLIC_KEY_BYTES && publicKey[0] === 0x04 && data !== undefined && equalBytes(data, keyData(kind, publicKey));
  if (!isName(name) || rest.length > 0 || !isOurs)
    return failed("policyMalformed", `a ${kind === "log" ? "verifier" : "witness"} key is not <name>+<id>+<SM2 key data>`);
  const key = keyOf(name, publicKey);
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
  if (isLonger(note, NOTE_BYTES_MAX)) return failed("noteMalformed", "the note is too long");
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

/** What a witness signs: that at `timeS` (seconds since 1970) this was the newest head of the log that it had seen. */
export function cosignatureMessage(timeS: bigint, text: string): Uint8Array {
  return utf8(`cosignature/v1\ntime ${timeS}\n${text}`);
}

/** The signature line of a witness: the time stands before the signature. */
export function printCosignature(key: WitnessKey, timeS: bigint, signature: Uint8Array): string {
  const time = new Uint8Array(TIMESTAMP_BYTES);
  new DataView(time.buffer).setBigUint64(0, timeS);
  return `\u2014 ${key.name} ${toBase64(Uint8Array.of(...key.id, ...time, ...signature))}\n`;
}

/** The time of a witness's line over `text`, when the signature is good. */
export function verifyCosignature(crypto: VerifierCrypto, key: WitnessKey, text: string, signature: Uint8Array): bigint | undefined {
  if (signature.length !== TIMESTAMP_BYTES + SIGNATURE_BYTES) return undefined;
  const timeS = u64At(signature, 0);
  const isGood =
    timeS <= TIMESTAMP_MAX && crypto.sm2Verify(key.publicKey, cosignatureMessage(timeS, text), signature.subarray(TIMESTAMP_BYTES));
  return isGood ? timeS : undefined;
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
  /** Keys of the log whose signatures were found good. */
  readonly signers: readonly string[];
  /** Witnesses of the policy whose cosignatures were found good. */
  readonly cosigners: readonly Cosigner[];
  /** Whether they are as many as the policy asks for; always true of a policy without witnesses. */
  readonly hasQuorum: boolean;
}

export interface Cosigner {
  /** As the policy calls the witness. */
  readonly name: string;
  /** Seconds since 1970, by the witness's clock. */
  readonly timeS: bigint;
}

/**
 * A checkpoint that the policy accepts: at least one good signature of a key trusted for its origin and size, and the
 * quorum of witnesses. A trusted key's signature that does not verify is a defect even beside good ones: somebody changed
 * the note. Lines of unknown keys prove nothing either way.
 */
export function verifyCheckpoint(crypto: VerifierCrypto, note: string, trust: Trust): Checked<VerifiedCheckpoint> {
  const signed = verifyLogSignature(crypto, note, trust);
  if (!signed.ok || signed.value.hasQuorum) return signed;
  const { size, cosigners } = signed.value;
  const found = cosigners.length === 0 ? "none" : cosigners.map((cosigner) => cosigner.name).join(", ");
  return failed(
    "quorumMissing",
    `the policy asks for ${describeQuorum(asPolicy(trust))}; cosigners of the checkpoint of size ${size}: ${found}`,
  );
}

/** As {@link verifyCheckpoint}, but a missing quorum is only told: what the log itself stands by, witnessed or not yet. */
export function verifyLogSignature(crypto: VerifierCrypto, note: string, trust: Trust): Checked<VerifiedCheckpoint> {
  const policy = asPolicy(trust);
  const parsed = parseNote(note);
  if (!parsed.ok) return parsed;
  const { text, signatures } = parsed.value;
  const body = parseCheckpointBody(text);
  if (!body.ok) return body;
  const { origin, size } = body.value;
  const seen = new Set<string>();
  const signers: string[] = [];
  const cosigners: Cosigner[] = [];
  let retired: string | undefined;
  for (const line of signatures) {
    const witness = policy.witnesses.find(({ key }) => isKeyOf(line, key));
    // A key may stand on several lines of a policy, each with origins of its own.
    const keys = policy.logs.filter((key) => isKeyOf(line, key) && key.origins?.includes(origin) !== false);
    const key = keys.find((entry) => isInOffice(entry, size)) ?? keys[0];
    if (witness === undefined && key === undefined) continue;
    const id = `${line.name}+${toHex(line.keyId)}`;
    if (seen.has(id)) return failed("noteMalformed", `${line.name} signed twice`);
    seen.add(id);
    const timeS = witness === undefined ? undefined : verifyCosignature(crypto, witness.key, text, line.signature);
    const isGood =
      key === undefined
        ? timeS !== undefined
        : line.signature.length === SIGNATURE_BYTES && crypto.sm2Verify(key.publicKey, utf8(text), line.signature);
    if (!isGood) return failed("signatureInvalid", `the signature of ${line.name} on the checkpoint of size ${size} is wrong`);
    if (witness !== undefined && timeS !== undefined) cosigners.push({ name: witness.name, timeS });
    if (key === undefined) continue;
    if (isInOffice(key, size)) signers.push(printVerifierKey(key));
    else retired = `${id} signs ${describeSizes(key.sizes)} of ${origin}, not size ${size}`;
  }
  if (signers.length === 0)
    return retired === undefined
      ? failed("signatureMissing", `no key trusted for ${origin} signed the checkpoint of size ${size}`)
      : failed("keyRetired", `the key ${retired}`);
  const hasQuorum = meetsQuorum(policy, new Set(cosigners.map((cosigner) => cosigner.name)));
  return passed({ ...body.value, signers, cosigners, hasQuorum });
}

function isKeyOf(line: NoteSignature, key: VerifierKey | WitnessKey): boolean {
  return key.name === line.name && equalBytes(key.id, line.keyId);
}

function isInOffice({ sizes }: TrustedKey, size: bigint): boolean {
  return sizes === undefined || (size >= sizes.first && (sizes.last === undefined || size <= sizes.last));
}

function describeSizes(sizes: SizeRange | undefined): string {
  return sizes === undefined
    ? "every size"
    : sizes.last === undefined
      ? `sizes from ${sizes.first} on`
      : `sizes ${sizes.first} to ${sizes.last}`;
}
