import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Checkpoint, Log } from "../port.ts";
import { AT, crypto, ORIGIN, TestPlatform, testSigner } from "../testing/platform.ts";
import { testWitness } from "../testing/witnesses.ts";
import { toBase64, utf8 } from "../verifier/bytes.ts";
import { asPolicy, printCheckpointBody, printSignature, type TrustedKey, verifyCheckpoint } from "../verifier/note.ts";
import { treeHasher } from "../verifier/tree.ts";
import { contradicts } from "./contradiction.ts";
import { parseAddCheckpoint, printAddCheckpoint } from "./request.ts";
import type { WitnessStore } from "./store.ts";
import { WitnessRig } from "./testing/rig.ts";

const signer = testSigner();
const trusted: TrustedKey = { ...signer.trusted, origins: [ORIGIN] };
let platform: TestPlatform;
let rig: WitnessRig;
const closing: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  platform = await TestPlatform.create();
  rig = await WitnessRig.create({ logs: [trusted] });
  closing.push(platform, rig);
});
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});

async function grown(by: number, on: TestPlatform = platform): Promise<Checkpoint> {
  await on.append(by);
  return await on.log.checkpoint(AT);
}

/** Another history of the same log, signed by the same key. */
async function forked(entries: number): Promise<{ readonly log: Log; readonly checkpoint: Checkpoint; readonly other: TestPlatform }> {
  const other = await TestPlatform.create();
  closing.push(other);
  await other.append(entries, { actor: "edge/another-truth" });
  return { log: other.log, checkpoint: await other.log.checkpoint(AT), other };
}

async function note(size: bigint, root: Uint8Array, by = signer, origin = ORIGIN): Promise<string> {
  const body = printCheckpointBody({ origin, size, root });
  return `${body}\n${printSignature(by.trusted, await by.sign(utf8(body)))}`;
}

const policy = { ...asPolicy([trusted]), witnesses: [{ name: "w1", key: testWitness("w1", 0x31).key }], quorum: "w1" };

describe("a witness cosigns", () => {
  test("what it sees first, and what grew from there, by a line that verifies under its key", async () => {
    const first = await grown(5);
    const answer = await rig.ask(platform.log, 0n, first);
    expect(answer.status).toBe(200);
    expect(verifyCheckpoint(crypto, first.note + answer.body, policy)).toMatchObject({
      ok: true,
      value: { size: 5n, cosigners: [{ name: "w1", timeS: BigInt(AT / 1000) }] },
    });
    for (const by of [1, 2, 300]) {
      const from = platform.log.size;
      const next = await grown(by);
      const grownAnswer = await rig.ask(platform.log, from, next);
      expect(grownAnswer.status).toBe(200);
      expect(verifyCheckpoint(crypto, next.note + grownAnswer.body, policy).ok).toBe(true);
    }
  });

  test("the same head again, at a time that never goes back", async () => {
    const head = await grown(7);
    expect((await rig.ask(platform.log, 0n, head)).status).toBe(200);
    rig.nowMs += 60_000;
    const again = await rig.ask(platform.log, 7n, head);
    expect(verifyCheckpoint(crypto, head.note + again.body, policy)).toMatchObject({
      value: { cosigners: [{ timeS: BigInt(AT / 1000 + 60) }] },
    });
    rig.nowMs -= 3_600_000;
    const back = await rig.ask(platform.log, 7n, head);
    expect(verifyCheckpoint(crypto, head.note + back.body, policy)).toMatchObject({
      value: { cosigners: [{ timeS: BigInt(AT / 1000 + 60) }] },
    });
  });

  test("and shows its newest head to whoever asks, without the lines of strangers", async () => {
    const head = await grown(3);
    expect(await rig.witness.latest(ORIGIN)).toBeUndefined();
    await rig.ask(platform.log, 0n, { size: 3n, note: head.note + testWitness("stranger", 0x71).line(head.note) });
    const latest = await rig.witness.latest(ORIGIN);
    expect(latest).not.toContain("stranger");
    expect(verifyCheckpoint(crypto, latest ?? "", policy)).toMatchObject({ ok: true, value: { size: 3n, hasQuorum: true } });
  });

  test("after a restart from where it stood", async () => {
    await rig.ask(platform.log, 0n, await grown(9));
    await rig.restart();
    const next = await grown(4);
    expect(await rig.ask(platform.log, 0n, next)).toEqual({ status: 409, body: "9\n" });
    expect((await rig.ask(platform.log, 9n, next)).status).toBe(200);
  });

  test("a log of size nothing, once", async () => {
    const empty = { size: 0n, note: await note(0n, crypto.sm3()) };
    expect((await rig.ask(platform.log, 0n, empty)).status).toBe(200);
    expect((await rig.ask(platform.log, 0n, await grown(2))).status).toBe(200);
  });
});

