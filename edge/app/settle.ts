/** `rh.settle`: durable before the answer, settled by the core afterwards (DESIGN 2, step 4). */
import { toHex } from "../../core/protocol/bytes.ts";
import { type Fen, formatYuan } from "../../core/protocol/money.ts";
import type { SettlementReply, SettleRequest } from "../../core/protocol/operations.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import { requestHash, settlementId } from "../../core/protocol/settlement-id.ts";
import type { Change } from "../ports.ts";
import type { AppPorts } from "./app-ports.ts";
import { billIdentity, checkBill } from "./bill.ts";
import { type AdmittedCall, refuse, refuseField, type Refusal } from "./call.ts";
import type { Submitted } from "./events.ts";
import { attemptWait, countAttempt } from "./guesses.ts";
import { acceptedScan, refuseShown, type Showing } from "./observe.ts";
import { allowanceFor } from "./offline.ts";
import { readShownCode } from "./scan.ts";
import { checkScene } from "./scene.ts";
import { outcomeOf, submit, waitMsOf } from "./submit.ts";
import { ecTokenFingerprint } from "./verify.ts";

export async function settle(ports: AppPorts, call: AdmittedCall, request: SettleRequest): Promise<Result<SettlementReply, Refusal>> {
  const { code, ecToken } = request;
  if ((code === undefined) === (ecToken === undefined)) return refuseField("code");
  const bill = checkBill(request);
  if (!bill.ok) return bill;
  const scene = checkScene(call.institution, request, true);
  if (!scene.ok) return scene;
  if (code !== undefined) return await settleByCode(ports, call, { ...request, code, fen: bill.value });
  if (ecToken !== undefined) return await settleByToken(ports, call, { ...request, ecToken, fen: bill.value });
  return refuse("badRequest");
}

/** A request whose amount is known to be one. */
type Billed = SettleRequest & { readonly fen: Fen };

async function settleByCode(
  ports: AppPorts,
  call: AdmittedCall,
  request: Billed & { readonly code: string },
): Promise<Result<SettlementReply, Refusal>> {
  const shown = readShownCode(ports, call.view, request.code, { step: "settle", nowMs: call.nowMs });
  const showing: Showing = { step: "settle", scene: request, shown };
  call.trace.codeKind = shown.codeKind;
  if (shown.fingerprint === undefined)
    return await refuseShown(ports, call, showing, shown.verdict.ok ? "codeMalformed" : shown.verdict.error);
  call.trace.codeFingerprint = shown.fingerprint;

  const event = eventOf(ports, call, request, { fingerprint: shown.fingerprint, kind: "code", value: shown.text });
  if (!shown.verdict.ok) {
    const repeat = await answerLateRepeat(ports, event, request.waitSeconds);
    return repeat ?? (await refuseShown(ports, call, showing, shown.verdict.error));
  }
  const link = ports.link.state(call.nowMs, event.institution);
  const allowance = allowanceFor(call, link, request.fen);
  if (!allowance.ok) {
    const repeat = await answerLateRepeat(ports, event, request.waitSeconds);
    return repeat ?? (await refuseShown(ports, call, showing, allowance.error));
  }
  if (shown.codeKind !== "fused.signed") {
    // Only the core can tell it, later: not without a link, and not without end.
    if (allowance.value.kind === "take") return await refuseShown(ports, call, showing, "offlineUnverifiable");
    const attempt = { kind: "unproven", termId: request.termId } as const;
    const waitSeconds = await attemptWait(ports, call, attempt);
    if (waitSeconds > 0) return await refuseShown(ports, call, showing, "rateLimited", waitSeconds);
    await countAttempt(ports, call, attempt);
  }
  if (allowance.value.kind === "take") call.trace.offline = true;
  const submitted = await submit(ports, call, {
    settlementId: idOf(ports, event),
    event: { ...event, codeFingerprint: shown.fingerprint },
    mark: {
      fingerprint: shown.fingerprint,
      step: "settle",
      orgId: event.institution,
      outTradeNo: event.outTradeNo,
      termId: event.terminal,
      expiresAtMs: shown.markUntilMs,
    },
    allowance: allowance.value,
    observed: [acceptedScan(ports, call, showing)],
    waitMs: waitMsOf(request.waitSeconds),
  });
  return submitted.ok ? submitted : await refuseShown(ports, call, showing, submitted.error);
}

