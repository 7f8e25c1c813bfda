/**
 * A witness: cosigns a log's checkpoint only when the log grew from the last one it cosigned (C2SP tlog-witness). It
 * trusts the log for nothing, keeps no entries, and remembers (size, root) of what it signed.
 *
 * Check and persist are one step: the head moves by a conditional update on what was checked, and the signature is made
 * only after that update is durable. What was overtaken in between is answered as a conflict and never signed.
 */
import type { EventMs } from "../../core/protocol/time.ts";
import { equalBytes, fromBase64, toBase64 } from "../verifier/bytes.ts";
import {
  type CheckpointBody,
  cosignatureMessage,
  parseCheckpointBody,
  parseNote,
  printCosignature,
  type SignedNote,
  type TrustedKey,
  type VerifierCrypto,
  verifyLogSignature,
  type WitnessKey,
} from "../verifier/note.ts";
import { HASH_BYTES, type TreeHasher, treeHasher, type TreeHead, verifyConsistency } from "../verifier/tree.ts";
import { contradiction } from "./contradiction.ts";
import { type AddCheckpoint, parseAddCheckpoint } from "./request.ts";
import type { Evidence, SplitView, WitnessStore } from "./store.ts";

export interface WitnessOptions {
  readonly store: WitnessStore;
  readonly crypto: VerifierCrypto;
  /** Keys of the logs it witnesses, each with the origins and sizes it may sign. */
  readonly logs: readonly TrustedKey[];
  readonly key: WitnessKey;
  /** SM2 with the default user id; raw r ‖ s. */
  readonly sign: (message: Uint8Array) => Promise<Uint8Array>;
  readonly clock: { now(): EventMs };
  /** Told of every contradiction that was not known before. */
  readonly onSplitView?: (found: SplitView) => void;
}

/** Status and body as HTTP carries them. */
export interface Answer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422;
  /** 200: signature lines; 409: the size that the witness has, or that there is another root for it; else the reason. One line each. */
  readonly body: string;
}

export class Witness {
  readonly #options: WitnessOptions;
  readonly #hasher: TreeHasher;

  constructor(options: WitnessOptions) {
    this.#options = options;
    this.#hasher = treeHasher(options.crypto.sm3);
  }

  get key(): WitnessKey {
    return this.#options.key;
  }

