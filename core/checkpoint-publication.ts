/**
 * Which checkpoint of a log the world outside may have. Without witnesses it is the newest signed one. With them, a signed
 * head is shown to all at an interval, and published with their cosignatures once the policy's quorum stands by it: fail
 * closed keeps back what lacks it, fail open publishes all the same and says so, and goes on asking.
 *
 * A log that rests is shown on: to witnesses that were away, until all have its head, and to all again before the head becomes
 * older than the policy allows. Their lines join those that are out.
 *
 * Nothing here is waited for by whoever writes to the log.
 */
import type { Checkpoint, Log } from "../ledger/port.ts";
import {
  type PublishedCheckpoint,
  readPublished,
  withLines,
  readWitnessSizes,
  writePublished,
  writeWitnessSizes,
} from "../ledger/store/publication.ts";
import type { Policy, VerifierCrypto } from "../ledger/verifier/note.ts";
import { describeQuorum } from "../ledger/verifier/quorum.ts";
import { CosignatureCollector, type WitnessState } from "../ledger/witness/collector.ts";
import type { Database } from "../migrations/database.ts";
import type { Clock } from "./protocol/time.ts";

export interface Witnessing {
  readonly policy: Policy;
  /** What happens without a quorum: `closed` keeps the checkpoint back, `open` publishes it. */
  readonly onMissing: "closed" | "open";
  /** Least time between two published checkpoints of a log. */
  readonly intervalMs: number;
  /** For one call to one witness. */
  readonly timeoutMs: number;
  /** How long an event waits for a published checkpoint before it leaves without its receipt, which then follows. */
  readonly receiptWaitMs: number;
  /** Told when a log's state changes: one line for the operator. */
  readonly report?: (line: PublicationLine) => void;
}

export interface PublicationLine {
  readonly log: string;
  readonly event: "checkpointWitnessed" | "checkpointUnwitnessed" | "checkpointHeldBack";
  readonly size: string;
  readonly wanted: string;
  readonly cosigners: readonly string[];
  readonly witnesses: Readonly<Record<string, string>>;
}

export interface PublicationStatus {
  readonly origin: string;
  /** `witnessed`: the quorum stands by what is published; `unwitnessed`: it was published without; `heldBack`: nothing newer is. */
  readonly state: "none" | "witnessed" | "unwitnessed" | "heldBack";
  readonly wanted: string;
  readonly signedSize: string;
  readonly publishedSize: string;
  readonly witnesses: readonly (Omit<WitnessState, "size"> & { readonly size: string })[];
}

export interface Publication {
  /** What may be shown outside: under receipts, on the topic, in exports. */
  latest(): Checkpoint | undefined;
  /** Says that the log was signed anew. */
  dirty(): void;
  /** Told after each publication. */
  onPublished(listener: () => void): void;
  /** How long an event may wait for its receipt; `undefined`: until it is there. */
  readonly receiptWaitMs: number | undefined;
  status(): PublicationStatus;
  /** When the newest checkpoint went out, as far as it is known. */
  publishedAtMs(): number | undefined;
  /** When each witness last cosigned, in this life of the process. */
  cosignedAtMs(): ReadonlyMap<string, number>;
  /** Publishes the newest signed head now; rejects when the policy does not allow it. Day close asks so. */
  publishNow(): Promise<Checkpoint | undefined>;
  stop(): Promise<void>;
}

export interface PublicationOptions {
  readonly db: Database;
  readonly log: Log;
  readonly crypto: VerifierCrypto;
  readonly clock: Clock;
  readonly witnessing?: Witnessing | undefined;
}

/** How long other witnesses may still join once the quorum is met. */
const GRACE_MS = 25;
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 5_000;
/** A witness that is away for long is asked about a resting log once a minute. */
const BEHIND_MS_MAX = 60_000;

export async function openPublication(options: PublicationOptions): Promise<Publication> {
  const { db, witnessing } = options;
  if (witnessing === undefined || witnessing.policy.witnesses.length === 0)
    return new SignedPublication(options, await newestCheckpointMs(db));
  return new WitnessedPublication(options, witnessing, await readPublished(db), await readWitnessSizes(db));
}

