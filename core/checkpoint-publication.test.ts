import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readPublished } from "../ledger/store/publication.ts";
import { AT, crypto, ORIGIN, TestPlatform, testSigner } from "../ledger/testing/platform.ts";
import { type Policy, type TrustedKey, verifyCheckpoint } from "../ledger/verifier/note.ts";
import { verifyDatabase, verifyReceiptText } from "../ledger/verify-files.ts";
import { deadUrl, WitnessRig } from "../ledger/witness/testing/rig.ts";
import { openPublication, type Publication, type PublicationLine, type Witnessing } from "./checkpoint-publication.ts";
import type { EventMs } from "./protocol/time.ts";

const trusted: TrustedKey = { ...testSigner().trusted, origins: [ORIGIN] };
const closing: (() => Promise<void>)[] = [];
let nowMs: number = AT;
const clock = { now: (): EventMs => nowMs as EventMs };
let platform: TestPlatform;
let rigs: readonly WitnessRig[];
let urls: string[];

beforeEach(async () => {
  nowMs = AT;
  platform = await TestPlatform.create();
  rigs = await Promise.all(["hospital", "insurer", "bank"].map((name, n) => WitnessRig.create({ name, seed: 0x21 + n, logs: [trusted] })));
  urls = await Promise.all(rigs.map((rig) => rig.listen()));
  const { close } = platform;
  closing.push(close.bind(platform), ...rigs.map((rig) => () => rig.close()));
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

let dead = "";
beforeEach(async () => void (dead = await deadUrl()));

function policyOf(addresses: readonly string[], threshold = 2): Policy {
  const witnesses = rigs.map((rig, n) => ({ name: rig.identity.name, key: rig.identity.key, url: addresses[n] ?? dead }));
  return {
    logs: [trusted],
    witnesses,
    groups: [{ name: "enough", threshold, members: witnesses.map(({ name }) => name) }],
    quorum: "enough",
  };
}

const lines: PublicationLine[] = [];
beforeEach(() => void lines.splice(0));

async function publish(policy: Policy, more: Partial<Witnessing> = {}): Promise<Publication> {
  const witnessing = { policy, onMissing: "closed" as const, intervalMs: 1, timeoutMs: 10_000, receiptWaitMs: 1_000, ...more };
  const { db, log } = platform;
  const publication = await openPublication({
    db,
    log,
    crypto,
    clock,
    witnessing: { ...witnessing, report: (line) => void lines.push(line) },
  });
  closing.push(() => publication.stop());
  return publication;
}

async function grown(by: number): Promise<void> {
  await platform.append(by);
  await platform.log.checkpoint(AT);
}

describe("publishing with witnesses", () => {
  it("carries what the quorum cosigned, and under it receipts and the whole log verify", async () => {
    await grown(5);
    const policy = policyOf(urls);
    const publication = await publish(policy);
    const published = await publication.publishNow();
    expect(verifyCheckpoint(crypto, published?.note ?? "", policy)).toMatchObject({ ok: true, value: { size: 5n, hasQuorum: true } });
    const receipt = await platform.log.receipt(3n, published);
    expect(verifyReceiptText(receipt, { crypto, trustedKeys: policy }).ok).toBe(true);
    expect(verifyReceiptText(await platform.log.receipt(3n), { crypto, trustedKeys: policy })).toMatchObject({
      ok: false,
      firstDefect: { name: "quorumMissing" },
    });
    expect((await verifyDatabase({ db: platform.db, crypto, trustedKeys: policy })).ok).toBe(true);
    // Signed on, but not shown to witnesses yet: that part is incomplete, never "valid".
    await publication.stop();
    await grown(2);
    expect(await verifyDatabase({ db: platform.db, crypto, trustedKeys: policy })).toMatchObject({
      ok: false,
      firstDefect: { name: "uncovered" },
    });
    expect(publication.status()).toMatchObject({
      state: "witnessed",
      publishedSize: "5",
      signedSize: "7",
      wanted: "2 of (hospital, insurer, bank)",
    });
  });

  it("goes on from the size that each witness has, one call each, and after a restart as well", async () => {
    const policy = policyOf(urls, 3);
    let publication = await publish(policy);
    for (const by of [1, 4, 300]) {
      await grown(by);
      publication.dirty();
      await publication.publishNow();
    }
    await publication.stop();
    const before = rigs.map((rig) => rig.calls);
    expect(before).toEqual([3, 3, 3]);
    await grown(7);
    publication = await publish(policy);
    await publication.publishNow();
    expect(rigs.map((rig) => rig.calls)).toEqual([4, 4, 4]);
    expect(publication.status().witnesses.map(({ size, answer }) => [size, answer])).toEqual(rigs.map(() => ["312", "cosigned"]));
  });

  it("goes on from where a witness really stands when it was set back, or is new", async () => {
    const policy = policyOf(urls, 3);
    const publication = await publish(policy);
    await grown(5);
    await publication.publishNow();
    await publication.stop();
    await grown(5);
    // It missed nothing that it should not have missed: a new one, at size 0.
    const fresh = await WitnessRig.create({ name: "bank", seed: 0x23, logs: [trusted] });
    closing.push(() => fresh.close());
    const next = await publish(policyOf([...urls.slice(0, 2), await fresh.listen()], 3));
    await next.publishNow();
    expect(next.latest()?.size).toBe(10n);
    expect(fresh.calls).toBe(2);
  });

  it("asks once more from where they stand when it has forgotten", async () => {
    const policy = policyOf(urls, 3);
    let publication = await publish(policy);
    await grown(5);
    await publication.publishNow();
    await publication.stop();
    await platform.db.write([{ sql: "DELETE FROM witness_position", args: [] }]);
    await grown(5);
    publication = await publish(policy);
    expect((await publication.publishNow())?.size).toBe(10n);
    expect(rigs.map((rig) => rig.calls)).toEqual([3, 3, 3]);
  });

  it("finds the witness's own line among others that it answers with", async () => {
    await grown(4);
    const note = platform.log.latestCheckpoint()?.note ?? "";
    const [hospital, insurer, bank] = rigs.map((rig) => rig.identity.line(note));
    const server = createServer((incoming, response) => incoming.resume().on("end", () => response.end(`${hospital}${bank}${insurer}`)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(() => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))));
    const shared = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const policy = policyOf([shared, shared, shared], 3);
    const published = await (await publish(policy)).publishNow();
    expect(verifyCheckpoint(crypto, published?.note ?? "", policy)).toMatchObject({ ok: true, value: { cosigners: [{}, {}, {}] } });
  });

  it("counts no line that is not the witness's own over this very head", async () => {
    // A witness that answers 200 with another witness's line, with one over another head, and with nothing.
    await grown(4);
    const note = platform.log.latestCheckpoint()?.note ?? "";
    const answers = [rigs[0]?.identity.line(note) ?? "", rigs[2]?.identity.line(note.replace("\n4\n", "\n5\n")) ?? "", "", "garbage"];
    let answer = "";
    const server = createServer((request, response) => request.resume().on("end", () => response.end(answer)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(() => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))));
    const liar = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for (const one of answers) {
      answer = one;
      const publication = await publish(policyOf([urls[0] ?? "", dead, liar]));
      await expect(publication.publishNow()).rejects.toThrow("is not published");
      expect(publication.status().witnesses[2]?.answer).toBe("200 without a good cosignature of its key");
      await publication.stop();
    }
  });
});

