import type { KeyStore } from "../../core/crypto/port.ts";
import { utf8, utf8Text } from "../../core/protocol/bytes.ts";
import type { Database } from "../../migrations/database.ts";
import { EDGE_CACHE_KEY } from "../identity.ts";
import type { BundleCache } from "../settings.ts";

/** One row of `edge.db`: partner secrets are in it, so it is sealed, and bound to the version that stands beside it. */
export async function openBundleCache(db: Database, keyStore: KeyStore): Promise<BundleCache> {
  await keyStore.ensure(EDGE_CACHE_KEY, "secret");
  return {
    async load() {
      const row = (await db.read("SELECT version, sealed FROM bundle_cache WHERE id = 0"))[0];
      if (row === undefined) return undefined;
      const version = Number(row["version"]);
      const sealed = row["sealed"] instanceof ArrayBuffer ? new Uint8Array(row["sealed"]) : new Uint8Array(0);
      const opened = await keyStore.open(EDGE_CACHE_KEY, sealed, aadOf(version));
      return { version, text: opened === undefined ? "" : (utf8Text(opened) ?? "") };
    },
    async save(version, text) {
      const sealed = await keyStore.seal(EDGE_CACHE_KEY, utf8(text), aadOf(version));
      await db.write([
        {
          sql: `INSERT INTO bundle_cache (id, version, sealed) VALUES (0, ?, ?)
                ON CONFLICT (id) DO UPDATE SET version = excluded.version, sealed = excluded.sealed WHERE excluded.version >= version`,
          args: [version, sealed],
        },
      ]);
    },
  };
}

function aadOf(version: number): Uint8Array {
  return utf8(`edge.bundle/${version}`);
}
