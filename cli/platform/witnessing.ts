/** Who cosigns this platform's logs, from its settings and its policy file. */
import type { PublicationLine, Witnessing } from "../../core/checkpoint-publication.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { type Config, UsageError } from "../config.ts";
import type { Layout } from "./layout.ts";
import { readTrustedKeys } from "./trust.ts";
import { printErrorJson } from "../output.ts";
import { isThere } from "./files.ts";

/** `undefined` when the policy names no witness. A witness that has no address is refused here: it could never be asked. */
export async function readWitnessing(config: Config, layout: Layout, crypto: Crypto): Promise<Witnessing | undefined> {
  const file = config.RONGHE_WITNESS_POLICY ?? layout.policy;
  if (config.RONGHE_WITNESS_POLICY === undefined && !isThere(file)) return undefined;
  const policy = await readTrustedKeys(crypto, file);
  if (policy.witnesses.length === 0) return undefined;
  const silent = policy.witnesses.find(({ url }) => url === undefined);
  if (silent !== undefined) throw new UsageError(`${file}: the witness ${silent.name} has no address, so it cannot be asked`);
  return {
    policy,
    onMissing: config.RONGHE_WITNESS_FAIL,
    intervalMs: config.RONGHE_CHECKPOINT_INTERVAL_MS,
    timeoutMs: config.RONGHE_WITNESS_TIMEOUT_MS,
    receiptWaitMs: config.RONGHE_WITNESS_WAIT_MS,
    report: tell,
  };
}

/** One line when a log's witnesses fail or are back; sizes and names of witnesses only. */
function tell(line: PublicationLine): void {
  printErrorJson({ atMs: Date.now(), part: "core", ...line });
}
