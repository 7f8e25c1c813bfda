/**
 * Replay protection of the channel address (domain notes 1.6): a signed request counts once. Claims are durable,
 * so that a restart does not hand a second code to whoever kept the first request.
 */
import { insertRows } from "../../migrations/database.ts";
import { placeholders, textOf } from "../rows.ts";
import type { DeskDecision, Registry } from "../registry.ts";

export interface Nonces {
  /** True for the first claim of a key; the key is forgotten after `expiresAtMs`. */
  claim(replayKey: string, expiresAtMs: number): Promise<boolean>;
}

interface Claim {
  readonly replayKey: string;
  readonly expiresAtMs: number;
}

export function openNonces(registry: Registry): Nonces {
  const desk = registry.desk(decideClaims(registry));
  return { claim: (replayKey, expiresAtMs) => desk.submit({ replayKey, expiresAtMs }) };
}

function decideClaims(registry: Registry): DeskDecision<Claim, boolean> {
  return async (claims, batch) => {
    const keys = claims.map((claim) => claim.replayKey);
    const rows = await registry.db.read(`SELECT replay_key FROM request_nonce WHERE replay_key IN ${placeholders(keys)}`, ...keys);
    const seen = new Set(rows.map((row) => textOf(row, "replay_key")));
    const fresh: Claim[] = [];
    const answers = claims.map((claim) => {
      const first = !seen.has(claim.replayKey);
      if (first) fresh.push(claim);
      seen.add(claim.replayKey);
      return () => first;
    });
    batch.write(() => [
      { sql: "DELETE FROM request_nonce WHERE expires_at_ms < ?", args: [batch.atMs] },
      ...insertRows(
        "request_nonce",
        ["replay_key", "expires_at_ms"],
        fresh.map((claim) => [claim.replayKey, claim.expiresAtMs]),
      ),
    ]);
    return answers;
  };
}
