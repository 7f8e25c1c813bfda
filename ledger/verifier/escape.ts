/**
 * Text from outside, made fit to be shown: whatever steers a terminal, turns the direction of writing, or cannot be seen
 * stands there by its number. Two texts that differ look different.
 */

/** Controls, formats, separators, what fonts leave out, and white space beyond a plain blank and the wide one of Chinese. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|[^\S \u3000]/gu;

/** `H1\u200b` is shown as `H1\u{200b}`. */
export function escaped(text: string): string {
  return text.replace(UNSEEN, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
