/**
 * How an operator's command reaches a running core: sealed both ways under a key of the core's own key store, so that
 * whoever can open that store commands, and nobody else reads or repeats what is said. An order is good for a minute,
 * once; an answer names the order it answers.
 */
import * as v from "valibot";
import type { KeyStore } from "../crypto/port.ts";
import { fromBase64, toBase64, utf8, utf8Text } from "./bytes.ts";

export const OPERATOR_PATH = "/operator/v1/access";
export const ORDER_WINDOW_MS = 60_000;
type Sealing = Pick<KeyStore, "seal" | "open">;

export const order = v.strictObject({
  nonce: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  atMs: v.pipe(v.number(), v.safeInteger()),
  /** `operator/<name>`, for the ledger. */
  by: v.pipe(v.string(), v.regex(/^operator\/[0-9A-Za-z._-]{1,40}$/)),
  command: v.unknown(),
});
export type Order = v.InferOutput<typeof order>;

export const orderAnswer = v.strictObject({
  nonce: v.string(),
  result: v.variant("ok", [
    v.strictObject({ ok: v.literal(true), value: v.record(v.string(), v.unknown()) }),
    v.strictObject({ ok: v.literal(false), error: v.string() }),
  ]),
});
export type OrderAnswer = v.InferOutput<typeof orderAnswer>;

export async function sealOrder(keys: Sealing, handle: string, said: Order): Promise<string> {
  return toBase64(await keys.seal(handle, utf8(JSON.stringify(said)), utf8("ronghe.operator.order/v1")));
}

export async function openOrder(keys: Sealing, handle: string, sealed: string): Promise<Order | undefined> {
  return await opened(keys, handle, sealed, "ronghe.operator.order/v1", order);
}

export async function sealAnswer(keys: Sealing, handle: string, answer: OrderAnswer): Promise<string> {
  return toBase64(await keys.seal(handle, utf8(JSON.stringify(answer)), utf8("ronghe.operator.answer/v1")));
}

/** `undefined` for what is not the core's answer to this order. */
export async function openAnswer(keys: Sealing, handle: string, sealed: string, nonce: string): Promise<OrderAnswer | undefined> {
  const answer = await opened(keys, handle, sealed, "ronghe.operator.answer/v1", orderAnswer);
  return answer?.nonce === nonce ? answer : undefined;
}

async function opened<Schema extends v.GenericSchema>(
  keys: Sealing,
  handle: string,
  sealed: string,
  aad: string,
  schema: Schema,
): Promise<v.InferOutput<Schema> | undefined> {
  const bytes = fromBase64(sealed.trim());
  const text = bytes === undefined ? undefined : await keys.open(handle, bytes, utf8(aad));
  try {
    const parsed = v.safeParse(schema, JSON.parse((text === undefined ? undefined : utf8Text(text)) ?? ""));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
