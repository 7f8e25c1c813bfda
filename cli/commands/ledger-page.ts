import { loadCrypto } from "../../core/crypto/index.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import { makePublicFiles } from "../platform/private-files.ts";
import { writeOut } from "../platform/files.ts";
import { readVerifierPage } from "../platform/verifier-page.ts";

/** `ronghe ledger page`: the verifier as one file for a browser, with the SM3 by which the page calls itself. */
export async function ledgerPage({ out }: { readonly out: string }): Promise<number> {
  const page = await readVerifierPage();
  makePublicFiles();
  await writeOut(out, page);
  const crypto = await loadCrypto();
  console.log(`${out}: ${page.length} bytes, SM3 ${toHex(crypto.sm3(page))}`);
  return 0;
}
