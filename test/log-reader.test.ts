/** Whoever reads the log of a process that serves may go away: lines are lost, and nothing else. */
import { expect, it } from "vitest";
import { FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { ronghe, serve } from "./harness/process.ts";

it("a reader of the log that goes away ends nobody who serves", async () => {
  await using folder = await temporaryFolder();
  const settings = { ...FREE_PORTS, RONGHE_DATA: folder.path, RONGHE_LOG: "json" };
  expect((await ronghe(["sandbox", "init"], settings)).code).toBe(0);
  const platform = await serve(["all"], settings);
  const ports = [...platform.output().matchAll(/http:\/\/127\.0\.0\.1:\d+/g)].map(([url]) => url);
  platform.child.stdout?.destroy();
  platform.child.stderr?.destroy();
  for (let n = 0; n < 3; n++) for (const url of ports) expect((await fetch(`${url}/health`)).status).toBeLessThan(500);
  expect((await ronghe(["call", "rh.result", "--id", "nothing"], settings)).stdout).toContain("settlementUnknown");
  expect(platform.child.exitCode).toBeNull();
  expect(await platform.stop()).toBe(0);
});
