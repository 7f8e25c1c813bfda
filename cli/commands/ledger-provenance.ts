/** `ronghe ledger provenance`: from entries to the record of the bus that they came from, and from a record to its entries. */
import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import { settlementId } from "../../core/protocol/settlement-id.ts";
import { readLeaves } from "../../ledger/store/load.ts";
import { searchEntries } from "../../ledger/store/search.ts";
import { decodeLeaf, type Leaf } from "../../ledger/verifier/leaf.ts";
import { treeHasher } from "../../ledger/verifier/tree.ts";
import type { Database } from "../../migrations/database.ts";
import { type DeliveredRecord, type EventBus, NoTopicError } from "../../streams/bus/port.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson, printTable } from "../output.ts";
import { openBusForReading } from "../platform/bus.ts";
import { layoutOf, readPlatform } from "../platform/layout.ts";
import { logFiles, openLogFile } from "../platform/verify.ts";
import { isThere } from "../platform/files.ts";

export interface LedgerProvenanceOptions {
  readonly settlement?: string;
  readonly record?: string;
  readonly json?: boolean;
}

/** How an entry and the bus agree. `gone`: the bus keeps records for a time only. */
type Standing = "same" | "gone" | "DIFFERS";

interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly recordHash: string;
}
interface Traced {
  readonly origin: string;
  readonly index: bigint;
  readonly kind: string;
  readonly leafHash: string;
  /** The record that the entry names, and whether the bus has the same one there. */
  readonly from?: Place & { readonly standing: Standing };
  /** Where the entry itself stands on the entries topic, byte for byte. */
  readonly published?: { readonly topic: string; readonly partition: number; readonly offset: bigint };
}

const ENTRIES = "ledger.entry.appended.v1";
const READ_MAX = 500;
const PAGE = 1_024;

/** Status 1 when a record differs from what an entry says of it, or, of a record, when no entry names it. */
export async function ledgerProvenance(config: Config, options: LedgerProvenanceOptions): Promise<number> {
  if ((options.settlement === undefined) === (options.record === undefined))
    throw new UsageError("give --settlement or --record, one of them");
  const layout = layoutOf(config.RONGHE_DATA);
  const platform = readPlatform(layout);
  const crypto = await loadCrypto();
  const place = options.record === undefined ? undefined : placeOf(options.record);
  const bus = await openBusForReading(config);
  try {
    if (place !== undefined) await checkTopic(bus, place.topic);
    const traced: Traced[] = [];
    for (const [at, { origin, file }] of logFiles(layout, platform).entries()) {
      if (!isThere(file)) continue;
      const db = await openLogFile(origin, file);
      try {
        const leaves = place === undefined ? await aboutSettlement(db, crypto, options.settlement ?? "") : await fromRecord(db, place);
        for (const leaf of leaves) traced.push(await trace({ bus, crypto, partition: Math.max(0, at - 1) }, leaf));
      } finally {
        await db.close();
      }
    }
    const record = place === undefined ? undefined : await recordAt(bus, place);
    const there = record === undefined ? undefined : { ...place, recordHash: toHex(crypto.sm3(record.value)) };
    const ok = traced.every(({ from }) => from?.standing !== "DIFFERS") && (traced.length > 0 || place === undefined);
    if (options.json === true)
      printJson({ ok, ...(place === undefined ? {} : { record: there ?? null }), entries: traced.map((one) => one) });
    else print(traced, place, there?.recordHash);
    if (traced.length === 0)
      console.error(
        `ronghe: no entry ${place === undefined ? "is about it" : "names this record: a repeat that changed nothing, or a record that was left out"}`,
      );
    return ok && traced.length > 0 ? 0 : 1;
  } finally {
    await bus.close();
  }
}

function placeOf(text: string): Omit<Place, "recordHash"> {
  const [, topic, partition, offset] = /^([a-z0-9._-]+)\/(\d{1,9})\/(\d{1,18})$/.exec(text) ?? [];
  if (topic === undefined || partition === undefined || offset === undefined) throw new UsageError("--record is topic/partition/offset");
  return { topic, partition: Number(partition), offset: BigInt(offset) };
}

async function checkTopic(bus: EventBus, topic: string): Promise<void> {
  await bus.endOffsets(topic).catch((error: unknown) => {
    if (error instanceof NoTopicError) throw new UsageError(error.message);
    throw error;
  });
}

