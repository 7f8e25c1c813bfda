import { defineConfig } from "vitest/config";

const room = (name: string, include: readonly string[], more: object = {}): { extends: true; test: object } => ({
  extends: true,
  test: { name, include: [...include], exclude: ["**/node_modules/**"], ...more },
});

/** One project per room, so that `vitest run --project ledger` tests one room. */
export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    projects: [
      room("crypto", ["core/crypto/**/*.test.ts"]),
      room("protocol", ["core/protocol/**/*.test.ts"]),
      room("migrations", ["migrations/**/*.test.ts"]),
      room("ledger", ["ledger/**/*.test.ts"]),
      room("contracts", ["streams/contracts/**/*.test.ts"]),
      room("bus", ["streams/bus/**/*.test.ts"], { fileParallelism: false }),
      room("fraud", ["streams/fraud/**/*.test.ts"]),
      room("supervision", ["streams/supervision/**/*.test.ts"]),
      room("core", ["core/{access,envelope-vectors,http,identity,vault,settlement,federation}/**/*.test.ts", "core/*.test.ts"]),
      room("edge", ["edge/**/*.test.ts"]),
      room("cli", ["cli/**/*.test.ts"]),
      // Processes that wait for each other more than they compute: two files at once, when the rooms are done.
      room("whole", ["test/**/*.test.ts"], { sequence: { groupOrder: 1 } }),
    ],
  },
});