  /** Logs that keys are trusted for by name. */
  get origins(): readonly string[] {
    return [...new Set(this.#options.logs.flatMap((key) => key.origins ?? []))];
  }

  /** Whether some key is trusted for the log at all. */
  knows(origin: string): boolean {
    return this.#options.logs.some((key) => key.origins?.includes(origin) !== false);
  }

  /** `add-checkpoint`: the text of a request in, the answer out. */
  async addCheckpoint(text: string): Promise<Answer> {
    const request = parseAddCheckpoint(text);
    if (!request.ok) return refusal(400, request.error.detail);
    const checkpoint = this.#read(request.value.note);
    if ("status" in checkpoint) return checkpoint;
    if (request.value.oldSize > checkpoint.size) return refusal(400, "the old size is beyond the checkpoint");
    return await this.#check(request.value, checkpoint);
  }

  /** A checkpoint that the log stands by, from wherever it came. */
  #read(note: string): LogCheckpoint | Answer {
    const parsed = parseNote(note);
    const body = parsed.ok ? parseCheckpointBody(parsed.value.text) : parsed;
    if (!parsed.ok || !body.ok) return refusal(400, body.ok ? "no note" : body.error.detail);
    if (!this.knows(body.value.origin)) return refusal(404, "this log is not witnessed here");
    const signed = verifyLogSignature(this.#options.crypto, note, this.#options.logs);
    if (!signed.ok) return refusal(signed.error.name === "noteMalformed" ? 400 : 403, `${signed.error.name}: ${signed.error.detail}`);
    return { ...body.value, note: withoutStrangers(parsed.value, this.#options.logs) };
  }

  async #check(request: AddCheckpoint, checkpoint: LogCheckpoint): Promise<Answer> {
    const { store, clock } = this.#options;
    const { origin, size, root } = checkpoint;
    const split = await this.compare(checkpoint, "log");
    const known: TreeHead = (await store.head(origin)) ?? { size: 0n, root: this.#hasher.empty() };
    // Another root for a size that was cosigned: the status of C2SP tlog-witness, without a size to go on from.
    if (split) return refusal(409, SPLIT_VIEW);
    if (await store.isFrozen(origin)) return refusal(403, SPLIT_VIEW);
    if (request.oldSize !== known.size || (size === known.size && !equalBytes(root, known.root))) return conflict(known.size);
    const defect = await this.#proofDefect(request, known, checkpoint);
    if (defect !== undefined) return refusal(422, defect);
    const nowS = BigInt(Math.floor(clock.now() / 1000));
    const timeS = await store.advance({ origin, from: known, to: checkpoint, note: checkpoint.note, nowS });
    // Overtaken between check and persist: the other request's head stands, and this one is not signed.
    if (timeS === undefined) return conflict((await store.head(origin))?.size ?? 0n);
    return { status: 200, body: await this.#cosign(checkpoint.note, timeS) };
  }

  async #proofDefect({ proof }: AddCheckpoint, known: TreeHead, checkpoint: LogCheckpoint): Promise<string | undefined> {
    if (known.size === 0n || known.size === checkpoint.size)
      return proof.length === 0 ? undefined : `from size ${known.size} to ${checkpoint.size} the proof is empty`;
    const verified = verifyConsistency(this.#hasher, known, checkpoint, proof);
    if (verified.ok) return undefined;
    await this.judge(known.size, checkpoint, proof, "log");
    return `${verified.error.name}: ${verified.error.detail}`;
  }

  /** Whether a head that the log signed contradicts one that was cosigned here for the same size; such evidence is kept. */
  async compare(seen: LogCheckpoint, source: string): Promise<boolean> {
    const ours = await this.#options.store.cosignedAt(seen.origin, seen.size);
    if (ours === undefined || contradiction(this.#hasher, { size: seen.size, root: ours.root }, seen, []) === undefined) return false;
    await this.#raise({ origin: seen.origin, kind: "sameSize", ours: ours.note, theirs: seen.note, proof: "", source });
    return true;
  }

  /** Whether `proof` shows that the larger of two signed heads does not begin with the smaller; such evidence is kept. */
  async judge(oursSize: bigint, seen: LogCheckpoint, proof: readonly Uint8Array[], source: string): Promise<boolean> {
    const ours = await this.#options.store.cosignedAt(seen.origin, oursSize);
    if (ours === undefined) return false;
    const kind = contradiction(this.#hasher, { size: oursSize, root: ours.root }, seen, proof);
    if (kind === undefined) return false;
    await this.#raise({ origin: seen.origin, kind, ours: ours.note, theirs: seen.note, proof: proof.map(toBase64).join("\n"), source });
    return true;
  }

  /** Evidence that somebody else found, judged here again from the two signed heads alone, and then kept like our own. */
  async believe(origin: string, found: Evidence, source: string): Promise<boolean> {
    const [one, other] = [this.recognise(found.ours), this.recognise(found.theirs)];
    const proof = found.proof === "" ? [] : found.proof.split("\n").map(fromBase64);
    if (one?.origin !== origin || other?.origin !== origin || !proof.every((hash) => hash?.length === HASH_BYTES)) return false;
    const kind = contradiction(
      this.#hasher,
      one,
      other,
      proof.flatMap((hash) => hash ?? []),
    );
    if (kind === undefined) return false;
    const shown = kind === "sameSize" ? "" : found.proof;
    await this.#raise({ origin, kind, ours: one.note, theirs: other.note, proof: shown, source });
    return true;
  }

  /** A note from elsewhere, when the log stands by it. */
  recognise(note: string): LogCheckpoint | undefined {
    const read = this.#read(note);
    return "status" in read ? undefined : read;
  }

  /** The newest head of a log with a cosignature, for whoever asks. */
  async latest(origin: string): Promise<string | undefined> {
    const head = await this.#options.store.head(origin);
    return head === undefined || head.note === "" ? undefined : head.note + (await this.#cosign(head.note, head.timeS));
  }

  async #cosign(note: string, timeS: bigint): Promise<string> {
    const parsed = parseNote(note);
    if (!parsed.ok) throw new Error("a note that was stored cannot be read");
    const { key, sign } = this.#options;
    return printCosignature(key, timeS, await sign(cosignatureMessage(timeS, parsed.value.text)));
  }

  async #raise(found: Omit<SplitView, "id" | "foundMs" | "acknowledged">): Promise<void> {
    const raised = await this.#options.store.raise({ ...found, foundMs: this.#options.clock.now() });
    if (raised !== undefined) this.#options.onSplitView?.(raised);
  }
}

/** A checkpoint with the lines of the log's own keys and no others. */
export interface LogCheckpoint extends CheckpointBody {
  readonly note: string;
}

/** What a stranger added to a note is no part of what we keep and hand on. */
function withoutStrangers({ text, signatures }: SignedNote, keys: readonly TrustedKey[]): string {
  const own = signatures.filter((line) => keys.some((key) => key.name === line.name && equalBytes(key.id, line.keyId)));
  const lines = own.map(({ name, keyId, signature }) => `\u2014 ${name} ${toBase64(Uint8Array.of(...keyId, ...signature))}\n`);
  return `${text}\n${lines.join("")}`;
}

/** Why nothing of a log is cosigned. */
export const SPLIT_VIEW = "splitView: two histories of this log are known, nothing is cosigned until a person has decided";

function refusal(status: Exclude<Answer["status"], 200>, body: string): Answer {
  return { status, body: `${body}\n` };
}

function conflict(size: bigint): Answer {
  return { status: 409, body: `${size}\n` };
}
