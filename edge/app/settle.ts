/** `rh.settle`: durable before the answer, settled by the core afterwards (DESIGN 2, step 4). */
import { toHex } from "../../core/protocol/bytes.ts";
import { type Fen, formatYuan, parseYuan } from "../../core/protocol/money.ts";
import type { SettlementReply, SettleRequest } from "../../core/protocol/operations.ts";
import { credentialFingerprintInput } from "../../core/protocol/pseudonym.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import { requestHash, settlementId } from "../../core/protocol/settlement-id.ts";
import type { EdgePorts } from "../ports.ts";
import { type AdmittedCall, refuse, type Refusal } from "./call.ts";
import type { Submitted } from "./events.ts";
import { acceptedScan, refuseShown, type Showing } from "./observe.ts";
import { readShownCode } from "./scan.ts";
import { checkScene } from "./scene.ts";
import { outcomeOf, submit, waitMsOf } from "./submit.ts";

export async function settle(ports: EdgePorts, call: AdmittedCall, request: SettleRequest): Promise<Result<SettlementReply, Refusal>> {
  const { code, ecToken } = request;
  if ((code === undefined) === (ecToken === undefined)) return refuse("badRequest");
  const amount = parseYuan(request.amount);
  if (amount === undefined || amount <= 0n) return refuse("amountInvalid");
  const scene = checkScene(call.institution, request, true);
  if (!scene.ok) return scene;
  if (code !== undefined) return await settleByCode(ports, call, { ...request, code, fen: amount });
  if (ecToken !== undefined) return await settleByToken(ports, call, { ...request, ecToken, fen: amount });
  return refuse("badRequest");
}

/** A request whose amount is known to be one. */
type Billed = SettleRequest & { readonly fen: Fen };

async function settleByCode(
  ports: EdgePorts,
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
  const submitted = await submit(ports, call, {
    settlementId: idOf(ports, event),
    event: { ...event, codeFingerprint: shown.fingerprint },
    mark: {
      fingerprint: shown.fingerprint,
      step: "settle",
      orgId: event.institution,
      outTradeNo: event.outTradeNo,
      expiresAtMs: shown.markUntilMs,
    },
    observed: [acceptedScan(ports, call, showing)],
    waitMs: waitMsOf(request.waitSeconds),
  });
  return submitted.ok ? submitted : await refuseShown(ports, call, showing, submitted.error);
}

async function settleByToken(
  ports: EdgePorts,
  call: AdmittedCall,
  request: Billed & { readonly ecToken: string },
): Promise<Result<SettlementReply, Refusal>> {
  const fingerprint = toHex(ports.crypto.hmacSm3(call.view.fingerprintKey, credentialFingerprintInput("ecToken", request.ecToken)));
  const event = eventOf(ports, call, request, { fingerprint, kind: "ecToken", value: request.ecToken });
  const submitted = await submit(ports, call, {
    settlementId: idOf(ports, event),
    event,
    observed: [],
    waitMs: waitMsOf(request.waitSeconds),
  });
  return submitted.ok ? submitted : refuse(submitted.error);
}

/** A hospital that repeats a call after an outage shows a code that has expired since: its number was taken in time. */
async function answerLateRepeat(
  ports: EdgePorts,
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

function eventOf(ports: EdgePorts, call: AdmittedCall, request: Billed, credential: Credential): Submitted {
  const { outTradeNo, fen, businessType, termId } = request;
  const institution = call.institution.settings.orgId;
  const hash = requestHash(ports.crypto, {
    action: "settle",
    institution,
    terminal: termId,
    businessType,
    outTradeNo,
    amount: fen,
    credentialFingerprint: credential.fingerprint,
  });
  return {
    action: "settle",
    institution,
    terminal: termId,
    businessType,
    outTradeNo,
    requestHash: toHex(hash),
    amount: formatYuan(fen),
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

function idOf(ports: EdgePorts, event: Submitted): string {
  return settlementId(ports.crypto, event.institution, event.outTradeNo);
}
