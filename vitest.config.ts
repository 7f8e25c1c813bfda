import { defineConfig } from "vitest/config";

interface Room {
  readonly name: string;
  readonly include: readonly string[];
  readonly more?: object;
}

/** One project per room, so that `vitest run --project ledger` tests one room. */
const ROOMS: readonly Room[] = [
  { name: "crypto", include: ["core/crypto/**/*.test.ts"] },
  { name: "protocol", include: ["core/protocol/**/*.test.ts"] },
  { name: "migrations", include: ["migrations/**/*.test.ts"] },
  { name: "ledger", include: ["ledger/**/*.test.ts"] },
  { name: "contracts", include: ["streams/contracts/**/*.test.ts"] },
  { name: "bus", include: ["streams/bus/**/*.test.ts"], more: { fileParallelism: false } },
  { name: "fraud", include: ["streams/fraud/**/*.test.ts"] },
  { name: "supervision", include: ["streams/supervision/**/*.test.ts"] },
  { name: "core", include: ["core/!(crypto|protocol)/**/*.test.ts", "core/*.test.ts"] },
  { name: "edge", include: ["edge/**/*.test.ts"] },
  { name: "cli", include: ["cli/**/*.test.ts"] },
  // Processes that wait for each other more than they compute: two files at once, when the rooms are done.
  { name: "whole", include: ["test/**/*.test.ts"], more: { sequence: { groupOrder: 1 } } },
];

const NOT_OURS = ["**/node_modules/**", "**/.git/**"];

/** Whatever no room names, so that a test in a new room runs before anybody thinks of this file. */
const OTHERS: Room = { name: "others", include: ["**/*.test.ts"] };

const project = ({ name, include, more = {} }: Room, exclude: readonly string[] = []) => ({
  extends: true as const,
  test: { name, include: [...include], exclude: [...NOT_OURS, ...exclude], ...more },
});

/** Ends what hangs, on the slowest machine that anybody tests on. How fast something is, benchmarks say. */
const HANGS_MS = 15 * 60_000;

export default defineConfig({
  test: {
    testTimeout: HANGS_MS,
    hookTimeout: HANGS_MS,
    expect: { poll: { timeout: HANGS_MS } },
    maxWorkers: 2,
    projects: [
      ...ROOMS.map((room) => project(room)),
      project(
        OTHERS,
        ROOMS.flatMap(({ include }) => include),
      ),
    ],
  },
});
