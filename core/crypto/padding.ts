/** Bytes in an SM4 block. */
export const SM4_BLOCK_BYTES = 16;

/** PKCS#7 (RFC 5652 6.3): always adds 1 to 16 bytes. */
export function pad(plaintext: Uint8Array): Uint8Array {
  const count = SM4_BLOCK_BYTES - (plaintext.length % SM4_BLOCK_BYTES);
  const padded = new Uint8Array(plaintext.length + count).fill(count, plaintext.length);
  padded.set(plaintext);
  return padded;
}

/**
 * Takes PKCS#7 padding away, or gives `undefined`. Every byte of the last block is looked at whatever the outcome, so that the time
 * taken does not tell where the padding is wrong. (The libraries' own unpadding accepts a count of 0 or above 16: it is not used.)
 */
export function unpad(padded: Uint8Array): Uint8Array | undefined {
  const length = padded.length;
  if (length === 0 || length % SM4_BLOCK_BYTES !== 0) return undefined;
  const count = padded[length - 1] ?? 0;
  let wrong = Number(count < 1) | Number(count > SM4_BLOCK_BYTES);
  for (let back = 1; back <= SM4_BLOCK_BYTES; back += 1) {
    const counted = Number(back <= count);
    wrong |= counted & Number(padded[length - back] !== count);
  }
  return wrong === 0 ? padded.slice(0, length - count) : undefined;
}
