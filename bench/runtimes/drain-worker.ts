/** A shard in workerd whose alarm waits until it is told to send. */
import type { EventMs } from "../../core/protocol/time.ts";
import { answering } from "../../edge/testing/runtimes/wire.ts";
import type { WorkerEnv } from "../../edge/workerd/bindings.ts";
import { EdgeShard } from "../../edge/workerd/shard.ts";
import type { Namespace } from "../../edge/workerd/storage.ts";
import { queuedRecords } from "./queued.ts";

export { EdgeSettings } from "../../edge/workerd/settings-object.ts";

class HeldShard extends EdgeShard {
  held = true;

  async fill(from: number, count: number): Promise<void> {
    this.held = true;
    const atMs = Date.now() as EventMs;
    await this.commit({ atMs, records: queuedRecords(from, count, atMs) });
  }

  async release(): Promise<void> {
    this.held = false;
    await this.ctx.storage.setAlarm(Date.now());
  }

  async depth(): Promise<number> {
    return (await this.status()).backlog.depth;
  }

  override async alarm(): Promise<void> {
    if (!this.held) await super.alarm();
  }
}
export { HeldShard as EdgeShard };

export default {
  async fetch(request: Request, env: WorkerEnv): Promise<Response> {
    const namespace = env.SHARD as Namespace<HeldShard>;
    const shard = namespace.get(namespace.idFromName("bench"));
    const inside = {
      fill: (from: number, count: number) => shard.fill(from, count),
      async drain() {
        await shard.release();
        while ((await shard.depth()) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      },
    };
    return await answering(() => ({ inside }))(request);
  },
};
