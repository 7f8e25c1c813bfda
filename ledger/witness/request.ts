/** What a log sends to a witness, as text (C2SP tlog-witness, `add-checkpoint`): old size, consistency proof, signed checkpoint. */
import { fromBase64, isLonger, parseDecimal, toBase64 } from "../verifier/bytes.ts";
import { HASH_BYTES } from "../verifier/tree.ts";
import { type Checked, failed, passed } from "../verifier/verdict.ts";

/** A proof between two sizes below 2^63 is never longer. */
export const PROOF_HASHES_MAX = 63;
/** Room for a note of the largest size, and for the proof. */
export const REQUEST_BYTES_MAX = 72 * 1024;

export interface AddCheckpoint {
  /** Size of the newest checkpoint that the witness cosigned; 0 when there is none. */
  readonly oldSize: bigint;
  readonly proof: readonly Uint8Array[];
  /** The signed note, exact. */
  readonly note: string;
}

export function printAddCheckpoint({ oldSize, proof, note }: AddCheckpoint): string {
  return [`old ${oldSize}`, ...proof.map(toBase64), "", note].join("\n");
}

export function parseAddCheckpoint(text: string): Checked<AddCheckpoint> {
  if (isLonger(text, REQUEST_BYTES_MAX)) return failed("proofMalformed", "the request is too long");
  const split = text.indexOf("\n\n");
  const [oldLine = "", ...lines] = text.slice(0, Math.max(split, 0)).split("\n");
  const oldSize = oldLine.startsWith("old ") ? parseDecimal(oldLine.slice("old ".length)) : undefined;
  if (oldSize === undefined) return failed("proofMalformed", "the first line is not `old <size>`");
  if (lines.length > PROOF_HASHES_MAX) return failed("proofMalformed", `the proof has more than ${PROOF_HASHES_MAX} hashes`);
  const proof: Uint8Array[] = [];
  for (const line of lines) {
    const hash = fromBase64(line);
    if (hash?.length !== HASH_BYTES) return failed("proofMalformed", "a line of the proof is not the Base64 of 32 bytes");
    proof.push(hash);
  }
  return passed({ oldSize, proof, note: text.slice(split + 2) });
}
