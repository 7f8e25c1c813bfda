/** The page as an auditor opens it: from a saved file, in Chromium, with no server and no network. */
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { EXAMPLE_OPENING } from "../../testing/example.ts";
import { AT, crypto, ORIGIN, testSigner } from "../../testing/platform.ts";
import { chained, exportOf, noteOf, rootOf, sampleBody, sampleLeaves, writeFiles } from "../../testing/sample-export.ts";
import { toHex, utf8 } from "../bytes.ts";
import { printPolicy } from "../policy.ts";
import { type EntryRange, printRange } from "../range.ts";
import { printReceipt } from "../receipt.ts";
import { treeHasher } from "../tree.ts";
import { buildPage } from "./build.ts";

const golden = (name: string): string => fileURLToPath(new URL(`../../golden/${name}`, import.meta.url));
const PAGE_FILE = fileURLToPath(new URL("./verify.html", import.meta.url));
const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((file) => existsSync(file));
const ENTRIES = 100_000;
/** For a machine with other work to do. */
const signer = testSigner();

let folder: string;
let browser: Browser;
let page: Page;
/** Whatever the page asked of a network, wrote to its console or threw. */
let trouble: string[];

const put = async (...files: readonly string[]): Promise<void> => await page.setInputFiles("#files-input", [...files]);
const putFolder = async (path: string): Promise<void> => await page.setInputFiles("#folder-input", path);
const verdict = async (): Promise<string | null> => await page.getAttribute(".verdict", "data-verdict");
const text = async (selector: string): Promise<string> => (await page.textContent(selector)) ?? "";
/** `name status reason` of every check shown. */
const checks = async (): Promise<readonly string[]> =>
  await page.$$eval(".check", (rows) =>
    rows.map((row) =>
      ["data-check", "data-status", "data-reason"]
        .map((name) => row.getAttribute(name) ?? "")
        .join(" ")
        .trim(),
    ),
  );
const written = async (name: string, content: string | Uint8Array): Promise<string> => {
  const file = join(folder, name);
  await writeFile(file, content);
  return file;
};
const show = async (content: string): Promise<void> => {
  await put(join(folder, "policy.txt"), await written("range.txt", content));
  await page.waitForSelector(".verdict");
};
const line = (receipt: string, start: string): string => receipt.split("\n").find((one) => one.startsWith(start)) ?? "";
const sm3 = (file: string): string => toHex(crypto.sm3(readFileSync(file)));

/** What the auditor asked for, into the fields of the page. */
const ask = async (to = "2026-09-21T22:13:50+08:00"): Promise<void> => {
  for (const [field, value] of Object.entries({ institution: "H51003", to, log: ORIGIN })) {
    await page.fill(`#ask-${field}`, value);
    await page.press(`#ask-${field}`, "Tab");
  }
  await page.waitForSelector(".verdict");
};

test("verify.html is what its source gives", async () => {
  expect(readFileSync(PAGE_FILE, "utf8")).toBe(await buildPage());
});

