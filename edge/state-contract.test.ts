/**
 * What an edge remembers and hands over, the same on every runtime: a libSQL file on Node and on Deno, Durable Objects in
 * workerd. Each is a process of its own beside a real core; `kill -9` is one.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { carryKeyStore } from "../core/crypto/keystore-carried.ts";
import { openKeyStore } from "../core/crypto/keystore.ts";
import { toBase64, toHex } from "../core/protocol/bytes.ts";
import type { EventMs } from "../core/protocol/time.ts";
import { createCoreApp } from "../core/server.ts";
import { HOSPITAL, openProvince, OTHER_HOSPITAL, type Province, TERMINAL, valueOf } from "../core/testing/province.ts";
import { encodeEvent } from "../streams/contracts/codec.ts";
import type { WrittenData } from "../streams/contracts/topics.ts";
import { EDGE_CACHE_KEY, EDGE_DATA_KEY, EDGE_REPLY_KEY, edgeSecretAad } from "./identity.ts";
import { listen, type Listening } from "./node/listen.ts";
import type { Admission, AdmitCall, Change, CodeMarks, CommitVerdict, GuardCall, BillsTaken, TakenRequest } from "./ports.ts";
import { bundleWorker, type Host, startDenoHost, startNodeHost, startWorkerHost } from "./testing/runtimes/hosts.ts";
import { call } from "./testing/runtimes/wire.ts";

const RUNTIMES = ["Node", "Deno", "workerd"] as const;
type Runtime = (typeof RUNTIMES)[number];
const SUBMITTED = "settlement.request.submitted.v1";
const SETTLED = "settlement.claim.settled.v1";
const MINUTE_MS = 60_000;

let folder: string;
let province: Province;
let coreApp: ReturnType<typeof createCoreApp>;
let core: Listening;
let corePort: number;
const hosts = new Map<Runtime, Host>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-contract-"));
  province = await openProvince();
  coreApp = createCoreApp(province.core.ports);
  core = await listen(coreApp.fetch, { host: "127.0.0.1", port: 0 });
  corePort = Number(new URL(core.url).port);
  tick();
  const bundle = bundleWorker("edge/testing/runtimes/shard-worker.ts", folder);
  await Promise.all(RUNTIMES.map(async (runtime) => hosts.set(runtime, await startHost(runtime, bundle))));
});
afterAll(async () => {
  await Promise.all([...hosts.values()].map((host) => host.kill9()));
  await coreDown();
  await province.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => tick());

/** The province's clock stands; edges have the real one, and their calls must fall into the core's window. */
function tick(): void {
  province.clock.advance(Date.now() - province.clock.now());
}
async function coreDown(): Promise<void> {
  province.core.ports.outcomes.close();
  await core.close();
}
async function coreUp(): Promise<void> {
  await province.reopen();
  coreApp = createCoreApp(province.core.ports);
  core = await listen(coreApp.fetch, { host: "127.0.0.1", port: corePort });
}

async function startHost(runtime: Runtime, bundle: string): Promise<Host> {
  const edgeId = `edge-${runtime.toLowerCase()}`;
  const { authKey } = valueOf(await province.core.access.registerEdge({ edgeId }, "operator/test"));
  const own = await mkdtemp(join(folder, `${edgeId}-`));
  const settings = { folder: own, coreUrl: core.url, edgeId, secret: toHex(authKey) };
  if (runtime === "Node") return await startNodeHost(settings);
  if (runtime === "Deno") return await startDenoHost(settings);
  return await startWorkerHost({ bundle, folder: own, bindings: await workerBindings(own, edgeId, authKey) });
}

