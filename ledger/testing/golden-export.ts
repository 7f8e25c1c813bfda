/** Makes `golden/platform/`: an export and receipts that every later version must accept. Existing files are never written again. */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { exportFolder } from "../export/folder.ts";
import { exportPlatform } from "../export/platform.ts";
import { proveEntries } from "../export/prove.ts";
import { newestPublishable } from "../export/publishable.ts";
import { utf8 } from "../verifier/bytes.ts";
import { printPolicy } from "../verifier/policy.ts";
import { AT, crypto, TestPlatform } from "./platform.ts";

/** What an auditor carried away from it. */
export const GOLDEN_EXPORT: URL = new URL("../golden/platform/", import.meta.url);

const ORIGINS = ["golden.example/registry", "golden.example/settlement-0"] as const;
/** Small entries, so that a full tile of them is a small file. */
const SHORT = { personal: {}, facts: {}, subject: "s", idempotencyKey: "k", ruleSetVersion: "1" };

async function makeGoldenExport(): Promise<void> {
  if (existsSync(GOLDEN_EXPORT)) return;
  const [registry, shard] = [await TestPlatform.create(ORIGINS[0]), await TestPlatform.create(ORIGINS[1])];
  await registry.append(3);
  await shard.append(4);
  await shard.append(255, SHORT);
  const trusted = [{ ...shard.signer.trusted, origins: [...ORIGINS] }];
  const logs = await Promise.all(
    [registry, shard].map(async ({ db, log }) => {
      await log.checkpoint(AT);
      return { origin: log.origin, db, note: (await newestPublishable(db, crypto, trusted, log.origin)).note };
    }),
  );
  const policy = utf8(printPolicy(trusted));
  await exportPlatform({ folder: exportFolder(new URL("out", GOLDEN_EXPORT).pathname), logs, policy, sm3: crypto.sm3 });
  await mkdir(GOLDEN_EXPORT, { recursive: true });
  await writeFile(new URL("policy.txt", GOLDEN_EXPORT), policy);
  const checkpoint = await newestPublishable(shard.db, crypto, trusted, ORIGINS[1]);
  const receipt = async (indices: readonly bigint[], disclose: boolean): Promise<string> =>
    await proveEntries({ db: shard.db, sm3: crypto.sm3, origin: ORIGINS[1], indices, checkpoint, disclose: () => disclose });
  await writeFile(new URL("receipt-one.txt", GOLDEN_EXPORT), await receipt([2n], true));
  await writeFile(new URL("receipt-several.txt", GOLDEN_EXPORT), await receipt([0n, 3n, 258n], false));
  await Promise.all([registry.close(), shard.close()]);
}

if (import.meta.main) await makeGoldenExport();
