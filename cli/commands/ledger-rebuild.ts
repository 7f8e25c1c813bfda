/**
 * `ronghe ledger rebuild`: a lost shard database again, from what its log left on the bus. Built beside its place and moved
 * there whole, so that a rebuilding that was cut short is begun anew.
 */
import { rename, rm } from "node:fs/promises";
import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { LogKeyDerivation } from "../../core/fsck/log-keys.ts";
import { type Recalled, rebuildBooks, type RebuiltBooks, type RequestPlace } from "../../core/fsck/rebuild-books.ts";
import { ShardDerivation } from "../../core/fsck/shard-books.ts";
import { openKeyedLog } from "../../core/log-keys.ts";
import { toHex, utf8Text } from "../../core/protocol/bytes.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { textOf } from "../../core/rows.ts";
import { Findings } from "../../ledger/fsck/findings.ts";
import { REBUILT_KIND } from "../../ledger/fsck/log.ts";
import { rebuildLog, type RebuiltLog } from "../../ledger/fsck/rebuild.ts";
import { scanLeaf, TAG } from "../../ledger/verifier/leaf.ts";
import { type Trust, verifyLogSignature } from "../../ledger/verifier/note.ts";
import { RANGE_BYTES_MAX } from "../../ledger/verifier/range.ts";
import { parseReceipt } from "../../ledger/verifier/receipt.ts";
import { kindOfText } from "../../ledger/verifier/session.ts";
import { type Database, openDatabase } from "../../migrations/database.ts";
import { scrubDatabase } from "../../migrations/scrub.ts";
import type { DeliveredRecord, EventBus } from "../../streams/bus/port.ts";
import { decodeEvent } from "../../streams/contracts/codec.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson } from "../output.ts";
import { openBusForReading } from "../platform/bus.ts";
import { shardKeyHandle, shardOrigin } from "../platform/core.ts";
import { openKeys } from "../platform/keys.ts";
import { readHandedText } from "../platform/handed-file.ts";
import { type Layout, layoutOf, readPlatform } from "../platform/layout.ts";
import { ownFolder } from "../platform/owner.ts";
import { readTrustedKeys } from "../platform/trust.ts";
import { progressBar } from "../progress.ts";
import { isThere } from "../platform/files.ts";

export interface LedgerRebuildOptions {
  readonly shard: number;
  readonly by: string;
  readonly policy?: string;
  readonly checkpoint?: readonly string[];
  readonly leaveUnsigned?: boolean;
  readonly json?: boolean;
}

const ENTRIES = "ledger.entry.appended.v1";
const CHECKPOINTS = "ledger.checkpoint.published.v1";
const OUTCOMES = [
  "settlement.claim.settled.v1",
  "settlement.claim.refused.v1",
  "settlement.claim.refunded.v1",
  "settlement.claim.unknown.v1",
] as const;
const READ_MAX = 500;

export async function ledgerRebuild(config: Config, options: LedgerRebuildOptions): Promise<number> {
  const layout = layoutOf(config.RONGHE_DATA);
  const platform = readPlatform(layout);
  if (options.shard >= platform.partitions) throw new UsageError(`the platform has shards 0 to ${platform.partitions - 1}`);
  const file = layout.core.shard(options.shard);
  if (isThere(file))
    throw new UsageError(`${file} is there: a database is made again only in place of one that is lost; move it away first`);
  const crypto = await loadCrypto();
  const trust = await readTrustedKeys(crypto, options.policy ?? layout.policy);
  const owned = ownFolder(layout.core.folder);
  const bus = await openBusForReading(config);
  const building = `${file}.rebuilding`;
  try {
    await removeDatabase(building);
    const rebuilding = { config, options, layout, crypto, bus, origin: shardOrigin(platform, options.shard), file: building };
    const rebuilt = await rebuild(rebuilding, trust);
    if (typeof rebuilt === "string") {
      await removeDatabase(building);
      console.error(`ronghe: ${rebuilt}`);
      return 1;
    }
    // What is left of the lost one belongs to no database any more.
    await removeDatabase(file);
    await rename(building, file);
    report(rebuilt, options);
    return 0;
  } finally {
    await bus.close();
    owned.release();
  }
}

