/**
 * Exports made entry by entry, without a database: large ones for the page, dishonest ones for the attack table. What an
 * honest platform writes, `../export/platform.ts` writes; here somebody else may have.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { encodeLeaf } from "../leaf-encoder.ts";
import { utf8 } from "../verifier/bytes.ts";
import type { ExportFiles } from "../verifier/export.ts";
import {
  CHECKPOINT_FILE,
  type ExportedLog,
  type ExportIndex,
  foldersOf,
  hashedFiles,
  hashOf,
  HEADERS_FILE,
  INDEX_FILE,
  POLICY_FILE,
  printBundle,
  printHeaders,
  printIndex,
  TILE_WIDTH,
  tilePath,
} from "../verifier/export-layout.ts";
import type { Leaf } from "../verifier/leaf.ts";
import { printCheckpointBody, printCosignature, printSignature, cosignatureMessage, type WitnessKey } from "../verifier/note.ts";
import { TileCollector } from "../verifier/tile-collector.ts";
import { CompactRange, treeHasher } from "../verifier/tree.ts";
import { AT, crypto, ORIGIN, type TestSigner } from "./platform.ts";

const hasher = treeHasher(crypto.sm3);

export type Files = Map<string, Uint8Array>;

/** What an entry says, apart from its place. */
export type LeafBody = Omit<Leaf, "origin" | "index" | "previous" | "postedMs">;

/** Settlements, refusals and refunds of seven institutions. */
export function sampleBody(n: number): LeafBody {
  const isRefused = n % 9 === 8;
  const kind = isRefused ? "settlement.refused" : n % 9 === 4 ? "settlement.refunded" : "settlement.settled";
  return {
    kind,
    outcome: isRefused ? "refused" : "accepted",
    ...(isRefused ? { code: "600041" } : {}),
    actor: "core",
    institution: `H${51_000 + (n % 7)}`,
    subject: `H${51_000 + (n % 7)}/T${n}`,
    idempotencyKey: `T${n}`,
    facts: [
      { name: "businessType", value: "01301" },
      { name: "fen.bank.psn_cash_pay", value: String(2_850 + n) },
      { name: "fen.insurance.acct_pay", value: "1000" },
      { name: "fen.insurance.hifp_pay", value: "9000" },
      { name: "fen.total", value: String(12_850 + n) },
    ],
  };
}

/** Leaves that name one another, a second apart. */
export function chained(bodies: readonly LeafBody[], origin: string = ORIGIN): readonly Uint8Array[] {
  const leaves: Uint8Array[] = [];
  let previous: Uint8Array | undefined;
  for (const [at, body] of bodies.entries()) {
    const leaf = encodeLeaf({ ...body, origin, index: BigInt(at), previous, postedMs: BigInt(AT + 1_000 * at) });
    previous = hasher.leaf(leaf);
    leaves.push(leaf);
  }
  return leaves;
}

export function sampleLeaves(count: number, origin: string = ORIGIN): readonly Uint8Array[] {
  return chained(
    Array.from({ length: count }, (_, n) => sampleBody(n)),
    origin,
  );
}

export function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  const range = new CompactRange(hasher);
  for (const leaf of leaves) range.append(hasher.leaf(leaf));
  return range.root();
}

export interface SampleHead {
  readonly origin?: string;
  readonly size: number;
  readonly root: Uint8Array;
}

export interface SampleWitness {
  readonly key: WitnessKey;
  readonly privateKey: Uint8Array;
  readonly timeS: bigint;
}

/** A checkpoint that says what it is told to say. */
export async function noteOf(
  { origin = ORIGIN, size, root }: SampleHead,
  signer: TestSigner,
  witnesses: readonly SampleWitness[] = [],
): Promise<string> {
  const text = printCheckpointBody({ origin, size: BigInt(size), root });
  const cosigned = witnesses.map(({ key, privateKey, timeS }) =>
    printCosignature(key, timeS, crypto.sm2Sign(privateKey, cosignatureMessage(timeS, text))),
  );
  return `${text}\n${printSignature(signer.trusted, await signer.sign(utf8(text)))}${cosigned.join("")}`;
}

/** Tiles and bundles of a log, each as its bytes are: whether they fit one another is for the verifier to find. */
export function logFiles(folder: string, leaves: readonly Uint8Array[], note: string): Files {
  const files: Files = new Map([[`${folder}/${CHECKPOINT_FILE}`, utf8(note)]]);
  const tiles = new TileCollector();
  const range = new CompactRange(hasher);
  for (const leaf of leaves) range.append(hasher.leaf(leaf), tiles.visit);
  for (const { bytes, ...tile } of [...tiles.take(), ...tiles.partial()]) files.set(`${folder}/${tilePath(tile)}`, bytes);
  for (let index = 0; index * TILE_WIDTH < leaves.length; index += 1) {
    const bundle = leaves.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH);
    files.set(`${folder}/${tilePath({ level: "entries", index, width: bundle.length })}`, printBundle(bundle));
  }
  return files;
}

export interface SampleLog {
  readonly origin?: string;
  readonly leaves: readonly Uint8Array[];
  readonly note: string;
}

/** A whole export: index, headers and policy are always those of an honest one. */
export function exportOf(logs: readonly SampleLog[], policy: string): Files {
  const names = foldersOf(logs.map((log) => log.origin ?? ORIGIN));
  const files: Files = new Map([[POLICY_FILE, utf8(policy)]]);
  for (const { folder, origin } of names) {
    const log = logs.find((one) => (one.origin ?? ORIGIN) === origin);
    for (const [path, bytes] of log === undefined ? [] : logFiles(folder, log.leaves, log.note)) files.set(path, bytes);
  }
  return indexed(files, names);
}

/** The same files under an index that vouches for them, as whoever changed one would write it. */
export function indexed(files: Files, logs: readonly ExportedLog[]): Files {
  const hashes = hashedFiles(logs, false).map((name) => ({ name, hash: hashOf(crypto.sm3, files.get(name) ?? new Uint8Array()) }));
  const index: ExportIndex = { logs, files: hashes };
  return new Map([...files, [INDEX_FILE, utf8(printIndex(index))], [HEADERS_FILE, utf8(printHeaders(index))]]);
}

export function reading(files: Files): ExportFiles {
  return { list: () => Promise.resolve([...files.keys()]), read: (path) => Promise.resolve(files.get(path)) };
}

export async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [path, bytes] of files) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, bytes);
  }
}
