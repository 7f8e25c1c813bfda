/** The edge on Deno: the libSQL file of Node, by the same native client; HTTP by `Deno.serve`. Signals belong to the caller. */
import { listen } from "./deno/listen.ts";
import { type EdgeConfig, type EdgeDependencies, type RunningEdge, startLibsqlEdge } from "./node/libsql-edge.ts";

export type { EdgeConfig, EdgeDependencies, RunningEdge } from "./node/libsql-edge.ts";

export async function startEdge(config: EdgeConfig, dependencies: EdgeDependencies): Promise<RunningEdge> {
  return await startLibsqlEdge(config, dependencies, listen);
}
