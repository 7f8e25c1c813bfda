/**
 * Events once, in columns (analytics notes 2.2): an event is a row number, a field is a typed array, text is a symbol.
 * Rows are used again after expiry, so a steady stream runs in steady memory.
 */
import { type Field, NUMBER_FIELDS, type NumberField, TEXT_FIELDS, type TextField } from "./inputs.ts";

export const NONE = -1;
/** Symbol of an absent text. */
export const NO_TEXT = 0;

/** Texts by number, counted, so that a person who left all windows leaves the table too. */
export class SymbolTable {
  readonly #numbers = new Map<string, number>();
  readonly #texts: (string | undefined)[] = [undefined];
  readonly #uses: number[] = [0];
  readonly #free: number[] = [];

  /** Symbols in use. */
  get size(): number {
    return this.#numbers.size;
  }

  /** Counts one more use. */
  hold(text: string | undefined): number {
    if (text === undefined) return NO_TEXT;
    let symbol = this.#numbers.get(text);
    if (symbol === undefined) {
      symbol = this.#free.pop() ?? this.#texts.length;
      this.#numbers.set(text, symbol);
      this.#texts[symbol] = text;
      this.#uses[symbol] = 0;
    }
    this.#uses[symbol] = (this.#uses[symbol] ?? 0) + 1;
    return symbol;
  }

  release(symbol: number): void {
    if (symbol === NO_TEXT) return;
    const uses = (this.#uses[symbol] ?? 0) - 1;
    this.#uses[symbol] = uses;
    const text = this.#texts[symbol];
    if (uses > 0 || text === undefined) return;
    this.#numbers.delete(text);
    this.#texts[symbol] = undefined;
    this.#free.push(symbol);
  }

  text(symbol: number): string | undefined {
    return this.#texts[symbol];
  }
}

/** An event as it enters: its place in time, its identity and the fields that rules declared. */
export interface RowFacts {
  readonly atMs: number;
  /** Index into `INPUT_TOPICS`. */
  readonly topic: number;
  /** `<id>\n<source>`; orders events of one instant. */
  readonly identity: string;
  readonly ledger?: { readonly log: string; readonly index: bigint };
  readonly text: Readonly<Partial<Record<TextField, string>>>;
  readonly number: Readonly<Partial<Record<NumberField, number>>>;
}

export class Reservoir {
  readonly symbols = new SymbolTable();
  readonly #textFields: readonly TextField[];
  readonly #numberFields: readonly NumberField[];
  readonly #texts = new Map<TextField, Int32Array>();
  readonly #numbers = new Map<NumberField, Float64Array>();
  readonly #identities: string[] = [];
  readonly #free: number[] = [];
  #at = new Float64Array(0);
  #topic = new Uint8Array(0);
  #ledgerLog = new Int32Array(0);
  #ledgerIndex = new Float64Array(0);
  #used = 0;

  constructor(fields: ReadonlySet<Field>) {
    this.#textFields = TEXT_FIELDS.filter((field) => fields.has(field));
    this.#numberFields = NUMBER_FIELDS.filter((field) => fields.has(field));
    this.#grow(1024);
  }

  /** Rows in use. */
  get size(): number {
    return this.#used - this.#free.length;
  }
  /** Rows there is room for; other columns of the state grow along. */
  get capacity(): number {
    return this.#at.length;
  }

  add(facts: RowFacts): number {
    const row = this.#free.pop() ?? this.#used++;
    if (row >= this.capacity) this.#grow(this.capacity * 2);
    this.#at[row] = facts.atMs;
    this.#topic[row] = facts.topic;
    this.#identities[row] = facts.identity;
    this.#ledgerLog[row] = this.symbols.hold(facts.ledger?.log);
    this.#ledgerIndex[row] = facts.ledger === undefined ? NONE : Number(facts.ledger.index);
    for (const field of this.#textFields) this.#column(field)[row] = this.symbols.hold(facts.text[field]);
    for (const field of this.#numberFields) this.#numberColumn(field)[row] = facts.number[field] ?? Number.NaN;
    return row;
  }

  remove(row: number): void {
    this.symbols.release(this.#ledgerLog[row] ?? NO_TEXT);
    for (const field of this.#textFields) this.symbols.release(this.#column(field)[row] ?? NO_TEXT);
    this.#identities[row] = "";
    this.#free.push(row);
  }

  at(row: number): number {
    return this.#at[row] ?? Number.NaN;
  }
  topic(row: number): number {
    return this.#topic[row] ?? 0;
  }
  identity(row: number): string {
    return this.#identities[row] ?? "";
  }
  ledger(row: number): { readonly log: string; readonly index: string } | undefined {
    const log = this.symbols.text(this.#ledgerLog[row] ?? NO_TEXT);
    return log === undefined ? undefined : { log, index: String(this.#ledgerIndex[row]) };
  }
  symbol(row: number, field: TextField): number {
    return this.#column(field)[row] ?? NO_TEXT;
  }
  text(row: number, field: TextField): string | undefined {
    return this.symbols.text(this.symbol(row, field));
  }
  /** `NaN` when absent. */
  number(row: number, field: NumberField): number {
    return this.#numberColumn(field)[row] ?? Number.NaN;
  }
  /** The declared fields of a row, for digests. */
  fields(row: number): Readonly<Record<string, string>> {
    const fields: Record<string, string> = {};
    for (const field of this.#textFields) {
      const text = this.text(row, field);
      if (text !== undefined) fields[field] = text;
    }
    for (const field of this.#numberFields) {
      const value = this.number(row, field);
      if (!Number.isNaN(value)) fields[field] = String(value);
    }
    return fields;
  }

  /** Earlier in event time, or of the same instant with the smaller identity: one order, however events arrive. */
  compare(a: number, b: number): number {
    const byTime = this.at(a) - this.at(b);
    if (byTime !== 0) return byTime;
    const left = this.identity(a);
    const right = this.identity(b);
    return left < right ? -1 : left > right ? 1 : 0;
  }

  #column(field: TextField): Int32Array {
    const column = this.#texts.get(field);
    if (column === undefined) throw new Error(`no rule declared the field ${field}`);
    return column;
  }
  #numberColumn(field: NumberField): Float64Array {
    const column = this.#numbers.get(field);
    if (column === undefined) throw new Error(`no rule declared the field ${field}`);
    return column;
  }

  #grow(capacity: number): void {
    this.#at = widened(this.#at, new Float64Array(capacity));
    this.#topic = widened(this.#topic, new Uint8Array(capacity));
    this.#ledgerLog = widened(this.#ledgerLog, new Int32Array(capacity));
    this.#ledgerIndex = widened(this.#ledgerIndex, new Float64Array(capacity));
    for (const field of this.#textFields)
      this.#texts.set(field, widened(this.#texts.get(field) ?? new Int32Array(0), new Int32Array(capacity)));
    for (const field of this.#numberFields)
      this.#numbers.set(field, widened(this.#numbers.get(field) ?? new Float64Array(0), new Float64Array(capacity)));
  }
}

/** The old column at the front of a longer one. */
export function widened<C extends Float64Array | Int32Array | Uint8Array>(old: C, wide: C): C {
  wide.set(old);
  return wide;
}
