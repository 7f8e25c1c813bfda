import { concatBytes, utf8Text } from "../../core/protocol/bytes.ts";
import { ok, refused, type Result } from "../../core/protocol/result.ts";

/**
 * The text of a request's body. The length a client declares is believed only to refuse early; what arrives is counted.
 * Bytes that are not UTF-8 are no text: replaced by U+FFFD, two bodies would be one message.
 */
export async function readTextWithin(request: Request, bytesMax: number): Promise<Result<string, "bodyTooLarge" | "badRequest">> {
  const declared = Number(request.headers.get("content-length") ?? "0");
  if (declared > bytesMax) return refused("bodyTooLarge");
  // The HTTP server holds the client to the length it declared.
  const bytes =
    declared > 0 && !request.headers.has("transfer-encoding")
      ? new Uint8Array(await request.arrayBuffer())
      : await countedBytes(request, bytesMax);
  if (bytes === undefined || bytes.length > bytesMax) return refused("bodyTooLarge");
  const text = utf8Text(bytes);
  return text === undefined ? refused("badRequest") : ok(text);
}

async function countedBytes(request: Request, bytesMax: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return concatBytes(...chunks);
}