async function workerBindings(own: string, edgeId: string, authKey: Uint8Array): Promise<Record<string, string>> {
  const { crypto, clock } = province;
  const [file, unlock, kek] = [join(own, "keys.json"), { kek: crypto.random(32) }, crypto.random(32)];
  const keys = await openKeyStore({ file, unlock, crypto, clock });
  await keys.ensure(EDGE_REPLY_KEY, "sm2");
  for (const handle of [EDGE_DATA_KEY, EDGE_CACHE_KEY]) await keys.ensure(handle, "secret");
  const identity = {
    edgeId,
    keys: await carryKeyStore({ file, unlock, handles: [EDGE_REPLY_KEY, EDGE_DATA_KEY, EDGE_CACHE_KEY], kek, crypto }),
    coreSecret: toBase64(await keys.seal(EDGE_DATA_KEY, authKey, edgeSecretAad(edgeId))),
    platformKey: toHex(await province.keys.publicKey("bundle.sign/1")),
  };
  return {
    RONGHE_EDGE_IDENTITY: JSON.stringify(identity),
    RONGHE_EDGE_KEK: toHex(kek),
    RONGHE_CORE_URL: core.url,
    RONGHE_EDGE_SHARDS: "4",
    RONGHE_LOG: "off",
  };
}

const now = (): EventMs => Date.now() as EventMs;

const onTheBus = async (): Promise<readonly string[]> =>
  (await province.bus.read(SUBMITTED, 0, 0n, 100_000)).map(({ headers }) => String(headers["ce_id"]));
const outcome = (outTradeNo: string, requestHash: string): WrittenData<typeof SETTLED> => ({
  settlementId: `S-${outTradeNo}`,
  institution: HOSPITAL,
  terminal: TERMINAL,
  businessType: "01301",
  outTradeNo,
  requestHash,
  atMs: now(),
  person: "33".repeat(32),
  amount: "1.00",
  legs: [],
});

const mark = (fingerprint: string, step: "verify" | "settle", outTradeNo: string, more: Partial<NonNullable<Change["mark"]>> = {}) => ({
  fingerprint,
  step,
  orgId: HOSPITAL,
  outTradeNo,
  termId: "T1",
  expiresAtMs: now() + 10 * MINUTE_MS,
  ...more,
});

