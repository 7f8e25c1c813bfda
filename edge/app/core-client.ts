/**
 * The core as an edge reaches it: `/internal/v1/*`, both directions signed with HMAC-SM3 (`internal-auth.ts`). An
 * answer that is late, unsigned or not understood counts as no answer.
 */
import * as v from "valibot";
import { BUNDLE_TRUST_HEADER } from "../../core/protocol/bundle-keys.ts";
import { ERRORS, type ErrorName } from "../../core/protocol/errors.ts";
import { clockRefusal, presettleReply, resolveReply, signedBundle, statementReply } from "../../core/protocol/internal.ts";
import { WAITING_PARAMETER } from "../../core/protocol/internal-auth.ts";
import { ok, refused, type Result } from "../../core/protocol/result.ts";
import { tracedHeaders } from "../../core/protocol/tracing.ts";
import type { Core } from "../ports.ts";
import { type CoreCallOptions, createCoreCall } from "./core-calls.ts";

export interface CoreClientOptions extends CoreCallOptions {
  /** How long a call may take where payers are asked on the way (default 20 s). */
  readonly payersTimeoutMs?: number;
}

export type SignedBundle = v.InferOutput<typeof signedBundle>;
/** The bundle, or the core's clock where it refuses ours. */
export type BundleAnswer = SignedBundle | { readonly coreAtMs: number };
export interface CoreClient extends Core {
  /**
   * The signed bundle as the core has it now; `undefined` when it did not answer properly.
   * @param trusts ids of the keys that its signature is believed under (`core/protocol/bundle-keys.ts`)
   * @param waitingMs how long the oldest event has found no way out: the core then knows that we were away meanwhile
   */
  bundle(trusts?: readonly string[], waitingMs?: number): Promise<BundleAnswer | undefined>;
}

export function createCoreClient(options: CoreClientOptions): CoreClient {
  const ask = createCoreCall(options);
  const call = async (...[method, path, content, limits]: Parameters<typeof ask>): Promise<unknown> => {
    const answer = await ask(method, path, content, limits);
    return answer?.status === 200 ? answer.json : undefined;
  };

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
    async resolve(request, traceparent) {
      const headers = tracedHeaders({}, traceparent);
      return answerOf(v.safeParse(resolveReply, await call("POST", "/internal/v1/resolve", request, { headers })));
    },
    async presettle(request, traceparent) {
      const headers = tracedHeaders({}, traceparent);
      const timeoutMs = options.payersTimeoutMs ?? 20_000;
      return answerOf(v.safeParse(presettleReply, await call("POST", "/internal/v1/presettle", request, { timeoutMs, headers })));
    },
    async statement(request, traceparent) {
      const headers = tracedHeaders({}, traceparent);
      return answerOf(v.safeParse(statementReply, await call("POST", "/internal/v1/statement", request, { headers })));
    },
    async bundle(trusts = [], waitingMs = 0) {
      const headers = { [BUNDLE_TRUST_HEADER]: trusts.join(",") };
      const answer = await ask("GET", `/internal/v1/bundle?${WAITING_PARAMETER}=${Math.max(0, Math.floor(waitingMs))}`, undefined, {
        headers,
      });
      const reply = v.safeParse(answer?.status === 200 ? signedBundle : clockRefusal, answer?.json);
      if (!reply.success) return undefined;
      return "coreAtMs" in reply.output ? { coreAtMs: reply.output.coreAtMs } : reply.output;
    },
    reachable() {
      // One probe for all who ask meanwhile: readiness is asked by anybody, and must not become a flood upon the core.
      probe ??= isHealthy().finally(() => (probe = undefined));
      return probe;
    },
  };
}

/** What the core said: its answer, its refusal, or nothing that can be understood. */
function answerOf<Reply extends { readonly ok: true } | { readonly ok: false; readonly error: string }>(
  read: { readonly success: true; readonly output: Reply } | { readonly success: false },
): Result<Extract<Reply, { readonly ok: true }>, ErrorName> {
  if (!read.success) return refused("coreUnavailable");
  const reply = read.output;
  if (reply.ok) return ok(reply as Extract<Reply, { readonly ok: true }>);
  return refused(isErrorName(reply.error) ? reply.error : "internal");
}

/** A newer core may refuse for a reason this edge does not know. */
function isErrorName(text: string): text is ErrorName {
  return Object.hasOwn(ERRORS, text) && text !== "ok";
}
