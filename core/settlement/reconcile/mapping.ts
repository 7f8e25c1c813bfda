/**
 * How one payer writes its statements (列映射), as data: what its columns are called and what its words mean. Read once,
 * checked whole, kept with who set it and when, and known by its hash: a run's entry says under which mapping a file was read.
 */
import * as v from "valibot";
import type { Crypto } from "../../crypto/port.ts";
import { toHex, utf8 } from "../../protocol/bytes.ts";
import { fundSourceOf } from "../../protocol/fund-sources.ts";
import { ok, refused, type Result } from "../../protocol/result.ts";
import { codePoints } from "../../protocol/texts.ts";
import type { RailName } from "../plan.ts";
import { offsetMs, wordText } from "./fields.ts";
import type { Said } from "./statement.ts";

export const ENCODINGS = ["utf-8", "gb18030", "utf-16le"] as const;
export type Encoding = (typeof ENCODINGS)[number];
export const SEPARATORS = [",", ";", "\t", "|"] as const;
export const INSTITUTION: RegExp = /^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$/;
export const FUND_SOURCE: RegExp = /^[a-z][a-z0-9_]{0,31}$/;
const INSTITUTIONS_MAX = 10_000;

const word = v.pipe(
  v.string(),
  codePoints(1, 40),
  v.check((text) => wordText(text) !== ""),
);
const words = v.pipe(v.array(word), v.minLength(1), v.maxLength(16));
/** One name, or the names that a column has had. */
const named = v.union([word, words]);
const code = v.pipe(v.string(), v.regex(INSTITUTION));
/** Place of a field in the last row, the first being 1. */
const place = v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(200)));

export const TOTALS_FIGURES = ["rows", "captures", "captured", "refunds", "refunded", "gross", "net"] as const;
export type TotalsFigure = (typeof TOTALS_FIGURES)[number];

export const statementMapping = v.strictObject({
  /** `auto`: by the byte order mark, else UTF-8 when the bytes are that, else GB 18030. */
  encoding: v.optional(v.picklist(["auto", ...ENCODINGS]), "auto"),
  /** `auto`: the one under which the header has the columns. */
  separator: v.optional(v.picklist(["auto", ...SEPARATORS]), "auto"),
  columns: v.strictObject({
    /** The key of our call, where the payer repeats it (商户订单号). */
    key: v.optional(named),
    /** The payer's own number (流水号). */
    reference: named,
    institution: v.optional(named),
    kind: v.optional(named),
    /** 借贷标志. */
    side: v.optional(named),
    /** One column of amounts, or one for each way. */
    amount: v.optional(named),
    captured: v.optional(named),
    refunded: v.optional(named),
    /** `source=yuan` pairs joined by semicolons. */
    parts: v.optional(named),
    /** Date and time in one column, or in two; a date alone where the payer gives no time of day. */
    postedAt: v.optional(named),
    postedDate: v.optional(named),
    postedTime: v.optional(named),
  }),
  /** Where the file is one institution's. */
  institution: v.optional(code),
  /** The payer's name of an institution (商户号), and ours. */
  institutions: v.optional(
    v.pipe(
      v.record(word, code),
      v.check((map) => Object.keys(map).length <= INSTITUTIONS_MAX),
    ),
  ),
  /** A column for each fund source. */
  funds: v.optional(v.record(v.pipe(v.string(), v.regex(FUND_SOURCE)), named)),
  /** Words of the payer beside {@link KIND_WORDS}. */
  kinds: v.optional(v.strictObject({ capture: v.optional(words), refund: v.optional(words), reversal: v.optional(words) })),
  /** Which side a payment stands on. */
  captureSide: v.optional(v.picklist(["debit", "credit"])),
  /** Whether amounts bear a sign, and of which way. */
  signs: v.optional(v.picklist(["none", "refundsNegative", "capturesNegative"]), "none"),
  unit: v.optional(v.picklist(["yuan", "fen"]), "yuan"),
  decimals: v.optional(v.picklist(["two", "optional"]), "two"),
  /** Of instants that do not say it themselves. */
  zone: v.optional(
    v.pipe(
      v.string(),
      v.check((text) => offsetMs(text) !== undefined),
    ),
    "+08:00",
  ),
  /** The last row, or that there is none: then what a file lacks is not taken as undone. */
  totals: v.union([
    v.literal("none"),
    v.strictObject({
      words,
      rows: place,
      captures: place,
      captured: place,
      refunds: place,
      refunded: place,
      gross: place,
      net: place,
    }),
  ]),
});
export type StatementMapping = v.InferOutput<typeof statementMapping>;
export type ColumnName = keyof StatementMapping["columns"];

/** What a mapping need not say. */
export const KIND_WORDS = {
  capture: ["支付", "消费", "扣款", "付款", "缴费", "结算", "capture", "payment", "pay", "sale"],
  refund: ["退款", "退费", "退货", "refund"],
  reversal: ["冲正", "撤销", "reversal", "reverse"],
} as const;
export const SIDE_WORDS = {
  debit: ["借", "借方", "d", "dr", "debit"],
  credit: ["贷", "贷方", "c", "cr", "credit"],
} as const;

