/**
 * The edge: how fast it decodes a request up to its decision, beside the two SM2 verifications that this takes, and how
 * fast it takes whole settlements in, durably.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCrypto } from "../core/crypto/index.ts";
import type { Crypto } from "../core/crypto/port.ts";
import { type EventMs, systemClock } from "../core/protocol/time.ts";
import { createEdgeApp } from "../edge/app.ts";
import { openEdgeState } from "../edge/node/state.ts";
import { startResults } from "../edge/results.ts";
import { openDatabase } from "../migrations/database.ts";
import { openEmbeddedBus } from "../streams/bus/embedded.ts";
import { enqueue, startForwarder } from "../streams/bus/outbox.ts";
import { topicPlan } from "../streams/contracts/codec.ts";
import { decodingPorts, makeStreet, prepareDecodes, requests, type Street } from "./edge-street.ts";
import { GARBAGE_STEPS, garbageFigures } from "./edge-garbage.ts";
import { contest, type Figure, median, rateOf, type Report } from "./figures.ts";

/** Decoded in every round. */
const DECODED = 1_200;
const ROUNDS = 9;
/** Posted once each: nothing may be shown twice. */
const POST_ROUNDS = 5;
const POSTED = 500;
const POSTS_AT_ONCE = 64;
const PARTITIONS = 2;

export async function run(report: Report): Promise<readonly Figure[]> {
  const crypto = await loadCrypto();
  const street = makeStreet(crypto);
  const steps = 2 * (ROUNDS + 1) + POST_ROUNDS + GARBAGE_STEPS;
  let done = 0;
  const step = (): void => report(++done, steps);
  const clear = await decodeFigure(
    crypto,
    street,
    { encrypted: false, name: "edge.decode.clear", what: "envelope check and decode, data in the clear" },
    step,
  );
  const encrypted = await decodeFigure(
    crypto,
    street,
    { encrypted: true, name: "edge.decode", what: "envelope check and decode, encData" },
    step,
  );
  const post = await postFigure(crypto, street, step);
  const garbage = await garbageFigures(decodingPorts(crypto, street), await street.request(9_000_000, false), step);
  return [encrypted, clear, post, ...garbage];
}

async function decodeFigure(
  crypto: Crypto,
  street: Street,
  of: { encrypted: boolean; name: string; what: string },
  step: () => void,
): Promise<Figure> {
  const race = await prepareDecodes(crypto, street, DECODED, of.encrypted);
  const outcome = await contest({ rounds: ROUNDS, report: step, subject: () => race.decode(), bound: () => race.verify() });
  return {
    name: of.name,
    what: of.what,
    unit: "requests/s",
    perSecond: outcome.perSecond,
    bound: { what: "the same two SM2 verifications alone", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
    aim: { ratio: 0.8 },
  };
}

async function postFigure(crypto: Crypto, street: Street, step: () => void): Promise<Figure> {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-bench-edge-"));
  const clock = systemClock;
  const bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
  await bus.ensureTopics(topicPlan(PARTITIONS));
  const db = await openDatabase({ kind: "edge", file: join(folder, "edge.db") });
  const outbox = startForwarder({ db, bus, clock });
  const state = await openEdgeState({ db, enqueue, onCommitted: () => outbox.notify(), nowMs: clock.now() });
  const results = await startResults({ bus, db, edgeId: "edge-1" });
  const app = createEdgeApp({ ...decodingPorts(crypto, street), state, outbox, results });
  const bodies = await requests(street, 1_000_000, POST_ROUNDS * POSTED, true);
  const rates: number[] = [];
  try {
    for (let round = 0; round < POST_ROUNDS; round++) {
      const rate = await rateOf(async () => await postAll(app, bodies.slice(round * POSTED, (round + 1) * POSTED)), round);
      if (round > 0) rates.push(rate);
      await outbox.drained();
      step();
    }
  } finally {
    results.release();
    await results.stop();
    await state.close(clock.now() as EventMs);
    await outbox.stop();
    await db.close();
    await bus.close();
    await rm(folder, { recursive: true, force: true });
  }
  return {
    name: "edge.post",
    what: "whole POST rh.settle: durable in edge.db, reply signed",
    unit: "requests/s",
    perSecond: median(rates),
  };
}

async function postAll(app: ReturnType<typeof createEdgeApp>, bodies: readonly string[]): Promise<number> {
  let next = 0;
  async function lane(): Promise<void> {
    for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) {
      const response = await app.request("/v1/rh.settle", { method: "POST", body });
      const reply = (await response.json()) as { readonly success?: unknown };
      if (reply.success !== true && reply.success !== "true") throw new Error("the edge refused a request of the benchmark");
    }
  }
  await Promise.all(Array.from({ length: POSTS_AT_ONCE }, lane));
  return bodies.length;
}
