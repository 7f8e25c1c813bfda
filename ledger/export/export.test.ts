import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { MemoryFolder } from "../testing/memory-folder.ts";
import { AT, crypto, ORIGIN, random, TestPlatform, testSigner } from "../testing/platform.ts";
import { type ExportReport, verifyExport } from "../verifier/export.ts";
import { foldersOf, parseIndex, printBundle, parseBundle, tilePath, tilesOf } from "../verifier/export-layout.ts";
import { printPolicy } from "../verifier/policy.ts";
import { utf8 } from "../verifier/bytes.ts";
import type { ExportFolder } from "./folder.ts";
import { exportFolder } from "./folder.ts";
import { exportPlatform, type ExportSummary } from "./platform.ts";
import { newestPublishable } from "./publishable.ts";

const REGISTRY = "ronghe.example/51/registry";
const PLAIN = { personal: {}, facts: {}, subject: "s" };

/** Two logs of one platform under one key. */
class TwoLogs {
  readonly registry: TestPlatform;
  readonly shard: TestPlatform;

  private constructor(registry: TestPlatform, shard: TestPlatform) {
    this.registry = registry;
    this.shard = shard;
  }

  static async create(sizes: { readonly registry: number; readonly shard: number }): Promise<TwoLogs> {
    const logs = new TwoLogs(await TestPlatform.create(REGISTRY), await TestPlatform.create());
    await logs.grow(logs.registry, sizes.registry);
    await logs.grow(logs.shard, sizes.shard);
    return logs;
  }

  async grow(log: TestPlatform, count: number, more: object = {}): Promise<void> {
    if (count > 0) await log.append(count, more);
    await log.log.checkpoint(AT);
  }

  get policy(): Uint8Array {
    return utf8(printPolicy([{ ...this.shard.signer.trusted, origins: [REGISTRY, ORIGIN] }]));
  }

  async export(folder: ExportFolder, page?: Uint8Array): Promise<ExportSummary> {
    const trust = [this.shard.signer.trusted];
    const logs = await Promise.all(
      [this.registry, this.shard].map(async ({ db, log }) => {
        const { note } = await newestPublishable(db, crypto, trust, log.origin);
        return { origin: log.origin, db, note };
      }),
    );
    return await exportPlatform({ folder, logs, policy: this.policy, ...(page === undefined ? {} : { page }), sm3: crypto.sm3 });
  }

  async verify(folder: ExportFolder): Promise<ExportReport> {
    return await verifyExport({ files: folder, crypto, trust: [{ ...this.shard.signer.trusted, origins: [REGISTRY, ORIGIN] }] });
  }

  async close(): Promise<void> {
    await this.registry.close();
    await this.shard.close();
  }
}

const same = (a: MemoryFolder, b: MemoryFolder): void => {
  expect([...a.files.keys()].sort()).toEqual([...b.files.keys()].sort());
  for (const [path, bytes] of a.files) expect(Buffer.compare(bytes, b.files.get(path) ?? new Uint8Array()), path).toBe(0);
};