describe.skipIf(executablePath === undefined && process.env["CI"] === undefined)("in Chromium", () => {
  beforeAll(async () => {
    if (executablePath === undefined) throw new Error("Chromium is missing");
    folder = await mkdtemp(join(tmpdir(), "ronghe-page-"));
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
    // A copy elsewhere: the file needs nothing beside it.
    await cp(PAGE_FILE, join(folder, "saved.html"));
    await writeFile(join(folder, "policy.txt"), printPolicy([signer.trusted]));
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    await page?.close();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    // The test's own limit ends what hangs.
    page.setDefaultTimeout(0);
    trouble = [];
    page.on("request", (request) => (/^(?:file|blob|data):/.test(request.url()) ? 0 : trouble.push(request.url())));
    page.on("console", (message) => trouble.push(message.text()));
    page.on("pageerror", (error) => trouble.push(error.message));
    await page.goto(pathToFileURL(join(folder, "saved.html")).href);
    await page.waitForSelector(".page-hash");
  });

  describe("a good receipt", () => {
    beforeEach(async () => {
      await put(golden("example/policy.txt"), golden("example/receipt-1.txt"));
      await page.waitForSelector(".verdict");
    });

    test("is valid, with each check by name, its facts in words and its amounts in yuan", async () => {
      expect(await verdict()).toBe("valid");
      expect(await text(".verdict h2")).toBe("验证通过");
      expect(await checks()).toEqual([
        "format ok",
        "leaf ok",
        "signature ok",
        "witnesses ok",
        "position ok",
        "inclusion ok",
        "disclosures ok",
      ]);
      expect(await page.$$eval(".money tr", (rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)))).toEqual([
        ["资金来源", "金额（元）"],
        ["cash（银行）", "28.50"],
        ["统筹基金（医疗保险）", "100.00"],
        ["各来源合计", "128.50"],
      ]);
      expect(await text(".entry .facts")).toContain("结算完成");
      expect(await text(".entry .facts")).toContain("2026-09-21 22:13:20 (UTC+8)");
      expect(await text(".personal")).toContain(`姓名${EXAMPLE_OPENING.value}`);
      expect(await page.getAttribute("#status", "aria-live")).toBe("polite");
      expect(await text("#status")).toBe("验证通过");
      expect(trouble).toEqual([]);
    });

    test("reads the same in English, and prints a report with the hash of every file and of the page", async () => {
      await page.click("#language-en");
      expect(await text(".verdict h2")).toBe("Valid");
      expect(await page.getAttribute("html", "lang")).toBe("en");
      expect(await text(".money")).toContain("pooling fund (medical insurance)");
      const words = await page.evaluate(() => document.body.innerText);
      expect(
        words
          .replace("中文", "")
          .replace("张三", "")
          .match(/\p{Script=Han}+/gu),
      ).toBeNull();
      await page.emulateMedia({ media: "print" });
      expect(await page.isVisible("#input")).toBe(false);
      expect(await page.isVisible("#head")).toBe(false);
      expect(await page.isVisible(".verdict h2")).toBe(true);
      expect(await text(".files")).toContain(`receipt-1.txt890${sm3(golden("example/receipt-1.txt"))}`);
      expect(await text(".colophon .facts")).toContain(sm3(golden("example/policy.txt")));
      expect(await text(".page-hash")).toBe(sm3(PAGE_FILE));
    });

    test("is incomplete again once the policy is taken away", async () => {
      await page.click('[aria-label="移除 policy.txt"]');
      await page.waitForSelector('.verdict[data-verdict="incomplete"]');
      expect(await checks()).toContain("signature incomplete policyMissing");
      expect(await page.isVisible(".money")).toBe(false);
    });
  });

  const good = readFileSync(golden("forty/receipt-31.txt"), "utf8");
  const other = readFileSync(golden("forty/receipt-39.txt"), "utf8");
  const bad: readonly (readonly [what: string, receipt: () => string | Uint8Array, check: string])[] = [
    ["one character of the leaf", () => good.replace("leaf UkhMRUFGAAEB", "leaf UkhMRUFGAAIB"), "leaf failed leafMalformed"],
    ["another entry's leaf", () => good.replace(line(good, "leaf "), line(other, "leaf ")), "position failed leafIndex"],
    ["a hash of the path", () => good.replace(line(good, "path "), line(other, "path ")), "inclusion failed proofRoot"],
    ["a line too many", () => good.replace("\n\n", "\nnote x\n\n"), "format failed receiptMalformed"],
    ["the size in the checkpoint", () => good.replace("\n40\n", "\n41\n"), "signature failed signatureInvalid"],
    ["a signature that nobody trusts", () => good.replace("— log.example ", "— log.examplf "), "signature failed signatureMissing"],
    ["Windows line ends", () => good.replaceAll("\n", "\r\n"), "format failed receiptMalformed"],
    ["a byte order mark", () => `\ufeff${good}`, "none"],
    ["bytes that are no text", () => Uint8Array.of(...utf8(good), 0xff), "none"],
    [
      "a disclosed value",
      () => readFileSync(golden("example/receipt-1.txt"), "utf8").replace("5byg5LiJ", "5p2O5Zub"),
      "disclosures failed commitmentMismatch",
    ],
  ];
  test("a receipt with anything changed is refused by name, and shows nothing of what it claims", async () => {
    for (const [what, receipt, check] of bad) {
      const file = await written("bad.txt", receipt());
      await put(golden("forty/policy.txt"), file);
      await page.waitForSelector(check === "none" ? ".refused" : ".verdict");
      if (check !== "none") {
        expect(await verdict(), what).toBe("invalid");
        expect(
          (await checks()).filter((one) => !one.endsWith("ok") && !one.endsWith("notMade")),
          what,
        ).toEqual([check]);
      }
      expect(await page.isVisible(".entry"), what).toBe(false);
      await page.click("#clear");
      await page.waitForSelector(".empty");
    }
  });

  test("a receipt for several entries shows each", async () => {
    await put(golden("platform/policy.txt"), golden("platform/receipt-several.txt"));
    await page.waitForSelector(".verdict");
    expect(await verdict()).toBe("valid");
    expect(await page.$$eval(".entry h4", (heads) => heads.map((head) => head.textContent))).toEqual(
      [0, 3, 258].map((index) => `已证实的内容 · 条目 ${index}`),
    );
  });

  test("a receipt whose values were erased says where, under which order, and on what ground", async () => {
    const hash = crypto.sm3(utf8("gone"));
    const facts = { approvedBy: "wang", "erased/0/person": toHex(hash), ground: "withdrawn", part: "1/1", scope: "person" };
    const leaves = chained([
      { ...sampleBody(0), commitments: [{ name: "person", hash }] },
      {
        kind: "ledger.values.erased",
        outcome: "accepted",
        actor: "operator/li",
        subject: "order-1",
        facts: Object.entries(facts).map(([name, value]) => ({ name, value })),
      },
    ]);
    const [first, second] = leaves;
    if (first === undefined || second === undefined) throw new Error("no leaves");
    const { leaf } = treeHasher(crypto.sm3);
    const receipt = printReceipt({
      entries: [
        { index: 0n, leaf: first, openings: [], path: [leaf(second)] },
        { index: 1n, leaf: second, openings: [], path: [leaf(first)] },
      ],
      checkpoint: await noteOf({ size: 2, root: rootOf(leaves) }, signer),
    });
    await put(join(folder, "policy.txt"), await written("erased.txt", receipt));
    await page.waitForSelector(".verdict");
    expect(await verdict()).toBe("valid");
    expect(await text(".personal")).toContain("已依法删除，见条目 #1");
    expect(await text(".personal")).toContain("order-1");
    const words = await text(".entry:last-of-type .facts");
    expect(words).toContain("批准人wang");
    expect(words).toContain("撤回同意（第四十七条第三项）");
    expect(words).toContain(`已删除 #0 人员代号${toHex(hash)}`);
    expect(trouble).toEqual([]);
  });

  describe("a range", () => {
    const leaves = sampleLeaves(40);
    const rangeText = async (change: Partial<EntryRange> = {}): Promise<string> =>
      printRange(crypto.sm3, {
        origin: ORIGIN,
        institution: "H51003",
        fromMs: 0n,
        toMs: BigInt(AT + 30_000),
        first: 0n,
        left: [],
        leaves,
        path: [],
        checkpoint: await noteOf({ size: 40, root: rootOf(leaves) }, signer),
        ...change,
      });
    test("is incomplete and shows nothing until the auditor says what was asked for", async () => {
      await show(await rangeText());
      expect([await verdict(), await page.isVisible(".range")]).toEqual(["incomplete", false]);
      expect(await checks()).toContain("question incomplete questionMissing");
      expect(await text(".questions")).toBe(`您的提问没有填写文本自称回答H51003账本启用 – 2026-09-21 22:13:50 (UTC+8)${ORIGIN}`);
    });

    test("that answers another question than the auditor's is refused, and a field that cannot be read is named", async () => {
      await show(await rangeText());
      await ask("2026-09-22");
      expect([await verdict(), await page.isVisible(".range")]).toEqual(["invalid", false]);
      expect(await checks()).toContain("question failed questionMismatch");
      await page.fill("#ask-institution", "H51003\u200b");
      await page.press("#ask-institution", "Tab");
      await page.waitForSelector(".verdict.incomplete");
      expect(await text(".refused")).toBe("以下各项无法采用: 机构");
    });

    test("shows every entry of the institution in the period, in both languages", async () => {
      await show(await rangeText());
      await ask();
      expect(await verdict()).toBe("valid");
      expect(await text(".range-proven")).toBe("H51003 在 账本启用 至 2026-09-21 22:13:50 (UTC+8) 之间的条目共 4 条，一条不少。");
      expect(await page.$$eval(".range tbody tr", (rows) => rows.map((row) => row.children[0]?.textContent))).toEqual([
        "3",
        "10",
        "17",
        "24",
      ]);
      await page.click("#language-en");
      expect(await text(".range-proven")).toContain("H51003 has 4 entries from the beginning of the log to");
      expect((await page.evaluate(() => document.body.innerText)).replace("中文", "").match(/\p{Script=Han}+/gu)).toBeNull();
      expect(trouble).toEqual([]);
    });

    test("shows nothing when anything is missing, changed, or not yet over", async () => {
      const sound = await rangeText();
      const bad: readonly (readonly [content: string, verdict: string, check: string])[] = [
        [await rangeText({ leaves: leaves.slice(0, -1) }), "invalid", "run failed proofMalformed"],
        [sound.replace("institution H51003", "institution H51004"), "invalid", "format failed rangeMalformed"],
        [await rangeText({ toMs: BigInt(AT + 90_000) }), "incomplete", "period incomplete rangeOpen"],
      ];
      for (const [content, wanted, check] of bad) {
        await show(content);
        await ask(check.endsWith("rangeOpen") ? "2026-09-21T22:14:50+08:00" : undefined);
        expect([await verdict(), await page.isVisible(".range")]).toEqual([wanted, false]);
        expect(await checks()).toContain(check);
        await page.click("#clear");
        await page.waitForSelector(".empty");
      }
    });
  });

  test("several receipts show which of them does not hold, and none is lost in the others", async () => {
    await put(golden("forty/policy.txt"), golden("forty/receipt-0.txt"), await written("bad.txt", good.replace("\n40\n", "\n41\n")));
    await page.waitForSelector(".verdict");
    expect(await verdict()).toBe("invalid");
    expect(await page.$$eval(".outcome", (parts) => parts.map((part) => part.getAttribute("data-verdict")))).toEqual(["valid", "invalid"]);
    expect(await page.$$eval(".overview li", (lines) => lines.length)).toBe(2);
  });

  describe("checkpoints", () => {
    test("pasted: two of one size and root agree, without a proof two sizes are incomplete", async () => {
      await put(golden("forty/policy.txt"));
      for (const size of [40, 13]) {
        await page.click("#paste");
        await page.fill("#paste-text", `\n${readFileSync(golden(`forty/checkpoint-${size}.txt`), "utf8").replaceAll("\n", "\r\n")}\n`);
        await page.click("#paste-take");
      }
      await page.waitForSelector('[data-check="consistency"]');
      expect(await verdict()).toBe("incomplete");
      expect(await checks()).toEqual(["signature ok", "witnesses ok", "olderSignature ok", "consistency incomplete proofMissing"]);
    });

    test("that contradict each other convict whoever signed them", async () => {
      const forged = await noteOf({ size: 40, root: crypto.sm3() }, signer);
      const real = await noteOf({ size: 40, root: crypto.sm3(utf8("x")) }, signer);
      await put(join(folder, "policy.txt"), await written("a.txt", forged), await written("b.txt", real));
      await page.waitForSelector(".verdict");
      expect(await verdict()).toBe("invalid");
      expect(await checks()).toContain("consistency failed knownCheckpoint");
    });
  });

  describe("an export", () => {
    let exported: string;
    beforeAll(async () => {
      exported = join(folder, "export");
      const leaves = sampleLeaves(700);
      const note = await noteOf({ size: 700, root: rootOf(leaves) }, signer);
      await writeFiles(exported, exportOf([{ leaves, note }], printPolicy([signer.trusted])));
      await writeFile(join(folder, "kept.txt"), await noteOf({ size: 300, root: rootOf(leaves.slice(0, 300)) }, signer));
      await writeFile(join(folder, "fork.txt"), await noteOf({ size: 300, root: crypto.sm3() }, signer));
    });

    test("is valid with a checkpoint that was kept, and tells what it holds", async () => {
      await put(join(folder, "policy.txt"), join(folder, "kept.txt"));
      await putFolder(exported);
      await page.waitForSelector(".outcome .log");
      expect(await verdict()).toBe("valid");
      expect(await checks()).toContain("knownCheckpoints ok");
      expect(await text(".kinds")).toContain("结算完成 settlement.settled5450");
      expect(await page.isVisible(".caution")).toBe(false);
      expect(trouble).toEqual([]);
    });

    test("without the auditor's policy is incomplete, and without a kept checkpoint says what cannot be seen", async () => {
      await putFolder(exported);
      await page.waitForSelector(".outcome .log");
      expect(await verdict()).toBe("incomplete");
      expect(await checks()).toContain("policy incomplete policyMissing");
      expect(await text(".caution")).toContain("没有提供以前留存的检查点");
    });

    test("with a file changed, left out, or contradicted by a kept checkpoint is refused by name", async () => {
      const broken = join(folder, "broken");
      await cp(exported, broken, { recursive: true });
      const bundle = join(broken, "settlement-0/tile/entries/001");
      const bytes = readFileSync(bundle);
      await writeFile(bundle, bytes.with(5_000, (bytes[5_000] ?? 0) ^ 1));
      await put(join(folder, "policy.txt"));
      await putFolder(broken);
      await page.waitForSelector(".outcome .log");
      expect([await verdict(), await page.$$eval(".check.failed", (rows) => rows.length)]).toEqual(["invalid", 1]);
      await rm(bundle);
      await page.click("#clear");
      await put(join(folder, "policy.txt"));
      await putFolder(broken);
      await page.waitForSelector(".outcome .log");
      expect(await checks()).toContain("files failed fileMissing");
      await page.click("#clear");
      await put(join(folder, "policy.txt"), join(folder, "fork.txt"));
      await putFolder(exported);
      await page.waitForSelector(".outcome .log");
      expect(await checks()).toContain("knownCheckpoints failed knownCheckpoint");
    });

    test("of 100,000 entries shows its progress, can be cancelled, and ends as incomplete then, as valid otherwise", async () => {
      const large = join(folder, "large");
      const leaves = sampleLeaves(ENTRIES);
      await writeFiles(
        large,
        exportOf([{ leaves, note: await noteOf({ size: ENTRIES, root: rootOf(leaves) }, signer) }], printPolicy([signer.trusted])),
      );
      // Every state of the bar is kept: how fast it moves is the machine's affair.
      await page.evaluate(() => {
        const seen: string[] = [];
        let isCancelled = false;
        Object.assign(window, { seen });
        new MutationObserver(() => {
          const bar = document.querySelector("progress");
          if (bar === null || bar.max === 1) return;
          seen.push(`${bar.value}/${bar.max}`);
          if (!isCancelled) document.querySelector<HTMLElement>("#cancel")?.click();
          isCancelled = true;
        }).observe(document.body, { subtree: true, childList: true, attributes: true });
      });
      await put(join(folder, "policy.txt"));
      await putFolder(large);
      await page.waitForSelector(".outcome .log");
      expect(await verdict()).toBe("incomplete");
      expect(await checks()).toContain("leaves incomplete cancelled");
      await page.click("#again");
      await page.waitForSelector('.verdict[data-verdict="valid"]');
      const seen = await page.evaluate(() => (window as unknown as { readonly seen: readonly string[] }).seen);
      expect(new Set(seen).size).toBeGreaterThan(10);
      expect(seen.every((one) => one.endsWith("/100000"))).toBe(true);
      expect(await text('[data-check="leaves"] .evidence')).toContain("100,000");
      expect(trouble).toEqual([]);
    });
  });

  test("everything can be done from the keyboard, and markup in a receipt stays text", async () => {
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("language-en");
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("language-en");
    const ids: (string | undefined)[] = [];
    for (let at = 0; at < 3; at += 1) {
      await page.keyboard.press("Tab");
      ids.push(await page.evaluate(() => document.activeElement?.id));
    }
    expect(ids).toEqual(["files", "folder", "paste"]);
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("paste-text");
    await page.keyboard.insertText("<img src=x onerror=alert(1)>");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".refused");
    const hostile = await written("<b>x.txt", "<script>alert(1)</script>");
    await put(hostile);
    await page.waitForFunction(() => document.querySelectorAll(".refused").length === 2);
    expect(await page.$$eval("#input img, #input b, #input script", (elements) => elements.length)).toBe(0);
    expect(trouble).toEqual([]);
  });

  test("the page can reach no network even when told to", async () => {
    const reached = await page.evaluate(() =>
      fetch("http://127.0.0.1:9/").then(
        () => "reached",
        () => "refused",
      ),
    );
    expect(reached).toBe("refused");
    expect(trouble.some((one) => one.includes("Content Security Policy"))).toBe(true);
  });
});
