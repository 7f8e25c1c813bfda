import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prover } from "../prover.ts";
import { Tile, TILE_WIDTH, TileEdge, tilePlace } from "../tiles.ts";
import { crypto } from "../testing/platform.ts";
import { fromHex, toHex } from "./bytes.ts";
import { CompactRange, type Hash, type TreeHasher, treeHasher, verifyConsistency, verifyInclusion } from "./tree.ts";

const sha256: Hash = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};
const sm3 = treeHasher(crypto.sm3);

// The definitions of RFC 6962 section 2.1, word for word and slow.
function mth(hasher: TreeHasher, leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (only === undefined) return hasher.empty();
  if (leaves.length === 1) return only;
  const k = split(leaves.length);
  return hasher.node(mth(hasher, leaves.slice(0, k)), mth(hasher, leaves.slice(k)));
}
function path(hasher: TreeHasher, m: number, leaves: readonly Uint8Array[]): readonly Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return m < k
    ? [...path(hasher, m, leaves.slice(0, k)), mth(hasher, leaves.slice(k))]
    : [...path(hasher, m - k, leaves.slice(k)), mth(hasher, leaves.slice(0, k))];
}
function proof(hasher: TreeHasher, m: number, leaves: readonly Uint8Array[]): readonly Uint8Array[] {
  const subproof = (m: number, leaves: readonly Uint8Array[], isWhole: boolean): readonly Uint8Array[] => {
    if (m === leaves.length) return isWhole ? [] : [mth(hasher, leaves)];
    const k = split(leaves.length);
    return m <= k
      ? [...subproof(m, leaves.slice(0, k), isWhole), mth(hasher, leaves.slice(k))]
      : [...subproof(m - k, leaves.slice(k), false), mth(hasher, leaves.slice(0, k))];
  };
  return subproof(m, leaves, true);
}
function split(n: number): number {
  return 2 ** (Math.ceil(Math.log2(n)) - 1);
}

function leafHashes(hasher: TreeHasher, count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, n) => hasher.leaf(new TextEncoder().encode(`leaf ${n}`)));
}

/** The sequencer's own structures over leaves held in memory. */
function proverOf(hasher: TreeHasher, leaves: readonly Uint8Array[]): { edge: TileEdge; prover: Prover } {
  const edge = new TileEdge(hasher);
  const full = new Map<string, Tile>();
  for (const leaf of leaves) edge.append(leaf);
  for (const { level, index, tile } of edge.takeFull()) full.set(`${level}/${index}`, Tile.parse(hasher, tile.bytes()));
  const node = (height: number, index: number): Promise<Uint8Array> => {
    const place = tilePlace(height, index);
    const tile = edge.unfinished(place.level, place.tile) ?? full.get(`${place.level}/${place.tile}`);
    if (tile === undefined) throw new Error(`no tile ${place.level}/${place.tile}`);
    return Promise.resolve(tile.node(place.height, place.entry));
  };
  return { edge, prover: new Prover(hasher, node) };
}

