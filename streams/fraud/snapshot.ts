/**
 * The engine's state on disk, so that a restart reads from the bus only what came after it. It is a copy and decides
 * nothing: one that is damaged, cut short or of other rules is left aside, and the state is read from the bus.
 */
import { gunzipSync, gzipSync } from "node:zlib";
import type { Crypto } from "../../core/crypto/port.ts";
import { toHex, utf8, utf8Text } from "../../core/protocol/bytes.ts";
import { type Database, insertRows, type Statement } from "../../migrations/database.ts";
import type { FraudState, HeldRow } from "./engine/evaluate.ts";

export interface Snapshot {
  readonly position: number;
  readonly rows: readonly HeldRow[];
}

const ROWS_PER_PART = 10_000;
const SNAPSHOT_VERSION = "ronghe/fraud-snapshot/v1";

interface Head {
  readonly position: number;
  readonly watermarkMs: number;
  readonly rulesetDigest: string;
}

/** Replaces the snapshot by the state at a journal position. */
export function writeSnapshot(state: FraudState, position: number, crypto: Pick<Crypto, "sm3">): readonly Statement[] {
  const head = { position, watermarkMs: state.watermarkMs, rulesetDigest: state.ruleset.digest };
  const parts: Uint8Array[] = [];
  let lines: string[] = [];
  for (const row of state.held()) {
    lines.push(JSON.stringify(row));
    if (lines.length === ROWS_PER_PART) {
      parts.push(packed(lines));
      lines = [];
    }
  }
  parts.push(packed(lines));
  const hash = hashOf(head, parts, crypto);
  return [
    { sql: "DELETE FROM fraud_snapshot", args: [] },
    ...parts.flatMap((bytes, nth) =>
      insertRows(
        "fraud_snapshot",
        ["nth", "position", "watermark_ms", "ruleset_digest", "parts", "hash", "bytes"],
        [[nth, position, head.watermarkMs, head.rulesetDigest, parts.length, hash, bytes]],
      ),
    ),
  ];
}

export type SnapshotRead =
  | { readonly kind: "ok"; readonly snapshot: Snapshot }
  /** None was taken, or its rules are not in force any more. */
  | { readonly kind: "absent" }
  | { readonly kind: "damaged" };

export async function readSnapshot(db: Pick<Database, "read">, rulesetDigest: string, crypto: Pick<Crypto, "sm3">): Promise<SnapshotRead> {
  const rows = await db.read("SELECT position, watermark_ms, ruleset_digest, parts, hash, bytes FROM fraud_snapshot ORDER BY nth");
  const [first] = rows;
  if (first === undefined || first["ruleset_digest"] !== rulesetDigest) return { kind: "absent" };
  const head = { position: Number(first["position"]), watermarkMs: Number(first["watermark_ms"]), rulesetDigest };
  const parts = rows.flatMap(({ bytes }) => (bytes instanceof ArrayBuffer ? [new Uint8Array(bytes)] : []));
  if (parts.length !== Number(first["parts"]) || first["hash"] !== hashOf(head, parts, crypto)) return { kind: "damaged" };
  const held = parts.flatMap((part) =>
    (utf8Text(gunzipSync(part)) ?? "")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as HeldRow),
  );
  return { kind: "ok", snapshot: { position: head.position, rows: held } };
}

function packed(lines: readonly string[]): Uint8Array {
  return new Uint8Array(gzipSync(lines.join("\n"), { level: 1 }));
}

function hashOf({ position, watermarkMs, rulesetDigest }: Head, parts: readonly Uint8Array[], crypto: Pick<Crypto, "sm3">): string {
  const hashes = parts.map((part) => toHex(crypto.sm3(part)));
  return toHex(crypto.sm3(utf8([SNAPSHOT_VERSION, position, watermarkMs, rulesetDigest, ...hashes].join("\n"))));
}
