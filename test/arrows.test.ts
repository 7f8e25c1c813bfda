import { spawnSync } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

function cruise(...where: string[]): { readonly status: number | null; readonly modules: number; readonly broken: readonly string[] } {
  const run = spawnSync(
    join(ROOT, "node_modules/.bin/depcruise"),
    ["--config", ".dependency-cruiser.cjs", "--output-type", "json", ...where],
    { cwd: ROOT, encoding: "utf8", maxBuffer: 256 * 1024 * 1024 },
  );
  const { summary } = JSON.parse(run.stdout) as { summary: { totalCruised: number; violations: { rule: { name: string } }[] } };
  return { status: run.status, modules: summary.totalCruised, broken: summary.violations.map((violation) => violation.rule.name) };
}

it("imports run one way through the whole house", () => {
  const whole = cruise("edge", "core", "ledger", "streams", "migrations", "cli");
  // A parser that reads nothing finds no violation either.
  expect(whole.modules).toBeGreaterThan(200);
  expect(whole.broken).toEqual([]);
});

it.each([
  ["edge", `import "../core/vault/vault.ts";`, "edge-knows-no-core-service"],
  ["edge/app", `import "node:fs";`, "edge-app-web-standards-only"],
  ["edge/app", `import "../../streams/bus/kafka.ts";`, "edge-app-runs-anywhere"],
  ["core/protocol", `import "node:fs";`, "protocol-no-io"],
  ["ledger/verifier", `import "../log.ts";`, "verifier-is-small"],
  ["ledger/verifier/page", `import "../../log.ts";`, "verifier-page-is-small"],
  ["streams/fraud/engine", `import "../service.ts";`, "fraud-engine-is-pure"],
  ["core/vault", `import "../../edge/app.ts";`, "core-services"],
])("a forbidden import in %s is found", async (room, line, rule) => {
  const planted = join(ROOT, room, "planted-arrow.ts");
  await writeFile(planted, `${line}\n`);
  try {
    expect(cruise(`${room}/planted-arrow.ts`).broken).toContain(rule);
  } finally {
    await rm(planted);
  }
});
