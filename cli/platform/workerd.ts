/** The edge on workerd, on this machine: `wrangler dev` without the network of Cloudflare, its secrets in no file. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { devNull } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { loadCrypto } from "../../core/crypto/index.ts";
import { type Config, uplinkOf } from "../config.ts";
import { readEdgeSecrets } from "./edge-secrets.ts";
import { openKeys } from "./keys.ts";
import { coreUrlOf, forgetEdge, layoutOf, makeFolders, readPlatform, knownRuntime, writePrivate } from "./layout.ts";
import { ownFolder } from "./owner.ts";
import { printJsonLine } from "../output.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const START_MS_MAX = 60_000;
const STOP_MS_MAX = 5_000;
const FREE_MS_MAX = 3_000;

export interface RunningWorker {
  readonly url: string;
  /** Rejects when workerd ends by itself. */
  readonly crashed: Promise<never>;
  stop(): Promise<void>;
}

/** `undefined` when it was asked to stop before it ran; what had begun has then ended. */
export async function startWorkerdEdge(config: Config, stopAsked: Promise<undefined>): Promise<RunningWorker | undefined> {
  const layout = layoutOf(config.RONGHE_DATA);
  const platform = readPlatform(layout);
  await makeFolders(layout, ["edge"]);
  const opened = new AsyncDisposableStack();
  try {
    const owned = ownFolder(layout.edge.folder);
    opened.defer(() => owned.release());
    const known = await knownRuntime(layout);
    const coreUrl = await coreUrlOf(config, layout);
    const crypto = await loadCrypto();
    const keys = await openKeys(config, layout, crypto, "edge");
    const secrets = await readEdgeSecrets({ config, layout, platform, keys, crypto });
    const settings = { ...variablesOf(config, coreUrl), ...secrets };
    const state = join(layout.edge.folder, "workerd");
    const mark = `${state}.pid`;
    await endOrphans(mark, state);
    const port = await freePort(config.RONGHE_HOST, config.RONGHE_EDGE_PORT);
    const child = spawnWrangler(config, { settings, port, state });
    await writePrivate(mark, String(child.pid));
    const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    opened.defer(() => endGroup(child, ended));
    const crashed = ended.then((code): never => {
      throw new Error(`workerd ended with ${code}`);
    });
    crashed.catch(() => undefined);
    const url = `http://${config.RONGHE_HOST.includes(":") ? `[${config.RONGHE_HOST}]` : config.RONGHE_HOST}:${port}`;
    const isUp = await Promise.race([crashed, untilHealthy(url).then(() => true), stopAsked.then(() => false)]);
    if (!isUp) {
      await opened.disposeAsync();
      return undefined;
    }
    const runtime = { ...known, pid: process.pid, bus: config.RONGHE_BUS, edgeUrl: url };
    await writePrivate(layout.runtime, `${JSON.stringify(runtime, undefined, 2)}\n`);
    opened.defer(() => forgetEdge(layout));
    return { url, crashed, stop: () => opened.disposeAsync() };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

/** The settings of a Worker, all of them: what `wrangler.toml` says stands for real deployments. */
function variablesOf(config: Config, coreUrl: string): Record<string, string> {
  const { RONGHE_KAFKA_USERNAME: username, RONGHE_KAFKA_PASSWORD: password } = config;
  return {
    RONGHE_CORE_URL: coreUrl.replace(/\/$/, ""),
    RONGHE_EDGE_UPLINK: uplinkOf(config),
    RONGHE_EDGE_SHARDS: String(config.RONGHE_EDGE_SHARDS),
    RONGHE_KAFKA_TLS: config.RONGHE_KAFKA_TLS,
    RONGHE_OUTBOX_MAX: String(config.RONGHE_OUTBOX_MAX),
    RONGHE_LOG: config.RONGHE_LOG,
    RONGHE_TRUST_CF_CONNECTING_IP: "off",
    ...(config.RONGHE_KAFKA_BROKERS.length === 0 ? {} : { RONGHE_KAFKA_BROKERS: config.RONGHE_KAFKA_BROKERS.join(",") }),
    ...(username === undefined || password === undefined ? {} : { RONGHE_KAFKA_USERNAME: username, RONGHE_KAFKA_PASSWORD: password }),
  };
}

interface WorkerPlace {
  readonly settings: Readonly<Record<string, string>>;
  readonly port: number;
  readonly state: string;
}

function spawnWrangler(config: Config, at: WorkerPlace): ChildProcess {
  const wrangler = join(dirname(createRequire(import.meta.url).resolve("wrangler/package.json")), "bin", "wrangler.js");
  const args = [
    wrangler,
    "dev",
    "--local",
    "--config",
    join(ROOT, "wrangler.toml"),
    "--ip",
    config.RONGHE_HOST,
    "--port",
    String(at.port),
    "--inspector-port",
    "0",
    "--persist-to",
    at.state,
    // Instead of a .dev.vars that may lie about.
    "--env-file",
    devNull,
    "--log-level",
    config.RONGHE_LOG === "json" ? "log" : "error",
    "--show-interactive-dev-session=false",
  ];
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    // A group of its own: wrangler, workerd and the bundler end together.
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...inherited(),
      // Settings and secrets go by the environment and into no file, which a kill would leave behind.
      ...at.settings,
      CLOUDFLARE_INCLUDE_PROCESS_ENV: "true",
      WRANGLER_SEND_METRICS: "false",
      WRANGLER_SEND_ERROR_REPORTS: "false",
      WRANGLER_HIDE_BANNER: "true",
      // Its own log file would hold what `passLines` keeps back.
      WRANGLER_WRITE_LOGS: "false",
      CLOUDFLARE_CF_FETCH_ENABLED: "false",
      NO_UPDATE_NOTIFIER: "1",
    },
  });
  passLines(child);
  return child;
}

