/** `ronghe ledger witnesses`: who stands by the logs of a running platform; status 1 while a log lacks its quorum. */
import type { WitnessReport } from "../../core/http/ledger-routes.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson, printTable } from "../output.ts";
import { layoutOf, readRuntime } from "../platform/layout.ts";

const TIMEOUT_MS = 5_000;

export async function ledgerWitnesses(config: Config, options: { readonly json?: boolean }): Promise<number> {
  const { coreUrl } = await readRuntime(layoutOf(config.RONGHE_DATA));
  if (coreUrl === undefined) throw new UsageError("no core is running there");
  const response = await fetch(`${coreUrl}/ledger/v1/status`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new UsageError(`the core at ${coreUrl} answers ${response.status}`);
  const report = (await response.json()) as WitnessReport;
  if (options.json === true) printJson(report);
  else {
    printTable(
      ["log", "state", "signed", "published", "wanted"],
      report.logs.map((log) => [log.origin, log.state, log.signedSize, log.publishedSize, log.wanted]),
    );
    printTable(
      ["log", "witness", "size", "last answer"],
      report.logs.flatMap((log) => log.witnesses.map((witness) => [log.origin, witness.name, witness.size, witness.answer])),
    );
  }
  return report.status === "ok" ? 0 : 1;
}