describe("the public RFC 6962 vectors, by the same code with SHA-256", () => {
  const hasher = treeHasher(sha256);
  // From the Certificate Transparency reference implementation (merkle_tree_test): eight inputs and the roots of sizes 1 to 8.
  const inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
  const roots = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
  ];
  const leaves = inputs.map((input) => hasher.leaf(fromHex(input) ?? new Uint8Array()));

  test("empty root and the roots of sizes 1 to 8", () => {
    const range = new CompactRange(hasher);
    expect(toHex(range.root())).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    const found = leaves.map((leaf) => {
      range.append(leaf);
      return toHex(range.root());
    });
    expect(found).toEqual(roots);
  });

  test("inclusion paths", async () => {
    const known: readonly (readonly [index: number, size: number, path: readonly string[]])[] = [
      [0, 1, []],
      [
        0,
        8,
        [
          "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
          "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
          "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
      ],
      [
        5,
        8,
        [
          "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
          "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
          "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
      ],
      [2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]],
      [
        1,
        5,
        [
          "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
          "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
          "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
      ],
    ];
    for (const [index, size, hex] of known)
      expect((await proverOf(hasher, leaves.slice(0, size)).prover.inclusion(index, size)).map(toHex), `${index} of ${size}`).toEqual(hex);
  });

  test("consistency proofs", async () => {
    const known: readonly (readonly [from: number, to: number, path: readonly string[]])[] = [
      [1, 1, []],
      [
        1,
        8,
        [
          "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
          "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
          "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
      ],
      [
        6,
        8,
        [
          "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
          "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
          "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
      ],
      [
        2,
        5,
        [
          "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
          "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
      ],
    ];
    for (const [from, to, hex] of known)
      expect((await proverOf(hasher, leaves.slice(0, to)).prover.consistency(from, to)).map(toHex), `${from} to ${to}`).toEqual(hex);
  });
});

test("the vectors and the slow definition agree, for every index and every pair of sizes", async () => {
  const hasher = treeHasher(sha256);
  const leaves = Array.from({ length: 8 }, (_, n) => hasher.leaf(new TextEncoder().encode(`vector ${n}`)));
  for (let to = 1; to <= 8; to += 1) {
    const { prover } = proverOf(hasher, leaves.slice(0, to));
    expect(toHex(await prover.root(to))).toBe(toHex(mth(hasher, leaves.slice(0, to))));
    for (let at = 0; at < to; at += 1)
      expect((await prover.inclusion(at, to)).map(toHex)).toEqual(path(hasher, at, leaves.slice(0, to)).map(toHex));
    for (let from = 1; from <= to; from += 1)
      expect((await prover.consistency(from, to)).map(toHex)).toEqual(proof(hasher, from, leaves.slice(0, to)).map(toHex));
  }
});

describe("SM3 trees against the slow recursive definition", () => {
  const all = leafHashes(sm3, 300);

  test("every size up to 300: root, and the path of every index", async () => {
    for (let size = 1; size <= 300; size += 1) {
      const leaves = all.slice(0, size);
      const root = oracleRoot(0, size);
      const { edge, prover } = proverOf(sm3, leaves);
      expect(toHex(edge.root()), `size ${size}`).toBe(toHex(root));
      expect(toHex(await prover.root(size))).toBe(toHex(root));
      for (let index = 0; index < size; index += 1) {
        const found = await prover.inclusion(index, size);
        if (
          !verifyInclusion(sm3, { size: BigInt(size), root }, { leafHash: all[index] as Uint8Array, index: BigInt(index), proof: found }).ok
        )
          throw new Error(`entry ${index} of ${size} does not verify`);
      }
    }
  });

  // The recursive definition with remembered ranges: the same tree, without hashing it 300 times over.
  const ranges = new Map<string, Uint8Array>();
  function oracleRoot(low: number, high: number): Uint8Array {
    if (high - low === 1) return all[low] as Uint8Array;
    const known = ranges.get(`${low}-${high}`);
    if (known !== undefined) return known;
    const middle = low + split(high - low);
    const hash = sm3.node(oracleRoot(low, middle), oracleRoot(middle, high));
    ranges.set(`${low}-${high}`, hash);
    return hash;
  }

  test("paths equal PATH(m, D[n]) for every index of sizes up to 40", async () => {
    for (let size = 1; size <= 40; size += 1) {
      const leaves = all.slice(0, size);
      const { prover } = proverOf(sm3, leaves);
      for (let index = 0; index < size; index += 1)
        expect((await prover.inclusion(index, size)).map(toHex)).toEqual(path(sm3, index, leaves).map(toHex));
    }
  });

  test("consistency between all pairs of sizes up to 64 equals PROOF(m, D[n]) and verifies", async () => {
    const { prover } = proverOf(sm3, all);
    for (let to = 1; to <= 64; to += 1)
      for (let from = 1; from <= to; from += 1) {
        const found = await prover.consistency(from, to);
        expect(found.map(toHex), `${from} to ${to}`).toEqual(proof(sm3, from, all.slice(0, to)).map(toHex));
        const heads = [from, to].map((size) => ({ size: BigInt(size), root: oracleRoot(0, size) })) as [Head, Head];
        expect(verifyConsistency(sm3, ...heads, found).ok, `${from} to ${to}`).toBe(true);
      }
  });

  test("consistency between all pairs of sizes up to 300 verifies against the roots of the definition", async () => {
    const { prover } = proverOf(sm3, all);
    const refused: string[] = [];
    for (let to = 1; to <= 300; to += 1)
      for (let from = 1; from <= to; from += 1) {
        const heads = [from, to].map((size) => ({ size: BigInt(size), root: oracleRoot(0, size) })) as [Head, Head];
        if (!verifyConsistency(sm3, ...heads, await prover.consistency(from, to)).ok) refused.push(`${from} to ${to}`);
      }
    expect(refused).toEqual([]);
  });

  test("sizes up to 100,000, three levels of tiles: proofs from tiles verify against the compact range", async () => {
    const size = 100_000;
    const range = new CompactRange(sm3);
    const roots = new Map<number, Uint8Array>();
    const sizes = Array.from({ length: 60 }, (_, n) => (n === 0 ? size : 1 + ((n * 104_729 * 7919) % size)));
    const leaves = Array.from({ length: size }, (_, n) => sm3.leaf(new Uint8Array(new Uint32Array([n]).buffer)));
    for (const leaf of leaves) {
      range.append(leaf);
      if (sizes.includes(range.size)) roots.set(range.size, range.root());
    }
    const { prover } = proverOf(sm3, leaves);
    const head = (n: number): Head => ({ size: BigInt(n), root: roots.get(n) ?? new Uint8Array() });
    for (const [at, to] of sizes.entries()) {
      const index = (at * 7_919) % to;
      const found = await prover.inclusion(index, to);
      expect(verifyInclusion(sm3, head(to), { leafHash: leaves[index] as Uint8Array, index: BigInt(index), proof: found })).toEqual({
        ok: true,
        value: true,
      });
      for (const from of sizes.slice(0, 12).filter((other) => other <= to))
        expect(verifyConsistency(sm3, head(from), head(to), await prover.consistency(from, to)), `${from} to ${to}`).toEqual({
          ok: true,
          value: true,
        });
    }
  });

  interface Head {
    readonly size: bigint;
    readonly root: Uint8Array;
  }
});

describe("a proof with anything changed is refused", () => {
  const leaves = leafHashes(sm3, 23);
  const head = { size: 23n, root: mth(sm3, leaves) };

  test("inclusion: every single bit of every hash, every other index, size and length", async () => {
    const { prover } = proverOf(sm3, leaves);
    for (const index of [0, 7, 15, 16, 22]) {
      const found = await prover.inclusion(index, 23);
      const claim = { leafHash: leaves[index] as Uint8Array, index: BigInt(index), proof: found };
      expect(verifyInclusion(sm3, head, claim).ok).toBe(true);
      for (let at = 0; at < found.length; at += 1)
        for (const proof of everyBit(found[at] as Uint8Array))
          expect(verifyInclusion(sm3, head, { ...claim, proof: found.with(at, proof) }).ok).toBe(false);
      for (const leafHash of everyBit(claim.leafHash)) expect(verifyInclusion(sm3, head, { ...claim, leafHash }).ok).toBe(false);
      for (const root of everyBit(head.root)) expect(verifyInclusion(sm3, { ...head, root }, claim).ok).toBe(false);
      const accepted = range(-1n, 30n).filter((other) => verifyInclusion(sm3, head, { ...claim, index: other }).ok);
      expect(accepted).toEqual([BigInt(index)]);
      expect(verifyInclusion(sm3, head, { ...claim, proof: found.slice(1) }).ok).toBe(false);
      expect(verifyInclusion(sm3, head, { ...claim, proof: found.slice(0, -1) }).ok).toBe(false);
      expect(verifyInclusion(sm3, head, { ...claim, proof: [...found, head.root] }).ok).toBe(false);
      expect(verifyInclusion(sm3, head, { ...claim, proof: found.with(0, new Uint8Array(31)) }).ok).toBe(false);
      expect(verifyInclusion(sm3, { ...head, size: 0n }, claim).ok).toBe(false);
    }
  });

  test("the right root with the wrong size: leaf 1 of 2 is not leaf 2 of 3", () => {
    const [a, b] = leaves as [Uint8Array, Uint8Array];
    const root = sm3.node(a, b);
    expect(verifyInclusion(sm3, { size: 2n, root }, { leafHash: b, index: 1n, proof: [a] }).ok).toBe(true);
    expect(verifyInclusion(sm3, { size: 3n, root }, { leafHash: b, index: 2n, proof: [a] }).ok).toBe(true);
    // The second line is why a root is never enough: only a *signed* (size, root) pair is, and it fixes one of the two.
    expect(verifyInclusion(sm3, { size: 2n, root }, { leafHash: b, index: 2n, proof: [a] })).toMatchObject({
      error: { name: "proofMalformed" },
    });
    expect(verifyInclusion(sm3, { size: 3n, root }, { leafHash: b, index: 1n, proof: [a] }).ok).toBe(false);
  });

  test("consistency: every single bit, exchanged heads, other sizes and lengths", async () => {
    const { prover } = proverOf(sm3, leaves);
    for (const size of [1, 6, 8, 16, 22]) {
      const from = { size: BigInt(size), root: mth(sm3, leaves.slice(0, size)) };
      const found = await prover.consistency(size, 23);
      expect(verifyConsistency(sm3, from, head, found).ok).toBe(true);
      for (let at = 0; at < found.length; at += 1)
        for (const hash of everyBit(found[at] as Uint8Array))
          expect(verifyConsistency(sm3, from, head, found.with(at, hash)).ok).toBe(false);
      for (const root of everyBit(from.root)) expect(verifyConsistency(sm3, { ...from, root }, head, found).ok).toBe(false);
      for (const root of everyBit(head.root)) expect(verifyConsistency(sm3, from, { ...head, root }, found).ok).toBe(false);
      const accepted = range(-1n, 25n).filter((other) => verifyConsistency(sm3, { ...from, size: other }, head, found).ok);
      expect(accepted).toEqual([from.size]);
      expect(verifyConsistency(sm3, from, head, found.slice(1)).ok).toBe(false);
      expect(verifyConsistency(sm3, from, head, found.slice(0, -1)).ok).toBe(false);
      expect(verifyConsistency(sm3, from, head, [...found, head.root]).ok).toBe(false);
      expect(verifyConsistency(sm3, from, head, []).ok).toBe(false);
      expect(verifyConsistency(sm3, head, from, found)).toMatchObject({ error: { name: "proofMalformed" } });
    }
  });

  test("a proof from the empty tree proves nothing and says so; equal sizes need equal roots and no proof", () => {
    expect(verifyConsistency(sm3, { size: 0n, root: sm3.empty() }, head, [])).toMatchObject({ error: { name: "proofVacuous" } });
    expect(verifyConsistency(sm3, head, head, [])).toEqual({ ok: true, value: true });
    expect(verifyConsistency(sm3, head, head, [head.root])).toMatchObject({ error: { name: "proofMalformed" } });
    expect(verifyConsistency(sm3, { ...head, root: leaves[0] as Uint8Array }, head, [])).toMatchObject({ error: { name: "proofRoot" } });
  });
});

test("a proof for one index and size is a proof for no other: every single bit of both", async () => {
  const leaves = leafHashes(sm3, 100);
  const head = { size: 100n, root: mth(sm3, leaves) };
  const from = { size: 37n, root: mth(sm3, leaves.slice(0, 37)) };
  const { prover } = proverOf(sm3, leaves);
  const consistency = await prover.consistency(37, 100);
  for (let bit = 0n; bit < 63n; bit += 1n) {
    for (const index of [0, 1, 36, 63, 64, 99]) {
      const claim = { leafHash: leaves[index] as Uint8Array, index: BigInt(index), proof: await prover.inclusion(index, 100) };
      expect(verifyInclusion(sm3, head, { ...claim, index: claim.index ^ (1n << bit) }).ok, `index ${index}, bit ${bit}`).toBe(false);
    }
    expect(verifyConsistency(sm3, { ...from, size: from.size ^ (1n << bit) }, head, consistency).ok, `old size, bit ${bit}`).toBe(false);
  }
  // The size steers the walk only: where another size has the same walk, the pair of size and root is what a signature binds.
  for (const size of [1n, 36n, 37n, 64n, 128n, 200n, 1n << 40n])
    expect(
      verifyInclusion(sm3, { ...head, size }, { leafHash: leaves[99] as Uint8Array, index: 99n, proof: await prover.inclusion(99, 100) })
        .ok,
    ).toBe(false);
});

test("leaves appended together, cut anywhere and by either way of hashing, give the same tree, tiles and nodes", () => {
  const [hash, many] = [crypto.sm3, crypto.sm3Many];
  if (many === undefined) throw new Error("Node has a batch implementation");
  const leaves = leafHashes(sm3, 1_500);
  const straight = new CompactRange(sm3);
  const roots = [toHex(straight.root())];
  const nodes = new Map<string, string>();
  for (const leaf of leaves) {
    straight.append(leaf, (height, index, node) => nodes.set(`${height}/${index}`, toHex(node)));
    roots.push(toHex(straight.root()));
  }
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 600 }), { minLength: 1, maxLength: 12 }), fc.boolean(), (cuts, isMany) => {
      const range = new CompactRange(treeHasher(hash, isMany ? many : undefined));
      const seen = new Map<string, string>();
      for (const cut of cuts) {
        const next = leaves.slice(range.size, range.size + cut);
        range.appendMany(next, (height, index, node) => {
          expect(seen.has(`${height}/${index}`)).toBe(false);
          seen.set(`${height}/${index}`, toHex(node));
        });
        expect(toHex(range.root())).toBe(roots[range.size]);
      }
      for (const [place, node] of seen) expect(node, place).toBe(nodes.get(place));
      const complete = Array.from({ length: 12 }, (_, height) => Math.floor(range.size / 2 ** height)).reduce((sum, n) => sum + n, 0);
      expect(seen.size).toBe(complete);
    }),
    { numRuns: 40 },
  );
});

