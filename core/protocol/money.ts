declare const fen: unique symbol;
/** An amount in fen (1/100 yuan), exact. Negative values occur only as differences; on the wire only as `settled` of a statement. */
export type Fen = bigint & { readonly [fen]: true };

export function asFen(value: bigint): Fen {
  return value as Fen;
}

/** The largest amount the wire can carry: `numeric(16,2)` of NHSA `setlinfo`. */
export const FEN_MAX: Fen = asFen(99_999_999_999_999_99n);

/**
 * Parses yuan with at most two decimals (`^\d+(\.\d{1,2})?$`, domain notes 4.3 check 6).
 * Signs, exponents, three decimals, leading zeros such as `007` and amounts over `numeric(16,2)` give `undefined`.
 *
 * @example parseYuan("128.50") // 12850n
 */
export function parseYuan(text: string): Fen | undefined {
  const match = /^(0|[1-9]\d{0,13})(?:\.(\d{1,2}))?$/.exec(text);
  if (match === null) return undefined;
  const [, yuan = "0", cents = ""] = match;
  return asFen(BigInt(yuan) * 100n + BigInt(cents.padEnd(2, "0")));
}

/**
 * A sum of many amounts, yuan with exactly two decimals: more than one amount may be, and still 64 bits of fen.
 *
 * @example parseYuanSum("299999999999999.97") // 29999999999999997n
 */
export function parseYuanSum(text: string): Fen | undefined {
  return /^(?:0|[1-9]\d{0,15})\.\d{2}$/.test(text) ? asFen(BigInt(text.replace(".", ""))) : undefined;
}

/** Yuan with exactly two decimals, the form we emit. @example formatYuan(asFen(12850n)) // "128.50" */
export function formatYuan(amount: Fen): string {
  const sign = amount < 0n ? "-" : "";
  const digits = (amount < 0n ? -amount : amount).toString().padStart(3, "0");
  return `${sign}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
