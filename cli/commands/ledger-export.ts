import { loadCrypto } from "../../core/crypto/index.ts";
import { exportFolder } from "../../ledger/export/folder.ts";
import { ExportError } from "../../ledger/export/log.ts";
import { bytesMaxOf, PAGE_FILE } from "../../ledger/verifier/export-layout.ts";
import { exportPlatform, type LogToExport } from "../../ledger/export/platform.ts";
import { newestPublishable } from "../../ledger/export/publishable.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson } from "../output.ts";
import { layoutOf, readPlatform } from "../platform/layout.ts";
import { makePublicFiles } from "../platform/private-files.ts";
import { readPolicyFile } from "../platform/trust.ts";
import { logFiles, openLogFile } from "../platform/verify.ts";
import { progressBar } from "../progress.ts";
import { isThere } from "../platform/files.ts";
import { readHandedBytes } from "../platform/handed-file.ts";
import { readVerifierPage, VERIFIER_PAGE } from "../platform/verifier-page.ts";

export interface LedgerExportOptions {
  readonly out: string;
  readonly policy?: string;
  readonly page?: string;
  readonly json?: boolean;
}

/** `ronghe ledger export`: all logs as plain files (`ledger/FORMAT.md` section 11). Reading only; also beside a running platform. */
export async function ledgerExport(config: Config, options: LedgerExportOptions): Promise<number> {
  const layout = layoutOf(config.RONGHE_DATA);
  const platform = readPlatform(layout);
  const crypto = await loadCrypto();
  const policyFile = options.policy ?? layout.policy;
  const { policy: trust, bytes: policy } = await readPolicyFile(crypto, policyFile);
  const page = await pageOf(options.page);
  const bar = progressBar("entries");
  const opened: LogToExport[] = [];
  try {
    for (const { origin, file } of logFiles(layout, platform)) {
      if (!isThere(file)) throw new UsageError(`${file} is not there: the log ${origin} cannot be exported`);
      const db = await openLogFile(origin, file);
      opened.push({ origin, db, note: "" });
      const { note } = await newestPublishable(db, crypto, trust, origin);
      opened.splice(-1, 1, { origin, db, note });
    }
    makePublicFiles();
    const summary = await exportPlatform({
      folder: exportFolder(options.out),
      logs: opened,
      policy,
      ...(page === undefined ? {} : { page }),
      sm3: crypto.sm3,
      onProgress: (done, total) => bar.update(done, total),
    });
    bar.stop();
    if (options.json === true) printJson({ out: options.out, ...summary });
    else {
      for (const log of summary.logs) console.log(`${log.folder}  ${log.origin}  ${log.size} entries, ${log.written} files written`);
      console.log(`${options.out} is complete. Auditors keep ${options.out}/policy and give it as --policy the next time.`);
    }
    return 0;
  } catch (error) {
    bar.stop();
    if (!(error instanceof ExportError)) throw error;
    console.error(`ronghe: ${error.message}`);
    return 1;
  } finally {
    for (const { db } of opened) await db.close();
  }
}

/** The page that goes along: the one of this version, where it is built, or another. */
async function pageOf(file: string | undefined): Promise<Uint8Array | undefined> {
  if (file === undefined) return isThere(VERIFIER_PAGE) ? await readVerifierPage() : undefined;
  return await readHandedBytes(file, bytesMaxOf(PAGE_FILE));
}
