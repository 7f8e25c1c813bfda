import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfig } from "../config.ts";
import { coreUrlOf, forgetEdge, type Layout, layoutOf, readRuntime } from "./layout.ts";

const NOTED = { pid: 1, bus: "embedded", coreUrl: "http://127.0.0.1:4001", edgeUrl: "http://127.0.0.1:4002" };

describe("an edge by itself", () => {
  let folder: string;
  let layout: Layout;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ronghe-layout-"));
    layout = layoutOf(folder);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("finds the core on this machine when nobody says where it is", async () => {
    expect(await coreUrlOf(readConfig({}), layout)).toBe("http://127.0.0.1:8788");
    expect(await coreUrlOf(readConfig({ RONGHE_CORE_PORT: "9001" }), layout)).toBe("http://127.0.0.1:9001");
  });

  it("finds it where the core of this folder noted it, and before all where it is told", async () => {
    await writeFile(layout.runtime, JSON.stringify(NOTED));
    expect(await coreUrlOf(readConfig({}), layout)).toBe(NOTED.coreUrl);
    expect(await coreUrlOf(readConfig({ RONGHE_CORE_URL: "https://core.example" }), layout)).toBe("https://core.example");
  });

  it("asks to be told when the core takes any free port", async () => {
    await expect(coreUrlOf(readConfig({ RONGHE_CORE_PORT: "0" }), layout)).rejects.toThrow("RONGHE_CORE_URL is needed for this part");
  });

  it("takes its own address back and leaves the core's", async () => {
    await writeFile(layout.runtime, JSON.stringify(NOTED));
    await forgetEdge(layout);
    expect(await readRuntime(layout)).toEqual({ pid: 1, bus: "embedded", coreUrl: NOTED.coreUrl });
  });
});
