import type { Candidate, Sm2Encrypt, Sm2Sign, Sm2Verify, Sm3, Sm4 } from "./candidate.ts";
import { isCanonicalSignature, isPublicKey } from "./curve.ts";
import { equal } from "./equal.ts";
import { SM2_DEFAULT_USER_ID } from "./port.ts";
import type { Sealing } from "./seal.ts";
import { concat, fromHex, utf8 } from "./text.ts";

/** What {@link CryptoSelfTestError} names. */
export type CryptoFamily = "sm3" | "sm4" | "sm2Sign" | "sm2Verify" | "sm2Encrypt" | "seal" | "random";

/** No implementation of a family gave the known answers: the process must not go on. */
export class CryptoSelfTestError extends Error {
  override readonly name = "CryptoSelfTestError";
  readonly family: CryptoFamily;

  constructor(family: CryptoFamily, reasons: readonly string[]) {
    super(`cryptography self-test failed for ${family}: ${reasons.join("; ")}`);
    this.family = family;
  }
}

function bytes(hex: string): Uint8Array {
  const value = fromHex(hex);
  if (value === undefined) throw new Error("a known answer is not hex");
  return value;
}

/** One known answer: what it is, and whether it was given. */
type KnownAnswer = readonly [what: string, given: () => boolean];

function firstMissing(answers: readonly KnownAnswer[]): string | undefined {
  for (const [what, given] of answers) {
    try {
      if (!given()) return `${what}: another answer`;
    } catch {
      // The text of a foreign error may hold input; the name of the test is enough to find it.
      return `${what}: threw`;
    }
  }
  return undefined;
}

