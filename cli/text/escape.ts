/**
 * What a terminal obeys instead of showing: controls (C0, DEL, C1), format characters (bidirectional overrides, no width,
 * tags), line and paragraph separators, lone surrogates, and whatever is invisible by default. Line breaks stay.
 */
const OBEYED = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

/** Each of them as `\uXXXX`, which in a JSON text means the same character. */
export function escaped(text: string): string {
  return text.replace(OBEYED, (found) =>
    Array.from({ length: found.length }, (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, "0")}`).join(""),
  );
}
