import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import type { DatabaseKind } from "../../migrations/migrate.ts";
import { structureOf } from "../../migrations/structure.ts";
import { COVERAGE } from "./coverage.ts";

describe.each(Object.keys(COVERAGE) as DatabaseKind[])("of the database %s", (kind) => {
  const { compared, notCompared } = COVERAGE[kind];

  test("every table is compared by fsck or named as not compared, and none is both", async () => {
    const there = (await structureOf(kind)).filter((row) => row["type"] === "table").map((row) => String(row["name"]));
    const named = [...compared, ...Object.keys(notCompared)];
    expect(new Set(named).size).toBe(named.length);
    // SQLite makes this one where a table counts by itself.
    expect(named.filter((table) => table !== "sqlite_sequence").toSorted()).toEqual(
      there.filter((table) => table !== "sqlite_sequence").toSorted(),
    );
  });

  test("docs/audit.md says of every table that is not compared why", async () => {
    const audit = await readFile(new URL("../../docs/audit.md", import.meta.url), "utf8");
    for (const [table, reason] of Object.entries(notCompared)) {
      expect(audit).toContain(`\`${table}\``);
      expect(audit).toContain(reason);
    }
  });
});
