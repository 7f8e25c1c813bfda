import { beforeEach, describe, expect, test } from "vitest";
import type { ResolveRequest } from "../../core/protocol/internal.ts";
import { ok, refused } from "../../core/protocol/result.ts";
import { type Core, EDGE_LIMITS, type SettingsState } from "../ports.ts";
import { EC_TOKEN, PERSON, START_MS, testClock, type TestClock } from "../testing/platform.ts";
import { LinkMonitor } from "./link.ts";

type Resolved = Awaited<ReturnType<Core["resolve"]>>;
const AWAY: Resolved = refused("coreUnavailable");
const THERE: Resolved = ok({ ok: true, ...PERSON, ecToken: EC_TOKEN, ecTokenExpiresMs: START_MS });
const REQUEST = {} as ResolveRequest;
const MINUTE_MS = 60_000;

let clock: TestClock;
let link: LinkMonitor;
/** Calls the core has not answered yet, oldest first. */
let asked: ((answer: Resolved) => void)[];
let reachable: boolean;
let settings: SettingsState;
let backlog: { depth: number; oldestAgeMs: number; bus?: "there" | "away" };

beforeEach(() => {
  clock = testClock();
  asked = [];
  reachable = false;
  settings = {};
  backlog = { depth: 0, oldestAgeMs: 0 };
  link = new LinkMonitor({
    clock,
    limits: { ...EDGE_LIMITS, coreTrialMs: 10 },
    settings: { current: () => undefined, state: () => settings },
    outbox: { backlog: () => backlog },
    core: {
      resolve: () => new Promise((resolve) => asked.push(resolve)),
      presettle: () => Promise.resolve(AWAY),
      statement: () => Promise.resolve(AWAY),
      reachable: () => Promise.resolve(reachable),
    },
  });
});

async function loseCore(): Promise<void> {
  const first = link.resolve(REQUEST);
  asked.shift()?.(AWAY);
  expect(await first).toEqual(AWAY);
}

describe("a core that did not answer", () => {
  test("is tried by one call at a time, for a moment; all others are answered at once", async () => {
    await loseCore();
    const replies = await Promise.all(Array.from({ length: 8 }, () => link.resolve(REQUEST)));
    expect(replies).toEqual(Array.from({ length: 8 }, () => AWAY));
    expect(asked).toHaveLength(1);
    expect(link.state(clock.now()).core).toBe("away");
  });

  test("counts as there again when the call that tried it is answered, however late", async () => {
    await loseCore();
    expect(await link.resolve(REQUEST)).toEqual(AWAY);
    asked.shift()?.(THERE);
    await expect.poll(() => link.state(clock.now()).core).toBe("there");
    const next = link.resolve(REQUEST);
    asked.shift()?.(THERE);
    expect(await next).toEqual(THERE);
  });

  test("counts as there when it answers with a refusal: that is an answer", async () => {
    const call = link.resolve(REQUEST);
    asked.shift()?.(refused("codeUsed"));
    expect(await call).toEqual(refused("codeUsed"));
    expect(link.state(clock.now())).toEqual({ core: "there", bus: "there" });
  });

  test("is looked for in the background whenever somebody wants to know", async () => {
    await loseCore();
    reachable = true;
    expect(link.state(clock.now()).core).toBe("away");
    await expect.poll(() => link.state(clock.now()).core).toBe("there");
  });

  test("is known by the settings too, whichever looked last", async () => {
    settings = { contact: { ok: false, atMs: clock.now() } };
    expect(link.state(clock.now()).core).toBe("away");
    await link.look();
    reachable = true;
    clock.advance(1_000);
    await link.look();
    expect(link.state(clock.now()).core).toBe("there");
    clock.advance(1_000);
    settings = { contact: { ok: false, atMs: clock.now() } };
    reachable = false;
    expect(link.state(clock.now()).core).toBe("away");
  });

  test("has been away since it was last heard of, by calls or by settings", async () => {
    settings = { takenAtMs: clock.now() };
    clock.advance(10 * MINUTE_MS);
    await loseCore();
    expect(link.state(clock.now()).offlineSinceMs).toBe(START_MS);
  });
});

describe("a bus", () => {
  test("is away when the outbox says so, since the oldest event that waits", () => {
    backlog = { depth: 3, oldestAgeMs: MINUTE_MS, bus: "away" };
    expect(link.state(clock.now())).toEqual({ core: "there", bus: "away", offlineSinceMs: START_MS - MINUTE_MS });
  });

  test("is there when the outbox says so, however long something waited", () => {
    backlog = { depth: 3, oldestAgeMs: 60 * MINUTE_MS, bus: "there" };
    expect(link.state(clock.now())).toEqual({ core: "there", bus: "there" });
  });

  test("is judged by the age of what waits where the outbox cannot say", () => {
    backlog = { depth: 1, oldestAgeMs: EDGE_LIMITS.busAwayMs - 1 };
    expect(link.state(clock.now()).bus).toBe("there");
    backlog = { depth: 1, oldestAgeMs: EDGE_LIMITS.busAwayMs };
    expect(link.state(clock.now()).bus).toBe("away");
  });

  test("and core away together are offline since the earlier of both", async () => {
    settings = { takenAtMs: clock.now() };
    clock.advance(5 * MINUTE_MS);
    await loseCore();
    backlog = { depth: 1, oldestAgeMs: MINUTE_MS, bus: "away" };
    expect(link.state(clock.now()).offlineSinceMs).toBe(START_MS);
  });
});
