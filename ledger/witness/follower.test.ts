import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AT, crypto, ORIGIN, TestPlatform, testSigner } from "../testing/platform.ts";
import { testWitness } from "../testing/witnesses.ts";
import type { Policy, TrustedKey } from "../verifier/note.ts";
import { LogFollower } from "./follower.ts";
import { ProvenanceTracker } from "./provenance.ts";

const trusted: TrustedKey = { ...testSigner().trusted, origins: [ORIGIN] };
const bank = testWitness("bank", 0x23);
const cosigned: Policy = { logs: [trusted], witnesses: [{ name: "bank", key: bank.key }], groups: [], quorum: "bank" };
const closing: TestPlatform[] = [];
let platform: TestPlatform;
let follower: LogFollower;

beforeEach(async () => {
  platform = await TestPlatform.create();
  closing.push(platform);
  follower = new LogFollower({ crypto, trust: [trusted], origin: ORIGIN });
});
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});

async function entries(from = 0n, on = platform): Promise<readonly Uint8Array[]> {
  return (await on.log.leaves(from, 10_000)).map(({ bytes }) => bytes);
}
async function signed(on = platform): Promise<string> {
  return (await on.log.checkpoint(AT)).note;
}
const defectOf = (followed: ReturnType<LogFollower["addEntry"]>): string =>
  followed.kind === "defect" ? followed.defect.name : followed.kind;

describe("a follower", () => {
  test("takes entries and checkpoints as they come, checkpoints before or behind their entries", async () => {
    for (const by of [3, 1, 260]) {
      const from = platform.log.size;
      await platform.append(by);
      const note = await signed();
      const fresh = await entries(from);
      if (by === 1) expect(follower.addCheckpoint(note).kind).toBe("waiting");
      for (const bytes of fresh) expect(follower.addEntry(bytes).kind).toBe("entry");
      if (by !== 1) expect(follower.addCheckpoint(note).kind).toBe("checkpoint");
      expect(follower.finish()).toBeUndefined();
    }
    expect(follower.counts).toMatchObject({ entries: 264, checkpoints: 3 });
  });

  test("compares a checkpoint that came late with the root of its own size", async () => {
    await platform.append(5);
    const note = await signed();
    await platform.append(7);
    for (const bytes of await entries()) follower.addEntry(bytes);
    expect(follower.addCheckpoint(note).kind).toBe("checkpoint");
    expect(follower.finish()).toMatchObject({ name: "uncovered" });
    expect(follower.addCheckpoint(await signed()).kind).toBe("checkpoint");
    expect(follower.finish()).toBeUndefined();
  });

  test("goes on from its written state as if it had never stopped", async () => {
    await platform.append(5);
    const first = await signed();
    await platform.append(4);
    const late = await signed();
    const all = await entries();
    for (const bytes of all.slice(0, 7)) follower.addEntry(bytes);
    follower.addCheckpoint(first);
    follower.addCheckpoint(late);
    const state = JSON.parse(JSON.stringify(follower.state())) as ReturnType<LogFollower["state"]>;
    const resumed = new LogFollower({ crypto, trust: [trusted], origin: ORIGIN }, state);
    expect(resumed.size).toBe(7);
    // What was read but not counted yet comes once more.
    expect(defectOf(resumed.addEntry(all[6] ?? new Uint8Array()))).toBe("duplicate");
    for (const bytes of all.slice(7)) expect(defectOf(resumed.addEntry(bytes))).toBe("entry");
    expect(resumed.finish()).toBeUndefined();
    expect(resumed.counts).toMatchObject({ entries: 9, checkpoints: 2, duplicates: 1 });
  });
});

