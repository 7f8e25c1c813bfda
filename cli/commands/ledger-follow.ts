/**
 * `ronghe ledger follow`: reads entries and checkpoints from the bus as they come and checks each; the first defect ends it
 * with status 1 and one line that names it. What it knows goes into a state file, so that it goes on where it stopped.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { toHex, utf8Text } from "../../core/protocol/bytes.ts";
import type { Branched, Settled } from "../../ledger/branches.ts";
import { type LeafProvenance, leafOf, type LeafView, scanLeaf, TAG } from "../../ledger/verifier/leaf.ts";
import { type Policy, verifyLogSignature } from "../../ledger/verifier/note.ts";
import { type FollowDefect, type FollowedState, LogFollower } from "../../ledger/witness/follower.ts";
import { ProvenanceTracker } from "../../ledger/witness/provenance.ts";
import type { DeliveredRecord, EventBus } from "../../streams/bus/port.ts";
import type { Config } from "../config.ts";
import { printErrorLine, printJson } from "../output.ts";
import { type FollowFile, readFollowFile, type Span, spansOf } from "./follow-file.ts";
import { Standing } from "./follow-standing.ts";
import { type Found, LeftOut, type Place } from "./left-out.ts";
import { openBusForReading } from "../platform/bus.ts";
import { layoutOf } from "../platform/layout.ts";
import { onStopAsked } from "../platform/stop.ts";
import { readTrustedKeys } from "../platform/trust.ts";
import { writeOut } from "../platform/files.ts";

const ENTRIES = "ledger.entry.appended.v1";
const CHECKPOINTS = "ledger.checkpoint.published.v1";
const READ_MAX = 500;
const LOOK_AGAIN_MS = 200;
/** What makes an entry none of the log's; a signed checkpoint never depends on it. */
const UNSIGNED: ReadonlySet<string> = new Set<FollowDefect["name"]>(["leafOrigin", "leafChain", "leafTime", "streamConflict"]);

export interface LedgerFollowOptions {
  readonly policy?: string;
  readonly state?: string;
  readonly from: "state" | "beginning";
  readonly once?: boolean;
  /** With `once`, seconds: how long the checkpoint over the last entries may take to come. */
  readonly wait: number;
  readonly entries?: boolean;
  readonly requests?: boolean;
  readonly allowUnwitnessed?: boolean;
  readonly json?: boolean;
}

export async function ledgerFollow(config: Config, options: LedgerFollowOptions): Promise<number> {
  const crypto = await loadCrypto();
  const trust = await readTrustedKeys(crypto, options.policy ?? layoutOf(config.RONGHE_DATA).policy);
  const bus = await openBusForReading(config);
  const following = new Following(
    { bus, crypto, trust, options },
    options.state === undefined || options.from === "beginning" ? undefined : await readFollowFile(options.state),
  );
  let stopped = false;
  onStopAsked(() => (stopped = true));
  try {
    const found = await following.run(() => stopped);
    await writeState(options, following);
    following.report(found);
    return found === undefined ? 0 : 1;
  } finally {
    await bus.close();
  }
}

/** What is told of an entry once a checkpoint covers it. */
interface Arrived {
  readonly at: Place;
  readonly origin: string;
  readonly kind: string;
  readonly provenance: LeafProvenance | undefined;
}

interface FollowingOptions {
  readonly bus: EventBus;
  readonly crypto: Crypto;
  readonly trust: Policy;
  readonly options: LedgerFollowOptions;
}

class Following {
  readonly #bus: EventBus;
  readonly #crypto: Crypto;
  readonly #trust: Policy;
  readonly #options: LedgerFollowOptions;
  readonly #logs = new Map<string, LogFollower<Arrived>>();
  readonly #standing: Standing;
  /** Entries under no checkpoint when the state was written: they are read once more. */
  #behind: readonly Span[] = [];
  readonly #provenance = new ProvenanceTracker();
  readonly #leftOut = new LeftOut();
  #requestsMissing = 0;
  #written = "";

  constructor({ bus, crypto, trust, options }: FollowingOptions, state: FollowFile | undefined) {
    this.#bus = bus;
    this.#crypto = crypto;
    this.#trust = trust;
    this.#options = options;
    this.#standing = new Standing(state);
    if (state !== undefined) this.#resume(state);
  }

