/** One log of an export: its checkpoint, its entries from the first to the last, its tiles, and that no file is missing or left over. */
import { equalBytes, toHex, utf8, utf8Text } from "./bytes.ts";
import { ageDefect, checkpointEvidence, witnessDefect, witnessEvidence } from "./checkpoint.ts";
import type { GuardedFiles } from "./export-files.ts";
import {
  CHECKPOINT_FILE,
  type ExportedLog,
  parseBundle,
  TILE_WIDTH,
  type TileName,
  tilePath,
  tilesOf,
  tilesOfLevel,
} from "./export-layout.ts";
import { type Erasure, ERASURE_KIND, type ErasedField, erasedFieldDefect, erasureOf } from "./erasure.ts";
import { decodeLeaf, leafOf, TAG } from "./leaf.ts";
import { LogVerifier, type VerifiedLeaf } from "./log.ts";
import { asPolicy, type Trust, type VerifiedCheckpoint, type VerifierCrypto, verifyLogSignature } from "./note.ts";
import { CheckList, type CheckResult, type Evidence, type Verdict, verdictOf } from "./report.ts";
import { type CollectedTile, TileCollector } from "./tile-collector.ts";
import { type Defect, type DefectName, shownDefect } from "./verdict.ts";

export const EXPORTED_LOG_CHECKS = ["signature", "witnesses", "files", "leaves", "chain", "root", "tiles", "knownCheckpoints"] as const;
export type ExportedLogCheckName = (typeof EXPORTED_LOG_CHECKS)[number];

export interface ExportedLogReport {
  readonly origin: string;
  readonly folder: string;
  readonly verdict: Verdict;
  /** `verdict` is `valid`. */
  readonly ok: boolean;
  /** Entries found good, from the first on. */
  readonly size: bigint;
  /** Of these entries. */
  readonly root: Uint8Array;
  /** `knownCheckpoints` only when the auditor brought one of this log. */
  readonly checks: readonly CheckResult<ExportedLogCheckName>[];
  readonly firstDefect?: Defect;
}

export interface ExportedLogOptions {
  readonly log: ExportedLog;
  readonly files: GuardedFiles;
  readonly crypto: VerifierCrypto;
  readonly trust: Trust;
  /** Believed, and of this log. */
  readonly known: readonly VerifiedCheckpoint[];
  readonly onEntry?: (origin: string, leaf: VerifiedLeaf) => void;
  readonly signal?: { readonly aborted: boolean };
  readonly nowMs?: number;
}

const SIZE_MAX = 2 ** 48;
const ERASURE_KIND_BYTES = utf8(ERASURE_KIND);

/** Under which check a defect of an entry is shown. */
const CHECK_OF: Partial<Record<DefectName, ExportedLogCheckName>> = {
  leafChain: "chain",
  leafTime: "chain",
  tileMismatch: "tiles",
  checkpointRoot: "root",
  knownCheckpoint: "knownCheckpoints",
  fileMissing: "files",
  fileUnknown: "files",
};

export class ExportedLogCheck {
  readonly #options: ExportedLogOptions;
  readonly #list: CheckList<ExportedLogCheckName>;
  readonly #verifier: LogVerifier;
  readonly #tiles = new TileCollector();
  readonly #known: VerifiedCheckpoint[];
  readonly #erasures: Erasure[] = [];
  #note = "";
  #head: VerifiedCheckpoint | undefined;
  #defect: Defect | undefined;
  #bytes = 0;
  #bundles = 0;
  #comparedTiles = 0;
  #firstAt: bigint | undefined;
  #lastAt: bigint | undefined;

  constructor(options: ExportedLogOptions) {
    this.#options = options;
    const { log, crypto, trust, known } = options;
    this.#known = known.toSorted((a, b) => (a.size < b.size ? -1 : 1));
    this.#list = new CheckList(EXPORTED_LOG_CHECKS.filter((name) => name !== "knownCheckpoints" || known.length > 0));
    this.#verifier = new LogVerifier({ crypto, trusted: trust, origin: log.origin });
  }

  /** Entries that the checkpoint counts; 0 while it is not believed. */
  get size(): bigint {
    return this.#head?.size ?? 0n;
  }

