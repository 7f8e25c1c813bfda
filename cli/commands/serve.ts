import { type Config, uplinkOf, UsageError } from "../config.ts";
import { coreUrlOf, layoutOf } from "../platform/layout.ts";
import { chosenPayers, describePayers } from "../platform/payers.ts";
import { type Part, PARTS, runPlatform } from "../platform/run.ts";
import { startWorkerdEdge } from "../platform/workerd.ts";
import { onStopAsked } from "../platform/stop.ts";
import { outliveLogs, printErrorLine } from "../output.ts";

/** After the first signal a platform may take so long to end in order; a second signal ends it at once. */
const STOP_MS_MAX = 20_000;

/** `ronghe serve`: runs until SIGINT or SIGTERM; ends with status 1 when a part died, so that a supervisor starts it again. */
export async function serve(config: Config, what: string, options: { readonly runtime?: string } = {}): Promise<void> {
  outliveLogs();
  const parts = partsOf(what, config);
  if (options.runtime === "workerd") return await serveWorkerd(config, parts);
  const platform = await runPlatform({ config, parts });
  if (platform.edge !== undefined) say(`edge     ${platform.edge.url}   (API page: ${platform.edge.url}/docs)`);
  if (platform.core !== undefined) say(`core     ${platform.core.url}`);
  else if (platform.edge !== undefined) await sayCore(config);
  if (platform.rails !== undefined) say(`payers   ${platform.rails.adminUrl}   (sandbox, admin)`);
  else if (platform.core !== undefined) say(`payers   ${describePayers(config)}`);
  if (platform.streams !== undefined) say(`streams  ${platform.streams.url}/metrics`);
  if (platform.bus === undefined) say("events   to the core's /ingest");
  else say(`bus      ${config.RONGHE_BUS}${config.RONGHE_BUS === "kafka" ? ` ${config.RONGHE_KAFKA_BROKERS.join(",")}` : ""}`);
  say(`data     ${config.RONGHE_DATA}   stop with Ctrl-C`);
  await untilStopped(platform, stopAsked());
}

/** The edge alone, by `wrangler dev` on this machine. */
async function serveWorkerd(config: Config, parts: ReadonlySet<Part>): Promise<void> {
  if (parts.size !== 1 || !parts.has("edge")) throw new UsageError("only the edge runs on workerd: serve edge --runtime workerd");
  const asked = stopAsked();
  const worker = await startWorkerdEdge(config, asked);
  if (worker === undefined) return process.exit(0);
  say(`edge     ${worker.url}   (API page: ${worker.url}/docs)`);
  await sayCore(config);
  say(`events   ${uplinkOf(config) === "core" ? "to the core's /ingest" : `kafka ${config.RONGHE_KAFKA_BROKERS.join(",")}`}`);
  say(`data     ${config.RONGHE_DATA}   stop with Ctrl-C`);
  await untilStopped(worker, asked);
}

/** Nobody need have said where it is, so an edge says whom it asks. */
async function sayCore(config: Config): Promise<void> {
  say(`core     ${await coreUrlOf(config, layoutOf(config.RONGHE_DATA))}   (elsewhere: RONGHE_CORE_URL)`);
}

function stopAsked(): Promise<undefined> {
  return new Promise((resolve) => onStopAsked(() => resolve(undefined)));
}

async function untilStopped(
  running: { readonly crashed: Promise<never>; stop(): Promise<void> },
  asked: Promise<undefined>,
): Promise<never> {
  const died = running.crashed.catch((error: unknown) => (error instanceof Error ? error : new Error("a part died")));
  const failure = await Promise.race([died, asked]);
  setTimeout(() => {
    say(`ronghe: something did not end within ${STOP_MS_MAX / 1000} s; what was taken is on disk`);
    process.exit(1);
  }, STOP_MS_MAX).unref();
  if (failure !== undefined) say(`ronghe: ${failure.name}: ${failure.message}`);
  await running.stop();
  return process.exit(failure === undefined ? 0 : 1);
}

/** Everything means the sandbox payers too, unless the settings name real ones. */
function partsOf(what: string, config: Config): ReadonlySet<Part> {
  if (what === "all") return new Set(PARTS.filter((part) => part !== "sandbox" || chosenPayers(config)?.kind !== "real"));
  const part = PARTS.find((one) => one === what);
  if (part === undefined) throw new UsageError(`nothing called ${what} to serve: all, ${PARTS.join(", ")}`);
  return new Set([part]);
}

/** For people; standard output belongs to the request lines. */
function say(line: string): void {
  printErrorLine(line);
}
