/**
 * Witnesses compare what they were shown. Each pulls the heads that others cosigned, and the contradictions that they found;
 * both prove themselves by the log's signature, so the others need not be trusted. Two roots for one size end it at once.
 * Heads of different sizes are put to the log: it must show that the larger goes on from the smaller, and a proof that shows
 * the contrary is kept as evidence. What nobody shows is *unproven*, and never passes for agreement.
 */
import { treeHasher, verifyConsistency } from "../verifier/tree.ts";
import type { VerifierCrypto } from "../verifier/note.ts";
import { type CallOptions, fetchConsistency, fetchEvidence, fetchHeads } from "./client.ts";
import type { WitnessStore } from "./store.ts";
import type { LogCheckpoint, Witness } from "./witness.ts";

export interface GossipOptions {
  readonly witness: Witness;
  readonly store: WitnessStore;
  readonly crypto: VerifierCrypto;
  /** Addresses of other witnesses. */
  readonly peers: readonly string[];
  /** Where logs give consistency proofs (`<core>/ledger/v1`); may be none. */
  readonly proofs: readonly string[];
  readonly everyMs: number;
  /** For one call. */
  readonly timeoutMs: number;
}

/**
 * How the newest head of another witness stands to ours. `consistent`: the same. `ahead`, `behind`: it is proven that the larger
 * begins with the smaller. `unproven`: nothing shows it. `contradicted`: two signed heads cannot both be true.
 */
export type GossipState = "consistent" | "ahead" | "behind" | "unproven" | "unreachable" | "contradicted";

export interface Comparison {
  readonly peer: string;
  readonly origin: string;
  readonly state: GossipState;
  /** Why, where the state does not say it all; sizes only. */
  readonly detail: string;
}

export interface Gossip {
  /** One round now; resolves when every peer was asked. */
  round(): Promise<void>;
  /** The last comparison with each peer, of each log. */
  comparisons(): readonly Comparison[];
  stop(): Promise<void>;
}

export function startGossip(options: GossipOptions): Gossip {
  return new PullingGossip(options);
}

type Compared = Pick<Comparison, "state" | "detail">;
const CONTRADICTED: Compared = { state: "contradicted", detail: "two heads that the log signed cannot both be true" };

function unproven(detail: string): Compared {
  return { state: "unproven", detail };
}

class PullingGossip implements Gossip {
  readonly #options: GossipOptions;
  readonly #comparisons = new Map<string, Comparison>();
  readonly #stopped = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> = Promise.resolve();

  constructor(options: GossipOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.round(), options.everyMs);
    this.#timer.unref();
  }

  round(): Promise<void> {
    this.#running = this.#running.then(() => this.#round());
    return this.#running;
  }

  comparisons(): readonly Comparison[] {
    return [...this.#comparisons.values()];
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopped.abort();
    await this.#running;
  }

  get #call(): CallOptions {
    return { timeoutMs: this.#options.timeoutMs, signal: this.#stopped.signal };
  }

  /** Logs that were never shown here are asked about too: what others found of them must be known before the first cosignature. */
  async #round(): Promise<void> {
    const { store, witness, peers } = this.#options;
    const origins = new Set([...(await store.heads()).map((head) => head.origin), ...witness.origins]);
    await Promise.all(peers.map((peer) => this.#askPeer(peer, [...origins])));
  }

  async #askPeer(peer: string, origins: readonly string[]): Promise<void> {
    for (const origin of origins) {
      if (this.#stopped.signal.aborted) return;
      this.#comparisons.set(`${peer} ${origin}`, { peer, origin, ...(await this.#compare(peer, origin)) });
    }
  }

  async #compare(peer: string, origin: string): Promise<Compared> {
    const { witness } = this.#options;
    const [evidence, notes] = [await fetchEvidence(peer, origin, this.#call), await fetchHeads(peer, origin, this.#call)];
    if (evidence === undefined || notes === undefined) return { state: "unreachable", detail: "it does not answer as a witness does" };
    let contradicted = false;
    for (const found of evidence) if (await witness.believe(origin, found, peer)) contradicted = true;
    const heads = notes.flatMap((note) => witness.recognise(note) ?? []).filter((head) => head.origin === origin);
    // All of them: who answers for a split view answers for what is known of it.
    for (const head of heads) if (await witness.compare(head, peer)) contradicted = true;
    if (contradicted) return CONTRADICTED;
    if (heads.length < notes.length) return unproven("it shows heads that the log did not sign");
    const [newest] = heads;
    return newest === undefined ? unproven("it shows no head of this log") : await this.#reconcile(peer, newest);
  }

  /** That the newest head of the other and ours are of one history, as far as the log can be made to show it. */
  async #reconcile(peer: string, theirs: LogCheckpoint): Promise<Compared> {
    const { witness, store, crypto, proofs } = this.#options;
    const ours = await store.head(theirs.origin);
    if (ours === undefined || ours.size === 0n || theirs.size === 0n) return unproven("one of the two has seen nothing of this log");
    const sizes = `size ${theirs.size} there, ${ours.size} here`;
    const proven: Compared = { state: theirs.size < ours.size ? "behind" : "ahead", detail: sizes };
    // A head that we cosigned too was compared above, and ours went on from it.
    if (theirs.size === ours.size) return { state: "consistent", detail: sizes };
    if ((await store.cosignedAt(theirs.origin, theirs.size)) !== undefined) return proven;
    const [from, to] = ours.size < theirs.size ? [ours, theirs] : [theirs, ours];
    const hasher = treeHasher(crypto.sm3);
    for (const url of proofs) {
      const proof = await fetchConsistency(url, { origin: theirs.origin, from: from.size, to: to.size }, this.#call);
      if (proof === undefined) continue;
      if (verifyConsistency(hasher, from, to, proof).ok) return proven;
      if (await witness.judge(ours.size, theirs, proof, peer)) return CONTRADICTED;
      return unproven(`the log shows no way from size ${from.size} to ${to.size}`);
    }
    return unproven(`nobody shows the way from size ${from.size} to ${to.size}`);
  }
}
