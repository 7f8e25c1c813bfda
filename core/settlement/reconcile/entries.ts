/**
 * Entries on their way from the reconciliation books into the shards' logs. The books and a shard are two databases, so
 * an entry is written down with its effect first and recorded behind it. When a process ended in between, the log is
 * asked whether it has the entry already: none is lost, none stands twice.
 */
import { fromHex, toHex } from "../../protocol/bytes.ts";
import type { EventMs } from "../../protocol/time.ts";
import { bigintOf, numberOf, textOf } from "../../rows.ts";
import type { LeafDraft } from "../../../ledger/leaf-draft.ts";
import { type Database, insertRows, type Statement } from "../../../migrations/database.ts";
import type { ShardBooks } from "../books.ts";

/** An entry of a shard's log; its subject is unique for its kind. */
export interface Entry {
  readonly shard: number;
  readonly draft: LeafDraft & { readonly subject: string };
  readonly atMs: EventMs;
}
export interface Position {
  readonly origin: string;
  readonly index: bigint;
}
/** Looks an entry up in a shard's log; `undefined` when it is not there. */
export type FindEntry = (shard: number, kind: string, subject: string) => Promise<Position | undefined>;

export interface RecorderOptions {
  readonly db: Database;
  readonly shards: ReadonlyMap<number, Pick<ShardBooks, "record">>;
  readonly find: FindEntry;
  /** What else is written once an entry has its place. */
  readonly onRecorded: (entry: Entry, position: Position) => Promise<readonly Statement[]>;
}

/** Entries recorded at once: they share the shard's commits. */
const TOGETHER = 256;

export function insertEntries(entries: readonly Entry[]): readonly Statement[] {
  return insertRows(
    "entry",
    ["shard", "subject", "kind", "draft", "at_ms"],
    entries.map(({ shard, draft, atMs }) => [shard, draft.subject, draft.kind, printDraft(draft), atMs]),
    "ON CONFLICT DO NOTHING",
  );
}

export class EntryRecorder {
  readonly #options: RecorderOptions;
  /** Entries written by this process and not tried yet: they need not be looked for. */
  readonly #fresh = new Set<string>();

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Statements for the transaction of the effect. */
  insert(entries: readonly Entry[]): readonly Statement[] {
    for (const { shard, draft } of entries) this.#fresh.add(nameOf(shard, draft));
    return insertEntries(entries);
  }

  /** Records everything that waits. */
  async record(): Promise<void> {
    for (;;) {
      const rows = await this.#options.db.read(
        "SELECT shard, subject, kind, draft, at_ms FROM entry WHERE ledger_index IS NULL ORDER BY at_ms, rowid LIMIT ?",
        TOGETHER,
      );
      const waiting = rows.map((row): Entry => ({
        shard: numberOf(row, "shard"),
        draft: readDraft(textOf(row, "draft")),
        atMs: numberOf(row, "at_ms") as EventMs,
      }));
      if (waiting.length === 0) return;
      const statements = await Promise.all(waiting.map((entry) => this.#recordOne(entry)));
      await this.#options.db.write(statements.flat());
    }
  }

  async #recordOne(entry: Entry): Promise<readonly Statement[]> {
    const { shard, draft, atMs } = entry;
    const books = this.#options.shards.get(shard);
    if (books === undefined) throw new Error(`no shard ${shard} to record in`);
    const isFresh = this.#fresh.delete(nameOf(shard, draft));
    const found = isFresh ? undefined : await this.#options.find(shard, draft.kind, draft.subject);
    const position = found ?? (await books.record(draft, atMs));
    return [
      {
        sql: "UPDATE entry SET origin=?, ledger_index=? WHERE shard=? AND kind=? AND subject=?",
        args: [position.origin, position.index, shard, draft.kind, draft.subject],
      },
      ...(await this.#options.onRecorded(entry, position)),
    ];
  }
}

/** Where the entries about a subject stand. */
export async function positionsOf(db: Database, kind: string, subject: string): Promise<readonly Position[]> {
  const rows = await db.read(
    "SELECT origin, ledger_index FROM entry WHERE kind=? AND subject=? AND ledger_index IS NOT NULL ORDER BY shard",
    kind,
    subject,
  );
  return rows.map((row) => ({ origin: textOf(row, "origin"), index: bigintOf(row, "ledger_index") }));
}

function nameOf(shard: number, draft: Entry["draft"]): string {
  return `${shard} ${draft.kind} ${draft.subject}`;
}

function printDraft(draft: Entry["draft"]): string {
  return JSON.stringify({ ...draft, ...(draft.requestHash === undefined ? {} : { requestHash: toHex(draft.requestHash) }) });
}

/** Written by {@link printDraft} only. */
function readDraft(text: string): Entry["draft"] {
  const { requestHash, ...draft } = JSON.parse(text) as Omit<Entry["draft"], "requestHash"> & { readonly requestHash?: string };
  const hash = requestHash === undefined ? undefined : fromHex(requestHash);
  return hash === undefined ? draft : { ...draft, requestHash: hash };
}
