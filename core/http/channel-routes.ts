/**
 * What apps ask of the core, in the S3 envelope: `POST /v1/<transType>` of core/protocol/channel-operations.ts. Every answer, refusals included, is a
 * signed S3 A.3 reply with HTTP 200 and a code of the error table; it never repeats what was sent.
 */
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Access } from "../access/access.ts";
import type { Nonces } from "../access/nonces.ts";
import type { Crypto } from "../crypto/port.ts";
import { type PartnerProfile, sealReply } from "../protocol/envelope.ts";
import type { MessageSigner } from "../protocol/partner.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { refused, type Result } from "../protocol/result.ts";
import type { Clock } from "../protocol/time.ts";
import { admitChannelCall, type ChannelDraft } from "./channel-admission.ts";
import { carryOut, type ChannelServices } from "./channel-operations.ts";
import { TokenBuckets } from "./token-bucket.ts";

export interface ChannelPorts extends ChannelServices {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly access: Access;
  readonly nonces: Nonces;
  /** Signs replies as the platform. */
  readonly sign: MessageSigner;
  /** Told of every exception; they are bugs, or a store that failed. */
  readonly onBug?: (error: Error) => void;
}

export interface ChannelCall {
  Variables: { caller: string; outcome: ErrorName };
}

const BODY_BYTES_MAX = 16 * 1024;

/** How far a call got: who may be answered, and how. */
interface Answer {
  readonly orgId: string;
  readonly partner: PartnerProfile | undefined;
  readonly encrypted: boolean;
  /** Whether the envelope was signed by the app it names. */
  readonly proven?: true;
  readonly result: Result<object, ErrorName>;
  /** Of a proven app's request: the name of the field that is wrong. */
  readonly field?: string | undefined;
}

export function channelRoutes(ports: ChannelPorts): Hono<ChannelCall> {
  const routes = new Hono<ChannelCall>();
  const buckets = new TokenBuckets();

  const seal = sealerOf(ports);
  const tooLarge = bodyLimit({
    maxSize: BODY_BYTES_MAX,
    onError: async (c) => c.body(await seal(stranger("bodyTooLarge")), 200, JSON_REPLY),
  });

  routes.post("/:transType", tooLarge, async (c) => {
    const answer = await answerTo(ports, buckets, c.req.param("transType"), new Uint8Array(await c.req.arrayBuffer()));
    if (answer.proven === true) c.set("caller", answer.orgId);
    c.set("outcome", answer.result.ok ? "ok" : answer.result.error);
    return c.body(await seal(answer), 200, JSON_REPLY);
  });
  // Signed like any other: an app may not take a stranger's error for ours (domain notes 1.5).
  routes.onError(async (error, c) => {
    ports.onBug?.(error);
    return c.body(await seal(stranger("internal")), 200, JSON_REPLY);
  });
  return routes;
}

const REFUSALS_KEPT_MAX = 2_000;

/**
 * Seals answers. A refusal says nothing but its code, so the same refusal for the same app within one second is the same
 * text and is signed once: a flood of garbage costs no signatures.
 */
function sealerOf(ports: ChannelPorts): (answer: Answer) => Promise<string> {
  const refusals = new Map<string, Promise<string>>();
  let keptSecond = 0;
  return ({ orgId, partner, encrypted, result, field }) => {
    const nowMs = ports.clock.now();
    if (result.ok) return sealReply(ports.crypto, { orgId, error: "ok", data: result.value }, partner, ports.sign, nowMs, encrypted);
    const second = Math.floor(nowMs / 1000);
    if (second !== keptSecond || refusals.size >= REFUSALS_KEPT_MAX) refusals.clear();
    keptSecond = second;
    const key = `${result.error} ${orgId} ${field ?? ""}`;
    const kept = refusals.get(key);
    if (kept !== undefined) return kept;
    const made = sealReply(ports.crypto, { orgId, error: result.error, field }, partner, ports.sign, nowMs, encrypted);
    refusals.set(key, made);
    made.catch(() => refusals.delete(key));
    return made;
  };
}

const JSON_REPLY = { "content-type": "application/json; charset=utf-8" };

async function answerTo(ports: ChannelPorts, buckets: TokenBuckets, transType: string, body: Uint8Array): Promise<Answer> {
  const nowMs = ports.clock.now();
  const { crypto, access, nonces } = ports;
  const draft: ChannelDraft = { ports: { crypto, access, nonces, buckets }, transType, body, nowMs };
  const admitted = await admitChannelCall(draft);
  const { app, partner, request } = draft;
  if (app === undefined) return stranger(admitted.ok ? "internal" : admitted.error);
  const proven = request === undefined ? {} : { proven: true as const };
  const answer = { orgId: app.orgId, partner, encrypted: false, ...proven };
  if (!admitted.ok) return { ...answer, result: admitted };
  const done = await carryOut(ports, admitted.value.name, admitted.value.request.data, nowMs);
  if (!done.ok) return { ...answer, result: refused(done.error.error), field: done.error.field };
  return { ...answer, encrypted: admitted.value.request.encrypted, result: done };
}

/** For callers whose name we could not read or do not know: signed, empty. */
function stranger(error: ErrorName): Answer {
  return { orgId: "", partner: undefined, encrypted: false, result: refused(error) };
}
