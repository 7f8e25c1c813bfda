/**
 * Calls to the core, signed both ways with HMAC-SM3 (`core/protocol/internal-auth.ts`). An answer that is late, unsigned
 * or not JSON counts as no answer: the outcome is unknown, and the caller repeats with the same ids.
 */
import type { Crypto } from "../../core/crypto/port.ts";
import { INTERNAL_HEADERS, checkInternalReply, signInternalRequest } from "../../core/protocol/internal-auth.ts";
import type { Clock } from "../../core/protocol/time.ts";

export interface CoreCallOptions {
  /** Base address of the core, without a trailing slash. */
  readonly url: string;
  readonly edgeId: string;
  /** The edge's own HMAC-SM3 key, given when it was registered. */
  readonly key: Uint8Array;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly fetch: (request: Request) => Promise<Response>;
  /** How long a call may take before its outcome counts as unknown (default 5 s). */
  readonly timeoutMs?: number;
}

/** The JSON of an answer whose signature is the core's, with its status; `undefined` for anything else. */
export type CoreCall = (
  method: "GET" | "POST",
  path: string,
  content?: unknown,
  limits?: { readonly timeoutMs?: number; readonly signal?: AbortSignal; readonly headers?: Readonly<Record<string, string>> },
) => Promise<{ readonly status: number; readonly json: unknown } | undefined>;

const TIMEOUT_MS = 5_000;
const REPLY_BYTES_MAX = 8 * 1024 * 1024;

export function createCoreCall(options: CoreCallOptions): CoreCall {
  const { crypto, key, edgeId } = options;
  return async function callCore(method, path, content, limits = {}) {
    const body = new TextEncoder().encode(content === undefined ? "" : JSON.stringify(content));
    const signed = signInternalRequest(crypto, key, { edge: edgeId, method, path, body }, options.clock.now());
    const late = AbortSignal.timeout(limits.timeoutMs ?? options.timeoutMs ?? TIMEOUT_MS);
    try {
      const response = await options.fetch(
        new Request(`${options.url}${path}`, {
          method,
          headers: { ...limits.headers, ...signed.headers, ...(method === "POST" ? { "content-type": "application/json" } : {}) },
          ...(method === "POST" ? { body } : {}),
          signal: limits.signal === undefined ? late : AbortSignal.any([late, limits.signal]),
        }),
      );
      const answer = new Uint8Array(await response.arrayBuffer());
      const reply = { requestSignature: signed.signature, status: response.status, body: answer };
      if (!checkInternalReply(crypto, key, reply, response.headers.get(INTERNAL_HEADERS.signature))) return undefined;
      if (answer.length > REPLY_BYTES_MAX) return undefined;
      return { status: response.status, json: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(answer)) as unknown };
    } catch {
      return undefined;
    }
  };
}
