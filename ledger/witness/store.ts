/**
 * What a witness remembers, in one libSQL file with one writer. A head moves only by {@link WitnessStore.advance}: one
 * conditional update on the (size, root) that was checked, so that a request which was overtaken between check and
 * persist changes nothing, and a log with an open split view stays where it is.
 */
import type { Database, Row } from "../../migrations/database.ts";
import type { TreeHead } from "../verifier/tree.ts";

/** Heads of each log kept for comparing; at one a second nearly three hours, at one a minute a week. */
const HISTORY_MAX = 10_000;
const PRUNE_EVERY = 256;

export interface CosignedHead extends TreeHead {
  readonly origin: string;
  /** Checkpoint with the log's own signatures. */
  readonly note: string;
  /** Seconds since 1970. */
  readonly timeS: bigint;
}

export interface Move {
  readonly origin: string;
  readonly from: TreeHead;
  readonly to: TreeHead;
  readonly note: string;
  /** The witness's clock. */
  readonly nowS: bigint;
}

/** Two heads, signed by the log, of which only one can be true; where only a proof shows that, the proof. */
export interface Evidence {
  readonly ours: string;
  readonly theirs: string;
  /** Of `notConsistent`: Base64 hashes, one on a line; else empty. */
  readonly proof: string;
}

export interface SplitView extends Evidence {
  readonly id: number;
  readonly origin: string;
  readonly kind: "sameSize" | "notConsistent";
  /** `log`, or the address of another witness. */
  readonly source: string;
  readonly foundMs: number;
  readonly acknowledged?: { readonly atMs: number; readonly by: string; readonly reason: string };
}

export interface WitnessStore {
  head(origin: string): Promise<CosignedHead | undefined>;
  heads(): Promise<readonly CosignedHead[]>;
  /** Moves the head from exactly `from`; the time of the cosignature, or `undefined` when the race was lost or the log is frozen. */
  advance(move: Move): Promise<bigint | undefined>;
  /** The root that was cosigned for exactly this size. */
  cosignedAt(origin: string, size: bigint): Promise<{ readonly root: Uint8Array; readonly note: string } | undefined>;
  /** Newest first. */
  history(origin: string, limit: number): Promise<readonly string[]>;
  /** Keeps evidence once, whichever of its heads is called ours; gives it back when it is new. */
  raise(found: Omit<SplitView, "id" | "acknowledged">): Promise<SplitView | undefined>;
  splitViews(): Promise<readonly SplitView[]>;
  isFrozen(origin: string): Promise<boolean>;
  /** Answers for this split view and those of its log that were found before it; `false` when none of them was open. */
  acknowledge(id: number, answer: { readonly atMs: number; readonly by: string; readonly reason: string }): Promise<boolean>;
}

export function openWitnessStore(db: Database): WitnessStore {
  return new LibsqlWitnessStore(db);
}

/** A log that goes on contradicting itself is frozen already, and fills nobody's disk. */
const OPEN_MAX = 1_000;

const OPEN = "SELECT 1 FROM split_view WHERE origin = ? AND acknowledged_ms IS NULL";

class LibsqlWitnessStore implements WitnessStore {
  readonly #db: Database;
  #moves = 0;

  constructor(db: Database) {
    this.#db = db;
  }

  async head(origin: string): Promise<CosignedHead | undefined> {
    const [row] = await this.#db.read("SELECT * FROM witness_head WHERE origin = ?", origin);
    return row === undefined ? undefined : headOf(row);
  }

