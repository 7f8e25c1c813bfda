/** Published checkpoints and what belongs to them, in the database of their log. */
import type { Database, Row } from "../../migrations/database.ts";
import type { Checkpoint } from "../port.ts";
import { fromBase64, toHex } from "../verifier/bytes.ts";
import { parseCheckpointBody, parseNote } from "../verifier/note.ts";

export interface PublishedCheckpoint extends Checkpoint {
  /** Whether the policy's quorum stood by it. */
  readonly hasQuorum: boolean;
}

/** The newest checkpoint that left the platform with what witnesses said of it; none where no witness is asked. */
export async function readPublished(db: Database): Promise<PublishedCheckpoint | undefined> {
  const [row] = await db.read("SELECT note, quorum FROM published_checkpoint ORDER BY size DESC LIMIT 1");
  return row === undefined ? undefined : publishedOf(row);
}

function publishedOf(row: Row): PublishedCheckpoint {
  const note = String(row["note"]);
  const parsed = parseNote(note);
  const body = parsed.ok ? parseCheckpointBody(parsed.value.text) : parsed;
  if (!body.ok) throw new Error(`a published checkpoint cannot be read: ${body.error.detail}`);
  return { ...body.value, note, hasQuorum: row["quorum"] === 1n };
}

/** A note with these lines too; a newer line of a key takes the place of its older one. */
export function withLines(note: string, lines: string): string {
  const parsed = parseNote(note);
  if (!parsed.ok) throw new Error(`a published checkpoint cannot be read: ${parsed.error.detail}`);
  const head = note.slice(0, parsed.value.text.length + 1);
  const byKey = new Map<string, string>();
  for (const line of (note.slice(head.length) + lines).split("\n").slice(0, -1)) byKey.set(keyOf(line), line);
  return `${head}${[...byKey.values()].map((line) => `${line}\n`).join("")}`;
}

/** Name and key id of a signature line. */
function keyOf(line: string): string {
  const blob = fromBase64(line.slice(line.lastIndexOf(" ") + 1)) ?? new Uint8Array();
  return `${line.slice(0, line.lastIndexOf(" "))} ${toHex(blob.subarray(0, 4))}`;
}

/** Keeps what is published; a note of the same size that more witnesses stand by takes the place of the one before. */
export async function writePublished(db: Database, published: PublishedCheckpoint, atMs: number): Promise<void> {
  await db.write([
    {
      sql: `INSERT INTO published_checkpoint (size, note, at_ms, quorum) VALUES (?, ?, ?, ?)
            ON CONFLICT (size) DO UPDATE SET note = excluded.note, at_ms = excluded.at_ms, quorum = excluded.quorum`,
      args: [published.size, published.note, atMs, published.hasQuorum ? 1 : 0],
    },
  ]);
}

export async function readWitnessSizes(db: Database): Promise<ReadonlyMap<string, bigint>> {
  const rows = await db.read("SELECT witness, size FROM witness_position");
  return new Map(rows.map((row) => [String(row["witness"]), typeof row["size"] === "bigint" ? row["size"] : 0n]));
}

/** A hint that saves a question after a restart: what the power takes is asked again. */
export async function writeWitnessSizes(db: Database, sizes: ReadonlyMap<string, bigint>): Promise<void> {
  const statements = [...sizes].map(([witness, size]) => ({
    sql: "INSERT INTO witness_position (witness, size) VALUES (?, ?) ON CONFLICT (witness) DO UPDATE SET size = excluded.size",
    args: [witness, size],
  }));
  await db.write(statements, "process");
}
