/** From a call at the channel address to one that may act: the steps of `CHANNEL_REFUSALS`, in its order. */
import type { Access } from "../access/access.ts";
import type { Institution } from "../access/directory.ts";
import type { Nonces } from "../access/nonces.ts";
import type { Crypto } from "../crypto/port.ts";
import { utf8Text } from "../protocol/bytes.ts";
import type { ChannelOperationName } from "../protocol/channel-operations.ts";
import { type OpenedRequest, openEnvelopeOfAny, type PartnerProfile, type RawEnvelope, readEnvelope } from "../protocol/envelope.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { found, inOrder, type Step } from "../protocol/in-order.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import { type EventMs, TIMESTAMP_WINDOW_MS } from "../protocol/time.ts";
import { isChannelOperation } from "./channel-operations.ts";
import type { ChannelRefusalId } from "./channel-refusals.ts";
import type { TokenBuckets } from "../protocol/server/token-bucket.ts";

/** Longer than the window on both sides, so that a nonce outlives every timestamp it could come with. */
const NONCE_LIFE_MS = 2 * TIMESTAMP_WINDOW_MS + 60_000;

export interface AdmissionPorts {
  readonly crypto: Crypto;
  readonly access: Access;
  readonly nonces: Nonces;
  readonly buckets: TokenBuckets;
}

/** A call on its way. `app` and `partner` are those it names, until `request` says that they signed it. */
export interface ChannelDraft {
  readonly ports: AdmissionPorts;
  readonly transType: string;
  readonly body: Uint8Array;
  readonly nowMs: EventMs;
  text?: string;
  raw?: RawEnvelope;
  app?: Institution;
  partners?: { readonly present: PartnerProfile; readonly former: PartnerProfile | undefined };
  partner?: PartnerProfile;
  request?: OpenedRequest;
}

type Looked = Result<void, ErrorName>;

export const CHANNEL_ADMISSION: readonly Step<ChannelRefusalId, ChannelDraft, ErrorName>[] = [
  { rows: ["unknownOperation"], look: ({ transType }) => (isChannelOperation(transType) ? ok(undefined) : refused("unknownAddress")) },
  {
    rows: ["notUtf8"],
    look: (draft) => {
      const text = utf8Text(draft.body);
      if (text === undefined) return refused("badRequest");
      draft.text = text;
      return ok(undefined);
    },
  },
  {
    rows: ["malformed"],
    look: (draft) => {
      const raw = readEnvelope(found(draft.text));
      if (!raw.ok) return raw;
      draft.raw = raw.value;
      return ok(undefined);
    },
  },
  {
    rows: ["transTypeDiffers"],
    look: ({ raw, transType }) => (found(raw).transType === transType ? ok(undefined) : refused("badRequest")),
  },
  { rows: ["appUnknown"], look: identify },
  { rows: ["appSuspended"], look: ({ app }) => (found(app).status === "active" ? ok(undefined) : refused("channelInactive")) },
  { rows: ["timestampOutside", "otherEncryption", "wrongSignature", "foreignApp"], look: prove },
  {
    rows: ["replayedNonce"],
    look: async ({ ports, request, nowMs }) =>
      // Claimed once and for all.
      (await ports.nonces.claim(found(request).replayKey, nowMs + NONCE_LIFE_MS)) ? ok(undefined) : refused("requestReplayed"),
  },
  {
    rows: ["rateExceeded"],
    look: ({ ports, app, nowMs }) =>
      ports.buckets.take(found(app).orgId, found(app), nowMs) === 0 ? ok(undefined) : refused("rateLimited"),
  },
];

export interface ChannelRequest {
  readonly name: ChannelOperationName;
  readonly request: OpenedRequest;
}

/** Runs the steps over `draft`, which afterwards tells how far the call got. */
export async function admitChannelCall(draft: ChannelDraft): Promise<Result<ChannelRequest, ErrorName>> {
  const looked = await inOrder(CHANNEL_ADMISSION, draft);
  if (!looked.ok) return looked;
  const { transType: name, request } = draft;
  return isChannelOperation(name) ? ok({ name, request: found(request) }) : refused("unknownAddress");
}

async function identify(draft: ChannelDraft): Promise<Looked> {
  const { ports, raw, nowMs } = draft;
  const app = ports.access.institution(found(raw).orgId);
  const [present, former] = app?.kind === "app" ? await ports.access.partners(app.orgId, nowMs) : [];
  if (app === undefined || present === undefined) return refused("channelUnknown");
  draft.app = app;
  draft.partners = { present, former };
  draft.partner = present;
  return ok(undefined);
}

function prove(draft: ChannelDraft): Looked {
  const { opened, partner } = openEnvelopeOfAny(draft.ports.crypto, found(draft.raw), found(draft.partners), { nowMs: draft.nowMs });
  draft.partner = partner;
  if (!opened.ok) return opened;
  draft.request = opened.value;
  return ok(undefined);
}
