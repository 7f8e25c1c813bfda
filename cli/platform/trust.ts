/** What an auditor, a witness or the platform itself trusts, read from a policy file. */
import type { Crypto } from "../../core/crypto/port.ts";
import { utf8Text } from "../../ledger/verifier/bytes.ts";
import type { Policy } from "../../ledger/verifier/note.ts";
import { parsePolicy, POLICY_BYTES_MAX } from "../../ledger/verifier/policy.ts";
import { readRegularFile, UNREAD_WORDS } from "../../ledger/export/regular-file.ts";
import { UsageError } from "../config.ts";

export interface PolicyFile {
  readonly policy: Policy;
  /** Exactly what was read. */
  readonly bytes: Uint8Array;
}

/** A policy that is a link is refused: who turns the link would say whom its reader trusts. */
export async function readPolicyFile(crypto: Pick<Crypto, "sm3">, file: string): Promise<PolicyFile> {
  const read = await readRegularFile(file, POLICY_BYTES_MAX);
  if (!read.ok) throw new UsageError(`no trusted keys: ${file} ${UNREAD_WORDS[read.why]} (--policy FILE names another)`);
  const text = utf8Text(read.bytes);
  if (text === undefined) throw new UsageError(`${file} is not UTF-8 text`);
  const policy = parsePolicy(crypto.sm3, text);
  if (!policy.ok) throw new UsageError(`${file}: ${policy.error.detail}`);
  return { policy: policy.value, bytes: read.bytes };
}

export async function readTrustedKeys(crypto: Pick<Crypto, "sm3">, file: string): Promise<Policy> {
  return (await readPolicyFile(crypto, file)).policy;
}
