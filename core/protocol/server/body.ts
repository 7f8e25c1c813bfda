/**
 * The text of a request's body, or `undefined` when it is larger than `bytesMax`. The length a client declares is
 * believed only to refuse early; what arrives is counted. Bytes that are not UTF-8 become U+FFFD and fail later.
 */
export function readTextWithin(request: Request, bytesMax: number): Promise<string | undefined> {
  const declared = Number(request.headers.get("content-length") ?? "0");
  if (declared > bytesMax) return Promise.resolve(undefined);
  // The HTTP server holds the client to the length it declared.
  if (declared > 0 && !request.headers.has("transfer-encoding"))
    return request.text().then((text) => (text.length > bytesMax ? undefined : text));
  return countedText(request, bytesMax);
}

async function countedText(request: Request, bytesMax: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > bytesMax) return undefined;
    chunks.push(chunk);
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return new TextDecoder().decode(all);
}
