/**
 * What apps ask of the core, in the S3 envelope: `POST /v1/<transType>` of core/protocol/channel-operations.ts. Every answer, refusals included, is a
 * signed S3 A.3 reply with HTTP 200 and a code of the error table; it never repeats what was sent.
 */
import { Hono } from "hono";
import type { Access } from "../access/access.ts";
import type { Institution } from "../access/directory.ts";
import type { Nonces } from "../access/nonces.ts";
import type { Crypto } from "../crypto/port.ts";
import { openEnvelopeOfAny, type PartnerProfile, readEnvelope } from "../protocol/envelope.ts";
import type { MessageSigner } from "../protocol/partner.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { refused, type Result } from "../protocol/result.ts";
import { readTextWithin } from "../protocol/server/body.ts";
import { ReplyWriter } from "../protocol/server/replies.ts";
import { TokenBuckets } from "../protocol/server/token-bucket.ts";
import { type Clock, type EventMs, TIMESTAMP_WINDOW_MS } from "../protocol/time.ts";
import { carryOut, type ChannelServices, isChannelOperation } from "./channel-operations.ts";
import type { shieldedDoors } from "./door.ts";

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
/** Longer than the window on both sides, so that a nonce outlives every timestamp it could come with. */
const NONCE_LIFE_MS = 2 * TIMESTAMP_WINDOW_MS + 60_000;

/** How far a call got: who may be answered, and how. */
interface Answer {
  readonly orgId: string;
  readonly partner: PartnerProfile | undefined;
  readonly encrypted: boolean;
  /** Whether the envelope was signed by the app it names. */
  readonly proven?: true;
  readonly result: Result<object, ErrorName>;
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
    const body = await readTextWithin(c.req.raw, { bytesMax: BODY_BYTES_MAX });
    const answer = body.ok ? await answerTo(ports, buckets, c.req.param("transType"), body.value) : stranger(body.error);
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

/** Seals answers as the edge seals its own. */
function sealerOf(replies: ReplyWriter, clock: Clock): (answer: Answer) => string | Promise<string> {
  return ({ orgId, partner, encrypted, result }) => {
    const to = partner === undefined ? { encrypted } : { institution: { settings: { orgId }, partner }, encrypted };
    return result.ok ? replies.success(to, result.value, clock.now()) : replies.refusal(to, { error: result.error }, clock.now());
  };
}

const JSON_REPLY = { "content-type": "application/json; charset=utf-8" };

async function answerTo(ports: ChannelPorts, buckets: TokenBuckets, transType: string, body: string): Promise<Answer> {
  const raw = readEnvelope(body);
  if (!raw.ok) return stranger(raw.error);
  const app = ports.access.institution(raw.value.orgId);
  const nowMs = ports.clock.now();
  const [present, former] = app?.kind === "app" ? await ports.access.partners(app.orgId, nowMs) : [];
  if (app === undefined || present === undefined) return stranger("channelUnknown");
  const { opened, partner } = openEnvelopeOfAny(ports.crypto, raw.value, { present, former }, { nowMs });
  const answer = (result: Result<object, ErrorName>, encrypted = false): Answer => ({
    orgId: app.orgId,
    partner,
    encrypted,
    proven: true,
    result,
  });
  if (!opened.ok) return { orgId: app.orgId, partner, encrypted: false, result: opened };
  const obstacle = await obstacleTo(ports, buckets, app, opened.value.replayKey, nowMs);
  if (obstacle !== undefined) return answer(refused(obstacle));
  if (!isChannelOperation(transType)) return answer(refused("unknownAddress"));
  if (opened.value.transType !== transType) return answer(refused("badRequest"));
  return answer(await carryOut(ports, transType, opened.value.data, nowMs), opened.value.encrypted);
}

/** After the signature: a replay, a suspended app, too many calls. The nonce is claimed once and for all. */
async function obstacleTo(
  ports: ChannelPorts,
  buckets: TokenBuckets,
  app: Institution,
  replayKey: string,
  nowMs: EventMs,
): Promise<ErrorName | undefined> {
  if (!(await ports.nonces.claim(replayKey, nowMs + NONCE_LIFE_MS))) return "requestReplayed";
  if (app.status !== "active") return "channelInactive";
  return buckets.take(app.orgId, app, nowMs) === 0 ? undefined : "rateLimited";
}

/** For callers whose name we could not read or do not know: signed, empty. */
function stranger(error: ErrorName): Answer {
  return { orgId: "", partner: undefined, encrypted: false, result: refused(error) };
}