const cosignersOf = (publication: Publication, policy: Policy): readonly (readonly [name: string, timeS: bigint])[] => {
  const checkpoint = verifyCheckpoint(crypto, publication.latest()?.note ?? "", policy);
  return checkpoint.ok ? checkpoint.value.cosigners.map(({ name, timeS }) => [name, timeS]) : [];
};

describe("a log that rests", () => {
  const AT_S = BigInt(AT / 1000);

  it("is shown on to a witness that was away, until it has cosigned too, and to nobody after", async () => {
    const late = createServer();
    await new Promise<void>((resolve) => late.listen(0, "127.0.0.1", resolve));
    const { port } = late.address() as AddressInfo;
    await new Promise<void>((resolve) => late.close(() => resolve()));
    const policy = policyOf([...urls.slice(0, 2), `http://127.0.0.1:${port}`]);
    await grown(5);
    const publication = await publish(policy);
    await publication.publishNow();
    expect(cosignersOf(publication, policy).map(([name]) => name)).toEqual(["hospital", "insurer"]);
    const joined = new Promise<void>((resolve) => publication.onPublished(resolve));
    const bank = rigs[2];
    if (bank === undefined) throw new Error("no bank");
    late.on("request", (request, response) => {
      const chunks: Buffer[] = [];
      request
        .on("data", (chunk: Buffer) => chunks.push(chunk))
        .on("end", () => {
          void bank.witness
            .addCheckpoint(Buffer.concat(chunks).toString())
            .then(({ status, body }) => response.writeHead(status).end(body));
        });
    });
    await new Promise<void>((resolve) => late.listen(port, "127.0.0.1", resolve));
    closing.push(() => new Promise((resolve) => (late.closeAllConnections(), late.close(() => resolve()))));
    await joined;
    expect(cosignersOf(publication, policy).map(([name]) => name)).toEqual(["hospital", "insurer", "bank"]);
    expect((await readPublished(platform.db))?.note).toBe(publication.latest()?.note);
    // The other two were asked once: only who lacks the head is asked on.
    expect(rigs.slice(0, 2).map((rig) => rig.calls)).toEqual([1, 1]);
    expect(publication.status().state).toBe("witnessed");
  });

  it("is cosigned anew before its head becomes older than the policy allows", async () => {
    const policy = { ...policyOf(urls), headAgeS: 1n };
    await grown(5);
    const publication = await publish(policy);
    await publication.publishNow();
    const refreshed = (atS: bigint): boolean => cosignersOf(publication, policy).filter(([, timeS]) => timeS === atS).length >= 2;
    expect(refreshed(AT_S)).toBe(true);
    nowMs += 5_000;
    for (const rig of rigs) rig.nowMs += 5_000;
    while (!refreshed(AT_S + 5n)) await new Promise<void>((resolve) => publication.onPublished(resolve));
    expect(publication.latest()?.size).toBe(5n);
    expect((await verifyDatabase({ db: platform.db, crypto, trustedKeys: policy })).ok).toBe(true);
  });

  it("does not keep news waiting behind a witness that hangs", async () => {
    const server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(() => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))));
    await grown(5);
    const hanging = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const publication = await publish(policyOf([...urls.slice(0, 2), hanging]), { timeoutMs: 600_000 });
    await publication.publishNow();
    await new Promise<void>((resolve) => server.once("request", () => resolve()));
    await grown(5);
    publication.dirty();
    expect((await publication.publishNow())?.size).toBe(10n);
  });
});