interface Rebuilding {
  readonly config: Config;
  readonly options: LedgerRebuildOptions;
  readonly layout: Layout;
  readonly crypto: Crypto;
  readonly bus: EventBus;
  readonly origin: string;
  readonly file: string;
}
interface Rebuilt extends RebuiltLog {
  readonly origin: string;
  readonly books: RebuiltBooks;
  /** Entry that says so. */
  readonly entry: bigint;
}

async function rebuild(given: Rebuilding, trust: Awaited<ReturnType<typeof readTrustedKeys>>): Promise<Rebuilt | string> {
  const { config, options, layout, crypto, bus, origin, file } = given;
  const firstHandle = shardKeyHandle(options.shard);
  const checkpoints = await knownCheckpoints(given, trust);
  const findings = new Findings();
  const books = new ShardDerivation(crypto, findings);
  const keys = new LogKeyDerivation();
  const db = await openDatabase({ kind: "shard", file });
  const core = await openDatabase({ kind: "core", file: layout.core.database, readOnly: true });
  const bar = progressBar("entries");
  try {
    const log = await rebuildLog({
      db,
      crypto,
      trust,
      origin,
      checkpoints,
      leaveUnsigned: options.leaveUnsigned === true,
      entries: entriesOf(bus, options.shard, origin),
      onProgress: (done, of) => bar.update(Number(done), Number(of)),
      onLeaf(leaf, hash) {
        books.take(leaf, hash);
        keys.take(leaf);
      },
    });
    bar.stop();
    if (!log.ok && log.error.name === "uncovered")
      return `${origin} cannot be made again (${log.error.name}): ${log.error.detail}; or --leave-unsigned, where nobody holds a newer one`;
    if (!log.ok) return `${origin} cannot be made again (${log.error.name}): ${log.error.detail}`;
    const [impossible] = findings.kept;
    if (impossible !== undefined) return `${origin} contradicts itself at entry ${impossible.index}: ${impossible.detail}`;
    const recalled: Recalled = {
      personOf: (institution, outTradeNo) => personOf(core, `${institution}/${outTradeNo}`),
      toldBy: (place) => toldBy(bus, crypto, place),
    };
    const counts = await rebuildBooks({ db, books, keys, firstHandle, recalled, nowMs: systemClock.now() });
    const store = await openKeys(config, layout, crypto, "core");
    const entry = await recordRebuilt(db, await openKeyedLog({ db, origin, crypto, keys: store, firstHandle }), options.by, log.value);
    return { ...log.value, origin, books: counts, entry };
  } finally {
    bar.stop();
    await core.close();
    await db.close();
    await scrubDatabase(file).catch(() => false);
  }
}

/** The log itself says what was lost: whoever misses a value later finds why. */
async function recordRebuilt(
  db: Database,
  log: Awaited<ReturnType<typeof openKeyedLog>>,
  by: string,
  rebuilt: RebuiltLog,
): Promise<bigint> {
  const nowMs = systemClock.now();
  const facts = {
    size: rebuilt.size.toString(),
    root: toHex(rebuilt.root),
    lost: String(rebuilt.lost),
    unsigned: String(rebuilt.unsigned),
  };
  const staged = log.stage([{ kind: REBUILT_KIND, outcome: "accepted", actor: `operator/${by}`, facts }], nowMs);
  await db.write(staged.statements);
  staged.committed();
  await log.checkpoint(nowMs);
  return rebuilt.size;
}

async function* recordsOf(bus: EventBus, topic: string, partition: number): AsyncGenerator<DeliveredRecord> {
  const end = (await bus.endOffsets(topic))[partition] ?? 0n;
  for (let from = 0n; from < end;) {
    const records = await bus.read(topic, partition, from, READ_MAX);
    const last = records.at(-1);
    if (last === undefined) return;
    yield* records;
    from = last.offset + 1n;
  }
}

async function* entriesOf(bus: EventBus, partition: number, origin: string): AsyncGenerator<Uint8Array> {
  for await (const record of recordsOf(bus, ENTRIES, partition)) if (record.key === origin && isOf(record, origin)) yield record.value;
}

/** Of what anybody else left on the topic, what is no entry, or not what its record says; the rest no checkpoint is over. */
function isOf({ value, headers }: DeliveredRecord, origin: string): boolean {
  const leaf = scanLeaf(value);
  return leaf.ok && leaf.value.text(TAG.origin) === origin && headers["ce_ledgerseq"] === leaf.value.index.toString();
}

