/**
 * `rh.presettle`: what would the bill cost whom? Asked of the payers through the core, at once; nothing is held. A code is
 * consumed as `rh.verify` consumes it, and the visit's ecToken asks again and settles.
 */
import type { ErrorName } from "../../core/protocol/errors.ts";
import { type Fen, formatYuan } from "../../core/protocol/money.ts";
import type { PresettleReply, PresettleRequest } from "../../core/protocol/operations.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import { type EventMs, formatCst14 } from "../../core/protocol/time.ts";
import type { PresettledBill } from "../ports.ts";
import type { AppPorts } from "./app-ports.ts";
import { checkBill } from "./bill.ts";
import { type AdmittedCall, refuse, refuseField, type Refusal } from "./call.ts";
import { refuseShown } from "./observe.ts";
import { checkScene } from "./scene.ts";
import { judgeShowing, concludeShowing } from "./showing.ts";

type Billed = PresettleRequest & { readonly fen: Fen };

export async function presettle(ports: AppPorts, call: AdmittedCall, request: PresettleRequest): Promise<Result<PresettleReply, Refusal>> {
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
  ports: AppPorts,
  call: AdmittedCall,
  request: Billed & { readonly code: string },
): Promise<Result<PresettleReply, Refusal>> {
  const judged = await judgeShowing(ports, call, { operation: "rh.presettle", scene: request, code: request.code });
  if (!judged.ok) return await refuseShown(ports, call, judged.error);
  const asked = await ask(ports, call, request, { kind: "code", value: judged.value.shown.text });
  const obstacle = await concludeShowing(ports, call, judged.value, asked);
  if (obstacle !== undefined) return obstacle;
  return asked.ok ? ok(replyOf(request, asked.value)) : refuse(asked.error);
}

async function ask(
  ports: AppPorts,
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
  return await ports.link.presettle(question, call.traceparent);
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
