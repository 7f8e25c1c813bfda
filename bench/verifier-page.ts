/**
 * The verifier page in Chromium, from a file: one receipt with three cosignatures from the drop to the verdict on the
 * screen, beside the same check in this process; and a whole export of 100,000 entries.
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { chromium, type Page } from "playwright-core";
import { loadCrypto } from "../core/crypto/index.ts";
import type { Crypto } from "../core/crypto/port.ts";
import { Prover } from "../ledger/prover.ts";
import { testSigner } from "../ledger/testing/platform.ts";
import { exportOf, noteOf, rootOf, type SampleWitness, sampleLeaves, writeFiles } from "../ledger/testing/sample-export.ts";
import { type Policy, witnessKey } from "../ledger/verifier/note.ts";
import { printPolicy } from "../ledger/verifier/policy.ts";
import { printReceipt, verifyReceipt } from "../ledger/verifier/receipt.ts";
import { CompactRange, treeHasher } from "../ledger/verifier/tree.ts";
import { type Figure, median, type Report } from "./figures.ts";

const PAGE = new URL("../ledger/verifier/page/verify.html", import.meta.url);
const ENTRIES = 100_000;
const RECEIPTS = 60;
const AIM_MS = 20;

export async function run(report: Report): Promise<readonly Figure[]> {
  const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((file) => existsSync(file));
  if (executablePath === undefined) {
    console.error("bench: no Chromium, so nothing of the verifier page was measured");
    return [];
  }
  const crypto = await loadCrypto();
  const folder = await mkdtemp(join(tmpdir(), "ronghe-bench-page-"));
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
  try {
    const sample = await prepare(crypto, folder);
    report(1, 3);
    const page = await browser.newPage();
    await page.goto(PAGE.href);
    await page.waitForSelector(".page-hash");
    await page.setInputFiles("#files-input", join(folder, "policy.txt"));
    const receipts = await receiptTimes(page, sample.receipt);
    report(2, 3);
    const entriesPerSecond = await exportRate(page, join(folder, "export"));
    report(3, 3);
    const here = hereTimes(crypto, sample);
    return [
      {
        name: "verifier-page.receipt",
        what: "receipt with three cosignatures checked and shown in Chromium",
        unit: "receipts/s",
        perSecond: 1000 / median(receipts),
        bound: { what: "the same check in Node", perSecond: 1000 / median(here), ratio: median(here) / median(receipts) },
        aim: { perSecond: 1000 / AIM_MS },
        note: `median ${median(receipts).toFixed(1)} ms from the paste to the verdict on the page, ${RECEIPTS} receipts after loading; aim ${AIM_MS} ms`,
      },
      {
        name: "verifier-page.export",
        what: `export of ${ENTRIES.toLocaleString("en")} entries verified in Chromium`,
        unit: "entries/s",
        perSecond: entriesPerSecond,
      },
    ];
  } finally {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Sample {
  readonly receipt: string;
  readonly policy: Policy;
}

/** A log of 100,000 entries under a checkpoint with three cosignatures, its export, and the receipt of one entry. */
async function prepare(crypto: Crypto, folder: string): Promise<Sample> {
  const signer = testSigner();
  const witnesses = ["hospital", "insurer", "bank"].map((name, at): SampleWitness & { readonly name: string } => {
    const privateKey = new Uint8Array(32).fill(0x51 + at);
    return { name, privateKey, key: witnessKey(crypto.sm3, `${name}.example`, crypto.sm2PublicKey(privateKey)), timeS: 1_790_200_000n };
  });
  const group = { name: "all", threshold: 3, members: witnesses.map(({ name }) => name) };
  const policy: Policy = { logs: [signer.trusted], witnesses, groups: [group], quorum: "all" };
  const leaves = sampleLeaves(ENTRIES);
  const checkpoint = await noteOf({ size: ENTRIES, root: rootOf(leaves) }, signer, witnesses);
  await writeFile(join(folder, "policy.txt"), printPolicy(policy));
  await writeFiles(join(folder, "export"), exportOf([{ leaves, note: checkpoint }], printPolicy(policy)));
  const index = 77_777;
  const path = await proverOf(crypto, leaves).inclusion(index, ENTRIES);
  const leaf = leaves[index] ?? new Uint8Array();
  return { policy, receipt: printReceipt({ entries: [{ index: BigInt(index), leaf, openings: [], path }], checkpoint }) };
}

function proverOf(crypto: Crypto, leaves: readonly Uint8Array[]): Prover {
  const hasher = treeHasher(crypto.sm3);
  return new Prover(hasher, (height, at) => {
    const range = new CompactRange(hasher);
    for (const leaf of leaves.slice(at * 2 ** height, (at + 1) * 2 ** height)) range.append(hasher.leaf(leaf));
    return Promise.resolve(range.root());
  });
}

/** Milliseconds from the paste to the frame that shows the verdict, by the page's own clock. */
async function receiptTimes(page: Page, receipt: string): Promise<readonly number[]> {
  const times: number[] = [];
  for (let round = 0; round < RECEIPTS; round += 1) {
    times.push(
      await page.evaluate(async (text) => {
        const from = performance.now();
        const shown = new Promise<number>((resolve) => {
          const watch = new MutationObserver(() => {
            if (document.querySelector('.verdict[data-verdict="valid"]') === null) return;
            watch.disconnect();
            resolve(performance.now() - from);
          });
          watch.observe(document.body, { subtree: true, childList: true });
        });
        const data = new DataTransfer();
        data.setData("text/plain", text);
        document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, cancelable: true, bubbles: true }));
        return await shown;
      }, receipt),
    );
    await page.click("#input section:first-child .items button");
    await page.waitForSelector(".empty");
  }
  return times;
}

async function exportRate(page: Page, folder: string): Promise<number> {
  const from = performance.now();
  await page.setInputFiles("#folder-input", folder);
  await page.waitForSelector('.verdict[data-verdict="valid"]', { timeout: 600_000 });
  return (ENTRIES * 1000) / (performance.now() - from);
}

function hereTimes(crypto: Crypto, { receipt, policy }: Sample): readonly number[] {
  return Array.from({ length: RECEIPTS }, () => {
    const from = performance.now();
    if (!verifyReceipt(crypto, receipt, policy).ok) throw new Error("the receipt does not verify");
    return performance.now() - from;
  });
}
