import type { CommitWatch } from "../../core/settlement/committer.ts";
import type { Witnessing } from "../../core/checkpoint-publication.ts";
import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import type { StorageWatch } from "../../core/protocol/server/storage-watch.ts";
import type { Clock } from "../../core/protocol/time.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import type { Config } from "../config.ts";
import type { Layout, PlatformFile } from "./layout.ts";

/** What a core is put together from. */
export interface CoreOptions {
  readonly config: Config;
  readonly layout: Layout;
  readonly platform: PlatformFile;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly clock: Clock;
  readonly bus: EventBus;
  /** Watches the databases of a core that serves; nobody while a platform is founded. */
  readonly storage?: StorageWatch | undefined;
  /** Who cosigns the logs; nobody while a platform is founded. */
  readonly witnessing?: Witnessing | undefined;
  /** Who looks on at settlements; nobody while a platform is founded. */
  readonly watch?: CommitWatch | undefined;
}
