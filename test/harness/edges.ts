/** The edge as a process of its own on each runtime, started as its operator starts it, and `kill -9` for all of it. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { environment } from "./process.ts";

export const RUNTIMES = ["Node", "Deno", "workerd"] as const;
export type Runtime = (typeof RUNTIMES)[number];

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DENO = join(ROOT, "node_modules", ".bin", "deno");

/** What the scripts of `package.json` run. */
const COMMANDS: Readonly<Record<Runtime, readonly [command: string, ...args: string[]]>> = {
  Node: [process.execPath, "cli/main.ts", "serve", "edge"],
  Deno: [DENO, "run", "--allow-all", "cli/main.ts", "serve", "edge"],
  workerd: [process.execPath, "cli/main.ts", "serve", "edge", "--runtime", "workerd"],
};

/** A write beyond a limit of the kernel is an error, as on a full disk, and no signal that ends the process (Node ignores it by itself). */
const UNSIGNALLED = 'trap "" XFSZ; exec "$@"';

export interface EdgeProcess {
  readonly runtime: Runtime;
  readonly url: string;
  /** Starts it again on the same folder and address. */
  start(): Promise<void>;
  /** Every process of it at once, without a word. */
  kill9(): Promise<void>;
  /** SIGTERM; gives its status. */
  stop(): Promise<number | null>;
  /** Of the process that now runs. */
  pid(): number;
  /** What it has printed in all its lives. */
  output(): string;
}

/** @param settings with `RONGHE_DATA`, and an `RONGHE_EDGE_PORT` that is free. */
export async function startEdge(runtime: Runtime, settings: Readonly<Record<string, string>>): Promise<EdgeProcess> {
  let child: ChildProcess | undefined;
  let output = "";
  let ended: Promise<number | null> = Promise.resolve(null);

  const start = async (): Promise<void> => {
    const words = ["-c", UNSIGNALLED, "sh", ...COMMANDS[runtime]];
    const from = output.length;
    const started = spawn("sh", words, { cwd: ROOT, env: environment(settings), detached: true, stdio: ["ignore", "pipe", "pipe"] });
    child = started;
    ended = new Promise((resolve) => started.once("close", (code) => resolve(code)));
    await new Promise<void>((resolve, reject) => {
      const take = (chunk: Buffer): void => {
        output += chunk.toString();
        if (output.slice(from).includes("stop with Ctrl-C")) resolve();
      };
      started.stdout.on("data", take);
      started.stderr.on("data", take);
      void ended.then((code) => reject(new Error(`the edge on ${runtime} ended with ${code}: ${output.slice(from)}`)));
    });
  };
  await start();
  return {
    runtime,
    url: `http://127.0.0.1:${settings["RONGHE_EDGE_PORT"]}`,
    start,
    async kill9() {
      killGroup(child?.pid);
      if (runtime === "workerd") killGroup(await workerdLeader(settings["RONGHE_DATA"] ?? ""));
      await ended;
    },
    async stop() {
      child?.kill("SIGTERM");
      return await ended;
    },
    pid: () => child?.pid ?? 0,
    output: () => output,
  };
}

/** Waits until it has settings and room; the hook's own time is the limit. */
export async function untilReady(edge: Pick<EdgeProcess, "url">): Promise<void> {
  for (;;) {
    const answer = await fetch(`${edge.url}/ready`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.status === 200) return;
    await sleep(50);
  }
}

/** Wrangler, the bundler and workerd are a group of their own, whose leader the launcher notes. */
async function workerdLeader(data: string): Promise<number | undefined> {
  const noted = Number(await readFile(join(data, "edge", "workerd.pid"), "utf8").catch(() => ""));
  return noted > 0 ? noted : undefined;
}

function killGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
