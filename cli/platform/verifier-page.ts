import { readFile } from "node:fs/promises";

/** The verifier as one file for a browser, of this version. */
export const VERIFIER_PAGE = new URL("../../ledger/verifier/page/verify.html", import.meta.url);

export async function readVerifierPage(): Promise<Uint8Array> {
  return await readFile(VERIFIER_PAGE);
}
