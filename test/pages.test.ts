import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asFen } from "../core/protocol/money.ts";
import type { EventMs } from "../core/protocol/time.ts";
import { daysOfMonth } from "../core/settlement/day/accounting-day.ts";
import { monthPage } from "../core/settlement/day/month-page.ts";
import type { MonthDay } from "../core/settlement/day/month.ts";
import { startPlatform, type TestPlatform } from "../edge/testing/platform.ts";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((file) => existsSync(file));
const WIDTHS = [390, 1_280, 1_440] as const;

let platform: TestPlatform;
let server: Server;
let browser: Browser;
let address: string;
beforeAll(async () => {
  platform = await startPlatform();
  const listen = getRequestListener((request) => platform.app.fetch(request));
  server = createServer((request, response) => {
    if (request.url === "/month") response.setHeader("content-type", "text/html; charset=utf-8").end(month());
    else void listen(request, response);
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  browser = await chromium.launch({ ...(executablePath === undefined ? {} : { executablePath }), args: ["--no-sandbox"] });
});
afterAll(async () => {
  await browser.close();
  server.closeAllConnections();
  await new Promise((done) => void server.close(done));
  await platform.stop();
  await platform.remove();
});

async function open(path: string, width: number, more: { readonly javaScriptEnabled?: boolean } = {}): Promise<Page> {
  const context = await browser.newContext({ viewport: { width, height: 900 }, ...more });
  // The test's own limit ends what hangs.
  context.setDefaultTimeout(0);
  const page = await context.newPage();
  page.on("console", (line) => {
    if (line.type() === "error" && !line.text().includes("Failed to load resource")) throw new Error(line.text());
  });
  await page.goto(address + path);
  return page;
}

const PAGES = ["/docs", "/docs?lang=en", "/status", "/status?lang=en", "/month"];

describe.each(WIDTHS)("at %i px", (width) => {
  test.each(PAGES)("%s is no wider than the screen, folded and unfolded", async (path) => {
    const page = await open(path, width);
    const overflow = (): Promise<number> =>
      page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        return scrollWidth - clientWidth;
      });
    expect(await overflow()).toBe(0);
    await page.evaluate(() => {
      for (const fold of document.querySelectorAll("details")) fold.open = true;
    });
    expect(await overflow()).toBe(0);
    await page.context().close();
  });
});

test.each(["/docs", "/docs?lang=en"])("%s on a telephone is twenty screens or fewer, and a link into a fold opens it", async (path) => {
  const page = await open(path, 390);
  expect(await page.evaluate(() => document.documentElement.scrollHeight)).toBeLessThan(20 * 900);
  await page.evaluate(() => void (location.hash = "#refusal-timestampOld"));
  await expect.poll(() => page.evaluate(() => document.getElementById("refusal-timestampOld")?.closest("details")?.open)).toBe(true);
  await page.context().close();
});

describe("/status", () => {
  test("renews what changed and nothing else, and says so when nobody answers", async () => {
    const page = await open("/status", 390);
    expect(await page.locator("meta[http-equiv]").count()).toBe(0);
    await page.evaluate(() => Object.assign(window, { same: document.querySelector("h1") }));
    const view = platform.ports.settings.current();
    platform.useView(undefined);
    await page.getByText("没有平台下发的有效配置").waitFor();
    platform.useView(view);
    expect(await page.evaluate(() => (window as unknown as { same: unknown }).same === document.querySelector("h1"))).toBe(true);
    expect(await page.locator('#standing[role="status"][aria-live="polite"]').count()).toBe(1);
    await page.context().setOffline(true);
    await page.getByRole("alert").waitFor();
    await page.context().close();
  });

  test("is renewed by a link where scripts are off", async () => {
    const page = await open("/status?lang=en", 390, { javaScriptEnabled: false });
    expect(await page.getByText("renewed every 5 seconds").isVisible()).toBe(false);
    await page.getByRole("link", { name: "Renew now" }).click();
    expect(page.url()).toBe(`${address}/status?lang=en`);
    await page.context().close();
  });
});

test.each(PAGES)("%s has one first heading, names for what can be focused, and labels that are seen", async (path) => {
  const page = await open(path, 390);
  const found = await page.evaluate(() => ({
    headings: document.querySelectorAll("h1").length,
    language: document.documentElement.lang,
    unnamed: [...document.querySelectorAll("a, summary, button, [tabindex]")].filter(
      (one) => (one.textContent ?? "").trim() === "" && one.getAttribute("aria-label") === null,
    ).length,
    skipped: [...document.querySelectorAll("h1, h2, h3")].some(
      (one, at, all) => Number(one.tagName[1]) - Number(all[at - 1]?.tagName[1] ?? 0) > 1,
    ),
    tables: [...document.querySelectorAll("thead th")].every((one) => one.getAttribute("scope") !== null),
  }));
  expect(found).toMatchObject({ headings: 1, unnamed: 0, skipped: false, tables: true });
  expect(found.language).not.toBe("");
  await page.context().close();
});

test("the month statement prints on A4 without cutting a column off", async () => {
  const page = await open("/month", 1_280);
  await page.emulateMedia({ media: "print" });
  // A4 less the margins of the page, at 96 pixels an inch.
  await page.setViewportSize({ width: 703, height: 1_000 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);
  expect(
    await page.evaluate(() =>
      [...document.querySelectorAll("table")].every((table) => table.scrollWidth <= document.documentElement.clientWidth),
    ),
  ).toBe(true);
  await page.context().close();
});

/** A long month of one institution, every fund paid, millions of yuan. */
function month(): string {
  const sums = {
    captures: 12_345,
    captured: asFen(9_876_543_210n),
    refunds: 123,
    refunded: asFen(87_654_321n),
    reversed: asFen(87_654_321n),
    net: asFen(9_788_888_889n),
  };
  const sources = (["hifp_pay", "hifes_pay", "acct_pay"] as const).map((fundSource) => ({
    rail: "insurance" as const,
    fundSource,
    ...sums,
  }));
  const all = [...sources, { rail: "bank" as const, fundSource: "psn_cash_pay", ...sums }];
  const seal = { origin: "ronghe.sichuan.example/settlement-0", index: 123_456n, size: 123_457n, root: "07".repeat(32) };
  const days = daysOfMonth("202611").map((day, n): MonthDay => {
    const isSealed = n < 28;
    return {
      day,
      standing: isSealed ? "sealed" : "open",
      late: n === 3 ? 2 : 0,
      sources: all,
      total: sums,
      seals: isSealed ? [{ ...seal, trialBalanceHash: "09".repeat(32), sealedAtMs: Date.UTC(2026, 10, n + 2) }] : [],
    };
  });
  const whose = { institution: "H51010000001" };
  const options = { name: "示例市第一人民医院（东区分院）", cases: [], printedAtMs: Date.UTC(2026, 11, 1) as EventMs };
  return monthPage({ month: "202611", whose, days, sources: all, total: sums }, options);
}
