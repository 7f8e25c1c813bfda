/** The edge on Node: its database and outbox in one libSQL file, HTTP by node:http. Signals belong to the caller. */
import { type EdgeConfig, type EdgeDependencies, type RunningEdge, startLibsqlEdge } from "./node/libsql-edge.ts";
import { listen } from "./node/listen.ts";

export type { EdgeConfig, EdgeDependencies, RunningEdge } from "./node/libsql-edge.ts";

export async function startEdge(config: EdgeConfig, dependencies: EdgeDependencies): Promise<RunningEdge> {
  return await startLibsqlEdge(config, dependencies, listen);
}
