/**
 * Group commit: while one batch is being committed, what arrives meanwhile gathers for the next.
 * `commit` sees batches one at a time, so it may read, decide and write without a race.
 */
export class GroupCommit<Item, Outcome> {
  readonly #commit: (items: readonly Item[]) => Promise<readonly Outcome[]>;
  readonly #batchMax: number;
  #waiting: { item: Item; resolve: (outcome: Outcome) => void; reject: (error: unknown) => void }[] = [];
  #running: Promise<void> | undefined;

  constructor(commit: (items: readonly Item[]) => Promise<readonly Outcome[]>, batchMax = 256) {
    this.#commit = commit;
    this.#batchMax = batchMax;
  }

  get depth(): number {
    return this.#waiting.length;
  }

  /** Resolves with the item's outcome once its batch is durable; rejects when the batch failed as a whole. */
  submit(item: Item): Promise<Outcome> {
    const outcome = new Promise<Outcome>((resolve, reject) => this.#waiting.push({ item, resolve, reject }));
    this.#running ??= this.#drain();
    return outcome;
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Let everything that is ready in this turn of the event loop join the batch. A commit to a local file never yields:
      // without this turn the answers and requests that came in meanwhile would each miss the next batch.
      await new Promise((resolve) => setImmediate(resolve));
      const batch = this.#waiting.splice(0, this.#batchMax);
      try {
        const outcomes = await this.#commit(batch.map((entry) => entry.item));
        if (outcomes.length !== batch.length) throw new Error(`group commit gave ${outcomes.length} outcomes for ${batch.length} items`);
        for (const [at, entry] of batch.entries()) entry.resolve(outcomes[at] as Outcome);
      } catch (error) {
        for (const entry of batch) entry.reject(error);
      }
    }
    this.#running = undefined;
  }
}
