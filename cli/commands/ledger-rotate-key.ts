/**
 * `ronghe ledger rotate-key`: changes the key that signs a log, by overlap. The first call announces the next key, from there
 * on both sign; the second, with `--retire`, ends the old one. Each is an entry of the log. The platform stands still
 * meanwhile: one process writes a log.
 */
import { loadCrypto } from "../../core/crypto/index.ts";
import { KEY_HANDLES } from "../../core/key-handles.ts";
import { announceKey, type LogKey, retireKey, type RotationRefusal } from "../../core/log-keys.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { POLICY_BYTES_MAX, parsePolicy, printLogLine } from "../../ledger/verifier/policy.ts";
import { openDatabase } from "../../migrations/database.ts";
import { type Config, UsageError } from "../config.ts";
import { shardKeyHandle } from "../platform/core.ts";
import { openKeys } from "../platform/keys.ts";
import { readHandedText } from "../platform/handed-file.ts";
import { expectLogFile, layoutOf, readPlatform, writePrivate } from "../platform/layout.ts";
import { ownFolder } from "../platform/owner.ts";
import { readPolicyFile } from "../platform/trust.ts";
import { logFiles } from "../platform/verify.ts";

export interface RotateKeyOptions {
  /** Origin of one log; all logs without it. */
  readonly log?: string;
  readonly retire?: boolean;
  readonly by: string;
}

const REFUSALS: Readonly<Record<RotationRefusal, string>> = {
  overlapOpen: "two keys sign already: end the older one first, with --retire",
  nothingToRetire: "only one key signs: announce the next one first, without --retire",
};

export async function ledgerRotateKey(config: Config, options: RotateKeyOptions): Promise<void> {
  const layout = layoutOf(config.RONGHE_DATA);
  const platform = readPlatform(layout);
  const crypto = await loadCrypto();
  const all = logFiles(layout, platform);
  const chosen = options.log === undefined ? all : all.filter(({ origin }) => origin === options.log);
  if (chosen.length === 0) throw new UsageError(`no log ${options.log ?? ""}; there are ${all.map(({ origin }) => origin).join(", ")}`);
  for (const { file } of chosen) expectLogFile(layout, file);
  // Before anything is announced: a policy that cannot be read cannot be rewritten.
  await readPolicyFile(crypto, layout.policy);
  const owned = ownFolder(layout.core.folder);
  let changes = 0;
  try {
    const keys = await openKeys(config, layout, crypto, "core");
    for (const { origin, file } of chosen) {
      const partition = all.findIndex((log) => log.origin === origin) - 1;
      const kind = partition < 0 ? "core" : "shard";
      const db = await openDatabase({ kind, file });
      try {
        const firstHandle = partition < 0 ? KEY_HANDLES.registrySign : shardKeyHandle(partition);
        const change = options.retire === true ? retireKey : announceKey;
        const changed = await change({ db, origin, crypto, keys, firstHandle, clock: systemClock, actor: `operator/${options.by}` });
        if (!changed.ok) {
          // Of all logs some may be there already: a change that was cut short is gone on with.
          if (options.log !== undefined) throw new UsageError(`${origin}: ${REFUSALS[changed.error]}`);
          console.log(`# ${origin}: ${REFUSALS[changed.error]}`);
          continue;
        }
        changes += 1;
        // At once after the entry: should it fail, the same lines can be written from the log again.
        await rewritePolicy(layout.policy, origin, changed.value, crypto.sm3);
        for (const one of changed.value) console.log(printLogLine(one.key));
      } finally {
        await db.close();
      }
    }
  } finally {
    owned.release();
  }
  if (changes === 0) throw new UsageError(`nothing was changed: ${REFUSALS[options.retire === true ? "nothingToRetire" : "overlapOpen"]}`);
  console.log(
    `written to ${layout.policy}: hand it to every auditor and witness${options.retire === true ? "" : " before the old key is retired"}`,
  );
}

/** Puts the keys of one log in place of the lines it had; whatever else the policy says stays as it stands. */
async function rewritePolicy(file: string, origin: string, keys: readonly LogKey[], sm3: Parameters<typeof parsePolicy>[0]): Promise<void> {
  const lines = (await readHandedText(file, POLICY_BYTES_MAX)).split("\n");
  const isOurs = (line: string): boolean => line.startsWith("log ") && line.trimEnd().endsWith(` ${origin}`);
  const at = lines.findIndex(isOurs);
  const others = lines.filter((line) => !isOurs(line));
  const place = at === -1 ? others.findIndex((line) => line !== "" && !line.startsWith("#")) : at;
  const text = others.toSpliced(Math.max(place, 0), 0, ...keys.map(({ key }) => printLogLine(key))).join("\n");
  const parsed = parsePolicy(sm3, text);
  if (!parsed.ok) throw new Error(`the policy would not be one: ${parsed.error.detail}`);
  await writePrivate(file, text);
}