/** In the order in which the kept form has its columns. */
export const CSV_HEADER = "key,reference,kind,institution,amount,parts,posted_at";
/** The form in which statements are kept, and in which a payer without a mapping gives its files. */
export const CANONICAL: StatementMapping = v.parse(statementMapping, {
  columns: {
    key: "key",
    reference: "reference",
    kind: "kind",
    institution: "institution",
    amount: "amount",
    parts: "parts",
    postedAt: "posted_at",
  },
  totals: { words: ["total"], captures: 2, captured: 3, refunds: 4, refunded: 5 },
});

/** The first name of a column: how people are told of it. */
export function namesOf(column: string | readonly string[]): readonly [string, ...string[]] {
  const [first = "", ...others] = typeof column === "string" ? [column] : column;
  return [first, ...others];
}

/** Reads a mapping for a payer; what is wrong with it in one line, naming the field. */
export function readMapping(input: unknown, rail: RailName): Result<StatementMapping, Said> {
  const read = v.safeParse(statementMapping, input);
  if (!read.success) {
    const issue = read.issues[0];
    const path = issue.path?.map(({ key }) => String(key)).join(".") ?? "";
    // A key of the mapping may be anything that its writer typed: only names of ours are said again.
    const field = /^[a-zA-Z]{1,24}(?:\.[a-zA-Z0-9_]{1,32}){0,2}$/.test(path) ? path : "";
    return refused({
      zh: `映射${field === "" ? "" : ` ${field}`} 不符合格式（见 docs/settlement.md）`,
      en: `the mapping${field === "" ? "" : `'s ${field}`} is not of the form (docs/settlement.md)`,
    });
  }
  const fault = faultOf(read.output, rail);
  return fault === undefined ? ok(read.output) : refused(fault);
}

function faultOf(mapping: StatementMapping, rail: RailName): Said | undefined {
  const { columns, signs, totals, funds = {}, captureSide } = mapping;
  const has = (column: ColumnName): boolean => columns[column] !== undefined;
  const twoWays = has("captured") && has("refunded");
  if (has("amount") === twoWays || has("captured") !== has("refunded"))
    return { zh: "金额：一列 amount，或 captured 与 refunded 两列", en: "amounts: one column amount, or the two captured and refunded" };
  if (has("postedAt") === has("postedDate") || (has("postedTime") && !has("postedDate")))
    return { zh: "时间：一列 postedAt，或 postedDate（可加 postedTime）", en: "time: a column postedAt, or postedDate (with postedTime)" };
  if (has("institution") === (mapping.institution !== undefined))
    return { zh: "机构：一列 institution，或固定的 institution", en: "institution: a column of it, or one for the whole file" };
  if (has("side") !== (captureSide !== undefined))
    return { zh: "借贷标志列 side 须与 captureSide 同时给出", en: "a column side goes with captureSide" };
  if (!has("kind") && !has("side") && !twoWays && signs === "none")
    return {
      zh: "须说明支付与退款如何区分：kind、side、两列金额或 signs",
      en: "how payments and refunds differ: kind, side, two columns of amounts, or signs",
    };
  if (twoWays && signs !== "none") return { zh: "两列金额不带正负号", en: "two columns of amounts bear no signs" };
  if (has("parts") && Object.keys(funds).length > 0)
    return { zh: "基金：一列 parts，或每基金一列", en: "funds: a column parts, or one for each" };
  if (Object.keys(funds).some((source) => fundSourceOf(source)?.rail !== rail))
    return { zh: "funds 须为该支付方自己的资金来源", en: "funds are sources that this payer may pay from" };
  if (totals !== "none" && TOTALS_FIGURES.every((figure) => totals[figure] === undefined))
    return { zh: "合计行至少给出一个数的位置", en: "a row of totals has at least one figure" };
  const said = [...allNames(mapping)].map(wordText);
  if (new Set(said).size !== said.length) return { zh: "同一列名用了两次", en: "the same column is named twice" };
  const kinds = Object.values(wordsOfKinds(mapping)).flat();
  return new Set(kinds).size === kinds.length ? undefined : { zh: "同一类型用词用了两次", en: "the same word means two kinds" };
}

function* allNames({ columns, funds = {} }: StatementMapping): Generator<string> {
  for (const column of [...Object.values(columns), ...Object.values(funds)]) if (column !== undefined) yield* namesOf(column);
}

/** Words of each kind, as they are compared. */
export function wordsOfKinds({ kinds }: StatementMapping): Readonly<Record<keyof typeof KIND_WORDS, readonly string[]>> {
  const all = (kind: keyof typeof KIND_WORDS): readonly string[] => {
    const own = (kinds?.[kind] ?? []).map(wordText);
    const others = new Set(Object.entries(kinds ?? {}).flatMap(([name, said = []]) => (name === kind ? [] : said.map(wordText))));
    // A word that the payer uses for another kind is no longer ours.
    return [...new Set([...own, ...KIND_WORDS[kind].filter((known) => !others.has(known))])];
  };
  return { capture: all("capture"), refund: all("refund"), reversal: all("reversal") };
}

/** The text in which a mapping is kept: names in order, defaults said. Equal mappings are equal texts. */
export function printMapping(mapping: StatementMapping): string {
  return JSON.stringify(inOrder(mapping));
}

function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, field]) => [name, inOrder(field)]),
  );
}

/** SM3 of the text, hex. */
export function mappingHash(crypto: Pick<Crypto, "sm3">, mapping: StatementMapping): string {
  return toHex(crypto.sm3(utf8(printMapping(mapping))));
}
