import { expect, test } from "vitest";
import type { EventMs } from "../time.ts";
import { STORAGE_LOOK_MS, storageCauseOf, type StorageNotice, StorageWatch, watchTogether } from "./storage-watch.ts";
import { tellTrouble } from "./trouble.ts";

const full = Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" });

const causeOfCode = (code: string): unknown => storageCauseOf(Object.assign(new Error("510104196205230001"), { code }));

function rig(): {
  readonly watch: StorageWatch;
  readonly notices: StorageNotice[];
  readonly tried: ("small" | "large")[];
  readonly disk: { small: boolean; large: boolean; free: number };
  readonly later: () => void;
} {
  let nowMs = 1_000_000;
  const notices: StorageNotice[] = [];
  const watch = new StorageWatch({ clock: { now: () => nowMs as EventMs }, notice: (notice) => notices.push(notice), freeBytesMin: 100 });
  return { watch, notices, tried: [], disk: { small: true, large: true, free: 1_000 }, later: () => (nowMs += STORAGE_LOOK_MS) };
}

function member({ watch, tried, disk }: ReturnType<typeof rig>): ReturnType<StorageWatch["watch"]> {
  return watch.watch({
    database: "edge",
    try: (size) => {
      tried.push(size);
      return disk[size] ? Promise.resolve() : Promise.reject(full);
    },
    freeBytes: () => Promise.resolve(disk.free),
  });
}

test("however many ask, storage is tried once a second", async () => {
  const all = rig();
  member(all);
  await Promise.all([all.watch.look(), all.watch.look(), all.watch.look()]);
  await all.watch.look();
  expect(all.tried).toEqual(["small"]);
  all.later();
  await all.watch.look();
  expect(all.tried).toEqual(["small", "small"]);
});

test("a write that failed is remembered until a large one passes, however many small ones do", async () => {
  const all = rig();
  const edge = member(all);
  all.disk.large = false;
  edge.failed(full);
  edge.wrote();
  expect(await all.watch.look()).toMatchObject([{ database: "edge", cause: "SQLITE_FULL" }]);
  all.disk.large = true;
  all.later();
  expect(await all.watch.look()).toEqual([]);
  expect(new Set(all.tried)).toEqual(new Set(["large"]));
});

test("one line says that it began and one that it ended, with the calls that failed between", async () => {
  const all = rig();
  const edge = member(all);
  const bugs: Error[] = [];
  const ports = { storage: all.watch, onBug: (error: Error) => bugs.push(error) };
  for (let call = 0; call < 50; call++) {
    edge.failed(full);
    tellTrouble(ports, full);
  }
  tellTrouble(ports, new TypeError("a bug"));
  await all.watch.look();
  expect(all.notices).toMatchObject([
    { notice: "storage.failing", database: "edge", cause: "SQLITE_FULL" },
    { notice: "storage.recovered", cause: "SQLITE_FULL", failedCalls: 50 },
  ]);
  expect(bugs.map(({ name }) => name)).toEqual(["TypeError"]);
});

test("a volume with little space left counts as full before it is", async () => {
  const all = rig();
  member(all);
  all.disk.free = 99;
  expect(await all.watch.look()).toMatchObject([{ cause: "lowSpace" }]);
});

test("causes are of a closed list, and a broken constraint is none", () => {
  expect(["SQLITE_IOERR_WRITE", "SQLITE_FULL", "ENOSPC", "SQLITE_CONSTRAINT_UNIQUE", "ECONNRESET"].map(causeOfCode)).toEqual([
    "SQLITE_IOERR",
    "SQLITE_FULL",
    "ENOSPC",
    undefined,
    undefined,
  ]);
  expect(storageCauseOf(new Error("database or disk is full: SQLITE_FULL"))).toBe("SQLITE_FULL");
  expect(storageCauseOf(new Error("wrapped", { cause: full }))).toBe("SQLITE_FULL");
});

test("a cause that had no name at first is told once more when it has one", async () => {
  const all = rig();
  const edge = all.watch.watch({ database: "edge", try: () => Promise.reject(new Error("internal error; reference = 7f")) });
  expect(await all.watch.look()).toMatchObject([{ cause: "unknown" }]);
  edge.failed(full);
  edge.failed(full);
  expect(all.notices.map((notice) => [notice.notice, notice.cause])).toEqual([
    ["storage.failing", "unknown"],
    ["storage.failing", "SQLITE_FULL"],
  ]);
});

test("what several parts stand on is unready in each of them, each says so, and it is nobody's once it is closed", async () => {
  const rigs = [rig(), rig()];
  const shared = watchTogether(rigs.map(({ watch }) => watch)).watch({ database: "bus", try: () => Promise.reject(full) });
  shared.failed(full);
  for (const { watch, notices } of rigs) {
    expect(await watch.look()).toMatchObject([{ database: "bus", cause: "SQLITE_FULL" }]);
    expect(notices).toMatchObject([{ notice: "storage.failing", database: "bus" }]);
    expect(watch.watched()).toEqual(["bus"]);
  }
  shared.close();
  for (const { watch } of rigs) expect([watch.failing(), watch.watched()]).toEqual([[], []]);
});
