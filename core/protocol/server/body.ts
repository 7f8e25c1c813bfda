/** Bodies of requests, read within bounds of size and of time: whoever sends slowly holds a call, but not for long. */
import { concatBytes, utf8Text } from "../bytes.ts";
import { ok, refused, type Result } from "../result.ts";

export interface BodyBounds {
  readonly bytesMax: number;
  /** From when reading begins (default {@link BODY_MS_MAX}). */
  readonly msMax?: number;
}
/** Hospitals on a poor line send a bill of 256 KiB in this. */
export const BODY_MS_MAX = 15_000;

export type BodyFault = "bodyTooLarge" | "badRequest";

/**
 * The length a client declares is believed only to refuse early, before anything is read; what arrives is counted. A body
 * that has not come in time is no request.
 */
export async function readBytesWithin(
  request: Request,
  { bytesMax, msMax = BODY_MS_MAX }: BodyBounds,
): Promise<Result<Uint8Array, BodyFault>> {
  if (declaresMore(request, bytesMax)) return refused("bodyTooLarge");
  if (request.body === null) return ok(new Uint8Array());
  const declared = request.headers.has("content-length") && !request.headers.has("transfer-encoding");
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), msMax);
  });
  try {
    // The HTTP server holds the client to the length it declared.
    if (declared) {
      const whole = await Promise.race([request.arrayBuffer(), late]);
      if (whole === undefined) return refused("badRequest");
      return whole.byteLength > bytesMax ? refused("bodyTooLarge") : ok(new Uint8Array(whole));
    }
    return await countedBytes(request.body.getReader(), bytesMax, late);
  } catch {
    // Whoever goes away in the middle of its body leaves an error behind that is nobody's here, by whatever name the runtime has.
    return refused("badRequest");
  } finally {
    clearTimeout(timer);
  }
}

/** Bytes that are not UTF-8 are no text: replaced by U+FFFD, two bodies would be one message. */
export async function readTextWithin(request: Request, bounds: BodyBounds): Promise<Result<string, BodyFault>> {
  const bytes = await readBytesWithin(request, bounds);
  if (!bytes.ok) return bytes;
  const text = utf8Text(bytes.value);
  return text === undefined ? refused("badRequest") : ok(text);
}

/** Whether the headers alone refuse it. */
export function declaresMore(request: Request, bytesMax: number): boolean {
  return Number(request.headers.get("content-length") ?? "0") > bytesMax;
}

async function countedBytes(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  bytesMax: number,
  late: Promise<undefined>,
): Promise<Result<Uint8Array, BodyFault>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const next = await Promise.race([reader.read(), late]);
    if (next?.done === true) return ok(concatBytes(...chunks));
    size += next?.value.length ?? 0;
    if (next === undefined || size > bytesMax) {
      // Nobody waits for the client to agree.
      reader.cancel().catch(() => undefined);
      return refused(next === undefined ? "badRequest" : "bodyTooLarge");
    }
    chunks.push(next.value);
  }
}
