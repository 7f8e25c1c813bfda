import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Log } from "../port.ts";
import { AT, ORIGIN, TestPlatform, testSigner } from "../testing/platform.ts";
import { toBase64 } from "../verifier/bytes.ts";
import type { TrustedKey } from "../verifier/note.ts";
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
    expect(gossip.troubles()).toEqual({});
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
    expect(Object.values(gossip.troubles())).toEqual(["was shown another history"]);
  });

  test("say what they cannot settle: a log that shows no way, or a broken one", async () => {
    const other = await fork();
    await cosign(a, honest, 6);
    await cosign(b, other, 11, { actor: "edge/another-truth" });
    const address = await b.listen();
    const silent = a.gossip([address], [await deadUrl()]);
    await silent.round();
    expect(Object.values(silent.troubles())).toEqual(["nobody shows the way from size 6 to 11"]);
    // The first history has no entry 11 to show.
    await honest.append(30);
    const broken = a.gossip([address], [await proofsOf(honest.log)]);
    await broken.round();
    expect(Object.values(broken.troubles())).toEqual(["the log shows no way from size 6 to 11"]);
    expect(a.found).toEqual([]);
  });

  test("believe no head that the log did not sign, and no witness that is away", async () => {
    const server = createServer((_, response) => response.end(JSON.stringify({ heads: ["log\n1\nx\n\n— a b\n"] })));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(() => new Promise((resolve) => void server.close(() => resolve())));
    await cosign(a, honest, 5);
    const liar = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const away = await deadUrl();
    const gossip = a.gossip([liar, away]);
    await gossip.round();
    expect(gossip.troubles()).toEqual({
      [`${liar} ${ORIGIN}`]: "shows heads that the log did not sign",
      [`${away} ${ORIGIN}`]: "does not answer",
    });
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
    status: "splitView",
    openSplitViews: [1],
    logs: [{ origin: ORIGIN, size: "7", frozen: true }],
  });
  expect((await fetch(`${url}/checkpoint?origin=${encodeURIComponent(ORIGIN)}`)).status).toBe(200);
  expect((await fetch(`${url}/checkpoint?origin=unknown`)).status).toBe(404);
  expect((await fetch(`${url}/health`)).status).toBe(200);
  expect((await fetch(`${url}/add-checkpoint`)).status).toBe(404);
  expect((await fetch(`${url}/add-checkpoint`, { method: "POST", body: "x".repeat(200_000) })).status).toBe(400);
});
