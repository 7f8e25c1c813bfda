/*
 * SM3 (GB/T 32905) over many messages in one call, four at a time in the lanes of a 128-bit vector. The host puts messages
 * into the memory anywhere from INPUT on and says where each begins and ends; every message is hashed behind one prefix byte.
 * Public data only.
 */

/** Words W0 to W67 of four blocks side by side: 68 vectors. */
const WORDS: usize = 1024;
/** Chaining values of four messages side by side: 8 vectors. */
const STATE: usize = 2304;
/** Round constants, already rotated: 64 words. */
const CONSTANTS: usize = 2560;
/** A padded block for each lane. */
const SCRATCH: usize = 3072;
/** What the lanes are at: message, blocks, next block; three words each. */
const LANES: usize = 3456;
/** Where the host may write. */
export const INPUT: usize = 4096;

const BLOCK: u32 = 64;
const NONE: u32 = 0xffffffff;

export function initialise(): void {
  for (let j: u32 = 0; j < 64; j += 1) store<u32>(CONSTANTS + (<usize>j << 2), rotl<u32>(j < 16 ? 0x79cc4519 : 0x7a879d8a, j));
}

/**
 * Hashes `count` messages: pairs of u32 at `bounds` say where each begins and ends; 32 bytes each go to `out`.
 */
export function hashMany(prefix: u32, bounds: usize, count: u32, out: usize): void {
  let next: u32 = 0;
  let busy: u32 = 0;
  for (let lane: usize = 0; lane < 4; lane += 1) {
    if (next < count) {
      begin(lane, next, bounds);
      next += 1;
      busy += 1;
    } else store<u32>(LANES + lane * 12, NONE);
  }
  while (busy > 0) {
    const p0 = blockOf(0, prefix, bounds);
    const p1 = blockOf(1, prefix, bounds);
    const p2 = blockOf(2, prefix, bounds);
    const p3 = blockOf(3, prefix, bounds);
    compress(p0, p1, p2, p3);
    for (let lane: usize = 0; lane < 4; lane += 1) {
      const at = LANES + lane * 12;
      const message = load<u32>(at);
      if (message == NONE) continue;
      const block = load<u32>(at, 8) + 1;
      store<u32>(at, block, 8);
      if (block < load<u32>(at, 4)) continue;
      const digest = out + (<usize>message << 5);
      for (let word: usize = 0; word < 8; word += 1) store<u32>(digest + (word << 2), bswap<u32>(load<u32>(STATE + (word << 4) + (lane << 2))));
      if (next < count) {
        begin(lane, next, bounds);
        next += 1;
      } else {
        store<u32>(at, NONE);
        busy -= 1;
      }
    }
  }
}

/** Puts a message into a lane. */
function begin(lane: usize, message: u32, bounds: usize): void {
  const at = LANES + lane * 12;
  const length = lengthOf(message, bounds);
  store<u32>(at, message);
  store<u32>(at, (length + 8) / BLOCK + 1, 4);
  store<u32>(at, 0, 8);
  const state = STATE + (lane << 2);
  store<u32>(state, 0x7380166f);
  store<u32>(state, 0x4914b2b9, 16);
  store<u32>(state, 0x172442d7, 32);
  store<u32>(state, 0xda8a0600, 48);
  store<u32>(state, 0xa96f30bc, 64);
  store<u32>(state, 0x163138aa, 80);
  store<u32>(state, 0xe38dee4d, 96);
  store<u32>(state, 0xb0fb0e4e, 112);
}

/** Length with the prefix byte. */
function lengthOf(message: u32, bounds: usize): u32 {
  const pair = bounds + (<usize>message << 3);
  return load<u32>(pair, 4) - load<u32>(pair) + 1;
}

/** Where the lane's next block stands: in the message itself, or padded in the lane's scratch. */
function blockOf(lane: usize, prefix: u32, bounds: usize): usize {
  const at = LANES + lane * 12;
  const message = load<u32>(at);
  const scratch = SCRATCH + lane * BLOCK;
  if (message == NONE) return scratch;
  const blocks = load<u32>(at, 4);
  const block = load<u32>(at, 8);
  const length = lengthOf(message, bounds);
  const begin = <usize>load<u32>(bounds + (<usize>message << 3));
  const from = block * BLOCK;
  if (block > 0 && from + BLOCK <= length) return begin + from - 1;
  const taken = min<u32>(BLOCK, max<i32>(0, <i32>length - <i32>from));
  if (block == 0) {
    store<u8>(scratch, prefix);
    memory.copy(scratch + 1, begin, taken - 1);
  } else memory.copy(scratch, begin + from - 1, taken);
  if (taken == BLOCK) return scratch;
  memory.fill(scratch + taken, 0, BLOCK - taken);
  // The mark stands right behind the message, which may have ended with the block before.
  if (from + taken == length) store<u8>(scratch + taken, 0x80);
  if (block + 1 == blocks) store<u64>(scratch, bswap<u64>((<u64>length) << 3), 56);
  return scratch;
}

