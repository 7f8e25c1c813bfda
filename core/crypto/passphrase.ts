import type { Crypto } from "./port.ts";
import { equal } from "./equal.ts";
import { loadNodeCrypto } from "./node-crypto.ts";
import { concat, utf8 } from "./text.ts";

/** Work for one guess at a passphrase: about a third of a second natively, once per start. */
export const PASSPHRASE_ITERATIONS = 600_000;
/** Fewer is a downgrade, more is a file that was made to hang the start. */
export const PASSPHRASE_ITERATIONS_MIN = 100_000;
export const PASSPHRASE_ITERATIONS_MAX = 10_000_000;
export const PASSPHRASE_SALT_BYTES = 16;
const OUTPUT_BYTES = 32;

interface PassphraseInput {
  readonly passphrase: string;
  readonly salt: Uint8Array;
  readonly iterations: number;
}

/** PBKDF2 (RFC 8018 5.2) with HMAC-SM3 for one block of 32 bytes, by the port alone: right on every runtime, and slow. */
function pbkdf2Portable(crypto: Crypto, password: Uint8Array, input: PassphraseInput): Uint8Array {
  let step = crypto.hmacSm3(password, concat(input.salt, Uint8Array.of(0, 0, 0, 1)));
  const output = step.slice();
  for (let iteration = 1; iteration < input.iterations; iteration += 1) {
    step = crypto.hmacSm3(password, step);
    for (let at = 0; at < OUTPUT_BYTES; at += 1) output[at] = (output[at] ?? 0) ^ (step[at] ?? 0);
  }
  return output;
}

type NativePbkdf2 = (password: Uint8Array, salt: Uint8Array, iterations: number) => Promise<Uint8Array>;

/** OpenSSL's PBKDF2 off the main thread, if it is there and agrees with ours over three iterations. */
async function nativePbkdf2(crypto: Crypto): Promise<NativePbkdf2 | undefined> {
  const node = await loadNodeCrypto();
  if (node === undefined) return undefined;
  const derive: NativePbkdf2 = (password, salt, iterations) =>
    new Promise((resolve, reject) => {
      node.pbkdf2(password, salt, iterations, OUTPUT_BYTES, "sm3", (error, key) => {
        if (error === null) resolve(new Uint8Array(key));
        else reject(error);
      });
    });
  try {
    const probe = { passphrase: "probe", salt: utf8("known answer"), iterations: 3 };
    const password = utf8(probe.passphrase);
    const agrees = equal(await derive(password, probe.salt, probe.iterations), pbkdf2Portable(crypto, password, probe));
    return agrees ? derive : undefined;
  } catch {
    return undefined;
  }
}

/** PBKDF2-HMAC-SM3 to 32 bytes. The passphrase is taken in Unicode NFC, so that the same words typed elsewhere open the same file. */
export async function keyFromPassphrase(crypto: Crypto, input: PassphraseInput): Promise<Uint8Array> {
  if (input.passphrase.length === 0) throw new RangeError("a passphrase is not empty");
  const password = utf8(input.passphrase.normalize("NFC"));
  const native = await nativePbkdf2(crypto);
  return native === undefined ? pbkdf2Portable(crypto, password, input) : native(password, input.salt, input.iterations);
}
