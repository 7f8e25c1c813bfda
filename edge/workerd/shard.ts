/**
 * The Durable Object of one shard: nonces, rates, marks, taken numbers, results and outbox of its institutions. Calls come
 * from the Worker in front; its alarm sends the outbox, asks for outcomes and tidies, and sets itself again for ever.
 */
import { DurableObject } from "cloudflare:workers";
import type { SettlementReply } from "../../core/protocol/operations.ts";
import { storageCauseOf } from "../../core/protocol/server/storage-watch.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import { createCoreCall, type CoreCall } from "../app/core-calls.ts";
import type { Admission, AdmitCall, Change, CodeMarks, CommitVerdict, GuardCall, BillsTaken, TakenRequest } from "../ports.ts";
import type { Backlog, ShardObject, ShardStatus, WorkerEnv } from "./bindings.ts";
import { readWorkerEnv, type WorkerConfig } from "./environment.ts";
import { type OpenedIdentity, openIdentity } from "./identity.ts";
import { EDGE_MIGRATIONS } from "./migrations.ts";
import { ShardOutbox } from "./shard-outbox.ts";
import { ShardResults } from "./shard-results.ts";
import { ShardStorage } from "./shard-storage.ts";
import { ShardState } from "./shard-state.ts";
import { shardOf } from "./shards.ts";
import { migrateObject, type ObjectState } from "./storage.ts";
import { openUplink } from "./uplink.ts";

/** What was just written waits so long for company before it is sent. */
const GATHER_MS = 10;
/** After work there is soon more: the next look comes after this, then after twice as long, up to the idle pause. */
const EAGER_MS = 250;
const IDLE_MS = 15_000;
const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 5_000;
/** An alarm ends in good time before the runtime would end it. */
const ALARM_MS_MAX = 20_000;
const SWEEP_EVERY_MS = 5_000;

interface Parts {
  readonly config: WorkerConfig;
  readonly identity: OpenedIdentity;
  readonly call: CoreCall;
  readonly outbox: ShardOutbox;
  readonly state: ShardState;
  readonly storage: ShardStorage;
  readonly results: ShardResults;
}

export class EdgeShard extends DurableObject<WorkerEnv> implements ShardObject {
  #opened: Parts | undefined;
  #alarmAtMs = Number.POSITIVE_INFINITY;
  #failures = 0;
  #quiet = 0;
  #sweptAtMs = 0;

  constructor(ctx: ObjectState, env: WorkerEnv) {
    super(ctx, env);
    // Without its keys, its tables or sound cryptography the object serves nobody.
    void ctx.blockConcurrencyWhile(async () => {
      this.#opened = await this.#open();
      this.#alarmAtMs = (await ctx.storage.getAlarm()) ?? Number.POSITIVE_INFINITY;
      await this.#wakeBy(this.#parts.identity.clock.now());
    });
  }

  admit(call: AdmitCall): { readonly admission: Admission; readonly backlog: Backlog } {
    const { state, outbox, storage } = this.#parts;
    return { admission: storage.written(() => state.admit(call)), backlog: outbox.backlog(call.nowMs) };
  }

  guard(call: GuardCall): number {
    return this.#parts.state.guard(call);
  }

  billsSince(sinceMs: number): readonly BillsTaken[] {
    return this.#parts.state.billsSince(sinceMs);
  }

  markOf(fingerprint: string, nowMs: EventMs): CodeMarks | undefined {
    return this.#parts.state.markOf(fingerprint, nowMs);
  }

  taken(orgId: string, outTradeNo: string): TakenRequest | undefined {
    return this.#parts.state.taken(orgId, outTradeNo);
  }

  async commit(change: Change): Promise<CommitVerdict> {
    const { state, identity, storage } = this.#parts;
    const verdict = storage.written(() => state.commit(change));
    // Set in the same breath as the rows: they are never durable without an alarm that will send them.
    if (verdict === "accepted" && change.records.length > 0) await this.#wakeBy(identity.clock.now() + GATHER_MS);
    return verdict;
  }