test("leaves of one buffer, and of several, have the same hashes", () => {
  const buffer = new Uint8Array(1_000).map((_, at) => at);
  const leaves = [buffer.subarray(0, 10), buffer.subarray(500, 1_000), buffer.subarray(10, 10), buffer.subarray(3, 70)];
  const hasher = treeHasher(crypto.sm3, crypto.sm3Many);
  const wanted = leaves.map((leaf) => toHex(sm3.leaf(leaf)));
  expect(hasher.leaves(leaves).map(toHex)).toEqual(wanted);
  expect(hasher.leaves(leaves.map((leaf) => leaf.slice())).map(toHex)).toEqual(wanted);
  expect(hasher.leaves([])).toEqual([]);
});

test("an edge that is cloned and thrown away leaves no trace", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 700 }),
      fc.integer({ min: 0, max: 700 }),
      fc.integer({ min: 1, max: 300 }),
      (kept, dropped, then) => {
        const leaves = leafHashes(sm3, kept + then);
        const edge = new TileEdge(sm3);
        for (const leaf of leaves.slice(0, kept)) edge.append(leaf);
        const staged = edge.clone();
        for (let n = 0; n < dropped; n += 1) staged.append(sm3.empty());
        for (const leaf of leaves.slice(kept)) edge.append(leaf);
        const range = new CompactRange(sm3);
        for (const leaf of leaves) range.append(leaf);
        expect(toHex(edge.root())).toBe(toHex(range.root()));
        expect(edge.takeFull().filter(({ level }) => level === 0)).toHaveLength(Math.floor((kept + then) / TILE_WIDTH));
      },
    ),
    { numRuns: 15 },
  );
});

test("a compact range refuses peaks that do not fit its size", () => {
  expect(() => new CompactRange(sm3, 3, [sm3.empty()])).toThrow(RangeError);
});

function range(from: bigint, to: bigint): readonly bigint[] {
  return Array.from({ length: Number(to - from) }, (_, at) => from + BigInt(at));
}

function everyBit(hash: Uint8Array): readonly Uint8Array[] {
  return Array.from({ length: hash.length * 8 }, (_, bit) => hash.with(bit >>> 3, (hash[bit >>> 3] ?? 0) ^ (1 << (bit & 7))));
}
