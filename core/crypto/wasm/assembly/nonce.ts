import { CHUNK, DIGEST, SCALAR_BYTES } from "./layout";
import { DIGEST_MOD_N, ENTROPY, NONCE_KEY, NONCE_VALUE, PRIVATE_KEY } from "./private-layout";
import { sm3Finish, sm3Start, sm3Update } from "./sm3";

/*
 * Nonces by RFC 6979 3.2 with HMAC-SM3 and the additional data of its 3.6: 32 bytes of the host's generator. A generator that repeats
 * itself, or is known, still gives no nonce twice for two messages, and no nonce that somebody without the private key could tell; a fault
 * that is injected twice into the same message meets another nonce.
 */

const BLOCK_BYTES: usize = 64;
/** Where the message of the next HMAC is written. */
const MESSAGE: usize = CHUNK + BLOCK_BYTES;

/** DIGEST = HMAC-SM3(NONCE_KEY, the `length` bytes at MESSAGE). */
function hmac(length: u32): void {
  sm3Start();
  padKey(0x36);
  sm3Update(<u32>BLOCK_BYTES + length);
  sm3Finish();
  sm3Start();
  padKey(0x5c);
  memory.copy(MESSAGE, DIGEST, SCALAR_BYTES);
  sm3Update(<u32>(BLOCK_BYTES + SCALAR_BYTES));
  sm3Finish();
}

function padKey(pad: u8): void {
  for (let at: usize = 0; at < SCALAR_BYTES; at += 1) store<u8>(CHUNK + at, load<u8>(NONCE_KEY + at) ^ pad);
  memory.fill(CHUNK + SCALAR_BYTES, pad, BLOCK_BYTES - SCALAR_BYTES);
}

/** V = HMAC(K, V). */
function nextValue(): void {
  memory.copy(MESSAGE, NONCE_VALUE, SCALAR_BYTES);
  hmac(<u32>SCALAR_BYTES);
  memory.copy(NONCE_VALUE, DIGEST, SCALAR_BYTES);
}

/** K = HMAC(K, V ‖ mark [‖ d ‖ e mod n ‖ entropy]), V = HMAC(K, V). */
function rekey(mark: u8, whole: bool): void {
  memory.copy(MESSAGE, NONCE_VALUE, SCALAR_BYTES);
  store<u8>(MESSAGE + SCALAR_BYTES, mark);
  let length: usize = SCALAR_BYTES + 1;
  if (whole) {
    memory.copy(MESSAGE + length, PRIVATE_KEY, SCALAR_BYTES);
    memory.copy(MESSAGE + length + SCALAR_BYTES, DIGEST_MOD_N, SCALAR_BYTES);
    memory.copy(MESSAGE + length + 2 * SCALAR_BYTES, ENTROPY, SCALAR_BYTES);
    length += 3 * SCALAR_BYTES;
  }
  hmac(<u32>length);
  memory.copy(NONCE_KEY, DIGEST, SCALAR_BYTES);
  nextValue();
}

/** Steps b to g for PRIVATE_KEY, DIGEST_MOD_N and ENTROPY. */
export function startNonces(): void {
  memory.fill(NONCE_VALUE, 1, SCALAR_BYTES);
  memory.fill(NONCE_KEY, 0, SCALAR_BYTES);
  rekey(0, true);
  rekey(1, true);
}

/** Step h: the next candidate, big-endian at NONCE_VALUE. The caller refuses what is not within 1 and n-1. */
export function nextNonce(first: bool): void {
  if (first) nextValue();
  else {
    rekey(0, false);
    nextValue();
  }
}
