/** What an auditor, a witness or the platform itself trusts, read from a policy file. */
import { readFile } from "node:fs/promises";
import type { Crypto } from "../../core/crypto/port.ts";
import type { Policy } from "../../ledger/verifier/note.ts";
import { parsePolicy } from "../../ledger/verifier/policy.ts";
import { UsageError } from "../config.ts";

export async function readTrustedKeys(crypto: Crypto, file: string): Promise<Policy> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) throw new UsageError(`no trusted keys: ${file} cannot be read (--policy FILE names another)`);
  const policy = parsePolicy(crypto.sm3, text);
  if (!policy.ok) throw new UsageError(`${file}: ${policy.error.detail}`);
  return policy.value;
}