/** The Worker's own lines, and nothing of wrangler's: it writes the address of every request, as it was typed. */
function passLines({ stdout }: ChildProcess): void {
  if (stdout === null) return;
  createInterface({ input: stdout }).on("line", (line) => {
    if (line.startsWith("{")) printJsonLine(line);
  });
}

/** What wrangler itself needs; the rest of the environment is none of a Worker's business. */
function inherited(): Record<string, string> {
  const names = ["PATH", "HOME", "TMPDIR", "LANG", "CI", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

/**
 * A launcher that was killed leaves wrangler and workerd running on the same files. Whatever runs under the id it noted is
 * ended only when it was started with our folder.
 */
async function endOrphans(mark: string, state: string): Promise<void> {
  const leader = Number(await readFile(mark, "utf8").catch(() => "0"));
  if (!Number.isInteger(leader) || leader <= 0) return;
  const command = await readFile(`/proc/${leader}/cmdline`, "utf8").catch(() => "");
  if (command.split("\0").includes(state)) signalGroup(leader, "SIGKILL");
  await rm(mark, { force: true });
}

async function endGroup(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.pid === undefined) return;
  signalGroup(child.pid, "SIGTERM");
  const late = new AbortController();
  await Promise.race([ended, sleep(STOP_MS_MAX, undefined, { signal: late.signal }).catch(() => undefined)]);
  late.abort();
  // What is left of the group, should its leader have gone first.
  signalGroup(child.pid, "SIGKILL");
}

function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

async function untilHealthy(url: string): Promise<void> {
  const untilMs = performance.now() + START_MS_MAX;
  while (performance.now() < untilMs) {
    const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
    // Read to its end: workerd complains of a connection that is dropped.
    await answer?.arrayBuffer().catch(() => undefined);
    if (answer?.ok === true) return;
    await sleep(50);
  }
  throw new Error(`the edge on workerd did not answer on ${url} within ${START_MS_MAX / 1000} s`);
}

/**
 * The port asked for, or any for 0. Rejects when it is taken: wrangler would only say so after somebody else's answer on
 * it was taken for the edge's. A workerd that was just killed may hold it for a moment.
 */
async function freePort(host: string, asked: number): Promise<number> {
  const untilMs = performance.now() + FREE_MS_MAX;
  for (;;) {
    try {
      return await bindOnce(host, asked);
    } catch (error) {
      const isTaken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
      if (!isTaken || performance.now() > untilMs) throw error;
    }
    await sleep(50);
  }
}

async function bindOnce(host: string, asked: number): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(asked, host, resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}
