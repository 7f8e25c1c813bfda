/** `ronghe bus dead-letters list|show|replay`: records that consumers put aside, and the way back for those that are good by now. */
import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { toHex, utf8 } from "../../core/protocol/bytes.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { DEAD_LETTER_HEADERS } from "../../streams/bus/dead-letter.ts";
import { type Letter, lettersOf, placeName, readLetter } from "../../streams/bus/letters.ts";
import type { DeliveredRecord, EventBus } from "../../streams/bus/port.ts";
import { type ReplayOutcome, replayLetters } from "../../streams/bus/replay-letters.ts";
import { BusWatch } from "../../streams/bus/watch.ts";
import { decodeEvent } from "../../streams/contracts/codec.ts";
import type { DeadLetterReason } from "../../streams/contracts/dead-letter-reasons.ts";
import { deadLetterTopic, TOPICS } from "../../streams/contracts/topics.ts";
import { FRAUD_CONSUMER, unfitForFraud } from "../../streams/fraud/service.ts";
import { SUPERVISION_CONSUMER, unfitForSupervision } from "../../streams/supervision/service.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson, printTable, printText } from "../output.ts";
import { openBus, openBusForReading } from "../platform/bus.ts";
import { layoutOf } from "../platform/layout.ts";
import { ownFolder } from "../platform/owner.ts";
import { reasonText } from "../text/dead-letters.ts";

type Lang = "zh" | "en";
interface Chosen {
  readonly topic?: string;
  readonly reason?: string;
  readonly lang: Lang;
  readonly json?: boolean;
}

export async function deadLettersList(config: Config, options: Chosen): Promise<number> {
  const topics = options.topic === undefined ? Object.keys(TOPICS) : [topicNamed(options.topic)];
  const bus = await openBusForReading(config);
  try {
    const groups = (await Promise.all(topics.map((topic) => groupsOf(bus, topic)))).flat();
    const shown = groups.filter(({ reason }) => options.reason === undefined || reason === options.reason);
    if (options.json === true) printJson({ deadLetters: shown });
    else printGroups(shown, options.lang);
    return 0;
  } finally {
    await bus.close();
  }
}

export interface LetterGroup {
  readonly topic: string;
  readonly reason: Letter["reason"];
  readonly consumer: string;
  records: number;
  /** Of them, those that were put on the topic again. */
  replayed: number;
  readonly firstMs: number;
  lastMs: number;
  /** For `show`. */
  readonly firstLetter: string;
}

/** Letters of a topic by reason and consumer, in the order in which each first came. */
async function groupsOf(bus: EventBus, topic: string): Promise<readonly LetterGroup[]> {
  const groups = new Map<string, LetterGroup>();
  const groupOf = new Map<string, LetterGroup[]>();
  const counted = new Set<string>();
  for await (const { read, offset } of lettersOf(bus, topic)) {
    if (read === undefined) continue;
    const place = placeName(read.place);
    if (read.kind === "replayed") {
      for (const group of groupOf.get(place) ?? []) group.replayed += 1;
      groupOf.delete(place);
      continue;
    }
    const { reason, consumer, atMs, records } = read;
    // A letter is written again when its writer dies before it has noted that.
    if (counted.has(`${place} ${consumer}`)) continue;
    counted.add(`${place} ${consumer}`);
    const name = `${reason} ${consumer}`;
    const fresh = { topic, reason, consumer, records: 0, replayed: 0, firstMs: atMs, lastMs: atMs, firstLetter: `${topic}/${offset}` };
    const group = groups.get(name) ?? fresh;
    groups.set(name, group);
    group.records += records;
    group.lastMs = Math.max(group.lastMs, atMs);
    groupOf.set(place, [...(groupOf.get(place) ?? []), group]);
  }
  return [...groups.values()];
}

function printGroups(groups: readonly LetterGroup[], lang: Lang): void {
  const zh = lang === "zh";
  const head = zh
    ? ["主题", "原因", "消费者", "记录", "已重投", "首次 (UTC+8)", "末次 (UTC+8)", "首封"]
    : ["topic", "reason", "consumer", "records", "replayed", "first (UTC+8)", "last (UTC+8)", "first letter"];
  const rows = groups.map((group) => [
    group.topic,
    reasonText(group.reason, lang),
    group.consumer,
    String(group.records),
    String(group.replayed),
    instant(group.firstMs),
    instant(group.lastMs),
    group.firstLetter.split("/").at(-1) ?? "",
  ]);
  if (rows.length > 0) printTable(head, rows);
  const records = groups.reduce((sum, group) => sum + group.records, 0);
  printText(zh ? `共 ${records} 条死信记录` : `${records} records put aside`);
}

