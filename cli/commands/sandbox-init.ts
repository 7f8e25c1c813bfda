import { loadCrypto } from "../../core/crypto/index.ts";
import { printText } from "../output.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { startSandboxRails } from "../../core/settlement/rails/sandbox/start.ts";
import { type Config, UsageError } from "../config.ts";
import { foundSandbox } from "../platform/found.ts";
import { foundIn } from "../platform/founding.ts";
import { layoutOf, platformExists } from "../platform/layout.ts";
import { progressBar } from "../progress.ts";

export interface SandboxInitOptions {
  readonly seed: number;
  readonly people: number;
  readonly partitions: number;
  readonly edges: number;
}

/** `ronghe sandbox init`: a platform with an invented province in it, and how to call it. */
export async function sandboxInit(config: Config, options: SandboxInitOptions): Promise<void> {
  const layout = layoutOf(config.RONGHE_DATA);
  if (platformExists(layout)) throw new UsageError(`${layout.root} already holds a platform`);
  const { province } = await foundIn(layout, async () => {
    const bar = progressBar("people");
    const founded = await foundSandbox({
      config,
      layout,
      crypto: await loadCrypto(),
      ...options,
      onProgress: (done, of) => bar.update(done, of),
    });
    bar.stop();
    // The payers' books are theirs: written once by the payers' own service.
    const rails = await startSandboxRails({ file: layout.sandbox.rails, clock: systemClock, seedAccounts: founded.seedAccounts });
    await rails.close();
    return founded;
  });
  const data = config.RONGHE_DATA;
  printText(
    `${province.people.length} people, ${province.institutions.length} institutions and ${province.apps.length} apps in ${data}`,
    "",
    `run it:         npx ronghe serve all --data ${data}`,
    `issue a code:   npx ronghe code issue --data ${data} --png code.png`,
    "scan it:        zbarimg -q --raw code.png",
    `identify:       npx ronghe call rh.verify --data ${data} --code "$(zbarimg -q --raw code.png)"`,
    `settle:         npx ronghe call rh.settle --data ${data} --code "$(zbarimg -q --raw code.png)" --amount 128.50 --receipt receipt.txt`,
    `verify:         npx ronghe ledger verify receipt.txt --policy ${layout.policy} && npx ronghe ledger verify --data ${data}`,
    "",
    `people: u00001, u00002, …   institutions: ${province.institutions.map((one) => one.orgId).join(", ")}`,
    `callers' keys: ${layout.clients}   trusted ledger keys: ${layout.policy}`,
  );
}
