/** What a process keeps, on disks of its own that are full: who stands on it is not ready, and says which it is and why. */
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { mountVolume, storageLines, until } from "./harness/disk.ts";
import { FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { ronghe, serve } from "./harness/process.ts";

describe("a core beside an embedded bus whose disk is full", () => {
  it("is not ready although its own disk has room, names the bus, and goes on by itself", async ({ skip }) => {
    await using place = await temporaryFolder();
    const disk = await mountVolume(join(place.path, "volume"));
    if (disk === undefined) return skip();
    const settings = { ...FREE_PORTS, RONGHE_DATA: join(place.path, "data"), RONGHE_FREE_SPACE_MIN_MB: "0" };
    expect((await ronghe(["sandbox", "init"], settings)).code).toBe(0);
    await symlink(join(place.path, "volume", "bus.db"), join(place.path, "data", "bus.db"));
    const platform = await serve(["all"], settings);
    try {
      const core = /core +(http:\S+)/.exec(platform.output())?.[1] ?? "";
      await until(`${core}/ready`, 200);
      await disk.fill();
      expect(await until(`${core}/ready`, 503)).toMatchObject({ checks: { storage: false } });
      expect(await (await fetch(`${core}/metrics`)).text()).toMatch(/ronghe_storage_failing\{database="bus",cause="SQLITE_\w+"\} 1/);
      await disk.empty();
      await until(`${core}/ready`, 200);
      expect(storageLines(platform.output(), "core")).toMatchObject([
        { notice: "storage.failing", database: "bus", cause: "SQLITE_FULL" },
        { notice: "storage.recovered", database: "bus" },
      ]);
    } finally {
      await platform.stop();
      await disk.unmount();
    }
  });
});
