/** `rh.verify`: who is it? The code is told genuine here and consumed in the core, once. */
import { toHex } from "../../core/protocol/bytes.ts";
import { maskIdNo, maskName } from "../../core/protocol/masking.ts";
import type { VerifyReply, VerifyRequest } from "../../core/protocol/operations.ts";
import { credentialFingerprintInput } from "../../core/protocol/pseudonym.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import { type EventMs, formatCst14 } from "../../core/protocol/time.ts";
import type { EdgeView } from "../ports.ts";
import type { AppPorts } from "./app-ports.ts";
import { type AdmittedCall, refuse, type Refusal } from "./call.ts";
import { refuseShown } from "./observe.ts";
import { checkScene } from "./scene.ts";
import { concludeShowing, type GoodShowing, judgeShowing, takeStep } from "./showing.ts";

export async function verify(ports: AppPorts, call: AdmittedCall, request: VerifyRequest): Promise<Result<VerifyReply, Refusal>> {
  const scene = checkScene(call.institution, request, false);
  if (!scene.ok) return scene;
  const judged = await judgeShowing(ports, call, { operation: "rh.verify", scene: request, code: request.code });
  if (!judged.ok) return await refuseShown(ports, call, judged.error);
  const showing = judged.value;
  const { outTradeNo, businessType, termId } = request;
  const institution = call.institution.settings.orgId;
  const credential = { kind: "code", value: showing.shown.text, institution, outTradeNo, nowMs: call.nowMs } as const;
  const asked = {
    institution,
    terminal: termId,
    businessType,
    transactionId: `${institution}/${outTradeNo}`,
    outTradeNo,
    credential: ports.sealer.seal(call.view, credential),
    observedAtMs: call.nowMs,
  };
  const resolved = await ports.link.resolve(asked, call.traceparent);
  if (!resolved.ok && resolved.error === "coreUnavailable" && showing.shown.codeKind === "fused.signed" && showing.fresh)
    return await verifyOffline(ports, call, showing);
  const obstacle = await concludeShowing(ports, call, showing, resolved);
  if (obstacle !== undefined) return obstacle;
  if (!resolved.ok) return refuse(resolved.error);
  const { userName, idType, idNo, ecToken, ecTokenExpiresMs, insuOrg } = resolved.value;
  // So that this edge knows its own tokens when the core is away.
  const token = { fingerprint: ecTokenFingerprint(ports, call.view, ecToken), step: "verify", expiresAtMs: ecTokenExpiresMs } as const;
  await ports.state.commit({ atMs: call.nowMs, mark: { orgId: institution, outTradeNo, termId, ...token }, records: [] });
  return ok({
    outTradeNo,
    grade: "online",
    userName: maskName(userName),
    idType,
    idNo: maskIdNo(idNo),
    ecToken,
    ecTokenExpires: formatCst14(ecTokenExpiresMs as EventMs),
    insuOrg,
  });
}

/** The core is away: what a signature and this edge's memory tell is told, and that it is no more than that. */
async function verifyOffline(ports: AppPorts, call: AdmittedCall, showing: GoodShowing): Promise<Result<VerifyReply, Refusal>> {
  const obstacle = await takeStep(ports, call, showing);
  if (obstacle !== undefined) return obstacle;
  call.trace.offline = true;
  return ok({ outTradeNo: showing.scene.outTradeNo, grade: "offline" });
}

/** By what an edge knows an ecToken again, without keeping it. */
export function ecTokenFingerprint(ports: Pick<AppPorts, "crypto">, view: EdgeView, ecToken: string): string {
  return toHex(ports.crypto.hmacSm3(view.fingerprintKey, credentialFingerprintInput("ecToken", ecToken)));
}
