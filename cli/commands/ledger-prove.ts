import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { settlementId } from "../../core/protocol/settlement-id.ts";
import { ExportError } from "../../ledger/export/log.ts";
import { entriesAbout, proveEntries, type SubjectEntry, withErasures } from "../../ledger/export/prove.ts";
import { newestPublishable } from "../../ledger/export/publishable.ts";
import { verifyReceiptText } from "../../ledger/verify-files.ts";
import { type Config, UsageError } from "../config.ts";
import { layoutOf, readPlatform } from "../platform/layout.ts";
import { readTrustedKeys } from "../platform/trust.ts";
import { logFiles, openLogFile } from "../platform/verify.ts";
import { isThere, writeOut } from "../platform/files.ts";

export interface LedgerProveOptions {
  readonly settlement: string;
  readonly out: string;
  readonly all?: boolean;
  readonly disclose?: readonly string[];
  readonly policy?: string;
}

/** Entries that end a settlement; behind the last of them nothing more is decided. */
const DECISIVE: ReadonlySet<string> = new Set(["settlement.settled", "settlement.refunded", "settlement.refused"]);

/** `ronghe ledger prove`: a receipt that verifies offline for ever. Reading only; also beside a running platform. */
export async function ledgerProve(config: Config, options: LedgerProveOptions): Promise<number> {
  const layout = layoutOf(config.RONGHE_DATA);
  const platform = readPlatform(layout);
  const crypto = await loadCrypto();
  const trust = await readTrustedKeys(crypto, options.policy ?? layout.policy);
  const subject = subjectOf(crypto, options.settlement);
  for (const { origin, file } of logFiles(layout, platform)) {
    if (!isThere(file)) continue;
    const db = await openLogFile(origin, file);
    try {
      const entries = await entriesAbout(db, subject);
      if (entries.length === 0) continue;
      const checkpoint = await newestPublishable(db, crypto, trust, origin);
      const chosen = options.all === true ? entries : [decisive(entries)];
      const indices = await withErasures(
        db,
        chosen.map((entry) => entry.index),
      );
      const receipt = await proveEntries({
        db,
        sm3: crypto.sm3,
        origin,
        indices,
        checkpoint,
        disclose: (name) => options.disclose?.some((wanted) => wanted === name || wanted === "all") === true,
      });
      // Handed out only when it would be accepted: a damaged database must not print paper.
      const report = verifyReceiptText(receipt, { crypto, trustedKeys: trust });
      if (!report.ok) throw new ExportError(`the entry cannot be proven: ${report.firstDefect?.detail ?? "unknown"}`);
      await writeOut(options.out, receipt);
      for (const { index, kind } of chosen) console.log(`entry ${index} of ${origin}: ${kind}`);
      const erasures = indices.filter((index) => !chosen.some((entry) => entry.index === index));
      for (const index of erasures) console.log(`entry ${index} of ${origin}: personal fields erased lawfully`);
      console.log(`written to ${options.out}, signed at ${checkpoint.size} entries`);
      return 0;
    } catch (error) {
      if (!(error instanceof ExportError)) throw error;
      console.error(`ronghe: ${error.message}`);
      return 1;
    } finally {
      await db.close();
    }
  }
  throw new UsageError(`no log of this platform has an entry about ${subject}`);
}

/** A settlement by our name, or by the institution's own: `<orgId>/<outTradeNo>`. */
function subjectOf(crypto: Crypto, text: string): string {
  const slash = text.indexOf("/");
  return slash === -1 ? text : settlementId(crypto, text.slice(0, slash), text.slice(slash + 1));
}

function decisive(entries: readonly SubjectEntry[]): SubjectEntry {
  const entry = entries.findLast(({ kind }) => DECISIVE.has(kind)) ?? entries.at(-1);
  if (entry === undefined) throw new Error("no entry to prove");
  return entry;
}
