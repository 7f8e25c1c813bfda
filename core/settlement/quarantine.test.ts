/** Spans of records that are not believed: few entries, an exact number, a hash that the dead letters give again. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { LeafDraft } from "../../ledger/leaf-draft.ts";
import { type Database, openDatabase } from "../../migrations/database.ts";
import { loadCrypto } from "../crypto/index.ts";
import type { Crypto } from "../crypto/port.ts";
import { toHex, utf8 } from "../protocol/bytes.ts";
import { QuarantineSpans, restHash, SPAN_MS, type Unbelieved } from "./quarantine.ts";

const TOPIC = "settlement.request.submitted.v1";
let folder: string;
let crypto: Crypto;
let db: Database;
let spans: QuarantineSpans;
let nextOffset = 0n;
/** All that became durable. */
let leaves: LeafDraft[];
let records: Unbelieved[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-quarantine-"));
  crypto = await loadCrypto();
  db = await openDatabase({ kind: "shard", file: join(folder, "shard.db") });
});
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(fresh);

async function fresh(): Promise<void> {
  await db.write([{ sql: "DELETE FROM quarantine_span", args: [] }]);
  [leaves, records, nextOffset] = [[], [], 0n];
  await restart();
}
async function restart(): Promise<void> {
  spans = await QuarantineSpans.open(db, crypto, 0);
}

function unbelieved(source = "edge-1", reason = "originForged"): Unbelieved {
  const offset = nextOffset++;
  return { source, reason, provenance: { topic: TOPIC, partition: 0, offset, recordHash: crypto.sm3(utf8(`value ${offset}`)) } };
}

/** One slice in a commit of its own; `crash`: the transaction is not written, and the process begins anew. */
async function slice(of: readonly Unbelieved[], atMs: number, crash = false): Promise<void> {
  const planned = spans.take({}, of, atMs);
  if (crash) return await restart();
  await db.write(planned.statements);
  planned.committed();
  leaves.push(...planned.leaves);
  records.push(...of);
}

describe("records that are not believed", () => {
  test("are two entries of their source and span, however many: the first, and the number and hash of the rest", async () => {
    const two = Array.from({ length: 2_000 }, () => unbelieved());
    for (let at = 0; at < two.length; at += 200) await slice(two.slice(at, at + 200), 1_000 + at);
    expect(leaves).toHaveLength(1);
    expect(leaves[0]).toMatchObject({ provenance: { offset: 0n }, facts: { reason: "originForged", source: "edge-1" } });
    await slice([], 1_000 + SPAN_MS);
    const hash = two.slice(1).reduce<Uint8Array | undefined>((before, { provenance }) => restHash(crypto, before, provenance), undefined);
    expect(leaves).toHaveLength(2);
    expect(leaves[1]).toMatchObject({
      kind: "settlement.quarantined",
      provenance: { offset: 1_999n },
      facts: {
        reason: "originForged",
        source: "edge-1",
        "rest.count": "1999",
        "rest.from": "1",
        "rest.hash": toHex(hash ?? new Uint8Array()),
      },
    });
    expect(await db.read("SELECT * FROM quarantine_span")).toEqual([]);
  });

  test("of one alone are one entry, and nothing follows at the end of its span", async () => {
    await slice([unbelieved()], 1_000);
    await slice([], 1_000 + SPAN_MS);
    expect(leaves).toHaveLength(1);
  });

  test("of several slices of one commit are one span", async () => {
    const batch = {};
    const [one, other] = [spans.take(batch, [unbelieved()], 1_000), spans.take(batch, [unbelieved(), unbelieved()], 1_000)];
    await db.write([...one.statements, ...other.statements]);
    one.committed();
    other.committed();
    await restart();
    const end = spans.take({}, [], 1_000 + SPAN_MS);
    expect([one.leaves.length, other.leaves.length]).toEqual([1, 0]);
    expect(end.leaves).toMatchObject([{ facts: { "rest.count": "2" } }]);
  });

  test("are told with an exact number and hash in any history of slices, crashes and restarts, as the dead letters give them", async () => {
    const step = fc.record({
      sources: fc.array(fc.constantFrom("edge-1", "edge-2", "unknown"), { maxLength: 6 }),
      passMs: fc.constantFrom(0, 1_000, SPAN_MS / 2, SPAN_MS),
      end: fc.constantFrom("written", "written", "crash", "restart"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        await fresh();
        let atMs = 1_000;
        for (const { sources, passMs, end } of steps) {
          atMs += passMs;
          const of = sources.map((source) => unbelieved(source));
          // What was not written comes again: the offset did not move.
          if (end === "crash") await slice(of, atMs, true);
          await slice(of, atMs);
          if (end === "restart") await restart();
        }
        await slice([], atMs + SPAN_MS);
        for (const source of ["edge-1", "edge-2", "unknown"]) {
          const sent = records.filter((record) => record.source === source);
          const own = leaves.filter(({ facts }) => facts?.["source"] === source);
          const alone = own.filter(({ facts }) => facts?.["rest.count"] === undefined).map(({ provenance }) => provenance?.offset);
          const rests = own.filter(({ facts }) => facts?.["rest.count"] !== undefined);
          expect(alone.length + rests.reduce((sum, { facts }) => sum + Number(facts?.["rest.count"]), 0)).toBe(sent.length);
          for (const { facts, provenance } of rests) {
            const [from, to] = [BigInt(facts?.["rest.from"] ?? ""), provenance?.offset ?? 0n];
            const letters = sent.filter((one) => one.provenance.offset >= from && one.provenance.offset <= to);
            expect(letters).toHaveLength(Number(facts?.["rest.count"]));
            const hash = letters.reduce<Uint8Array | undefined>((before, one) => restHash(crypto, before, one.provenance), undefined);
            expect(facts?.["rest.hash"]).toBe(toHex(hash ?? new Uint8Array()));
          }
        }
      }),
      { numRuns: 40 },
    );
  });
});