describe("a follower ends with the first defect", () => {
  test("a gap, an entry behind later ones, a repeat, another entry under a known index", async () => {
    await platform.append(6);
    const all = await entries();
    follower.addEntry(all[0] ?? new Uint8Array());
    expect(follower.addEntry(all[2] ?? new Uint8Array())).toEqual({ kind: "ahead", wanted: 1n });
    for (const bytes of all.slice(1, 4)) follower.addEntry(bytes);
    expect(defectOf(follower.addEntry(all[2] ?? new Uint8Array()))).toBe("duplicate");
    const other = await TestPlatform.create();
    closing.push(other);
    await other.append(6, { actor: "edge/another-truth" });
    const foreign = await entries(0n, other);
    expect(defectOf(follower.addEntry(foreign[2] ?? new Uint8Array()))).toBe("streamConflict");
    expect(defectOf(follower.addEntry(foreign[4] ?? new Uint8Array()))).toBe("leafChain");
  });

  test("any bit of any entry changed", async () => {
    await platform.append(4);
    const note = await signed();
    const all = await entries();
    const last = all.at(-1) ?? new Uint8Array();
    for (let at = 0; at < last.length; at += 7) {
      const one = new LogFollower({ crypto, trust: [trusted], origin: ORIGIN });
      const results: string[] = [...all.slice(0, -1), last.with(at, (last[at] ?? 0) ^ 1)].map((bytes) => one.addEntry(bytes).kind);
      // The last entry is chained to by nobody yet: its checkpoint tells.
      const isTaken: boolean = results.every((kind) => kind === "entry");
      if (isTaken) results.push(one.addCheckpoint(note).kind);
      expect(results.includes("defect") || results.includes("ahead") || results.includes("duplicate"), `byte ${at}`).toBe(true);
    }
  });

  test("a checkpoint over another root, of another log, by a stranger, of a smaller size, of a size with two roots", async () => {
    const other = await TestPlatform.create();
    closing.push(other);
    await other.append(5, { actor: "edge/another-truth" });
    await platform.append(5);
    for (const bytes of await entries()) follower.addEntry(bytes);
    expect(defectOf(follower.addCheckpoint(await signed(other)))).toBe("checkpointRoot");
    const note = await signed();
    const stranger = new LogFollower({ crypto, trust: [testSigner(0x77).trusted], origin: ORIGIN });
    expect(defectOf(stranger.addCheckpoint(note))).toBe("signatureMissing");
    const elsewhere = new LogFollower({ crypto, trust: [testSigner().trusted], origin: "ronghe.example/51/registry" });
    expect(defectOf(elsewhere.addCheckpoint(note))).toBe("checkpointOrigin");
    expect(follower.addCheckpoint(note).kind).toBe("checkpoint");
    expect(defectOf(follower.addCheckpoint(note))).toBe("duplicate");
    expect(defectOf(follower.addCheckpoint(await signed(other)))).toBe("streamConflict");
    await platform.append(1);
    for (const bytes of await entries(5n)) follower.addEntry(bytes);
    expect(follower.addCheckpoint(await signed()).kind).toBe("checkpoint");
    // The same once more, as a bus repeats a batch; one between two that came is another matter.
    expect(defectOf(follower.addCheckpoint(note))).toBe("duplicate");
    const between = await TestPlatform.create();
    closing.push(between);
    await between.append(3);
    expect(defectOf(follower.addCheckpoint(await signed(between)))).toBe("streamReordered");
  });

  test("a checkpoint without the quorum, unless such are only to be counted", async () => {
    await platform.append(3);
    const note = await signed();
    const strict = new LogFollower({ crypto, trust: cosigned, origin: ORIGIN });
    const lenient = new LogFollower({ crypto, trust: cosigned, origin: ORIGIN, allowUnwitnessed: true });
    for (const bytes of await entries()) for (const one of [strict, lenient]) one.addEntry(bytes);
    expect(defectOf(strict.addCheckpoint(note))).toBe("quorumMissing");
    expect(lenient.addCheckpoint(note).kind).toBe("checkpoint");
    expect(lenient.counts).toMatchObject({ unwitnessed: 1 });
    expect(lenient.finish()).toMatchObject({ name: "uncovered" });
    // The same head once more, with its witness.
    expect(lenient.addCheckpoint(note + bank.line(note)).kind).toBe("duplicate");
    expect(lenient.finish()).toBeUndefined();
  });

  test("a checkpoint of entries that never come", async () => {
    await platform.append(3);
    const note = await signed();
    for (const bytes of (await entries()).slice(0, 2)) follower.addEntry(bytes);
    follower.addCheckpoint(note);
    expect(follower.finish()).toMatchObject({ name: "truncated" });
  });
});

const at = (offset: bigint, seed = 0) => ({ topic: "t", partition: 0, offset, recordHash: crypto.sm3(Uint8Array.of(seed)) });

test("requests are counted by the places that entries name: gaps, entries of one request, disorder, contradiction", () => {
  const tracker = new ProvenanceTracker();
  expect([at(4n), at(4n), at(5n), at(9n), at(7n), at(5n)].map((one) => tracker.add(one))).toEqual([
    "first",
    "again",
    "first",
    "first",
    "first",
    "again",
  ]);
  expect(tracker.counts).toEqual({ requests: 4, gaps: 2, reordered: 1 });
  expect(tracker.add(at(5n, 1))).toBe("conflict");
});
