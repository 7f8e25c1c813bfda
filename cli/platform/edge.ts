import { readFile } from "node:fs/promises";
import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import { fromHex, utf8 } from "../../core/protocol/bytes.ts";
import type { Clock } from "../../core/protocol/time.ts";
import { startEdge, type RunningEdge } from "../../edge/entry.node.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import { type Config, UsageError } from "../config.ts";
import { reportBug } from "./bugs.ts";
import { EDGE_DATA_KEY, EDGE_REPLY_KEY } from "./keys.ts";
import type { Layout, PlatformFile } from "./layout.ts";

export interface PlatformEdgeOptions {
  readonly config: Config;
  readonly layout: Layout;
  readonly platform: PlatformFile;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly clock: Clock;
  readonly bus: EventBus;
  readonly coreUrl: string;
  readonly coreFetch?: (request: Request) => Promise<Response>;
  readonly refreshMs?: number;
  readonly quiet?: boolean;
}

/** What binds the sealed edge secret to its place. */
export function edgeSecretAad(edgeId: string): Uint8Array {
  return utf8(`ronghe.edge.core-secret/v1\n${edgeId}`);
}

/** An edge from its own folder: its keys, the secret it shares with the core, and the platform key it trusts. */
export async function startPlatformEdge(options: PlatformEdgeOptions): Promise<RunningEdge> {
  const { layout, config, platform, keys } = options;
  const sealed = await readFile(layout.edge.secret).catch(() => undefined);
  const internalKey = sealed === undefined ? undefined : await keys.open(EDGE_DATA_KEY, sealed, edgeSecretAad(platform.edgeId));
  const platformKey = fromHex((await readFile(layout.edge.trust, "utf8").catch(() => "")).trim());
  if (internalKey === undefined || platformKey === undefined)
    throw new UsageError(`${layout.edge.folder} is not the folder of an edge that \`sandbox init\` or an operator set up`);
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
      ...(config.RONGHE_LOG === "json" && options.quiet !== true
        ? { log: (line) => process.stdout.write(`${JSON.stringify(line)}\n`) }
        : {}),
    },
  );
}