  async heads(): Promise<readonly CosignedHead[]> {
    return (await this.#db.read("SELECT * FROM witness_head ORDER BY origin")).map(headOf);
  }

  async advance({ origin, from, to, note, nowS }: Move): Promise<bigint | undefined> {
    const begin = {
      // A log that was never seen stands at size 0 with the root of nothing.
      sql: `INSERT INTO witness_head (origin, size, root, note, time_s) SELECT ?, 0, ?, '', 0 WHERE ? = 0 ON CONFLICT DO NOTHING`,
      args: [origin, from.root, from.size],
    };
    const move = {
      sql: `UPDATE witness_head SET size = ?, root = ?, note = ?, time_s = max(time_s, ?)
            WHERE origin = ? AND size = ? AND root = ? AND NOT EXISTS (${OPEN}) RETURNING time_s`,
      args: [to.size, to.root, note, nowS, origin, from.size, from.root, origin],
    };
    const remember = {
      sql: `INSERT INTO witness_history (origin, size, root, note)
            SELECT origin, size, root, note FROM witness_head WHERE origin = ? AND size = ? AND root = ? AND note <> ''
            ON CONFLICT DO NOTHING`,
      args: [origin, to.size, to.root],
    };
    this.#moves += 1;
    const prune = {
      sql: `DELETE FROM witness_history WHERE origin = ?1 AND size <=
            (SELECT size FROM witness_history WHERE origin = ?1 ORDER BY size DESC LIMIT 1 OFFSET ${HISTORY_MAX})`,
      args: [origin],
    };
    const [, moved] = await this.#db.write([begin, move, remember, ...(this.#moves % PRUNE_EVERY === 0 ? [prune] : [])]);
    const [row] = moved?.rows ?? [];
    return row === undefined ? undefined : bigintOf(row, "time_s");
  }

  async cosignedAt(origin: string, size: bigint): Promise<{ readonly root: Uint8Array; readonly note: string } | undefined> {
    const [row] = await this.#db.read("SELECT root, note FROM witness_history WHERE origin = ? AND size = ?", origin, size);
    return row === undefined ? undefined : { root: bytesOf(row, "root"), note: String(row["note"]) };
  }

  async history(origin: string, limit: number): Promise<readonly string[]> {
    const rows = await this.#db.read("SELECT note FROM witness_history WHERE origin = ? ORDER BY size DESC LIMIT ?", origin, limit);
    return rows.map((row) => String(row["note"]));
  }

  async raise(found: Omit<SplitView, "id" | "acknowledged">): Promise<SplitView | undefined> {
    const { origin, kind, ours, theirs, proof, source, foundMs } = found;
    const [written] = await this.#db.write([
      {
        sql: `INSERT INTO split_view (origin, kind, ours, theirs, proof, source, found_ms) SELECT ?, ?, ?, ?, ?, ?, ?
              WHERE NOT EXISTS (SELECT 1 FROM split_view WHERE origin = ? AND ours IN (?, ?) AND theirs IN (?, ?))
              AND (SELECT count(*) FROM split_view WHERE origin = ? AND acknowledged_ms IS NULL) < ${OPEN_MAX} RETURNING id`,
        args: [origin, kind, ours, theirs, proof, source, foundMs, origin, ours, theirs, ours, theirs, origin],
      },
    ]);
    const [row] = written?.rows ?? [];
    return row === undefined ? undefined : { ...found, id: Number(row["id"]) };
  }

  async splitViews(): Promise<readonly SplitView[]> {
    return (await this.#db.read("SELECT * FROM split_view ORDER BY id")).map(splitViewOf);
  }

  async isFrozen(origin: string): Promise<boolean> {
    return (await this.#db.read(OPEN, origin)).length > 0;
  }

  async acknowledge(id: number, answer: { readonly atMs: number; readonly by: string; readonly reason: string }): Promise<boolean> {
    const [written] = await this.#db.write([
      {
        sql: `UPDATE split_view SET acknowledged_ms = ?1, acknowledged_by = ?2, reason = ?3
              WHERE id <= ?4 AND origin = (SELECT origin FROM split_view WHERE id = ?4) AND acknowledged_ms IS NULL`,
        args: [answer.atMs, answer.by, answer.reason, id],
      },
    ]);
    return (written?.rowsAffected ?? 0) > 0;
  }
}

function headOf(row: Row): CosignedHead {
  return {
    origin: String(row["origin"]),
    size: bigintOf(row, "size"),
    root: bytesOf(row, "root"),
    note: String(row["note"]),
    timeS: bigintOf(row, "time_s"),
  };
}

function splitViewOf(row: Row): SplitView {
  const at = row["acknowledged_ms"];
  return {
    id: Number(row["id"]),
    origin: String(row["origin"]),
    kind: row["kind"] === "sameSize" ? "sameSize" : "notConsistent",
    ours: String(row["ours"]),
    theirs: String(row["theirs"]),
    proof: String(row["proof"]),
    source: String(row["source"]),
    foundMs: Number(row["found_ms"]),
    ...(typeof at === "bigint"
      ? { acknowledged: { atMs: Number(at), by: String(row["acknowledged_by"]), reason: String(row["reason"]) } }
      : {}),
  };
}

function bigintOf(row: Row, column: string): bigint {
  const value = row[column];
  if (typeof value !== "bigint") throw new TypeError(`the column ${column} is no integer`);
  return value;
}

function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column];
  return value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array();
}
