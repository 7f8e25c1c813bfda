import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ronghe } from "../../test/harness/process.ts";

test("the version is the package's, with commit and runtime, and status 0", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  const said = await ronghe(["--version"]);
  expect(said).toMatchObject({ code: 0, stderr: "" });
  expect(said.stdout).toMatch(/^ronghe \S+(?: \([0-9a-f]{12}\))?, Node v\d+\.\d+\.\d+\n$/);
  expect(said.stdout.split(/[ ,]/)[1]).toBe(version);
  expect((await ronghe(["-V"])).stdout).toBe(said.stdout);
});
