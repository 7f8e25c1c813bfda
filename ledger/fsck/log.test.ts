/** What only a longer log has: full tiles, and keys to be found by. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { crypto, TestPlatform } from "../testing/platform.ts";
import type { Statement } from "../../migrations/database.ts";
import { addSearchKeys, SEARCH_BATCH } from "../store/search.ts";
import { type FindingName, Findings } from "./findings.ts";
import { fsckLog } from "./log.ts";

let platform: TestPlatform;

const TABLES = ["tile", "search_key", "search_position"] as const;
const sql = (text: string): Statement => ({ sql: text, args: [] });

beforeAll(async () => {
  platform = await TestPlatform.create();
  for (let size = 0; size < SEARCH_BATCH; size += 512) await platform.append(512);
  await platform.append(40);
  expect(await addSearchKeys(platform.db, platform.log.size)).toBe(true);
  await platform.db.write(TABLES.map((table) => sql(`CREATE TABLE sound_${table} AS SELECT * FROM ${table}`)));
});
afterAll(async () => {
  await platform.close();
});
afterEach(async () => {
  await platform.db.write(
    TABLES.flatMap((table) => [sql(`DELETE FROM ${table}`), sql(`INSERT INTO ${table} SELECT * FROM sound_${table}`)]),
  );
});

async function found(): Promise<Partial<Record<FindingName, number>>> {
  const findings = new Findings();
  const { db } = platform;
  await fsckLog({ db, sm3: crypto.sm3, findings, onLeaf: () => undefined, onProgress: () => undefined });
  return Object.fromEntries(findings.counts);
}

describe("fsck of a log", () => {
  test("finds a sound one clean", async () => {
    expect(await found()).toEqual({});
  });

  test.each<readonly [string, Partial<Record<FindingName, number>>, string]>([
    ["a tile that is gone", { tileMissing: 1 }, "DELETE FROM tile WHERE level=0 AND idx=7"],
    [
      "a tile with another hash",
      { tileDiffers: 1 },
      "UPDATE tile SET hashes=CAST(x'00' || substr(hashes, 2) AS BLOB) WHERE level=0 AND idx=3",
    ],
    ["a tile that is too short", { tileDiffers: 1 }, "UPDATE tile SET hashes=substr(hashes, 33) WHERE level=0 AND idx=15"],
    ["a tile of entries that are not full", { tileExtra: 1 }, "INSERT INTO tile SELECT 0, 16, hashes FROM tile WHERE level=0 AND idx=0"],
    ["a key that is gone", { searchKeyMissing: 1 }, "DELETE FROM search_key WHERE rowid=(SELECT max(rowid) FROM search_key)"],
    [
      "a key too many",
      { searchKeyExtra: 1 },
      "INSERT INTO search_key (segment, key, idx) SELECT segment, key+1, idx FROM search_key LIMIT 1",
    ],
    [
      "a key that leads elsewhere",
      { searchKeyMissing: 1, searchKeyExtra: 1 },
      "UPDATE search_key SET idx=idx+1 WHERE (segment, key, idx)=(SELECT segment, key, idx FROM search_key WHERE idx=100 ORDER BY key LIMIT 1)",
    ],
    ["no keys at all", { searchKeyMissing: 4 * SEARCH_BATCH }, "DELETE FROM search_key"],
    ["keys said to reach too far", { searchKeyMissing: 4 * 40 }, `UPDATE search_position SET idx=${SEARCH_BATCH + 40}`],
    [
      "keys said to reach behind the end",
      { searchKeyMissing: 4 * 40, searchPosition: 1 },
      `UPDATE search_position SET idx=${SEARCH_BATCH + 41}`,
    ],
    ["keys that were never said to be made", { searchKeyExtra: 1 }, "DELETE FROM search_position"],
  ])("names %s", async (_, wanted, damage) => {
    await platform.db.write([sql(damage)]);
    expect(await found()).toEqual(wanted);
  });
});