describe("an export", () => {
  let logs: TwoLogs;
  beforeEach(async () => {
    logs = await TwoLogs.create({ registry: 5, shard: 700 });
  });
  afterEach(async () => {
    await logs.close();
  });

  test("verifies, and holds exactly the files that the sizes ask for", async () => {
    const folder = new MemoryFolder();
    const summary = await logs.export(folder, utf8("<!doctype html>"));
    expect(summary.logs.map(({ folder, size }) => [folder, size])).toEqual([
      ["registry", 5],
      ["settlement-0", 700],
    ]);
    expect([...folder.files.keys()].sort()).toEqual([
      "_headers",
      "policy",
      "registry/checkpoint",
      "registry/tile/0/000.p/5",
      "registry/tile/entries/000.p/5",
      "ronghe-export.txt",
      "settlement-0/checkpoint",
      "settlement-0/tile/0/000",
      "settlement-0/tile/0/001",
      "settlement-0/tile/0/002.p/188",
      "settlement-0/tile/1/000.p/2",
      "settlement-0/tile/entries/000",
      "settlement-0/tile/entries/001",
      "settlement-0/tile/entries/002.p/188",
      "verify.html",
    ]);
    expect(await logs.verify(folder)).toMatchObject({ ok: true, logs: [{ size: 5n }, { size: 700n }] });
  });

  test("on a real disk is the same, byte for byte, and leaves no half-written file", async () => {
    const root = await mkdtemp(join(tmpdir(), "ronghe-export-"));
    try {
      const disk = exportFolder(join(root, "out"));
      await logs.export(disk);
      expect((await logs.verify(disk)).ok).toBe(true);
      const memory = new MemoryFolder();
      await logs.export(memory);
      expect([...(await disk.list())].sort()).toEqual([...memory.files.keys()].sort());
      for (const [path, bytes] of memory.files) expect(Buffer.compare((await disk.read(path)) ?? new Uint8Array(), bytes), path).toBe(0);
      const full = join(root, "out/settlement-0/tile/0/000");
      const { mtimeMs, ino } = await stat(full);
      await logs.grow(logs.shard, 100);
      await logs.export(disk);
      expect(await stat(full)).toMatchObject({ mtimeMs, ino });
      expect((await logs.verify(disk)).ok).toBe(true);
      await writeFile(
        full,
        (await readFile(full)).map((byte, at) => (at === 77 ? byte ^ 1 : byte)),
      );
      expect((await logs.verify(disk)).firstDefect).toMatchObject({ name: "tileMismatch" });
    } finally {
      await rm(root, { recursive: true });
    }
  });

  test("run again with nothing new changes nothing; run later it writes no full tile again and takes old partial ones away", async () => {
    const folder = new MemoryFolder();
    await logs.export(folder);
    const before = new MemoryFolder(folder.files);
    await logs.export(folder);
    same(folder, before);
    await logs.grow(logs.shard, 400, PLAIN);
    folder.written.length = 0;
    await logs.export(folder);
    expect(folder.written.filter((path) => path.startsWith("settlement-0/tile/"))).toEqual([
      "settlement-0/tile/entries/002",
      "settlement-0/tile/0/002",
      "settlement-0/tile/entries/003",
      "settlement-0/tile/0/003",
      "settlement-0/tile/entries/004.p/76",
      "settlement-0/tile/0/004.p/76",
      "settlement-0/tile/1/000.p/4",
    ]);
    const straight = new MemoryFolder();
    await logs.export(straight);
    same(folder, straight);
    expect((await logs.verify(folder)).ok).toBe(true);
  });

  test("killed at any call of its, then run again, is the export of a run that was not; until then it is not shown as valid", async () => {
    const first = new MemoryFolder();
    await logs.export(first);
    await logs.grow(logs.shard, 400, PLAIN);
    const straight = new MemoryFolder();
    await logs.export(straight);
    for (const start of [new Map<string, Uint8Array>(), first.files])
      for (const isHalf of [false, true])
        for (let calls = 0; ; calls += 1) {
          const folder = new MemoryFolder(start, calls, isHalf);
          const run = await logs.export(folder).then(
            () => "ended",
            (error: Error) => error.message,
          );
          if (run === "ended") break;
          expect(run).toBe("killed");
          // Killed before it wrote anything, the export of the first run is still there, whole.
          if (calls > 0) expect((await logs.verify(folder)).ok, `killed after ${calls} calls`).toBe(false);
          const again = new MemoryFolder(folder.files);
          await logs.export(again);
          same(again, straight);
        }
  });

  test("from a database that was tampered with publishes no checkpoint that its entries do not lead to", async () => {
    await logs.shard.tamper("UPDATE leaf SET bytes = (SELECT bytes FROM leaf WHERE idx = 300) WHERE idx = 301");
    const folder = new MemoryFolder();
    await expect(logs.export(folder)).rejects.toThrow("do not have the root that was signed");
    expect(folder.files.has("settlement-0/checkpoint")).toBe(false);
    expect((await logs.verify(folder)).ok).toBe(false);
  });

  test("from an older copy of the database than was exported before is refused", async () => {
    const folder = new MemoryFolder();
    await logs.export(folder);
    const older = await TwoLogs.create({ registry: 5, shard: 600 });
    await expect(older.export(folder)).rejects.toThrow("the export holds 700 entries");
    await older.close();
  });

  test("into an export of another history says so and does not sign it", async () => {
    const folder = new MemoryFolder();
    await logs.export(folder);
    const other = await TwoLogs.create({ registry: 5, shard: 900 });
    await expect(other.export(folder)).rejects.toThrow("do not lead to the signed root");
    await other.close();
  });

  test("into a folder with other files, or with an export of other logs, is refused and touches nothing", async () => {
    const photos = new MemoryFolder(new Map([["holiday.jpg", utf8("x")]]));
    await expect(logs.export(photos)).rejects.toThrow("files that are not of an export");
    expect(photos.written).toEqual([]);
    const shardOnly = new MemoryFolder();
    const { note } = await newestPublishable(logs.shard.db, crypto, [logs.shard.signer.trusted], ORIGIN);
    await exportPlatform({ folder: shardOnly, logs: [{ origin: ORIGIN, db: logs.shard.db, note }], policy: logs.policy, sm3: crypto.sm3 });
    const folder = new MemoryFolder();
    await logs.export(folder);
    await expect(
      exportPlatform({ folder, logs: [{ origin: ORIGIN, db: logs.shard.db, note }], policy: logs.policy, sm3: crypto.sm3 }),
    ).rejects.toThrow(`an export of other logs, ${REGISTRY}`);
  });

  test("holds neither a personal value nor a salt", async () => {
    const folder = new MemoryFolder();
    await logs.export(folder);
    const everything = Buffer.concat([...folder.files.values()]);
    expect(everything.indexOf(Buffer.from("张三"))).toBe(-1);
    for (const row of await logs.shard.db.read("SELECT salt FROM disclosure LIMIT 200"))
      expect(everything.indexOf(Buffer.from(row["salt"] as ArrayBuffer))).toBe(-1);
  });

  test("waits for a checkpoint that the policy accepts", async () => {
    const stranger = [testSigner(0x77).trusted];
    await expect(newestPublishable(logs.shard.db, crypto, stranger, ORIGIN)).rejects.toThrow("is one that the policy accepts");
    await logs.shard.tamper("DELETE FROM checkpoint");
    await expect(newestPublishable(logs.shard.db, crypto, [logs.shard.signer.trusted], ORIGIN)).rejects.toThrow("no signed checkpoint yet");
  });
});

