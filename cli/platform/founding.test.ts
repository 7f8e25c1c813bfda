import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { foundIn } from "./founding.ts";
import { type Layout, layoutOf, platformExists } from "./layout.ts";

describe("founding a platform in a folder", () => {
  let folder: string;
  let layout: Layout;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ronghe-founding-"));
    layout = layoutOf(join(folder, "data"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const found = async (): Promise<string> => {
    await writeFile(layout.platform, "{}");
    return "founded";
  };

  it("makes the folder, and the platform exists when it is done", async () => {
    expect(await foundIn(layout, found)).toBe("founded");
    expect(platformExists(layout)).toBe(true);
    expect(await readdir(layout.root)).toEqual(["platform.json"]);
  });

  it("begins anew where an earlier founding was cut short, at whatever point", async () => {
    const cutShort = foundIn(layout, async () => {
      await mkdir(layout.core.folder);
      await writeFile(layout.core.keys, "half");
      await writeFile(layout.platform, "{}");
      throw new Error("killed");
    });
    await expect(cutShort).rejects.toThrow("killed");
    expect(platformExists(layout)).toBe(false);

    await foundIn(layout, async () => {
      expect(existsSync(layout.core.keys)).toBe(false);
      await found();
    });
    expect(platformExists(layout)).toBe(true);
  });

  it("leaves a folder with other files alone", async () => {
    await mkdir(layout.root);
    await writeFile(join(layout.root, "thesis.txt"), "years of work");
    await expect(foundIn(layout, found)).rejects.toThrow(/is not empty/);
    expect(await readdir(layout.root)).toEqual(["thesis.txt"]);
  });

  it("refuses while another process founds there", async () => {
    await mkdir(layout.root);
    await writeFile(join(layout.root, "owner.pid"), String(process.ppid));
    await expect(foundIn(layout, found)).rejects.toThrow(/is in use by process/);
  });
});
