import { beforeEach, describe, expect, it } from "vitest";
import { ERRORS, type ErrorName } from "../../core/protocol/errors.ts";
import { ok, refused, type Result } from "../../core/protocol/result.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import { CodeDisplay, type DisplayState, type ShownCode } from "./code-display.ts";
import type { CallFailure } from "./signed-call.ts";

/** Time and network by hand: both are what a test of waiting has to steer. */
class Screen {
  nowMs = 1_000_000;
  readonly states: DisplayState[] = [];
  readonly revoked: string[] = [];
  next: () => Promise<Result<ShownCode, CallFailure>> = () => this.issue();
  #serial = 0;
  #timers: { readonly atMs: number; readonly run: () => void; readonly id: number }[] = [];
  readonly display: CodeDisplay;

  constructor() {
    this.display = new CodeDisplay({
      appUserId: "u1",
      client: { code: () => this.next(), revoke: (code) => this.#takeBack(code) },
      clock: { now: () => this.nowMs as EventMs },
      onChange: (state) => this.states.push(state),
      timers: {
        set: (run, ms) => {
          const id = ++this.#serial;
          this.#timers.push({ atMs: this.nowMs + ms, run, id });
          return id;
        },
        clear: (id) => (this.#timers = this.#timers.filter((timer) => timer.id !== id)),
      },
    });
  }

  issue(): Promise<Result<ShownCode, CallFailure>> {
    return Promise.resolve(ok({ text: `code-${this.nowMs}`, expiresAtMs: (this.nowMs + 60_000) as EventMs }));
  }

  fail(name: ErrorName, more: Partial<CallFailure> = {}): () => Promise<Result<ShownCode, CallFailure>> {
    const failure = { ...ERRORS[name], error: name, answered: true, ...more };
    return async function answer() {
      return await Promise.resolve(refused(failure));
    };
  }

  async #takeBack(code: string): Promise<Result<void, CallFailure>> {
    this.revoked.push(code);
    return await Promise.resolve(ok(undefined));
  }

  async advance(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const [due] = this.#timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
      if (due === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.nowMs = due.atMs;
      due.run();
      await settle();
    }
    this.nowMs = untilMs;
  }

  get shown(): string | undefined {
    const last = this.states.at(-1);
    return last?.kind === "shown" ? last.code.text : undefined;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

describe("a code on a screen", () => {
  let screen: Screen;
  beforeEach(() => {
    screen = new Screen();
  });

  it("is got once and replaced ten seconds before its end, and the old one is taken back", async () => {
    screen.display.start();
    screen.display.start();
    await settle();
    expect(screen.states.map((state) => state.kind)).toEqual(["loading", "shown"]);
    await screen.advance(49_999);
    expect(screen.shown).toBe("code-1000000");
    await screen.advance(1);
    expect(screen.shown).toBe("code-1050000");
    expect(screen.revoked).toEqual(["code-1000000"]);
  });

  it("is replaced at once when the person asks, and the plan for the old one is forgotten", async () => {
    screen.display.start();
    await settle();
    await screen.advance(5_000);
    screen.display.refresh();
    await settle();
    expect(screen.shown).toBe("code-1005000");
    await screen.advance(49_999);
    expect(screen.shown).toBe("code-1005000");
  });

  it("is taken back when the screen is left, and nothing is shown any more", async () => {
    screen.display.start();
    await settle();
    await screen.display.stop();
    expect(screen.revoked).toEqual(["code-1000000"]);
    const shown = screen.states.length;
    await screen.advance(120_000);
    expect(screen.states).toHaveLength(shown);
  });

  it("that comes after the screen was left is taken back unseen", async () => {
    const { promise, resolve } = Promise.withResolvers<Result<ShownCode, CallFailure>>();
    screen.next = () => promise;
    screen.display.start();
    await screen.display.stop();
    resolve(ok({ text: "late", expiresAtMs: 2_000_000 as EventMs }));
    await settle();
    expect(screen.shown).toBeUndefined();
    expect(screen.revoked).toEqual(["late"]);
  });

  it("stays while it lives when the network is away, then gives way to a failure, and comes back by itself", async () => {
    screen.display.start();
    await settle();
    screen.next = screen.fail("coreUnavailable", { answered: false });
    await screen.advance(59_000);
    expect(screen.shown).toBe("code-1000000");
    await screen.advance(10_000);
    expect(screen.states.at(-1)).toMatchObject({ kind: "failed", triesAgain: true });
    screen.next = () => screen.issue();
    await screen.advance(60_000);
    expect(screen.shown).toMatch(/^code-/);
  });

  it("waits as long as the platform asks before it tries again", async () => {
    screen.next = screen.fail("rateLimited", { retryAfterSeconds: 20 });
    screen.display.start();
    await settle();
    screen.next = () => screen.issue();
    await screen.advance(19_999);
    expect(screen.shown).toBeUndefined();
    await screen.advance(1);
    expect(screen.shown).toBeDefined();
  });

  it("is not asked for again when the answer is final", async () => {
    let asked = 0;
    screen.next = () => (asked++, screen.fail("credentialUnknown")());
    screen.display.start();
    await settle();
    await screen.advance(600_000);
    expect(screen.states.at(-1)).toMatchObject({ kind: "failed", triesAgain: false, failure: { error: "credentialUnknown" } });
    expect(asked).toBe(1);
  });
});
