import { afterEach, beforeEach, expect, test } from "vitest";
import { ORIGIN, TestPlatform, testSigner, AT } from "../testing/platform.ts";
import { type WitnessLine, witnessApp } from "./app.ts";
import { REQUEST_BYTES_MAX } from "./request.ts";
import { WitnessRig } from "./testing/rig.ts";

let platform: TestPlatform;
let rig: WitnessRig;
beforeEach(async () => {
  platform = await TestPlatform.create();
  rig = await WitnessRig.create({ logs: [testSigner().trusted] });
});
afterEach(async () => {
  await rig.close();
  await platform.close();
});

test("a witness leaves one line for each request, repeats nothing that was typed, and shows where it stands", async () => {
  const lines: WitnessLine[] = [];
  const { witness, store } = rig;
  const app = witnessApp({ witness, store, now: () => rig.nowMs, log: (line) => lines.push(line) });
  await platform.append(3);
  expect((await rig.ask(platform.log, 0n, await platform.log.checkpoint(AT))).status).toBe(200);
  rig.nowMs += 90_000;
  const asked: readonly (readonly [method: string, path: string, route: string, status: number])[] = [
    ["POST", "/add-checkpoint", "/add-checkpoint", 400],
    ["GET", "/checkpoint?origin=somebody", "/checkpoint", 404],
    ["GET", "/heads", "/heads", 200],
    ["GET", "/split-views", "/split-views", 200],
    ["GET", "/key", "/key", 200],
    ["GET", "/health", "/health", 200],
    ["GET", "/status", "/status", 200],
    ["GET", "/metrics", "/metrics", 200],
    ["GET", "/somebody", "other", 404],
    ["BREW", "/somebody", "other", 404],
  ];
  for (const [method, path] of asked) await app.request(path, { method });
  expect(lines.map(({ method, route, status }) => [method, route, status])).toEqual(
    asked.map(([method, , route, status]) => [method === "BREW" ? "other" : method, route, status]),
  );
  expect(JSON.stringify(lines)).not.toContain("somebody");
  const text = await (await app.request("/metrics")).text();
  expect(text).toContain(`ronghe_witness_size{log="${ORIGIN}"} 3`);
  expect(text).toContain(`ronghe_witness_head_age_seconds{log="${ORIGIN}"} 90`);
  expect(text).toContain("ronghe_witness_split_views_open 0");
  expect(text).toContain('ronghe_witness_requests_total{route="other",status="404"} 2');
});

test("a request that breaks off, is no UTF-8, or is too long is the sender's doing: 400, and no bug", async () => {
  const bugs: Error[] = [];
  const { witness, store } = rig;
  const app = witnessApp({ witness, store, onBug: (error) => bugs.push(error) });
  const brokenOff = new ReadableStream({
    pull(controller) {
      controller.enqueue(Buffer.from("old 0\n"));
      controller.error(new Error("ECONNRESET"));
    },
  });
  const bodies: readonly (readonly [BodyInit, string])[] = [
    [brokenOff, "whole and in time"],
    [Uint8Array.of(0x6f, 0xff, 0x0a), "no UTF-8 text"],
    ["x".repeat(REQUEST_BYTES_MAX + 1), "too long"],
  ];
  for (const [body, said] of bodies) {
    const answer = await app.request("/add-checkpoint", { method: "POST", body, duplex: "half" } as RequestInit);
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(said)]);
  }
  expect(bugs).toEqual([]);
});
