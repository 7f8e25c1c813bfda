/**
 * Nobody is found in anything that comes out: a whole demo with request lines, traces and metrics on, and every name, document
 * number, account, code, token and key that was used in it looked for in all of its output, topics and files.
 */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "@libsql/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readClients } from "../cli/platform/clients.ts";
import { layoutOf } from "../cli/platform/layout.ts";
import { makeProvince } from "../cli/sandbox/province.ts";
import { seededRandom } from "../cli/sandbox/random.ts";
import { type Collector, startCollector } from "./harness/collector.ts";
import { allFiles, temporaryFolder } from "./harness/folder.ts";
import { environment } from "./harness/process.ts";

const SETTLEMENTS = "40";
/** `PEOPLE_MIN` of the demo. */
const PEOPLE = 80;
const WATCHED = fileURLToPath(new URL("./harness/watched-demo.ts", import.meta.url));

interface Outlet {
  readonly what: string;
  readonly bytes: Buffer;
}
interface Secret {
  readonly what: string;
  readonly bytes: Buffer;
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let collector: Collector;
const outlets: Outlet[] = [];
const secrets: Secret[] = [];
let files: readonly Outlet[] = [];
let stdout = "";
let issued: readonly string[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
  collector = await startCollector();
  const data = join(folder.path, "data");
  const [secretsFile, shownFile] = [join(folder.path, "secrets"), join(folder.path, "shown")];
  const child = spawn(process.execPath, [WATCHED, data, SETTLEMENTS, secretsFile, shownFile], {
    env: environment({ RONGHE_LOG: "json", RONGHE_OTLP_URL: collector.url }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString("latin1")));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString("latin1")));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  expect(code, stderr).toBe(0);

  const layout = layoutOf(data);
  outlets.push(
    { what: "standard output", bytes: Buffer.from(stdout, "latin1") },
    { what: "standard error", bytes: Buffer.from(stderr, "latin1") },
  );
  outlets.push({ what: "pages, metrics and topics", bytes: await readFile(shownFile) });
  outlets.push(...collector.bodies.map((body, at) => ({ what: `traces ${at}`, bytes: Buffer.from(body) })));
  // Callers and payers keep their own people and keys.
  const kept = (path: string): boolean => path.startsWith(layout.clients) || path.startsWith(layout.sandbox.folder);
  files = (await allFiles(data)).filter(({ path }) => !kept(path)).map(({ path, bytes }) => ({ what: relative(data, path), bytes }));
  // A value may lie across two pages of a file: rows are read as well.
  for (const { what } of files.filter((file) => file.what.endsWith(".db")))
    outlets.push({ what: `${what}, rows`, bytes: await rowsOf(join(data, what)) });

  issued = (await readFile(secretsFile, "utf8")).split("\n").filter((line) => line !== "");
  for (const value of new Set(issued)) {
    secrets.push({ what: "a code or token", bytes: Buffer.from(value) });
    // What makes a code somebody's: its token, whatever stands before it.
    if (value.startsWith("RH") || value.includes(":")) secrets.push({ what: "the token of a code", bytes: Buffer.from(value.slice(-86)) });
  }
  const { people } = makeProvince(seededRandom(1), { people: PEOPLE });
  for (const person of people) {
    secrets.push({ what: "a name", bytes: Buffer.from(person.name) });
    const numbers = [person.idNo, person.insurance?.accountId, person.commercial?.authorisationId, person.bank?.contractId];
    for (const number of numbers) if (number !== undefined) secrets.push({ what: "a number", bytes: Buffer.from(number) });
  }
  for (const profile of [...(await readClients(layout, "institution")), ...(await readClients(layout, "app"))])
    secrets.push(...keyForms("a caller's private key", profile.privateKey), {
      what: "a caller's secret",
      bytes: Buffer.from(profile.appSecret),
    });
  for (const [what, file] of [
    ["the key of the key stores", layout.kek],
    ["the operator's key", layout.core.operatorKey],
  ] as const)
    secrets.push(...keyForms(what, (await readFile(file, "utf8")).trim()));
});
afterAll(async () => {
  await collector?.stop();
  await folder?.[Symbol.asyncDispose]();
});

