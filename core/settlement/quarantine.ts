/**
 * Entries for records that are not believed. Whoever may write to the topic can send as many as he likes, and an entry
 * stays for ever: so the first of a source in a span has an entry of its own, and all others of that span have one
 * together, written with the first slice after its end, that holds their number and a hash over them. The dead letters
 * hold the records themselves.
 *
 * ```
 * source:   the edge that the record names, where there is such an edge; else "unknown". Nothing else is grouped by:
 *           what a stranger may invent makes no entries.
 * hash:     h(0) = 32 zero bytes; h(n) = SM3(h(n-1) ‖ offset, 8 bytes big-endian ‖ SM3(record's value)), in order of offset
 * ```
 * The open spans stand in a table that is written in the transaction of the offset: a crash neither loses nor doubles one.
 */
import type { Crypto } from "../crypto/port.ts";
import { concatBytes, toHex } from "../protocol/bytes.ts";
import type { LeafDraft, Provenance } from "../../ledger/leaf-draft.ts";
import { type Database, insertRows, type Statement } from "../../migrations/database.ts";
import { bytesOf, integerOf, textOf } from "./rows.ts";

export const SPAN_MS = 600_000;
export const UNKNOWN_SOURCE = "unknown";
/** Of a record that could not be read at all. */
export const UNREADABLE = "undecodable";

export interface Unbelieved {
  readonly provenance: Provenance;
  readonly source: string;
  readonly reason: string;
}

interface Span {
  readonly topic: string;
  readonly source: string;
  readonly reason: string;
  readonly untilMs: number;
  /** Behind the first, which has its own entry. */
  readonly rest: { readonly count: bigint; readonly hash: Uint8Array; readonly fromOffset: bigint; readonly last: Provenance } | undefined;
}

/** What one slice adds to a batch; `committed` once that is durable. */
export interface Quarantine {
  readonly leaves: readonly LeafDraft[];
  readonly statements: readonly Statement[];
  readonly committed: () => void;
}

export class QuarantineSpans {
  readonly #crypto: Pick<Crypto, "sm3">;
  readonly #open: Map<string, Span>;
  /** As earlier slices of a batch that is not durable yet left them. */
  readonly #planned = new WeakMap<object, Map<string, Span>>();

  private constructor(crypto: Pick<Crypto, "sm3">, open: readonly Span[]) {
    this.#crypto = crypto;
    this.#open = new Map(open.map((span) => [keyOf(span), span]));
  }

  static async open(db: Database, crypto: Pick<Crypto, "sm3">, partition: number): Promise<QuarantineSpans> {
    const rows = await db.read("SELECT * FROM quarantine_span");
    return new QuarantineSpans(
      crypto,
      rows.map((row) => {
        const topic = textOf(row, "topic");
        const last = { topic, partition, offset: integerOf(row, "last_offset"), recordHash: bytesOf(row, "last_hash") };
        const count = integerOf(row, "count");
        return {
          topic,
          source: textOf(row, "source"),
          reason: textOf(row, "reason"),
          untilMs: Number(integerOf(row, "until_ms")),
          rest: count === 0n ? undefined : { count, hash: bytesOf(row, "hash"), fromOffset: integerOf(row, "from_offset"), last },
        };
      }),
    );
  }

  /** @param batch in which the leaves will stand; slices of one batch know of each other */
  take(batch: object, records: readonly Unbelieved[], atMs: number): Quarantine {
    const before = this.#planned.get(batch) ?? this.#open;
    const spans = new Map(before);
    const leaves: LeafDraft[] = [];
    const changed = new Set<string>();
    for (const [key, span] of before)
      if (span.untilMs <= atMs) {
        if (span.rest !== undefined) leaves.push(restLeaf(span, span.rest));
        spans.delete(key);
        changed.add(key);
      }
    for (const record of records) {
      const key = keyOf({ ...record, topic: record.provenance.topic });
      const span = spans.get(key);
      changed.add(key);
      if (span === undefined) {
        leaves.push(firstLeaf(record));
        spans.set(key, {
          topic: record.provenance.topic,
          source: record.source,
          reason: record.reason,
          untilMs: atMs + SPAN_MS,
          rest: undefined,
        });
      } else spans.set(key, { ...span, rest: this.#withNext(span.rest, record.provenance) });
    }
    this.#planned.set(batch, spans);
    return {
      leaves,
      statements: [...changed].flatMap((key) => statementsOf(before.get(key), spans.get(key))),
      committed: () => {
        this.#open.clear();
        for (const [key, span] of spans) this.#open.set(key, span);
      },
    };
  }

  #withNext(rest: Span["rest"], provenance: Provenance): NonNullable<Span["rest"]> {
    const { offset, recordHash } = provenance;
    const hash = restHash(this.#crypto, rest?.hash, provenance);
    return { count: (rest?.count ?? 0n) + 1n, hash, fromOffset: rest?.fromOffset ?? offset, last: { ...provenance, offset, recordHash } };
  }
}

/** The hash over the records so far, continued by one. */
export function restHash(
  crypto: Pick<Crypto, "sm3">,
  before: Uint8Array | undefined,
  { offset, recordHash }: Pick<Provenance, "offset" | "recordHash">,
): Uint8Array {
  const position = new Uint8Array(8);
  new DataView(position.buffer).setBigUint64(0, offset);
  return crypto.sm3(concatBytes(before ?? new Uint8Array(32), position, recordHash));
}

function keyOf({ topic, source, reason }: Pick<Span, "topic" | "source" | "reason">): string {
  return `${topic}\n${source}\n${reason}`;
}

const ENTRY = { kind: "settlement.quarantined", outcome: "refused", actor: "core" } as const;

function firstLeaf({ provenance, source, reason }: Unbelieved): LeafDraft {
  return { ...ENTRY, provenance, facts: { reason, source } };
}

function restLeaf({ source, reason }: Span, { count, hash, fromOffset, last }: NonNullable<Span["rest"]>): LeafDraft {
  const facts = { reason, source, "rest.count": String(count), "rest.from": String(fromOffset), "rest.hash": toHex(hash) };
  return { ...ENTRY, provenance: last, facts };
}

function statementsOf(before: Span | undefined, after: Span | undefined): readonly Statement[] {
  const gone = before ?? after;
  if (gone === undefined) return [];
  const { topic, source, reason } = gone;
  const removed = { sql: "DELETE FROM quarantine_span WHERE topic = ? AND source = ? AND reason = ?", args: [topic, source, reason] };
  if (after === undefined) return [removed];
  const { untilMs, rest } = after;
  const empty = new Uint8Array();
  const row = [topic, source, reason, untilMs, rest?.count ?? 0, rest?.hash ?? empty, rest?.fromOffset ?? 0, rest?.last.offset ?? 0];
  const columns = ["topic", "source", "reason", "until_ms", "count", "hash", "from_offset", "last_offset", "last_hash"];
  return [removed, ...insertRows("quarantine_span", columns, [[...row, rest?.last.recordHash ?? empty]])];
}
