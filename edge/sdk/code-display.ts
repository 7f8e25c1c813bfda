/**
 * Keeps one living code on a screen: gets it, shows it, replaces it before it ends, takes it back when the screen is
 * left. Knows no page: whoever owns the screen is told what to show.
 */
import type { CodePurpose } from "../../core/protocol/channel-operations.ts";
import type { Result } from "../../core/protocol/result.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import type { CallFailure } from "./signed-call.ts";

export interface ShownCode {
  /** The text of the QR symbol. */
  readonly text: string;
  readonly expiresAtMs: EventMs;
}
export interface CodeWanted {
  readonly appUserId: string;
  /** `settle` unless said otherwise; a code to `verify` never settles. */
  readonly purpose?: CodePurpose;
  /** `signed` unless said otherwise; `opaque` makes a smaller symbol for small screens. */
  readonly form?: "signed" | "opaque";
}

/** Where codes come from: a `ChannelClient`. */
export interface CodeSource {
  code(wanted: CodeWanted): Promise<Result<ShownCode, CallFailure>>;
  revoke(code: string): Promise<Result<void, CallFailure>>;
}

export type DisplayState =
  | { readonly kind: "loading" }
  | { readonly kind: "shown"; readonly code: ShownCode }
  /** Nothing may be shown: the last code has ended or never came. Tried again by itself where that can help. */
  | { readonly kind: "failed"; readonly failure: CallFailure; readonly triesAgain: boolean };

export interface CodeDisplayOptions extends CodeWanted {
  readonly client: CodeSource;
  readonly clock: { now(): EventMs };
  /** Told of every change; the code in it is for the screen only. */
  readonly onChange: (state: DisplayState) => void;
  /** Replaces a code this long before its end, so that a scanner never meets one that just ended (default 10 s). */
  readonly renewBeforeMs?: number;
  readonly timers?: { set(run: () => void, ms: number): unknown; clear(timer: unknown): void };
}

const RENEW_BEFORE_MS = 10_000;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 30_000;
/** However short its life, a code stays on the screen for a moment. */
const SHOWN_MS_MIN = 1_000;

export class CodeDisplay {
  readonly #options: CodeDisplayOptions;
  readonly #timers: NonNullable<CodeDisplayOptions["timers"]>;
  #timer: unknown;
  #shown: ShownCode | undefined;
  #failures = 0;
  /** Counts the times the display was started or stopped: answers to earlier ones are too late. */
  #life = 0;
  #running = false;

  constructor(options: CodeDisplayOptions) {
    this.#options = options;
    this.#timers = options.timers ?? { set: (run, ms) => setTimeout(run, ms), clear: (timer) => clearTimeout(timer as number) };
  }

  /** Gets a code and keeps it fresh; does nothing while it runs already. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#life++;
    this.#options.onChange({ kind: "loading" });
    void this.#renew(this.#life);
  }

  /** A new code at once, as when the person presses "refresh". */
  refresh(): void {
    if (!this.#running) return this.start();
    this.#timers.clear(this.#timer);
    this.#life++;
    void this.#renew(this.#life);
  }

  /** Ends the display and takes the code back, so that a photograph of the screen is worth nothing. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#life++;
    this.#timers.clear(this.#timer);
    await this.#takeBack();
  }

  async #renew(life: number): Promise<void> {
    const { client, appUserId, purpose, form } = this.#options;
    const wanted = { appUserId, ...(purpose === undefined ? {} : { purpose }), ...(form === undefined ? {} : { form }) };
    const got = await client.code(wanted);
    if (life !== this.#life) {
      // Stopped, or asked anew, while the answer was under way: nobody will see this code.
      if (got.ok) await client.revoke(got.value.text);
      return;
    }
    if (!got.ok) return this.#fail(got.error, life);
    const before = this.#shown;
    this.#shown = got.value;
    this.#failures = 0;
    this.#options.onChange({ kind: "shown", code: got.value });
    const { renewBeforeMs = RENEW_BEFORE_MS } = this.#options;
    this.#later(life, Math.max(SHOWN_MS_MIN, got.value.expiresAtMs - this.#options.clock.now() - renewBeforeMs));
    // A code that was used answers so, which is no trouble: what matters is that no second one lives on.
    if (before !== undefined) await client.revoke(before.text);
  }

  #fail(failure: CallFailure, life: number): void {
    const triesAgain =
      !failure.answered || failure.error === "rateLimited" || failure.error === "coreUnavailable" || failure.error === "internal";
    const stillGood = this.#shown !== undefined && this.#shown.expiresAtMs > this.#options.clock.now();
    // The old code stays on the screen while it lives: a dead spot in the network is no reason to hide it.
    if (!stillGood || !triesAgain) {
      this.#shown = undefined;
      this.#options.onChange({ kind: "failed", failure, triesAgain });
    }
    if (!triesAgain) return;
    const pause = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#failures++);
    this.#later(life, Math.max(pause, (failure.retryAfterSeconds ?? 0) * 1_000));
  }

  #later(life: number, ms: number): void {
    this.#timer = this.#timers.set(() => {
      if (life === this.#life) void this.#renew(life);
    }, ms);
  }

  async #takeBack(): Promise<void> {
    const shown = this.#shown;
    this.#shown = undefined;
    if (shown !== undefined) await this.#options.client.revoke(shown.text);
  }
}
