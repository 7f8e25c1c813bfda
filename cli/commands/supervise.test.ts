import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDatabase } from "../../migrations/database.ts";
import { insertGaps } from "../../streams/gap.ts";
import { layoutOf, readPlatform } from "../platform/layout.ts";
import { logFiles } from "../platform/verify.ts";

let data: string;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "ronghe-supervise-"));
  const layout = layoutOf(data);
  const platform = { platform: "ronghe.example/33", partitions: 2, area: "330100", appIdWidth: 9, edgeId: "e1", createdAtMs: 1 };
  mkdirSync(dirname(layout.platform), { recursive: true });
  mkdirSync(dirname(layout.streams.database), { recursive: true });
  await writeFile(layout.platform, JSON.stringify(platform));
  const db = await openDatabase({ kind: "streams", file: layout.streams.database });
  const fund = "INSERT INTO supervision_fund (day, institution, rail, fund_source, settled_fen, refunded_fen) VALUES (?, ?, ?, ?, ?, ?)";
  await db.write([
    { sql: fund, args: ["2026-01-05", "H1\u001b[31m", "insurance", "hifp_pay", 123_450, 0] },
    ...insertGaps([
      {
        service: "supervision",
        kind: "unread",
        topic: "code.scan.observed.v1",
        partition: 0,
        fromOffset: 0n,
        toOffset: 6n,
        records: 7,
        position: 0,
        watermarkMs: -1,
        untilMs: 1,
      },
    ]),
  ]);
  await db.close();
});
afterEach(() => rm(data, { recursive: true }));

function ronghe(...args: readonly string[]): { readonly status: number | null; readonly stdout: string } {
  return spawnSync(process.execPath, [fileURLToPath(new URL("../main.ts", import.meta.url)), ...args, "--data", data], {
    encoding: "utf8",
  });
}

test("a streams host without shard files says that the ledger is not here, rather than that it disagrees", () => {
  const shown = ronghe("supervise", "--lang", "en");
  expect(shown.stdout).toContain("the ledger is not here");
  expect(shown.stdout).not.toContain("does NOT agree");
  expect(shown.stdout).toContain("1,234.50");
  expect(shown.status).toBe(2);
  expect(JSON.parse(ronghe("supervise", "--json").stdout)).toMatchObject({ comparison: null, gaps: [{ records: 7, toOffset: "6" }] });
});

test("a supervisor sees the records that left their topic, and no field of the bus reaches the terminal as a command", () => {
  const { stdout } = ronghe("supervise", "--lang", "en");
  expect(stdout).toContain("gap in supervision: code.scan.observed.v1/0 0-6, 7 records are no longer on the bus (never read)");
  expect(stdout).not.toContain("\u001b");
});

test.each([
  [[], 3],
  [["--day", "1970-01-01"], 3],
  [["--day", "2026-01-05"], 0],
])("figures that agree with the ledger while records were never counted end with a status of their own (%j: %i)", async (day, status) => {
  const layout = layoutOf(data);
  const db = await openDatabase({ kind: "streams", file: layout.streams.database });
  await db.write([{ sql: "DELETE FROM supervision_fund", args: [] }]);
  await db.close();
  // A ledger with nothing settled: both sides say so.
  const shard = logFiles(layout, readPlatform(layout)).find(({ origin }) => !origin.endsWith("/registry"));
  if (shard === undefined) throw new Error("the platform has no shard");
  mkdirSync(dirname(shard.file), { recursive: true });
  await (await openDatabase({ kind: "shard", file: shard.file })).close();
  const shown = ronghe("supervise", "--lang", "en", ...day);
  expect(shown.stdout).toContain("agrees with the ledger to the fen");
  expect(shown.stdout.includes("supervision may be incomplete")).toBe(status === 3);
  expect(shown.status).toBe(status);
});
