/** One scan from phone to receipt, by the commands a newcomer types. */
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { ronghe, serve, type Serving } from "./harness/process.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let platform: Serving;
let settings: Record<string, string>;

beforeAll(async () => {
  folder = await temporaryFolder();
  settings = { RONGHE_DATA: join(folder.path, "province"), ...FREE_PORTS };
  const made = await ronghe(["sandbox", "init"], settings);
  expect(made.code, made.stderr).toBe(0);
  platform = await serve(["all"], settings);
});
afterAll(async () => {
  await platform.stop();
  await folder[Symbol.asyncDispose]();
});

const json = (text: string): Record<string, unknown> => JSON.parse(text.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
async function freshCode(...more: string[]): Promise<string> {
  const issued = await ronghe(["code", "issue", ...more], settings);
  expect(issued.code, issued.stderr).toBe(0);
  return issued.stdout.trim();
}
const call = async (...args: string[]) => {
  const ended = await ronghe(["call", ...args], settings);
  return { status: ended.code, reply: json(ended.stdout) };
};
async function scansWith(outcome: string): Promise<number> {
  const tail = await ronghe(["tail", "code.scan.observed.v1"], settings);
  return tail.stdout.split("\n").filter((line) => line.includes(`"outcome":"${outcome}"`)).length;
}

describe("a code drawn as a QR symbol", () => {
  const zbar = spawnSync("zbarimg", ["--version"]).status === 0;
  it.runIf(zbar || process.env["CI"] !== undefined)(
    "is read by a real reader, identifies, settles once, and its receipt verifies",
    async () => {
      const png = join(folder.path, "code.png");
      const issued = await freshCode("--png", png);
      const scanned = execFileSync("zbarimg", ["-q", "--raw", png], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
      expect(scanned).toBe(issued);

      const verified = await call("rh.verify", "--code", scanned);
      expect(verified).toMatchObject({ status: 0, reply: { verified: true, code: "0" } });
      expect(verified.reply["userName"]).toMatch(/^.{1,2}\*+$/u);

      const receipt = join(folder.path, "receipt.txt");
      const settled = await call("rh.settle", "--ec-token", String(verified.reply["ecToken"]), "--amount", "128.50", "--receipt", receipt);
      expect(settled).toMatchObject({ status: 0, reply: { code: "0", status: "settled", amount: "128.50" } });
      const legs = settled.reply["legs"] as { amount: string }[];
      expect(legs.reduce((sum, leg) => sum + BigInt(leg.amount.replace(".", "")), 0n)).toBe(12_850n);

      const policy = join(settings["RONGHE_DATA"] ?? "", "ledger-policy.txt");
      expect((await ronghe(["ledger", "verify", receipt, "--policy", policy])).code).toBe(0);
      const whole = await ronghe(["ledger", "verify"], settings);
      expect(whole.code, whole.stdout).toBe(0);
    },
  );
});

describe("a code that must not pay", () => {
  it("is refused the second time, and the scan stream says so", async () => {
    const code = await freshCode();
    expect((await call("rh.settle", "--code", code, "--amount", "20.00")).reply).toMatchObject({ status: "settled" });
    const before = await scansWith("codeUsed");
    expect(await call("rh.settle", "--code", code, "--amount", "20.00")).toMatchObject({
      status: 3,
      reply: { code: "501001", error: "codeUsed" },
    });
    expect(await call("rh.verify", "--code", code)).toMatchObject({ status: 3, reply: { code: "501001", error: "codeUsed" } });
    expect(await scansWith("codeUsed")).toBe(before + 2);
  });

  it("settles with the same code after identifying, at that institution and nowhere else", async () => {
    const code = await freshCode();
    expect((await call("rh.verify", "--code", code)).status).toBe(0);
    const elsewhere = await call("rh.settle", "--org", "H51070300003", "--code", code, "--amount", "9.90");
    expect(elsewhere.reply).toMatchObject({ code: "501001" });
    expect((await call("rh.settle", "--code", code, "--amount", "9.90")).reply).toMatchObject({ status: "settled" });
  });

  it("is forged when one character is changed", async () => {
    const code = await freshCode();
    const changed = code.slice(0, -1) + (code.endsWith("A") ? "B" : "A");
    expect(await call("rh.verify", "--code", changed)).toMatchObject({ status: 3, reply: { code: "500049", error: "codeForged" } });
    expect(await scansWith("codeForged")).toBeGreaterThan(0);
  });

  it("never settles when it was issued to identify", async () => {
    const code = await freshCode("--purpose", "verify");
    expect((await call("rh.settle", "--code", code, "--amount", "1.00")).status).toBe(3);
  });
});

it("a refund gives a settlement back once", async () => {
  const code = await freshCode();
  expect((await call("rh.settle", "--code", code, "--amount", "33.33", "--id", "R-1")).reply).toMatchObject({ status: "settled" });
  expect((await call("rh.refund", "--original", "R-1", "--id", "R-2")).reply).toMatchObject({ status: "refunded", amount: "33.33" });
  expect((await call("rh.refund", "--original", "R-1", "--id", "R-2")).reply).toMatchObject({ status: "refunded", amount: "33.33" });
  expect((await call("rh.refund", "--original", "R-1", "--id", "R-3")).reply).toMatchObject({ status: "refused", refusalCode: "600033" });
});

it("stops in order and goes on where it was", async () => {
  const before = json((await ronghe(["ledger", "verify", "--json"], settings)).stdout);
  expect(await platform.stop()).toBe(0);
  platform = await serve(["all"], { ...settings, RONGHE_CODE_TTL_S: "2" });
  const after = json((await ronghe(["ledger", "verify", "--json"], settings)).stdout);
  expect(after["ok"]).toBe(true);
  expect(JSON.stringify(after["logs"])).toContain(String((before["logs"] as { root: string }[])[1]?.root));
  expect((await call("rh.result", "--id", "R-2")).reply).toMatchObject({ status: "refunded" });
});

it("a code that is too old is expired", async () => {
  const code = await freshCode();
  // Two seconds of life, five of allowed clock skew.
  await sleep(8_500);
  expect(await call("rh.verify", "--code", code)).toMatchObject({ status: 3, reply: { code: "501001", error: "codeExpired" } });
  expect(await scansWith("codeExpired")).toBeGreaterThan(0);
});

it("a second platform on the same folder is refused with one clear line", async () => {
  const second = await ronghe(["serve", "all"], settings);
  expect(second.code).toBe(2);
  expect(second.stderr).toMatch(/is in use by process \d+/);
});
