import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Log } from "../port.ts";
import { AT, ORIGIN, TestPlatform, testSigner } from "../testing/platform.ts";
import { toBase64 } from "../verifier/bytes.ts";
import type { TrustedKey } from "../verifier/note.ts";
import type { Gossip } from "./gossip.ts";
import { deadUrl, WitnessRig } from "./testing/rig.ts";

const trusted: TrustedKey = { ...testSigner().trusted, origins: [ORIGIN] };
const closing: (() => Promise<void>)[] = [];
let honest: TestPlatform;
let a: WitnessRig;
let b: WitnessRig;

beforeEach(async () => {
  honest = await TestPlatform.create();
  a = await WitnessRig.create({ name: "a", seed: 0x31, logs: [trusted] });
  b = await WitnessRig.create({ name: "b", seed: 0x32, logs: [trusted] });
  closing.push(
    () => honest.close(),
    () => a.close(),
    () => b.close(),
  );
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function fork(): Promise<TestPlatform> {
  const other = await TestPlatform.create();
  closing.push(() => other.close());
  return other;
}

const states = (gossip: Gossip): readonly string[] => gossip.comparisons().map(({ state }) => state);

/** Grows a log to a size and has it cosigned there. */
async function cosign(rig: WitnessRig, on: TestPlatform, size: number, more: object = {}): Promise<string> {
  await on.append(size - Number(on.log.size), more);
  const checkpoint = await on.log.checkpoint(AT);
  const from = (await rig.store.head(ORIGIN))?.size ?? 0n;
  expect((await rig.ask(on.log, from, checkpoint)).status).toBe(200);
  return checkpoint.note;
}

/** Where a log shows that one of its heads goes on from another. */
async function proofsOf(log: Log): Promise<string> {
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? "", "http://x").searchParams;
    void log
      .consistency(BigInt(query.get("from") ?? ""), BigInt(query.get("to") ?? ""))
      .then((proof) => response.end(proof.map((hash) => `${toBase64(hash)}\n`).join("")))
      .catch(() => response.writeHead(404).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("two witnesses that compare", () => {
  test("find nothing while they were shown one history, however far each has come", async () => {
    await cosign(a, honest, 5);
    await cosign(b, honest, 5);
    await cosign(b, honest, 9);
    const gossip = a.gossip([await b.listen()], [await proofsOf(honest.log)]);
    await gossip.round();
    expect(a.found).toEqual([]);
    expect(states(gossip)).toEqual(["ahead"]);
  });

  test("find two roots for one size, keep both signed heads, and cosign no more", async () => {
    const other = await fork();
    const note = await cosign(a, honest, 7);
    const contradicting = await cosign(b, other, 7, { actor: "edge/another-truth" });
    await cosign(a, honest, 12);
    const address = await b.listen();
    await a.gossip([address]).round();
    expect(a.found).toMatchObject([{ kind: "sameSize", ours: note, theirs: contradicting, source: address }]);
    await honest.append(1);
    expect((await a.ask(honest.log, 12n, await honest.log.checkpoint(AT))).status).toBe(403);
  });

  test("find histories that never share a size by the log's own proof", async () => {
    const other = await fork();
    const note = await cosign(a, honest, 6);
    const contradicting = await cosign(b, other, 11, { actor: "edge/another-truth" });
    // The log stands by its second history: its proof from 6 to 11 shows another root of 6 than the one it signed.
    const address = await b.listen();
    const gossip = a.gossip([address], [await proofsOf(other.log)]);
    await gossip.round();
    expect(a.found).toMatchObject([{ kind: "notConsistent", ours: note, theirs: contradicting, source: address }]);
    expect(states(gossip)).toEqual(["contradicted"]);
  });

  test("say what they cannot settle: a log that shows no way, or a broken one", async () => {
    const other = await fork();
    await cosign(a, honest, 6);
    await cosign(b, other, 11, { actor: "edge/another-truth" });
    const address = await b.listen();
    const silent = a.gossip([address], [await deadUrl()]);
    await silent.round();
    expect(silent.comparisons()).toMatchObject([{ state: "unproven", detail: "nobody shows the way from size 6 to 11" }]);
    // The first history has no entry 11 to show.
    await honest.append(30);
    const broken = a.gossip([address], [await proofsOf(honest.log)]);
    await broken.round();
    expect(broken.comparisons()).toMatchObject([{ state: "unproven", detail: "the log shows no way from size 6 to 11" }]);
    expect(a.found).toEqual([]);
  });

  test("believe no head that the log did not sign, and no witness that is away", async () => {
    const server = createServer((_, response) => response.end(JSON.stringify({ heads: ["log\n1\nx\n\n— a b\n"], splitViews: [] })));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(() => new Promise((resolve) => void server.close(() => resolve())));
    await cosign(a, honest, 5);
    const liar = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const away = await deadUrl();
    const gossip = a.gossip([liar, away]);
    await gossip.round();
    expect(gossip.comparisons().toSorted((one) => (one.peer === liar ? -1 : 1))).toEqual([
      { peer: liar, origin: ORIGIN, state: "unproven", detail: "it shows heads that the log did not sign" },
      { peer: away, origin: ORIGIN, state: "unreachable", detail: "it does not answer as a witness does" },
    ]);
    expect(a.found).toEqual([]);
  });
});

test("the evidence is served to whoever asks", async () => {
  const other = await fork();
  await cosign(a, honest, 7);
  await cosign(b, other, 7, { actor: "edge/another-truth" });
  const peer = await b.listen();
  await a.gossip([peer]).round();
  const url = await a.listen();
  const served = (await (await fetch(`${url}/split-views`)).json()) as { splitViews: object[] };
  expect(served.splitViews).toMatchObject([{ id: 1, kind: "sameSize", source: peer, origin: ORIGIN }]);
  expect(await (await fetch(`${url}/status`)).json()).toMatchObject({
    status: "contradicted",
    openSplitViews: [1],
    logs: [{ origin: ORIGIN, size: "7", frozen: true }],
  });
  // A frozen log is not signed anew for whoever asks, either.
  expect((await fetch(`${url}/checkpoint?origin=${encodeURIComponent(ORIGIN)}`)).status).toBe(403);
  expect((await fetch(`${url}/checkpoint?origin=unknown`)).status).toBe(404);
  expect((await fetch(`${url}/health`)).status).toBe(200);
  expect((await fetch(`${url}/add-checkpoint`)).status).toBe(404);
  expect((await fetch(`${url}/add-checkpoint`, { method: "POST", body: "x".repeat(200_000) })).status).toBe(400);
});

const statusOf = async (rig: WitnessRig): Promise<unknown> =>
  ((await (await fetch(`${await rig.listen()}/status`)).json()) as { readonly status: string }).status;

describe("what a witness says of the others", () => {
  test("is a state that was shown, of each: the same, ahead, behind", async () => {
    await cosign(b, honest, 5);
    await cosign(a, honest, 5);
    const gossip = a.gossip([await b.listen()], [await proofsOf(honest.log)]);
    await gossip.round();
    expect(states(gossip)).toEqual(["consistent"]);
    await cosign(a, honest, 8);
    await gossip.round();
    expect(states(gossip)).toEqual(["behind"]);
    await cosign(b, honest, 13);
    await gossip.round();
    expect(states(gossip)).toEqual(["ahead"]);
    expect(await statusOf(a)).toBe("consistent");
  });

  test("is never agreement when three witnesses saw three histories and nobody shows a proof", async () => {
    const c = await WitnessRig.create({ name: "c", seed: 0x33, logs: [trusted] });
    closing.push(() => c.close());
    await cosign(a, honest, 5);
    await cosign(b, await fork(), 9, { actor: "edge/second-truth" });
    await cosign(c, await fork(), 13, { actor: "edge/third-truth" });
    const gossip = a.gossip([await b.listen(), await c.listen()]);
    await gossip.round();
    expect(states(gossip)).toEqual(["unproven", "unproven"]);
    expect(await statusOf(a)).toBe("unproven");
  });

  test("is `uncompared` without others, and `unproven` of one that was shown nothing", async () => {
    await cosign(a, honest, 5);
    const gossip = a.gossip([await b.listen()]);
    expect(await statusOf(a)).toBe("uncompared");
    await gossip.round();
    expect(gossip.comparisons()).toMatchObject([{ state: "unproven", detail: "it shows no head of this log" }]);
  });
});

describe("evidence that one witness found", () => {
  let c: WitnessRig;
  beforeEach(async () => {
    c = await WitnessRig.create({ name: "c", seed: 0x33, logs: [trusted] });
    closing.push(() => c.close());
    await cosign(a, honest, 7);
    await cosign(b, await fork(), 7, { actor: "edge/another-truth" });
    await a.gossip([await b.listen()]).round();
  });

  test("spreads: who reads it stops cosigning that log, until a person decides, a restart or not", async () => {
    // Neither of the two heads is one that this witness ever saw.
    await cosign(c, honest, 20);
    const gossip = c.gossip([await a.listen()]);
    await gossip.round();
    const [own] = a.found;
    expect(c.found).toMatchObject([{ kind: "sameSize", ours: own?.ours, theirs: own?.theirs, source: expect.stringContaining("http") }]);
    expect(states(gossip)).toEqual(["contradicted"]);
    await honest.append(3);
    const next = await honest.log.checkpoint(AT);
    expect(await c.ask(honest.log, 20n, next)).toMatchObject({ status: 403, body: expect.stringContaining("splitView") });
    await gossip.stop();
    await c.restart();
    expect((await c.ask(honest.log, 20n, next)).status).toBe(403);
    expect(await c.store.acknowledge(1, { atMs: AT, by: "auditor/wang", reason: "the copy was thrown away" })).toBe(true);
    expect((await c.ask(honest.log, 20n, next)).status).toBe(200);
    // What was decided is not asked again.
    await c.gossip([await a.listen()]).round();
    expect(await c.store.isFrozen(ORIGIN)).toBe(false);
  });

  test("stops a witness that has seen nothing of the log yet", async () => {
    await c.gossip([await a.listen()]).round();
    expect((await c.ask(honest.log, 0n, await honest.log.checkpoint(AT))).status).toBe(403);
  });

  test("is kept once, whoever tells it and whichever head it calls its own", async () => {
    await b.gossip([await a.listen()]).round();
    expect(await b.store.splitViews()).toHaveLength(1);
    await c.gossip([await a.listen(), await b.listen()]).round();
    expect(await c.store.splitViews()).toHaveLength(1);
  });

  test("is judged by whoever reads it: what two signed heads do not show is not believed", async () => {
    const [found] = a.found;
    if (found === undefined) throw new Error("nothing was found");
    const { ours, theirs } = found;
    const unsigned = theirs.replace(/\n\u2014 [^\n]+\n$/, "\n");
    await honest.append(5);
    const later = (await honest.log.checkpoint(AT)).note;
    const proof = (await honest.log.consistency(7n, honest.log.size)).map(toBase64).join("\n");
    for (const [why, evidence] of [
      ["one head twice", { ours, theirs: ours, proof: "" }],
      ["a head without the log's signature", { ours, theirs: unsigned, proof: "" }],
      ["a changed size", { ours, theirs: theirs.replace("\n7\n", "\n8\n"), proof: "" }],
      ["two heads of one history", { ours, theirs: later, proof }],
      ["two sizes and no proof", { ours: theirs, theirs: later, proof: "" }],
      ["a broken proof", { ours: theirs, theirs: later, proof: "AAAA" }],
      ["no note at all", { ours: "", theirs: "x", proof: "" }],
    ] as const)
      expect(await c.witness.believe(ORIGIN, evidence, "test"), why).toBe(false);
    expect(await c.store.isFrozen(ORIGIN)).toBe(false);
    // What the log itself proves from a head of the other history is.
    expect(await c.witness.believe(ORIGIN, { ours: theirs, theirs: later, proof }, "test")).toBe(true);
    expect(await c.witness.believe("another.example/log", { ours, theirs, proof: "" }, "test")).toBe(false);
  });

  test("cannot keep a reader: an answer without end is left", async () => {
    const endless = createServer((_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write("x".repeat(65_536)));
      };
      response.on("drain", more);
      more();
    });
    await new Promise<void>((resolve) => endless.listen(0, "127.0.0.1", resolve));
    closing.push(async () => {
      endless.closeAllConnections();
      await new Promise<void>((resolve) => void endless.close(() => resolve()));
    });
    await cosign(c, honest, 9);
    const gossip = c.gossip([`http://127.0.0.1:${(endless.address() as AddressInfo).port}`]);
    await gossip.round();
    expect(states(gossip)).toEqual(["unreachable"]);
  });
});
