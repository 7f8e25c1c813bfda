/**
 * The log's side: asks all witnesses of the policy at once to cosign a checkpoint, each from the size that it had last time,
 * and goes on from where it really stands when it says so (409). Never waits longer than its time limits.
 */
import type { Checkpoint, Log } from "../port.ts";
import { meetsQuorum, type QuorumRule } from "../verifier/quorum.ts";
import type { VerifierCrypto, Witness } from "../verifier/note.ts";
import { submitCheckpoint, type Submitted } from "./client.ts";

export interface CollectorOptions extends QuorumRule {
  readonly log: Pick<Log, "origin" | "size" | "consistency">;
  readonly crypto: VerifierCrypto;
  /** Those with an address; the others cannot be asked. */
  readonly witnesses: readonly Witness[];
  /** For one call to one witness. */
  readonly timeoutMs: number;
  /** How long others may still join once the quorum is met. */
  readonly graceMs: number;
  /** Sizes from an earlier life, by the witness's name. */
  readonly sizes: ReadonlyMap<string, bigint>;
}

export interface CollectOptions {
  readonly only?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface Collected {
  /** Lines of witnesses to stand behind those of the log. */
  readonly lines: string;
  /** Names of those who cosigned. */
  readonly cosigners: readonly string[];
  readonly hasQuorum: boolean;
}

export interface WitnessState {
  readonly name: string;
  readonly url: string | undefined;
  /** Where it stands, as far as it is known. */
  readonly size: bigint;
  /** Of the last call. */
  readonly answer: string;
}

/** A witness that was set back, or is raced by another sequencer, is not chased for ever. */
const CONFLICTS_MAX = 3;

export class CosignatureCollector {
  readonly #options: CollectorOptions;
  readonly #states = new Map<string, { size: bigint; answer: string }>();

  constructor(options: CollectorOptions) {
    this.#options = options;
    for (const { name } of options.witnesses) this.#states.set(name, { size: options.sizes.get(name) ?? 0n, answer: "not asked yet" });
  }

  /** Where each witness stands. */
  states(): readonly WitnessState[] {
    return this.#options.witnesses.map(({ name, url }) => {
      const { size, answer } = this.#state(name);
      return { name, url, size, answer };
    });
  }

  /** Witnesses that can be asked and have not cosigned so much. */
  behind(size: bigint): readonly string[] {
    return this.states().flatMap((state) => (state.url !== undefined && state.size < size ? [state.name] : []));
  }

  /** Sizes to remember for the next life. */
  sizes(): ReadonlyMap<string, bigint> {
    return new Map([...this.#states].map(([name, { size }]) => [name, size]));
  }

  /**
   * Cosignatures over `checkpoint`: at once when nobody more can come, shortly after the quorum is met, or when time is up.
   * `only` these witnesses are asked, when given; `signal` ends it with what has come.
   */
  async collect(checkpoint: Checkpoint, { only, signal }: CollectOptions = {}): Promise<Collected> {
    const { graceMs } = this.#options;
    const witnesses = this.#options.witnesses.filter(({ name }) => only?.includes(name) !== false);
    const lines = new Map<string, string>();
    const enough = new AbortController();
    const ended = signal === undefined ? enough.signal : AbortSignal.any([enough.signal, signal]);
    let grace: NodeJS.Timeout | undefined;
    const asked = witnesses.map(async (witness) => {
      const outcome = await this.#ask(witness, checkpoint, ended);
      if (outcome?.kind !== "cosigned") return;
      lines.set(witness.name, outcome.line);
      if (meetsQuorum(this.#options, new Set(lines.keys()))) grace ??= setTimeout(() => enough.abort(), graceMs);
    });
    await Promise.all(asked);
    clearTimeout(grace);
    const cosigners = witnesses.map(({ name }) => name).filter((name) => lines.has(name));
    return {
      lines: cosigners.map((name) => lines.get(name)).join(""),
      cosigners,
      hasQuorum: meetsQuorum(this.#options, new Set(cosigners)),
    };
  }

  async #ask(witness: Witness, checkpoint: Checkpoint, signal: AbortSignal): Promise<Submitted | undefined> {
    const state = this.#state(witness.name);
    const { url } = witness;
    if (url === undefined) {
      state.answer = "has no address in the policy";
      return undefined;
    }
    for (let tries = 0; tries <= CONFLICTS_MAX; tries++) {
      if (state.size > checkpoint.size) state.size = checkpoint.size;
      const outcome = await this.#submit({ ...witness, url }, checkpoint, state.size, signal);
      // The others were enough and it was cut short: that says nothing of it.
      if (outcome.kind === "away" && signal.aborted) return undefined;
      if (outcome.kind === "cosigned") Object.assign(state, { size: checkpoint.size, answer: "cosigned" });
      else state.answer = outcome.kind === "conflict" ? `stands at size ${outcome.size}` : outcome.reason;
      if (outcome.kind !== "conflict") return outcome;
      // Beyond what is asked for: another checkpoint of ours was faster, or the log was set back behind it.
      if (outcome.size > checkpoint.size || outcome.size === state.size) {
        if (outcome.size > checkpoint.size) state.answer = `has cosigned size ${outcome.size}, this log shows ${checkpoint.size}`;
        else state.answer = `has cosigned another root for size ${outcome.size}`;
        return outcome;
      }
      state.size = outcome.size;
    }
    return undefined;
  }

  async #submit(
    witness: Witness & { readonly url: string },
    checkpoint: Checkpoint,
    from: bigint,
    signal: AbortSignal,
  ): Promise<Submitted> {
    const { log, crypto, timeoutMs } = this.#options;
    const proof = from === 0n || from === checkpoint.size ? [] : await log.consistency(from, checkpoint.size);
    return await submitCheckpoint(crypto, witness, { oldSize: from, proof, note: checkpoint.note }, { timeoutMs, signal });
  }

  #state(name: string): { size: bigint; answer: string } {
    const state = this.#states.get(name);
    if (state === undefined) throw new Error(`no witness ${name}`);
    return state;
  }
}
