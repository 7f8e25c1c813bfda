/**
 * Text from outside, made fit to be shown: whatever steers a terminal, turns the direction of writing, or cannot be seen
 * stands there by its number. Two texts that differ look different.
 */

/** Controls, formats, separators, what fonts leave out, and white space beyond a plain blank and the wide one of Chinese. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|[^\S \u3000]/gu;

/** `H1\u200b` is shown as `H1\u{200b}`; a line break too, so that no field begins a line of its own. */
export function escaped(text: string): string {
  return text.replace(UNSEEN, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** The same characters of a line of JSON as JSON spells them, so that it is the same JSON. */
export function escapedJson(line: string): string {
  return line.replace(UNSEEN, (found) =>
    Array.from({ length: found.length }, (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, "0")}`).join(""),
  );
}
