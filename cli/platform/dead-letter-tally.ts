/** Dead letters by reason, for `GET /metrics`: read on from where the last reading ended, a bounded number each time. */
import { lettersOf } from "../../streams/bus/letters.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import type { knownReason } from "../../streams/contracts/dead-letter-reasons.ts";

/** After a start with many letters, several readings pass until all are counted. */
const LETTERS_MAX = 5_000;

export interface DeadLetterCount {
  readonly topic: string;
  readonly reason: ReturnType<typeof knownReason>;
  readonly records: number;
}

export class DeadLetterTally {
  readonly #bus: Pick<EventBus, "read" | "endOffsets">;
  readonly #topics: readonly string[];
  readonly #next = new Map<string, bigint>();
  readonly #counts = new Map<string, DeadLetterCount>();
  #reading: Promise<void> | undefined;

  constructor(bus: Pick<EventBus, "read" | "endOffsets">, topics: readonly string[]) {
    this.#bus = bus;
    this.#topics = topics;
  }

  /** Two who ask at once share one reading: no letter counts twice. */
  async counts(): Promise<readonly DeadLetterCount[]> {
    await (this.#reading ??= this.#read().finally(() => (this.#reading = undefined)));
    return [...this.#counts.values()];
  }

  async #read(): Promise<void> {
    let left = LETTERS_MAX;
    for (const topic of this.#topics)
      for await (const { read, offset } of lettersOf(this.#bus, topic, this.#next.get(topic) ?? 0n)) {
        if (read?.kind === "letter") this.#add(topic, read.reason, read.records);
        this.#next.set(topic, offset + 1n);
        if (--left === 0) return;
      }
  }

  #add(topic: string, reason: DeadLetterCount["reason"], records: number): void {
    const name = `${topic} ${reason}`;
    this.#counts.set(name, { topic, reason, records: (this.#counts.get(name)?.records ?? 0) + records });
  }
}