describe("a witness refuses", () => {
  const malformed: readonly (readonly [string, (good: string) => string])[] = [
    ["no old size", (good) => good.replace(/^old \d+\n/, "")],
    ["a leading zero", (good) => good.replace("old 5", "old 05")],
    ["a sign", (good) => good.replace("old 5", "old +5")],
    ["a proof line that is no hash", (good) => good.replace("\n\n", "\nAAAA\n\n")],
    ["64 hashes", (good) => good.replace("\n\n", `\n${`${toBase64(crypto.sm3())}\n`.repeat(64)}\n`)],
    ["no checkpoint", (good) => good.slice(0, good.indexOf("\n\n") + 2)],
    ["a checkpoint with four lines", (good) => good.replace(`${ORIGIN}\n`, `${ORIGIN}\n${ORIGIN}\n`)],
    ["a note without signatures", (good) => good.slice(0, good.lastIndexOf("\n\n") + 1)],
    ["carriage returns", (good) => good.replaceAll("\n", "\r\n")],
    ["too much", (good) => good + "x".repeat(80_000)],
    ["nothing at all", () => ""],
  ];
  for (const [what, change] of malformed)
    test(`400: ${what}`, async () => {
      await rig.ask(platform.log, 0n, await grown(5));
      const next = await grown(3);
      const good = printAddCheckpoint({ oldSize: 5n, proof: await platform.log.consistency(5n, 8n), note: next.note });
      expect((await rig.witness.addCheckpoint(change(good))).status).toBe(400);
      expect((await rig.witness.addCheckpoint(good)).status).toBe(200);
    });

  test("400: an old size beyond the checkpoint", async () => {
    expect((await rig.ask(platform.log, 6n, await grown(5))).status).toBe(400);
  });

  test("404: a log that it does not witness", async () => {
    const other = { size: 5n, note: await note(5n, crypto.sm3(), signer, "ronghe.example/51/registry") };
    expect(await rig.ask(platform.log, 0n, other)).toMatchObject({ status: 404 });
  });

  test("403: a signature of another key, a wrong one, none, and one of a retired key", async () => {
    const head = await grown(20);
    const thief = { size: 20n, note: await note(20n, head.root, testSigner(0x66)) };
    expect(await rig.ask(platform.log, 0n, thief)).toMatchObject({ status: 403, body: expect.stringContaining("signatureMissing") });
    const wrong = { size: 21n, note: head.note.replace("\n20\n", "\n21\n") };
    expect(await rig.ask(platform.log, 0n, wrong)).toMatchObject({ status: 403, body: expect.stringContaining("signatureInvalid") });
    const after = await WitnessRig.create({ logs: [{ ...trusted, sizes: { first: 0n, last: 19n } }] });
    closing.push(after);
    expect(await after.ask(platform.log, 0n, head)).toMatchObject({ status: 403, body: expect.stringContaining("keyRetired") });
  });

  test("409: any other size than the one it stands at, telling that one", async () => {
    await rig.ask(platform.log, 0n, await grown(5));
    const next = await grown(5);
    for (const oldSize of [0n, 4n, 6n, 10n])
      expect(await rig.ask(platform.log, oldSize, next), `${oldSize}`).toEqual({ status: 409, body: "5\n" });
    expect((await rig.ask(platform.log, 5n, next)).status).toBe(200);
  });

  test("409: an older head, signed ever so well", async () => {
    const old = await grown(5);
    await rig.ask(platform.log, 0n, old);
    await rig.ask(platform.log, 5n, await grown(5));
    expect(await rig.ask(platform.log, 5n, old)).toEqual({ status: 409, body: "10\n" });
    expect(await rig.ask(platform.log, 0n, old)).toEqual({ status: 409, body: "10\n" });
    expect(rig.found).toEqual([]);
  });

  test("422: a proof that is cut, longer, of other sizes, or not empty where it must be", async () => {
    await rig.ask(platform.log, 0n, await grown(7));
    const { note: text } = await grown(13);
    const proof = await platform.log.consistency(7n, 20n);
    const spoiled = [
      proof.slice(1),
      proof.slice(0, -1),
      [...proof, crypto.sm3()],
      proof.toReversed(),
      [],
      await platform.log.consistency(6n, 20n),
    ];
    for (const bad of spoiled)
      expect(await rig.witness.addCheckpoint(printAddCheckpoint({ oldSize: 7n, proof: bad, note: text }))).toMatchObject({ status: 422 });
    for (const at of proof.keys()) {
      const flipped = proof.map((hash, n) => (n === at ? hash.with(3, (hash[3] ?? 0) ^ 1) : hash));
      expect((await rig.witness.addCheckpoint(printAddCheckpoint({ oldSize: 7n, proof: flipped, note: text }))).status).toBe(422);
    }
    // Broken proofs are no evidence against anybody.
    expect(rig.found).toEqual([]);
    expect((await rig.witness.addCheckpoint(printAddCheckpoint({ oldSize: 7n, proof, note: text }))).status).toBe(200);
    const first = await WitnessRig.create({ logs: [trusted] });
    closing.push(first);
    expect((await first.witness.addCheckpoint(printAddCheckpoint({ oldSize: 0n, proof, note: text }))).status).toBe(422);
  });
});

