/**
 * `rh.presettle`: what would the bill cost whom? Asked of the payers through the core, at once; nothing is held. A code is
 * consumed as `rh.verify` consumes it, and the visit's ecToken asks again and settles.
 */
import { type ErrorName, OBSERVED_BY_CORE } from "../../core/protocol/errors.ts";
import { type Fen, formatYuan } from "../../core/protocol/money.ts";
import type { PresettleReply, PresettleRequest } from "../../core/protocol/operations.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import { type EventMs, formatCst14 } from "../../core/protocol/time.ts";
import type { EdgePorts, PresettledBill } from "../ports.ts";
import { checkBill } from "./bill.ts";
import { type AdmittedCall, refuse, refuseField, type Refusal } from "./call.ts";
import { mayUse } from "./decide.ts";
import { acceptedScan, refuseShown, type Showing } from "./observe.ts";
import { readShownCode } from "./scan.ts";
import { checkScene } from "./scene.ts";

type Billed = PresettleRequest & { readonly fen: Fen };
/** The payers' answers: whatever they are, the code was good and opened its visit. */
const OF_PAYERS: ReadonlySet<ErrorName> = new Set(["payerRefused", "payerUnavailable", "noFunds"]);

export async function presettle(ports: EdgePorts, call: AdmittedCall, request: PresettleRequest): Promise<Result<PresettleReply, Refusal>> {
  const { code, ecToken } = request;
  if ((code === undefined) === (ecToken === undefined)) return refuseField("code");
  const bill = checkBill(request);
  if (!bill.ok) return bill;
  const scene = checkScene(call.institution, request, true);
  if (!scene.ok) return scene;
  const billed = { ...request, fen: bill.value };
  if (code !== undefined) return await presettleByCode(ports, call, { ...billed, code });
  const asked = await ask(ports, call, billed, { kind: "ecToken", value: ecToken ?? "" });
  return asked.ok ? ok(replyOf(billed, asked.value)) : refuse(asked.error);
}

async function presettleByCode(
  ports: EdgePorts,
  call: AdmittedCall,
  request: Billed & { readonly code: string },
): Promise<Result<PresettleReply, Refusal>> {
  // Only a code that may settle is worth asking payers about; it is shown to open the visit, not to pay.
  const shown = readShownCode(ports, call.view, request.code, { step: "settle", nowMs: call.nowMs });
  const showing: Showing = { step: "verify", scene: request, shown };
  call.trace.codeKind = shown.codeKind;
  if (shown.fingerprint === undefined)
    return await refuseShown(ports, call, showing, shown.verdict.ok ? "codeMalformed" : shown.verdict.error);
  call.trace.codeFingerprint = shown.fingerprint;
  const { fingerprint } = shown;
  const { outTradeNo, termId } = request;
  const orgId = call.institution.settings.orgId;
  const marks = await ports.state.markOf(orgId, fingerprint, call.nowMs);
  const retried = marks?.verify?.orgId === orgId && marks.verify.outTradeNo === outTradeNo;
  if (!shown.verdict.ok && !(retried && shown.verdict.error === "codeExpired"))
    return await refuseShown(ports, call, showing, shown.verdict.error);
  if (!mayUse(marks, "verify", { orgId, outTradeNo, termId })) return await refuseShown(ports, call, showing, "codeUsed");

  const asked = await ask(ports, call, request, { kind: "code", value: shown.text });
  if (!asked.ok && !OF_PAYERS.has(asked.error))
    return OBSERVED_BY_CORE.has(asked.error) ? refuse(asked.error) : await refuseShown(ports, call, showing, asked.error);
  const mark = { fingerprint, step: "verify", orgId, outTradeNo, termId, expiresAtMs: shown.markUntilMs } as const;
  const verdict = await ports.state.commit({ atMs: call.nowMs, mark, records: [acceptedScan(ports, call, showing)] });
  if (verdict !== "accepted") return await refuseShown(ports, call, showing, "codeUsed");
  return asked.ok ? ok(replyOf(request, asked.value)) : refuse(asked.error);
}

async function ask(
  ports: EdgePorts,
  call: AdmittedCall,
  request: Billed,
  credential: { readonly kind: "code" | "ecToken"; readonly value: string },
): Promise<Result<PresettledBill, ErrorName>> {
  const { outTradeNo, businessType, termId, medType, feeLines } = request;
  const institution = call.institution.settings.orgId;
  const question = {
    institution,
    terminal: termId,
    businessType,
    transactionId: `${institution}/${outTradeNo}`,
    outTradeNo,
    credential: ports.sealer.seal(call.view, { ...credential, institution, outTradeNo, nowMs: call.nowMs }),
    observedAtMs: call.nowMs,
    amount: formatYuan(request.fen),
    ...(medType === undefined ? {} : { medType }),
    ...(feeLines === undefined ? {} : { feeLines }),
  };
  return await ports.core.presettle(question, call.traceparent);
}

function replyOf(request: Billed, { ecToken, ecTokenExpiresMs, insuOrg, split, legs, balc }: PresettledBill): PresettleReply {
  return {
    outTradeNo: request.outTradeNo,
    ecToken,
    ecTokenExpires: formatCst14(ecTokenExpiresMs as EventMs),
    insuOrg,
    amount: formatYuan(request.fen),
    split,
    ...(legs.length === 0 ? {} : { legs }),
    ...(balc === undefined ? {} : { balc }),
  };
}
