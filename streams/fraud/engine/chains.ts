/**
 * Per key of one group: the chain of its events in event time, and for each window where it begins, how many events it
 * holds and their sums (analytics notes 2.2). Windows are exact as of the newest event of their key.
 *
 * Event time is the order, not arrival: an event that comes late takes its place in the chain, and the windows of that
 * key are counted anew. The state is therefore the same whatever order events came in.
 */
import type { Reservoir } from "./reservoir.ts";
import { NO_TEXT, NONE, widened } from "./reservoir.ts";
import type { GroupPlan, TopicMask, WindowPlan } from "./program.ts";

export class Chains {
  readonly plan: GroupPlan;
  readonly #rows: Reservoir;
  readonly #byKey = new Map<string, number>();
  readonly #keys: string[] = [];
  readonly #free: number[] = [];
  /** Per row. */
  #chainOf = new Int32Array(0);
  #earlier = new Int32Array(0);
  #later = new Int32Array(0);
  /** Per chain. */
  #newest: Int32Array = new Int32Array(0);
  /** Per chain and window: the first event of the window, their number, and per sum and distinct its figure. */
  #first: Int32Array = new Int32Array(0);
  #count: Float64Array = new Float64Array(0);
  #sum: Float64Array = new Float64Array(0);
  readonly #distinct: (Map<number, number> | undefined)[] = [];
  readonly #sumsPerChain: number;
  readonly #distinctsPerChain: number;
  /** Where the sums and distincts of each window begin. */
  readonly #sumAt: readonly number[];
  readonly #distinctAt: readonly number[];
  #chains = 0;

  constructor(plan: GroupPlan, rows: Reservoir) {
    this.plan = plan;
    this.#rows = rows;
    this.#sumAt = offsets(plan.windows.map(({ sums }) => sums.length));
    this.#distinctAt = offsets(plan.windows.map(({ distincts }) => distincts.length));
    this.#sumsPerChain = this.#sumAt.at(-1) ?? 0;
    this.#distinctsPerChain = this.#distinctAt.at(-1) ?? 0;
  }

  /** Keys with at least one event. */
  get size(): number {
    return this.#byKey.size;
  }

  /** The key of an event's fields; `undefined` when one is absent and the event is not of this group. */
  keyOf(text: Readonly<Partial<Record<string, string>>>, topic: number): string | undefined {
    if ((this.plan.topics & (1 << topic)) === 0) return undefined;
    let key = "";
    for (const field of this.plan.fields) {
      const value = text[field];
      if (value === undefined) return undefined;
      key = key === "" ? value : `${key}\n${value}`;
    }
    return key;
  }

  key(chain: number): string {
    return this.#keys[chain] ?? "";
  }
  /** The chain a row stands in, `NONE` when in none. */
  chainOf(row: number): number {
    return this.#chainOf[row] ?? NONE;
  }
  newest(chain: number): number {
    return this.#newest[chain] ?? NONE;
  }
  earlier(row: number): number {
    return this.#earlier[row] ?? NONE;
  }
  later(row: number): number {
    return this.#later[row] ?? NONE;
  }
  count(chain: number, window: number): number {
    return this.#count[chain * this.plan.windows.length + window] ?? 0;
  }
  sum(chain: number, window: number, at: number): number {
    return this.#sum[chain * this.#sumsPerChain + (this.#sumAt[window] ?? 0) + at] ?? 0;
  }
  distinct(chain: number, window: number, at: number): number {
    return this.#distinct[chain * this.#distinctsPerChain + (this.#distinctAt[window] ?? 0) + at]?.size ?? 0;
  }

