import { loadCrypto } from "../../core/crypto/index.ts";
import { proveConsistency } from "../../ledger/export/consistency.ts";
import { exportFolder } from "../../ledger/export/folder.ts";
import { ExportError } from "../../ledger/export/log.ts";
import { NOTE_BYTES_MAX } from "../../ledger/verifier/note.ts";
import { readHandedText } from "../platform/handed-file.ts";
import { writeOut } from "../platform/files.ts";

export interface LedgerConsistencyOptions {
  readonly export: string;
  readonly older: string;
  readonly out: string;
}

/** `ronghe ledger consistency`: the proof that an export goes on from an older checkpoint, as a text to carry beside the two. */
export async function ledgerConsistency(options: LedgerConsistencyOptions): Promise<number> {
  const older = await readHandedText(options.older, NOTE_BYTES_MAX);
  const crypto = await loadCrypto();
  try {
    await writeOut(options.out, await proveConsistency({ files: exportFolder(options.export), sm3: crypto.sm3, older }));
  } catch (error) {
    if (!(error instanceof ExportError)) throw error;
    console.error(`ronghe: ${error.message}`);
    return 1;
  }
  console.log(`written to ${options.out}`);
  return 0;
}