/** @param name `TOPIC/NUMBER`, as `list` shows the first of each kind */
export async function deadLettersShow(config: Config, name: string, options: Pick<Chosen, "lang" | "json">): Promise<number> {
  const [, topic = "", number = ""] = /^([^/]+)\/(\d{1,19})$/.exec(name) ?? [];
  const letters = deadLetterTopic(topicNamed(topic));
  const bus = await openBusForReading(config);
  try {
    const [record] = await bus.read(letters, 0, BigInt(number), 1);
    const letter = record?.offset === BigInt(number) ? readLetter(record) : undefined;
    if (letter?.kind !== "letter") throw new UsageError(`${letters} holds no dead letter ${number}`);
    const shown = shownLetter(letter, await loadCrypto());
    if (options.json === true) {
      printJson(shown);
      return 0;
    }
    const zh = options.lang === "zh";
    printTable(zh ? ["项", "内容"] : ["what", "content"], [
      [zh ? "原记录" : "record", shown.place],
      [zh ? "原因" : "reason", reasonText(letter.reason, options.lang)],
      [zh ? "消费者" : "consumer", shown.consumer],
      [zh ? "隔离时间 (UTC+8)" : "put aside (UTC+8)", instant(letter.atMs)],
      [zh ? "代表记录数" : "records", String(shown.records)],
      [zh ? "键" : "key", textOf(shown.key)],
      ...shown.headers.map(({ name: header, value }) => [`${zh ? "标头" : "header"} ${header}`, textOf(value)]),
      [zh ? "内容" : "content", shown.contentBytes === 0 ? (zh ? "未随信保存" : "left on its topic") : textOf(shown.content)],
    ]);
    return 0;
  } finally {
    await bus.close();
  }
}

/** What a machine wrote, in clear; of everything else how long it is and its SM3, so that two can be told apart. */
type Shown = { readonly text: string } | { readonly bytes: number; readonly sm3: string };

interface ShownLetter {
  readonly place: string;
  readonly reason: Letter["reason"];
  readonly consumer: string;
  readonly atMs: number;
  readonly records: number;
  readonly key: Shown;
  readonly headers: readonly { readonly name: string; readonly value: Shown }[];
  readonly contentBytes: number;
  readonly content: Shown;
}

/** Never a person's name, number or account: content, and headers that are not ours, only as sizes and hashes. */
export function shownLetter({ place, reason, consumer, atMs, records, record }: Letter, crypto: Pick<Crypto, "sm3">): ShownLetter {
  const hidden = (value: Uint8Array): Shown => ({ bytes: value.length, sm3: toHex(crypto.sm3(value)) });
  const clear = (text: string): Shown => (isClear(text) ? { text } : hidden(utf8(text)));
  const own = new Set<string>(Object.values(DEAD_LETTER_HEADERS));
  const headers = Object.entries(record.headers)
    .filter(([name]) => !own.has(name))
    .map(([name, value]) => ({
      name: OUR_HEADERS.has(name) ? name : `(${utf8(name).length} B)`,
      value: OUR_HEADERS.has(name) ? clear(value) : hidden(utf8(value)),
    }));
  const contentBytes = record.value.length;
  const common = { place: placeName(place), reason, consumer, atMs, records };
  return { ...common, key: clear(record.key), headers, contentBytes, content: hidden(record.value) };
}

const OUR_HEADERS: ReadonlySet<string> = new Set([
  "ce_specversion",
  "ce_id",
  "ce_source",
  "ce_type",
  "ce_time",
  "ce_partitionkey",
  "ce_dataschema",
  "ce_ledgerlog",
  "ce_ledgerseq",
  "content-type",
  "traceparent",
]);

