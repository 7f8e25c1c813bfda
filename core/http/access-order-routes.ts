/**
 * `POST /operator/v1/access`: orders of operators to a running core, sealed (`protocol/operator.ts`). Each counts once, and a
 * restart forgets none of them.
 */
import { Hono } from "hono";
import * as v from "valibot";
import type { Access } from "../access/access.ts";
import { accessCommand, carryOut } from "../access/commands.ts";
import type { Nonces } from "../access/nonces.ts";
import type { KeyStore } from "../crypto/port.ts";
import type { Bindings } from "../vault/bindings.ts";
import { KEY_HANDLES } from "../key-handles.ts";
import { openOrder, ORDER_WINDOW_MS, sealAnswer } from "../protocol/operator.ts";
import { refused } from "../protocol/result.ts";
import { readTextWithin } from "../protocol/server/body.ts";
import type { Clock } from "../protocol/time.ts";
import type { DoorCall } from "./door.ts";
import { INTERNAL_BODY_BYTES_MAX } from "./internal-auth.ts";
import { OPERATOR } from "./operator-routes.ts";

export interface AccessOrderPorts {
  readonly access: Access;
  readonly bindings: Pick<Bindings, "step">;
  readonly clock: Clock;
  readonly operatorKeys: Pick<KeyStore, "seal" | "open">;
  readonly nonces: Nonces;
}

export function accessOrderRoutes({ access, bindings, clock, operatorKeys, nonces }: AccessOrderPorts): Hono<DoorCall> {
  const routes = new Hono<DoorCall>();
  // The window's both sides, so that a nonce outlives every instant it could come with.
  const isFirst = async (nonce: string, nowMs: number): Promise<boolean> =>
    await nonces.claim(`operator.access ${nonce}`, nowMs + 2 * ORDER_WINDOW_MS);

  routes.post("/access", async function operatorOrder(c) {
    const text = await readTextWithin(c.req.raw, { bytesMax: INTERNAL_BODY_BYTES_MAX });
    if (!text.ok) {
      c.set("outcome", text.error);
      return c.json({ ok: false, error: text.error }, text.error === "bodyTooLarge" ? 413 : 400);
    }
    const order = await openOrder(operatorKeys, KEY_HANDLES.operator, text.value);
    const nowMs = clock.now();
    // One answer for whatever is not an order of ours, now: there is nobody to explain it to.
    if (order === undefined || Math.abs(nowMs - order.atMs) > ORDER_WINDOW_MS || !(await isFirst(order.nonce, nowMs))) {
      c.set("outcome", "unauthorised");
      return c.json({ error: "unauthorised" }, 401);
    }
    c.set("caller", OPERATOR);
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
