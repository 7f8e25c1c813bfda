/** Bytes and their texts, as the wire formats need them; one implementation for the whole house. */
import { utf8, utf8Text } from "../crypto/text.ts";

export { concat as concatBytes, fromBase64, fromHex, toBase64, toHex, toUpperHex, utf8, utf8Text } from "../crypto/text.ts";

/** The same text in memory of its own: a part of a longer text keeps the whole of it alive (V8), for as long as it is kept. */
export function ownText(text: string): string {
  return utf8Text(utf8(text)) ?? text;
}
