/** Which checkpoint of a stored log may be handed out: the newest that the policy accepts, cosignatures counted. */
import type { Database } from "../../migrations/database.ts";
import { type Trust, type VerifiedCheckpoint, type VerifierCrypto, verifyCheckpoint } from "../verifier/note.ts";
import { ExportError } from "./log.ts";

/** Newest first: what left with cosignatures, and what the log signed for itself. */
const NEWEST = `
  SELECT size, note FROM (SELECT size, note FROM published_checkpoint WHERE quorum = 1 ORDER BY size DESC LIMIT 1)
  UNION ALL SELECT size, note FROM (SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1)
  ORDER BY size DESC`;

export async function newestPublishable(
  db: Database,
  crypto: VerifierCrypto,
  trust: Trust,
  origin: string,
): Promise<{ readonly size: bigint; readonly note: string }> {
  const refusals: string[] = [];
  for (const row of await db.read(NEWEST)) {
    const note = String(row["note"]);
    const checked = verifyCheckpoint(crypto, note, trust);
    if (checked.ok && isOf(checked.value, origin, row["size"])) return { size: checked.value.size, note };
    refusals.push(checked.ok ? "a checkpoint of another log or size is stored" : checked.error.detail);
  }
  throw new ExportError(
    refusals[0] === undefined
      ? `${origin} has no signed checkpoint yet`
      : `no checkpoint of ${origin} is one that the policy accepts: ${refusals[0]}`,
  );
}

function isOf(checkpoint: VerifiedCheckpoint, origin: string, size: unknown): boolean {
  return checkpoint.origin === origin && checkpoint.size === size;
}
