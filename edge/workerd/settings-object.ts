/**
 * The Durable Object that keeps the edge's settings: asks the core for them, checks them as any edge does
 * (`edge/settings.ts`) and keeps the last good ones sealed, so that a new isolate has them without the core. One for the
 * whole edge.
 */
import { DurableObject } from "cloudflare:workers";
import type { KeyStore } from "../../core/crypto/port.ts";
import { utf8, utf8Text } from "../../core/protocol/bytes.ts";
import { createCoreClient } from "../app/core-client.ts";
import { EDGE_CACHE_KEY } from "../identity.ts";
import { type BundleCache, type LiveSettings, openSettings } from "../settings.ts";
import type { SettingsAnswer, SettingsObject, WorkerEnv } from "./bindings.ts";
import { readWorkerEnv } from "./environment.ts";
import { openIdentity } from "./identity.ts";
import { EDGE_MIGRATIONS } from "./migrations.ts";
import { ShardPorts } from "./shard-ports.ts";
import { migrateObject, type ObjectState, type ObjectStorage } from "./storage.ts";

const REFRESH_MS = 30_000;
/** While there are none that hold, nobody is served. */
const EAGER_MS = 1_000;
/** The longest a timer can be: the alarm asks instead. */
const NEVER_MS = 2_147_483_647;

export class EdgeSettings extends DurableObject<WorkerEnv> implements SettingsObject {
  #settings: LiveSettings | undefined;

  constructor(ctx: ObjectState, env: WorkerEnv) {
    super(ctx, env);
    void ctx.blockConcurrencyWhile(async () => {
      await migrateObject(ctx.storage, EDGE_MIGRATIONS);
      const config = readWorkerEnv(env);
      const { edgeId, crypto, clock, keys, platformKey, link } = await openIdentity(config);
      const core = createCoreClient(link);
      const shards = new ShardPorts(env, config.RONGHE_EDGE_SHARDS, clock);
      /** Where events go by the core itself, it knows without being told. */
      const waitingMs = async (): Promise<number> => {
        if (config.RONGHE_EDGE_UPLINK !== "bus") return 0;
        await shards.look();
        return shards.outbox.backlog().oldestAgeMs;
      };
      this.#settings = await openSettings({
        crypto,
        clock,
        edgeId,
        platformKey,
        cache: objectCache(ctx.storage, keys),
        fetchBundle: async (trusts) => await core.bundle(trusts, await waitingMs()),
        refreshMs: NEVER_MS,
        notice: (notice) => {
          // oxlint-disable-next-line no-console
          console.error(JSON.stringify({ part: "edge.settings", ...notice }));
        },
      });
      await ctx.storage.setAlarm(Date.now() + this.#pauseMs());
    });
  }

  /** The bundle in force, unless it is the one of `version`. */
  current(version: number | undefined): SettingsAnswer {
    const settings = this.#open;
    const bundle = settings.current()?.bundle;
    const state = settings.state?.();
    const said = state === undefined ? {} : { state };
    if (bundle === undefined) return { ...said, bundle: null };
    return bundle.version === version ? said : { ...said, bundle };
  }

  override async alarm(): Promise<void> {
    // Before the work, so that whatever becomes of it another alarm stands.
    await this.ctx.storage.setAlarm(Date.now() + REFRESH_MS);
    // Unreachable or refused: the bundle in force goes on until its end, and `state` says why.
    await this.#open.refresh().catch(() => undefined);
    await this.ctx.storage.setAlarm(Date.now() + this.#pauseMs());
  }

  #pauseMs(): number {
    return this.#open.current() === undefined ? EAGER_MS : REFRESH_MS;
  }

  get #open(): LiveSettings {
    if (this.#settings === undefined) throw new Error("the settings are not open");
    return this.#settings;
  }
}

/** As `edge/node/bundle-cache.ts` keeps it in a file. */
function objectCache({ sql }: ObjectStorage, keys: KeyStore): BundleCache {
  return {
    async load() {
      const [row] = sql.exec("SELECT version, sealed FROM bundle_cache WHERE id = 0").toArray();
      if (row === undefined) return undefined;
      const version = Number(row["version"]);
      const sealed = row["sealed"] instanceof ArrayBuffer ? new Uint8Array(row["sealed"]) : new Uint8Array();
      const opened = await keys.open(EDGE_CACHE_KEY, sealed, aadOf(version));
      return { version, text: opened === undefined ? "" : (utf8Text(opened) ?? "") };
    },
    async save(version, text) {
      sql.exec(
        `INSERT INTO bundle_cache (id, version, sealed) VALUES (0, ?, ?)
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, sealed = excluded.sealed WHERE excluded.version >= version`,
        version,
        await keys.seal(EDGE_CACHE_KEY, utf8(text), aadOf(version)),
      );
    },
  };
}

function aadOf(version: number): Uint8Array {
  return utf8(`edge.bundle/${version}`);
}
