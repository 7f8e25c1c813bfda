import { type Config, UsageError } from "../config.ts";
import { type Part, PARTS, runPlatform } from "../platform/run.ts";
import { onStopAsked } from "../platform/stop.ts";

/** After the first signal a platform may take so long to end in order; a second signal ends it at once. */
const STOP_MS_MAX = 20_000;

/** `ronghe serve`: runs until SIGINT or SIGTERM; ends with status 1 when a part died, so that a supervisor starts it again. */
export async function serve(config: Config, what: string): Promise<void> {
  const parts = partsOf(what, config);
  const platform = await runPlatform({ config, parts });
  if (platform.edge !== undefined) say(`edge     ${platform.edge.url}   (API page: ${platform.edge.url}/docs)`);
  if (platform.core !== undefined) say(`core     ${platform.core.url}`);
  if (platform.rails !== undefined) say(`payers   ${platform.rails.adminUrl}   (sandbox, admin)`);
  say(`bus      ${config.RONGHE_BUS}${config.RONGHE_BUS === "kafka" ? ` ${config.RONGHE_KAFKA_BROKERS.join(",")}` : ""}`);
  say(`data     ${config.RONGHE_DATA}   stop with Ctrl-C`);
  const died = platform.crashed.catch((error: unknown) => (error instanceof Error ? error : new Error("a part died")));
  const asked = new Promise<undefined>((resolve) => onStopAsked(() => resolve(undefined)));
  const failure = await Promise.race([died, asked]);
  setTimeout(() => process.exit(1), STOP_MS_MAX).unref();
  if (failure !== undefined) say(`ronghe: ${failure.name}: ${failure.message}`);
  await platform.stop();
  process.exit(failure === undefined ? 0 : 1);
}

/** Everything means the sandbox payers too, unless the settings name real ones. */
function partsOf(what: string, config: Config): ReadonlySet<Part> {
  const realPayers = [config.RONGHE_RAIL_INSURANCE_URL, config.RONGHE_RAIL_COMMERCIAL_URL, config.RONGHE_RAIL_BANK_URL].every(
    (url) => url !== undefined,
  );
  if (what === "all") return new Set(PARTS.filter((part) => part !== "sandbox" || !realPayers));
  const part = PARTS.find((one) => one === what);
  if (part === undefined) throw new UsageError(`nothing called ${what} to serve: all, ${PARTS.join(", ")}`);
  return new Set([part]);
}

/** For people; standard output belongs to the request lines. */
function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
