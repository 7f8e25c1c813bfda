/** A Kafka client that is not ours: librdkafka by Python, in a cache folder outside the tree. */
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export interface Written {
  /** Records that the broker took, by topic. */
  readonly taken: Readonly<Record<string, number>>;
  readonly refused: readonly string[];
}

/** The interpreter, or in words why there is none. */
export function hostileClient(): { readonly python: string } | { readonly skipped: string } {
  const version = readFileSync(here("requirements.txt"), "utf8").trim().replace("==", "-");
  const folder = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "ronghe", version);
  const python = join(folder, "bin", "python");
  if (existsSync(python)) return { python };
  mkdirSync(dirname(folder), { recursive: true });
  const making = mkdtempSync(`${folder}-`);
  try {
    const made = run("python3", ["-m", "venv", making]);
    if (made !== undefined) return missing(`no Python with venv (install python3-venv): ${made}`);
    const fetched = run(join(making, "bin", "python"), ["-m", "pip", "install", "-q", "-r", here("requirements.txt")]);
    if (fetched !== undefined) return missing(`pip cannot install confluent-kafka: ${fetched}`);
    renameSync(making, folder);
    return { python };
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

function missing(what: string): { readonly skipped: string } {
  const skipped = `no client that is not ours: ${what}`;
  if (process.env["CI"] !== undefined && process.env["CI"] !== "" && process.env["CI"] !== "false") throw new Error(skipped);
  return { skipped };
}

function run(command: string, args: readonly string[]): string | undefined {
  const done = spawnSync(command, args, { encoding: "utf8" });
  if (done.status === 0) return undefined;
  return (done.error?.message ?? done.stderr ?? "").trim().split("\n").at(-1) ?? `status ${done.status}`;
}

export async function writeHostile(
  python: string,
  brokers: readonly string[],
  records: number,
  topics: readonly string[],
): Promise<Written> {
  const args = [here("produce.py"), brokers.join(","), String(records), ...topics];
  const { stdout } = await promisify(execFile)(python, args, { maxBuffer: 16 * 1024 * 1024 });
  return JSON.parse(stdout) as Written;
}
