import { describe, expect, test } from "vitest";
import type { EventMs } from "../../core/protocol/time.ts";
import { startPlatform, START_MS } from "../testing/platform.ts";
import { Admissions } from "./admissions.ts";
import { Shield } from "../../core/protocol/server/shield.ts";
import { networkOf, peerOf } from "../../core/protocol/server/source.ts";

const LIMITS = { garbageBurst: 100, garbagePerSecond: 10 };
const NOW = START_MS;
const at = (ms: number): EventMs => (NOW + ms) as EventMs;

describe("a source", () => {
  test("that sends what nobody signed is turned away after its burst, and heard again at its rate", () => {
    const shield = new Shield(LIMITS);
    for (let n = 0; n < 100; n++) {
      expect(shield.waitFor("a", NOW)).toBe(0);
      shield.refused("a", "badRequest", NOW);
    }
    expect(shield.waitFor("a", NOW)).toBe(1);
    expect(shield.waitFor("b", NOW)).toBe(0);
    expect(shield.waitFor(undefined, NOW)).toBe(0);
    expect(shield.waitFor("a", at(100))).toBe(0);
  });

  test("pays ten times for a signature that does not verify", () => {
    const shield = new Shield(LIMITS);
    for (let n = 0; n < 10; n++) shield.refused("a", "unauthorised", NOW);
    expect(shield.waitFor("a", NOW)).toBe(1);
  });

  test("pays nothing for refusals that are not its fault, nor for those of calls with a proven sender", () => {
    const shield = new Shield(LIMITS);
    for (let n = 0; n < 200; n++)
      for (const error of ["coreUnavailable", "requestReplayed", "rateLimited"] as const) shield.refused("a", error, NOW);
    expect(shield.waitFor("a", NOW)).toBe(0);
  });

  test("that also speaks for an institution is never turned away, until it has not done so for ten minutes", () => {
    const shield = new Shield(LIMITS);
    shield.proven("proxy", NOW);
    for (let n = 0; n < 10; n++) shield.refused("proxy", "unauthorised", NOW);
    expect(shield.waitFor("proxy", NOW)).toBe(0);
    for (let n = 0; n < 10; n++) shield.refused("proxy", "unauthorised", at(600_000));
    expect(shield.waitFor("proxy", at(600_000))).toBe(1);
  });

  test("is one of so many that memory stays bounded: the one not heard of for longest is forgotten", () => {
    const shield = new Shield({ garbageBurst: 1, garbagePerSecond: 0.001 });
    shield.refused("first", "badRequest", NOW);
    expect(shield.waitFor("first", NOW)).toBeGreaterThan(0);
    for (let n = 0; n < 20_000; n++) shield.refused(`s${n}`, "badRequest", NOW);
    expect(shield.waitFor("first", NOW)).toBe(0);
    expect(shield.waitFor("s19999", NOW)).toBeGreaterThan(0);
  });

  test("is told of once a second while it is turned away, with how many calls there were", () => {
    const shield = new Shield(LIMITS);
    expect([0, 1, 2, 999, 1_000, 1_001].map((ms) => shield.turnedAway(at(ms)))).toEqual([0, undefined, undefined, undefined, 3, undefined]);
  });

  test("is the peer as Node and Deno tell it, of IPv6 the network", () => {
    const request = new Request("http://e/");
    expect(peerOf(request, { incoming: { socket: { remoteAddress: "::ffff:10.0.0.7" } } })).toBe("10.0.0.7");
    expect(peerOf(request, { remoteAddr: { hostname: "10.0.0.8" } })).toBe("10.0.0.8");
    expect([undefined, {}, { incoming: null }, { remoteAddr: { hostname: 7 } }].map((env) => peerOf(request, env))).toEqual(
      Array.from({ length: 4 }, () => undefined),
    );
    expect(["2001:db8:1:2:aaaa:bbbb:cccc:dddd", "2001:db8:1:2::1", "2001:db8::1", "::1", "fe80::1%eth0"].map(networkOf)).toEqual([
      "2001:db8:1:2",
      "2001:db8:1:2",
      "2001:db8:0:0",
      "0:0:0:0",
      "fe80:0:0:0",
    ]);
  });
});

