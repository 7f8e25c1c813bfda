/** The ports of an edge on workerd, for a test in another process: the Durable Objects of the edge, and nothing of the app. */
import { systemClock } from "../../../core/protocol/time.ts";
import type { WorkerEnv } from "../../workerd/bindings.ts";
import { readWorkerEnv } from "../../workerd/environment.ts";
import { ShardPorts } from "../../workerd/shard-ports.ts";
import { EdgeShard } from "../../workerd/shard.ts";
import { shardName } from "../../workerd/shards.ts";
import type { Namespace, SqlValue } from "../../workerd/storage.ts";
import { answering } from "./wire.ts";

export { EdgeSettings } from "../../workerd/settings-object.ts";

/** A shard that a test may look into. */
class OpenShard extends EdgeShard {
  query(text: string): Record<string, SqlValue>[] {
    return this.ctx.storage.sql.exec(text).toArray();
  }

  /** An alarm that ends as badly as one can, so that the runtime repeats it and gives up. */
  failing = 0;
  failAlarms(times: number): void {
    this.failing = times;
  }

  override async alarm(): Promise<void> {
    await super.alarm();
    if (this.failing-- > 0) throw new Error("an alarm that failed after its work");
  }
}
export { OpenShard as EdgeShard };

let ports: ShardPorts | undefined;

export default {
  async fetch(request: Request, env: WorkerEnv): Promise<Response> {
    if (request.method === "GET") return new Response("ready");
    const shards = readWorkerEnv(env).RONGHE_EDGE_SHARDS;
    ports ??= new ShardPorts(env, shards, systemClock);
    const { state, results } = ports;
    const namespace = env.SHARD as Namespace<OpenShard>;
    const all = Array.from({ length: shards }, (_, at) => namespace.get(namespace.idFromName(shardName(at, shards))));
    const outbox = {
      backlog: async (orgId?: string) => {
        await ports?.look();
        return ports?.outbox.backlog(orgId);
      },
    };
    const inside = {
      sql: async (query: string) => (await Promise.all(all.map((shard) => shard.query(query)))).flat(),
      failAlarms: async (times: number) => void (await Promise.all(all.map((shard) => shard.failAlarms(times)))),
    };
    return await answering(() => ({ state, results, outbox, inside }))(request);
  },
};
