/** `rh.settle`: durable before the answer, settled by the core afterwards (DESIGN 2, step 4). */
import { toHex } from "../../core/protocol/bytes.ts";
import { type Fen, formatYuan } from "../../core/protocol/money.ts";
import type { SettlementReply, SettleRequest } from "../../core/protocol/operations.ts";
import type { Result } from "../../core/protocol/result.ts";
import { requestHash, settlementId } from "../../core/protocol/settlement-id.ts";
import type { Change } from "../ports.ts";
import type { AppPorts } from "./app-ports.ts";
import { billIdentity, checkBill } from "./bill.ts";
import { type AdmittedCall, refuse, refuseField, type Refusal } from "./call.ts";
import type { Submitted } from "./events.ts";
import { acceptedScan, refuseShown } from "./observe.ts";
import { allowanceFor } from "./offline.ts";
import { checkScene } from "./scene.ts";
import { judgeShowing } from "./showing.ts";
import { outcomeOf, submit, takenElsewhere, waitMsOf } from "./submit.ts";
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
  const link = ports.link.state(call.nowMs, call.institution.settings.orgId);
  const allowance = allowanceFor(call, link, request.fen);
  const unasked = link.offlineSinceMs !== undefined;
  const bar = allowance.ok ? undefined : allowance.error;
  const judged = await judgeShowing(ports, call, { operation: "rh.settle", scene: request, code: request.code, bar, unasked });
  const { fingerprint, text } = judged.ok ? judged.value.shown : judged.error.showing.shown;
  const event = fingerprint === undefined ? undefined : eventOf(ports, call, request, { fingerprint, kind: "code", value: text });
  if (!judged.ok || event === undefined || !allowance.ok) {
    const repeat = event === undefined ? undefined : await answerLateRepeat(ports, event, request.waitSeconds);
    return repeat ?? (await refuseShown(ports, call, judged.ok ? { showing: judged.value, error: bar ?? "codeMalformed" } : judged.error));
  }
  const showing = judged.value;
  if (unasked) call.trace.offline = true;
  const submitted = await submit(ports, call, {
    settlementId: idOf(ports, event),
    event: { ...event, codeFingerprint: showing.fingerprint },
    mark: showing.mark,
    bill: allowance.value,
    observed: [acceptedScan(ports, call, showing)],
    waitMs: waitMsOf(request.waitSeconds),
  });
  return submitted.ok ? submitted : await refuseShown(ports, call, { showing, error: submitted.error });
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
  const offline = allowance.value.offline !== undefined;
  const mark = offline ? await offlineTokenMark(ports, call, event, fingerprint) : undefined;
  if (offline && mark === undefined) return (await answerLateRepeat(ports, event, request.waitSeconds)) ?? refuse("offlineUnverifiable");
  if (offline) call.trace.offline = true;
  const submitted = await submit(ports, call, {
    settlementId: idOf(ports, event),
    event,
    ...(mark === undefined ? {} : { mark }),
    bill: allowance.value,
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
  const awaited = { ...event, settlementId: idOf(ports, event), waitMs: waitMsOf(waitSeconds) };
  const answer = taken?.requestHash === event.requestHash ? await outcomeOf(ports, awaited) : await takenElsewhere(ports, awaited);
  if (answer === undefined) return undefined;
  return answer.ok ? answer : refuse(answer.error);
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