type Move = Parameters<WitnessStore["advance"]>[0];

/** Steps between what was checked and what is made durable. */
function beforePersisting(
  step: (store: WitnessStore, move: Move, advance: () => Promise<bigint | undefined>) => Promise<bigint | undefined>,
) {
  return (store: WitnessStore): WitnessStore =>
    new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (name === "advance") return async (move: Move) => await step(target, move, () => target.advance(move));
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
}

/** Holds every request that has checked its proof until two have, and lets the head of `first` persist before the other. */
function interleaving(first: bigint) {
  let arrived = 0;
  let isRacing = false;
  const [bothChecked, firstDone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const interposed = beforePersisting(async (_, move, advance) => {
    if (!isRacing) return await advance();
    arrived += 1;
    if (arrived === 2) bothChecked.resolve();
    await bothChecked.promise;
    if (move.to.size !== first) await firstDone.promise;
    const moved = await advance();
    if (move.to.size === first) firstDone.resolve();
    return moved;
  });
  return { interposed, arrived: () => arrived, begin: () => void (isRacing = true) };
}

describe("check and persist are one step", () => {
  for (const [winner, order] of [
    [15n, "the larger persists first: the smaller would roll it back"],
    [12n, "the smaller persists first: the larger was checked against what is gone"],
  ] as const)
    test(`of two requests interleaved between them one is cosigned (${order})`, async () => {
      const gate = interleaving(winner);
      const raced = await WitnessRig.create({ logs: [trusted], interposed: gate.interposed });
      closing.push(raced);
      await raced.ask(platform.log, 0n, await grown(10));
      const [smaller, larger] = [await grown(2), await grown(3)];
      gate.begin();
      const answers = await Promise.all([raced.ask(platform.log, 10n, smaller), raced.ask(platform.log, 10n, larger)]);
      expect(gate.arrived()).toBe(2);
      expect(answers.map(({ status }) => status)).toEqual(winner === 12n ? [200, 409] : [409, 200]);
      expect(answers.find(({ status }) => status === 409)?.body).toBe(`${winner}\n`);
      expect(await raced.store.head(ORIGIN)).toMatchObject({ size: winner });
      expect((await raced.store.history(ORIGIN, 10)).length).toBe(2);
    });

  test("a split view that is found between them keeps the head where it is", async () => {
    const found = { origin: ORIGIN, kind: "sameSize", ours: "a", theirs: "b", proof: "", source: "peer", foundMs: AT } as const;
    const interposed = beforePersisting(async (store, move, advance) => {
      if (move.to.size === 12n) await store.raise(found);
      return await advance();
    });
    const raced = await WitnessRig.create({ logs: [trusted], interposed });
    closing.push(raced);
    await raced.ask(platform.log, 0n, await grown(10));
    expect((await raced.ask(platform.log, 10n, await grown(2))).status).toBe(409);
    expect(await raced.store.head(ORIGIN)).toMatchObject({ size: 10n });
  });

  test("many at once end with one line of ever larger heads, each cosigned once", async () => {
    const heads: Checkpoint[] = [];
    for (let n = 0; n < 12; n++) heads.push(await grown(1 + (n % 3)));
    const answers = await Promise.all(heads.map((head) => rig.ask(platform.log, 0n, head)));
    expect(answers.filter(({ status }) => status === 200).length).toBe(1);
    const standing = (await rig.store.head(ORIGIN))?.size ?? 0n;
    for (const { status, body } of answers) if (status !== 200) expect([status, body]).toEqual([409, `${standing}\n`]);
  });

  test("the database itself refuses to go back, to take another root for a size, and to forget", async () => {
    const head = await grown(10);
    await rig.ask(platform.log, 0n, head);
    const write = (sql: string): Promise<unknown> => rig.db.write([{ sql, args: [] }]);
    await expect(write("UPDATE witness_head SET size = 9")).rejects.toThrow("never goes back");
    await expect(write("UPDATE witness_head SET root = zeroblob(32)")).rejects.toThrow("one root for one size");
    await expect(write("DELETE FROM witness_head")).rejects.toThrow("forgets nothing");
  });
});

describe("a split view", () => {
  test("of two roots for one size is kept with both signed heads, and freezes the log until it is answered", async () => {
    const ours = await grown(8);
    await rig.ask(platform.log, 0n, ours);
    const { log, checkpoint } = await forked(8);
    // 409 as C2SP tlog-witness has it for another root of the same size; of a log that is frozen, 403.
    expect(await rig.ask(log, 8n, checkpoint)).toMatchObject({ status: 409, body: expect.stringContaining("splitView") });
    expect(rig.found).toMatchObject([{ id: 1, origin: ORIGIN, kind: "sameSize", ours: ours.note, theirs: checkpoint.note, source: "log" }]);
    // Even what grew well is not cosigned now, not after a restart either.
    const next = await grown(2);
    expect((await rig.ask(platform.log, 8n, next)).status).toBe(403);
    await rig.restart();
    expect((await rig.ask(platform.log, 8n, next)).status).toBe(403);
    expect(await rig.store.acknowledge(1, { atMs: AT, by: "auditor/wang", reason: "test fork" })).toBe(true);
    expect(await rig.store.acknowledge(1, { atMs: AT, by: "auditor/wang", reason: "twice" })).toBe(false);
    expect((await rig.ask(platform.log, 8n, next)).status).toBe(200);
    await expect(rig.db.write([{ sql: "DELETE FROM split_view", args: [] }])).rejects.toThrow("evidence stays");
  });

  test("is found at any size that was cosigned before, and the same evidence is kept once", async () => {
    await rig.ask(platform.log, 0n, await grown(8));
    await rig.ask(platform.log, 8n, await grown(8));
    const { log, checkpoint } = await forked(8);
    for (let n = 0; n < 3; n++) expect((await rig.ask(log, 0n, checkpoint)).status).toBe(409);
    expect(rig.found.length).toBe(1);
  });

  test("of a head that does not go on from ours is proven by the log's own proof", async () => {
    const ours = await grown(6);
    await rig.ask(platform.log, 0n, ours);
    const { log, checkpoint } = await forked(14);
    expect(await rig.ask(log, 6n, checkpoint)).toMatchObject({ status: 422 });
    expect(rig.found).toMatchObject([{ kind: "notConsistent", ours: ours.note, theirs: checkpoint.note }]);
    expect(rig.found[0]?.proof.split("\n").length).toBe((await log.consistency(6n, 14n)).length);
    expect((await rig.ask(platform.log, 6n, await grown(1))).status).toBe(403);
  });

  test("needs a proof that leads to the newer root and away from the older one: nothing else convicts", async () => {
    const hasher = treeHasher(crypto.sm3);
    const { log } = await forked(40);
    await grown(40);
    const rootOf = async (on: Log, size: bigint): Promise<Uint8Array> => {
      const at = await TestPlatform.create();
      closing.push(at);
      await at.append(Number(size), on === log ? { actor: "edge/another-truth" } : {});
      return at.log.root;
    };
    for (const [from, to] of [
      [3n, 40n],
      [6n, 40n],
      [39n, 40n],
    ] as const) {
      // Salts differ between copies: what counts is that every copy is a tree of its own.
      const foreign = await rootOf(platform.log, from);
      const proof = await log.consistency(from, to);
      expect(contradicts(hasher, { size: from, root: foreign }, { size: to, root: log.root }, proof), `${from}`).toBe(true);
      expect(contradicts(hasher, { size: from, root: foreign }, { size: to, root: platform.log.root }, proof)).toBe(false);
      const spoiled = proof.map((hash, at) => (at === 0 ? hash.with(0, (hash[0] ?? 0) ^ 1) : hash));
      expect(contradicts(hasher, { size: from, root: foreign }, { size: to, root: log.root }, spoiled)).toBe(false);
    }
    // From a power of two the older root is not part of the proof, so it shows nothing.
    expect(contradicts(hasher, { size: 8n, root: crypto.sm3() }, { size: 40n, root: log.root }, await log.consistency(8n, 40n))).toBe(
      false,
    );
  });
});

test("a request read from its text is the request printed", async () => {
  const head = await grown(5);
  const proof = await platform.log.consistency(3n, 5n);
  for (const request of [
    { oldSize: 3n, proof, note: head.note },
    { oldSize: 0n, proof: [], note: head.note },
  ]) {
    const text = printAddCheckpoint(request);
    expect(parseAddCheckpoint(text)).toEqual({ ok: true, value: request });
  }
});
