import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { EventMs } from "../../../protocol/time.ts";
import { type Database, openDatabase } from "../../../../migrations/database.ts";
import { Msgids } from "./msgids.ts";

const HOSPITAL = "H51010400001";
/** 1 August 2026, 09:00:00 in UTC+8. */
const NOW = Date.UTC(2026, 7, 1, 1) as EventMs;

let folder: string;
let db: Database;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-msgids-"));
  db = await openDatabase({ kind: "rails", file: join(folder, "rails.db") });
});
afterEach(async () => {
  await db.close();
  await rm(folder, { recursive: true, force: true });
});

test("a msgid is institution, second and sequence", async () => {
  const msgids = new Msgids(db);
  expect(await msgids.next(HOSPITAL, NOW)).toBe(`${HOSPITAL}202608010900000000`);
  expect(await msgids.next(HOSPITAL, (NOW + 999) as EventMs)).toBe(`${HOSPITAL}202608010900000001`);
  expect(await msgids.next(HOSPITAL, (NOW + 1_000) as EventMs)).toBe(`${HOSPITAL}202608010900010002`);
  expect(await msgids.next("P51010400002", NOW)).toBe("P51010400002202608010900000000");
});

test("more than ten thousand in one second are all different, and borrow from the next", async () => {
  const msgids = new Msgids(db);
  const drawn = await Promise.all(Array.from({ length: 11_000 }, () => msgids.next(HOSPITAL, NOW)));
  expect(new Set(drawn).size).toBe(11_000);
  expect(new Set(drawn.map((msgid) => msgid.slice(24, 26)))).toEqual(new Set(["00", "01"]));
});

test("a clock that steps back, a restart and a second process repeat none", async () => {
  const drawn: string[] = [];
  const first = new Msgids(db);
  const second = new Msgids(db);
  for (let at = 0; at < 600; at++) {
    const nowMs = (NOW - at * 100) as EventMs;
    drawn.push(await first.next(HOSPITAL, nowMs), await second.next(HOSPITAL, nowMs));
  }
  for (let restart = 0; restart < 5; restart++) {
    const msgids = new Msgids(db);
    for (let at = 0; at < 10; at++) drawn.push(await msgids.next(HOSPITAL, NOW));
  }
  expect(new Set(drawn).size).toBe(drawn.length);
});
