/** Starts the command line as a user does, in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An environment without the settings of whoever runs the tests. */
export function environment(settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("RONGHE_") && name !== "npm_command");
  return { ...Object.fromEntries(inherited), ...settings };
}

/** `who`: another user of this machine, where the tests run as one who may be anybody. */
export async function ronghe(
  args: readonly string[],
  settings: Readonly<Record<string, string>> = {},
  who: { readonly uid?: number; readonly gid?: number } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...args], { ...who, env: environment(settings), stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, stdout, stderr };
}

export interface Serving {
  readonly child: ChildProcess;
  /** Everything it has printed so far, both streams. */
  output(): string;
  /** `kill -9`, and waits until it is gone. */
  kill9(): Promise<void>;
  /** SIGTERM, and waits for its status. */
  stop(): Promise<number | null>;
}

/** `ronghe serve …`; resolves once it says where its data is, which is its last line at start. */
export async function serve(args: readonly string[], settings: Readonly<Record<string, string>>): Promise<Serving> {
  const serving = launch(["serve", ...args], settings);
  await new Promise<void>((resolve, reject) => {
    const ready = (): void => void (serving.output().includes("stop with Ctrl-C") && resolve());
    serving.child.stderr?.on("data", ready);
    serving.child.on("close", (code) => reject(new Error(`serve ${args.join(" ")} ended with ${code}: ${serving.output()}`)));
  });
  return serving;
}

export function launch(args: readonly string[], settings: Readonly<Record<string, string>>): Serving {
  const child = spawn(process.execPath, [MAIN, ...args], { env: environment(settings), stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  return {
    child,
    output: () => output,
    async kill9() {
      child.kill("SIGKILL");
      await ended;
    },
    async stop() {
      child.kill("SIGTERM");
      return await ended;
    },
  };
}
