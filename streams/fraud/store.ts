/** The fraud service's tables: reads, and the statements of one transaction. */
import { toHex } from "../../core/protocol/bytes.ts";
import { type Database, insertRows, type Row, type Statement } from "../../migrations/database.ts";
import { canonicalJson } from "../contracts/canonical.ts";
import type { Place } from "../beginning.ts";
import type { Alert, PastAlert, RaisedAlert } from "./engine/evaluate.ts";
import type { Ruleset } from "./engine/program.ts";
import type { Journal, JournalEntry, JournalQuery, RulesetEntry } from "./journal.ts";

export interface JournalRow extends Place {
  readonly position: number;
  readonly eventKey?: Uint8Array;
  readonly atMs?: number;
  readonly status: "taken" | "late" | "quarantined";
  readonly reason?: string;
}
export interface Standing {
  readonly position: number;
  readonly watermarkMs: number;
  readonly rulesetDigest: string;
  readonly stateDigest?: string;
}

const KEYS_PER_QUERY = 500;

/** Reads of the `streams` database; a read-only one will do. */
export class FraudStore implements Journal {
  readonly #db: Pick<Database, "read">;

  constructor(db: Pick<Database, "read">) {
    this.#db = db;
  }

  async standing(): Promise<Standing | undefined> {
    const [row] = await this.#db.read("SELECT position, watermark_ms, ruleset_digest, state_digest FROM fraud_state WHERE id = 1");
    if (row === undefined) return undefined;
    const stateDigest = row["state_digest"];
    return {
      position: Number(row["position"]),
      watermarkMs: Number(row["watermark_ms"]),
      rulesetDigest: String(row["ruleset_digest"]),
      ...(typeof stateDigest === "string" ? { stateDigest } : {}),
    };
  }

  /** Hex of those keys that are journaled already. */
  async known(keys: readonly Uint8Array[]): Promise<Set<string>> {
    const known = new Set<string>();
    for (let from = 0; from < keys.length; from += KEYS_PER_QUERY) {
      const some = keys.slice(from, from + KEYS_PER_QUERY);
      const sql = `SELECT event_key FROM fraud_journal WHERE event_key IN (${some.map(() => "?").join(",")})`;
      for (const row of await this.#db.read(sql, ...some)) {
        const key = hexOf(row["event_key"]);
        if (key !== undefined) known.add(key);
      }
    }
    return known;
  }

  async taken({ after, upTo, fromMs = 0, limit }: JournalQuery): Promise<readonly JournalEntry[]> {
    const rows = await this.#db.read(
      `SELECT position, topic, partition, "offset", at_ms, event_key, reason FROM fraud_journal
       WHERE position > ? AND position <= ? AND status = 'taken' AND at_ms >= ? ORDER BY position LIMIT ?`,
      after,
      upTo,
      fromMs,
      limit,
    );
    return rows.map((row) => ({
      position: Number(row["position"]),
      topic: String(row["topic"]),
      partition: Number(row["partition"]),
      offset: BigInt(String(row["offset"])),
      atMs: Number(row["at_ms"]),
      eventKey: hexOf(row["event_key"]) ?? "",
      unknown: unknownOf(row["reason"]),
    }));
  }

  /** Whether the journal has this record at its place; a repeat of an event that stands elsewhere has no place in it. */
  async wasRead({ topic, partition, offset }: Place, key: Uint8Array | undefined): Promise<boolean> {
    const sql = `SELECT event_key, status FROM fraud_journal WHERE topic = ? AND partition = ? AND "offset" = ? ORDER BY position DESC LIMIT 1`;
    const [row] = await this.#db.read(sql, topic, partition, offset);
    if (row?.["status"] === "quarantined") return true;
    if (key === undefined) return false;
    if (row !== undefined) return hexOf(row["event_key"]) === toHex(key);
    return (await this.known([key])).size > 0;
  }

  async rulesets(): Promise<readonly RulesetEntry[]> {
    const rows = await this.#db.read("SELECT from_position, digest, definitions FROM fraud_ruleset ORDER BY from_position");
    return rows.map((row) => ({
      fromPosition: Number(row["from_position"]),
      digest: String(row["digest"]),
      definitions: JSON.parse(String(row["definitions"])) as unknown[],
    }));
  }

  /** Digest by `<rule>@<version>` of everything ever published. */
  async publishedRules(): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#db.read("SELECT rule, version, digest FROM fraud_rule");
    return new Map(rows.map((row) => [`${String(row["rule"])}@${String(row["version"])}`, String(row["digest"])]));
  }

  /** Alerts in the order they were raised, from a journal position on. */
  async alerts(fromPosition = 0): Promise<readonly Alert[]> {
    return (await this.#db.read("SELECT data FROM fraud_alert WHERE position >= ? ORDER BY position, nth", fromPosition)).map(alertOf);
  }

  async alertsBefore(position: number): Promise<readonly PastAlert[]> {
    return (await this.#db.read("SELECT rule, key, at_ms FROM fraud_alert WHERE position < ? ORDER BY position, nth", position)).map(
      pastOf,
    );
  }

  async lastGap(): Promise<{ readonly position: number; readonly watermarkMs: number } | undefined> {
    const [row] = await this.#db.read(
      "SELECT position, watermark_ms FROM stream_gap WHERE service = 'fraud' AND kind = 'judged' ORDER BY position DESC LIMIT 1",
    );
    return row === undefined ? undefined : { position: Number(row["position"]), watermarkMs: Number(row["watermark_ms"]) };
  }

  async alertsSince(fromMs: number): Promise<readonly PastAlert[]> {
    const rows = await this.#db.read("SELECT rule, key, at_ms FROM fraud_alert WHERE at_ms >= ? ORDER BY position, nth", fromMs);
    return rows.map(pastOf);
  }
}

