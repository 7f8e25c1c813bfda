/** What is due when: a runner over a shard that keeps one open refund, with a clock that a test moves. */
import { expect, test } from "vitest";
import { asFen } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import { Runner, type RunnerOptions } from "./runner.ts";
import type { Settlement } from "./settlement.ts";
import type { Shard } from "./shard.ts";
import { SettlementTelemetry } from "./telemetry.ts";
import { SETTLEMENT_LIMITS } from "./worker.ts";

const NOON = Date.UTC(2026, 4, 12, 4);

/** A refund whose answer is missing, to be asked for again at `dueAtMs`. */
function missingUntil(dueAtMs: number): Settlement {
  const open: Partial<Settlement> = {
    id: "rs1",
    institution: "H51010400001",
    outTradeNo: "back",
    action: "refund",
    amount: asFen(1n),
    parent: { id: "rs0", settledAtMs: NOON as EventMs },
    standing: { state: "unknown", phase: "refunding" },
    legs: [],
    missing: [],
    evidence: [],
    attempt: 1,
    dueAtMs: dueAtMs as EventMs,
  };
  return open as Settlement;
}

/** Gives the time at which each step was made durable, as the runner's clock told it. */
function runnerOver(
  open: Settlement,
  clock: { nowMs: number },
): { readonly runner: Runner; readonly steps: number[]; readonly done: Promise<void> } {
  const steps: number[] = [];
  const done = Promise.withResolvers<void>();
  let stored: Settlement | undefined = open;
  const dueBy = (atMs: number): readonly Settlement[] => (stored?.dueAtMs !== undefined && stored.dueAtMs <= atMs ? [stored] : []);
  const shard: Pick<Shard, "due" | "nextDueMs" | "onDue" | "advance" | "log"> = {
    log: { origin: "ronghe.test/settlement-0" } as Shard["log"],
    due: (atMs) => Promise.resolve(dueBy(atMs)),
    nextDueMs: (after) => Promise.resolve(stored?.dueAtMs !== undefined && stored.dueAtMs > after ? stored.dueAtMs : undefined),
    onDue: () => undefined,
    advance(before) {
      steps.push(clock.nowMs);
      stored = undefined;
      done.resolve();
      return Promise.resolve({ ...before, standing: { state: "refunded", phase: undefined }, dueAtMs: undefined });
    },
  };
  const now = { now: () => clock.nowMs as EventMs };
  const saga: Partial<RunnerOptions["saga"]> = { clock: now, patience: SETTLEMENT_LIMITS };
  const runner = new Runner({
    shard: shard as Shard,
    saga: saga as RunnerOptions["saga"],
    clock: now,
    telemetry: new SettlementTelemetry(),
    inFlightMax: 4,
    waitingMax: 4,
    onFailure: (error) => done.reject(error),
    onProgress: () => undefined,
  });
  return { runner, steps, done: done.promise };
}

test("what a clock put off by more than the longest pause is asked for at once: the clock has gone back since", async () => {
  const clock = { nowMs: NOON };
  const { runner, steps, done } = runnerOver(missingUntil(NOON + 600_000), clock);
  await done;
  expect(steps).toEqual([NOON]);
  await runner.stop();
});

test("what is put off for no longer than that waits for its time", async () => {
  const clock = { nowMs: NOON };
  const { runner, steps, done } = runnerOver(missingUntil(NOON + 100), clock);
  // Everything that can happen at noon has happened once the runner rests.
  while (!runner.idle) await new Promise((resolve) => setImmediate(resolve));
  expect(steps).toEqual([]);
  clock.nowMs = NOON + 100;
  await done;
  expect(steps).toEqual([NOON + 100]);
  await runner.stop();
});
