/** `rh.refund`: asks the core to give a settlement back; whether it may is the core's to say. */
import { toHex } from "../../core/protocol/bytes.ts";
import type { RefundRequest, SettlementReply } from "../../core/protocol/operations.ts";
import { formatYuan, parseYuan } from "../../core/protocol/money.ts";
import type { Result } from "../../core/protocol/result.ts";
import { requestHash, settlementId } from "../../core/protocol/settlement-id.ts";
import type { AppPorts } from "./app-ports.ts";
import { type AdmittedCall, refuse, type Refusal } from "./call.ts";
import { checkScene } from "./scene.ts";
import { submit, waitMsOf } from "./submit.ts";

export async function refund(ports: AppPorts, call: AdmittedCall, request: RefundRequest): Promise<Result<SettlementReply, Refusal>> {
  const { outTradeNo, originalOutTradeNo, businessType, termId, refundType } = request;
  const refundAmount = request.refundAmount === undefined ? undefined : parseYuan(request.refundAmount);
  if (request.refundAmount !== undefined && (refundAmount === undefined || refundAmount <= 0n)) return refuse("amountInvalid");
  const scene = checkScene(call.institution, request, true);
  if (!scene.ok) return scene;
  const institution = call.institution.settings.orgId;
  const canonical = { action: "refund", institution, businessType, outTradeNo, originalOutTradeNo } as const;
  // ALL is what an absent type means: the same request, however it was written.
  const scope = refundType === undefined || refundType === "ALL" ? {} : { refundType };
  const submitted = await submit(ports, call, {
    settlementId: settlementId(ports.crypto, institution, outTradeNo),
    event: {
      ...canonical,
      ...scope,
      terminal: termId,
      ...(refundAmount === undefined ? {} : { refundAmount: formatYuan(refundAmount) }),
      requestHash: toHex(requestHash(ports.crypto, { ...canonical, ...scope, refundAmount })),
      operatorId: request.operatorId,
      acceptedAtMs: call.nowMs,
      edge: ports.edgeId,
    },
    observed: [],
    waitMs: waitMsOf(request.waitSeconds),
  });
  return submitted.ok ? submitted : refuse(submitted.error);
}
