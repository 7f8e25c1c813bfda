import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as v from "valibot";

const ROOT = new URL("../../", import.meta.url);

/** What runs here, in one line: version, commit where the files are a checkout of ours, and the runtime. */
export function versionLine(): string {
  const { version } = v.parse(v.object({ version: v.string() }), JSON.parse(readFileSync(new URL("package.json", ROOT), "utf8")));
  const commit = commitOf(fileURLToPath(ROOT));
  return `ronghe ${version}${commit === undefined ? "" : ` (${commit})`}, Node ${process.version}`;
}

/** Never that of a repository which merely has us somewhere inside. */
function commitOf(folder: string): string | undefined {
  if (!existsSync(`${folder}/.git`)) return undefined;
  try {
    return execFileSync("git", ["-C", folder, "rev-parse", "--short=12", "HEAD"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return undefined;
  }
}