  /** Believes the checkpoint, or not. */
  async readHead(): Promise<void> {
    const { files, log, crypto, trust } = this.#options;
    const bytes = await files.read(`${log.folder}/${CHECKPOINT_FILE}`);
    if (!bytes.ok) return this.#stop("signature", bytes.error);
    this.#note = utf8Text(bytes.value) ?? "\u0000";
    const head = verifyLogSignature(crypto, this.#note, trust);
    if (!head.ok) return this.#stop("signature", head.error);
    if (head.value.origin !== log.origin)
      return this.#stop("signature", {
        name: "checkpointOrigin",
        detail: `a checkpoint of ${head.value.origin} stands in the folder of ${log.origin}`,
      });
    this.#list.pass(
      "signature",
      `size ${head.value.size}, signed by ${head.value.signers.length} trusted key(s)`,
      checkpointEvidence(head.value),
    );
    const unwitnessed = witnessDefect(head.value, trust) ?? ageDefect(head.value, trust, this.#options.nowMs);
    if (unwitnessed !== undefined) return this.#stop("witnesses", unwitnessed);
    this.#list.pass("witnesses", ...witnessEvidence(head.value, asPolicy(trust)));
    const newest = this.#known.at(-1);
    if (newest !== undefined && newest.size > head.value.size)
      return this.#stop("knownCheckpoints", {
        name: "truncated",
        detail: `a known checkpoint counts ${newest.size} entries, this one ${head.value.size}`,
        index: head.value.size,
      });
    this.#head = head.value;
  }

  /** Takes every entry and compares every tile. `onProgress` is told how many entries of this log are done. */
  async walk(onProgress: (done: bigint) => void): Promise<void> {
    const head = this.#head;
    if (head === undefined) return;
    const misplaced = this.#fileDefect(Number(head.size));
    if (misplaced !== undefined) return this.#stop("files", misplaced);
    this.#list.pass("files", "no file is missing and none left over", { files: this.#ownPaths().length });
    for (const bundle of tilesOfLevel("entries", Number(head.size))) {
      const defect = (this.#options.signal?.aborted === true ? this.#cancelled() : undefined) ?? (await this.#takeBundle(bundle));
      if (defect !== undefined) return this.#stop(CHECK_OF[defect.name] ?? "leaves", defect);
      onProgress(BigInt(this.#verifier.size));
    }
    const left = this.#knownDefect() ?? (await this.#partialTileDefect()) ?? (await this.#erasureDefect());
    if (left !== undefined) return this.#stop(CHECK_OF[left.name] ?? "leaves", left);
    this.#finish(head);
  }

  report(): ExportedLogReport {
    const { log } = this.#options;
    const checks = this.#list.results();
    const verdict = verdictOf(checks);
    const defect = this.#defect === undefined ? {} : { firstDefect: shownDefect(this.#defect) };
    const { size } = this.#verifier;
    return { ...log, verdict, ok: verdict === "valid", size: BigInt(size), root: this.#verifier.root(), checks, ...defect };
  }

  #finish(head: VerifiedCheckpoint): void {
    const signed = this.#verifier.addCheckpoint(this.#note);
    const covered = signed.ok ? this.#verifier.finish() : signed;
    const { size } = this.#verifier;
    const times: Evidence = this.#firstAt === undefined ? {} : { firstAt: this.#firstAt, lastAt: this.#lastAt ?? this.#firstAt };
    const erased = this.#erasures.reduce((sum, erasure) => sum + erasure.fields.length, 0);
    const places = this.#erasures.map(({ at }) => String(at));
    this.#list.pass(
      "leaves",
      `${size} canonical entries without a gap` +
        (erased === 0 ? "" : `, ${erased} personal values erased lawfully at entry ${listed(places)}`),
      { entries: size, bundles: this.#bundles, bytes: this.#bytes, ...(erased === 0 ? {} : { erasedAt: listed(places) }) },
    );
    this.#list.pass("chain", "every entry names the one before it and is not older", times);
    if (!covered.ok) return this.#stop("root", covered.error);
    this.#list.pass("root", "the entries have the signed root", { size: head.size, root: toHex(head.root) });
    this.#list.pass("tiles", `${this.#comparedTiles} tiles derived again`, { tiles: this.#comparedTiles });
    if (this.#options.known.length > 0)
      this.#list.pass("knownCheckpoints", `${this.#options.known.length} found in this history`, {
        checkpoints: this.#options.known.length,
        oldSize: this.#options.known.map((known) => String(known.size)),
      });
  }

  #stop(check: ExportedLogCheckName, defect: Defect): void {
    this.#defect = defect;
    this.#list.fail(check, defect);
  }

  #cancelled(): Defect {
    const detail = `ended after ${this.#verifier.size} of ${this.size} entries: the rest was not looked at`;
    return { name: "cancelled", detail, index: BigInt(this.#verifier.size) };
  }

  #ownPaths(): readonly string[] {
    const folder = `${this.#options.log.folder}/`;
    return [...this.#options.files.paths].filter((path) => path.startsWith(folder));
  }

  /** Exactly the files that a log of this size has. */
  #fileDefect(size: number): Defect | undefined {
    const { folder } = this.#options.log;
    if (size > SIZE_MAX) return { name: "exportMalformed", detail: `no export holds ${size} entries` };
    const there = new Set(this.#ownPaths());
    there.delete(`${folder}/${CHECKPOINT_FILE}`);
    for (const tile of tilesOf(size)) {
      const path = `${folder}/${tilePath(tile)}`;
      if (!there.delete(path)) return { name: "fileMissing", detail: `the file ${path} is missing`, ...firstEntryOf(tile) };
    }
    const [left] = there;
    return left === undefined ? undefined : { name: "fileUnknown", detail: `a log of size ${size} has no file ${left}` };
  }

  async #takeBundle(bundle: TileName): Promise<Defect | undefined> {
    const bytes = await this.#readTile(bundle);
    if (!bytes.ok) return bytes.error;
    const leaves = parseBundle(bytes.value, bundle.width);
    if (!leaves.ok) return { ...leaves.error, ...firstEntryOf(bundle) };
    this.#bytes += bytes.value.length;
    this.#bundles += 1;
    const hashes = this.#verifier.leafHashes(leaves.value);
    for (const [at, leaf] of leaves.value.entries()) {
      const before = this.#knownDefect();
      if (before !== undefined) return before;
      const taken = this.#verifier.addLeaf(leaf, this.#tiles.visit, hashes[at]);
      if (!taken.ok) return taken.error;
      this.#options.onEntry?.(this.#verifier.origin, taken.value);
      const erasure = taken.value.view.equals(TAG.kind, ERASURE_KIND_BYTES) ? erasureOf(leafOf(taken.value.view)) : undefined;
      if (erasure?.ok === false) return erasure.error;
      if (erasure !== undefined) this.#erasures.push(erasure.value);
      this.#lastAt = taken.value.view.postedMs;
      this.#firstAt ??= this.#lastAt;
    }
    for (const tile of this.#tiles.take()) {
      const defect = await this.#tileDefect(tile);
      if (defect !== undefined) return defect;
    }
    return undefined;
  }

  /** Compares the roots of known checkpoints as the log reaches their sizes. */
  #knownDefect(): Defect | undefined {
    for (let [known] = this.#known; known?.size === BigInt(this.#verifier.size); [known] = this.#known) {
      this.#known.shift();
      if (!equalBytes(known.root, this.#verifier.root()))
        return {
          name: "knownCheckpoint",
          detail: `a known checkpoint has another root for size ${known.size}: two histories`,
          index: known.size,
        };
    }
    return undefined;
  }

  async #partialTileDefect(): Promise<Defect | undefined> {
    this.#verifier.settle();
    for (const tile of this.#tiles.partial()) {
      const defect = await this.#tileDefect(tile);
      if (defect !== undefined) return defect;
    }
    return undefined;
  }

  /** What erasure entries name comes before them: those bundles are opened once more, in their order. */
  async #erasureDefect(): Promise<Defect | undefined> {
    const named = new Map<number, { readonly at: bigint; readonly field: ErasedField }[]>();
    for (const { at, fields } of this.#erasures)
      for (const field of fields) {
        const bundle = Number(field.index / BigInt(TILE_WIDTH));
        const there = named.get(bundle);
        if (there === undefined) named.set(bundle, [{ at, field }]);
        else there.push({ at, field });
      }
    for (const bundle of tilesOfLevel("entries", this.#verifier.size)) {
      const erased = named.get(bundle.index);
      if (erased === undefined) continue;
      const bytes = await this.#readTile(bundle);
      if (!bytes.ok) return bytes.error;
      const leaves = parseBundle(bytes.value, bundle.width);
      if (!leaves.ok) return leaves.error;
      for (const { at, field } of erased) {
        const leaf = decodeLeaf(leaves.value[Number(field.index % BigInt(TILE_WIDTH))] ?? new Uint8Array());
        const defect = leaf.ok ? erasedFieldDefect(at, field, leaf.value) : leaf.error;
        if (defect !== undefined) return defect;
      }
    }
    return undefined;
  }

  async #tileDefect({ bytes: derived, ...tile }: CollectedTile): Promise<Defect | undefined> {
    const bytes = await this.#readTile(tile);
    if (!bytes.ok) return bytes.error;
    this.#comparedTiles += 1;
    if (equalBytes(bytes.value, derived)) return undefined;
    return { name: "tileMismatch", detail: `the file ${tilePath(tile)} does not hold the hashes of the entries`, ...firstEntryOf(tile) };
  }

  async #readTile(tile: TileName): ReturnType<GuardedFiles["read"]> {
    return await this.#options.files.read(`${this.#options.log.folder}/${tilePath(tile)}`);
  }
}

const LISTED_MAX = 8;

function listed(places: readonly string[]): string {
  return places.slice(0, LISTED_MAX).join(", ") + (places.length > LISTED_MAX ? ", …" : "");
}

function firstEntryOf({ level, index }: TileName): { readonly index: bigint } {
  return { index: BigInt(index) * BigInt(TILE_WIDTH) ** BigInt(level === "entries" ? 1 : level + 1) };
}
