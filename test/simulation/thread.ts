/** Runs the seeds it is told to. A trace goes back only with findings: of a good seed its hash says enough. */
import { parentPort, workerData } from "node:worker_threads";
import { EPOCH_MS, openFounded } from "./founding.ts";
import { interposeStorage } from "./life.ts";
import { runSeed, type SeedOptions } from "./seed.ts";
import { installVirtualTime, VirtualTime } from "./virtual-time.ts";

const { folder } = workerData as { readonly folder: string };
const founded = await openFounded(folder);
const current = { time: new VirtualTime() };
interposeStorage();
installVirtualTime(() => current.time, EPOCH_MS);
let last: Promise<unknown> = Promise.resolve();
parentPort?.on("message", (options: SeedOptions & { readonly traced?: boolean }) => {
  last = last.then(async () => {
    const end = await runSeed(founded, current, options);
    parentPort?.postMessage(end.findings.length > 0 || options.traced === true ? end : { ...end, trace: [] }, []);
  });
});
parentPort?.postMessage("ready", []);
