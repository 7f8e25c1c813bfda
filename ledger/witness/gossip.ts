/**
 * Witnesses compare what they were shown. Each pulls the heads that others cosigned; the heads prove themselves by the
 * log's signature, so the others need not be trusted. Two roots for one size end it at once. Heads of different sizes
 * are put to the log: it must show that the larger goes on from the smaller, and a proof that shows the contrary is kept
 * as evidence. A log that shows nothing is reported, for nobody can tell then.
 */
import { treeHasher, verifyConsistency } from "../verifier/tree.ts";
import type { VerifierCrypto } from "../verifier/note.ts";
import { fetchConsistency, fetchHeads } from "./client.ts";
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

export interface Gossip {
  /** One round now; resolves when every peer was asked. */
  round(): Promise<void>;
  /** By `<peer> <origin>`: why the last comparison came to nothing. */
  troubles(): Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export function startGossip(options: GossipOptions): Gossip {
  return new PullingGossip(options);
}

class PullingGossip implements Gossip {
  readonly #options: GossipOptions;
  readonly #troubles = new Map<string, string>();
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

  troubles(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#troubles);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopped.abort();
    await this.#running;
  }

  async #round(): Promise<void> {
    const origins = (await this.#options.store.heads()).map((head) => head.origin);
    await Promise.all(this.#options.peers.map((peer) => this.#askPeer(peer, origins)));
  }

  async #askPeer(peer: string, origins: readonly string[]): Promise<void> {
    for (const origin of origins) {
      if (this.#stopped.signal.aborted) return;
      const trouble = await this.#compare(peer, origin);
      if (trouble === undefined) this.#troubles.delete(`${peer} ${origin}`);
      else this.#troubles.set(`${peer} ${origin}`, trouble);
    }
  }

  async #compare(peer: string, origin: string): Promise<string | undefined> {
    const { witness, timeoutMs } = this.#options;
    const notes = await fetchHeads(peer, origin, { timeoutMs, signal: this.#stopped.signal });
    if (notes === undefined) return "does not answer";
    const heads = notes.flatMap((note) => witness.recognise(note) ?? []).filter((head) => head.origin === origin);
    if (heads.length < notes.length) return "shows heads that the log did not sign";
    for (const head of heads) if (await witness.compare(head, peer)) return "was shown another history";
    const [newest] = heads;
    return newest === undefined ? undefined : await this.#reconcile(peer, newest);
  }

  /** That the newest head of the other and ours are of one history, as far as the log can be made to show it. */
  async #reconcile(peer: string, theirs: LogCheckpoint): Promise<string | undefined> {
    const { witness, store, crypto, proofs, timeoutMs } = this.#options;
    const ours = await store.head(theirs.origin);
    // What we both cosigned was compared above.
    if (ours === undefined || ours.size === 0n || theirs.size === 0n || (await store.cosignedAt(theirs.origin, theirs.size)) !== undefined)
      return undefined;
    const [from, to] = ours.size < theirs.size ? [ours, theirs] : [theirs, ours];
    const hasher = treeHasher(crypto.sm3);
    for (const url of proofs) {
      const asked = { origin: theirs.origin, from: from.size, to: to.size };
      const proof = await fetchConsistency(url, asked, { timeoutMs, signal: this.#stopped.signal });
      if (proof === undefined) continue;
      if (verifyConsistency(hasher, from, to, proof).ok) return undefined;
      if (await witness.judge(ours.size, theirs, proof, peer)) return "was shown another history";
      return `the log shows no way from size ${from.size} to ${to.size}`;
    }
    return proofs.length === 0 ? undefined : `nobody shows the way from size ${from.size} to ${to.size}`;
  }
}