  #resume({ logs, behind }: Pick<FollowFile, "logs" | "behind">): void {
    for (const [origin, log] of Object.entries(logs)) this.#logs.set(origin, this.#follower(origin, log));
    this.#behind = behind.map(({ partition, from, to }) => ({ partition, from: BigInt(from), to: BigInt(to) }));
  }

  /** Until stopped, caught up (`--once`), or something is wrong. */
  async run(stopped: () => boolean): Promise<Found | undefined> {
    let coverUntilMs: number | undefined;
    const before = await this.#begin();
    if (before !== undefined) return before;
    while (!stopped()) {
      // Checkpoints first: entries published before them are then there when they are read.
      const [found, count] = await this.#round();
      if (found !== undefined) return found;
      if (count > 0) {
        coverUntilMs = undefined;
        await writeState(this.#options, this);
        continue;
      }
      // Checkpoints were read before entries, and there is no more of either: what is missing now does not come.
      const stopped = this.#stopped();
      if (stopped !== undefined) return stopped;
      if (this.#options.once === true) {
        coverUntilMs ??= Date.now() + this.#options.wait * 1000;
        const open = this.#open();
        if (open === undefined) return undefined;
        if (Date.now() > coverUntilMs) return open;
      }
      await sleep(LOOK_AGAIN_MS);
    }
    return undefined;
  }

  state(): FollowFile {
    const logs = Object.fromEntries([...this.#logs].map(([origin, log]) => [origin, log.state()]));
    const places = [...this.#logs.values()].flatMap((log) => Array.from(log.candidates(), ({ at }) => at));
    const behind = spansOf(places).map(({ partition, from, to }) => ({ partition, from: from.toString(), to: to.toString() }));
    return { format: "ronghe-follow/2", ...this.#standing.written(), behind, logs };
  }

  /** Whether the state differs from what was written last. */
  news(): string | undefined {
    const text = `${JSON.stringify(this.state())}\n`;
    if (text === this.#written) return undefined;
    this.#written = text;
    return text;
  }

  report(found: Found | undefined): void {
    const logs = [...this.#logs].map(([origin, log]) => ({ origin, size: log.size, uncovered: log.uncovered, ...log.counts }));
    const provenance = {
      ...this.#provenance.counts,
      ...(this.#options.requests === true ? { requestsMissing: this.#requestsMissing } : {}),
    };
    const defect = found === undefined ? undefined : told(found);
    const { count, shown } = this.#leftOut;
    const leftOut = { records: count, first: shown.map(told) };
    if (this.#options.json === true)
      printJson({
        ok: found === undefined,
        logs,
        provenance,
        leftOut,
        anew: this.#standing.anew,
        ...(defect === undefined ? {} : { defect }),
      });
    else {
      for (const log of logs)
        console.log(
          `${log.origin}  size ${log.size}  ${log.checkpoints} checkpoints, ${log.reissued} reissued, ${log.uncovered} entries uncovered, ${log.duplicates} repeats`,
        );
      console.log(
        `requests: ${provenance.requests} with entries, ${provenance.gaps} without (repeats), ${provenance.reordered} out of order`,
      );
    }
    for (const { topic, partition, offset } of this.#standing.anew)
      printErrorLine(
        `ronghe: ${topic}/${partition} counts its offsets anew: what stood before ${offset} is not there as it was read; it is read from its first record`,
      );
    for (const { name, origin, detail, ...more } of leftOut.first)
      printErrorLine(
        `ronghe: left out ${name} in ${origin}${"at" in more ? ` at ${more.at.topic}/${more.at.partition}/${more.at.offset}` : ""}: ${detail}`,
      );
    if (count > leftOut.first.length) printErrorLine(`ronghe: left out ${count} records in all`);
    if (defect === undefined) return;
    const place = "at" in defect ? ` at ${defect.at.topic}/${defect.at.partition}/${defect.at.offset}` : "";
    printErrorLine(`ronghe: DEFECT ${defect.name} in ${defect.origin}, entry ${defect.index ?? "?"}${place}: ${defect.detail}`);
  }

  async #round(): Promise<readonly [Found | undefined, number]> {
    let count = 0;
    for (const topic of [CHECKPOINTS, ENTRIES]) {
      const ends = await this.#bus.endOffsets(topic);
      for (const [partition, end] of ends.entries()) {
        // It counts anew, under our eyes.
        if (end < this.#standing.next(topic, partition)) {
          this.#resume(this.state());
          return [await this.#begin(), 1];
        }
        for (let from = this.#standing.next(topic, partition); from < end; from = this.#standing.next(topic, partition)) {
          const records = await this.#bus.read(topic, partition, from, READ_MAX);
          if (records.length === 0) break;
          count += records.length;
          const found = await this.#take(records);
          if (found !== undefined) return [found, count];
        }
      }
    }
    return [undefined, count];
  }

  async #take(records: readonly DeliveredRecord[]): Promise<Found | undefined> {
    for (const record of records) {
      const at = this.#place(record);
      const wanted = this.#standing.next(record.topic, record.partition);
      if (record.offset < wanted) {
        const detail = `offset ${record.offset} came where ${wanted} was wanted`;
        return { origin: record.key, at, defect: { name: "streamReordered", detail } };
      }
      // A hole in the offsets may be somebody's transaction marker, or records that retention took: the chain tells which.
      const found = await (record.topic === ENTRIES ? this.#entry(record, at) : this.#checkpoint(record, at));
      if (found !== undefined) return found;
      this.#standing.took(at);
    }
    return undefined;
  }

  /** From a state: of a partition that counts anew, nothing stands any more where it stood. */
  async #begin(): Promise<Found | undefined> {
    const anew = await this.#standing.look(this.#bus, ENTRIES, (value) => toHex(this.#crypto.sm3(value)));
    this.#behind = this.#behind.filter(({ partition }) => !anew.has(partition));
    return await this.#readBehind();
  }

  /** What stood behind the checkpoints, in the order of the topic. */
  async #readBehind(): Promise<Found | undefined> {
    for (const { partition, from, to } of this.#behind)
      for (let next = from; next < to;) {
        const records = await this.#bus.read(ENTRIES, partition, next, Math.min(READ_MAX, Number(to - next)));
        const last = records.at(-1);
        if (last === undefined) break;
        for (const record of records) {
          const found = record.offset < to ? await this.#entry(record, this.#place(record)) : undefined;
          if (found !== undefined) return found;
        }
        next = last.offset + 1n;
      }
    return undefined;
  }

  async #entry(record: DeliveredRecord, at: Place): Promise<Found | undefined> {
    const scanned = scanLeaf(record.value);
    const { ce_ledgerlog: named, ce_ledgerseq: seq } = record.headers;
    const claimed = seq !== undefined && /^\d{1,19}$/.test(seq) ? { index: BigInt(seq) } : {};
    if (!scanned.ok) return this.#leaveOut({ origin: record.key, at, defect: { ...claimed, ...scanned.error } });
    const origin = scanned.value.text(TAG.origin) ?? "";
    const { index } = scanned.value;
    const bad = (name: FollowDefect["name"], detail: string): Found => ({ origin, at, defect: { name, detail, index } });
    if (record.key !== origin || named !== origin || seq !== index.toString())
      return this.#leaveOut(
        bad("streamHeader", `the record says ${named ?? "nothing"}/${seq ?? "nothing"}, its entry says ${origin}/${index}`),
      );
    if (!this.#mayBe(origin)) return this.#leaveOut(bad("leafOrigin", "the policy names no key for such a log"));
    const log = this.#log(origin);
    const followed = log.addEntry(record.value, arrived(scanned.value, at));
    if (followed.kind === "ahead")
      return this.#leaveOut(bad("streamGap", `entry ${index} came where ${followed.wanted} was wanted`), "early");
    // Only what a signed checkpoint says against is a defect of the log: entries are on the topic before anybody has signed them.
    if (followed.kind === "defect" && UNSIGNED.has(followed.defect.name)) return this.#leaveOut({ origin, at, defect: followed.defect });
    if (followed.kind === "defect") return { origin, at, defect: followed.defect };
    if (index === BigInt(log.size - 1)) this.#standing.saw(origin, at);
    return "settled" in followed ? await this.#settled(followed.settled) : undefined;
  }

  /** Why a log goes no further than it does although a signed checkpoint says more; `undefined` while none does. */
  #stopped(): Found | undefined {
    for (const [origin, log] of this.#logs) {
      const defect = log.finish();
      if (defect?.name === "checkpointRoot") return { origin, defect };
      if (defect?.name === "truncated" && this.#leftOut.count > 0) return this.#leftOut.reasonOf(origin, BigInt(log.size));
    }
    return undefined;
  }

  async #settled({ covered, dropped }: Settled<Arrived>): Promise<Found | undefined> {
    for (const { index, payload } of dropped) {
      const detail = `another entry than this one was signed as entry ${index}`;
      this.#leaveOut({ origin: payload.origin, at: payload.at, defect: { name: "streamConflict", detail, index: BigInt(index) } });
    }
    for (const entry of covered) {
      const found = await this.#provenanceOf(entry);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #provenanceOf({ index, hash, payload }: Branched<Arrived>): Promise<Found | undefined> {
    const { origin, kind, provenance, at } = payload;
    const bad = (detail: string): Found => ({ origin, at, defect: { name: "provenanceMismatch", detail, index: BigInt(index) } });
    if (this.#options.entries === true)
      printJson({
        origin,
        index: BigInt(index),
        kind,
        leafHash: toHex(hash),
        at,
        ...(provenance === undefined ? {} : { from: { ...provenance, recordHash: toHex(provenance.recordHash) } }),
      });
    if (provenance === undefined) return undefined;
    const place = `${provenance.topic}/${provenance.partition}/${provenance.offset}`;
    const seen = this.#provenance.add(provenance);
    if (seen === "conflict") return bad(`two entries name different records at ${place}`);
    if (seen === "again" || this.#options.requests !== true) return undefined;
    const [request] = await this.#bus.read(provenance.topic, provenance.partition, provenance.offset, 1);
    if (request?.offset !== provenance.offset) {
      // Requests are kept for a time only; the hash in the entry stays.
      this.#requestsMissing += 1;
      return undefined;
    }
    const isSame = toHex(this.#crypto.sm3(request.value)) === toHex(provenance.recordHash);
    return isSame ? undefined : bad(`the record at ${place} is not the one that the entry came from`);
  }

  async #checkpoint(record: DeliveredRecord, at: Place): Promise<Found | undefined> {
    const note = utf8Text(record.value);
    const origin = note?.split("\n", 1)[0] ?? record.key;
    const leave = (defect: FollowDefect): undefined => this.#leaveOut({ origin: record.key, at, defect });
    if (note === undefined || record.key !== origin)
      return leave({ name: "streamHeader", detail: "the record is not a checkpoint of the log it says" });
    const signed = verifyLogSignature(this.#crypto, note, this.#trust);
    if (!signed.ok) return leave(signed.error);
    const followed = this.#log(origin).addCheckpoint(note);
    // An old head that the log did sign, once more: anybody can put it there again.
    if (followed.kind === "defect" && followed.defect.name === "streamReordered") return leave(followed.defect);
    if (followed.kind === "defect") return { origin, at, defect: followed.defect };
    return "settled" in followed ? await this.#settled(followed.settled) : undefined;
  }

  #leaveOut(found: Found, kind: "foreign" | "early" = "foreign"): undefined {
    this.#leftOut.add(found, kind);
  }

  /** False for a log of which the policy could believe no checkpoint. */
  #mayBe(origin: string): boolean {
    return this.#trust.logs.some(({ origins }) => origins === undefined || origins.includes(origin));
  }

  /** What is not complete yet. */
  #open(): Found | undefined {
    for (const [origin, log] of this.#logs) {
      const defect = log.finish();
      if (defect !== undefined) return { origin, defect };
    }
    const [missing] = this.#standing.missing();
    if (missing !== undefined) {
      const detail = `the topic counts anew and ends before entry ${this.#log(missing).size - 1}, which stood there`;
      return { origin: missing, defect: { name: "truncated", detail } };
    }
    // A log that the auditor trusts a key for and of which nothing came at all.
    const silent = this.#trust.logs.flatMap((key) => key.origins ?? []).find((origin) => !this.#logs.has(origin));
    return silent === undefined
      ? undefined
      : { origin: silent, defect: { name: "logMissing", detail: "nothing of this log is on the bus" } };
  }

  #log(origin: string): LogFollower<Arrived> {
    const known = this.#logs.get(origin) ?? this.#follower(origin);
    this.#logs.set(origin, known);
    return known;
  }

  #follower(origin: string, state?: FollowedState): LogFollower<Arrived> {
    const { allowUnwitnessed = false } = this.#options;
    return new LogFollower({ crypto: this.#crypto, trust: this.#trust, origin, allowUnwitnessed }, state);
  }

  #place({ topic, partition, offset, value }: DeliveredRecord): Place {
    return { topic, partition, offset, recordHash: toHex(this.#crypto.sm3(value)) };
  }
}

/** As a report names it. */
function told({ origin, defect, at }: Found) {
  return { origin, ...defect, ...(at === undefined ? {} : { at }) };
}

function arrived(view: LeafView, at: Place): Arrived {
  const { origin, kind, provenance } = leafOf(view);
  return { at, origin, kind, provenance };
}

async function writeState({ state }: LedgerFollowOptions, following: Following): Promise<void> {
  const text = state === undefined ? undefined : following.news();
  if (state === undefined || text === undefined) return;
  await writeOut(state, text);
}
