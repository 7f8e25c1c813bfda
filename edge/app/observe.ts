import type { ErrorName } from "../../core/protocol/errors.ts";
import type { Refused } from "../../core/protocol/result.ts";
import type { CodeStep } from "../ports.ts";
import type { AppPorts } from "./app-ports.ts";
import { type AdmittedCall, refuse, type Refusal } from "./call.ts";
import { scanRecord } from "./events.ts";
import type { ShownCode } from "./scan.ts";

export interface Showing {
  readonly step: CodeStep;
  readonly scene: ShownFor;
  readonly shown: ShownCode;
}
export interface ShownFor {
  readonly termId: string;
  readonly businessType: string;
  readonly outTradeNo: string;
}

/** A code that may not do what it was shown for; it becomes a refusal by `refuseShown` and in no other way. */
export interface Declined {
  readonly showing: Showing;
  readonly error: ErrorName;
  readonly retryAfterSeconds?: number;
}

/** The scan event of a code that did what it was shown for; the same transaction gives the same event. */
export function acceptedScan(ports: AppPorts, call: AdmittedCall, showing: Showing): ReturnType<typeof scanRecord> {
  return scanOf(ports, call, showing, "accepted", showing.scene.outTradeNo);
}

/** Refuses a code that was shown; the only trace of a refusal, and fraud analysts want it, is its scan event. */
export async function refuseShown(
  ports: AppPorts,
  call: AdmittedCall,
  { showing, error, retryAfterSeconds }: Declined,
): Promise<Refused<Refusal>> {
  const record = scanOf(ports, call, showing, error, call.request.replayKey);
  await ports.state.commit({ atMs: call.nowMs, records: [record] });
  return refuse(error, retryAfterSeconds);
}

function scanOf(
  ports: AppPorts,
  call: AdmittedCall,
  { step, scene, shown }: Showing,
  outcome: string,
  occasion: string,
): ReturnType<typeof scanRecord> {
  return scanRecord(ports, occasion, {
    institution: call.institution.settings.orgId,
    terminal: scene.termId,
    businessType: scene.businessType,
    step,
    codeKind: shown.codeKind,
    ...(shown.fingerprint === undefined ? {} : { codeFingerprint: shown.fingerprint }),
    outcome,
    observedBy: "edge",
    atMs: call.nowMs,
  });
}
