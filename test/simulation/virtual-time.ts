/**
 * Time for a whole platform in one process. It stands still while anybody has something to do, and then jumps to the
 * next timer: what takes a minute outside takes as long as its computation. Timers belong to the life of a part
 * (`life.ts`) and are forgotten with it, as an operating system forgets them with a process.
 *
 * Everything is replaced that this platform waits by; nothing here ever waits for the machine, so a seed always runs alike.
 */
import fs from "node:fs";
import fsPromises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import timersPromises from "node:timers/promises";
import { currentLife, inLife, type Life } from "./life.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly life: Life | undefined;
  readonly fire: () => void;
  readonly everyMs: number | undefined;
  ended: boolean;
}

const realSetImmediate = globalThis.setImmediate;

export class StuckError extends Error {
  override readonly name = "StuckError";
}

export class VirtualTime {
  #nowMs = 0;
  #order = 0;
  /** A heap by time, then by order. */
  readonly #timers: Timer[] = [];
  #soon: Timer[] = [];
  /** Turns taken since the start: what a seed costs. */
  turns = 0;

  /** Since the start, ms. */
  get nowMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  after(ms: number, fire: () => void, everyMs?: number): Timer {
    const wait = Number.isFinite(ms) && ms > 0 ? ms : 0;
    const timer = { atMs: this.#nowMs + wait, order: this.#order++, life: currentLife(), fire, everyMs, ended: false };
    push(this.#timers, timer);
    return timer;
  }

  soon(fire: () => void): Timer {
    const timer = { atMs: this.#nowMs, order: this.#order++, life: currentLife(), fire, everyMs: undefined, ended: false };
    this.#soon.push(timer);
    return timer;
  }

  /** Runs everything until `promise` is settled. */
  async until<T>(promise: Promise<T>, limitMs: number): Promise<T> {
    let settled = false;
    const end = (): void => {
      settled = true;
    };
    promise.then(end, end);
    for (;;) {
      // All promises that can go on have gone on when the machine's own turn comes round.
      await new Promise<void>((resolve) => realSetImmediate(resolve));
      if (settled) return await promise;
      this.turns++;
      const soon = this.#soon;
      this.#soon = [];
      const next = soon.length > 0 ? undefined : pop(this.#timers);
      if (next !== undefined && next.atMs > limitMs) throw new StuckError(`nothing more happens at ${this.#nowMs} ms of ${limitMs}`);
      if (next === undefined && soon.length === 0) throw new StuckError(`nobody waits for anything at ${this.#nowMs} ms`);
      if (next !== undefined) this.#nowMs = Math.max(this.#nowMs, next.atMs);
      for (const timer of soon) this.#fire(timer);
      if (next !== undefined) this.#fire(next);
    }
  }

  #fire(timer: Timer): void {
    if (timer.ended || timer.life?.dead === true) return;
    if (timer.everyMs !== undefined) {
      const again = timer as { -readonly [key in keyof Timer]: Timer[key] };
      again.atMs = this.#nowMs + timer.everyMs;
      again.order = this.#order++;
      push(this.#timers, again);
    }
    inLife(timer.life, timer.fire);
  }
}

/** Replaces the process's own time for good: for a process or thread that does nothing else. */
export function installVirtualTime(current: () => VirtualTime, epochMs: number): void {
  const now = (): number => current().nowMs;
  const setTimeout = (fire: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): Timer =>
    handleOf(current().after(ms, () => fire(...args)));
  const setInterval = (fire: (...args: unknown[]) => void, ms = 1, ...args: unknown[]): Timer =>
    handleOf(current().after(ms, () => fire(...args), Math.max(1, ms)));
  const setImmediate = (fire: (...args: unknown[]) => void, ...args: unknown[]): Timer => handleOf(current().soon(() => fire(...args)));
  Object.assign(globalThis, { setTimeout, setInterval, setImmediate, clearTimeout: clear, clearInterval: clear, clearImmediate: clear });
  performance.now = now;
  Date.now = () => epochMs + now();
  AbortSignal.timeout = (ms) => {
    const late = new AbortController();
    current().after(ms, () => late.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError")));
    return late.signal;
  };
  Object.assign(timersPromises, {
    setTimeout: sleepUnless(current),
    setImmediate: () => new Promise<void>((resolve) => current().soon(resolve)),
  });
  // Migrations are read at every opening: from memory after the first time, and never by the machine's own clock.
  const [texts, names] = [new Map<string, string>(), new Map<string, string[]>()];
  Object.assign(fsPromises, {
    readFile: async (file: URL) => remembered(texts, String(file), () => fs.readFileSync(file, "utf8")),
    readdir: async (folder: URL) => remembered(names, String(folder), () => fs.readdirSync(folder)),
  });
  syncBuiltinESMExports();
}

function clear(timer: unknown): void {
  if (typeof timer === "object" && timer !== null) (timer as Timer).ended = true;
}

function handleOf(timer: Timer): Timer {
  return Object.assign(timer, { ref: () => timer, unref: () => timer, hasRef: () => true });
}

function sleepUnless(current: () => VirtualTime) {
  return (ms: number, value: unknown, options: { readonly signal?: AbortSignal } = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const { signal } = options;
      const timer = current().after(ms, () => resolve(value));
      signal?.addEventListener("abort", () => {
        timer.ended = true;
        reject(new DOMException("The operation was aborted", "AbortError"));
      });
    });
}

function remembered<T>(known: Map<string, T>, name: string, read: () => T): T {
  const value = known.get(name) ?? read();
  known.set(name, value);
  return value;
}

function isBefore(a: Timer | undefined, b: Timer | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: Timer[], timer: Timer): void {
  let at = heap.push(timer) - 1;
  while (at > 0) {
    const above = (at - 1) >> 1;
    if (!isBefore(heap[at], heap[above])) return;
    swap(heap, at, above);
    at = above;
  }
}

/** The next timer that was not cancelled and whose owner lives. */
function pop(heap: Timer[]): Timer | undefined {
  for (;;) {
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined) return undefined;
    if (heap.length > 0) {
      heap[0] = last;
      sink(heap);
    }
    if (!first.ended && first.life?.dead !== true) return first;
  }
}

function sink(heap: Timer[]): void {
  for (let at = 0; ;) {
    const [left, right] = [2 * at + 1, 2 * at + 2];
    let least = at;
    if (isBefore(heap[left], heap[least])) least = left;
    if (isBefore(heap[right], heap[least])) least = right;
    if (least === at) return;
    swap(heap, at, least);
    at = least;
  }
}

function swap(heap: Timer[], a: number, b: number): void {
  [heap[a], heap[b]] = [heap[b] as Timer, heap[a] as Timer];
}
