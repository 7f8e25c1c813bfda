/**
 * What apps ask of the core, in the S3 envelope: `POST /v1/<transType>` of core/protocol/channel-operations.ts. Every answer, refusals included, is a
 * signed S3 A.3 reply with HTTP 200 and a code of the error table; it never repeats what was sent.
 */
import { Hono } from "hono";
import type { Access } from "../access/access.ts";
import type { Nonces } from "../access/nonces.ts";
import type { Crypto } from "../crypto/port.ts";
import type { PartnerProfile } from "../protocol/envelope.ts";
import type { MessageSigner } from "../protocol/partner.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { refused, type Result } from "../protocol/result.ts";
import { readBytesWithin } from "../protocol/server/body.ts";
import { ReplyWriter } from "../protocol/server/replies.ts";
import type { StorageStanding } from "../protocol/server/storage-watch.ts";
import { TokenBuckets } from "../protocol/server/token-bucket.ts";
import { tellTrouble } from "../protocol/server/trouble.ts";
import type { Clock } from "../protocol/time.ts";
import { admitChannelCall, type ChannelDraft } from "./channel-admission.ts";
import { carryOut, type ChannelServices } from "./channel-operations.ts";
import type { shieldedDoors } from "./door.ts";

export interface ChannelPorts extends ChannelServices {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly access: Access;
  readonly nonces: Nonces;
  /** Signs replies as the platform. */
  readonly sign: MessageSigner;
  /** Whether what is taken can be kept. Absent: nobody watches. */
  readonly storage?: StorageStanding;
  /** Told of exceptions that are bugs. */
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

export function channelRoutes(ports: ChannelPorts, doors: ReturnType<typeof shieldedDoors>): Hono<ChannelCall> {
  const routes = new Hono<ChannelCall>();
  const buckets = new TokenBuckets();

  const seal = sealerOf(new ReplyWriter({ crypto: ports.crypto, signer: { sign: ports.sign } }), ports.clock);
  routes.use(
    doors(async (c, retryAfterSeconds) =>
      c.body(await seal(stranger("rateLimited")), 200, { ...JSON_REPLY, "retry-after": String(retryAfterSeconds) }),
    ),
  );

  routes.post("/:transType", async (c) => {
    const body = await readBytesWithin(c.req.raw, { bytesMax: BODY_BYTES_MAX });
    const answer = body.ok ? await answerTo(ports, buckets, c.req.param("transType"), body.value) : stranger(body.error);
    if (answer.proven === true) c.set("caller", answer.orgId);
    c.set("outcome", answer.result.ok ? "ok" : answer.result.error);
    return c.body(await seal(answer), 200, JSON_REPLY);
  });
  // Signed like any other: an app may not take a stranger's error for ours (domain notes 1.5).
  routes.onError(async (error, c) => {
    tellTrouble(ports, error);
    return c.body(await seal(stranger("internal")), 200, JSON_REPLY);
  });
  return routes;
}

/** Seals answers as the edge seals its own. */
function sealerOf(replies: ReplyWriter, clock: Clock): (answer: Answer) => string | Promise<string> {
  return ({ orgId, partner, encrypted, result, field }) => {
    const to = partner === undefined ? { encrypted } : { institution: { settings: { orgId }, partner }, encrypted };
    return result.ok ? replies.success(to, result.value, clock.now()) : replies.refusal(to, { error: result.error, field }, clock.now());
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
