/** `POST /operator/v1/access`: orders of operators to a running core, sealed (`protocol/operator.ts`). */
import { Hono } from "hono";
import * as v from "valibot";
import type { Access } from "../access/access.ts";
import { accessCommand, carryOut } from "../access/commands.ts";
import type { KeyStore } from "../crypto/port.ts";
import type { Bindings } from "../vault/bindings.ts";
import { KEY_HANDLES } from "../key-handles.ts";
import { utf8Text } from "../protocol/bytes.ts";
import { openOrder, ORDER_WINDOW_MS, sealAnswer } from "../protocol/operator.ts";
import { refused } from "../protocol/result.ts";
import type { Clock } from "../protocol/time.ts";

export interface AccessOrderPorts {
  readonly access: Access;
  readonly bindings: Pick<Bindings, "step">;
  readonly clock: Clock;
  readonly operatorKeys: Pick<KeyStore, "seal" | "open">;
}

/** Orders remembered at once; operators are people. */
const SEEN_MAX = 10_000;

export function accessOrderRoutes({ access, bindings, clock, operatorKeys }: AccessOrderPorts): Hono {
  const routes = new Hono();
  /** Nonces and when they may be forgotten, oldest first. */
  const seen = new Map<string, number>();

  function isFirst(nonce: string, nowMs: number): boolean {
    for (const [oldest, forgetAtMs] of seen) {
      if (forgetAtMs > nowMs) break;
      seen.delete(oldest);
    }
    if (seen.has(nonce) || seen.size >= SEEN_MAX) return false;
    seen.set(nonce, nowMs + 2 * ORDER_WINDOW_MS);
    return true;
  }

  routes.post("/access", async function operatorOrder(c) {
    const order = await openOrder(operatorKeys, KEY_HANDLES.operator, utf8Text(new Uint8Array(await c.req.arrayBuffer())) ?? "");
    const nowMs = clock.now();
    // One answer for whatever is not an order of ours, now: there is nobody to explain it to.
    if (order === undefined || Math.abs(nowMs - order.atMs) > ORDER_WINDOW_MS || !isFirst(order.nonce, nowMs))
      return c.json({ error: "unauthorised" }, 401);
    const command = v.safeParse(accessCommand, order.command);
    const result = command.success ? await carryOut({ access, bindings }, command.output, order.by) : refused("badRequest" as const);
    return c.text(
      await sealAnswer(operatorKeys, KEY_HANDLES.operator, {
        nonce: order.nonce,
        result: result.ok ? { ok: true, value: { ...result.value } } : result,
      }),
    );
  });
  return routes;
}
