import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { EnvelopeVectors } from "../../core/envelope-vectors/format.ts";
import { readConfig } from "../config.ts";
import { checkCall } from "./call-check.ts";

const vectors = JSON.parse(
  await readFile(new URL("../../core/envelope-vectors/envelope.json", import.meta.url), "utf8"),
) as EnvelopeVectors;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-check-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function check(tcId: number, options: { readonly json?: boolean } = {}): Promise<{ readonly status: number; readonly said: string }> {
  const vector = vectors.tests.find((one) => one.tcId === tcId);
  const [file, keys] = [join(folder, "request.json"), join(folder, "keys.json")];
  const { appId, appSecret, publicKey } = vectors;
  await writeFile(file, vector?.encrypted ?? "");
  await writeFile(keys, JSON.stringify({ appId, appSecret, publicKey, signType: vector?.signType, dialect: vector?.dialect }));
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  const out = vi.spyOn(process.stdout, "write").mockImplementation((text) => lines.push(String(text)) > 0);
  try {
    const status = await checkCall(readConfig({ RONGHE_DATA: folder }), file, { keys, ...options });
    return { status, said: lines.join("\n") };
  } finally {
    log.mockRestore();
    out.mockRestore();
  }
}

test("a request that verifies ends with status 0, one that does not with 3 and the setting that differs", async () => {
  expect(await check(8)).toMatchObject({ status: 0, said: expect.stringMatching(/\nverifies$/) as string });
  const numbers = await check(14, { json: true });
  expect(numbers.status).toBe(3);
  expect(JSON.parse(numbers.said)).toMatchObject({ verifies: false, differs: { scalars: "kept" } });
  const userId = await check(13);
  expect(userId.said).toContain("userId");
  for (const { said } of [numbers, userId]) expect(said).not.toContain(vectors.appSecret);
});

test("keys that lack a member are refused in one line that names it", async () => {
  const [file, keys] = [join(folder, "request.json"), join(folder, "keys.json")];
  await writeFile(file, "{}");
  await writeFile(keys, JSON.stringify({ appId: vectors.appId }));
  await expect(checkCall(readConfig({ RONGHE_DATA: folder }), file, { keys })).rejects.toThrow(/appSecret/);
});
