import type { EdgeState, Outbox, Results } from "../ports.ts";
import type { Backlog, ShardObject, WorkerEnv } from "./bindings.ts";
import { shardName, shardOf } from "./shards.ts";
import type { Remote } from "./storage.ts";

/** The ports whose other end is the institution's shard. */
export class ShardPorts {
  readonly #env: WorkerEnv;
  readonly #count: number;
  /** As each shard was when it last answered; of an institution, when this call was admitted. */
  readonly #backlogs = new Map<string, Backlog>();
  #resultsRunning = true;

  constructor(env: WorkerEnv, shards: number) {
    this.#env = env;
    this.#count = shards;
  }

  readonly state: EdgeState = {
    admit: async (call) => {
      const { admission, backlog } = await this.#shard(call.orgId).admit(call);
      this.#backlogs.set(shardOf(call.orgId, this.#count), backlog);
      return admission;
    },
    guard: (call) => this.#shard(call.orgId).guard(call),
    billsSince: async (sinceMs) => (await Promise.all(this.#all().map((shard) => shard.billsSince(sinceMs)))).flat(),
    markOf: (orgId, fingerprint, nowMs) => this.#shard(orgId).markOf(fingerprint, nowMs),
    taken: (orgId, outTradeNo) => this.#shard(orgId).taken(orgId, outTradeNo),
    commit: (change) => {
      const orgId = change.request?.orgId ?? change.mark?.orgId ?? change.records[0]?.key;
      return orgId === undefined ? Promise.resolve("accepted") : this.#shard(orgId).commit(change);
    },
  };

  readonly outbox: Outbox = {
    backlog: (orgId) => {
      const known = orgId === undefined ? undefined : this.#backlogs.get(shardOf(orgId, this.#count));
      const all = known === undefined ? [...this.#backlogs.values()] : [known];
      return {
        depth: all.reduce((sum, { depth }) => sum + depth, 0),
        oldestAgeMs: all.reduce((oldest, { oldestAgeMs }) => Math.max(oldest, oldestAgeMs), 0),
        bus: all.some(({ bus }) => bus === "away") ? "away" : "there",
      };
    },
  };

  readonly results: Results = {
    find: (orgId, outTradeNo, requestHash) => this.#shard(orgId).find(orgId, outTradeNo, requestHash),
    wait: ({ institution, settlementId, requestHash }, waitMs) => this.#shard(institution).waitFor(settlementId, requestHash, waitMs),
    running: () => this.#resultsRunning,
  };

  async look(): Promise<void> {
    const names = Array.from({ length: this.#count }, (_, at) => shardName(at, this.#count));
    const statuses = await Promise.all(this.#all().map((shard) => shard.status()));
    for (const [at, status] of statuses.entries()) this.#backlogs.set(names[at] ?? "", status.backlog);
    this.#resultsRunning = statuses.every(({ resultsRunning }) => resultsRunning);
  }

  #shard(orgId: string): Remote<ShardObject> {
    const { SHARD } = this.#env;
    return SHARD.get(SHARD.idFromName(shardOf(orgId, this.#count)));
  }

  #all(): readonly Remote<ShardObject>[] {
    const { SHARD } = this.#env;
    return Array.from({ length: this.#count }, (_, at) => SHARD.get(SHARD.idFromName(shardName(at, this.#count))));
  }
}
