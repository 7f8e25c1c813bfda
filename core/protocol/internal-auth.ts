/**
 * How an edge and the core sign what they say to each other (`/internal/v1/*`): HMAC-SM3 under the edge's own key,
 * over a text that fixes method, path, instant, nonce and body (edge notes 7). Replies are signed too and bound to
 * the request, so that neither side acts on an answer to another question.
 *
 * ```
 * request text:  ronghe.internal/v1 ⏎ edge ⏎ METHOD ⏎ path?query ⏎ timestamp ms ⏎ nonce ⏎ hex SM3(body)
 * reply text:    ronghe.internal.reply/v1 ⏎ hex request signature ⏎ status ⏎ hex SM3(body)
 * ```
 * No field can hold a line feed, so that no two requests share a text.
 */
import type { Crypto } from "../crypto/port.ts";
import { toHex, utf8 } from "./bytes.ts";
import { refused, ok, type Result } from "./result.ts";
import type { EventMs } from "./time.ts";

export const INTERNAL_HEADERS = {
  edge: "x-ronghe-edge",
  timestamp: "x-ronghe-timestamp",
  nonce: "x-ronghe-nonce",
  signature: "x-ronghe-signature",
} as const;

/** Of the call for settings, in its signed path: how long, in ms, the edge's oldest event has found no way out. */
export const WAITING_PARAMETER = "waitingMs";

/** Requests older or newer than this are refused; nonces are remembered for twice as long. */
export const INTERNAL_WINDOW_MS = 120_000;
const NONCE_BYTES = 16;

export interface InternalRequest {
  readonly edge: string;
  /** Upper case. */
  readonly method: string;
  /** Path with query, as sent: `/internal/v1/resolve`. */
  readonly path: string;
  readonly body: Uint8Array;
}

export interface SignedInternalRequest {
  readonly headers: Readonly<Record<string, string>>;
  /** Hex; the reply is bound to it. */
  readonly signature: string;
}

/** Signs a request; `nonce` is taken from the CSPRNG of the port. */
export function signInternalRequest(crypto: Crypto, key: Uint8Array, request: InternalRequest, nowMs: EventMs): SignedInternalRequest {
  const nonce = toHex(crypto.random(NONCE_BYTES));
  const signature = toHex(crypto.hmacSm3(key, requestText(crypto, request, String(nowMs), nonce)));
  return {
    signature,
    headers: {
      [INTERNAL_HEADERS.edge]: request.edge,
      [INTERNAL_HEADERS.timestamp]: String(nowMs),
      [INTERNAL_HEADERS.nonce]: nonce,
      [INTERNAL_HEADERS.signature]: signature,
    },
  };
}

/** What the headers of a request claim; nothing in it is proven yet. */
export interface InternalClaim {
  readonly edge: string;
  readonly timestamp: string;
  readonly nonce: string;
  readonly signature: string;
}

/** Reads the four headers strictly; `undefined` when one is missing or malformed. */
export function readInternalClaim(header: (name: string) => string | undefined): InternalClaim | undefined {
  const edge = header(INTERNAL_HEADERS.edge) ?? "";
  const timestamp = header(INTERNAL_HEADERS.timestamp) ?? "";
  const nonce = header(INTERNAL_HEADERS.nonce) ?? "";
  const signature = header(INTERNAL_HEADERS.signature) ?? "";
  const shaped =
    /^[0-9A-Za-z][0-9A-Za-z._-]{0,39}$/.test(edge) &&
    /^[1-9]\d{0,15}$/.test(timestamp) &&
    /^[0-9a-f]{32}$/.test(nonce) &&
    /^[0-9a-f]{64}$/.test(signature);
  return shaped ? { edge, timestamp, nonce, signature } : undefined;
}

/** Checks window and signature, in constant time. The caller claims the nonce afterwards, once. */
export function checkInternalRequest(
  crypto: Crypto,
  key: Uint8Array,
  claim: InternalClaim,
  request: Omit<InternalRequest, "edge"> & { readonly nowMs: EventMs },
): Result<void, "timestampOutside" | "unauthorised"> {
  const mine = crypto.hmacSm3(key, requestText(crypto, { ...request, edge: claim.edge }, claim.timestamp, claim.nonce));
  if (!crypto.equal(utf8(toHex(mine)), utf8(claim.signature))) return refused("unauthorised");
  if (Math.abs(request.nowMs - Number(claim.timestamp)) > INTERNAL_WINDOW_MS) return refused("timestampOutside");
  return ok(undefined);
}

/** Hex of the reply's signature, for the header {@link INTERNAL_HEADERS}.signature. */
export function signInternalReply(
  crypto: Crypto,
  key: Uint8Array,
  reply: { readonly requestSignature: string; readonly status: number; readonly body: Uint8Array },
): string {
  const text = `ronghe.internal.reply/v1\n${reply.requestSignature}\n${reply.status}\n${toHex(crypto.sm3(reply.body))}`;
  return toHex(crypto.hmacSm3(key, utf8(text)));
}

/** True when `signature` is the core's over this reply to that request. */
export function checkInternalReply(
  crypto: Crypto,
  key: Uint8Array,
  reply: { readonly requestSignature: string; readonly status: number; readonly body: Uint8Array },
  signature: string | undefined | null,
): boolean {
  return crypto.equal(utf8(signInternalReply(crypto, key, reply)), utf8(signature ?? ""));
}

function requestText(crypto: Crypto, request: InternalRequest, timestamp: string, nonce: string): Uint8Array {
  const lines = ["ronghe.internal/v1", request.edge, request.method, request.path, timestamp, nonce, toHex(crypto.sm3(request.body))];
  return utf8(lines.join("\n"));
}
