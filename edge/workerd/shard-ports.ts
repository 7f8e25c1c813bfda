import {
  type FailingStorage,
  type StorageCause,
  storageCauseOf,
  StorageEpisodes,
  type StorageNotice,
  type StorageStanding,
} from "../../core/protocol/server/storage-watch.ts";
import type { Clock } from "../../core/protocol/time.ts";
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
  readonly #running = new Map<string, boolean>();
  /** As shards said when they were last looked at. */
  #failing: readonly FailingStorage[] = [];
  readonly #clock: Clock;
  readonly #episodes: StorageEpisodes;

  /** @param notice told when storage of the shards begins to fail and when that has ended. */
  constructor(env: WorkerEnv, shards: number, clock: Clock, notice?: (notice: StorageNotice) => void) {
    this.#env = env;
    this.#count = shards;
    this.#clock = clock;
    this.#episodes = new StorageEpisodes(notice);
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
    running: () => [...this.#running.values()].every(Boolean),
  };

  /** Looking is for the request that asks (`look`): what one request waits for, another must not. */
  readonly storage: StorageStanding = {
    look: () => Promise.resolve(this.#failing),
    failing: () => this.#failing,
    watched: () => this.#all().map(() => "edge"),
    callFailed: (cause) => {
      this.#episodes.callFailed();
      if (this.#failing.length === 0) this.#storageIs([cause]);
    },
    failedCalls: () => this.#episodes.failedCalls(),
  };

  /**
   * Asks every shard how it is; gives what went wrong where one did not say. An object whose storage fails ends, and
   * forgets that it did: it is remembered here, and each is then tried by more than a page.
   */
  async look(): Promise<readonly unknown[]> {
    const suspect = this.#failing.length > 0;
    const causes: StorageCause[] = [];
    const unexplained: unknown[] = [];
    await Promise.all(
      this.#all().map(async (shard, at) => {
        const name = shardName(at, this.#count);
        try {
          const { backlog, resultsRunning, storage } = await shard.status(suspect);
          this.#backlogs.set(name, backlog);
          this.#running.set(name, resultsRunning);
          causes.push(...storage.map(({ cause }) => cause));
        } catch (error) {
          const cause = storageCauseOf(error);
          causes.push(cause ?? "unknown");
          if (cause === undefined) unexplained.push(error);
        }
      }),
    );
    this.#storageIs(causes);
    return unexplained;
  }

  #storageIs(causes: readonly StorageCause[]): void {
    const nowMs = this.#clock.now();
    const sinceMs = this.#failing[0]?.sinceMs ?? nowMs;
    this.#failing = [...new Set(causes)].map((cause) => ({ database: "edge", cause, sinceMs }));
    this.#episodes.now(this.#failing, nowMs);
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
