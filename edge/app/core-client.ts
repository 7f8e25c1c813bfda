/**
 * The core as an edge reaches it: `/internal/v1/*`, both directions signed with HMAC-SM3 (`internal-auth.ts`). An
 * answer that is late, unsigned or not understood counts as no answer.
 */
import * as v from "valibot";
import type { Crypto } from "../../core/crypto/port.ts";
import { ERRORS, type ErrorName } from "../../core/protocol/errors.ts";
import { INTERNAL_HEADERS, checkInternalReply, signInternalRequest } from "../../core/protocol/internal-auth.ts";
import { resolveReply, type ResolveRequest, signedBundle } from "../../core/protocol/internal.ts";
import { ok, refused } from "../../core/protocol/result.ts";
import type { Clock } from "../../core/protocol/time.ts";
import type { Core } from "../ports.ts";

export interface CoreClientOptions {
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

export type SignedBundle = v.InferOutput<typeof signedBundle>;
export interface CoreClient extends Core {
  /** The signed bundle as the core has it now; `undefined` when it did not answer properly. */
  bundle(): Promise<SignedBundle | undefined>;
}

const REPLY_BYTES_MAX = 8 * 1024 * 1024;

export function createCoreClient(options: CoreClientOptions): CoreClient {
  const { crypto, key, edgeId } = options;

  /** The JSON of a 200 answer whose signature is the core's; anything else is `undefined`. */
  async function call(method: "GET" | "POST", path: string, content?: unknown): Promise<unknown> {
    const body = new TextEncoder().encode(content === undefined ? "" : JSON.stringify(content));
    const signed = signInternalRequest(crypto, key, { edge: edgeId, method, path, body }, options.clock.now());
    try {
      const response = await options.fetch(
        new Request(`${options.url}${path}`, {
          method,
          headers: { ...signed.headers, ...(method === "POST" ? { "content-type": "application/json" } : {}) },
          ...(method === "POST" ? { body } : {}),
          signal: AbortSignal.timeout(options.timeoutMs ?? 5_000),
        }),
      );
      const answer = new Uint8Array(await response.arrayBuffer());
      const reply = { requestSignature: signed.signature, status: response.status, body: answer };
      if (!checkInternalReply(crypto, key, reply, response.headers.get(INTERNAL_HEADERS.signature))) return undefined;
      if (response.status !== 200 || answer.length > REPLY_BYTES_MAX) return undefined;
      return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(answer));
    } catch {
      // Network, time-out or text that is no JSON: the outcome is unknown, and the caller repeats with the same id.
      return undefined;
    }
  }

  let probe: Promise<boolean> | undefined;
  async function isHealthy(): Promise<boolean> {
    try {
      const response = await options.fetch(new Request(`${options.url}/health`, { signal: AbortSignal.timeout(1_000) }));
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    }
  }

  return {
    async resolve(request: ResolveRequest) {
      const reply = v.safeParse(resolveReply, await call("POST", "/internal/v1/resolve", request));
      if (!reply.success) return refused("coreUnavailable");
      if (reply.output.ok) return ok(reply.output);
      return refused(isErrorName(reply.output.error) ? reply.output.error : "internal");
    },
    async bundle() {
      const reply = v.safeParse(signedBundle, await call("GET", "/internal/v1/bundle"));
      return reply.success ? reply.output : undefined;
    },
    reachable() {
      // One probe for all who ask meanwhile: readiness is asked by anybody, and must not become a flood upon the core.
      probe ??= isHealthy().finally(() => (probe = undefined));
      return probe;
    },
  };
}

/** A newer core may refuse for a reason this edge does not know. */
function isErrorName(text: string): text is ErrorName {
  return Object.hasOwn(ERRORS, text) && text !== "ok";
}
