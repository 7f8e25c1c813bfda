/** Whose money moves is said, never guessed: no mixture of real and invented payers, and none that was left over. */
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { ronghe, serve } from "./harness/process.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let settings: Record<string, string>;

beforeAll(async () => {
  folder = await temporaryFolder();
  settings = { RONGHE_DATA: join(folder.path, "province"), RONGHE_LOG: "off", ...FREE_PORTS };
  const made = await ronghe(["sandbox", "init", "--people", "20"], settings);
  expect(made.code, made.stderr).toBe(0);
});
afterAll(() => folder[Symbol.asyncDispose]());

const NOBODY = "http://127.0.0.1:9";
const ALL = { RONGHE_RAIL_INSURANCE_URL: NOBODY, RONGHE_RAIL_COMMERCIAL_URL: NOBODY, RONGHE_RAIL_BANK_URL: NOBODY };

describe("a platform refuses in words", () => {
  it.each([
    ["one real payer of three", ["all"], { RONGHE_RAIL_BANK_URL: NOBODY }, "without RONGHE_RAIL_INSURANCE_URL, RONGHE_RAIL_COMMERCIAL_URL"],
    ["real payers and the sandbox's", ["all"], { ...ALL, RONGHE_PAYERS: "sandbox" }, "either invented payers or real ones"],
    ["a sandbox where the payers are real", ["sandbox"], ALL, "a sandbox beside them would pay with invented money"],
    ["real payers without an address", ["all"], { RONGHE_PAYERS: "real" }, "RONGHE_PAYERS=real needs RONGHE_RAIL_INSURANCE_URL"],
  ] as const)("%s", async (_, parts, more, words) => {
    const ended = await ronghe(["serve", ...parts], { ...settings, ...more });
    expect(ended.code).toBe(2);
    expect(ended.stderr.trim().split("\n")).toEqual([expect.stringContaining(words)]);
  });

  it("a core by itself that was told no payers, although a sandbox has left its addresses", async () => {
    const kafka = { RONGHE_BUS: "kafka", RONGHE_KAFKA_BROKERS: "127.0.0.1:9" };
    const runtime = join(settings["RONGHE_DATA"] ?? "", "runtime.json");
    const left = { pid: 1, bus: "kafka", rails: { insurance: NOBODY, commercial: NOBODY, bank: NOBODY } };
    await writeFile(runtime, JSON.stringify(left), { mode: 0o600 });
    const ended = await ronghe(["config", "--json"], { ...settings, ...kafka });
    expect(JSON.parse(ended.stdout)).toMatchObject({ payers: expect.stringContaining("serve all") });
    const { payersOfCore } = await import("../cli/platform/payers.ts");
    const { layoutOf } = await import("../cli/platform/layout.ts");
    const { readConfig } = await import("../cli/config.ts");
    const layout = layoutOf(settings["RONGHE_DATA"] ?? "");
    await expect(payersOfCore(readConfig({ ...settings, ...kafka }), layout)).rejects.toThrow("a core by itself is told its payers");
    const said = readConfig({ ...settings, ...kafka, RONGHE_PAYERS: "sandbox" });
    await expect(payersOfCore(said, layout)).resolves.toEqual(left.rails);
  });
});

describe("one machine with payers elsewhere", () => {
  it("pays with their money and starts no sandbox, and `config` says the same", async () => {
    // The payers of another province stand for real ones: servers that this platform only knows by address.
    const elsewhere = { ...settings, RONGHE_DATA: await mkdtemp(join(folder.path, "payers-")) };
    const founded = await ronghe(["sandbox", "init", "--people", "20"], {
      ...elsewhere,
      RONGHE_DATA: join(elsewhere.RONGHE_DATA ?? "", "p"),
    });
    expect(founded.code, founded.stderr).toBe(0);
    const payers = await serve(["sandbox"], { ...elsewhere, RONGHE_DATA: join(elsewhere.RONGHE_DATA ?? "", "p") });
    const written = JSON.parse(await readFile(join(elsewhere.RONGHE_DATA ?? "", "p", "runtime.json"), "utf8")) as {
      readonly rails: { readonly insurance: string; readonly commercial: string; readonly bank: string };
    };
    const { insurance, commercial, bank } = written.rails;
    const real = { ...settings, RONGHE_RAIL_INSURANCE_URL: insurance, RONGHE_RAIL_COMMERCIAL_URL: commercial, RONGHE_RAIL_BANK_URL: bank };
    const platform = await serve(["all"], real);
    try {
      const runtime = JSON.parse(await readFile(join(settings["RONGHE_DATA"] ?? "", "runtime.json"), "utf8")) as object;
      expect(runtime).not.toHaveProperty("rails");
      const config = JSON.parse((await ronghe(["config", "--json"], real)).stdout) as { readonly payers: string };
      expect(config.payers).toBe(`real: ${insurance}, ${commercial}, ${bank}`);
    } finally {
      expect(await platform.stop()).toBe(0);
      expect(await payers.stop()).toBe(0);
    }
    const after = JSON.parse(await readFile(join(elsewhere.RONGHE_DATA ?? "", "p", "runtime.json"), "utf8")) as object;
    expect(after).not.toHaveProperty("rails");
  });
});