describe("a flood", () => {
  test("of calls to addresses that there are not is turned away like any other", async () => {
    const p = await startPlatform({ limits: { garbageBurst: 5, garbagePerSecond: 1 } });
    try {
      p.useSource("203.0.113.9");
      const codes = [];
      for (let n = 0; n < 7; n++) codes.push(((await (await p.app.request("/v1/nothing")).json()) as { code: string }).code);
      expect(codes).toEqual(["-5", "-5", "-5", "-5", "-5", "-6", "-6"]);
    } finally {
      await p.stop();
      await p.remove();
    }
  });

  test("is turned away before its body is read, signed and with Retry-After, with one log line a second", async () => {
    const p = await startPlatform({ limits: { garbageBurst: 5, garbagePerSecond: 1 } });
    try {
      p.useSource("203.0.113.9");
      for (let n = 0; n < 5; n++) await p.post("rh.settle", "garbage");
      const lines = p.lines.length;
      let read = 0;
      const body = new ReadableStream({ pull: (controller) => void (read++, controller.close()) }, { highWaterMark: 0 });
      const request = new Request("http://e/v1/rh.settle", { method: "POST", body, duplex: "half" } as RequestInit);
      const response = await p.app.request(request);
      expect(read).toBe(0);
      expect(response.headers.get("retry-after")).toBe("1");
      expect(await response.json()).toMatchObject({ code: "-6", success: false });
      for (let n = 0; n < 20; n++) await p.post("rh.settle", "garbage");
      expect(p.lines.slice(lines)).toMatchObject([{ outcome: "rateLimited", alike: 0 }]);
      p.clock.advance(1_000);
      await p.post("rh.settle", "garbage");
      await p.post("rh.settle", "garbage");
      expect(p.lines.at(-1)).toMatchObject({ outcome: "rateLimited", alike: 20 });
    } finally {
      await p.stop();
      await p.remove();
    }
  });
});

const call = (orgId: string, replayKey: string, over: object = {}) => ({
  orgId,
  replayKey,
  expiresAtMs: NOW + 300_000,
  ratePerSecond: 1,
  rateBurst: 3,
  noncesMax: 1_000,
  nowMs: NOW,
  ...over,
});

describe("admissions", () => {
  test("a replay is told before the rate is asked, and costs the institution nothing", () => {
    const admissions = new Admissions();
    expect(admissions.admit(call("H1", "a")).kind).toBe("admitted");
    for (let n = 0; n < 10; n++) expect(admissions.admit(call("H1", "a")).kind).toBe("replayed");
    expect(["b", "c", "d"].map((key) => admissions.admit(call("H1", key)).kind)).toEqual(["admitted", "admitted", "limited"]);
  });

  test("a call above the rate leaves no nonce: the same envelope may come again when there is room", () => {
    const admissions = new Admissions();
    for (const key of ["a", "b", "c"]) admissions.admit(call("H1", key));
    expect(admissions.admit(call("H1", "d"))).toEqual({ kind: "limited", retryAfterSeconds: 1 });
    expect(admissions.admit(call("H1", "d", { nowMs: at(1_000) })).kind).toBe("admitted");
  });

  test("an institution that fills its own room leaves the others theirs", () => {
    const admissions = new Admissions();
    const rate = { ratePerSecond: 1_000, rateBurst: 1_000, noncesMax: 100 };
    const kinds = Array.from({ length: 200 }, (_, n) => admissions.admit(call("H1", `${n}`, rate)).kind);
    expect(kinds.filter((kind) => kind === "admitted")).toHaveLength(100);
    expect(admissions.admit(call("H2", "0", rate)).kind).toBe("admitted");
    admissions.forget(NOW + 320_000);
    expect(admissions.admit(call("H1", "new", { ...rate, nowMs: at(320_000), expiresAtMs: NOW + 620_000 })).kind).toBe("admitted");
  });
});
