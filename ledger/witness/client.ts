/** What a log, or another witness, asks of a witness over HTTP. Every call ends within its time limit; nothing here throws. */
import { equalBytes, fromBase64, parseDecimal, toBase64 } from "../verifier/bytes.ts";
import { parseNote, type VerifierCrypto, verifyCosignature, type Witness } from "../verifier/note.ts";
import { HASH_BYTES } from "../verifier/tree.ts";
import type { Evidence } from "./store.ts";
import { type AddCheckpoint, PROOF_HASHES_MAX, printAddCheckpoint } from "./request.ts";

/** An answer of a witness is never longer. */
const ANSWER_BYTES_MAX = 1024 * 1024;

/** Heads handed over, and looked at, in one answer. */
export const HEADS_MAX = 100;
/** Contradictions looked at in one answer: one is enough. */
export const EVIDENCE_MAX = 16;

export interface CallOptions {
  readonly timeoutMs: number;
  /** Ends the call early. */
  readonly signal?: AbortSignal;
}

export type Submitted =
  | { readonly kind: "cosigned"; readonly line: string; readonly timeS: bigint }
  /** The witness stands elsewhere: go on from there. */
  | { readonly kind: "conflict"; readonly size: bigint }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "away"; readonly reason: string };

/** Sends a checkpoint and checks what comes back: only a line that verifies under the witness's key counts. */
export async function submitCheckpoint(
  crypto: VerifierCrypto,
  witness: Witness & { readonly url: string },
  request: AddCheckpoint,
  options: CallOptions,
): Promise<Submitted> {
  const body = printAddCheckpoint(request);
  const answer = await call(`${trimmed(witness.url)}/add-checkpoint`, options, { method: "POST", body, headers: TEXT });
  if ("away" in answer) return { kind: "away", reason: answer.away };
  const size = answer.status === 409 ? parseDecimal(answer.text.trimEnd()) : undefined;
  if (size !== undefined) return { kind: "conflict", size };
  if (answer.status !== 200) return { kind: "refused", reason: `${answer.status} ${firstLine(answer.text)}` };
  return ownLine(crypto, witness, request.note, answer.text) ?? { kind: "refused", reason: "200 without a good cosignature of its key" };
}

const TEXT = { "content-type": "text/plain; charset=utf-8" } as const;

/** The line of this witness's key among those it answered; others are no concern of ours. */
function ownLine(crypto: VerifierCrypto, witness: Witness, note: string, lines: string): Submitted | undefined {
  const ours = parseNote(note);
  const answered = ours.ok ? parseNote(`${ours.value.text}\n${lines}`) : ours;
  if (!ours.ok || !answered.ok) return undefined;
  for (const { name, keyId, signature } of answered.value.signatures) {
    if (name !== witness.key.name || !equalBytes(keyId, witness.key.id)) continue;
    const timeS = verifyCosignature(crypto, witness.key, ours.value.text, signature);
    if (timeS === undefined) return undefined;
    return { kind: "cosigned", timeS, line: `\u2014 ${name} ${toBase64(Uint8Array.of(...keyId, ...signature))}\n` };
  }
  return undefined;
}

/** The heads of a log that another witness has cosigned, newest first. */
export async function fetchHeads(url: string, origin: string, options: CallOptions): Promise<readonly string[] | undefined> {
  const answer = await call(`${trimmed(url)}/heads?origin=${encodeURIComponent(origin)}`, options);
  if ("away" in answer || answer.status !== 200) return undefined;
  const json = parseJson(answer.text);
  const heads = typeof json === "object" && json !== null && "heads" in json ? json.heads : undefined;
  return Array.isArray(heads) && heads.every((head) => typeof head === "string") ? heads.slice(0, HEADS_MAX) : undefined;
}

/** Contradictions of a log that another witness knows of, newest first; nothing of them is believed yet. */
export async function fetchEvidence(url: string, origin: string, options: CallOptions): Promise<readonly Evidence[] | undefined> {
  const answer = await call(`${trimmed(url)}/split-views?origin=${encodeURIComponent(origin)}`, options);
  if ("away" in answer || answer.status !== 200) return undefined;
  const json = parseJson(answer.text);
  const found: unknown = typeof json === "object" && json !== null && "splitViews" in json ? json.splitViews : undefined;
  return Array.isArray(found) ? found.slice(0, EVIDENCE_MAX).flatMap((one) => evidenceOf(one) ?? []) : undefined;
}

function evidenceOf(value: unknown): Evidence | undefined {
  if (typeof value !== "object" || value === null || !("ours" in value) || !("theirs" in value) || !("proof" in value)) return undefined;
  const { ours, theirs, proof } = value;
  const isText = typeof ours === "string" && typeof theirs === "string" && typeof proof === "string";
  return isText && proof.split("\n").length <= PROOF_HASHES_MAX ? { ours, theirs, proof } : undefined;
}

/** A consistency proof from whoever holds the log's tree; `undefined` when it gives none. */
export async function fetchConsistency(
  url: string,
  asked: { readonly origin: string; readonly from: bigint; readonly to: bigint },
  options: CallOptions,
): Promise<readonly Uint8Array[] | undefined> {
  const query = `origin=${encodeURIComponent(asked.origin)}&from=${asked.from}&to=${asked.to}`;
  const answer = await call(`${trimmed(url)}/consistency?${query}`, options);
  if ("away" in answer || answer.status !== 200) return undefined;
  const lines = answer.text.split("\n");
  if (lines.pop() !== "" || lines.length > PROOF_HASHES_MAX) return undefined;
  const proof = lines.flatMap((line) => fromBase64(line) ?? []);
  return proof.length === lines.length && proof.every((hash) => hash.length === HASH_BYTES) ? proof : undefined;
}

type Called = { readonly status: number; readonly text: string } | { readonly away: string };

async function call(url: string, { timeoutMs, signal }: CallOptions, init: RequestInit = {}): Promise<Called> {
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      ...init,
      redirect: "error",
      signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
    });
    const text = await boundedText(response);
    return text === undefined ? { away: "the answer is too long" } : { status: response.status, text };
  } catch (error) {
    return { away: limit.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error) };
  }
}

/** Read piece by piece: who sends without end is left before memory is. */
async function boundedText(response: Response): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let [text, bytes] = ["", 0];
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    // Leaving the loop ends the connection.
    if (bytes > ANSWER_BYTES_MAX) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
  return code ?? (error instanceof Error ? error.name : "failed");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function trimmed(url: string): string {
  return url.replace(/\/+$/, "");
}

/** Words of another process, cut and without control characters: they end in our log lines. */
function firstLine(text: string): string {
  // eslint-disable-next-line no-control-regex -- what it takes out
  return (text.split("\n", 1)[0] ?? "").replaceAll(/[\x00-\x1f\x7f]/g, "").slice(0, 200);
}
