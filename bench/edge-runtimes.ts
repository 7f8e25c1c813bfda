/**
 * The edge on each of its runtimes, every one in a process of its own: how fast it decodes, how fast it takes whole
 * settlements in durably and how long a caller waits, and how fast a full outbox leaves for a local Kafka broker.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCrypto } from "../core/crypto/index.ts";
import { carryKeyStore } from "../core/crypto/keystore-carried.ts";
import { openKeyStore } from "../core/crypto/keystore.ts";
import { toBase64, toHex } from "../core/protocol/bytes.ts";
import { sealRequest } from "../core/protocol/envelope.ts";
import { systemClock } from "../core/protocol/time.ts";
import { EDGE_CACHE_KEY, EDGE_DATA_KEY, EDGE_REPLY_KEY, edgeSecretAad } from "../edge/identity.ts";
import { bundleWorker, type Host, startScript, startWorkerHost } from "../edge/testing/runtimes/hosts.ts";
import { call } from "../edge/testing/runtimes/wire.ts";
import { connectKafkaBus } from "../streams/bus/kafka.ts";
import { startKafka } from "../streams/bus/testing/kafka.ts";
import { topicPlan } from "../streams/contracts/codec.ts";
import { type EdgeProcess, RUNTIMES, type Runtime, startEdge, untilReady } from "../test/harness/edges.ts";
import { ronghe } from "../test/harness/process.ts";
import { type Province, startProvince } from "../test/harness/province.ts";
import { contest, type Figure, median, type Report } from "./figures.ts";
import { type LoadReport, startLoad } from "./load.ts";

const DECODED = 600;
const DECODE_ROUNDS = 5;
const POST_ROUNDS = 5;
const POSTED = 300;
const POSTS_AT_ONCE = 32;
const QUEUED = 10_000;
const DRAIN_ROUNDS = 3;
/** What one commit of a shard takes. */
const FILL = 500;