/** Numbers as long as a document's, or as a telephone's standing alone, are nobody's to read here. */
function isClear(text: string): boolean {
  return /^[0-9A-Za-z._~:/+;= -]{1,200}$/.test(text) && !/\d{15}|(?<![0-9A-Za-z])\d{11}/.test(text);
}

function textOf(shown: Shown): string {
  return "text" in shown ? shown.text : `${shown.bytes} B, SM3 ${shown.sm3}`;
}

export interface ReplayChoice extends Chosen {
  readonly topic: string;
}

export async function deadLettersReplay(config: Config, options: ReplayChoice): Promise<number> {
  const topic = topicNamed(options.topic);
  // The embedded bus takes one writing process: the platform's own while it serves.
  const owned = config.RONGHE_BUS === "embedded" ? ownFolder(layoutOf(config.RONGHE_DATA).core.folder) : undefined;
  try {
    const bus = await openBus(config, systemClock, "ronghe-replay", undefined);
    try {
      return await replayOn(bus, topic, options);
    } finally {
      await bus.close();
    }
  } finally {
    owned?.release();
  }
}

async function replayOn(bus: EventBus, topic: string, { reason, json, lang }: ReplayChoice): Promise<number> {
  const watch = new BusWatch({ bus });
  await watch.look();
  const counts = { replayed: 0, already: 0, refused: 0, failed: 0 };
  const stillUnfit = (record: DeliveredRecord, consumer: string): DeadLetterReason | undefined =>
    unfitFor(record, consumer, watch.laterOf(systemClock.now()));
  const wanted = (letter: Letter): boolean => reason === undefined || letter.reason === reason;
  try {
    for await (const outcome of replayLetters({ bus, topic, wanted, stillUnfit })) {
      counts[outcome.kind] += 1;
      if (json === true) printJson({ ...outcome, place: placeName(outcome.place) });
      else if (outcome.kind !== "already") printText(outcomeText(outcome, lang));
    }
  } finally {
    await watch.stop();
  }
  if (json === true) printJson({ topic, ...counts });
  else printText(summary(counts, lang));
  return counts.failed + counts.refused === 0 ? 0 : 1;
}

/** What its reader would say of the record today. Whether a request's origin is believed only the core can tell: it asks again. */
export function unfitFor(record: DeliveredRecord, consumer: string, nowMs: number): DeadLetterReason | undefined {
  const event = decodeEvent(record);
  if (!event.ok) return event.error.reason;
  if (consumer === FRAUD_CONSUMER) return unfitForFraud(event.value, nowMs);
  return consumer === SUPERVISION_CONSUMER ? unfitForSupervision(event.value) : undefined;
}

function outcomeText(outcome: ReplayOutcome, lang: Lang): string {
  const zh = lang === "zh";
  const place = placeName(outcome.place);
  switch (outcome.kind) {
    case "replayed":
      return zh ? `${place} 已重投，新位置 ${outcome.again}` : `${place} replayed, now at ${outcome.again}`;
    case "already":
      return zh ? `${place} 此前已重投，位置 ${outcome.again}` : `${place} was replayed before, at ${outcome.again}`;
    case "refused":
      return zh ? `${place} 不重投：${reasonText(outcome.reason, lang)}` : `${place} not replayed: ${outcome.reason}`;
    case "failed":
      return zh ? `${place} 重投失败：${outcome.reason}` : `${place} failed: ${outcome.reason}`;
  }
}

function summary({ replayed, already, refused, failed }: Readonly<Record<ReplayOutcome["kind"], number>>, lang: Lang): string {
  const nothing = replayed + refused + failed === 0;
  if (lang === "zh")
    return nothing
      ? `没有可重投的记录；此前已重投 ${already} 条`
      : `重投 ${replayed} 条，此前已重投 ${already} 条，仍不可用 ${refused} 条，失败 ${failed} 条`;
  return nothing
    ? `nothing to replay; ${already} were replayed before`
    : `${replayed} replayed, ${already} replayed before, ${refused} still of no use, ${failed} failed`;
}

function topicNamed(topic: string): string {
  if (!Object.hasOwn(TOPICS, topic)) throw new UsageError(`no such topic; there are ${Object.keys(TOPICS).join(", ")}`);
  return topic;
}

function instant(ms: number): string {
  return new Date(ms + 8 * 3_600_000).toISOString().slice(0, 19).replace("T", " ");
}
