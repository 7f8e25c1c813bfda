/**
 * What garbage costs an edge, beside an empty route that answers as many bytes without looking at anything: both served
 * over HTTP, asked from a thread of its own. Counted by the processor time of the serving thread, because the callers
 * share the machine.
 */
import { Hono } from "hono";
import { createEdgeApp } from "../edge/app.ts";
import { listen } from "../edge/node/listen.ts";
import type { EdgePorts } from "../edge/ports.ts";
import { contest, type Figure, threadTime } from "./figures.ts";
import { type Load, startLoad } from "./load.ts";

const ROUNDS = 9;
const POSTED = 2_000;
const AT_ONCE = 32;
const PATH = "/v1/rh.settle";
export const GARBAGE_STEPS: number = 2 * (ROUNDS + 1);

/** @param envelope an envelope as a hospital would send it, to be spoiled. */
export async function garbageFigures(ports: EdgePorts, envelope: string, step: () => void): Promise<readonly Figure[]> {
  const garbage = [
    "x".repeat(envelope.length),
    envelope.replaceAll(/"orgId":"[^"]*"/g, '"orgId":"H99999999999"'),
    envelope.replace(/"timestamp":"[0-9]*"/, '"timestamp":"20200101000000"'),
    envelope.replace('"version"', '"colour":"red","version"'),
  ];
  const bodies = Array.from({ length: POSTED }, (_, n) => garbage[n % garbage.length] ?? "");
  const judged = await raceAgainstEmpty(createEdgeApp(ports), bodies, step);
  const flood = await raceAgainstEmpty(createEdgeApp({ ...ports, sourceOf: () => "203.0.113.7" }), bodies, step);
  const figure = (name: string, what: string, outcome: typeof judged): Figure => ({
    name,
    what,
    unit: "requests/s of processor time",
    perSecond: outcome.perSecond,
    bound: { what: "an empty route answering as many bytes", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
    aim: { ratio: 0.9 },
  });
  return [
    figure("edge.garbage", "garbage refused, each call judged (not JSON, unknown institution, old, misshapen)", judged),
    figure("edge.flood", "the same from one source that floods, turned away", flood),
  ];
}

async function raceAgainstEmpty(app: Hono, bodies: readonly string[], step: () => void): ReturnType<typeof contest> {
  const refusal = await (await app.request(PATH, { method: "POST", body: "x" })).text();
  const filler = "x".repeat(refusal.length);
  const headers = { "content-type": "application/json; charset=utf-8", "cache-control": "no-store", "x-content-type-options": "nosniff" };
  const empty = new Hono();
  empty.post("/v1/:transType", () => new Response(filler, { headers }));
  const served = await Promise.all([app, empty].map((one) => listen(one.fetch, { host: "127.0.0.1", port: 0 })));
  const [subject, bound] = served.map(({ url }) => startLoad({ url, path: PATH, atOnce: AT_ONCE, raw: true })) as [Load, Load];
  try {
    return await contest({
      rounds: ROUNDS,
      meter: threadTime,
      report: step,
      subject: () => postAll(subject, bodies),
      bound: () => postAll(bound, bodies),
    });
  } finally {
    await Promise.all([subject, bound].map((load) => load.close()));
    await Promise.all(served.map((one) => one.close()));
  }
}

async function postAll(load: Load, bodies: readonly string[]): Promise<number> {
  const { accepted } = await load.post(bodies);
  if (accepted > 0) throw new Error("garbage was accepted");
  return bodies.length;
}
