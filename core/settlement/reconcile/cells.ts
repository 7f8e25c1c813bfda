/** The cells of one row under their columns, and what was wanted in them. */
import type { Fen } from "../../protocol/money.ts";
import { cellText, readAmount, wordText } from "./fields.ts";
import type { Header } from "./header.ts";
import { type ColumnName, namesOf, type StatementMapping } from "./mapping.ts";
import { MOVEMENT_KINDS, type Said, type StatementDefect } from "./statement.ts";

/** Of an amount, before the point: `FEN_MAX`. */
const YUAN_DIGITS = 14;

/** A row that is none; `whole`: only because an amount has no decimals. */
export class RowFault extends Error {
  override readonly name = "RowFault";
  readonly defect: StatementDefect;
  readonly whole: boolean;

  constructor(defect: StatementDefect, whole = false) {
    super(defect.detail.en);
    this.defect = defect;
    this.whole = whole;
  }
}

export interface Money {
  readonly fen: Fen;
  readonly negative: boolean;
}

export class Cells {
  readonly line: number;
  readonly #mapping: StatementMapping;
  readonly #header: Header;
  readonly #record: readonly string[];

  constructor(of: {
    readonly mapping: StatementMapping;
    readonly header: Header;
    readonly record: readonly string[];
    readonly line: number;
  }) {
    this.line = of.line;
    this.#mapping = of.mapping;
    this.#header = of.header;
    this.#record = of.record;
  }

  /** Empty, too, where the mapping does not name the column. */
  text(column: ColumnName): string {
    return cellText(this.#raw(column));
  }

  word(column: ColumnName): string {
    return wordText(this.#raw(column));
  }

  #raw(column: ColumnName): string {
    return this.#record[this.#header.places[column] ?? -1] ?? "";
  }

  /** Throws where there is no amount in the cell. */
  money(column: ColumnName, text = this.text(column)): Money {
    return this.#money(text, this.#nameOf(column));
  }

  /** Of the columns that are a fund source each, those that hold something. */
  *funds(): Generator<{ readonly fundSource: string; readonly money: Money }> {
    for (const { fundSource, place, name } of this.#header.funds) {
      const text = cellText(this.#record[place] ?? "");
      if (text !== "") yield { fundSource, money: this.#money(text, name) };
    }
  }

  #money(text: string, name: string | undefined): Money {
    const read = readAmount(text, this.#mapping, YUAN_DIGITS);
    if (typeof read === "object") return read;
    const { unit, decimals } = this.#mapping;
    throw this.#fault(name, unit === "fen" ? WANTED.fen : decimals === "two" ? WANTED.twoDecimals : WANTED.amount, read === "whole");
  }

  wrong(column: ColumnName | undefined, wanted: Said): RowFault {
    return this.#fault(column === undefined ? undefined : this.#nameOf(column), wanted);
  }

  #fault(column: string | undefined, detail: Said, whole = false): RowFault {
    return new RowFault({ code: "malformedRow", line: this.line, ...(column === undefined ? {} : { column }), detail }, whole);
  }

  #nameOf(column: ColumnName): string | undefined {
    const named = this.#mapping.columns[column];
    return named === undefined ? undefined : namesOf(named)[0];
  }
}

export const WANTED = {
  width: (fields: number): Said => ({ zh: `应有 ${fields} 个字段，与表头一致`, en: `wanted ${fields} fields, as the header has` }),
  key: {
    zh: "应为空，或本平台请求的编号（字母、数字、. _ / -）；若显示为科学计数法，请以文本格式导出",
    en: "wanted nothing, or the key of one of our calls (letters, digits, . _ / -); where a spreadsheet made it a power of ten, export it as text",
  },
  reference: {
    zh: "应为支付方流水号，1 至 64 位字母或数字；若显示为科学计数法，请以文本格式导出",
    en: "wanted the payer's own number, 1 to 64 letters and digits; where a spreadsheet made it a power of ten, export it as text",
  },
  kind: {
    zh: `应为映射中的类型用词（${MOVEMENT_KINDS.join("、")}）`,
    en: `wanted one of the mapping's words for ${MOVEMENT_KINDS.join(", ")}`,
  },
  institution: { zh: "应为机构代码，或映射中的机构名", en: "wanted an institution's code, or a name that the mapping has" },
  side: { zh: "应为 借 或 贷（D 或 C）", en: "wanted debit or credit (D or C)" },
  ways: { zh: "类型、借贷标志与正负号互相矛盾", en: "kind, side and sign do not agree" },
  amount: { zh: "应为元，至多两位小数", en: "wanted yuan with at most two decimals" },
  twoDecimals: { zh: "应为元，两位小数", en: "wanted yuan with two decimals" },
  fen: { zh: "应为分，不带小数", en: "wanted fen, without decimals" },
  aboveZero: { zh: "应大于零", en: "wanted an amount above zero" },
  unsigned: { zh: "映射为不带负号的金额", en: "wanted an amount without a sign: so the mapping says" },
  oneWay: { zh: "支付与退款两列应恰有一列有金额", en: "wanted an amount in one of the two columns" },
  parts: { zh: "应为空，或以分号分隔的 资金来源=元", en: "wanted nothing, or source=yuan pairs joined by semicolons" },
  sum: { zh: "各资金来源之和应等于金额", en: "wanted fund sources that sum to the amount" },
  instant: {
    zh: "应为日期与时间，如 20260801103000 或 2026-08-01 10:30:00（未注明时区者按映射，默认 UTC+8）",
    en: "wanted date and time, as 20260801103000 or 2026-08-01 10:30:00 (in the mapping's zone where none is said, UTC+8 by default)",
  },
} as const;