describe("without a quorum", () => {
  it("fail closed keeps the checkpoint back and says so, once", async () => {
    const publication = await publish(policyOf([urls[0] ?? ""]));
    await grown(5);
    publication.dirty();
    await expect(publication.publishNow()).rejects.toThrow("wanted 2 of (hospital, insurer, bank)");
    await expect(publication.publishNow()).rejects.toThrow("is not published");
    expect(publication.latest()).toBeUndefined();
    expect(await readPublished(platform.db)).toBeUndefined();
    expect(publication.status()).toMatchObject({ state: "heldBack", publishedSize: "0", signedSize: "5" });
    expect(lines).toMatchObject([
      {
        event: "checkpointHeldBack",
        log: ORIGIN,
        size: "5",
        cosigners: ["hospital"],
        witnesses: { hospital: "cosigned", insurer: "ECONNREFUSED" },
      },
    ]);
  });

  it("fail open publishes with what there is and says so, and the quorum joins later", async () => {
    const addresses = [urls[0] ?? "", dead, dead];
    const publication = await publish(policyOf(addresses), { onMissing: "open" });
    await grown(5);
    publication.dirty();
    const published = await publication.publishNow();
    const strict = policyOf(urls);
    expect(verifyCheckpoint(crypto, published?.note ?? "", strict)).toMatchObject({ error: { name: "quorumMissing" } });
    expect(publication.status()).toMatchObject({ state: "unwitnessed", publishedSize: "5" });
    expect(lines).toMatchObject([{ event: "checkpointUnwitnessed", cosigners: ["hospital"] }]);
    await publication.stop();
    // The same head, once its witnesses are back.
    const next = await publish(strict, { onMissing: "open" });
    const whole = new Promise<void>((resolve) => next.onPublished(resolve));
    await whole;
    expect(next.latest()?.size).toBe(5n);
    expect(verifyCheckpoint(crypto, next.latest()?.note ?? "", strict).ok).toBe(true);
    expect((await verifyDatabase({ db: platform.db, crypto, trustedKeys: strict })).ok).toBe(true);
  });

  it("waits for a slow witness no longer than its time limit", async () => {
    const server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(() => new Promise((resolve) => (server.closeAllConnections(), server.close(() => resolve()))));
    const hanging = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await grown(5);
    const publication = await publish(policyOf([urls[0] ?? "", hanging, hanging]), { timeoutMs: 300 });
    await expect(publication.publishNow()).rejects.toThrow("is not published");
    expect(publication.status().witnesses[1]?.answer).toBe("no answer within 300 ms");
    // And not at all when the others are enough.
    const enough = await publish(policyOf([urls[0] ?? "", urls[1] ?? "", hanging]), { timeoutMs: 600_000 });
    await enough.publishNow();
    expect(enough.status()).toMatchObject({ state: "witnessed", publishedSize: "5" });
  });

  it("a log that shows witnesses another history is published no more", async () => {
    const publication = await publish(policyOf(urls));
    await grown(5);
    await publication.publishNow();
    await publication.stop();
    const other = await TestPlatform.create();
    closing.push(() => other.close());
    await other.append(5, { actor: "edge/another-truth" });
    await other.log.checkpoint(AT);
    platform = other;
    const equivocating = await publish(policyOf(urls));
    await expect(equivocating.publishNow()).rejects.toThrow("is not published");
    expect(equivocating.status().witnesses.every(({ answer }) => answer.startsWith("409 splitView"))).toBe(true);
    expect(rigs.map((rig) => rig.found.length)).toEqual([1, 1, 1]);
  });
});

describe("without witnesses", () => {
  it("every signed head is published at once", async () => {
    const publication = await openPublication({ db: platform.db, log: platform.log, crypto, clock });
    expect(publication.latest()).toBeUndefined();
    await grown(3);
    expect((await publication.publishNow())?.note).toBe(platform.log.latestCheckpoint()?.note);
    expect(publication.status()).toMatchObject({ state: "none", publishedSize: "3" });
    expect(await readPublished(platform.db)).toBeUndefined();
  });
});
