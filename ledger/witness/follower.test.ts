import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chained, forged } from "../testing/forged.ts";
import { AT, crypto, ORIGIN, TestPlatform, testSigner } from "../testing/platform.ts";
import { testWitness } from "../testing/witnesses.ts";
import type { Policy, Trust, TrustedKey } from "../verifier/note.ts";
import { type Followed, type FollowedState, LogFollower } from "./follower.ts";
import { ProvenanceTracker } from "./provenance.ts";

const trusted: TrustedKey = { ...testSigner().trusted, origins: [ORIGIN] };
const bank = testWitness("bank", 0x23);
const cosigned: Policy = { logs: [trusted], witnesses: [{ name: "bank", key: bank.key }], groups: [], quorum: "bank" };
const closing: TestPlatform[] = [];
let platform: TestPlatform;
let follower: LogFollower<number>;

beforeEach(async () => {
  platform = await TestPlatform.create();
  closing.push(platform);
  follower = following([trusted]);
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
const following = (trust: Trust, origin = ORIGIN, state?: FollowedState): LogFollower<number> =>
  new LogFollower({ crypto, trust, origin }, state);
let came = 0;
/** Its payload is the number of entries that came before. */
const add = (bytes: Uint8Array | undefined, to = follower): Followed<number> => to.addEntry(bytes ?? new Uint8Array(), came++);
const defectOf = (followed: Followed<number>): string => (followed.kind === "defect" ? followed.defect.name : followed.kind);
const settledOf = (followed: Followed<number>): readonly (readonly number[])[] =>
  "settled" in followed ? [followed.settled.covered, followed.settled.dropped].map((entries) => entries.map(({ payload }) => payload)) : [];

describe("a follower", () => {
  test("takes entries and checkpoints as they come, checkpoints before or behind their entries", async () => {
    for (const by of [3, 1, 260]) {
      const from = platform.log.size;
      await platform.append(by);
      const note = await signed();
      const fresh = await entries(from);
      if (by === 1) expect(follower.addCheckpoint(note).kind).toBe("waiting");
      for (const bytes of fresh) expect(add(bytes).kind).toBe("entry");
      if (by !== 1) expect(follower.addCheckpoint(note).kind).toBe("checkpoint");
      expect(follower.finish()).toBeUndefined();
    }
    expect(follower.counts).toMatchObject({ entries: 264, checkpoints: 3 });
  });

  test("compares a checkpoint that came late with the root of its own size", async () => {
    await platform.append(5);
    const note = await signed();
    await platform.append(7);
    for (const bytes of await entries()) add(bytes);
    expect(follower.addCheckpoint(note).kind).toBe("checkpoint");
    expect(follower.finish()).toMatchObject({ name: "uncovered" });
    expect(follower.addCheckpoint(await signed()).kind).toBe("checkpoint");
    expect(follower.finish()).toBeUndefined();
  });

  test("takes checkpoints that all came late, the first over a single entry", async () => {
    const notes: string[] = [];
    for (const by of [1, 4, 7]) {
      await platform.append(by);
      notes.push(await signed());
    }
    for (const bytes of await entries()) add(bytes);
    expect(notes.map((note) => settledOf(follower.addCheckpoint(note))[0]?.length)).toEqual([1, 4, 7]);
    expect(follower.finish()).toBeUndefined();
  });

  test("goes on from its written state as if it had never stopped", async () => {
    await platform.append(5);
    const first = await signed();
    await platform.append(4);
    const late = await signed();
    const all = await entries();
    for (const bytes of all.slice(0, 7)) add(bytes);
    follower.addCheckpoint(first);
    follower.addCheckpoint(late);
    const state = JSON.parse(JSON.stringify(follower.state())) as FollowedState;
    const resumed = following([trusted], ORIGIN, state);
    // What no checkpoint covered comes once more.
    expect([resumed.size, [...follower.candidates()].length]).toEqual([5, 2]);
    for (const bytes of all.slice(5, 8)) expect(defectOf(add(bytes, resumed))).toBe("entry");
    expect(defectOf(add(all[6], resumed))).toBe("duplicate");
    expect(defectOf(add(all[8], resumed))).toBe("entry");
    expect(resumed.finish()).toBeUndefined();
    expect(resumed.counts).toMatchObject({ entries: 9, checkpoints: 2, duplicates: 1 });
  });
});

describe("entries that somebody chained on", () => {
  test.each([
    ["before", true],
    ["behind", false],
  ])("%s the true one are dropped by name, with what was chained onto them", async (_, isBefore) => {
    await platform.append(3);
    const first = await signed();
    await platform.append(3);
    const second = await signed();
    const all = await entries();
    const false3 = forged(all[3]);
    const false4 = chained(false3, all[4]);
    for (const bytes of all.slice(0, 3)) add(bytes);
    expect(settledOf(follower.addCheckpoint(first))[0]).toHaveLength(3);
    const offered = isBefore ? [false3, all[3], false4, all[4]] : [all[3], false3, all[4], false4];
    const from = came;
    for (const bytes of offered) expect(defectOf(add(bytes))).toBe("entry");
    expect(follower.counts.entries).toBe(3);
    // Nobody knows yet which are the log's: both wait.
    expect([...follower.candidates()]).toHaveLength(4);
    add(all[5]);
    const [covered, dropped] = settledOf(follower.addCheckpoint(second));
    expect(covered).toEqual(isBefore ? [from + 1, from + 3, from + 4] : [from, from + 2, from + 4]);
    expect(dropped?.toSorted()).toEqual(isBefore ? [from, from + 2] : [from + 1, from + 3]);
    expect([follower.size, follower.finish()]).toEqual([6, undefined]);
    // Once it is known, another one is refused at once.
    expect(defectOf(add(false3))).toBe("streamConflict");
  });

  test("longer than the log, they let go of nothing that a later checkpoint needs", async () => {
    await platform.append(2);
    const all = [...(await entries())];
    const first = await signed();
    await platform.append(1);
    all.push(...(await entries(2n)));
    const second = await signed();
    for (const bytes of all.slice(0, 2)) add(bytes);
    let tip = forged(all[1]);
    add(tip);
    for (let n = 0; n < 3; n++) {
      tip = chained(tip);
      expect(defectOf(add(tip))).toBe("entry");
    }
    expect(follower.size).toBe(5);
    expect(settledOf(follower.addCheckpoint(first)).map(({ length }) => length)).toEqual([2, 4]);
    expect(follower.size).toBe(2);
    expect(follower.addCheckpoint(second).kind).toBe("waiting");
    expect(settledOf(add(all[2])).map(({ length }) => length)).toEqual([1, 0]);
    expect(follower.finish()).toBeUndefined();
  });

  test("instead of the true one are the log's defect once nothing more comes", async () => {
    await platform.append(3);
    const all = await entries();
    for (const bytes of [...all.slice(0, 2), forged(all[2])]) add(bytes);
    expect(follower.addCheckpoint(await signed()).kind).toBe("waiting");
    expect(follower.finish()).toMatchObject({ name: "checkpointRoot", index: 3n });
    // It was only late.
    expect(settledOf(add(all[2])).map(({ length }) => length)).toEqual([3, 1]);
    expect(follower.finish()).toBeUndefined();
  });

  test("by the thousand cost one step each", async () => {
    await platform.append(40);
    const note = await signed();
    const all = await entries();
    let hashed = 0;
    const counting = { ...crypto, sm3: (...parts: readonly Uint8Array[]) => (hashed++, crypto.sm3(...parts)) };
    const one = new LogFollower<number>({ crypto: counting, trust: [trusted], origin: ORIGIN });
    one.addCheckpoint(note);
    for (const bytes of all.slice(0, 39)) add(bytes, one);
    hashed = 0;
    for (let n = 0; n < 2_000; n++) add(forged(all[39], { actor: `edge/n${n}` }), one);
    // Its leaf, the nodes above it, and no path anew.
    expect(hashed).toBeLessThan(2_000 * 12);
    expect(settledOf(add(all[39], one)).map(({ length }) => length)).toEqual([40, 2_000]);
  });
});

describe("a follower ends with the first defect", () => {
  test("a gap, an entry behind later ones, a repeat, another entry under a known index", async () => {
    await platform.append(4);
    const note = await signed();
    await platform.append(2);
    const all = await entries();
    add(all[0]);
    expect(add(all[2])).toEqual({ kind: "ahead", wanted: 1n });
    for (const bytes of all.slice(1, 4)) add(bytes);
    expect(defectOf(add(all[2]))).toBe("duplicate");
    follower.addCheckpoint(note);
    const other = await TestPlatform.create();
    closing.push(other);
    await other.append(6, { actor: "edge/another-truth" });
    const foreign = await entries(0n, other);
    expect(defectOf(add(foreign[2]))).toBe("streamConflict");
    expect(defectOf(add(foreign[4]))).toBe("leafChain");
    expect(defectOf(add(chained(all[3], all[4], { postedMs: 1n })))).toBe("leafTime");
  });

  test("any bit of any entry changed", async () => {
    await platform.append(4);
    const note = await signed();
    const all = await entries();
    const last = all.at(-1) ?? new Uint8Array();
    for (let at = 0; at < last.length; at += 7) {
      const one = following([trusted]);
      const results = [...all.slice(0, -1), last.with(at, (last[at] ?? 0) ^ 1)].map((bytes) => add(bytes, one).kind);
      // The last entry is chained to by nobody yet: its checkpoint tells.
      one.addCheckpoint(note);
      expect([results.at(-1) === "entry", one.finish()?.name], `byte ${at}`).toEqual(
        results.at(-1) === "entry" ? [true, "checkpointRoot"] : [false, "truncated"],
      );
    }
  });

  test("a checkpoint over another root, of another log, by a stranger, of a smaller size, of a size with two roots", async () => {
    const other = await TestPlatform.create();
    closing.push(other);
    await other.append(5, { actor: "edge/another-truth" });
    await platform.append(5);
    for (const bytes of await entries()) add(bytes);
    const misled = following([trusted]);
    for (const bytes of await entries()) add(bytes, misled);
    expect(misled.addCheckpoint(await signed(other)).kind).toBe("waiting");
    expect(misled.finish()).toMatchObject({ name: "checkpointRoot", index: 5n });
    const note = await signed();
    const stranger = following([testSigner(0x77).trusted]);
    expect(defectOf(stranger.addCheckpoint(note))).toBe("signatureMissing");
    const elsewhere = following([testSigner().trusted], "ronghe.example/51/registry");
    expect(defectOf(elsewhere.addCheckpoint(note))).toBe("checkpointOrigin");
    expect(follower.addCheckpoint(note).kind).toBe("checkpoint");
    expect(defectOf(follower.addCheckpoint(note))).toBe("duplicate");
    expect(defectOf(follower.addCheckpoint(await signed(other)))).toBe("streamConflict");
    await platform.append(1);
    for (const bytes of await entries(5n)) add(bytes);
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
    const strict = following(cosigned);
    const lenient = new LogFollower<number>({ crypto, trust: cosigned, origin: ORIGIN, allowUnwitnessed: true });
    for (const bytes of await entries()) for (const one of [strict, lenient]) add(bytes, one);
    expect(defectOf(strict.addCheckpoint(note))).toBe("quorumMissing");
    expect(lenient.addCheckpoint(note).kind).toBe("checkpoint");
    expect(lenient.counts).toMatchObject({ unwitnessed: 1 });
    expect(lenient.finish()).toMatchObject({ name: "uncovered" });
    // The same head once more, with its witness.
    expect(lenient.addCheckpoint(note + bank.line(note)).kind).toBe("duplicate");
    expect(lenient.counts).toMatchObject({ duplicates: 0, checkpoints: 1, reissued: 1 });
    expect(lenient.finish()).toBeUndefined();
  });

  test("a checkpoint of entries that never come", async () => {
    await platform.append(3);
    const note = await signed();
    for (const bytes of (await entries()).slice(0, 2)) add(bytes);
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