describe("any byte changed in any file of an export is found, with its reason", () => {
  let logs: TwoLogs;
  /** One as small as can be, and one with full tiles. */
  let small: MemoryFolder;
  let folder: MemoryFolder;
  beforeAll(async () => {
    logs = await TwoLogs.create({ registry: 3, shard: 2 });
    small = new MemoryFolder();
    await logs.export(small, utf8("<!doctype html><title>核验</title>"));
    expect((await logs.verify(small)).ok).toBe(true);
    await logs.grow(logs.shard, 256, PLAIN);
    folder = new MemoryFolder();
    await logs.export(folder, utf8("<!doctype html><title>核验</title>"));
    expect((await logs.verify(folder)).ok).toBe(true);
  });
  afterAll(async () => {
    await logs.close();
  });

  const changed = (path: string, bytes: Uint8Array | undefined, of: MemoryFolder = folder): MemoryFolder => {
    const copy = new MemoryFolder(of.files);
    if (bytes === undefined) copy.files.delete(path);
    else copy.files.set(path, bytes);
    return copy;
  };
  const refusal = async (candidate: ExportFolder): Promise<string> => {
    const report = await logs.verify(candidate);
    return report.ok ? "accepted" : (report.firstDefect?.name ?? "no reason");
  };

  const flipsAccepted = async (of: MemoryFolder, steps: number): Promise<readonly string[]> => {
    const accepted: string[] = [];
    for (const [path, bytes] of of.files)
      for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / steps)) {
        const name = await refusal(changed(path, bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 8))), of));
        if (name === "accepted" || name === "no reason") accepted.push(`${path} ${at} ${name}`);
      }
    return accepted;
  };

  test("every byte of every file of a small one", async () => {
    expect(await flipsAccepted(small, Number.MAX_SAFE_INTEGER)).toEqual([]);
  });

  test("bytes here and there in every file of one with full tiles", async () => {
    expect(await flipsAccepted(folder, 23)).toEqual([]);
  });

  test("every file cut by a byte, longer by a byte, emptied, and taken away", async () => {
    for (const [path, bytes] of folder.files)
      for (const bad of [bytes.slice(0, -1), Uint8Array.of(...bytes, 0x0a), new Uint8Array(), undefined]) {
        if (bytes.length === 0) continue;
        const name = await refusal(changed(path, bad));
        expect(["accepted", "no reason"], `${path} ${bad?.length}`).not.toContain(name);
      }
  });

  test("a file too many, wherever it stands: also a partial tile at a size that the checkpoint does not have", async () => {
    for (const path of [
      "readme.txt",
      "unfinished",
      "registry/tile/0/000.p/2",
      "registry/tile/entries/000.p/2",
      "settlement-0/tile/0/001.p/1",
      "settlement-0/tile/2/000.p/1",
      "settlement-0/x",
      "other/checkpoint",
      "policy.part",
      "settlement-0/tile/0/000/x",
    ]) {
      const bytes = folder.files.get("registry/tile/0/000.p/3") ?? new Uint8Array();
      expect(["fileUnknown", "exportUnfinished"], path).toContain(await refusal(changed(path, bytes.slice(0, 64))));
    }
  });

  test("two files exchanged", async () => {
    const paths = [...folder.files.keys()];
    for (const [at, a] of paths.entries()) {
      const b = paths[(at + 1) % paths.length] ?? a;
      const copy = new MemoryFolder(folder.files);
      copy.files.set(a, folder.files.get(b) ?? new Uint8Array());
      copy.files.set(b, folder.files.get(a) ?? new Uint8Array());
      expect(["accepted", "no reason"], `${a} and ${b}`).not.toContain(await refusal(copy));
    }
  });
});

