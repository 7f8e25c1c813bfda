/** Processes that hold an edge's ports on each runtime, for tests that run unchanged against all of them. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { WorkerHostSettings } from "./worker-host.ts";

export interface HostSettings {
  readonly folder: string;
  readonly coreUrl: string;
  readonly edgeId: string;
  /** Hex of the secret shared with the core. */
  readonly secret: string;
}

export interface Host {
  readonly url: () => string;
  /** In order, where the runtime knows one. */
  stop(): Promise<void>;
  kill9(): Promise<void>;
  start(): Promise<void>;
  /** Leads the group of its processes. */
  pid(): number;
}

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export const startNodeHost = (settings: HostSettings): Promise<Host> =>
  startScript("Node", here("libsql-host.ts"), JSON.stringify(settings));

export const startDenoHost = (settings: HostSettings): Promise<Host> =>
  startScript("Deno", here("libsql-host.ts"), JSON.stringify(settings));

export const startWorkerHost = (settings: WorkerHostSettings): Promise<Host> =>
  startScript("Node", here("worker-host.ts"), JSON.stringify(settings));

/** A script that prints the address it answers on. */
export function startScript(runtime: "Node" | "Deno", ...words: readonly string[]): Promise<Host> {
  const deno = join(ROOT, "node_modules", ".bin", "deno");
  return startHost(runtime === "Node" ? [process.execPath, ...words] : [deno, "run", "--allow-all", ...words]);
}

/** Bundles a Worker as `wrangler deploy` would, with the rules of `wrangler.toml`; gives the folder. */
export function bundleWorker(main: string, into: string): string {
  const out = join(into, `bundle-${basename(main, ".ts")}`);
  const config = `${out}.json`;
  const worker = {
    name: "ronghe-edge-test",
    main: join(ROOT, main),
    compatibility_date: "2026-07-01",
    compatibility_flags: ["nodejs_compat"],
    rules: [{ type: "Text", globs: ["**/*.sql"], fallthrough: true }],
  };
  writeFileSync(config, JSON.stringify(worker));
  const wrangler = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
  const built = spawnSync(process.execPath, [wrangler, "deploy", "--dry-run", "--config", config, "--outdir", out], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_SEND_ERROR_REPORTS: "false", NO_UPDATE_NOTIFIER: "1" },
  });
  if (built.status !== 0) throw new Error(`the Worker does not bundle: ${built.stdout}${built.stderr}`);
  return out;
}

async function startHost([command = "", ...args]: readonly string[]): Promise<Host> {
  let child: ChildProcess | undefined;
  let url = "";
  let ended: Promise<void> = Promise.resolve();
  const start = async (): Promise<void> => {
    const started = spawn(command, args, { cwd: ROOT, detached: true, stdio: ["ignore", "pipe", "inherit"] });
    child = started;
    ended = new Promise((resolve) => started.once("close", () => resolve()));
    let output = "";
    url = await new Promise<string>((resolve, reject) => {
      started.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
        const found = /^https?:\/\/\S+$/m.exec(output);
        if (found !== null) resolve(found[0]);
      });
      void ended.then(() => reject(new Error(`${command} ended by itself: ${output}`)));
    });
  };
  const kill9 = async (): Promise<void> => {
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, "SIGKILL");
    await ended;
  };
  await start();
  return {
    url: () => url,
    start,
    kill9,
    pid: () => child?.pid ?? 0,
    async stop() {
      child?.kill("SIGTERM");
      await ended;
    },
  };
}