// @ts-ignore: decorator
@inline
function rol(x: v128, n: i32): v128 {
  return v128.or(i32x4.shl(x, n), i32x4.shr_u(x, 32 - n));
}

// @ts-ignore: decorator
@inline
function big(x: v128): v128 {
  return i8x16.shuffle(x, x, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
}

/** One block of each lane (GB/T 32905 5.3.2 and 5.3.3). */
function compress(p0: usize, p1: usize, p2: usize, p3: usize): void {
  for (let quarter: usize = 0; quarter < 4; quarter += 1) {
    const x0 = big(v128.load(p0 + (quarter << 4)));
    const x1 = big(v128.load(p1 + (quarter << 4)));
    const x2 = big(v128.load(p2 + (quarter << 4)));
    const x3 = big(v128.load(p3 + (quarter << 4)));
    const low01 = i8x16.shuffle(x0, x1, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const low23 = i8x16.shuffle(x2, x3, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const high01 = i8x16.shuffle(x0, x1, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const high23 = i8x16.shuffle(x2, x3, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const to = WORDS + (quarter << 6);
    v128.store(to, i8x16.shuffle(low01, low23, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
    v128.store(to, i8x16.shuffle(low01, low23, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 16);
    v128.store(to, i8x16.shuffle(high01, high23, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), 32);
    v128.store(to, i8x16.shuffle(high01, high23, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31), 48);
  }
  for (let at: usize = WORDS + 256; at < WORDS + 1088; at += 16) {
    const mixed = v128.xor(v128.xor(v128.load(at - 256), v128.load(at - 144)), rol(v128.load(at - 48), 15));
    const p1mixed = v128.xor(mixed, v128.xor(rol(mixed, 15), rol(mixed, 23)));
    v128.store(at, v128.xor(v128.xor(p1mixed, rol(v128.load(at - 208), 7)), v128.load(at - 96)));
  }
  let a = v128.load(STATE);
  let b = v128.load(STATE, 16);
  let c = v128.load(STATE, 32);
  let d = v128.load(STATE, 48);
  let e = v128.load(STATE, 64);
  let f = v128.load(STATE, 80);
  let g = v128.load(STATE, 96);
  let h = v128.load(STATE, 112);
  let word: usize = WORDS;
  let constant: usize = CONSTANTS;
  for (; word < WORDS + 256; word += 16, constant += 4) {
    const a12 = rol(a, 12);
    const ss1 = rol(i32x4.add(i32x4.add(a12, e), v128.load32_splat(constant)), 7);
    const w = v128.load(word);
    const ff = v128.xor(a, v128.xor(b, c));
    const gg = v128.xor(e, v128.xor(f, g));
    const tt1 = i32x4.add(i32x4.add(ff, d), i32x4.add(v128.xor(ss1, a12), v128.xor(w, v128.load(word, 64))));
    const tt2 = i32x4.add(i32x4.add(gg, h), i32x4.add(ss1, w));
    d = c;
    c = rol(b, 9);
    b = a;
    a = tt1;
    h = g;
    g = rol(f, 19);
    f = e;
    e = v128.xor(tt2, v128.xor(rol(tt2, 9), rol(tt2, 17)));
  }
  for (; word < WORDS + 1024; word += 16, constant += 4) {
    const a12 = rol(a, 12);
    const ss1 = rol(i32x4.add(i32x4.add(a12, e), v128.load32_splat(constant)), 7);
    const w = v128.load(word);
    const ff = v128.or(v128.and(a, b), v128.and(c, v128.or(a, b)));
    const gg = v128.bitselect(f, g, e);
    const tt1 = i32x4.add(i32x4.add(ff, d), i32x4.add(v128.xor(ss1, a12), v128.xor(w, v128.load(word, 64))));
    const tt2 = i32x4.add(i32x4.add(gg, h), i32x4.add(ss1, w));
    d = c;
    c = rol(b, 9);
    b = a;
    a = tt1;
    h = g;
    g = rol(f, 19);
    f = e;
    e = v128.xor(tt2, v128.xor(rol(tt2, 9), rol(tt2, 17)));
  }
  v128.store(STATE, v128.xor(a, v128.load(STATE)));
  v128.store(STATE, v128.xor(b, v128.load(STATE, 16)), 16);
  v128.store(STATE, v128.xor(c, v128.load(STATE, 32)), 32);
  v128.store(STATE, v128.xor(d, v128.load(STATE, 48)), 48);
  v128.store(STATE, v128.xor(e, v128.load(STATE, 64)), 64);
  v128.store(STATE, v128.xor(f, v128.load(STATE, 80)), 80);
  v128.store(STATE, v128.xor(g, v128.load(STATE, 96)), 96);
  v128.store(STATE, v128.xor(h, v128.load(STATE, 112)), 112);
}
