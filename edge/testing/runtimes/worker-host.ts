/** A bundled Worker in workerd on this machine, by Miniflare, in a process that can be killed with all below it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Miniflare } from "miniflare";

export interface WorkerHostSettings {
  /** What `bundleWorker` made. */
  readonly bundle: string;
  readonly folder: string;
  readonly bindings: Readonly<Record<string, string>>;
  /** Whether the Worker has the edge's Durable Objects (default true). */
  readonly objects?: boolean;
}

const { bundle, folder, bindings, objects = true } = JSON.parse(process.argv[2] ?? "") as WorkerHostSettings;
const files = readdirSync(bundle);
const main = files.find((name) => name.endsWith(".js"));
if (main === undefined) throw new Error(`no Worker in ${bundle}`);
const contents = (name: string): Buffer => readFileSync(join(bundle, name));
const miniflare = new Miniflare({
  host: "127.0.0.1",
  port: 0,
  cf: false,
  compatibilityDate: "2026-07-01",
  compatibilityFlags: ["nodejs_compat"],
  modules: [
    { type: "ESModule", path: main, contents: contents(main) },
    ...files
      .filter((name) => name.endsWith(".wasm"))
      .map((name) => ({ type: "CompiledWasm" as const, path: name, contents: contents(name) })),
    ...files.filter((name) => name.endsWith(".sql")).map((name) => ({ type: "Text" as const, path: name, contents: contents(name) })),
  ],
  bindings: { ...bindings },
  ...(objects
    ? {
        durableObjects: {
          SHARD: { className: "EdgeShard", useSQLite: true },
          SETTINGS: { className: "EdgeSettings", useSQLite: true },
        },
      }
    : {}),
  durableObjectsPersist: join(folder, "workerd"),
});
const url = await miniflare.ready;
process.on("SIGTERM", () => void miniflare.dispose().then(() => process.exit(0)));
console.log(url.origin);
