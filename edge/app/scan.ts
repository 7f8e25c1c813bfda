/** A code as it was shown: what can be told of it with public material only. */
import { toHex } from "../../core/protocol/bytes.ts";
import type { ErrorName } from "../../core/protocol/errors.ts";
import { type FusedCode, parseScannedCode, type ScannedCode } from "../../core/protocol/fused-code.ts";
import { credentialFingerprintInput } from "../../core/protocol/pseudonym.ts";
import { ok, refused, type Result } from "../../core/protocol/result.ts";
import { checkSignedCode, EXPIRY_SKEW_MS } from "../../core/protocol/signed-token.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import type { CodeStep, EdgePorts, EdgeView } from "../ports.ts";
import type { ScanObserved } from "./events.ts";

export interface ShownCode {
  readonly codeKind: ScanObserved["codeKind"];
  /** HMAC-SM3 under the platform's fingerprint key of the canonical text, hex; absent when unreadable. */
  readonly fingerprint?: string;
  /** The canonical text, for the core alone. */
  readonly text: string;
  /** How long this edge remembers that it was shown. */
  readonly markUntilMs: number;
  /** `ok` as far as an edge can tell; the core decides. */
  readonly verdict: Result<void, ErrorName>;
}

export function readShownCode(
  ports: Pick<EdgePorts, "crypto" | "limits">,
  view: EdgeView,
  scanned: string,
  at: { readonly step: CodeStep; readonly nowMs: EventMs },
): ShownCode {
  const { crypto, limits } = ports;
  const parsed = parseScannedCode(scanned, { appIdWidth: view.bundle.appIdWidth });
  const opaqueUntilMs = at.nowMs + limits.opaqueMarkMs;
  if (!parsed.ok) return { codeKind: "unreadable", text: "", markUntilMs: opaqueUntilMs, verdict: refused(parsed.error) };
  const code = parsed.value;
  const shown = {
    codeKind: code.kind,
    fingerprint: toHex(crypto.hmacSm3(view.fingerprintKey, credentialFingerprintInput("code", code.text))),
    text: code.text,
    markUntilMs: opaqueUntilMs,
  };
  if (code.kind !== "fused.signed") return { ...shown, verdict: notRevoked(view, shown, checkUnsigned(view, code, at.step)) };

  // Both purposes are tried, so that a genuine code for the wrong purpose is not called a forgery.
  const purposes = at.step === "settle" ? (["settle", "verify"] as const) : (["verify", "settle"] as const);
  const checked = checkSignedCode(crypto, code, { publicKeys: view.codeKeys, purposes, nowMs: at.nowMs, skewMs: EXPIRY_SKEW_MS });
  if (!checked.ok) return { ...shown, verdict: notRevoked(view, shown, refused(checked.error)) };
  const markUntilMs = checked.value.expiresAtMs + limits.markGraceMs;
  if (at.step === "settle" && checked.value.purpose !== "settle") return { ...shown, markUntilMs, verdict: refused("codeKindRefused") };
  return { ...shown, markUntilMs, verdict: notRevoked(view, shown, checkApp(view, code)) };
}

/** Said of codes that would be taken otherwise, or have ended since: that its app took it back is the truer reason. */
function notRevoked(view: EdgeView, shown: { readonly fingerprint: string }, verdict: ShownCode["verdict"]): ShownCode["verdict"] {
  const could = verdict.ok || verdict.error === "codeExpired";
  return could && view.revokedCodes.has(shown.fingerprint) ? refused("codeRevoked") : verdict;
}

/**
 * EHC codes register and inquire elsewhere; they carry no token, so they neither open a visit nor settle (S1 3.5,
 * domain notes 8.2 row 34). An NHSA code is decoded by its issuer alone (S3 4.9): it may identify, and what then
 * settles is the ecToken. Opaque tokens are for the core to judge.
 */
function checkUnsigned(view: EdgeView, code: ScannedCode, step: CodeStep): Result<void, ErrorName> {
  switch (code.kind) {
    case "ehc.static":
    case "ehc.dynamic":
      return refused("codeKindRefused");
    case "nhsa":
      return step === "verify" ? ok(undefined) : refused("codeKindRefused");
    case "fused.opaque":
    case "fused.signed":
      return checkApp(view, code);
  }
}

function checkApp(view: EdgeView, code: FusedCode): Result<void, ErrorName> {
  if (view.appIds.has(code.appId)) return ok(undefined);
  return refused(view.suspendedAppIds.has(code.appId) ? "channelInactive" : "channelUnknown");
}
