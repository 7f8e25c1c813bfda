/**
 * What `ledger fsck` does with each table of each database: compares it with the entries, or does not, and why. A table
 * that stands in neither list fails a test, and `docs/audit.md` names every table that is not compared.
 */
import type { DatabaseKind } from "../../migrations/migrate.ts";
import { REGISTRY_TABLES } from "./registry-rows.ts";
import { SHARD_TABLES } from "./shard-books.ts";

export interface Coverage {
  readonly compared: readonly string[];
  /** Why not, by table. */
  readonly notCompared: Readonly<Record<string, string>>;
}

const LOG_TABLES = [
  "leaf",
  "head",
  "head_move",
  "tile",
  "disclosure",
  "erased",
  "search_key",
  "search_position",
  "checkpoint",
  "published_checkpoint",
  "ledger_publication",
  "log_key",
];
const SQLITE = { sqlite_sequence: "SQLite's own counters", schema_migration: "compared as structure, with every start" };
const OUTBOX = {
  outbox: "events on their way to the bus; consumers drop repeats, and entries say what happened",
  outbox_dead: "events that the bus refused, for operators",
};
const PUBLICATION = {
  receipt_owed: "who still waits for a receipt; the receipt proves itself",
  witness_position: "how far each witness is; its cosignature proves itself",
};
const PLACES = "a place on the bus: behind it records are read again and dropped as repeats";
const OUTSIDE = "no log stands over this database";

export const COVERAGE: Readonly<Record<DatabaseKind, Coverage>> = {
  core: {
    compared: [...LOG_TABLES, ...REGISTRY_TABLES],
    notCompared: {
      ...SQLITE,
      ...OUTBOX,
      ...PUBLICATION,
      person_document: "sealed, and found by a keyed fingerprint: an entry that told it would tell who was registered",
      erasure: "an order under way; what was erased is an entry",
      request_nonce: "forgotten after minutes",
      ingested_event: "forgotten after an hour",
    },
  },
  shard: {
    compared: [...LOG_TABLES, ...SHARD_TABLES, "consumed_position"],
    notCompared: {
      ...SQLITE,
      ...OUTBOX,
      ...PUBLICATION,
      quarantine_span: "counts records that are not believed, until their entry is written",
    },
  },
  books: {
    compared: [],
    notCompared: {
      ...SQLITE,
      ...OUTBOX,
      run: "what a run of reconciliation read; its end is an entry of each shard that it concerns",
      run_count: "figures of a run",
      statement_mapping: "how payers write their files; its hash is in the entry of each run that read one",
      entry: "rows of payers' statements and ours side by side; payers keep the first, the shards the second",
      unmatched: "rows that wait for their other side",
      reconciliation_case: "work of people; each correction of money is an entry of the shard",
      correction: "an order on its way into a shard; what the shard made of it is an entry there",
      case_step: "work of people; each correction of money is an entry of the shard",
      day_seal: "copies of the shards' seals, which are compared there",
      day_closing: "a closing under way",
    },
  },
  edge: {
    compared: [],
    notCompared: {
      ...SQLITE,
      ...OUTBOX,
      nonce: OUTSIDE,
      code_mark: OUTSIDE,
      taken_request: `${OUTSIDE}; the core judges every number again`,
      result: `${OUTSIDE}; outcomes come again from the bus`,
      result_offset: PLACES,
      bundle_cache: "sealed, and signed by the platform",
    },
  },
  bus: {
    compared: [],
    notCompared: {
      ...SQLITE,
      record: "the bus itself: `ledger provenance` compares its records with entries",
      topic: OUTSIDE,
      group_offset: PLACES,
    },
  },
  streams: {
    compared: [],
    notCompared: {
      ...SQLITE,
      ...OUTBOX,
      ...Object.fromEntries(
        ["alert", "journal", "rule", "ruleset", "state"].map((name) => [`fraud_${name}`, "made again by a replay of the topics"]),
      ),
      ...Object.fromEntries(
        ["claim", "fund", "quarantine", "scan", "seen"].map((name) => [`supervision_${name}`, "made again by a replay of the topics"]),
      ),
      fraud_snapshot: "a copy of the state under a hash; one that is damaged is left aside and made again",
      stream_gap: "records that a topic no longer held when they were needed: nobody has them any more",
      stream_service: "how each service stands",
      fraud_offset: PLACES,
      supervision_offset: PLACES,
    },
  },
  witness: {
    compared: [],
    notCompared: {
      ...SQLITE,
      split_view: "proves itself by two signed heads",
      witness_head: "a witness keeps its own book, on its own machine",
      witness_history: "a witness keeps its own book, on its own machine",
    },
  },
  rails: {
    compared: [],
    notCompared: {
      ...SQLITE,
      nhsa_counter: "numbers of messages to a payer",
      nhsa_leg: "what the payer said; the shard's entry holds what it came to",
      nhsa_undo: "what the payer is still asked to take back",
    },
  },
  payers: {
    compared: [],
    notCompared: { ...SQLITE, payer_journal: "the sandbox payers' own books", payer_movement: "the sandbox payers' own books" },
  },
  statement: {
    compared: [],
    notCompared: {
      ...SQLITE,
      ...Object.fromEntries(
        ["our_left", "their_left", "their_ordered", "their_row"].map((table) => [table, "working file of one run, removed after it"]),
      ),
    },
  },
};