async function settleByToken(
  ports: AppPorts,
  call: AdmittedCall,
  request: Billed & { readonly ecToken: string },
): Promise<Result<SettlementReply, Refusal>> {
  const fingerprint = ecTokenFingerprint(ports, call.view, request.ecToken);
  const event = eventOf(ports, call, request, { fingerprint, kind: "ecToken", value: request.ecToken });
  const allowance = allowanceFor(call, ports.link.state(call.nowMs, event.institution), request.fen);
  if (!allowance.ok) return (await answerLateRepeat(ports, event, request.waitSeconds)) ?? refuse(allowance.error);
  const offline = allowance.value.kind === "take";
  const mark = offline ? await offlineTokenMark(ports, call, event, fingerprint) : undefined;
  if (offline && mark === undefined) return (await answerLateRepeat(ports, event, request.waitSeconds)) ?? refuse("offlineUnverifiable");
  if (offline) call.trace.offline = true;
  const submitted = await submit(ports, call, {
    settlementId: idOf(ports, event),
    event,
    ...(mark === undefined ? {} : { mark }),
    allowance: allowance.value,
    observed: [],
    waitMs: waitMsOf(request.waitSeconds),
  });
  if (submitted.ok) return submitted;
  return refuse(submitted.error === "codeUsed" ? "tokenInvalid" : submitted.error);
}

/** Without the core an ecToken is believed only where this edge saw it given to this institution, and once. */
async function offlineTokenMark(
  ports: AppPorts,
  call: AdmittedCall,
  event: Submitted,
  fingerprint: string,
): Promise<Change["mark"] | undefined> {
  const { institution: orgId, outTradeNo } = event;
  const given = (await ports.state.markOf(orgId, fingerprint, call.nowMs))?.verify;
  if (given?.orgId !== orgId) return undefined;
  // Any terminal of the institution may use it: it stands for the visit, not for a showing.
  const expiresAtMs = call.nowMs + ports.limits.opaqueMarkMs;
  return { fingerprint, step: "settle", orgId, outTradeNo, termId: given.termId, expiresAtMs };
}

/** A hospital that repeats a call after an outage shows a code that has expired since: its number was taken in time. */
async function answerLateRepeat(
  ports: AppPorts,
  event: Submitted,
  waitSeconds: string | undefined,
): Promise<Result<SettlementReply, Refusal> | undefined> {
  const taken = await ports.state.taken(event.institution, event.outTradeNo);
  if (taken === undefined || taken.requestHash !== event.requestHash) return undefined;
  return ok(await outcomeOf(ports, { ...event, settlementId: idOf(ports, event), waitMs: waitMsOf(waitSeconds) }));
}

interface Credential {
  readonly fingerprint: string;
  readonly kind: "code" | "ecToken";
  readonly value: string;
}

function eventOf(ports: AppPorts, call: AdmittedCall, request: Billed, credential: Credential): Submitted {
  const { outTradeNo, fen, businessType, termId, medType, feeLines } = request;
  const institution = call.institution.settings.orgId;
  const hash = requestHash(ports.crypto, {
    action: "settle",
    institution,
    terminal: termId,
    businessType,
    outTradeNo,
    amount: fen,
    credentialFingerprint: credential.fingerprint,
    ...billIdentity(ports.crypto, request),
  });
  return {
    action: "settle",
    institution,
    terminal: termId,
    businessType,
    outTradeNo,
    requestHash: toHex(hash),
    amount: formatYuan(fen),
    ...(medType === undefined ? {} : { medType }),
    ...(feeLines === undefined ? {} : { feeLines }),
    credential: ports.sealer.seal(call.view, {
      kind: credential.kind,
      value: credential.value,
      institution,
      outTradeNo,
      nowMs: call.nowMs,
    }),
    operatorId: request.operatorId,
    acceptedAtMs: call.nowMs,
    edge: ports.edgeId,
  };
}

function idOf(ports: AppPorts, event: Submitted): string {
  return settlementId(ports.crypto, event.institution, event.outTradeNo);
}
