/**
 * Texts of messages as valibot schemas. Lengths count Unicode code points, as JSON Schema's `maxLength` and the C(n) of
 * the standards do, and not UTF-16 units: a name with rare characters (𠮷, 𬱖) is as long as a reader counts it.
 */
import * as v from "valibot";

/** From `min` to `max` code points of any kind. The regular expression is one that {@link lengthsOf} reads back. */
export function codePoints(min: number, max: number): v.RegexAction<string, undefined> {
  return v.regex(new RegExp(`^.{${min},${max}}$`, "su"));
}

/** The bounds of {@link codePoints}, for documents; `undefined` for any other pattern. */
export function lengthsOf(pattern: RegExp): { readonly minLength: number; readonly maxLength: number } | undefined {
  const [, min, max] = /^\^\.\{(\d+),(\d+)\}\$$/.exec(pattern.source) ?? [];
  return min === undefined || max === undefined || !pattern.dotAll ? undefined : { minLength: Number(min), maxLength: Number(max) };
}

const PRINTABLE = /^[^\p{Cc}]*$/u;
const IDENTIFIER = /^[0-9A-Za-z][0-9A-Za-z._-]*$/;

type TextSchema = v.SchemaWithPipe<
  readonly [v.StringSchema<undefined>, v.RegexAction<string, undefined>, v.RegexAction<string, undefined>]
>;
type IdentifierSchema = TextSchema;

/** Something people read: not empty, without control characters. */
export function text(max: number): TextSchema {
  return v.pipe(v.string(), codePoints(1, max), v.regex(PRINTABLE));
}

/** A name that machines give: letters, digits, `.`, `_`, `-`. */
export function identifier(max: number): IdentifierSchema {
  return v.pipe(v.string(), v.regex(IDENTIFIER), codePoints(1, max));
}
