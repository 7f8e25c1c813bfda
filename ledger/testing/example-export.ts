/**
 * Makes `golden/example/export/` once, the example log as an export: `node ledger/testing/example-export.ts`. It is what
 * `docs/audit.md` verifies by hand, and must verify for ever; an existing file is never written again.
 */
import { existsSync } from "node:fs";
import { EXAMPLE_ORIGIN, exampleLeaves, readGolden } from "./example.ts";
import { exportOf, type Files, writeFiles } from "./sample-export.ts";

export const EXAMPLE_EXPORT: URL = new URL("../golden/example/export/", import.meta.url);

/** The files of the export, from the leaves of the example and its kept signature. */
export async function exampleExport(): Promise<Files> {
  const log = { origin: EXAMPLE_ORIGIN, leaves: exampleLeaves(), note: await readGolden("example/checkpoint-3.txt") };
  return exportOf([log], await readGolden("example/policy.txt"));
}

if (import.meta.main) {
  const files = await exampleExport();
  for (const path of files.keys()) if (existsSync(new URL(path, EXAMPLE_EXPORT))) files.delete(path);
  await writeFiles(EXAMPLE_EXPORT.pathname, files);
}