/** From the topic, from receipts that went out with outcomes, and from whoever kept one: the newest decides how much there must be. */
async function knownCheckpoints({ bus, origin, options, crypto }: Rebuilding, trust: Trust): Promise<readonly string[]> {
  const notes = new Set<string>();
  // Of what came over the bus only what the log signed: an unsigned note of somebody's must not keep the log from being made again.
  const addSigned = (note: string | undefined): void => {
    if (note !== undefined && verifyLogSignature(crypto, note, trust).ok) add(note);
  };
  const add = (note: string | undefined): void => {
    if (note?.startsWith(`${origin}\n`) === true) notes.add(note);
  };
  for await (const record of recordsOf(bus, CHECKPOINTS, options.shard)) addSigned(utf8Text(record.value));
  for (const topic of OUTCOMES)
    for await (const record of recordsOf(bus, topic, options.shard)) {
      const event = decodeEvent(record, topic);
      const receipt = event.ok && event.value.data.receipt !== undefined ? parseReceipt(event.value.data.receipt) : undefined;
      if (receipt?.ok === true) addSigned(receipt.value.checkpoint);
    }
  for (const path of options.checkpoint ?? []) {
    const text = await readHandedText(path, RANGE_BYTES_MAX);
    const note = checkpointIn(text);
    // One that is passed over would not be missed, and the log would fork.
    if (!note.startsWith(`${origin}\n`)) throw new UsageError(`${path} holds no checkpoint of ${origin}`);
    add(note);
  }
  return [...notes];
}

/** A checkpoint by itself, or the one that ends a receipt or a range. */
function checkpointIn(text: string): string {
  const kind = kindOfText(text);
  return kind === "receipt" || kind === "range" ? text.slice(text.indexOf("\n\n") + 2) : text;
}

/** Whom the vault opened accounts of for this payment. */
async function personOf(core: Database, transactionId: string): Promise<string | undefined> {
  const [row] = await core.read(
    `SELECT p.pseudonym FROM credential_use u JOIN visit v ON v.visit_id=u.visit_id JOIN person p ON p.person_id=v.person_id
     WHERE u.transaction_id=? AND u.step='settlement'`,
    transactionId,
  );
  return row === undefined ? undefined : textOf(row, "pseudonym");
}

async function toldBy(bus: EventBus, crypto: Crypto, place: RequestPlace): ReturnType<Recalled["toldBy"]> {
  const [record] = await bus.read(place.topic, place.partition, place.offset, 1);
  if (record?.offset !== place.offset || toHex(crypto.sm3(record.value)) !== toHex(place.recordHash)) return undefined;
  const event = decodeEvent(record, "settlement.request.submitted.v1");
  if (!event.ok || event.value.data.credential === undefined) return undefined;
  const { credential, medType, feeLines } = event.value.data;
  const care = medType === undefined && feeLines === undefined ? null : JSON.stringify({ medType, fees: feeLines });
  return { credential: JSON.stringify(credential), care };
}

async function removeDatabase(file: string): Promise<void> {
  for (const suffix of ["", "-wal", "-shm"]) await rm(`${file}${suffix}`, { force: true });
}

function report({ origin, size, root, lost, unsigned, books, entry }: Rebuilt, { json }: LedgerRebuildOptions): void {
  if (json === true) {
    printJson({ origin, size, root: toHex(root), lost, unsigned, entry, books });
    return;
  }
  console.log(`${origin}  size ${size}  root ${toHex(root)}`);
  console.log(`${books.settlements} settlements (${books.open} carried on), ${books.transfers} transfers`);
  console.log(
    `gone for good: ${lost} personal values with their salts; entry ${entry} says so. Every proof stands, none of these can be disclosed`,
  );
  if (unsigned > 0) console.log(`${unsigned} entries on the bus behind it were left out: no checkpoint is over them`);
  if (books.withoutPerson > 0)
    console.log(`${books.withoutPerson} payments are of nobody who is known here any more: they cannot be given back`);
  if (books.withoutRequest > 0) console.log(`${books.withoutRequest} open payments whose request is on no bus any more`);
}
