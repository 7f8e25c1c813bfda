/** What a process keeps, on disks of its own that are full: who stands on it is not ready, and says which it is and why. */
import { copyFile, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { systemClock } from "../core/protocol/time.ts";
import { addDays, dayOf, printDay } from "../core/settlement/day/accounting-day.ts";
import { AT, crypto, ORIGIN, TestPlatform, testSigner } from "../ledger/testing/platform.ts";
import { parseWitnessKey } from "../ledger/verifier/note.ts";
import { printPolicy } from "../ledger/verifier/policy.ts";
import { submitCheckpoint } from "../ledger/witness/client.ts";
import { type Disk, json, limitOf, mountVolume, storageLines, until } from "./harness/disk.ts";
import { FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { launch, ronghe, serve, type Serving } from "./harness/process.ts";

const PARTS = ["core", "edge", "streams"] as const;

/** Where a part answers, as the process prints it at its start. */
function addressOf(platform: Serving, part: (typeof PARTS)[number]): string {
  return new URL(new RegExp(`^${part} +(http:\\S+)`, "m").exec(platform.output())?.[1] ?? "").origin;
}

/** Kinds of the databases that a process holds open, in order, each as often as it has files of it. */
async function openDatabases(pid: number): Promise<readonly string[]> {
  const links = await readdir(`/proc/${pid}/fd`);
  const files = await Promise.all(links.map((link) => readlink(`/proc/${pid}/fd/${link}`).catch(() => "")));
  const names = [...new Set(files)].filter((file) => file.endsWith(".db")).map((file) => basename(file, ".db"));
  return names.map((name) => name.replace(/^settlement-\d+$/, "shard")).toSorted();
}

/** What a part watches, by its metrics: names in order, each as often as it watches such. */
async function watchedBy(url: string): Promise<readonly string[]> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return [...text.matchAll(/^ronghe_storage_watched\{database="(\w+)"\} (\d+)$/gm)].flatMap(([, name = "", count]) =>
    Array.from({ length: Number(count) }, () => name),
  );
}

/** A province in a folder; `elsewhere` lies on a volume of its own, and its databases are links to there. */
async function provinceOn(root: string, elsewhere: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const settings = { ...FREE_PORTS, RONGHE_DATA: join(root, "data"), RONGHE_FREE_SPACE_MIN_MB: "0" };
  expect((await ronghe(["sandbox", "init"], settings)).code).toBe(0);
  for (const file of elsewhere) {
    await mkdir(join(root, "data", file, ".."), { recursive: true });
    await symlink(join(root, "volume", basename(file)), join(root, "data", file));
  }
  return settings;
}

/** So that there is a day to compare. */
async function foundedEarlier(file: string, days: number): Promise<void> {
  const founded = JSON.parse(await readFile(file, "utf8")) as { createdAtMs: number };
  await writeFile(file, JSON.stringify({ ...founded, createdAtMs: founded.createdAtMs - days * 86_400_000 }));
}

describe("a platform on an embedded bus", () => {
  it("watches every database that its process holds open, and the folders that it keeps files in", async () => {
    await using place = await temporaryFolder();
    const platform = await serve(["all"], await provinceOn(place.path, []));
    try {
      const [core, edge, streams] = await Promise.all(PARTS.map((part) => watchedBy(addressOf(platform, part))));
      for (const one of [core, streams]) expect(one).toContain("bus");
      const watched = ["bus", ...[core, edge, streams].flatMap((one = []) => one.filter((name) => name !== "bus"))];
      // The payers are invented, and parts of nothing; statements are files.
      const open = await openDatabases(platform.child.pid ?? 0);
      expect(watched.toSorted()).toEqual([...open.filter((name) => name !== "payers"), "statements"].toSorted());
    } finally {
      await platform.stop();
    }
  });

  it("whose bus finds no room has neither core nor streams that are ready, though their own disks have room; each names the bus, and goes on by itself", async ({
    skip,
  }) => {
    await using place = await temporaryFolder();
    const disk = await mountVolume(join(place.path, "volume"));
    if (disk === undefined) return skip();
    const platform = await serve(["all"], await provinceOn(place.path, ["bus.db"]));
    try {
      const urls = PARTS.map((part) => addressOf(platform, part));
      for (const url of urls) await until(`${url}/ready`, 200);
      await disk.fill();
      const [core = "", edge = "", streams = ""] = urls;
      const full = [
        ["core", core],
        ["streams", streams],
      ] as const;
      expect(await until(`${core}/ready`, 503)).toMatchObject({ checks: { storage: false } });
      expect(await until(`${streams}/ready`, 503)).toMatchObject({ ready: false, storage: [{ database: "bus", cause: "SQLITE_FULL" }] });
      // It has its outbox, and takes bills as while any bus is away.
      expect((await json(`${edge}/ready`)).body).toMatchObject({ ready: true, storage: "ok" });
      for (const [, url] of full) {
        expect((await json(`${url}/health`)).body).toMatchObject({ status: "ok", storage: "SQLITE_FULL" });
        expect(await (await fetch(`${url}/metrics`)).text()).toContain('ronghe_storage_failing{database="bus",cause="SQLITE_FULL"} 1');
      }
      await disk.empty();
      for (const url of urls) await until(`${url}/ready`, 200);
      for (const [part] of full)
        expect(storageLines(platform.output(), part)).toMatchObject([
          { notice: "storage.failing", database: "bus", cause: "SQLITE_FULL" },
          { notice: "storage.recovered", database: "bus" },
        ]);
    } finally {
      await platform.stop();
      await disk.unmount();
    }
  });

  it("whose payer's statement finds no room says so once, by name", async ({ skip }) => {
    await using place = await temporaryFolder();
    const settings = await provinceOn(place.path, []);
    const disk = await mountVolume(join(place.path, "data", "core", "statements"));
    if (disk === undefined) return skip();
    await foundedEarlier(join(place.path, "data", "platform.json"), 2);
    const platform = await serve(["all"], settings);
    const day = printDay(addDays(dayOf(systemClock.now()), -1));
    const compare = ["reconcile", "run", "--rail", "bank", "--day", day, "--details", "--by", "li", "--json"];
    try {
      await disk.fill();
      expect((await ronghe(compare, settings)).code).not.toBe(0);
      const url = addressOf(platform, "core");
      await until(`${url}/ready`, 200);
      expect(storageLines(platform.output(), "core")).toMatchObject([
        { notice: "storage.failing", database: "statements", cause: "ENOSPC" },
        { notice: "storage.recovered", database: "statements", failedCalls: 1 },
      ]);
      await disk.empty();
      const compared = await ronghe(compare, settings);
      expect(compared.code, compared.stderr).toBe(0);
      expect(platform.output()).not.toContain('"bug"');
    } finally {
      await platform.stop();
      await disk.unmount();
    }
  });

  it("whose streams find no room has streams that are not ready, and a core that is", async ({ skip }) => {
    await using place = await temporaryFolder();
    const disk = await mountVolume(join(place.path, "volume"));
    if (disk === undefined) return skip();
    const platform = await serve(["all"], await provinceOn(place.path, ["streams/streams.db"]));
    try {
      const [core, streams] = [addressOf(platform, "core"), addressOf(platform, "streams")];
      await until(`${streams}/ready`, 200);
      await disk.fill();
      expect(await until(`${streams}/ready`, 503)).toMatchObject({ storage: [{ database: "streams", cause: "SQLITE_FULL" }] });
      expect((await json(`${streams}/health`)).body).toMatchObject({ storage: "SQLITE_FULL" });
      await until(`${core}/ready`, 200);
      await disk.empty();
      await until(`${streams}/ready`, 200);
      expect(storageLines(platform.output(), "streams")).toMatchObject([
        { notice: "storage.failing", database: "streams", cause: "SQLITE_FULL" },
        { notice: "storage.recovered", database: "streams" },
      ]);
    } finally {
      await platform.stop();
      await disk.unmount();
    }
  });
});

interface WitnessProcess extends Serving {
  readonly url: string;
  /** Asks it to cosign the head of a log, from a size that it may have. */
  ask(log: TestPlatform, oldSize: bigint): ReturnType<typeof submitCheckpoint>;
}

async function initWitness(data: string): Promise<void> {
  expect((await ronghe(["witness", "init", "--data", data, "--name", "witness.example/w"], {})).code).toBe(0);
  await writeFile(join(data, "logs-policy.txt"), printPolicy([{ ...testSigner().trusted, origins: [ORIGIN] }]));
}

async function serveWitness(data: string): Promise<WitnessProcess> {
  const serving = launch(["witness", "serve", "--data", data, "--port", "0"], { RONGHE_FREE_SPACE_MIN_MB: "0" });
  while (!serving.output().includes("stop with Ctrl-C")) {
    if (serving.child.exitCode !== null) throw new Error(serving.output());
    await sleep(50);
  }
  const [, , printed = "", url = ""] = /^witness witness\..*$/m.exec(serving.output())?.[0].split(" ") ?? [];
  const key = parseWitnessKey(crypto.sm3, printed);
  if (!key.ok) throw new Error(key.error.detail);
  const asked = { name: "w", key: key.value, url };
  return {
    ...serving,
    url,
    async ask({ log }, oldSize) {
      const { note, size } = await log.checkpoint(AT);
      const proof = oldSize === 0n || oldSize >= size ? [] : await log.consistency(oldSize, size);
      return await submitCheckpoint(crypto, asked, { oldSize, proof, note }, { timeoutMs: 20_000 });
    },
  };
}

/** Fills a disk under a witness, and looks at what it says of itself, until it has room again. */
async function whileFull(witness: WitnessProcess, disk: Disk, work: (failing: unknown) => Promise<void>): Promise<void> {
  await until(`${witness.url}/ready`, 200);
  await disk.fill();
  try {
    const { storage } = await until(`${witness.url}/ready`, 503);
    expect((await json(`${witness.url}/status`)).body).toMatchObject({ storage: expect.arrayContaining([expect.anything()]) });
    expect((await json(`${witness.url}/health`)).body).toMatchObject({ status: "ok", storage: expect.stringMatching(/^(SQLITE|E)/) });
    await work(storage);
  } finally {
    await disk.empty();
  }
  await until(`${witness.url}/ready`, 200);
  expect((await json(`${witness.url}/status`)).body).toMatchObject({ storage: [] });
  expect(witness.output()).not.toContain('"bug"');
}

describe("a witness", () => {
  it("whose disk is full is not ready, says why, cosigns nothing, and goes on by itself from the head that it had", async () => {
    await using place = await temporaryFolder();
    const log = await TestPlatform.create();
    await initWitness(place.path);
    const witness = await serveWitness(place.path);
    try {
      expect(await watchedBy(witness.url)).toEqual([...(await openDatabases(witness.child.pid ?? 0)), "evidence"]);
      await log.append(3);
      expect(await witness.ask(log, 0n)).toMatchObject({ kind: "cosigned" });
      await log.append(2);
      await whileFull(witness, limitOf(witness.child.pid ?? 0), async (failing) => {
        expect(failing).toMatchObject([
          { database: "witness", cause: expect.stringMatching(/^SQLITE_(IOERR|FULL)$/) },
          { database: "evidence", cause: "EFBIG" },
        ]);
        expect(await witness.ask(log, 3n)).toEqual({ kind: "refused", reason: "500 the witness failed" });
        expect((await json(`${witness.url}/status`)).body).toMatchObject({ logs: [{ size: "3" }] });
      });
      expect(await witness.ask(log, 3n)).toMatchObject({ kind: "cosigned" });
      expect(storageLines(witness.output(), "witness")).toMatchObject([
        { notice: "storage.failing", database: "witness", cause: expect.stringMatching(/^SQLITE_/) },
        { notice: "storage.recovered", failedCalls: 1 },
      ]);
    } finally {
      await witness.stop();
      await log.close();
    }
  });

  it("that has room for its database and none for evidence is not ready, keeps a split view, and writes its file once there is room", async ({
    skip,
  }) => {
    await using place = await temporaryFolder();
    const data = join(place.path, "witness");
    const disk = await mountVolume(data);
    if (disk === undefined) return skip();
    const [honest, lying] = [await TestPlatform.create(), await TestPlatform.create()];
    await initWitness(data);
    await copyFile(join(data, "witness.db"), join(place.path, "witness.db"));
    await rm(join(data, "witness.db"));
    await symlink(join(place.path, "witness.db"), join(data, "witness.db"));
    const witness = await serveWitness(data);
    try {
      await honest.append(3);
      await lying.append(3, { actor: "edge/another-truth" });
      expect(await witness.ask(honest, 0n)).toMatchObject({ kind: "cosigned" });
      const file = join(data, "split-view-1.txt");
      await whileFull(witness, disk, async (failing) => {
        expect(failing).toMatchObject([{ database: "evidence", cause: "ENOSPC" }]);
        expect(await witness.ask(lying, 0n)).toMatchObject({ kind: "refused" });
        while (!witness.output().includes(`${file} cannot be written (ENOSPC)`)) await sleep(50);
        expect((await json(`${witness.url}/split-views`)).body).toMatchObject({ splitViews: [{ id: 1, kind: "sameSize" }] });
      });
      let evidence: string | undefined;
      while (evidence === undefined) {
        await sleep(100);
        evidence = await readFile(file, "utf8").catch(() => undefined);
      }
      for (const { log } of [honest, lying]) expect(evidence).toContain((await log.checkpoint(AT)).note.trimEnd());
      expect(storageLines(witness.output(), "witness")).toMatchObject([
        { notice: "storage.failing", database: "evidence", cause: "ENOSPC" },
        { notice: "storage.recovered", database: "evidence" },
      ]);
    } finally {
      await witness.stop();
      await disk.unmount();
      await Promise.all([honest.close(), lying.close()]);
    }
  });
});
