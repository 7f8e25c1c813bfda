/** Bytes and their texts, as the wire formats need them; one implementation for the whole house. */
export { concat as concatBytes, fromBase64, fromHex, toBase64, toHex, toUpperHex, utf8, utf8Text } from "../crypto/text.ts";
