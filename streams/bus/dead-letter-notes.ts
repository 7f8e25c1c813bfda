/** What an operator reads of dead letters: the first of each topic and reason at once, then one line per span with their number. */
import { type BusLog, silentLog } from "./log.ts";

const SPAN_MS = 60_000;

interface Span {
  readonly fromMs: number;
  records: number;
}

export class DeadLetterNotes {
  readonly #log: BusLog;
  readonly #consumer: string;
  readonly #elapsedMs: () => number;
  readonly #spans = new Map<string, Span>();

  constructor(log: BusLog = silentLog, consumer: string, elapsedMs: () => number = () => performance.now()) {
    this.#log = log;
    this.#consumer = consumer;
    this.#elapsedMs = elapsedMs;
  }

  add(topic: string, reason: string, records: number = 1): void {
    const name = `${topic} ${reason}`;
    const nowMs = this.#elapsedMs();
    const span = this.#spans.get(name);
    if (span !== undefined) span.records += records;
    if (span !== undefined && nowMs - span.fromMs < SPAN_MS) return;
    const fields = { consumer: this.#consumer, topic, reason, records: span?.records ?? records };
    this.#log("error", "records put aside as dead letters", fields);
    this.#spans.set(name, { fromMs: nowMs, records: 0 });
  }
}