async function newestCheckpointMs(db: Database): Promise<number | undefined> {
  const [row] = await db.read("SELECT at_ms FROM checkpoint ORDER BY size DESC LIMIT 1");
  return row === undefined ? undefined : Number(row["at_ms"]);
}

/** A log that nobody witnesses: what is signed is published. */
class SignedPublication implements Publication {
  readonly receiptWaitMs = undefined;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #listeners: (() => void)[] = [];
  #publishedAtMs: number | undefined;

  constructor({ log, clock }: PublicationOptions, publishedAtMs: number | undefined) {
    this.#log = log;
    this.#clock = clock;
    this.#publishedAtMs = publishedAtMs;
  }

  latest(): Checkpoint | undefined {
    return this.#log.latestCheckpoint();
  }

  dirty(): void {
    this.#publishedAtMs = this.#clock.now();
    for (const listener of this.#listeners) listener();
  }

  publishedAtMs(): number | undefined {
    return this.#publishedAtMs;
  }

  cosignedAtMs(): ReadonlyMap<string, number> {
    return new Map();
  }

  onPublished(listener: () => void): void {
    this.#listeners.push(listener);
  }

  status(): PublicationStatus {
    const size = (this.latest()?.size ?? 0n).toString();
    return { origin: this.#log.origin, state: "none", wanted: "no witness", signedSize: size, publishedSize: size, witnesses: [] };
  }

  publishNow(): Promise<Checkpoint | undefined> {
    return Promise.resolve(this.latest());
  }

  async stop(): Promise<void> {}
}

/** Why the newest head is not out. */
export class NotWitnessedError extends Error {
  override readonly name = "NotWitnessedError";
}

class WitnessedPublication implements Publication {
  readonly #options: PublicationOptions;
  readonly #witnessing: Witnessing;
  readonly #collector: CosignatureCollector;
  readonly #listeners: (() => void)[] = [];
  readonly #cosignedAtMs = new Map<string, number>();
  #latest: PublishedCheckpoint | undefined;
  #publishedAtMs: number | undefined;
  #running: Promise<void> | undefined;
  #attempts: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #failures = 0;
  #heldBack = false;
  #lastEvent: PublicationLine["event"] | undefined;
  #stopped = false;
  #urgent = false;
  #endRest: (() => void) | undefined;
  /** Set while nothing but a repeat is waited for. */
  #endRetryRest: (() => void) | undefined;
  /** Ends a call to those who are behind, which news must not wait for. */
  #catching: AbortController | undefined;
  /** When the quorum last cosigned what is out. */
  #freshMs: number | undefined;

  constructor(
    options: PublicationOptions,
    witnessing: Witnessing,
    latest: PublishedCheckpoint | undefined,
    sizes: ReadonlyMap<string, bigint>,
  ) {
    this.#options = options;
    this.#witnessing = witnessing;
    this.#latest = latest;
    const { policy, timeoutMs } = witnessing;
    const { witnesses, groups, quorum } = policy;
    this.#collector = new CosignatureCollector({
      log: options.log,
      crypto: options.crypto,
      witnesses,
      groups,
      ...(quorum === undefined ? {} : { quorum }),
      timeoutMs,
      graceMs: GRACE_MS,
      sizes,
    });
    this.dirty();
  }

  get receiptWaitMs(): number {
    return this.#witnessing.receiptWaitMs;
  }

  latest(): Checkpoint | undefined {
    return this.#latest;
  }

  onPublished(listener: () => void): void {
    this.#listeners.push(listener);
  }

