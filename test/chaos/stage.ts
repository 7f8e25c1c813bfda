/** The platform under chaos: processes, lines that can be cut, and the hands that a scenario has on them. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { seededRandom } from "../../cli/sandbox/random.ts";
import { freePort } from "../../streams/bus/testing/broker.ts";
import type { startKafka } from "../../streams/bus/testing/kafka.ts";
import { type EdgeProcess, startEdge, untilReady } from "../harness/edges.ts";
import { temporaryFolder } from "../harness/folder.ts";
import { type Province, startProvince } from "../harness/province.ts";
import { findingsOf } from "./check.ts";
import { type Asked, Desks } from "./desks.ts";
import { type Proxy, startProxy } from "./proxy.ts";
import type { Scenario, Stage } from "./scenarios.ts";

type Kafka = Exclude<Awaited<ReturnType<typeof startKafka>>, { readonly skipped: unknown }>;

const LANES = 4;
const PRELOAD = fileURLToPath(new URL("./preload.ts", import.meta.url));

export interface Play {
  readonly lines: readonly [Proxy, Proxy];
  /** One round of work and trouble; gives what does not hold at its end. */
  round(scenario: Scenario, name: string, seed: number): Promise<{ readonly findings: readonly string[]; readonly finals: number }>;
  close(): Promise<void>;
}

/** @param settings of the preload, for all processes. */
export async function openPlay(kafka: Kafka, settings: Readonly<Record<string, string>> = {}): Promise<Play> {
  const [broker] = kafka.brokers;
  if (broker === undefined) throw new Error("no broker");
  const folder = await temporaryFolder();
  const given = { NODE_OPTIONS: `--import ${PRELOAD}`, CHAOS_FOLDER: folder.path, ...settings };
  Object.assign(process.env, given);
  const asked: Asked[] = [];
  const province = await startProvince(join(folder.path, "platform"), kafka.brokers, 2);
  const ofEdge = await province.edgeSettings(2);
  const brokerPort = Number(broker.split(":")[1]);
  const lines = [await startProxy(brokerPort), await startProxy(Number(new URL(ofEdge["RONGHE_CORE_URL"] ?? "").port))] as const;
  const [toBus, toCore] = lines;
  const edge = await startEdge("Node", {
    ...ofEdge,
    RONGHE_CORE_URL: `http://127.0.0.1:${toCore.port}`,
    CHAOS_REDIRECT: `${brokerPort}=${toBus.port}`,
    RONGHE_EDGE_PORT: String(await freePort()),
  });
  await untilReady(edge);
  const stage: Stage = stageOf({ kafka, folder: folder.path, province, edge, toBus, toCore });
  return {
    lines,
    async round(scenario, name, seed) {
      const desks = new Desks(province, edge, name);
      let over = false;
      const work = Promise.all(Array.from({ length: LANES }, (_, lane) => desks.lane(lane, seededRandom(seed + 1 + lane), () => over)));
      await scenario.round(stage, seededRandom(seed));
      over = true;
      await work;
      asked.push(...desks.asked);
      const finals = desks.asked.filter(({ final }) => final !== undefined).length;
      return { findings: [...desks.findings, ...(await findingsOf(province.data, asked))], finals };
    },
    async close() {
      for (const name of Object.keys(given)) delete process.env[name];
      await edge.stop();
      await province.stop();
      for (const line of lines) await line.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

interface Parts {
  readonly kafka: Kafka;
  readonly folder: string;
  readonly province: Province;
  readonly edge: EdgeProcess;
  readonly toBus: Proxy;
  readonly toCore: Proxy;
}

function stageOf({ kafka, folder, province, edge, toBus, toCore }: Parts): Stage {
  return {
    toBus,
    toCore,
    edgeDown: () => edge.kill9(),
    edgeUp: () => edge.start(),
    edgePid: () => edge.pid(),
    coreDown: () => province.coreDown(),
    coreUp: () => province.coreUp(),
    brokerDown: async () => await kafka.kill9?.(),
    brokerUp: async () => await kafka.start?.(),
    async shiftClock(part, ms) {
      const file = join(folder, `clock-${part}`);
      await writeFile(`${file}.new`, String(ms));
      await rename(`${file}.new`, file);
      while ((await readFile(`${file}.seen`, "utf8").catch(() => "")) !== String(ms)) await sleep(20);
    },
  };
}
