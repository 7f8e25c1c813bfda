/** A log from its stream, where others may write too: signed checkpoints alone say which entries are its own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Database, openDatabase } from "../../migrations/database.ts";
import { chained, forged } from "../testing/forged.ts";
import { AT, crypto, ORIGIN, TestPlatform, testSigner } from "../testing/platform.ts";
import type { Checked } from "../verifier/verdict.ts";
import { Findings } from "./findings.ts";
import { fsckLog } from "./log.ts";
import { rebuildLog, type RebuildOptions, type RebuiltLog } from "./rebuild.ts";

/** Entries under each of three checkpoints. */
const SIZES = [4, 300, 310] as const;
let folder: string;
let platform: TestPlatform;
let stream: readonly Uint8Array[];
let checkpoints: readonly string[];
let counter = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-rebuild-"));
  platform = await TestPlatform.create();
  const notes: string[] = [];
  for (const size of SIZES) {
    await platform.append(size - Number(platform.log.size));
    notes.push((await platform.log.checkpoint(AT)).note);
  }
  stream = (await platform.log.leaves(0n, 1_000)).map(({ bytes }) => bytes);
  checkpoints = notes;
});
afterAll(async () => {
  await platform.close();
  await rm(folder, { recursive: true });
});

async function* iterated(entries: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const entry of entries) yield await Promise.resolve(entry);
}

async function rebuilt(
  entries: readonly Uint8Array[],
  more: Partial<RebuildOptions> = {},
): Promise<readonly [Database, Checked<RebuiltLog>]> {
  const db = await openDatabase({ kind: "shard", file: join(folder, `${counter++}.db`) });
  const trust = [{ ...testSigner().trusted, origins: [ORIGIN] }];
  const given = { db, crypto, trust, origin: ORIGIN, entries: iterated(entries), checkpoints, onLeaf: () => undefined };
  return [db, await rebuildLog({ ...given, ...more })];
}

const at = (index: number): Uint8Array => stream[index] ?? new Uint8Array();
const inserted = (index: number, ...more: readonly Uint8Array[]): readonly Uint8Array[] => stream.toSpliced(index, 0, ...more);

/** `count` entries, each behind the one before, the first behind entry `index`. */
function chain(index: number, count: number): readonly Uint8Array[] {
  const made: Uint8Array[] = [];
  for (let n = 1; n <= count; n++) made.push(chained(made.at(-1) ?? at(index), at(index + n)));
  return made;
}

describe("a log is made again from its stream", () => {
  test.each<readonly [string, () => readonly Uint8Array[]]>([
    ["as it was", () => stream],
    ["with everything twice", () => [...stream, ...stream]],
    ["with bytes that are no entry", () => inserted(7, Uint8Array.of(1, 2, 3))],
    ["with an entry in place of the next one, before it", () => inserted(5, forged(at(5)))],
    ["with an entry in place of the next one, behind it", () => inserted(6, forged(at(5)))],
    ["with a chain of them in place of the last ones", () => inserted(308, ...chain(307, 2))],
    ["with an entry in place of one that a checkpoint covers", () => inserted(305, forged(at(2)))],
    ["with an entry that names no other", () => inserted(8, forged(at(8), { previous: new Uint8Array(32) }))],
    ["with an entry from far ahead", () => inserted(8, at(200))],
    ["with an entry of another log", () => inserted(8, forged(at(8), { origin: "ronghe.example/51/registry" }))],
  ])("%s", async (_, entries) => {
    const seen: bigint[] = [];
    const [db, result] = await rebuilt(entries(), { onLeaf: ({ index }) => void seen.push(index) });
    expect(result).toMatchObject({ ok: true, value: { size: 310n, unsigned: 0 } });
    expect(seen).toEqual(stream.map((_each, index) => BigInt(index)));
    const findings = new Findings();
    await fsckLog({ db, sm3: crypto.sm3, findings, onLeaf: () => undefined, onProgress: () => undefined });
    expect([...findings.counts.keys()].filter((name) => name !== "disclosureMissing")).toEqual([]);
    await db.close();
  });

  test.each<readonly [string, string, () => readonly Uint8Array[]]>([
    ["one is missing", "leafIndex", () => stream.toSpliced(7, 1)],
    ["the last one is missing", "truncated", () => stream.slice(0, -1)],
    ["one is another", "leafChain", () => stream.with(7, forged(at(7)))],
    ["the last one is another", "checkpointRoot", () => stream.with(309, forged(at(309)))],
    ["two are swapped", "leafIndex", () => stream.with(7, at(8)).with(8, at(7))],
    ["there is more than was signed", "uncovered", () => [...stream, chained(at(309))]],
  ])("but not where %s: %s", async (_, name, entries) => {
    const [db, result] = await rebuilt(entries());
    expect(result).toMatchObject({ ok: false, error: { name } });
    await db.close();
  });

  test("up to the newest checkpoint where somebody says that what is behind it is nobody's, which is counted", async () => {
    const tail = [chained(at(309)), forged(chained(at(309)), { actor: "edge/two" }), chained(chained(at(309)))];
    const [db, result] = await rebuilt([...stream, ...tail], { leaveUnsigned: true });
    expect(result).toMatchObject({ ok: true, value: { size: 310n, unsigned: 2 } });
    await db.close();
    // It leaves out nothing that was signed.
    const [other, truncated] = await rebuilt(stream.slice(0, -1), { leaveUnsigned: true });
    expect(truncated).toMatchObject({ ok: false, error: { name: "truncated" } });
    await other.close();
  });

  test("under one checkpoint as under many", async () => {
    const [db, result] = await rebuilt(inserted(5, forged(at(5))), { checkpoints: checkpoints.slice(-1) });
    expect(result).toMatchObject({ ok: true, value: { size: 310n } });
    await db.close();
  });

  test("but not where two signed checkpoints contradict each other", async () => {
    const other = await TestPlatform.create();
    await other.append(4, { actor: "edge/another-truth" });
    const { note } = await other.log.checkpoint(AT);
    await other.close();
    const [db, result] = await rebuilt(stream, { checkpoints: [...checkpoints, note] });
    expect(result).toMatchObject({ ok: false, error: { name: "checkpointRoot", index: 4n } });
    await db.close();
  });
});