const name = (level: number | "entries", index: number, width = 256): string => tilePath({ level, index, width });

describe("the layout", () => {
  test("names tiles as C2SP tlog-tiles does", () => {
    expect(name(0, 5)).toBe("tile/0/005");
    expect(name(0, 67, 3)).toBe("tile/0/067.p/3");
    expect(name(1, 1_234_067)).toBe("tile/1/x001/x234/067");
    expect(name("entries", 1_000, 255)).toBe("tile/entries/x001/000.p/255");
    // 70,000 entries: 273 full tiles of level 0 (C2SP tlog-tiles), one and a partial one above, and one at the top.
    const tiles = [...tilesOf(70_000)].filter((tile) => tile.level !== "entries");
    expect(tiles.filter((tile) => tile.level === 0 && tile.width === 256)).toHaveLength(273);
    expect(tiles.filter((tile) => tile.level !== 0)).toEqual([
      { level: 1, index: 0, width: 256 },
      { level: 1, index: 1, width: 17 },
      { level: 2, index: 0, width: 1 },
    ]);
    expect([...tilesOf(0)]).toEqual([]);
    expect([...tilesOf(65_536)].filter((tile) => tile.level !== "entries" && tile.level > 0)).toEqual([
      { level: 1, index: 0, width: 256 },
      { level: 2, index: 0, width: 1 },
    ]);
  });

  test("gives each log a folder of its own, whatever the origins", () => {
    expect(foldersOf(["b/registry", "b/settlement-1", "b/settlement-0"]).map((log) => log.folder)).toEqual([
      "registry",
      "settlement-0",
      "settlement-1",
    ]);
    expect(foldersOf(["a/log", "b/log"])).toEqual([
      { origin: "a/log", folder: "log-0" },
      { origin: "b/log", folder: "log-1" },
    ]);
    expect(foldersOf(["x/policy", "x/../.."]).map((log) => log.folder)).toEqual(["log-0", "log-1"]);
  });

  test("of a bundle gives back what was put in, and refuses one that holds more or less", () => {
    const leaves = [random(1), new Uint8Array(), random(65_535)];
    const bytes = printBundle(leaves);
    expect(parseBundle(bytes, 3)).toEqual({ ok: true, value: leaves });
    for (const [bad, width] of [
      [bytes, 2],
      [bytes, 4],
      [bytes.slice(0, -1), 3],
      [Uint8Array.of(...bytes, 0), 3],
      [new Uint8Array(), 1],
    ] as const)
      expect(parseBundle(bad, width).ok).toBe(false);
  });

  test("of an index is strict", () => {
    const hash = "0".repeat(64);
    const good = `ronghe-export/1\nlog a x/a\nlog b x/b\nfile a/checkpoint ${hash}\nfile b/checkpoint ${hash}\nfile policy ${hash}\n`;
    expect(parseIndex(utf8(good)).ok).toBe(true);
    for (const bad of [
      good.slice(0, -1),
      `${good}\n`,
      good.replace("/1", "/2"),
      good.replace("log a", "log A"),
      good.replace("log a x/a\n", ""),
      good.replace("log b x/b", "log b x/a"),
      good.replace("log a x/a\nlog b x/b", "log b x/b\nlog a x/a"),
      good.replace(`file policy ${hash}\n`, ""),
      good.replace("file a/checkpoint", "file a/other"),
      good.replace(hash, hash.slice(1)),
      good.replace("log a x/a", "log  a x/a"),
      good.replaceAll("\n", "\r\n"),
      good.replaceAll("log a ", "log policy "),
      `\ufeff${good}`,
      "",
    ])
      expect(parseIndex(utf8(bad)), JSON.stringify(bad)).toMatchObject({ ok: false, error: { name: "exportMalformed" } });
  });
});