const ABC = utf8("abc");
/** GB/T 32905 A.1 and A.2. */
const SM3_ABC = bytes("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
const SM3_64 = bytes("debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732");
/** GM/T 0042 D.3. */
const HMAC_KEY = bytes("0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20");
const HMAC_MESSAGE = utf8("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".repeat(2));
const HMAC_TAG = bytes("ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a");

/** The first known answer that `sm3` does not give, or `undefined`. */
export function testSm3(sm3: Sm3): string | undefined {
  return firstMissing([
    ["SM3 of abc", () => equal(sm3.hash([ABC]), SM3_ABC)],
    ["SM3 of 64 bytes in pieces", () => equal(sm3.hash([utf8("abcd"), utf8("abcd".repeat(15))]), SM3_64)],
    ["running SM3", () => equal(sm3.stream().update(utf8("a")).update(utf8("bc")).digest(), SM3_ABC)],
    ["HMAC-SM3", () => equal(sm3.hmac(HMAC_KEY, [HMAC_MESSAGE]), HMAC_TAG)],
  ]);
}

/** GB/T 32907 A.1: key and plaintext are the same. */
const SM4_KEY = bytes("0123456789abcdeffedcba9876543210");
const SM4_BLOCK = bytes("681edf34d206965e86b3e94f536e4246");
/** draft-ribose-cfrg-sm4-10 A.2.2.1. */
const CBC_PLAINTEXT = bytes("aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffffaaaaaaaabbbbbbbb");
const CBC_IV = bytes("000102030405060708090a0b0c0d0e0f");
const CBC_CIPHERTEXT = bytes("78ebb11cc40b0a48312aaeb2040244cb4cb7016951909226979b0d15dc6a8f6d");
/** Long enough for an implementation that takes another path for long input. */
const LONG_BLOCKS = 32;

/** CBC by hand from single blocks, to hold the long path against the short one. */
function chained(sm4: Sm4, plaintext: Uint8Array): Uint8Array {
  const blocks: Uint8Array[] = [];
  let previous = CBC_IV;
  for (let at = 0; at < plaintext.length; at += 16) {
    const mask = previous;
    previous = sm4.ecbEncrypt(
      SM4_KEY,
      plaintext.slice(at, at + 16).map((byte, index) => byte ^ (mask[index] ?? 0)),
    );
    blocks.push(previous);
  }
  return concat(...blocks);
}

/** The first known answer that `sm4` does not give, or `undefined`. */
export function testSm4(sm4: Sm4): string | undefined {
  const longPlaintext = concat(...Array.from({ length: LONG_BLOCKS }, () => SM4_KEY));
  const longCiphertext = concat(...Array.from({ length: LONG_BLOCKS }, () => SM4_BLOCK));
  return firstMissing([
    ["SM4 block encryption", () => equal(sm4.ecbEncrypt(SM4_KEY, SM4_KEY), SM4_BLOCK)],
    ["SM4 block decryption", () => equal(sm4.ecbDecrypt(SM4_KEY, SM4_BLOCK), SM4_KEY)],
    ["SM4-ECB encryption of long input", () => equal(sm4.ecbEncrypt(SM4_KEY, longPlaintext), longCiphertext)],
    ["SM4-ECB decryption of long input", () => equal(sm4.ecbDecrypt(SM4_KEY, longCiphertext), longPlaintext)],
    ["SM4-CBC encryption", () => equal(sm4.cbcEncrypt(SM4_KEY, CBC_IV, CBC_PLAINTEXT), CBC_CIPHERTEXT)],
    ["SM4-CBC decryption", () => equal(sm4.cbcDecrypt(SM4_KEY, CBC_IV, CBC_CIPHERTEXT), CBC_PLAINTEXT)],
    ["SM4-CBC encryption of long input", () => equal(sm4.cbcEncrypt(SM4_KEY, CBC_IV, longPlaintext), chained(sm4, longPlaintext))],
    ["SM4-CBC decryption of long input", () => equal(sm4.cbcDecrypt(SM4_KEY, CBC_IV, chained(sm4, longPlaintext)), longPlaintext)],
  ]);
}

/** GM/T 0003.5 (GB/T 32918.5) annex A and C: one key pair, signature with the customary user id, ciphertext C1C3C2. */
const SM2_PRIVATE_KEY = bytes("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8");
const SM2_PUBLIC_KEY = bytes(
  "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13",
);
const SM2_MESSAGE = utf8("message digest");
const SM2_SIGNATURE = bytes(
  "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa",
);
const SM2_PLAINTEXT = utf8("encryption standard");
const SM2_CIPHERTEXT = bytes(
  "0404ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0" +
    "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766" +
    "21886ca989ca9c7d58087307ca93092d651efa",
);

function flipped(value: Uint8Array, at: number): Uint8Array {
  return value.map((byte, index) => (index === at ? byte ^ 1 : byte));
}

/** The first known answer that `verify` does not give, or `undefined`. */
export function testSm2Verify(verify: Sm2Verify): string | undefined {
  const prepared = (): ReturnType<Sm2Verify["prepare"]> => verify.prepare(SM2_PUBLIC_KEY);
  return firstMissing([
    ["SM2 verification of the standard's signature", () => prepared()(SM2_MESSAGE, SM2_SIGNATURE, SM2_DEFAULT_USER_ID)],
    ["SM2 refusal of a changed r", () => !prepared()(SM2_MESSAGE, flipped(SM2_SIGNATURE, 31), SM2_DEFAULT_USER_ID)],
    ["SM2 refusal of a changed s", () => !prepared()(SM2_MESSAGE, flipped(SM2_SIGNATURE, 63), SM2_DEFAULT_USER_ID)],
    ["SM2 refusal of a changed message", () => !prepared()(flipped(SM2_MESSAGE, 0), SM2_SIGNATURE, SM2_DEFAULT_USER_ID)],
    ["SM2 refusal of another user id", () => !prepared()(SM2_MESSAGE, SM2_SIGNATURE, "ALICE123@YAHOO.COM")],
    ["SM2 refusal of an empty user id", () => !prepared()(SM2_MESSAGE, SM2_SIGNATURE, "")],
  ]);
}

/** The first known answer that `sign` does not give, or `undefined`; `verify` has passed its own. */
export function testSm2Sign(sign: Sm2Sign, verify: Sm2Verify): string | undefined {
  const verifies = (userId: string, under: string): boolean => {
    const signature = sign.prepare(SM2_PRIVATE_KEY, SM2_PUBLIC_KEY)(SM2_MESSAGE, userId);
    return isCanonicalSignature(signature) && verify.prepare(SM2_PUBLIC_KEY)(SM2_MESSAGE, signature, under);
  };
  const again = (): Uint8Array => sign.prepare(SM2_PRIVATE_KEY, SM2_PUBLIC_KEY)(SM2_MESSAGE, SM2_DEFAULT_USER_ID);
  return firstMissing([
    ["SM2 signature with the customary user id", () => verifies(SM2_DEFAULT_USER_ID, SM2_DEFAULT_USER_ID)],
    ["SM2 signature with a user id of its own", () => verifies("ALICE123@YAHOO.COM", "ALICE123@YAHOO.COM")],
    ["SM2 signature bound to its user id", () => !verifies(SM2_DEFAULT_USER_ID, "")],
    ["SM2 nonce drawn anew", () => !equal(again(), again())],
  ]);
}

/** The first known answer that `encrypt` does not give, or `undefined`. */
export function testSm2Encrypt(encrypt: Sm2Encrypt): string | undefined {
  const roundTrip = (): boolean => {
    const opened = encrypt.decrypt(SM2_PRIVATE_KEY, encrypt.encrypt(SM2_PUBLIC_KEY, ABC, "C1C2C3"), "C1C2C3");
    return opened !== undefined && equal(opened, ABC);
  };
  const pair = (): boolean => {
    const made = encrypt.generateKeyPair();
    return isPublicKey(made.publicKey) && equal(encrypt.publicKey(made.privateKey), made.publicKey);
  };
  return firstMissing([
    ["SM2 public key of a private key", () => equal(encrypt.publicKey(SM2_PRIVATE_KEY), SM2_PUBLIC_KEY)],
    ["SM2 decryption", () => equal(encrypt.decrypt(SM2_PRIVATE_KEY, SM2_CIPHERTEXT, "C1C3C2") ?? ABC, SM2_PLAINTEXT)],
    ["SM2 refusal of a changed C3", () => encrypt.decrypt(SM2_PRIVATE_KEY, flipped(SM2_CIPHERTEXT, 65), "C1C3C2") === undefined],
    ["SM2 refusal of a point off the curve", () => encrypt.decrypt(SM2_PRIVATE_KEY, flipped(SM2_CIPHERTEXT, 64), "C1C3C2") === undefined],
    ["SM2 encryption and decryption", roundTrip],
    ["SM2 key pair", pair],
  ]);
}

const SEALED_AAD = utf8("known answer");
const SEALED_PLAINTEXT = utf8("sealed once, opened by every later version");
const SEALED = bytes(
  "01101112131415161718191a1b1c1d1e1f6354289d8b631dc0538c3896514bb634509b34ca7636c5dc114760dd4766dc59031576a1c37579250720d58c9c859759d80483b88963eb8ca3c21d190029035ca53c29b6a9a682737e402e5406950f99",
);

/** The first known answer that `sealing` does not give, or `undefined`. */
export function testSealing(sealing: Sealing): string | undefined {
  const open = (sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined => sealing.open(HMAC_KEY, sealed, aad);
  return firstMissing([
    ["opening a sealed value", () => equal(open(SEALED, SEALED_AAD) ?? ABC, SEALED_PLAINTEXT)],
    ["sealing and opening", () => equal(open(sealing.seal(HMAC_KEY, ABC, SEALED_AAD), SEALED_AAD) ?? SEALED, ABC)],
    ["refusal of a changed sealed value", () => open(flipped(SEALED, 20), SEALED_AAD) === undefined],
    ["refusal of other associated data", () => open(SEALED, ABC) === undefined],
  ]);
}

/** A generator that is stuck is refused; nothing more can be known of one. */
export function testRandom(random: (length: number) => Uint8Array): string | undefined {
  return firstMissing([
    ["length of random bytes", () => random(32).length === 32],
    ["two draws differ", () => !equal(random(32), random(32))],
  ]);
}

/** The first candidate that is available and gives every known answer; throws when none does. */
export async function chooseCandidate<T>(
  family: CryptoFamily,
  candidates: readonly Candidate<T>[],
  missing: (implementation: T) => string | undefined,
): Promise<{ readonly name: string; readonly implementation: T }> {
  const reasons: string[] = [];
  for (const candidate of candidates) {
    const implementation = await candidate.available().catch(() => undefined);
    const reason = implementation === undefined ? "not available here" : missing(implementation);
    if (implementation !== undefined && reason === undefined) return { name: candidate.name, implementation };
    reasons.push(`${candidate.name}: ${reason}`);
  }
  throw new CryptoSelfTestError(family, reasons.length === 0 ? ["no candidate"] : reasons);
}