describe.each(RUNTIMES)("an edge's memory on %s", (runtime) => {
  const host = (): Host => {
    const found = hosts.get(runtime);
    if (found === undefined) throw new Error(`no host on ${runtime}`);
    return found;
  };
  const at = async (port: "state" | "results" | "outbox" | "inside", method: string, ...args: unknown[]): Promise<unknown> =>
    await call(host().url(), port, method, args);
  const state = {
    admit: async (of: AdmitCall) => (await at("state", "admit", of)) as Admission,
    guard: async (of: GuardCall) => (await at("state", "guard", of)) as number,
    billsSince: async (sinceMs: number) => (await at("state", "billsSince", sinceMs)) as readonly BillsTaken[],
    markOf: async (orgId: string, fingerprint: string, nowMs: number) =>
      ((await at("state", "markOf", orgId, fingerprint, nowMs)) ?? undefined) as CodeMarks | undefined,
    taken: async (orgId: string, outTradeNo: string) =>
      ((await at("state", "taken", orgId, outTradeNo)) ?? undefined) as TakenRequest | undefined,
    commit: async (change: Change) => (await at("state", "commit", change)) as CommitVerdict,
  };
  const backlog = async (orgId?: string) =>
    (await at("outbox", "backlog", ...(orgId === undefined ? [] : [orgId]))) as { depth: number; oldestAgeMs: number };
  const sql = async (query: string) => (await at("inside", "sql", query)) as readonly Record<string, unknown>[];
  const waiting = async (): Promise<string[]> =>
    (await sql("SELECT event_id FROM outbox ORDER BY seq")).map((row) => String(row["event_id"]));
  const untilEmpty = async (): Promise<void> => await expect.poll(waiting).toEqual([]);

  const find = async (outTradeNo: string, requestHash?: string) =>
    (await at("results", "find", HOSPITAL, outTradeNo, ...(requestHash === undefined ? [] : [requestHash]))) as
      | { status: string }
      | undefined;
  const wait = async (outTradeNo: string, waitMs: number) => {
    const awaited = { institution: HOSPITAL, settlementId: `S-${outTradeNo}`, requestHash: "11".repeat(32) };
    return (await at("results", "wait", awaited, waitMs)) as { status: string } | undefined;
  };
  const restart = async (): Promise<void> => {
    await host().stop();
    await host().start();
  };

  /** Names of this run alone: tests share a host. */
  let serial = 0;
  const fresh = (what: string): string => `${what}-${runtime}-${++serial}`;
  const admission = (over: Partial<AdmitCall> = {}): AdmitCall => ({
    orgId: HOSPITAL,
    replayKey: fresh("nonce"),
    expiresAtMs: now() + 5 * MINUTE_MS,
    ratePerSecond: 100,
    rateBurst: 100,
    noncesMax: 1_000,
    nowMs: now(),
    ...over,
  });
  const record = (id: string, institution: string = HOSPITAL): Change["records"][number] => {
    const edge = `edge-${runtime.toLowerCase()}`;
    const data: WrittenData<typeof SUBMITTED> = {
      action: "refund",
      institution,
      terminal: TERMINAL,
      businessType: "01301",
      outTradeNo: id,
      requestHash: "11".repeat(32),
      originalOutTradeNo: "O",
      operatorId: "op7",
      acceptedAtMs: now(),
      edge,
    };
    const event = { id, type: SUBMITTED, source: `/ronghe/edge/${edge}`, timeMs: now(), key: institution, data } as const;
    return { ...encodeEvent(event), eventId: id };
  };
  const change = (outTradeNo: string, over: Partial<Change> = {}, orgId: string = HOSPITAL): Change => ({
    atMs: now(),
    request: { orgId, outTradeNo, requestHash: "11".repeat(32) },
    records: [record(outTradeNo, orgId)],
    ...over,
  });

  const publish = async (outTradeNo: string, requestHash = "11".repeat(32)): Promise<void> => {
    const data = outcome(outTradeNo, requestHash);
    const event = { id: fresh("R"), type: SETTLED, source: "/ronghe/core", timeMs: now(), key: HOSPITAL, data } as const;
    const [verdict] = await province.bus.publish([encodeEvent(event)]);
    expect(verdict?.kind).toBe("ok");
  };

  describe("nonces and rates", () => {
    test("admit an envelope once, of many at the same time too", async () => {
      const one = admission();
      const kinds = (await Promise.all(Array.from({ length: 8 }, () => state.admit(one)))).map(({ kind }) => kind);
      expect(kinds.sort()).toEqual(["admitted", ...Array.from({ length: 7 }, () => "replayed")]);
    });

    test("remember an envelope over a restart, also of a call that changed nothing", async () => {
      const one = admission();
      expect(await state.admit(one)).toEqual({ kind: "admitted" });
      await restart();
      expect(await state.admit(one)).toEqual({ kind: "replayed" });
    });

    test("turn away more envelopes than an institution may have remembered", async () => {
      const orgId = fresh("H");
      await state.admit(admission({ orgId, noncesMax: 1 }));
      expect(await state.admit(admission({ orgId, noncesMax: 1 }))).toEqual({ kind: "limited", retryAfterSeconds: 1 });
    });

    test("hold an institution's burst, fill at its rate, say when to come back, and leave others alone", async () => {
      const [orgId, nowMs] = [fresh("H"), now()];
      const of = (over: Partial<AdmitCall> = {}) => admission({ orgId, ratePerSecond: 0.5, rateBurst: 2, nowMs, ...over });
      const first = [await state.admit(of()), await state.admit(of()), await state.admit(of())];
      expect(first).toEqual([{ kind: "admitted" }, { kind: "admitted" }, { kind: "limited", retryAfterSeconds: 2 }]);
      expect(await state.admit(of({ orgId: fresh("H") }))).toEqual({ kind: "admitted" });
      expect(await state.admit(of({ nowMs: (nowMs + 2_000) as EventMs }))).toEqual({ kind: "admitted" });
    });

    test("count guesses in buckets of their own, look without taking, and take back", async () => {
      const guess = { orgId: HOSPITAL, bucket: `guess/${runtime}`, ratePerSecond: 0.1, rateBurst: 2, nowMs: now() } as const;
      const [look, take] = [
        { ...guess, cost: 0 as const },
        { ...guess, cost: 1 as const },
      ];
      expect([await state.guard(look), await state.guard(take), await state.guard(take)]).toEqual([0, 0, 0]);
      expect(await state.guard(look)).toBeGreaterThan(0);
      expect(await state.guard(take)).toBeGreaterThan(0);
      expect(await state.guard({ ...guess, cost: -1 })).toBe(0);
      expect([await state.guard(take), (await state.guard(take)) > 0]).toEqual([0, true]);
    });
  });

  describe("a commit", () => {
    test("writes number, mark and events together", async () => {
      const [number, code] = [fresh("A"), fresh("code")];
      const one = change(number, { mark: mark(code, "settle", number) });
      expect(await state.commit(one)).toBe("accepted");
      expect(await state.taken(HOSPITAL, number)).toEqual({ requestHash: "11".repeat(32), acceptedAtMs: one.atMs });
      expect(await state.markOf(HOSPITAL, code, now())).toEqual({ settle: { orgId: HOSPITAL, outTradeNo: number, termId: "T1" } });
      expect(await state.markOf(HOSPITAL, code, now() + 11 * MINUTE_MS)).toBeUndefined();
    });

    test("takes one of many equal changes", async () => {
      const one = change(fresh("A"));
      const verdicts = await Promise.all(Array.from({ length: 20 }, () => state.commit(one)));
      expect(verdicts.filter((verdict) => verdict === "accepted")).toHaveLength(1);
      expect(verdicts.filter((verdict) => verdict === "repeated")).toHaveLength(19);
    });

    test("calls other content under a number a conflict, and the number of another institution free", async () => {
      const number = fresh("A");
      const other = { requestHash: "22".repeat(32), outTradeNo: number };
      await state.commit(change(number));
      expect(await state.commit(change(number, { request: { ...other, orgId: HOSPITAL } }))).toBe("idempotencyConflict");
      expect(await state.commit(change(number, { request: { ...other, orgId: OTHER_HOSPITAL }, records: [] }))).toBe("accepted");
    });

    test("gives a code to one of two numbers that race for it, and to the same after a restart", async () => {
      const [code, a, b] = [fresh("code"), fresh("A"), fresh("A")];
      const [one, other] = [change(a, { mark: mark(code, "settle", a) }), change(b, { mark: mark(code, "settle", b) })];
      const verdicts = await Promise.all([state.commit(one), state.commit(other)]);
      expect(verdicts.toSorted()).toEqual(["accepted", "codeUsed"]);
      await restart();
      const again = [await state.commit(one), await state.commit(other)];
      expect(again).toEqual(verdicts.map((verdict) => (verdict === "accepted" ? "repeated" : "codeUsed")));
    });

    const steps = [
      ["a retry of the verify", "accepted", "verify", { outTradeNo: "V1" }],
      ["a verify under another number", "codeUsed", "verify", { outTradeNo: "V2" }],
      ["settling where it was verified", "accepted", "settle", { outTradeNo: "S1" }],
      ["settling at another terminal", "codeUsed", "settle", { outTradeNo: "S1", termId: "T2" }],
    ] as const;
    test.each(steps)("of a code that was verified: %s is %s", async (_what, verdict, step, next) => {
      const code = fresh("code");
      await state.commit({ atMs: now(), records: [], mark: mark(code, "verify", "V1") });
      expect(await state.commit({ atMs: now(), records: [], mark: mark(code, step, next.outTradeNo, next) })).toBe(verdict);
    });

    test("grants without a link what the bills since then leave of the sum, those included that were taken before it was missed", async () => {
      const orgId = fresh("H");
      const [before, lost] = [now() - 10 * MINUTE_MS, now() - 5 * MINUTE_MS];
      const bill = async (fen: bigint, over: Partial<Change> = {}, sinceMs?: number) => {
        const offline = sinceMs === undefined ? {} : { offline: { sinceMs, totalMaxFen: 100n } };
        return await state.commit(change(fresh("A"), { bill: { fen, ...offline }, records: [], ...over }, orgId));
      };
      expect(await bill(1_000n, { atMs: before as EventMs })).toBe("accepted");
      expect(await bill(60n, { atMs: lost as EventMs })).toBe("accepted");
      expect([await bill(41n, {}, lost), await bill(40n, {}, lost), await bill(1n, {}, lost)]).toEqual([
        "offlineTotal",
        "accepted",
        "offlineTotal",
      ]);
      await restart();
      expect((await state.billsSince(lost)).filter((one) => one.orgId === orgId)).toEqual([{ orgId, count: 2, fen: 100n }]);
      expect(await bill(1n, {}, lost)).toBe("offlineTotal");
      // A later outage begins anew, though no bill was taken in between.
      expect(await bill(100n, {}, now() + 1)).toBe("accepted");
    });

    test("counts no bill twice that is repeated, and none that was refused", async () => {
      const orgId = fresh("H");
      const one = change(fresh("A"), { bill: { fen: 60n, offline: { sinceMs: 1, totalMaxFen: 100n } }, records: [] }, orgId);
      expect([await state.commit(one), await state.commit(one)]).toEqual(["accepted", "repeated"]);
      const next = change(fresh("A"), { bill: { fen: 41n, offline: { sinceMs: 1, totalMaxFen: 100n } }, records: [] }, orgId);
      expect([await state.commit(next), await state.commit(next)]).toEqual(["offlineTotal", "offlineTotal"]);
      expect((await state.billsSince(1)).filter((bills) => bills.orgId === orgId)).toEqual([{ orgId, count: 1, fen: 60n }]);
    });

    test("in any history of bills and outages grants each outage its sum and no more, as a model that adds up from the beginning", async () => {
      const totalMaxFen = 500n;
      const step = fc.record({
        link: fc.constantFrom("there", "unnoticed", "away"),
        passMs: fc.integer({ min: 1, max: 1_000 }),
        fen: fc.integer({ min: 1, max: 300 }),
        at: fc.constantFrom(1, 1, 1, 3),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
          const orgId = fresh("H");
          const bills: { atMs: number; fen: bigint }[] = [];
          let [atMs, lostAtMs] = [Number(now()), Number.NaN];
          for (const { link, passMs, fen, at: desks } of steps) {
            atMs += passMs;
            // An outage begins unnoticed; when it is missed, it is known since when.
            if (link === "there") lostAtMs = Number.NaN;
            else if (Number.isNaN(lostAtMs)) lostAtMs = atMs;
            const offline = link === "away" ? { offline: { sinceMs: lostAtMs, totalMaxFen } } : {};
            const of = { atMs: atMs as EventMs, bill: { fen: BigInt(fen), ...offline }, records: [] };
            const verdicts = await Promise.all(Array.from({ length: desks }, () => state.commit(change(fresh("A"), of, orgId))));
            const expected = Array.from({ length: desks }, () => {
              const granted = bills.reduce((sum, bill) => (bill.atMs >= lostAtMs ? sum + bill.fen : sum), 0n);
              if (link === "away" && granted + BigInt(fen) > totalMaxFen) return "offlineTotal";
              bills.push({ atMs, fen: BigInt(fen) });
              return "accepted";
            });
            expect(verdicts.toSorted()).toEqual(expected.toSorted());
          }
          const all = bills.reduce((sum, bill) => sum + bill.fen, 0n);
          const told = (await state.billsSince(0)).find((one) => one.orgId === orgId);
          expect([told?.count ?? 0, told?.fen ?? 0n]).toEqual([bills.length, all]);
        }),
        { numRuns: 25 },
      );
    });

    test("leaves nothing behind when its batch fails, and is taken afterwards", async () => {
      const [number, code] = [fresh("A"), fresh("code")];
      const one = change(number, { mark: mark(code, "settle", number) });
      await sql("CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'disk full'); END");
      await expect(state.commit(one)).rejects.toThrow("disk full");
      expect(await state.markOf(HOSPITAL, code, now())).toBeUndefined();
      expect(await state.taken(HOSPITAL, number)).toBeUndefined();
      await sql("DROP TRIGGER full");
      expect(await state.commit(one)).toBe("accepted");
    });
  });

  describe("the outbox", () => {
    test("hands over what is committed, in the order of the institution, and then holds nothing", async () => {
      const ids = Array.from({ length: 5 }, () => fresh("O"));
      for (const id of ids) await state.commit(change(id));
      await untilEmpty();
      expect((await onTheBus()).filter((id) => ids.includes(id))).toEqual(ids);
      expect(await backlog()).toMatchObject({ depth: 0, oldestAgeMs: 0 });
    });

    test("keeps what it acknowledged through an outage and kill -9, tells how much waits, and loses and doubles nothing", async () => {
      await untilEmpty();
      const [first, second, third] = [fresh("O"), fresh("O"), fresh("O")];
      await coreDown();
      try {
        await state.commit(change(first));
        await state.commit(change(second, {}, OTHER_HOSPITAL));
        await host().kill9();
        await host().start();
        expect(await state.commit(change(first))).toBe("repeated");
        await state.commit(change(third));
        expect((await waiting()).toSorted()).toEqual([first, second, third].toSorted());
        await expect.poll(async () => (await backlog()).oldestAgeMs).toBeGreaterThan(0);
        expect((await backlog()).depth).toBe(3);
        expect((await backlog(HOSPITAL)).depth).toBe(runtime === "workerd" ? 2 : 3);
      } finally {
        await coreUp();
      }
      await untilEmpty();
      const arrived = (await onTheBus()).filter((id) => [first, second, third].includes(id));
      expect(arrived.toSorted()).toEqual([first, second, third].toSorted());
      expect(arrived.indexOf(first)).toBeLessThan(arrived.indexOf(third));
    });

    test("sets aside what the core refuses for good, with the reason, and goes on", async () => {
      const [bad, good] = [fresh("O"), fresh("O")];
      await state.commit({ atMs: now(), records: [record(bad, "H00000000000")] });
      await state.commit(change(good));
      await untilEmpty();
      expect(await onTheBus()).toContain(good);
      expect(await onTheBus()).not.toContain(bad);
      const dead = await sql(`SELECT reason FROM outbox_dead WHERE event_id = '${bad}'`);
      expect(dead).toEqual([{ reason: expect.stringContaining("institutionRefused") }]);
    });

    test.runIf(runtime === "workerd")("goes on after more failed alarms than the runtime repeats", async () => {
      await at("inside", "failAlarms", 8);
      const ids = Array.from({ length: 12 }, () => fresh("O"));
      for (const id of ids) {
        await state.commit(change(id));
        await untilEmpty();
      }
      expect((await onTheBus()).filter((id) => ids.includes(id))).toEqual(ids);
    });
  });

  describe("results", () => {
    test("wake who waits, and are known afterwards, also over kill -9", async () => {
      const number = fresh("R");
      const waiters = Promise.all([wait(number, 30_000), wait(number, 30_000)]);
      await publish(number);
      expect((await waiters).map((reply) => reply?.status)).toEqual(["settled", "settled"]);
      await host().kill9();
      await host().start();
      expect(await find(number)).toMatchObject({ status: "settled", settlementId: `S-${number}` });
      expect(await find(number, "11".repeat(32))).toMatchObject({ status: "settled" });
      expect((await find(number, "22".repeat(32))) ?? undefined).toBeUndefined();
    });

    test("arrive without anybody waiting", async () => {
      const number = fresh("R");
      await publish(number);
      await expect.poll(async () => (await find(number))?.status).toBe("settled");
    });

    test("end a wait without an outcome", async () => {
      expect((await wait(fresh("R"), 50)) ?? undefined).toBeUndefined();
    });
  });
});

test("a Durable Object has every migration that a file has", async () => {
  const { readdir } = await import("node:fs/promises");
  const names = (await readdir(new URL("../migrations/edge/", import.meta.url))).filter((name) => name.endsWith(".sql")).sort();
  const source = await readFile(new URL("workerd/migrations.ts", import.meta.url), "utf8");
  const imported = [...source.matchAll(/from "\.\.\/\.\.\/migrations\/edge\/([^"]+)"/g)].map(([, name]) => name);
  expect(imported).toEqual(names);
  for (const name of names) expect(source).toContain(`name: "${name}"`);
});
