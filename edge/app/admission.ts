/**
 * From a body to a call that may act. The steps stand in order of cost and of trust: nothing about the sender is
 * believed before the signature, and nothing is remembered before it either, so that garbage leaves no trace.
 */
import { openEnvelopeOfAny, type RawEnvelope, readEnvelope } from "../../core/protocol/envelope.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import type { EdgeInstitution, EdgeView } from "../ports.ts";
import type { AppPorts } from "./app-ports.ts";
import { type AdmittedCall, refuse, type Refusal, type Trace } from "./call.ts";
import { glanceAt } from "./glance.ts";

const CONGESTED_RETRY_SECONDS = 30;

export interface Incoming {
  readonly transType: string;
  readonly body: string;
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

export async function admitCall(ports: Admitting, incoming: Incoming, addressee: Addressee): Promise<Result<AdmittedCall, Refusal>> {
  const view = ports.settings.current();
  if (view?.bundle.status === "suspended") return refuse("edgeSuspended");
  const window = { nowMs: incoming.nowMs, windowMs: ports.limits.timestampWindowMs };
  const glance = view === undefined ? undefined : glanceAt(view, incoming.body, window);
  if (glance !== undefined) {
    if (glance.institution !== undefined) addressee.institution = glance.institution;
    return refuse(glance.error);
  }
  const raw = readEnvelope(incoming.body);
  if (!raw.ok) return refuse(raw.error);
  if (raw.value.transType !== incoming.transType) return refuse("badRequest");

  if (view === undefined) return refuse("coreUnavailable");
  const institution = identify(view, raw.value, addressee);
  if (!institution.ok) return institution;
  incoming.trace.institution = institution.value.settings.orgId;

  const { former } = institution.value;
  const partners = {
    present: institution.value.partner,
    former: former !== undefined && incoming.nowMs < former.untilMs ? former.partner : undefined,
  };
  const { opened, partner } = openEnvelopeOfAny(ports.crypto, raw.value, partners, window);
  if (!opened.ok) return refuse(opened.error);
  // Whoever still signs with the secret before reads a reply only under it.
  addressee.institution = { ...institution.value, partner };

  const admission = await ports.state.admit({
    orgId: institution.value.settings.orgId,
    replayKey: opened.value.replayKey,
    expiresAtMs: opened.value.timestampMs + ports.limits.timestampWindowMs,
    ratePerSecond: institution.value.settings.ratePerSecond,
    rateBurst: institution.value.settings.rateBurst,
    noncesMax: ports.limits.noncesMax,
    nowMs: incoming.nowMs,
  });
  if (admission.kind === "replayed") return refuse("requestReplayed");
  if (admission.kind === "limited") return refuse("rateLimited", admission.retryAfterSeconds);
  return ok({ view, institution: institution.value, request: opened.value, nowMs: incoming.nowMs, trace: incoming.trace });
}

function identify(view: EdgeView, raw: RawEnvelope, addressee: Addressee): Result<EdgeInstitution, Refusal> {
  const institution = view.institution(raw.orgId);
  if (institution === undefined) return refuse("institutionUnknown");
  addressee.institution = institution;
  addressee.encrypted = raw.payload.kind === "encrypted";
  return institution.settings.status === "active" ? ok(institution) : refuse("institutionInactive");
}

/** Back-pressure: what would add to the outbox is turned away while too much waits there. */
export function checkRoom(ports: AppPorts, orgId: string): Result<void, Refusal> {
  const { depth, oldestAgeMs } = ports.outbox.backlog(orgId);
  const full = depth >= ports.limits.outboxDepthMax || oldestAgeMs >= ports.limits.outboxAgeMsMax;
  return full ? refuse("rateLimited", CONGESTED_RETRY_SECONDS) : ok(undefined);
}