  find(orgId: string, outTradeNo: string, requestHash?: string): SettlementReply | undefined {
    return this.#parts.results.find(orgId, outTradeNo, requestHash);
  }

  async waitFor(settlementId: string, requestHash: string, waitMs: number): Promise<SettlementReply | undefined> {
    return await this.#parts.results.wait(settlementId, requestHash, waitMs);
  }

  async status(suspect = false): Promise<ShardStatus> {
    const { outbox, results, identity, storage } = this.#parts;
    const failing = await storage.look(suspect);
    return { backlog: outbox.backlog(identity.clock.now()), resultsRunning: results.running, storage: failing };
  }

  /** Lets nothing escape: the runtime repeats a failed alarm six times and then forgets it. */
  override async alarm(): Promise<void> {
    this.#alarmAtMs = Number.POSITIVE_INFINITY;
    const { clock } = this.#parts.identity;
    // Before the work: should it take the object with it, the next alarm stands.
    await this.#wakeBy(clock.now() + ALARM_MS_MAX + RETRY_MAX_MS);
    let pauseMs: number;
    try {
      pauseMs = await this.#round();
    } catch (error) {
      if (storageCauseOf(error) === undefined) this.#report({ bug: error instanceof Error ? error.name : typeof error });
      pauseMs = this.#backOff();
    }
    await this.#setAlarm(clock.now() + pauseMs);
  }

  /** Sends, asks, tidies; gives how long to rest. */
  async #round(): Promise<number> {
    const { config, call, outbox, results, state, identity } = this.#parts;
    const { clock, edgeId } = identity;
    const untilMs = clock.now() + ALARM_MS_MAX;
    const before = outbox.backlog(clock.now()).depth;
    const uplink = openUplink(config, call, edgeId);
    const drained = await outbox
      .drain((records) => uplink.publish(records), { nowMs: () => clock.now(), overdue: () => clock.now() >= untilMs })
      .finally(() => uplink.close());
    if (drained !== "empty") return drained === "more" ? 0 : this.#backOff();
    this.#failures = 0;
    if (!results.asking) await results.ask(0);
    if (clock.now() - this.#sweptAtMs >= SWEEP_EVERY_MS) {
      this.#sweptAtMs = clock.now();
      state.sweep(clock.now());
    }
    // What came in meanwhile has set the alarm before this one.
    this.#quiet = before > 0 ? 0 : this.#quiet + 1;
    return Math.min(IDLE_MS, EAGER_MS * 2 ** Math.min(this.#quiet, 10));
  }

  #backOff(): number {
    return Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(this.#failures++, 10));
  }

  /** Sets the alarm unless one stands that is as early. */
  async #wakeBy(atMs: number): Promise<void> {
    if (atMs < this.#alarmAtMs) await this.#setAlarm(atMs);
  }

  async #setAlarm(atMs: number): Promise<void> {
    this.#alarmAtMs = atMs;
    await this.ctx.storage.setAlarm(atMs);
  }

  async #open(): Promise<Parts> {
    const { storage } = this.ctx;
    const config = readWorkerEnv(this.env);
    await migrateObject(storage, EDGE_MIGRATIONS);
    const identity = await openIdentity(config);
    const call = createCoreCall(identity.link);
    const outbox = new ShardOutbox(storage);
    const state = new ShardState(storage, outbox, identity.clock.now());
    const { SHARD } = this.env;
    const mine = (orgId: string): boolean => SHARD.idFromName(shardOf(orgId, config.RONGHE_EDGE_SHARDS)).equals(this.ctx.id);
    const watched = new ShardStorage(storage, identity.clock);
    return { config, identity, call, outbox, state, storage: watched, results: new ShardResults({ storage, call, mine }) };
  }

  get #parts(): Parts {
    if (this.#opened === undefined) throw new Error("the shard is not open");
    return this.#opened;
  }

  /** By kind only: a message may quote what a caller sent. */
  #report(what: object): void {
    // oxlint-disable-next-line no-console
    console.error(JSON.stringify({ atMs: Date.now(), part: "edge.shard", ...what }));
  }
}
