/** The two SDKs as their users have them: in Node from source, in Chromium as the built modules, against a running platform. */
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadCrypto } from "../core/crypto/index.ts";
import { fromHex, toBase64, fromBase64 } from "../core/protocol/bytes.ts";
import { systemClock } from "../core/protocol/time.ts";
import { type ClientProfile, partnerOf, readClients } from "../cli/platform/clients.ts";
import { layoutOf, readRuntime } from "../cli/platform/layout.ts";
import { bundleSdk } from "../edge/sdk/build.ts";
import { type SdkScene, walkThrough } from "./harness/sdk-walk.ts";
import { FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { ronghe, serve, type Serving } from "./harness/process.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let platform: Serving;
let settings: { readonly RONGHE_DATA: string } & Record<string, string>;
let scene: Omit<SdkScene, "run">;
let signers: Map<string, (message: Uint8Array) => Uint8Array>;

beforeAll(async () => {
  folder = await temporaryFolder();
  settings = { RONGHE_DATA: join(folder.path, "province"), ...FREE_PORTS };
  const made = await ronghe(["sandbox", "init"], settings);
  expect(made.code, made.stderr).toBe(0);
  platform = await serve(["all"], settings);
  const layout = layoutOf(settings.RONGHE_DATA);
  const { edgeUrl = "", coreUrl = "" } = await readRuntime(layout);
  const [app] = await readClients(layout, "app");
  const [hospital] = await readClients(layout, "institution");
  if (app === undefined || hospital === undefined) throw new Error("the sandbox has nobody to call");
  const crypto = await loadCrypto();
  const signer = (profile: ClientProfile) => (message: Uint8Array) =>
    crypto.sm2Sign(fromHex(profile.privateKey) ?? new Uint8Array(), message);
  signers = new Map([
    [app.orgId, signer(app)],
    [hospital.orgId, signer(hospital)],
  ]);
  scene = {
    coreUrl,
    edgeUrl,
    app: { orgId: app.orgId, profile: plain(app), appUserId: app.users[0] ?? "" },
    hospital: { orgId: hospital.orgId, profile: plain(hospital), termId: hospital.terminals[0] ?? "" },
  };
});
afterAll(async () => {
  await platform.stop();
  await folder[Symbol.asyncDispose]();
});

describe("channel and terminal SDK", () => {
  it("register, bind, show, scan, identify, settle, give back and look up, in Node", async () => {
    const channel = await import("../edge/sdk/channel.ts");
    const terminal = await import("../edge/sdk/terminal.ts");
    const walked = await walkThrough(
      { channel, terminal },
      { ...scene, run: "node" },
      {
        sign: (orgId, message) => Promise.resolve(signers.get(orgId)?.(message) ?? new Uint8Array()),
        now: () => systemClock.now(),
        queue: terminal.memoryQueue(),
      },
    );
    expect(walked).toEqual(WALKED);
  });

  it("do the same in Chromium, with the keys at the app's backend and a symbol that a reader reads", async (context) => {
    const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((file) => existsSync(file));
    if (executablePath === undefined) {
      if (process.env["CI"] !== undefined) throw new Error("Chromium is missing");
      return context.skip("Chromium is missing");
    }
    const backend = await startBackend();
    const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"];
    const browser: Browser = await chromium.launch({ executablePath, args });
    try {
      const page = await browser.newPage({ viewport: { width: 480, height: 560 } });
      page.setDefaultTimeout(0);
      const troubles: string[] = [];
      page.on("pageerror", (error) => troubles.push(error.message));
      await page.goto(`http://127.0.0.1:${(backend.address() as AddressInfo).port}/`);
      const walked = await page.evaluate((given) => (globalThis as unknown as InPage).walk(given), { ...scene, run: "chromium" });
      expect(troubles).toEqual([]);
      expect(walked).toEqual(WALKED);
      expect(await readSymbol(page)).toBe(await page.evaluate(() => (globalThis as unknown as InPage).shownText));
    } finally {
      await browser.close();
      backend.closeAllConnections();
      backend.close();
    }
  });
});

function plain(profile: ClientProfile): SdkScene["app"]["profile"] {
  return { ...partnerOf(profile), publicKeys: profile.platformKeys };
}

interface InPage {
  walk(scene: SdkScene): Promise<unknown>;
  readonly shownText: string;
}

const WALKED = {
  registered: { userName: "测*", again: "same" },
  otherPerson: "idempotencyConflict",
  bound: "pending",
  accountsAfterUnbind: 0,
  shown: ["loading", "shown"],
  scanned: "fused.signed",
  masked: true,
  settled: { kind: "final", status: "settled", amount: "23.45" },
  lookedUp: "settled",
  secondUse: "codeUsed",
  refunded: { kind: "final", status: "refunded" },
  revoked: "codeRevoked",
  waiting: 0,
};

/** What an app's own backend does: serves the page and signs for it. */
async function startBackend(): Promise<Server> {
  const [channel, terminal, walk] = [await bundleSdk("channel"), await bundleSdk("terminal"), await bundleWalk()];
  const files: Readonly<Record<string, readonly [type: string, text: string]>> = {
    "/": ["text/html; charset=utf-8", PAGE],
    "/channel.js": ["text/javascript", channel],
    "/terminal.js": ["text/javascript", terminal],
    "/walk.js": ["text/javascript", walk],
  };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://backend");
    if (pathname === "/sign") {
      const signature = signers.get(searchParams.get("orgId") ?? "")?.(fromBase64(searchParams.get("message") ?? "") ?? new Uint8Array());
      response.end(toBase64(signature ?? new Uint8Array()));
      return;
    }
    const file = files[pathname];
    if (file === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": file[0] }).end(file[1]);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

async function bundleWalk(): Promise<string> {
  const { build } = await import("esbuild");
  const entry = new URL("./harness/sdk-walk.ts", import.meta.url).pathname;
  const built = await build({ entryPoints: [entry], bundle: true, write: false, format: "esm", platform: "browser", logLevel: "error" });
  return built.outputFiles[0]?.text ?? "";
}

const PAGE = `<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>出示</title>
<body style="margin:40px;background:#fff"><div id="code" style="width:400px;height:400px"></div>
<script type="module">
  import * as channel from "/channel.js";
  import * as terminal from "/terminal.js";
  import { walkThrough } from "/walk.js";
  const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
  globalThis.walk = async (scene) => {
    const queue = await terminal.indexedDbQueue("till-1");
    return await walkThrough({ channel, terminal }, scene, {
      now: () => Date.now(),
      queue,
      sign: async (orgId, message) => {
        const query = new URLSearchParams({ orgId, message: base64(message) });
        const text = await (await fetch("/sign?" + query)).text();
        return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
      },
      show: (text, svg) => {
        globalThis.shownText = text;
        document.getElementById("code").innerHTML = svg;
      },
    });
  };
</script></body></html>`;

async function readSymbol(page: Page): Promise<string> {
  const png = join(folder.path, "shown.png");
  writeFileSync(png, await page.locator("#code").screenshot());
  return execFileSync("zbarimg", ["-q", "--raw", png], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}
