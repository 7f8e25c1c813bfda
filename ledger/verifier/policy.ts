/** What an auditor trusts, as one small text: keys of logs, each with the logs it may speak for (`FORMAT.md` section 7). */
import { isName } from "./bytes.ts";
import { parseVerifierKey, printVerifierKey, type TrustedKey } from "./note.ts";
import type { Hash } from "./tree.ts";
import { type Checked, failed, passed } from "./verdict.ts";

const POLICY_CHARACTERS_MAX = 256 * 1024;

/**
 * Reads lines `log <verifier key> [<origin> …]`; empty lines and lines that begin with `#` are for people. Any other
 * line is refused, so that a policy of a later version is never half understood.
 */
export function parsePolicy(hash: Hash, text: string): Checked<readonly TrustedKey[]> {
  if (text.length > POLICY_CHARACTERS_MAX) return failed("policyMalformed", "the policy is too long");
  const keys: TrustedKey[] = [];
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    const [word = "", keyText = "", ...origins] = line.trim().split(/[ \t]+/);
    if (word === "" || word.startsWith("#")) continue;
    if (word !== "log" || !origins.every(isName))
      return failed("policyMalformed", `line ${at + 1} is not \`log <verifier key> [<origin> …]\``);
    const key = parseVerifierKey(hash, keyText);
    if (!key.ok) return failed("policyMalformed", `line ${at + 1}: ${key.error.detail}`);
    keys.push(origins.length === 0 ? key.value : { ...key.value, origins });
  }
  return keys.length === 0 ? failed("policyMalformed", "the policy names no key") : passed(keys);
}

export function printPolicy(keys: readonly TrustedKey[]): string {
  const lines = keys.map((key) => ["log", printVerifierKey(key), ...(key.origins ?? [])].join(" "));
  return ["# Keys trusted to sign checkpoints: log <name>+<id>+<key> [<origin> ...]", ...lines, ""].join("\n");
}
