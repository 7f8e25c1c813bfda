/**
 * Fee detail lines (费用明细) of a bill as they travel: what was given, how much of it, at which price. Names of items
 * are a catalogue's, never a person's. All leaves are strings, so that every signing dialect gives the same text.
 */
import * as v from "valibot";
import type { Crypto } from "../crypto/port.ts";
import { toHex, utf8 } from "./bytes.ts";
import { asFen, type Fen, parseYuan } from "./money.ts";
import { ok, refused, type Result } from "./result.ts";
import { codePoints, text } from "./texts.ts";

/** Lines of one bill; a longer bill is settled in several. */
export const FEE_LINES_MAX = 200;
/** Kinds of a fee (NHSA `med_chrgitm_type`): 床位 诊察 检查 化验 治疗 手术 护理 卫生材料 西药 中药饮片 中成药 一般诊疗 挂号 其他. */
export const FEE_CATEGORIES = ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14"] as const;
/** How far insurance covers an item (NHSA `chrgitm_lv`): 01 甲类, 02 乙类 (part is paid first by the person), 03 自费. */
export const SELF_PAY_CLASSES = ["01", "02", "03"] as const;
export type SelfPayClass = (typeof SELF_PAY_CLASSES)[number];

export const feeLine = v.strictObject({
  /** National or local catalogue code of the item. */
  itemCode: v.pipe(v.string(), v.regex(/^[0-9A-Za-z][0-9A-Za-z._-]{0,49}$/)),
  itemName: text(100),
  /** At most four decimals, above zero. */
  quantity: v.pipe(v.string(), v.regex(/^(?:0|[1-9]\d{0,11})(?:\.\d{1,4})?$/)),
  /** Yuan, at most six decimals. */
  unitPrice: v.pipe(v.string(), v.regex(/^(?:0|[1-9]\d{0,9})(?:\.\d{1,6})?$/)),
  /** Yuan, at most two decimals; `quantity × unitPrice` rounded half up to the fen. */
  amount: v.pipe(v.string(), codePoints(1, 24)),
  category: v.picklist(FEE_CATEGORIES),
  selfPayClass: v.picklist(SELF_PAY_CLASSES),
});
export const feeLines = v.pipe(v.array(feeLine), v.minLength(1), v.maxLength(FEE_LINES_MAX));
export type FeeLineText = v.InferOutput<typeof feeLine>;

/** A checked line; the text stays as it came, for whoever it is handed on to. */
export interface FeeLine extends FeeLineText {
  readonly fen: Fen;
}
/** Why lines are not a bill, in the order of checking. */
export type FeeFault = "lineAmountMalformed" | "quantityZero" | "priceTimesQuantity" | "linesNotTotal";

const QUANTITY_DECIMALS = 4;
const PRICE_DECIMALS = 6;
/** 10^(4+6) of a yuan makes 10^8 of a fen. */
const PER_FEN = 10n ** BigInt(QUANTITY_DECIMALS + PRICE_DECIMALS - 2);

/**
 * Checks lines that have the shape of {@link feeLines} against the bill: each line is price times quantity to the fen,
 * and together they are the total.
 *
 * @example checkFeeLines([{ …, quantity: "3", unitPrice: "1.115", amount: "3.35" }], 335n)
 */
export function checkFeeLines(lines: readonly FeeLineText[], total: Fen): Result<readonly FeeLine[], FeeFault> {
  const checked: FeeLine[] = [];
  for (const line of lines) {
    const fen = parseYuan(line.amount);
    if (fen === undefined) return refused("lineAmountMalformed");
    if (scaled(line.quantity, QUANTITY_DECIMALS) === 0n) return refused("quantityZero");
    if (fen !== lineAmount(line.quantity, line.unitPrice)) return refused("priceTimesQuantity");
    checked.push({ ...line, fen });
  }
  const sum = checked.reduce((so, line) => so + line.fen, 0n);
  return sum === total ? ok(checked) : refused("linesNotTotal");
}

/** `quantity × unitPrice` in fen, rounded half up. @example lineAmount("3", "1.115") // 335n */
export function lineAmount(quantity: string, unitPrice: string): Fen {
  const exact = scaled(quantity, QUANTITY_DECIMALS) * scaled(unitPrice, PRICE_DECIMALS);
  return asFen((exact + PER_FEN / 2n) / PER_FEN);
}

/** SM3 over the lines as they came, hex: what a request's hash is bound to. Fields in a fixed order, lines in theirs. */
export function feeLinesHash(crypto: Pick<Crypto, "sm3">, lines: readonly FeeLineText[]): string {
  const ordered = lines.map((line) => [
    line.itemCode,
    line.itemName,
    line.quantity,
    line.unitPrice,
    line.amount,
    line.category,
    line.selfPayClass,
  ]);
  return toHex(crypto.sm3(utf8(`ronghe.fees/v1\n${JSON.stringify(ordered)}`)));
}

/** A decimal of at most `decimals` places as a whole number of the smallest. */
function scaled(text: string, decimals: number): bigint {
  const [whole = "0", fraction = ""] = text.split(".");
  return BigInt(whole) * 10n ** BigInt(decimals) + BigInt(fraction.padEnd(decimals, "0").slice(0, decimals));
}