/** A key as hex, Base64 and bytes. */
function keyForms(what: string, hex: string): readonly Secret[] {
  const bytes = Buffer.from(hex, "hex");
  const texts = [hex.toLowerCase(), hex.toUpperCase(), bytes.toString("base64"), bytes.toString("base64url")];
  return [{ what, bytes }, ...texts.map((text) => ({ what, bytes: Buffer.from(text) }))];
}

async function rowsOf(file: string): Promise<Buffer> {
  const db = createClient({ url: `file:${file}`, intMode: "bigint" });
  try {
    const parts: Buffer[] = [];
    for (const { name } of (await db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")).rows)
      for (const row of (await db.execute(`SELECT * FROM "${String(name)}"`)).rows)
        for (const value of Object.values(row))
          parts.push(value instanceof ArrayBuffer ? Buffer.from(value) : Buffer.from(String(value)), Buffer.from("\n"));
    return Buffer.concat(parts);
  } finally {
    db.close();
  }
}

/** The outlets in which a secret stands, by name; never the secret itself. */
function leaks(where: readonly Outlet[]): readonly string[] {
  return where.flatMap((outlet) =>
    secrets.filter(({ bytes }) => outlet.bytes.includes(bytes)).map(({ what }) => `${outlet.what} holds ${what}`),
  );
}

describe("a whole demo with everything on", () => {
  it("shows a lot: lines of every kind, metrics of both parts, traces, topics, files", () => {
    const lines = stdout.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as Record<string, unknown>] : []));
    for (const operation of ["rh.verify", "rh.settle", "rh.refund", "rh.result"])
      expect(
        lines.filter((line) => line["transType"] === operation && typeof line["traceId"] === "string").length,
        operation,
      ).toBeGreaterThan(0);
    expect(
      lines.filter((line) => line["route"] === "/v1/rh.code.issue" || String(line["route"]).startsWith("/v1/")).length,
    ).toBeGreaterThan(Number(SETTLEMENTS));
    expect(lines.filter((line) => line["page"] === "other").length).toBeGreaterThan(0);
    const shown = outlets.find(({ what }) => what.startsWith("pages"))?.bytes ?? Buffer.alloc(0);
    for (const text of [
      "ronghe_edge_requests_total{",
      "ronghe_core_requests_total{",
      "settlement.claim.settled.v1 ",
      "code.scan.observed.v1 ",
      "traceparent",
    ])
      expect(shown.includes(text), text).toBe(true);
    const names = new Set(collector.spans().map((span) => span.name));
    for (const name of ["edge.request", "core.intake", "vault.open", "rail.call", "ledger.commit", "edge.outcome"])
      expect(names).toContain(name);
    expect(issued.length).toBeGreaterThan(Number(SETTLEMENTS));
    expect(files.length).toBeGreaterThan(8);
  });

  it("holds no name, number, account, code, token or key in output, metrics, traces or topics", () => {
    expect(leaks(outlets.filter(({ what }) => !what.endsWith("rows")))).toEqual([]);
  });

  it("holds none in any file but those of the callers and the payers", () => {
    const own = new Set(["kek", join("core", "operator.key")]);
    expect(leaks([...files.filter(({ what }) => !own.has(what)), ...outlets.filter(({ what }) => what.endsWith("rows"))])).toEqual([]);
  });

  it("would be seen to, if it did", () => {
    const somebody = secrets.find(({ what }) => what === "a number");
    if (somebody === undefined) throw new Error("nobody lives in the province");
    expect(leaks([{ what: "a leaf", bytes: Buffer.concat([Buffer.from("x"), somebody.bytes]) }])).toEqual(["a leaf holds a number"]);
  });
});