export async function run(report: Report): Promise<readonly Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-bench-runtimes-"));
  const steps = RUNTIMES.length * (DECODE_ROUNDS + 1 + POST_ROUNDS + 1 + DRAIN_ROUNDS + 1);
  let done = 0;
  const step = (): void => report(++done, steps);
  try {
    const decodes: Figure[] = [];
    for (const runtime of RUNTIMES) decodes.push(await decodeFigure(runtime, folder, step));
    return [...decodes, ...(await acceptFigures(join(folder, "province"), step)), ...(await drainFigures(folder, step))];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const nameOf = (figure: string, runtime: Runtime): string => `edge.${figure}.${runtime.toLowerCase()}`;

async function decodeFigure(runtime: Runtime, folder: string, step: () => void): Promise<Figure> {
  const host =
    runtime === "workerd"
      ? await startWorkerHost({
          bundle: bundleWorker("bench/runtimes/decode-worker.ts", folder),
          folder,
          bindings: { COUNT: String(DECODED) },
          objects: false,
        })
      : await startScript(runtime, join(import.meta.dirname, "runtimes", "decode-host.ts"), String(DECODED));
  try {
    const work = (method: string) => async () => Number(await call(host.url(), "inside", method, []));
    const outcome = await contest({ rounds: DECODE_ROUNDS, report: step, subject: work("decode"), bound: work("verify") });
    return {
      name: nameOf("decode", runtime),
      what: `${runtime}: envelope check and decode, encData`,
      unit: "requests/s",
      perSecond: outcome.perSecond,
      bound: { what: "the same two SM2 verifications alone", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
    };
  } finally {
    await host.kill9();
  }
}

async function acceptFigures(data: string, step: () => void): Promise<readonly Figure[]> {
  const province = await startProvince(data, undefined, 1 + RUNTIMES.length);
  try {
    const figures: Figure[] = [];
    for (const [at, runtime] of RUNTIMES.entries()) {
      const settings = { ...(await province.edgeSettings(at + 2)), RONGHE_OUTBOX_MAX: "200000" };
      const edge = runtime === "workerd" ? await bareWorker(settings) : await startEdge(runtime, settings);
      try {
        await untilReady(edge);
        figures.push(await acceptFigure(province, edge, step));
      } finally {
        await edge.kill9();
      }
    }
    return figures;
  } finally {
    await province.stop();
  }
}

/** workerd without `wrangler dev` around it, whose own proxy takes longer than the edge. */
export async function bareWorker(
  settings: Readonly<Record<string, string>>,
): Promise<Pick<EdgeProcess, "runtime" | "url" | "kill9" | "pid">> {
  const folder = settings["RONGHE_DATA"] ?? "";
  const secrets = await ronghe(["edge-secrets"], settings);
  const bindings = {
    ...(JSON.parse(secrets.stdout) as Record<string, string>),
    RONGHE_CORE_URL: settings["RONGHE_CORE_URL"] ?? "",
    RONGHE_LOG: "off",
  };
  const host = await startWorkerHost({ bundle: bundleWorker("edge/entry.workerd.ts", folder), folder, bindings });
  return { runtime: "workerd", url: host.url(), kill9: () => host.kill9(), pid: () => host.pid() };
}

type Caller = Pick<EdgeProcess, "runtime" | "url">;

async function acceptFigure(province: Province, edge: Caller, step: () => void): Promise<Figure> {
  const bodies = await settlements(province, edge, 0, (POST_ROUNDS + 1) * POSTED);
  const taking = startLoad({ url: edge.url, path: "/v1/rh.settle", atOnce: POSTS_AT_ONCE });
  const empty = startLoad({ url: edge.url, path: "/nowhere", atOnce: POSTS_AT_ONCE, raw: true, get: true });
  const reports: LoadReport[] = [];
  try {
    const outcome = await contest({
      rounds: POST_ROUNDS,
      report: step,
      async subject(round) {
        const took = await taking.post(bodies.slice(round * POSTED, (round + 1) * POSTED));
        if (took.accepted !== POSTED) throw new Error(`refused: ${JSON.stringify(took.refusals)}`);
        reports.push(took);
        return POSTED;
      },
      async bound(round) {
        await empty.post(bodies.slice(round * POSTED, (round + 1) * POSTED));
        return POSTED;
      },
    });
    const counted = reports.slice(1);
    const [p50, p99] = [median(counted.map(({ p50Ms }) => p50Ms)), median(counted.map(({ p99Ms }) => p99Ms))];
    return {
      name: nameOf("accept", edge.runtime),
      what: `${edge.runtime}: POST rh.settle over HTTP, durable, reply signed`,
      unit: "requests/s",
      perSecond: outcome.perSecond,
      bound: { what: "as many GETs of an address that is not there", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
      note: `${POSTS_AT_ONCE} at once: p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`,
    };
  } finally {
    await Promise.all([taking.close(), empty.close()]);
  }
}

/** Requests to settle, numbered from `from` on, of every hospital in turn. */
export async function settlements(province: Province, edge: Caller, from: number, count: number): Promise<readonly string[]> {
  const bodies: string[] = [];
  for (let n = from; n < from + count; n++) {
    const { orgId, partner, sign, scene } = province.desk(edge, n);
    const data = { ...scene, orgId, outTradeNo: `B-${edge.runtime}-${n}`, code: await province.mintedCode(), amount: "1.00" };
    const request = { orgId, transType: "rh.settle", version: "1.0.0", data, timestampMs: systemClock.now() };
    bodies.push(await sealRequest(province.crypto, request, partner, sign));
  }
  return bodies;
}

async function drainFigures(folder: string, step: () => void): Promise<readonly Figure[]> {
  const kafka = await startKafka();
  if ("skipped" in kafka) {
    console.error(`bench: ${kafka.skipped}`);
    return [];
  }
  const bus = await connectKafkaBus({ brokers: kafka.brokers, clientId: "ronghe-bench" });
  try {
    await bus.ensureTopics(topicPlan(2));
    const figures: Figure[] = [];
    const bound = await drainHost("Node", folder, kafka.brokers);
    for (const runtime of RUNTIMES) figures.push(await drainFigure(runtime, await drainHost(runtime, folder, kafka.brokers), bound, step));
    await bound.kill9();
    return figures;
  } finally {
    await bus.close();
    await kafka.stop();
  }
}

async function drainHost(runtime: Runtime, folder: string, brokers: readonly string[]): Promise<Host> {
  const own = await mkdtemp(join(folder, "drain-"));
  if (runtime !== "workerd")
    return await startScript(runtime, join(import.meta.dirname, "runtimes", "drain-host.ts"), JSON.stringify({ folder: own, brokers }));
  const bundle = bundleWorker("bench/runtimes/drain-worker.ts", own);
  return await startWorkerHost({ bundle, folder: own, bindings: await workerBindings(own, brokers) });
}

async function drainFigure(runtime: Runtime, host: Host, bound: Host, step: () => void): Promise<Figure> {
  let from = 0;
  const rates: { readonly drained: number; readonly published: number }[] = [];
  const timed = async (work: Promise<unknown>): Promise<number> => {
    const startedMs = performance.now();
    await work;
    return (QUEUED * 1000) / (performance.now() - startedMs);
  };
  try {
    for (let round = 0; round <= DRAIN_ROUNDS; round++) {
      for (let filled = 0; filled < QUEUED; filled += FILL) await call(host.url(), "inside", "fill", [from + filled, FILL]);
      const drained = await timed(call(host.url(), "inside", "drain", []));
      const published = await timed(call(bound.url(), "inside", "publish", [from, QUEUED]));
      from += QUEUED;
      if (round > 0) rates.push({ drained, published });
      step();
    }
  } finally {
    await host.kill9();
  }
  return {
    name: nameOf("drain", runtime),
    what: `${runtime}: ${QUEUED.toLocaleString("en")} queued events drained to Kafka`,
    unit: "events/s",
    perSecond: median(rates.map(({ drained }) => drained)),
    bound: {
      what: "the same events published from memory by Node",
      perSecond: median(rates.map(({ published }) => published)),
      ratio: median(rates.map(({ drained, published }) => drained / published)),
    },
  };
}

/** An edge that nobody knows: its events go to Kafka, and nobody is asked for anything. */
async function workerBindings(folder: string, brokers: readonly string[]): Promise<Record<string, string>> {
  const crypto = await loadCrypto();
  const [file, unlock, kek, edgeId] = [join(folder, "keys.json"), { kek: crypto.random(32) }, crypto.random(32), "edge-bench"];
  const keys = await openKeyStore({ file, unlock, crypto, clock: systemClock });
  const handles = [EDGE_REPLY_KEY, EDGE_DATA_KEY, EDGE_CACHE_KEY];
  for (const handle of handles) await keys.ensure(handle, handle === EDGE_REPLY_KEY ? "sm2" : "secret");
  const identity = {
    edgeId,
    keys: await carryKeyStore({ file, unlock, handles, kek, crypto }),
    coreSecret: toBase64(await keys.seal(EDGE_DATA_KEY, crypto.random(32), edgeSecretAad(edgeId))),
    platformKey: toHex(await keys.publicKey(EDGE_REPLY_KEY)),
  };
  return {
    RONGHE_EDGE_IDENTITY: JSON.stringify(identity),
    RONGHE_EDGE_KEK: toHex(kek),
    RONGHE_CORE_URL: "http://127.0.0.1:9",
    RONGHE_EDGE_UPLINK: "bus",
    RONGHE_KAFKA_BROKERS: brokers.join(","),
    RONGHE_LOG: "off",
  };
}