/** The reason of a judged event, where some of its values were unknown. */
export function unknownReason(fields: readonly string[]): string | undefined {
  return fields.length === 0 ? undefined : `${UNKNOWN_REASON}${fields.join(",")}`;
}

const UNKNOWN_REASON = "unknown:";

function unknownOf(reason: unknown): readonly string[] {
  return typeof reason === "string" && reason.startsWith(UNKNOWN_REASON) ? reason.slice(UNKNOWN_REASON.length).split(",") : [];
}

function hexOf(bytes: unknown): string | undefined {
  return bytes instanceof ArrayBuffer ? toHex(new Uint8Array(bytes)) : undefined;
}

function pastOf(row: Row): PastAlert {
  return { rule: String(row["rule"]), key: String(row["key"]), atMs: Number(row["at_ms"]) };
}

function alertOf(row: Row): Alert {
  return JSON.parse(String(row["data"])) as Alert;
}

export function insertJournal(rows: readonly JournalRow[]): readonly Statement[] {
  if (rows.length === 0) return [];
  return insertRows(
    "fraud_journal",
    ["position", "topic", "partition", '"offset"', "event_key", "at_ms", "status", "reason"],
    rows.map((row) => [
      row.position,
      row.topic,
      row.partition,
      row.offset,
      row.eventKey ?? null,
      row.atMs ?? null,
      row.status,
      row.reason ?? null,
    ]),
  );
}

/** Judged entries whose bodies are lost: they are remembered as seen, and taken in by no restart and no replay. */
export function markLost(entries: readonly JournalEntry[]): readonly Statement[] {
  const statements: Statement[] = [];
  for (let from = 0; from < entries.length; from += KEYS_PER_QUERY) {
    const some = entries.slice(from, from + KEYS_PER_QUERY).map(({ position }) => position);
    const sql = `UPDATE fraud_journal SET status = 'lost' WHERE position IN (${some.map(() => "?").join(",")})`;
    statements.push({ sql, args: some });
  }
  return statements;
}

export interface JournaledAlert extends RaisedAlert {
  readonly position: number;
  readonly nth: number;
}

/** The id says what was judged and by what, so the same verdict is one row however often it is reached. */
export function insertAlerts(alerts: readonly JournaledAlert[]): readonly Statement[] {
  if (alerts.length === 0) return [];
  return insertRows(
    "fraud_alert",
    ["alert_id", "position", "nth", "rule", "key", "at_ms", "data"],
    alerts.map(({ data, key, position, nth }) => [data.alertId, position, nth, data.rule, key, data.atMs, canonicalJson(data)]),
    "ON CONFLICT (alert_id) DO NOTHING",
  );
}

export function moveStanding(standing: Standing): Statement {
  return {
    sql: `INSERT INTO fraud_state (id, position, watermark_ms, ruleset_digest, state_digest) VALUES (1, ?, ?, ?, ?)
          ON CONFLICT (id) DO UPDATE SET position = excluded.position, watermark_ms = excluded.watermark_ms,
            ruleset_digest = excluded.ruleset_digest, state_digest = excluded.state_digest`,
    args: [standing.position, standing.watermarkMs, standing.rulesetDigest, standing.stateDigest ?? null],
  };
}

/** The rules that judge from `fromPosition` on; rules that judged nothing yet give way. */
export function recordRuleset(ruleset: Ruleset, fromPosition: number): Statement {
  return {
    sql: `INSERT INTO fraud_ruleset (from_position, digest, definitions) VALUES (?, ?, ?)
          ON CONFLICT (from_position) DO UPDATE SET digest = excluded.digest, definitions = excluded.definitions`,
    args: [fromPosition, ruleset.digest, canonicalJson(ruleset.rules.map(({ definition }) => definition))],
  };
}

export function recordRules(ruleset: Ruleset, atMs: number): readonly Statement[] {
  return insertRows(
    "fraud_rule",
    ["rule", "version", "digest", "at_ms"],
    ruleset.rules.map(({ definition, digest }) => [definition.id, definition.version, digest, atMs]),
    "ON CONFLICT (rule, version) DO NOTHING",
  );
}
