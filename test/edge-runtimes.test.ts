/**
 * What a hospital may rely on, the same on every runtime of the edge and on both ways its events travel: over the core's
 * `/ingest` beside an embedded bus, and by a Kafka broker. Real processes; the edges are killed with `kill -9`, the core too.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openReply, sealRequest } from "../core/protocol/envelope.ts";
import { ERRORS, type ErrorName } from "../core/protocol/errors.ts";
import { systemClock, type EventMs } from "../core/protocol/time.ts";
import { startKafka } from "../streams/bus/testing/kafka.ts";
import { type EdgeProcess, RUNTIMES, type Runtime, startEdge, untilReady } from "./harness/edges.ts";
import { temporaryFolder } from "./harness/folder.ts";
import { ronghe } from "./harness/process.ts";
import { type Desk, OUTBOX_MAX, type Province, startProvince, untilFinal } from "./harness/province.ts";

const kafka = await startKafka();
afterAll(async () => {
  if (!("skipped" in kafka)) await kafka.stop();
});

const WAYS = [
  { way: "over /ingest, beside an embedded bus", brokers: undefined, skipped: false },
  { way: "by a Kafka broker", brokers: "skipped" in kafka ? undefined : kafka.brokers, skipped: "skipped" in kafka },
];

const failed = (error: ErrorName) => ({ ok: false, error: { answered: true, error } });

const refusal = (error: ErrorName) => ({ code: ERRORS[error].code, message: ERRORS[error].message });

describe.each(WAYS)("$way", ({ way, brokers, skipped }) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let province: Province;
  const edges = new Map<Runtime, EdgeProcess>();
  /** Every number that an edge said is durable, with what must become of it. */
  const pending: { runtime: Runtime; desk: Desk; outTradeNo: string; fen: bigint }[] = [];

  beforeAll(async () => {
    if (skipped) return;
    folder = await temporaryFolder();
    province = await startProvince(folder.path, brokers, 1 + RUNTIMES.length);
    const started = await Promise.all(RUNTIMES.map(async (runtime, at) => await startEdge(runtime, await province.edgeSettings(at + 2))));
    for (const edge of started) edges.set(edge.runtime, edge);
  });
  afterAll(async () => {
    await Promise.all([...edges.values()].map((edge) => edge.kill9()));
    await province?.stop();
    await folder?.[Symbol.asyncDispose]();
  });

  const edgeOn = (runtime: Runtime): EdgeProcess => {
    const edge = edges.get(runtime);
    if (edge === undefined) throw new Error(`no edge on ${runtime}`);
    return edge;
  };
  let serial = 0;
  const number = (runtime: Runtime): string => `${runtime}-${++serial}`;

  describe.skipIf(skipped).each(RUNTIMES)("an edge on %s", (runtime) => {
    let edge: EdgeProcess;
    let desk: Desk;
    beforeAll(async () => {
      edge = edgeOn(runtime);
      desk = province.desk(edge, 0);
      await untilReady(edge);
    });

    /** An envelope as the hospital seals it, to be spoiled on the way. */
    const sealed = (transType: string, data: object, from = desk, timestampMs = systemClock.now()): Promise<string> =>
      sealRequest(
        province.crypto,
        { orgId: from.orgId, transType, version: "1.0.0", timestampMs, data: { ...data, orgId: from.orgId } },
        from.partner,
        from.sign,
      );
    /** The code of the reply, which must be signed by this edge. */
    const post = async (
      transType: string,
      body: string,
      from = desk,
    ): Promise<{ code: string; message: string; retryAfter: string | null }> => {
      const response = await fetch(`${edge.url}/v1/${transType}`, { method: "POST", body });
      expect(response.status).toBe(200);
      const reply = openReply(province.crypto, await response.text(), from.partner, { nowMs: systemClock.now() });
      if (!reply.ok) throw new Error(`the reply does not verify: ${reply.error}`);
      return { code: reply.value.code, message: reply.value.message, retryAfter: response.headers.get("retry-after") };
    };

    it("says that it lives, and shows its API", async () => {
      expect(await (await fetch(`${edge.url}/health`)).json()).toMatchObject({ status: "ok" });
      const docs = await fetch(`${edge.url}/docs`);
      expect(docs.headers.get("content-type")).toContain("text/html");
      expect(await docs.text()).toContain("rh.settle");
      expect(await (await fetch(`${edge.url}/openapi.json`)).json()).toMatchObject({ openapi: "3.1.0" });
      expect((await fetch(`${edge.url}/nowhere`)).status).toBe(404);
    });

    it("identifies by a code, and settles by the ecToken it gave", async () => {
      const verified = await desk.client.verify({ ...desk.scene, outTradeNo: number(runtime), code: await province.code(1) });
      expect(verified).toMatchObject({ ok: true, value: { userName: expect.stringMatching(/^.{1,2}\*+$/u) } });
      if (!verified.ok) return;
      const { ecToken } = verified.value;
      const settled = await desk.client.settle({ ...desk.scene, outTradeNo: number(runtime), ecToken, amount: "12.30", waitSeconds: "30" });
      expect(settled).toMatchObject({ ok: true, value: { status: "settled", amount: "12.30" } });
    });

    it("settles once however often it is asked, with a receipt, refuses other content, and gives back once", async () => {
      const bill = { ...desk.scene, outTradeNo: number(runtime), code: await province.code(2), amount: "128.50", waitSeconds: "30" };
      const paid = await desk.client.settle(bill);
      expect(paid).toMatchObject({ ok: true, value: { status: "settled", amount: "128.50", receipt: expect.any(String) } });
      if (!paid.ok) return;
      const again = await desk.client.settle(bill);
      expect(again).toMatchObject({ ok: true, value: { status: "settled", settlementId: paid.value.settlementId } });
      expect(await province.captured(paid.value.settlementId)).toBe(12_850n);
      expect(await desk.client.settle({ ...bill, amount: "128.51" })).toMatchObject(failed("idempotencyConflict"));
      expect(await desk.client.result({ outTradeNo: bill.outTradeNo })).toMatchObject({ ok: true, value: { status: "settled" } });

      const back = { ...desk.scene, outTradeNo: number(runtime), originalOutTradeNo: bill.outTradeNo, waitSeconds: "30" };
      expect(await desk.client.refund(back)).toMatchObject({ ok: true, value: { status: "refunded", amount: "128.50" } });
      expect(await desk.client.refund(back)).toMatchObject({ ok: true, value: { status: "refunded" } });
      const { code } = ERRORS.refundRefused;
      expect(await desk.client.refund({ ...back, outTradeNo: number(runtime) })).toMatchObject({
        ok: true,
        value: { status: "refused", refusalCode: code },
      });
      expect(await province.captured(paid.value.settlementId)).toBe(0n);
    });

    it("answers at once when nobody waits, and tells the outcome to who waits later", async () => {
      const outTradeNo = number(runtime);
      const taken = await desk.client.settle({ ...desk.scene, outTradeNo, code: await province.code(3), amount: "3.00" });
      expect(taken).toMatchObject({ ok: true, value: { status: "accepted" } });
      expect((await untilFinal(desk, outTradeNo)).status).toBe("settled");
      expect(await desk.client.result({ outTradeNo: "never-heard-of" })).toMatchObject(failed("settlementUnknown"));
    });

    it("takes a code once: not again, not elsewhere, not forged, not too late, not to identify only", async () => {
      const code = await province.code(4);
      const settle = (from: Desk, shown: string) =>
        from.client.settle({ ...from.scene, outTradeNo: number(runtime), code: shown, amount: "1.00", waitSeconds: "30" });
      expect(await settle(desk, code)).toMatchObject({ ok: true, value: { status: "settled" } });
      expect(await settle(desk, code)).toMatchObject(failed("codeUsed"));
      expect(await desk.client.verify({ ...desk.scene, outTradeNo: number(runtime), code })).toMatchObject(failed("codeUsed"));
      const elsewhere = await settle(province.desk(edge, 1), code);
      const { code: used } = ERRORS.codeUsed;
      // Institutions of different shards are told by the core.
      if (elsewhere.ok) expect(elsewhere.value).toMatchObject({ status: "refused", refusalCode: used });
      else expect(elsewhere.error).toMatchObject({ answered: true, code: used });

      const fresh = await province.code(5);
      const forged = fresh.slice(0, -1) + (fresh.endsWith("A") ? "B" : "A");
      expect(await settle(desk, forged)).toMatchObject(failed("codeForged"));
      expect(await settle(desk, await province.expiredCode())).toMatchObject(failed("codeExpired"));
      expect(await settle(desk, await province.code(6, "verify"))).toMatchObject(failed("codeKindRefused"));
      expect(await settle(desk, "!".repeat(40))).toMatchObject(failed("codeMalformed"));
    });

    it("refuses envelopes that are not the hospital's, not new, not now, not whole or not known", async () => {
      const query = { outTradeNo: "any" };
      const signed = await sealed("rh.result", query);
      const { signData, ...rest } = JSON.parse(signed) as { signData: string };
      const swapped = { ...rest, signData: (signData.startsWith("M") ? "N" : "M") + signData.slice(1) };
      expect(await post("rh.result", JSON.stringify(swapped))).toMatchObject(refusal("unauthorised"));
      expect(await post("rh.result", signed)).toMatchObject(refusal("settlementUnknown"));
      expect(await post("rh.result", signed)).toMatchObject(refusal("requestReplayed"));
      const stale = await sealed("rh.result", query, desk, (systemClock.now() - 600_000) as EventMs);
      expect(await post("rh.result", stale)).toMatchObject(refusal("timestampOutside"));
      expect(await post("rh.result", "{")).toMatchObject(refusal("badRequest"));
      expect(await post("rh.settle", await sealed("rh.result", query))).toMatchObject(refusal("badRequest"));
      expect(await post("rh.nothing", signed)).toMatchObject(refusal("unknownAddress"));
      expect(await post("rh.result", "x".repeat(17 * 1024))).toMatchObject(refusal("bodyTooLarge"));
      const stranger = { ...desk, orgId: "H00000000000" };
      expect(await post("rh.result", await sealed("rh.result", query, stranger))).toMatchObject(refusal("institutionUnknown"));
    });

    it("holds an institution to its rate, and says when to come back", async () => {
      const slow = province.slowDesk(edge);
      const answers = [];
      for (let n = 0; n < 3; n++) answers.push(await post("rh.result", await sealed("rh.result", { outTradeNo: `slow-${n}` }, slow), slow));
      expect(answers.map(({ code }) => code)).toEqual([
        ERRORS.settlementUnknown.code,
        ERRORS.settlementUnknown.code,
        ERRORS.rateLimited.code,
      ]);
      expect(Number(answers[2]?.retryAfter)).toBeGreaterThan(0);
    });
  });

  it.skipIf(skipped).each(RUNTIMES)(
    "a bill settled elsewhere and sent again at an edge on %s is paid once: told alike, and 600030 for other content",
    async (runtime) => {
      const elsewhere = RUNTIMES[(RUNTIMES.indexOf(runtime) + 1) % RUNTIMES.length] ?? runtime;
      const [first, second] = [province.desk(edgeOn(elsewhere), 0), province.desk(edgeOn(runtime), 0)];
      const bill = { ...first.scene, outTradeNo: number(runtime), code: await province.code(7), amount: "20.00", waitSeconds: "30" };
      const paid = await first.client.settle(bill);
      expect(paid).toMatchObject({ ok: true, value: { status: "settled" } });
      if (!paid.ok) return;
      // The second edge may not have heard of it yet: who waits is told by the core.
      expect(await second.client.settle({ ...bill, amount: "21.00" })).toMatchObject(failed("idempotencyConflict"));
      expect(await untilFinal(second, bill.outTradeNo)).toMatchObject({ status: "settled", amount: "20.00" });
      expect(await second.client.settle({ ...bill, amount: "21.00" })).toMatchObject(failed("idempotencyConflict"));
      const again = await second.client.settle({ ...bill, operatorId: "op9" });
      // Although this edge took the number for the content that was refused.
      expect(again).toMatchObject({ ok: true, value: { status: "settled", settlementId: paid.value.settlementId } });
      expect(await province.captured(paid.value.settlementId)).toBe(2_000n);

      const back = { ...first.scene, outTradeNo: number(runtime), originalOutTradeNo: bill.outTradeNo, waitSeconds: "30" };
      expect(await first.client.refund(back)).toMatchObject({ ok: true, value: { status: "refunded" } });
      expect(await second.client.refund(back)).toMatchObject({ ok: true, value: { status: "refunded" } });
      expect(await second.client.refund({ ...back, refundAmount: "1.00" })).toMatchObject(failed("idempotencyConflict"));
    },
  );

  describe.skipIf(skipped)("with the core away", () => {
    const codes = new Map<Runtime, string[]>();
    beforeAll(async () => {
      for (const [at, runtime] of RUNTIMES.entries())
        codes.set(runtime, [await province.code(10 + 2 * at), await province.code(11 + 2 * at)]);
      await province.coreDown();
    });

    it.concurrent.each(RUNTIMES)(
      "an edge on %s takes settlements as pending, and has them after kill -9 right behind the answer",
      async (runtime) => {
        const edge = edgeOn(runtime);
        const desk = province.desk(edge, 2);
        const [first = "", second = ""] = codes.get(runtime) ?? [];
        const bill = { ...desk.scene, outTradeNo: number(runtime), code: first, amount: "40.00" };
        expect(await desk.client.settle(bill)).toMatchObject({ ok: true, value: { status: "accepted" } });
        await edge.kill9();
        await edge.start();
        pending.push({ runtime, desk, outTradeNo: bill.outTradeNo, fen: 4_000n });

        expect(await desk.client.result({ outTradeNo: bill.outTradeNo })).toMatchObject({ ok: true, value: { status: "accepted" } });
        expect(await desk.client.settle(bill)).toMatchObject({ ok: true, value: { status: "accepted" } });
        expect(await desk.client.settle({ ...bill, amount: "41.00" })).toMatchObject(failed("idempotencyConflict"));
        expect(await desk.client.settle({ ...bill, outTradeNo: number(runtime) })).toMatchObject(failed("codeUsed"));

        const later = { ...desk.scene, outTradeNo: number(runtime), code: second, amount: "41.00" };
        expect(await desk.client.settle(later)).toMatchObject({ ok: true, value: { status: "accepted" } });
        pending.push({ runtime, desk, outTradeNo: later.outTradeNo, fen: 4_100n });
      },
    );

    it.runIf(brokers === undefined).each(RUNTIMES)("an edge on %s says when to come back, once as much waits as may", async (runtime) => {
      const desk = province.desk(edgeOn(runtime), 2);
      const { outTradeNo } = pending.find((one) => one.runtime === runtime) ?? { outTradeNo: "" };
      // Each of these is refused, and leaves the event that says so.
      const [used = ""] = codes.get(runtime) ?? [];
      let refused;
      for (let n = 0; n <= OUTBOX_MAX; n++) {
        refused = await desk.client.settle({ ...desk.scene, outTradeNo: number(runtime), code: used, amount: "1.00" });
        if (refused.ok || refused.error.error !== "codeUsed") break;
      }
      expect(refused).toMatchObject({ ok: false, error: { error: "rateLimited", retryAfterSeconds: expect.any(Number) } });
      // What asks for no room is still answered.
      expect(await desk.client.result({ outTradeNo })).toMatchObject({ ok: true, value: { status: "accepted" } });
    });

    it("everything is settled once when the core is back, and the ledger verifies", async () => {
      expect(pending).toHaveLength(2 * RUNTIMES.length);
      await province.coreUp();
      const settled = await Promise.all(pending.map(({ desk, outTradeNo }) => untilFinal(desk, outTradeNo)));
      expect(settled.map(({ status }) => status)).toEqual(pending.map(() => "settled"));
      for (const [at, { fen }] of pending.entries()) expect(await province.captured(settled[at]?.settlementId ?? "")).toBe(fen);
      const verified = await ronghe(["ledger", "verify", "--json"], { RONGHE_DATA: province.data });
      expect(verified.code, verified.stdout).toBe(0);
    });
  });

  it.skipIf(skipped)(`${way}: the core ends in order while edges wait for outcomes`, async () => {
    expect(await province.coreStop()).toBe(0);
  });

  it.skipIf(skipped)(`${way}: every edge ends in order when it is told to`, async () => {
    const statuses = await Promise.all(RUNTIMES.map((runtime) => edgeOn(runtime).stop()));
    expect(statuses).toEqual(RUNTIMES.map(() => 0));
    for (const edge of edges.values()) expect(edge.output()).not.toMatch(/"bug"/);
  });
});