async function aboutSettlement(db: Database, crypto: Crypto, name: string): Promise<readonly Leaf[]> {
  const slash = name.indexOf("/");
  const subject = slash === -1 ? name : settlementId(crypto, name.slice(0, slash), name.slice(slash + 1));
  const leaves: Leaf[] = [];
  for (const index of await searchEntries(db, "subject", subject)) {
    const [stored] = await readLeaves(db, index, 1);
    const leaf = stored === undefined ? undefined : decodeLeaf(stored.bytes);
    if (leaf?.ok === true) leaves.push(leaf.value);
  }
  return leaves;
}

/** Every entry that names this record; read from the bytes, because no column holds it. */
async function fromRecord(db: Database, { topic, partition, offset }: Omit<Place, "recordHash">): Promise<readonly Leaf[]> {
  const found: Leaf[] = [];
  for (let from = 0n; ;) {
    const leaves = await readLeaves(db, from, PAGE);
    for (const { index, bytes } of leaves) {
      from = index + 1n;
      const leaf = decodeLeaf(bytes);
      const named = leaf.ok ? leaf.value.provenance : undefined;
      if (leaf.ok && named?.topic === topic && named.partition === partition && named.offset === offset) found.push(leaf.value);
    }
    if (leaves.length < PAGE) return found;
  }
}

async function trace({ bus, crypto, partition }: { bus: EventBus; crypto: Crypto; partition: number }, leaf: Leaf): Promise<Traced> {
  const { origin, index, kind, provenance } = leaf;
  const published = await findEntry(bus, partition, origin, index);
  const standing = provenance === undefined ? undefined : await standingOf(bus, crypto, provenance);
  return {
    origin,
    index,
    kind,
    leafHash: published === undefined ? "" : toHex(treeHasher(crypto.sm3).leaf(published.value)),
    ...(provenance === undefined || standing === undefined
      ? {}
      : { from: { ...provenance, recordHash: toHex(provenance.recordHash), standing } }),
    ...(published === undefined ? {} : { published: { topic: published.topic, partition: published.partition, offset: published.offset } }),
  };
}

async function standingOf(bus: EventBus, crypto: Crypto, place: NonNullable<Leaf["provenance"]>): Promise<Standing> {
  const record = await recordAt(bus, place);
  if (record === undefined) return "gone";
  return toHex(crypto.sm3(record.value)) === toHex(place.recordHash) ? "same" : "DIFFERS";
}

async function recordAt(bus: EventBus, { topic, partition, offset }: Omit<Place, "recordHash">): Promise<DeliveredRecord | undefined> {
  const end = (await bus.endOffsets(topic))[partition] ?? 0n;
  if (offset >= end) return undefined;
  const [record] = await bus.read(topic, partition, offset, 1);
  return record?.offset === offset ? record : undefined;
}

/** Entries stand on their topic in their order, each at its index or a little behind: repeats and a second log shift it. */
async function findEntry(bus: EventBus, partition: number, origin: string, index: bigint): Promise<DeliveredRecord | undefined> {
  const end = (await bus.endOffsets(ENTRIES))[partition] ?? 0n;
  for (let from = index; from < end;) {
    const records = await bus.read(ENTRIES, partition, from, READ_MAX);
    const found = records.find((record) => record.key === origin && record.headers["ce_ledgerseq"] === index.toString());
    const last = records.at(-1);
    if (found !== undefined || last === undefined) return found;
    from = last.offset + 1n;
  }
  return undefined;
}

function print(traced: readonly Traced[], place: Omit<Place, "recordHash"> | undefined, recordHash: string | undefined): void {
  if (place !== undefined) console.log(`${place.topic}/${place.partition}/${place.offset}  SM3 ${recordHash ?? "- (not on the bus)"}`);
  printTable(
    ["日志 log", "条目 entry", "事项 kind", "来源 from", "SM3", "比对 bus", "发布于 published at"],
    traced.map(({ origin, index, kind, from, published }) => [
      origin,
      `#${index}`,
      kind,
      from === undefined ? "" : `${from.topic}/${from.partition}/${from.offset}`,
      from === undefined ? "" : `${from.recordHash.slice(0, 16)}…`,
      from?.standing ?? "",
      published === undefined ? "not yet" : `${published.topic}/${published.partition}/${published.offset}`,
    ]),
  );
}
