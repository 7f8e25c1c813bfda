/** `rh.verify`: who is it? The code is told genuine here and consumed in the core, once. */
import { toHex } from "../../core/protocol/bytes.ts";
import { OBSERVED_BY_CORE } from "../../core/protocol/errors.ts";
import { maskIdNo, maskName } from "../../core/protocol/masking.ts";
import type { VerifyReply, VerifyRequest } from "../../core/protocol/operations.ts";
import { credentialFingerprintInput } from "../../core/protocol/pseudonym.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import { type EventMs, formatCst14 } from "../../core/protocol/time.ts";
import type { Change, EdgeView } from "../ports.ts";
import type { AppPorts } from "./app-ports.ts";
import { type AdmittedCall, refuse, type Refusal } from "./call.ts";
import { mayUse } from "./decide.ts";
import { attemptWait, countAttempt } from "./guesses.ts";
import { acceptedScan, refuseShown, type Showing } from "./observe.ts";
import { readShownCode, type ShownCode } from "./scan.ts";
import { checkScene } from "./scene.ts";

export async function verify(ports: AppPorts, call: AdmittedCall, request: VerifyRequest): Promise<Result<VerifyReply, Refusal>> {
  const scene = checkScene(call.institution, request, false);
  if (!scene.ok) return scene;
  const shown = readShownCode(ports, call.view, request.code, { step: "verify", nowMs: call.nowMs });
  const showing: Showing = { step: "verify", scene: request, shown };
  call.trace.codeKind = shown.codeKind;
  const { fingerprint } = shown;
  if (fingerprint === undefined) return await refuseShown(ports, call, showing, shown.verdict.ok ? "codeMalformed" : shown.verdict.error);
  call.trace.codeFingerprint = fingerprint;

  const { outTradeNo, businessType, termId } = request;
  const institution = call.institution.settings.orgId;
  const use = { orgId: institution, outTradeNo, termId };
  const marks = await ports.state.markOf(institution, fingerprint, call.nowMs);
  const retried = marks?.verify?.orgId === institution && marks.verify.outTradeNo === outTradeNo;
  if (!shown.verdict.ok && !(retried && shown.verdict.error === "codeExpired"))
    return await refuseShown(ports, call, showing, shown.verdict.error);
  if (!mayUse(marks, "verify", use)) return await refuseShown(ports, call, showing, "codeUsed");
  const guess = shown.codeKind === "fused.signed" ? undefined : ({ kind: "guesses", termId } as const);
  const waitSeconds = guess === undefined ? 0 : await attemptWait(ports, call, guess);
  if (waitSeconds > 0) return await refuseShown(ports, call, showing, "rateLimited", waitSeconds);

  const asked = {
    institution,
    terminal: termId,
    businessType,
    transactionId: `${institution}/${outTradeNo}`,
    outTradeNo,
    credential: ports.sealer.seal(call.view, { kind: "code", value: shown.text, institution, outTradeNo, nowMs: call.nowMs }),
    observedAtMs: call.nowMs,
  };
  const resolved = await ports.link.resolve(asked, call.traceparent);
  const mark = { ...use, fingerprint, step: "verify", expiresAtMs: shown.markUntilMs } as const;
  if (!resolved.ok) {
    if (resolved.error === "coreUnavailable" && shown.codeKind === "fused.signed" && shown.verdict.ok)
      return await verifyOffline(ports, call, showing, mark);
    if (guess !== undefined && resolved.error === "codeUnknown") await countAttempt(ports, call, guess);
    return OBSERVED_BY_CORE.has(resolved.error) ? refuse(resolved.error) : await refuseShown(ports, call, showing, resolved.error);
  }
  const { userName, idType, idNo, ecToken, ecTokenExpiresMs, insuOrg } = resolved.value;
  const tokenMark = {
    ...use,
    fingerprint: ecTokenFingerprint(ports, call.view, ecToken),
    step: "verify",
    expiresAtMs: ecTokenExpiresMs,
  } as const;
  const [verdict] = await Promise.all([
    ports.state.commit({ atMs: call.nowMs, mark, records: [acceptedScan(ports, call, showing)] }),
    // So that this edge knows its own tokens when the core is away.
    ports.state.commit({ atMs: call.nowMs, mark: tokenMark, records: [] }),
  ]);
  if (verdict !== "accepted") return await refuseShown(ports, call, showing, "codeUsed");
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
async function verifyOffline(
  ports: AppPorts,
  call: AdmittedCall,
  showing: Showing & { readonly shown: ShownCode },
  mark: NonNullable<Change["mark"]>,
): Promise<Result<VerifyReply, Refusal>> {
  const verdict = await ports.state.commit({ atMs: call.nowMs, mark, records: [acceptedScan(ports, call, showing)] });
  if (verdict !== "accepted") return await refuseShown(ports, call, showing, "codeUsed");
  call.trace.offline = true;
  return ok({ outTradeNo: mark.outTradeNo, grade: "offline" });
}

/** By what an edge knows an ecToken again, without keeping it. */
export function ecTokenFingerprint(ports: Pick<AppPorts, "crypto">, view: EdgeView, ecToken: string): string {
  return toHex(ports.crypto.hmacSm3(view.fingerprintKey, credentialFingerprintInput("ecToken", ecToken)));
}
