/**
 * From entries back to the records of the bus that they came from: each entry names topic, partition, offset and hash of
 * its request. One request may have several entries, all naming the same record; a repeat that changed nothing has none.
 */
import type { LeafProvenance } from "../verifier/leaf.ts";
import { equalBytes } from "../verifier/bytes.ts";

/** Requests whose hashes are kept for comparing with later entries. */
const REMEMBERED_MAX = 65_536;

export interface ProvenanceCounts {
  /** Requests that have an entry. */
  requests: number;
  /** Offsets before the newest one that no entry names: repeats, or requests that were left out. */
  gaps: number;
  /** Requests recorded behind later ones of their partition. */
  reordered: number;
}

interface PartitionState {
  highest: bigint;
  readonly hashes: Map<bigint, Uint8Array>;
}

export class ProvenanceTracker {
  readonly counts: ProvenanceCounts = { requests: 0, gaps: 0, reordered: 0 };
  readonly #partitions = new Map<string, PartitionState>();

  /** `conflict` when an earlier entry named the same place with another hash. */
  add({ topic, partition, offset, recordHash }: LeafProvenance): "first" | "again" | "conflict" {
    const key = `${topic}/${partition}`;
    const state = this.#partitions.get(key) ?? { highest: offset - 1n, hashes: new Map<bigint, Uint8Array>() };
    this.#partitions.set(key, state);
    const known = state.hashes.get(offset);
    if (known !== undefined) return equalBytes(known, recordHash) ? "again" : "conflict";
    // So old that its hash is forgotten: a late step of a request that was counted long ago.
    const oldest = state.hashes.keys().next();
    if (oldest.done !== true && state.hashes.size === REMEMBERED_MAX && offset < oldest.value) return "again";
    this.counts.requests += 1;
    if (offset > state.highest) {
      this.counts.gaps += Number(offset - state.highest - 1n);
      state.highest = offset;
    } else {
      this.counts.reordered += 1;
      this.counts.gaps = Math.max(0, this.counts.gaps - 1);
    }
    state.hashes.set(offset, recordHash.slice());
    if (oldest.done !== true && state.hashes.size > REMEMBERED_MAX) state.hashes.delete(oldest.value);
    return "first";
  }
}
