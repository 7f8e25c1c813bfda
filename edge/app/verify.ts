/** `rh.verify`: who is it? The code is told genuine here and consumed in the core, once. */
import type { ErrorName } from "../../core/protocol/errors.ts";
import { maskIdNo, maskName } from "../../core/protocol/masking.ts";
import type { VerifyReply, VerifyRequest } from "../../core/protocol/operations.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import { type EventMs, formatCst14 } from "../../core/protocol/time.ts";
import type { EdgePorts } from "../ports.ts";
import { type AdmittedCall, refuse, type Refusal } from "./call.ts";
import { mayUse } from "./decide.ts";
import { acceptedScan, refuseShown, type Showing } from "./observe.ts";
import { readShownCode } from "./scan.ts";
import { checkScene } from "./scene.ts";

/** Refusals for which the core makes the scan event itself; one showing is one event. */
const OBSERVED_BY_CORE: ReadonlySet<ErrorName> = new Set(["codeUsed", "codeUnknown", "codeExpired", "codeKindRefused", "codeMalformed"]);

export async function verify(ports: EdgePorts, call: AdmittedCall, request: VerifyRequest): Promise<Result<VerifyReply, Refusal>> {
  const scene = checkScene(call.institution, request, false);
  if (!scene.ok) return scene;
  const shown = readShownCode(ports, call.view, request.code, { step: "verify", nowMs: call.nowMs });
  const showing: Showing = { step: "verify", scene: request, shown };
  call.trace.codeKind = shown.codeKind;
  if (shown.fingerprint === undefined)
    return await refuseShown(ports, call, showing, shown.verdict.ok ? "codeMalformed" : shown.verdict.error);
  call.trace.codeFingerprint = shown.fingerprint;

  const { outTradeNo, businessType, termId } = request;
  const institution = call.institution.settings.orgId;
  const marks = await ports.state.markOf(shown.fingerprint);
  const retried = marks?.verify?.orgId === institution && marks.verify.outTradeNo === outTradeNo;
  if (!shown.verdict.ok && !(retried && shown.verdict.error === "codeExpired"))
    return await refuseShown(ports, call, showing, shown.verdict.error);
  if (!mayUse(marks, "verify", { orgId: institution, outTradeNo })) return await refuseShown(ports, call, showing, "codeUsed");

  const resolved = await ports.core.resolve({
    institution,
    terminal: termId,
    businessType,
    transactionId: `${institution}/${outTradeNo}`,
    outTradeNo,
    credential: ports.sealer.seal(call.view, { kind: "code", value: shown.text, institution, outTradeNo, nowMs: call.nowMs }),
    observedAtMs: call.nowMs,
  });
  if (!resolved.ok)
    return OBSERVED_BY_CORE.has(resolved.error) ? refuse(resolved.error) : await refuseShown(ports, call, showing, resolved.error);

  const mark = { fingerprint: shown.fingerprint, step: "verify", orgId: institution, outTradeNo, expiresAtMs: shown.markUntilMs } as const;
  const verdict = await ports.state.commit({ atMs: call.nowMs, mark, records: [acceptedScan(ports, call, showing)] });
  if (verdict !== "accepted") return await refuseShown(ports, call, showing, "codeUsed");
  const { userName, idType, idNo, ecToken, ecTokenExpiresMs, insuOrg } = resolved.value;
  return ok({
    outTradeNo,
    userName: maskName(userName),
    idType,
    idNo: maskIdNo(idNo),
    ecToken,
    ecTokenExpires: formatCst14(ecTokenExpiresMs as EventMs),
    insuOrg,
  });
}
