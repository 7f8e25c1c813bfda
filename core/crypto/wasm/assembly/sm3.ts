import { CHUNK, DIGEST, SM3_BLOCK, SM3_STATE, SM3_WORDS } from "./layout";

/* SM3 (GB/T 32905), running: start, update for each piece at CHUNK, finish into DIGEST. */

const BLOCK_BYTES: u32 = 64;

/** Bytes hashed so far, and how many of them wait in SM3_BLOCK. */
let total: u64 = 0;
let waiting: u32 = 0;

export function sm3Start(): void {
  store<u32>(SM3_STATE, 0x7380166f);
  store<u32>(SM3_STATE, 0x4914b2b9, 4);
  store<u32>(SM3_STATE, 0x172442d7, 8);
  store<u32>(SM3_STATE, 0xda8a0600, 12);
  store<u32>(SM3_STATE, 0xa96f30bc, 16);
  store<u32>(SM3_STATE, 0x163138aa, 20);
  store<u32>(SM3_STATE, 0xe38dee4d, 24);
  store<u32>(SM3_STATE, 0xb0fb0e4e, 28);
  total = 0;
  waiting = 0;
}

/** Hashes the `length` ≤ CHUNK_BYTES bytes at CHUNK. */
export function sm3Update(length: u32): void {
  let at: usize = CHUNK;
  let left = length;
  total += length;
  if (waiting > 0) {
    const taken = min<u32>(left, BLOCK_BYTES - waiting);
    memory.copy(SM3_BLOCK + waiting, at, taken);
    waiting += taken;
    at += taken;
    left -= taken;
    if (waiting < BLOCK_BYTES) return;
    compress(SM3_BLOCK);
    waiting = 0;
  }
  while (left >= BLOCK_BYTES) {
    compress(at);
    at += BLOCK_BYTES;
    left -= BLOCK_BYTES;
  }
  memory.copy(SM3_BLOCK, at, left);
  waiting = left;
}

/** Pads (GB/T 32905 5.2) and writes the 32 bytes at DIGEST. */
export function sm3Finish(): void {
  store<u8>(SM3_BLOCK + waiting, 0x80);
  waiting += 1;
  if (waiting > 56) {
    memory.fill(SM3_BLOCK + waiting, 0, BLOCK_BYTES - waiting);
    compress(SM3_BLOCK);
    waiting = 0;
  }
  memory.fill(SM3_BLOCK + waiting, 0, 56 - waiting);
  store<u64>(SM3_BLOCK, bswap<u64>(total << 3), 56);
  compress(SM3_BLOCK);
  for (let at: usize = 0; at < 32; at += 4) store<u32>(DIGEST + at, bswap<u32>(load<u32>(SM3_STATE + at)));
}

function p0(x: u32): u32 {
  return x ^ rotl<u32>(x, 9) ^ rotl<u32>(x, 17);
}

function p1(x: u32): u32 {
  return x ^ rotl<u32>(x, 15) ^ rotl<u32>(x, 23);
}

/** GB/T 32905 5.3.2 and 5.3.3 for the 64 bytes at `block`. */
function compress(block: usize): void {
  for (let at: usize = 0; at < 64; at += 4) store<u32>(SM3_WORDS + at, bswap<u32>(load<u32>(block + at)));
  for (let at: usize = SM3_WORDS + 64; at < SM3_WORDS + 272; at += 4) {
    const mixed = load<u32>(at - 64) ^ load<u32>(at - 36) ^ rotl<u32>(load<u32>(at - 12), 15);
    store<u32>(at, p1(mixed) ^ rotl<u32>(load<u32>(at - 52), 7) ^ load<u32>(at - 24));
  }
  let a = load<u32>(SM3_STATE);
  let b = load<u32>(SM3_STATE, 4);
  let c = load<u32>(SM3_STATE, 8);
  let d = load<u32>(SM3_STATE, 12);
  let e = load<u32>(SM3_STATE, 16);
  let f = load<u32>(SM3_STATE, 20);
  let g = load<u32>(SM3_STATE, 24);
  let h = load<u32>(SM3_STATE, 28);
  for (let j: u32 = 0; j < 64; j += 1) {
    const early = j < 16;
    const a12 = rotl<u32>(a, 12);
    const ss1 = rotl<u32>(a12 + e + rotl<u32>(early ? 0x79cc4519 : 0x7a879d8a, j), 7);
    const ff = early ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
    const gg = early ? e ^ f ^ g : (e & f) | (~e & g);
    const word = SM3_WORDS + ((<usize>j) << 2);
    const tt1 = ff + d + (ss1 ^ a12) + (load<u32>(word) ^ load<u32>(word, 16));
    const tt2 = gg + h + ss1 + load<u32>(word);
    d = c;
    c = rotl<u32>(b, 9);
    b = a;
    a = tt1;
    h = g;
    g = rotl<u32>(f, 19);
    f = e;
    e = p0(tt2);
  }
  store<u32>(SM3_STATE, a ^ load<u32>(SM3_STATE));
  store<u32>(SM3_STATE, b ^ load<u32>(SM3_STATE, 4), 4);
  store<u32>(SM3_STATE, c ^ load<u32>(SM3_STATE, 8), 8);
  store<u32>(SM3_STATE, d ^ load<u32>(SM3_STATE, 12), 12);
  store<u32>(SM3_STATE, e ^ load<u32>(SM3_STATE, 16), 16);
  store<u32>(SM3_STATE, f ^ load<u32>(SM3_STATE, 20), 20);
  store<u32>(SM3_STATE, g ^ load<u32>(SM3_STATE, 24), 24);
  store<u32>(SM3_STATE, h ^ load<u32>(SM3_STATE, 28), 28);
}
