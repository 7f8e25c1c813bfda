/** Every command that is handed a file looks at what it is before it opens it: a device or a pipe keeps nobody waiting. */
import { execFile, execFileSync } from "node:child_process";
import { chmod, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../core/protocol/time.ts";
import { CANONICAL } from "../../core/settlement/reconcile/mapping.ts";
import { openEmbeddedBus } from "../../streams/bus/embedded.ts";

const CLI = fileURLToPath(new URL("../main.ts", import.meta.url));
let folder: string;

/** The file stands for `FILE`. */
const COMMANDS: readonly string[] = [
  "call --check FILE",
  "call --check GOOD --keys FILE",
  "call --check GOOD --org H51010400001 --sign-text FILE",
  "call rh.settle --edge http://127.0.0.1:9 --amount 1.00 --code x --fee-lines FILE",
  "access partner add-key H51010400001 FILE",
  "access edge take-secret FILE",
  "erase --order 1 --by li --approved-by wang --ground withdrawn --document FILE",
  "ledger search --document FILE",
  "ledger export --out OUT --page FILE",
  "ledger follow --once --wait 0 --state FILE",
  "reconcile run --rail bank --day 2026-11-01 --by li --file FILE",
  "reconcile mapping set FILE --rail bank --by li",
  "reconcile mapping test FILE --rail bank",
  "reconcile mapping test FILE --rail bank --mapping MAPPING",
  "reconcile mapping test GOOD --rail bank --mapping FILE",
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-handed-"));
  await writeFile(join(folder, "good"), "{}");
  await symlink(join(folder, "good"), join(folder, "link"));
  execFileSync("mkfifo", [join(folder, "pipe")]);
  await writeFile(join(folder, "endless"), "");
  await truncate(join(folder, "endless"), 2 ** 40);
  await writeFile(join(folder, "mapping"), JSON.stringify(CANONICAL));
  await ran("sandbox init");
  const bus = await openEmbeddedBus({ file: join(folder, "data", "bus.db"), clock: systemClock });
  await bus.close();
  await chmod(join(folder, "data", "bus.db"), 0o600);
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: unknown;
  readonly stderr: string;
}

async function ran(command: string, file = ""): Promise<Ended> {
  const names: Readonly<Record<string, string>> = {
    FILE: file,
    GOOD: join(folder, "good"),
    MAPPING: join(folder, "mapping"),
    OUT: join(folder, "out"),
  };
  const words = command.split(" ").map((word) => names[word] ?? word);
  return await new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...words, "--data", join(folder, "data")], (error, _stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stderr }),
    );
  });
}

describe.each(COMMANDS)("%s", (command) => {
  test.each([
    ["a device", "/dev/zero", "is no regular file"],
    ["a pipe that nobody writes to", "pipe", "is no regular file"],
    ["a link", "link", "is a link"],
    ["a folder", "", "is a folder"],
  ])("refuses %s", async (_, name, words) => {
    const { code, stderr } = await ran(command, name.startsWith("/") ? name : join(folder, name));
    expect([code, stderr.trimEnd().split("\n").length, stderr]).toEqual([2, 1, expect.stringContaining(words)]);
  });
});
