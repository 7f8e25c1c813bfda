import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import type { StorageWatch } from "../../core/protocol/server/storage-watch.ts";
import type { Clock } from "../../core/protocol/time.ts";
import type { Tracing } from "../../core/protocol/tracing.ts";
import type { RunningEdge } from "../../edge/entry.node.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import type { Config } from "../config.ts";
import { reportBug } from "./bugs.ts";
import { readEdgeIdentity } from "./edge-identity.ts";
import { EDGE_REPLY_KEY } from "./keys.ts";
import type { Layout, PlatformFile } from "./layout.ts";
import { printLine, printNotice } from "./lines.ts";

export interface PlatformEdgeOptions {
  readonly config: Config;
  readonly layout: Layout;
  readonly platform: PlatformFile;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly clock: Clock;
  readonly storage: StorageWatch;
  /** `core`: it hands over to the core's `POST /ingest`. */
  readonly bus: EventBus | "core";
  readonly coreUrl: string;
  readonly coreFetch?: (request: Request) => Promise<Response>;
  readonly refreshMs?: number;
  readonly tracing?: Tracing;
  readonly quiet?: boolean;
}

/** An edge from its own folder: its keys, the secret it shares with the core, and the platform key it trusts. */
export async function startPlatformEdge(options: PlatformEdgeOptions): Promise<RunningEdge> {
  const { layout, config, platform, keys } = options;
  const { secret: internalKey, platformKey } = await readEdgeIdentity(layout, platform, keys);
  const { startEdge } = await (process.versions["deno"] === undefined
    ? import("../../edge/entry.node.ts")
    : import("../../edge/entry.deno.ts"));
  return await startEdge(
    {
      edgeId: platform.edgeId,
      file: layout.edge.database,
      host: config.RONGHE_HOST,
      port: config.RONGHE_EDGE_PORT,
      coreUrl: options.coreUrl,
      internalKey,
      platformKey,
      replyKeyHandle: EDGE_REPLY_KEY,
      limits: { outboxDepthMax: config.RONGHE_OUTBOX_MAX },
      ...(options.refreshMs === undefined ? {} : { refreshMs: options.refreshMs }),
    },
    {
      bus: options.bus,
      crypto: options.crypto,
      keyStore: keys,
      clock: options.clock,
      coreFetch: options.coreFetch ?? ((request) => fetch(request)),
      onBug: reportBug("edge"),
      storage: options.storage,
      ...(options.tracing === undefined ? {} : { tracing: options.tracing }),
      notice: (notice) => printNotice({ part: "edge", ...notice }),
      ...(config.RONGHE_LOG === "json" && options.quiet !== true ? { log: printLine } : {}),
    },
  );
}
