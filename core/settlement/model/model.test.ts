/**
 * Ten thousand random stories against an independent model: bills, partial refunds, repeats, conflicts, payers at fault
 * in every way, restarts, processes that end between two writes, statements, closed days. The same ones each time;
 * `RONGHE_MODEL_SEED` chooses others, and a failure names the seed that repeats it.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadCrypto } from "../../crypto/index.ts";
import { trial, type TrialOptions } from "./trial.ts";

const STORIES = 10_000;
const STORIES_PER_SHARD = 250;
const seed = Number(process.env["RONGHE_MODEL_SEED"] ?? 20_260_512);
const crypto = await loadCrypto();

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-model-"));
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

async function findingsOf(
  options: Pick<TrialOptions, "seed" | "stories"> & Partial<TrialOptions>,
  name: string,
): Promise<readonly string[]> {
  const file = join(folder, `${name}.db`);
  const findings = await trial({ crypto, file, ...options });
  await Promise.all([file, `${file}-wal`, `${file}-shm`].map((one) => rm(one, { force: true })));
  return findings;
}

describe("the room and an independent model of it", () => {
  test(`agree on ${STORIES} random stories (RONGHE_MODEL_SEED=${seed})`, async () => {
    for (let at = 0; at < STORIES / STORIES_PER_SHARD; at++) {
      const one = seed + at;
      const findings = await findingsOf({ seed: one, stories: STORIES_PER_SHARD }, `m${at}`);
      expect(findings, `RONGHE_MODEL_SEED=${one} repeats this`).toEqual([]);
    }
  });

  test("differ when the model lets a refund exceed what was paid", async () => {
    expect(await findingsOf({ seed, stories: 60, oracle: { broken: "noRefundCap" } }, "no-cap")).not.toEqual([]);
  });

  test("differ when the model pays a repeated request again", async () => {
    expect(await findingsOf({ seed, stories: 60, oracle: { broken: "noIdempotency" } }, "no-idempotency")).not.toEqual([]);
  });

  test("differ when payers forget their keys, and the double payment is named", async () => {
    const findings = await findingsOf({ seed, stories: 60, forgetsKeys: true }, "forgets");
    expect(findings.some((finding) => finding.endsWith("was paid twice"))).toBe(true);
  });

  test("differ when repeats are no longer recognised", async () => {
    expect(await findingsOf({ seed, stories: 60, renumbered: true }, "renumbered")).not.toEqual([]);
  });
});
