import { readFile } from "node:fs/promises";
import { loadCrypto } from "../../core/crypto/index.ts";
import { verifyReceiptText } from "../../ledger/verify-files.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson } from "../output.ts";
import { layoutOf } from "../platform/layout.ts";
import { type LogReport, readTrustedKeys, verifyPlatform } from "../platform/verify.ts";
import { progressBar } from "../progress.ts";

export interface LedgerVerifyOptions {
  readonly policy?: string;
  readonly checkpoint?: readonly string[];
  readonly json?: boolean;
}

/** `ronghe ledger verify`: status 0 only when every check of every log was made and passed. */
export async function ledgerVerify(config: Config, file: string | undefined, options: LedgerVerifyOptions): Promise<number> {
  return file === undefined ? await verifyFolder(config, options) : await verifyReceiptFile(config, file, options);
}

async function verifyFolder(config: Config, options: LedgerVerifyOptions): Promise<number> {
  const layout = layoutOf(config.RONGHE_DATA);
  const crypto = await loadCrypto();
  const knownCheckpoints = await Promise.all((options.checkpoint ?? []).map((file) => textOf(file)));
  const bar = progressBar("entries");
  const reports = await verifyPlatform({
    layout,
    crypto,
    knownCheckpoints,
    onProgress: (done, of) => bar.update(Number(done), Number(of)),
    ...(options.policy === undefined ? {} : { policy: options.policy }),
  });
  bar.stop();
  const ok = reports.every((report) => report.ok);
  if (options.json === true) printJson({ ok, logs: reports });
  else for (const report of reports) printLog(report);
  return ok ? 0 : 1;
}

export function printLog(report: LogReport): void {
  console.log(
    `${report.ok ? "valid   " : "INVALID "} ${report.origin}  size ${report.size}  root ${report.root === "" ? "-" : report.root}`,
  );
  for (const check of report.checks) console.log(`  ${check.ok ? "ok  " : "FAIL"} ${check.name}: ${check.detail}`);
  if (report.firstDefect !== undefined) {
    const { name, detail, index } = report.firstDefect;
    console.log(`  first defect: ${name}${index === undefined ? "" : ` at entry ${index}`}: ${detail}`);
  }
}

async function verifyReceiptFile(config: Config, file: string, options: LedgerVerifyOptions): Promise<number> {
  const crypto = await loadCrypto();
  const trustedKeys = await readTrustedKeys(crypto, options.policy ?? layoutOf(config.RONGHE_DATA).policy);
  const report = verifyReceiptText(await textOf(file), { crypto, trustedKeys });
  const { proven } = report;
  const facts =
    proven === undefined
      ? undefined
      : {
          origin: proven.leaf.origin,
          index: proven.leaf.index,
          kind: proven.leaf.kind,
          subject: proven.leaf.subject,
          institution: proven.leaf.institution,
          at: new Date(Number(proven.leaf.postedMs)).toISOString(),
          facts: Object.fromEntries((proven.leaf.facts ?? []).map((fact) => [fact.name, fact.value])),
        };
  if (options.json === true) printJson({ ok: report.ok, checks: report.checks, proven: facts, firstDefect: report.firstDefect });
  else {
    console.log(`${report.ok ? "valid" : "INVALID"} receipt ${file}`);
    for (const check of report.checks) console.log(`  ${check.ok ? "ok  " : "FAIL"} ${check.name}: ${check.detail}`);
    if (facts !== undefined) printJson(facts);
    if (report.firstDefect !== undefined) console.log(`  first defect: ${report.firstDefect.name}: ${report.firstDefect.detail}`);
  }
  return report.ok ? 0 : 1;
}

async function textOf(file: string): Promise<string> {
  return await readFile(file, "utf8").catch(() => {
    throw new UsageError(`${file} cannot be read`);
  });
}
