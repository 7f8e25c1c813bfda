/** WebCrypto's limit for one call. */
const BYTES_PER_CALL_MAX = 65_536;

/** Bytes from the runtime's CSPRNG (WebCrypto `getRandomValues`, which Node, Deno, workerd and browsers share). */
export function random(length: number): Uint8Array {
  if (!Number.isSafeInteger(length) || length < 0) throw new RangeError("a number of random bytes is a whole number from 0");
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += BYTES_PER_CALL_MAX) {
    globalThis.crypto.getRandomValues(bytes.subarray(at, at + BYTES_PER_CALL_MAX));
  }
  return bytes;
}