  /** Whether the key already has this very event (same instant, id and source): a repeated delivery. */
  has(row: number, key: string): boolean {
    const chain = this.#byKey.get(key);
    if (chain === undefined) return false;
    let at = this.newest(chain);
    while (at !== NONE && this.#rows.compare(at, row) > 0) at = this.earlier(at);
    return at !== NONE && this.#rows.compare(at, row) === 0;
  }

  /** Puts a row at its place in event time and brings the windows of its key up to the newest event. */
  insert(row: number, key: string): void {
    this.#fitRows(row);
    const chain = this.#byKey.get(key) ?? this.#open(key);
    let before = this.newest(chain);
    while (before !== NONE && this.#rows.compare(before, row) > 0) before = this.earlier(before);
    const after = before === this.newest(chain) ? NONE : before === NONE ? this.#oldest(chain) : this.later(before);
    this.#chainOf[row] = chain;
    this.#earlier[row] = before;
    this.#later[row] = after;
    if (before !== NONE) this.#later[before] = row;
    if (after !== NONE) {
      this.#earlier[after] = row;
      for (let window = 0; window < this.plan.windows.length; window += 1) this.#recount(chain, window);
      return;
    }
    this.#newest[chain] = row;
    for (let window = 0; window < this.plan.windows.length; window += 1) this.#advance(chain, window, row);
  }

  /** Takes an expired row out; the key goes with its last event. */
  remove(row: number): void {
    const chain = this.chainOf(row);
    if (chain === NONE) return;
    for (let window = 0; window < this.plan.windows.length; window += 1) {
      const first = this.#first[chain * this.plan.windows.length + window] ?? NONE;
      if (first === NONE || !this.#takes(window, row) || this.#rows.compare(row, first) < 0) continue;
      if (row === first) this.#first[chain * this.plan.windows.length + window] = this.#nextTaken(window, this.later(row));
      this.#account(chain, window, row, -1);
    }
    const before = this.earlier(row);
    const after = this.later(row);
    if (before !== NONE) this.#later[before] = after;
    if (after !== NONE) this.#earlier[after] = before;
    if (this.newest(chain) === row) this.#newest[chain] = before;
    this.#chainOf[row] = NONE;
    if (this.newest(chain) === NONE) this.#close(chain);
  }

  /** The events of a window as of `row`, newest first; the slow and plain way, for late events and for explaining. */
  rowsOf(window: number, row: number): readonly number[] {
    const plan = this.#window(window);
    const rows: number[] = [];
    const endMs = this.#rows.at(row);
    // Events of the same instant belong to the window, whichever of them is asked about.
    let at = row;
    for (let next = this.later(at); next !== NONE && this.#rows.at(next) === endMs; next = this.later(at)) at = next;
    let lastMs = endMs;
    for (; at !== NONE && this.#rows.at(at) >= endMs - plan.spanMs; at = this.earlier(at)) {
      if (!takes(plan.topics, this.#rows.topic(at))) continue;
      if (lastMs - this.#rows.at(at) >= plan.gapBelowMs) break;
      lastMs = this.#rows.at(at);
      rows.push(at);
    }
    return rows;
  }

  /** The window's event right before `row`, `NONE` when there is none. */
  previous(window: number, row: number): number {
    const plan = this.#window(window);
    const fromMs = this.#rows.at(row) - plan.spanMs;
    let at = this.earlier(row);
    while (at !== NONE && !takes(plan.topics, this.#rows.topic(at))) at = this.earlier(at);
    if (at === NONE || this.#rows.at(at) < fromMs || this.#rows.at(row) - this.#rows.at(at) >= plan.gapBelowMs) return NONE;
    return at;
  }

  /** The newest event of the key moved on: drop what fell out at the old end, add the new one. */
  #advance(chain: number, window: number, row: number): void {
    const plan = this.#window(window);
    const at = chain * this.plan.windows.length + window;
    const taken = takes(plan.topics, this.#rows.topic(row));
    let first = this.#first[at] ?? NONE;
    const last = taken && plan.gapBelowMs !== Infinity ? this.#lastTaken(window, this.earlier(row)) : NONE;
    const broken = last !== NONE && this.#rows.at(row) - this.#rows.at(last) >= plan.gapBelowMs;
    const fromMs = broken ? Infinity : this.#rows.at(row) - plan.spanMs;
    while (first !== NONE && first !== row && this.#rows.at(first) < fromMs) {
      this.#account(chain, window, first, -1);
      first = this.#nextTaken(window, this.later(first));
      if (first === row) first = NONE;
    }
    if (taken) {
      this.#account(chain, window, row, 1);
      if (first === NONE) first = row;
    }
    this.#first[at] = first;
  }

  /** Counts a window anew as of the newest event of the key. */
  #recount(chain: number, window: number): void {
    this.#clear(chain, window);
    let first = NONE;
    // A run ends at the newest event the window takes; other topics only make time pass.
    const end = this.#window(window).gapBelowMs === Infinity ? this.newest(chain) : this.#lastTaken(window, this.newest(chain));
    if (end !== NONE) {
      const fromMs = this.#rows.at(this.newest(chain)) - this.#window(window).spanMs;
      for (const row of this.rowsOf(window, end)) {
        if (this.#rows.at(row) < fromMs) break;
        this.#account(chain, window, row, 1);
        first = row;
      }
    }
    this.#first[chain * this.plan.windows.length + window] = first;
  }

  #account(chain: number, window: number, row: number, sign: 1 | -1): void {
    const plan = this.#window(window);
    const at = chain * this.plan.windows.length + window;
    const count = (this.#count[at] ?? 0) + sign;
    this.#count[at] = count;
    for (const [nth, field] of plan.sums.entries()) {
      const value = this.#rows.number(row, field);
      const sumAt = chain * this.#sumsPerChain + (this.#sumAt[window] ?? 0) + nth;
      // Beyond 2^53 a sum would round: it becomes unknown until the window is counted anew.
      if (count === 0) this.#sum[sumAt] = 0;
      else if (!Number.isNaN(value)) this.#sum[sumAt] = safeInteger((this.#sum[sumAt] ?? 0) + sign * value);
    }
    for (const [nth, field] of plan.distincts.entries()) {
      const symbol = this.#rows.symbol(row, field);
      if (symbol === NO_TEXT) continue;
      const members = (this.#distinct[chain * this.#distinctsPerChain + (this.#distinctAt[window] ?? 0) + nth] ??= new Map());
      const uses = (members.get(symbol) ?? 0) + sign;
      if (uses === 0) members.delete(symbol);
      else members.set(symbol, uses);
    }
  }

  #clear(chain: number, window: number): void {
    this.#first[chain * this.plan.windows.length + window] = NONE;
    this.#count[chain * this.plan.windows.length + window] = 0;
    const plan = this.#window(window);
    for (let nth = 0; nth < plan.sums.length; nth += 1) this.#sum[chain * this.#sumsPerChain + (this.#sumAt[window] ?? 0) + nth] = 0;
    for (let nth = 0; nth < plan.distincts.length; nth += 1)
      this.#distinct[chain * this.#distinctsPerChain + (this.#distinctAt[window] ?? 0) + nth] = undefined;
  }

  #open(key: string): number {
    const chain = this.#free.pop() ?? this.#chains++;
    if (chain >= this.#newest.length) this.#growChains(Math.max(256, this.#newest.length * 2));
    this.#byKey.set(key, chain);
    this.#keys[chain] = key;
    this.#newest[chain] = NONE;
    for (let window = 0; window < this.plan.windows.length; window += 1) this.#clear(chain, window);
    return chain;
  }

  #close(chain: number): void {
    this.#byKey.delete(this.key(chain));
    this.#keys[chain] = "";
    for (let window = 0; window < this.plan.windows.length; window += 1) this.#clear(chain, window);
    this.#free.push(chain);
  }

  #oldest(chain: number): number {
    let at = this.newest(chain);
    while (at !== NONE && this.earlier(at) !== NONE) at = this.earlier(at);
    return at;
  }
  #takes(window: number, row: number): boolean {
    return takes(this.#window(window).topics, this.#rows.topic(row));
  }
  #nextTaken(window: number, from: number): number {
    let at = from;
    while (at !== NONE && !this.#takes(window, at)) at = this.later(at);
    return at;
  }
  #lastTaken(window: number, from: number): number {
    let at = from;
    while (at !== NONE && !this.#takes(window, at)) at = this.earlier(at);
    return at;
  }
  #window(window: number): WindowPlan {
    const plan = this.plan.windows[window];
    if (plan === undefined) throw new Error(`group ${this.plan.name} has no window ${window}`);
    return plan;
  }

  #fitRows(row: number): void {
    if (row < this.#chainOf.length) return;
    const capacity = Math.max(this.#rows.capacity, row + 1);
    this.#chainOf = widened(this.#chainOf, new Int32Array(capacity).fill(NONE));
    this.#earlier = widened(this.#earlier, new Int32Array(capacity).fill(NONE));
    this.#later = widened(this.#later, new Int32Array(capacity).fill(NONE));
  }
  #growChains(capacity: number): void {
    this.#newest = widened(this.#newest, new Int32Array(capacity).fill(NONE));
    this.#first = widened(this.#first, new Int32Array(capacity * this.plan.windows.length).fill(NONE));
    this.#count = widened(this.#count, new Float64Array(capacity * this.plan.windows.length));
    this.#sum = widened(this.#sum, new Float64Array(capacity * this.#sumsPerChain));
  }
}

function takes(topics: TopicMask, topic: number): boolean {
  return (topics & (1 << topic)) !== 0;
}

/** `NaN`, which means unknown, for a result that is not an exact integer. */
export function safeInteger(value: number): number {
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

/** Running totals, the grand total last. */
function offsets(sizes: readonly number[]): readonly number[] {
  const at = [0];
  for (const size of sizes) at.push((at.at(-1) ?? 0) + size);
  return at;
}
