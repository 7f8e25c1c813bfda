/**
 * From a call as it came in to one that may act. Nothing about the sender is believed before the signature, and nothing
 * is remembered before it either, so that garbage leaves no trace.
 */
import { type OpenedRequest, openEnvelopeOfAny, type RawEnvelope, readEnvelope } from "../../core/protocol/envelope.ts";
import { found, inOrder, type Step } from "../../core/protocol/in-order.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import { OPERATIONS, type OperationName } from "../../core/protocol/operations.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import type { EdgeInstitution, EdgeView } from "../ports.ts";
import type { RefusalId } from "../refusals.ts";
import type { AppPorts } from "./app-ports.ts";
import { type AdmittedCall, refuse, type Refusal, type Trace } from "./call.ts";

const CONGESTED_RETRY_SECONDS = 30;

export interface Incoming {
  readonly transType: string;
  readonly readBody: () => Promise<Result<string, "bodyTooLarge" | "badRequest">>;
  readonly nowMs: EventMs;
  readonly trace: Trace;
}

/** What admitting a call needs. */
export type Admitting = Pick<AppPorts, "crypto" | "settings" | "state" | "limits">;

/** The caller as the envelope names it, once its institution is known; replies are written for it. */
export interface Addressee {
  institution?: EdgeInstitution;
  encrypted: boolean;
}

/** A call on its way: what each step of {@link ADMISSION} found out. */
interface Draft extends Incoming {
  readonly ports: Admitting;
  readonly addressee: Addressee;
  readonly view: EdgeView | undefined;
  body?: string;
  raw?: RawEnvelope;
  institution?: EdgeInstitution;
  request?: OpenedRequest;
}

/**
 * What is looked at, in the order of `REFUSALS`: a test holds the two together, and another makes every pair of faults
 * at once. Cheap looks come first only as far as the published order has them there.
 */
export const ADMISSION: readonly Step<RefusalId, Draft, Refusal>[] = [
  { rows: ["unknownOperation"], look: ({ transType }) => (isOperation(transType) ? ok(undefined) : refuse("unknownAddress")) },
  {
    rows: ["oversizedBody", "notUtf8"],
    look: async (draft) => {
      const body = await draft.readBody();
      if (!body.ok) return refuse(body.error);
      draft.body = body.value;
      return ok(undefined);
    },
  },
  { rows: ["edgeSuspended"], look: ({ view }) => (view?.bundle.status === "suspended" ? refuse("edgeSuspended") : ok(undefined)) },
  {
    rows: [
      "notJson",
      "trailingComma",
      "duplicateKey",
      "unknownEnvelopeField",
      "missingEnvelopeField",
      "wrongEnvelopeType",
      "dataAndEncData",
    ],
    look: (draft) => {
      const raw = readEnvelope(found(draft.body));
      if (!raw.ok) return refuse(raw.error);
      draft.raw = raw.value;
      return ok(undefined);
    },
  },
  {
    rows: ["transTypeDiffers"],
    look: ({ raw, transType }) => (found(raw).transType === transType ? ok(undefined) : refuse("badRequest")),
  },
  { rows: ["noSettings"], look: ({ view }) => (view === undefined ? refuse("coreUnavailable") : ok(undefined)) },
  { rows: ["institutionUnknown"], look: identify },
  {
    rows: ["institutionSuspended"],
    look: ({ institution }) => (found(institution).settings.status === "active" ? ok(undefined) : refuse("institutionInactive")),
  },
  {
    rows: [
      "timestampOld",
      "timestampAhead",
      "notEncrypted",
      "otherSignType",
      "wrongSignature",
      "changedAfterSigning",
      "encDataDamaged",
      "foreignInstitution",
    ],
    look: prove,
  },
  { rows: ["replayedNonce", "rateExceeded"], look: admit },
];

export async function admitCall(ports: Admitting, incoming: Incoming, addressee: Addressee): Promise<Result<AdmittedCall, Refusal>> {
  const draft: Draft = { ...incoming, ports, addressee, view: ports.settings.current() };
  const looked = await inOrder(ADMISSION, draft);
  if (!looked.ok) return looked;
  const { view, institution, request } = draft;
  return ok({
    view: found(view),
    institution: found(institution),
    request: found(request),
    nowMs: incoming.nowMs,
    trace: incoming.trace,
  });
}

function identify(draft: Draft): Result<void, Refusal> {
  const raw = found(draft.raw);
  const institution = found(draft.view).institution(raw.orgId);
  if (institution === undefined) return refuse("institutionUnknown");
  draft.institution = institution;
  draft.addressee.institution = institution;
  draft.addressee.encrypted = raw.payload.kind === "encrypted";
  if (institution.settings.status === "active") draft.trace.institution = institution.settings.orgId;
  return ok(undefined);
}

function prove(draft: Draft): Result<void, Refusal> {
  const { ports, nowMs, addressee } = draft;
  const institution = found(draft.institution);
  const { former } = institution;
  const partners = {
    present: institution.partner,
    former: former !== undefined && nowMs < former.untilMs ? former.partner : undefined,
  };
  const window = { nowMs, windowMs: ports.limits.timestampWindowMs };
  const { opened, partner } = openEnvelopeOfAny(ports.crypto, found(draft.raw), partners, window);
  if (!opened.ok) return refuse(opened.error);
  draft.request = opened.value;
  // Whoever still signs with the secret before reads a reply only under it.
  addressee.institution = { ...institution, partner };
  return ok(undefined);
}

async function admit(draft: Draft): Promise<Result<void, Refusal>> {
  const { limits, state } = draft.ports;
  const { orgId, ratePerSecond, rateBurst } = found(draft.institution).settings;
  const { replayKey, timestampMs } = found(draft.request);
  const admission = await state.admit({
    orgId,
    replayKey,
    expiresAtMs: timestampMs + limits.timestampWindowMs,
    ratePerSecond,
    rateBurst,
    noncesMax: limits.noncesMax,
    nowMs: draft.nowMs,
  });
  if (admission.kind === "replayed") return refuse("requestReplayed");
  return admission.kind === "limited" ? refuse("rateLimited", admission.retryAfterSeconds) : ok(undefined);
}

/** Back-pressure: what would add to the outbox is turned away while too much waits there. */
export function checkRoom(ports: AppPorts, orgId: string): Result<void, Refusal> {
  const { depth, oldestAgeMs } = ports.outbox.backlog(orgId);
  const full = depth >= ports.limits.outboxDepthMax || oldestAgeMs >= ports.limits.outboxAgeMsMax;
  return full ? refuse("rateLimited", CONGESTED_RETRY_SECONDS) : ok(undefined);
}

export function isOperation(transType: string): transType is OperationName {
  return Object.hasOwn(OPERATIONS, transType);
}
