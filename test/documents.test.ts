/** What README and docs tell people to type exists, and the README's own way works on a fresh folder, in its order. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { type Ended, environment, serve, type Serving } from "./harness/process.ts";
import { Shell } from "./harness/shell.ts";

const ROOT = new URL("../", import.meta.url);
const MAIN = fileURLToPath(new URL("cli/main.ts", ROOT));
const DOCUMENTS = [
  "README.md",
  ...readdirSync(new URL("docs/", ROOT))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const textOf = (document: string): string => readFileSync(new URL(document, ROOT), "utf8");

/** Blocks of commands, without what stands behind `#`, lines that go on joined. */
function blocksOf(text: string): readonly (readonly string[])[] {
  return [...text.matchAll(/^```(?:sh|bash)?\n([\s\S]*?)^```/gm)].map(([, block = ""]) =>
    block
      .replaceAll(/\\\n\s*/g, "")
      .split("\n")
      .map((line) => line.replace(/(?:^|\s)#.*$/, "").trim())
      .filter((line) => line !== ""),
  );
}

/** Every `ronghe …` of a document, in blocks and in running text, as words. */
function commandsOf(document: string): readonly (readonly string[])[] {
  const text = textOf(document);
  const inline = [...text.replaceAll(/^```[\s\S]*?^```/gm, "").matchAll(/`((?:npx )?ronghe [^`]+)`/g)].map(([, said = ""]) => said);
  return [...blocksOf(text).flat(), ...inline]
    .map((line) => line.replaceAll(/\$\([^)]*\)/g, "…"))
    .flatMap((line) => line.split(/\s(?:&&|\|)\s|\s&$/))
    .flatMap((part) => /^(?:[A-Z_]+=\S+ )*(?:npx )?ronghe (.*)$/.exec(part.trim())?.[1] ?? [])
    .map((said) => said.trim().split(/\s+/));
}

/** The commands that a help text lists. */
const below = (help: string): readonly string[] =>
  [...(help.split("\nCommands:\n")[1] ?? "").matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name = ""]) => name);

describe("a command that a document names", () => {
  let shell: Shell;
  const helps = new Map<string, string>();
  beforeAll(() => void (shell = new Shell({})));
  afterAll(async () => {
    await shell.end();
  });

  async function helpOf(path: readonly string[]): Promise<string> {
    const known = helps.get(path.join(" "));
    if (known !== undefined) return known;
    const { stdout } = await shell.run(...path, "--help");
    helps.set(path.join(" "), stdout);
    return stdout;
  }
  test.each(DOCUMENTS)("in %s exists, and so does every option", async (document) => {
    const wrong: string[] = [];
    for (const words of commandsOf(document)) {
      const path: string[] = [];
      let help = await helpOf(path);
      for (let next = words[0] ?? ""; below(help).includes(next); next = words[path.length] ?? "") {
        path.push(next);
        help = await helpOf(path);
      }
      if (below(help).length > 0 && /^[a-z][a-z-]*$/.test(words[path.length] ?? "")) wrong.push(words.join(" "));
      const known: ReadonlySet<string> = new Set([...help.matchAll(/--[a-z][a-z-]*/g)].map(([name]) => name));
      for (const word of words) {
        const [option = ""] = /^--[a-z][a-z-]*/.exec(word) ?? [];
        if (option !== "" && !known.has(option)) wrong.push(`${words.join(" ")}: ${option}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe("the README's way, typed in its order on a fresh folder,", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let platform: Serving | undefined;
  beforeAll(async () => void (folder = await temporaryFolder()));
  afterAll(async () => {
    await platform?.stop();
    await folder[Symbol.asyncDispose]();
  });

  async function type(line: string): Promise<Ended> {
    const script = `npx() { shift; ${process.execPath} ${MAIN} "$@"; }\n${line}`;
    const child = spawn("bash", ["-c", script], { cwd: folder.path, env: environment(FREE_PORTS), stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    return { code, stdout, stderr };
  }

  test.runIf(process.env["CI"] !== undefined || process.env["PATH"]?.split(":").some((one) => isProgram(`${one}/zbarimg`)))(
    "works to its end",
    async () => {
      const lines = blocksOf(textOf("README.md")).find((block) => block[0]?.includes("sandbox init")) ?? [];
      expect(lines.length).toBeGreaterThan(12);
      let [hospital, bill] = ["", ""];
      const today = new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 10);
      for (const written of lines) {
        const line = written
          .replaceAll(/H…\/T…|INSTITUTION\/OUTTRADENO/g, `${hospital}/${bill}`)
          .replaceAll("H…", hospital)
          .replaceAll("2026-12-01", today);
        if (line.includes("serve all")) {
          platform = await serve(["all"], { ...FREE_PORTS, RONGHE_DATA: `${folder.path}/province` });
          continue;
        }
        const ended = await type(line);
        // What a day that has just begun refuses, in words.
        const early = /reconcile run|day close/.test(line);
        expect([ended.code, early && ended.stderr], `${line}\n${ended.stderr}${ended.stdout}`).toEqual([
          early ? 3 : 0,
          early && expect.stringMatching(/\((?:dayNotOver|beforeFounding)\)\n$/),
        ]);
        hospital ||= /institutions: (\w+)/.exec(ended.stdout)?.[1] ?? "";
        if (line.includes("rh.settle")) bill = /"outTradeNo":"(\w+)"/.exec(ended.stdout)?.[1] ?? "";
      }
    },
  );
});

function isProgram(path: string): boolean {
  try {
    return readFileSync(path).length > 0;
  } catch {
    return false;
  }
}
