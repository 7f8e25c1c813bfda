import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { EventMs } from "../core/protocol/time.ts";
import { type Database, openDatabase } from "../migrations/database.ts";
import { servicesOf } from "./gap.ts";
import { type Ending, Independent } from "./independent.ts";

const clock = { now: (): EventMs => 5 as EventMs };
let folder: string;
let db: Database;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-independent-"));
  db = await openDatabase({ kind: "streams", file: join(folder, "streams.db") });
});
afterEach(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

class Worker implements Ending {
  readonly #crash = Promise.withResolvers<never>();
  readonly crashed = this.#crash.promise;
  stops = 0;
  constructor() {
    this.crashed.catch(() => undefined);
  }
  crash(): void {
    this.#crash.reject(new RangeError("a text that may quote a record"));
  }
  stop(): Promise<void> {
    this.stops += 1;
    return Promise.resolve();
  }
}

test("a service that cannot begin leaves the one beside it running, and health says which", async () => {
  const options = { db, clock, log: () => undefined };
  const fraud = new Independent<Worker>({ ...options, service: "fraud", start: () => Promise.reject(new RangeError("no")) });
  const supervision = new Independent({ ...options, service: "supervision", start: () => Promise.resolve(new Worker()) });
  await Promise.all([fraud.begin(), supervision.begin()]);
  expect(await servicesOf(db)).toEqual([
    { service: "fraud", state: "failed", reason: "RangeError", sinceMs: 5 },
    { service: "supervision", state: "running", reason: "", sinceMs: 5 },
  ]);
  expect(() => fraud.running()).toThrow("fraud does not run: RangeError");
  await fraud.stop();
  await supervision.stop();
});

test("a service that died is begun again, and its error is told by class only", async () => {
  const workers: Worker[] = [];
  const logged: string[] = [];
  const one = new Independent({
    db,
    clock,
    service: "fraud",
    pauseMs: 1,
    log: (_, message, fields) => void logged.push(`${message} ${JSON.stringify(fields)}`),
    start: () => {
      const worker = new Worker();
      workers.push(worker);
      return Promise.resolve(worker);
    },
  });
  await one.begin();
  workers[0]?.crash();
  await expect.poll(() => workers).toHaveLength(2);
  await expect.poll(() => one.health().state).toBe("running");
  expect(workers[0]?.stops).toBe(1);
  expect(logged.join()).toContain("RangeError");
  expect(logged.join()).not.toContain("quote");
  await one.stop();
  expect(workers[1]?.stops).toBe(1);
  expect((await servicesOf(db))[0]?.state).toBe("stopped");
});
