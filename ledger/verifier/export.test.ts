import { beforeAll, describe, expect, test } from "vitest";
import { crypto, ORIGIN, testSigner } from "../testing/platform.ts";
import { exportOf, type Files, noteOf, reading, rootOf, sampleLeaves } from "../testing/sample-export.ts";
import { utf8 } from "./bytes.ts";
import { type ExportReport, verifyExport, type VerifyExportOptions } from "./export.ts";
import { printPolicy } from "./policy.ts";

const signer = testSigner();
const OTHER = "ronghe.example/51/registry";
const SIZE = 600;
let files: Files;
let early: string;

beforeAll(async () => {
  const [leaves, others] = [sampleLeaves(SIZE), sampleLeaves(3, OTHER)];
  early = await noteOf({ size: 512, root: rootOf(leaves.slice(0, 512)) }, signer);
  const note = await noteOf({ size: SIZE, root: rootOf(leaves) }, signer);
  const otherNote = await noteOf({ origin: OTHER, size: 3, root: rootOf(others) }, signer);
  files = exportOf(
    [
      { leaves, note },
      { origin: OTHER, leaves: others, note: otherNote },
    ],
    printPolicy([signer.trusted]),
  );
});

async function verify(more: Partial<VerifyExportOptions> = {}): Promise<ExportReport> {
  return await verifyExport({ files: reading(files), crypto, trust: [signer.trusted], ...more });
}

const reason = async (more: Partial<VerifyExportOptions>): Promise<unknown> => {
  const report = await verify(more);
  return [report.verdict, report.firstDefect?.name];
};

describe("an export of two logs", () => {
  test("is valid with every check made by name, each with its evidence", async () => {
    const report = await verify({ knownCheckpoints: [early] });
    expect(report).toMatchObject({ verdict: "valid", ok: true });
    expect(report.firstDefect).toBeUndefined();
    expect(
      report.logs.map((log) => [log.folder, log.origin, log.size, log.checks.map((check) => `${check.name} ${check.status}`)]),
    ).toEqual([
      ["registry", OTHER, 3n, ["signature ok", "witnesses ok", "files ok", "leaves ok", "chain ok", "root ok", "tiles ok"]],
      [
        "settlement-0",
        ORIGIN,
        600n,
        ["signature ok", "witnesses ok", "files ok", "leaves ok", "chain ok", "root ok", "tiles ok", "knownCheckpoints ok"],
      ],
    ]);
    expect(report.logs[1]?.checks.find((check) => check.name === "leaves")?.evidence).toMatchObject({ entries: 600, bundles: 3 });
    expect(report.logs[1]?.checks.find((check) => check.name === "tiles")?.evidence).toEqual({ tiles: 4 });
  });

  test("tells its progress over all logs up to the end, and every entry as it was found good", async () => {
    const seen: bigint[] = [];
    const entries = new Map<string, number>();
    await verify({
      onProgress: (done, total) => seen.push(done, total),
      onEntry: (origin) => entries.set(origin, (entries.get(origin) ?? 0) + 1),
    });
    expect(seen.slice(-2)).toEqual([603n, 603n]);
    expect(entries).toEqual(
      new Map([
        [OTHER, 3],
        [ORIGIN, 600],
      ]),
    );
  });

  test("that is ended half-way is incomplete: what was not looked at is not shown as passed", async () => {
    const signal = { aborted: false };
    const report = await verify({ signal, onProgress: (done) => (signal.aborted = done >= 259n) });
    expect(report).toMatchObject({ verdict: "incomplete", ok: false, firstDefect: { name: "cancelled", index: 256n } });
    expect(report.logs.map((log) => log.verdict)).toEqual(["valid", "incomplete"]);
    expect(report.logs[1]?.checks.filter((check) => check.ok).map((check) => check.name)).toEqual(["signature", "witnesses", "files"]);
  });

  test("holds one bundle at a time", async () => {
    let open = 0;
    let most = 0;
    const source = reading(files);
    await verify({
      files: {
        list: () => source.list(),
        async read(path) {
          open += 1;
          most = Math.max(most, open);
          const bytes = await source.read(path);
          open -= 1;
          return bytes;
        },
      },
    });
    expect(most).toBe(1);
  });
});

describe("an export is incomplete, never valid,", () => {
  test("when only its own policy is at hand", async () => {
    const report = await verifyExport({ files: reading(files), crypto });
    expect([report.verdict, report.firstDefect?.name]).toEqual(["incomplete", "policyMissing"]);
    expect(report.logs.every((log) => log.ok)).toBe(true);
  });

  test("when it was not written to its end", async () => {
    expect(await reason({ files: reading(new Map([...files, ["unfinished", utf8("x")]])) })).toEqual(["incomplete", "exportUnfinished"]);
  });

  test("when a file of it, or the folder, cannot be read", async () => {
    const broken = "settlement-0/tile/entries/001";
    const source = reading(files);
    const read = (path: string): Promise<Uint8Array | undefined> =>
      path === broken ? Promise.reject(new Error("disk")) : source.read(path);
    expect(await reason({ files: { list: () => source.list(), read } })).toEqual(["incomplete", "unreadable"]);
    expect(await reason({ files: { list: () => Promise.reject(new Error("disk")), read } })).toEqual(["incomplete", "unreadable"]);
  });
});

describe("an export is refused", () => {
  test("with a kept checkpoint that proves nothing itself, or is of a log that is not there", async () => {
    expect((await verify({ knownCheckpoints: ["x"] })).firstDefect?.name).toBe("noteMalformed");
    expect((await verify({ knownCheckpoints: [early.replace("\n512\n", "\n511\n")] })).firstDefect?.name).toBe("signatureInvalid");
    const strange = await noteOf({ origin: "elsewhere", size: 3, root: crypto.sm3() }, signer);
    const report = await verify({ knownCheckpoints: [strange] });
    expect([report.verdict, report.firstDefect?.name]).toEqual(["invalid", "logMissing"]);
  });

  test("log by log: a defect in one leaves the verdict on the other standing", async () => {
    const path = "registry/tile/entries/000.p/3";
    const bytes = files.get(path) ?? new Uint8Array();
    const report = await verify({ files: reading(new Map([...files, [path, bytes.with(60, (bytes[60] ?? 0) ^ 1)]])) });
    expect(report.verdict).toBe("invalid");
    expect(report.logs.map((log) => log.verdict)).toEqual(["invalid", "valid"]);
  });
});