  dirty(): void {
    if (this.#stopped) return;
    this.#endRetryRest?.();
    if (this.#due() !== undefined) this.#catching?.abort();
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      // News that came while the last run was ending.
      if (this.#attempts.length > 0 || this.#due() !== undefined) this.dirty();
    });
  }

  status(): PublicationStatus {
    const { log } = this.#options;
    const witnessed = this.#latest?.hasQuorum === true ? "witnessed" : "unwitnessed";
    return {
      origin: log.origin,
      state: this.#heldBack ? "heldBack" : witnessed,
      wanted: describeQuorum(this.#witnessing.policy),
      signedSize: (log.latestCheckpoint()?.size ?? 0n).toString(),
      publishedSize: (this.#latest?.size ?? 0n).toString(),
      witnesses: this.#collector.states().map((state) => ({ ...state, size: state.size.toString() })),
    };
  }

  publishedAtMs(): number | undefined {
    return this.#publishedAtMs;
  }

  cosignedAtMs(): ReadonlyMap<string, number> {
    return this.#cosignedAtMs;
  }

  async publishNow(): Promise<Checkpoint | undefined> {
    const wanted = this.#options.log.latestCheckpoint()?.size ?? 0n;
    while ((this.#latest?.size ?? 0n) < wanted) {
      if (this.#stopped) throw new NotWitnessedError("publishing was stopped");
      const attempt = new Promise<void>((resolve, reject) => this.#attempts.push({ resolve, reject }));
      this.#urgent = true;
      this.#endRest?.();
      this.#catching?.abort();
      this.dirty();
      await attempt;
    }
    return this.#latest;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#endRest?.();
    this.#catching?.abort();
    await this.#running;
    for (const { reject } of this.#attempts.splice(0)) reject(new NotWitnessedError("publishing was stopped"));
  }

  /** The newest head that is not out yet, or is out without its quorum. */
  #due(): Checkpoint | undefined {
    const newest = this.#options.log.latestCheckpoint();
    if (newest === undefined || this.#latest === undefined || newest.size > this.#latest.size) return newest;
    return this.#latest.hasQuorum ? undefined : newest;
  }

  async #run(): Promise<void> {
    do {
      await this.#showNews();
      for (const { resolve } of this.#attempts.splice(0)) resolve();
    } while (await this.#catchUp());
  }

  async #showNews(): Promise<void> {
    for (let due = this.#due(); due !== undefined && !this.#stopped; due = this.#due()) {
      // Those who ask from here on want the next attempt: this one may have begun with an older head.
      const waiting = this.#attempts.splice(0);
      this.#urgent = false;
      try {
        const hasQuorum = await this.#attempt(due);
        this.#failures = hasQuorum ? 0 : this.#failures + 1;
        for (const { resolve } of waiting) resolve();
      } catch (error) {
        this.#failures += 1;
        for (const { reject } of waiting) reject(error instanceof Error ? error : new Error("a checkpoint was not published"));
      }
      await this.#rest(this.#witnessing.intervalMs);
      // Nothing new to show: who did not answer is asked again, less and less often.
      if (this.#failures > 0 && this.#due()?.size === due.size) await this.#restUntilNews(RETRY_MS_MAX);
    }
  }

  /** One more call for a log that rests; whether there is anything left to do. */
  async #catchUp(): Promise<boolean> {
    const latest = this.#latest;
    if (this.#stopped || latest === undefined || !latest.hasQuorum) return false;
    const behind = this.#collector.behind(latest.size);
    const refreshMs = this.#refreshMs();
    if (behind.length === 0 && refreshMs === undefined) return false;
    if (behind.length > 0 && this.#failures === 0) this.#failures = 1;
    if (refreshMs !== undefined && refreshMs > 0 && behind.length === 0) await this.#restRetry(refreshMs);
    else if (refreshMs !== 0 || this.#failures > 1) await this.#restUntilNews(BEHIND_MS_MAX);
    const newest = this.#options.log.latestCheckpoint();
    if (this.#due() !== undefined) return !this.#stopped;
    // A log that was set back behind what is out has nothing to show.
    if (this.#stopped || newest?.size !== latest.size) return false;
    const only = this.#refreshMs() === 0 ? {} : { only: this.#collector.behind(latest.size) };
    if (only.only?.length === 0) return true;
    this.#catching = new AbortController();
    const { lines, cosigners, hasQuorum } = await this.#collector.collect(newest, { ...only, signal: this.#catching.signal });
    this.#catching = undefined;
    await this.#join(latest, lines, cosigners, hasQuorum);
    return true;
  }

  /** Puts lines that came later to those that are out. */
  async #join(latest: PublishedCheckpoint, lines: string, cosigners: readonly string[], hasQuorum: boolean): Promise<void> {
    const { db, clock } = this.#options;
    await writeWitnessSizes(db, this.#collector.sizes());
    this.#failures = this.#collector.behind(latest.size).length > 0 || (!hasQuorum && this.#refreshMs() === 0) ? this.#failures + 1 : 0;
    if (cosigners.length === 0 || this.#latest !== latest) return;
    for (const name of cosigners) this.#cosignedAtMs.set(name, clock.now());
    if (hasQuorum) this.#freshMs = clock.now();
    const published = { ...latest, note: withLines(latest.note, lines) };
    await writePublished(db, published, clock.now());
    this.#latest = published;
    for (const listener of this.#listeners) listener();
  }

  /** How long what is out stays young enough: half the age that the policy allows; `undefined` when it allows any. */
  #refreshMs(): number | undefined {
    const { headAgeS } = this.#witnessing.policy;
    if (headAgeS === undefined) return undefined;
    const dueMs = this.#freshMs === undefined ? 0 : this.#freshMs + Number(headAgeS) * 500;
    // A timer takes no more than 2^31 ms.
    return Math.min(2 ** 31 - 1, Math.max(0, dueMs - this.#options.clock.now()));
  }

  /** Shows one head to all; whether the quorum stands by it. Throws when it may not be published. */
  async #attempt(due: Checkpoint): Promise<boolean> {
    const { db, clock, log } = this.#options;
    const { lines, cosigners, hasQuorum } = await this.#collector.collect(due);
    for (const name of cosigners) this.#cosignedAtMs.set(name, clock.now());
    await writeWitnessSizes(db, this.#collector.sizes());
    const isOpen = this.#witnessing.onMissing === "open";
    this.#heldBack = !hasQuorum && !isOpen;
    this.#tell(hasQuorum ? "checkpointWitnessed" : isOpen ? "checkpointUnwitnessed" : "checkpointHeldBack", due, cosigners);
    if (this.#heldBack)
      throw new NotWitnessedError(`${log.origin} at size ${due.size} is not published: wanted ${describeQuorum(this.#witnessing.policy)}`);
    const isNews = hasQuorum || due.size !== this.#latest?.size;
    if (!isNews) return false;
    const published = { ...due, note: due.note + lines, hasQuorum };
    // Written before anybody is shown it: after a restart we know what is out.
    await writePublished(db, published, clock.now());
    this.#latest = published;
    if (hasQuorum) this.#freshMs = clock.now();
    this.#publishedAtMs = clock.now();
    for (const listener of this.#listeners) listener();
    return hasQuorum;
  }

  /** One line when the state changes, not one for each checkpoint. */
  #tell(event: PublicationLine["event"], { size }: Checkpoint, cosigners: readonly string[]): void {
    if (event === this.#lastEvent) return;
    const isFirstGood = this.#lastEvent === undefined && event === "checkpointWitnessed";
    this.#lastEvent = event;
    if (isFirstGood) return;
    this.#witnessing.report?.({
      log: this.#options.log.origin,
      event,
      size: size.toString(),
      wanted: describeQuorum(this.#witnessing.policy),
      cosigners,
      witnesses: Object.fromEntries(this.#collector.states().map(({ name, answer }) => [name, answer])),
    });
  }

  async #restUntilNews(msMax: number): Promise<void> {
    await this.#restRetry(Math.min(msMax, RETRY_MS_MIN * 2 ** Math.min(this.#failures - 1, 8)));
  }

  async #restRetry(ms: number): Promise<void> {
    const rest = this.#rest(ms);
    this.#endRetryRest = this.#endRest;
    await rest;
    this.#endRetryRest = undefined;
  }

  async #rest(ms: number): Promise<void> {
    if (this.#stopped || this.#urgent) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endRest = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#endRest = undefined;
  }
}
