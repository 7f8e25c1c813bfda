/**
 * Operators' work on the books (`POST /operator/v1/perform`): reconciliation, cases, day close. Callers prove that they
 * may read the core's own folder, by the key that lies there; the scheme is that of edges (`core/protocol/internal-auth.ts`).
 * Whose work it is, each request says: names are recorded as given.
 */
import { Hono } from "hono";
import type { Nonces } from "../access/nonces.ts";
import type { Crypto } from "../crypto/port.ts";
import { utf8Text } from "../protocol/bytes.ts";
import { parseStrictJson, toPlainJson } from "../protocol/json.ts";
import type { Clock } from "../protocol/time.ts";
import { INTERNAL_BODY_BYTES_MAX, internalAuth, type InternalCall } from "./internal-auth.ts";

/** Name under which an operator's tool signs. */
export const OPERATOR = "operator";
export const PERFORM_PATH = "/operator/v1/perform";

export interface OperatorPorts {
  /** 32 bytes; whoever has it may do everything below. */
  readonly key: Uint8Array;
  /** Carries a request out; its answer is JSON. */
  readonly perform: (request: unknown) => Promise<{ readonly ok: boolean; readonly code?: string }>;
}

export function operatorRoutes(
  operator: OperatorPorts,
  { crypto, clock, nonces }: { readonly crypto: Crypto; readonly clock: Clock; readonly nonces: Nonces },
): Hono<InternalCall> {
  const routes = new Hono<InternalCall>();
  routes.use(
    internalAuth({
      crypto,
      clock,
      bodyBytesMax: INTERNAL_BODY_BYTES_MAX,
      secretsOf: (name) => Promise.resolve(name === OPERATOR ? [operator.key] : []),
      durable: nonces,
    }),
  );
  routes.post("/perform", async (c) => {
    const text = utf8Text(c.get("body"));
    const json = text === undefined ? undefined : parseStrictJson(text);
    if (json === undefined || !json.ok) return c.json({ ok: false, code: "badRequest", message: "the request is not JSON" }, 400);
    const reply = await operator.perform(toPlainJson(json.value));
    c.set("outcome", reply.ok ? "ok" : (reply.code ?? "badRequest"));
    return c.json(reply);
  });
  return routes;
}
