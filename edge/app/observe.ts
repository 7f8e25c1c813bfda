import type { ErrorName } from "../../core/protocol/errors.ts";
import type { Refused } from "../../core/protocol/result.ts";
import type { CodeStep, EdgePorts } from "../ports.ts";
import { type AdmittedCall, refuse, type Refusal } from "./call.ts";
import { scanRecord } from "./events.ts";
import type { ShownCode } from "./scan.ts";

export interface Showing {
  readonly step: CodeStep;
  readonly scene: { readonly termId: string; readonly businessType: string; readonly outTradeNo: string };
  readonly shown: ShownCode;
}

/** The scan event of a code that did what it was shown for; the same transaction gives the same event. */
export function acceptedScan(ports: EdgePorts, call: AdmittedCall, showing: Showing): ReturnType<typeof scanRecord> {
  return scanOf(ports, call, showing, "accepted", showing.scene.outTradeNo);
}

/** Refuses a code that was shown; the only trace of a refusal, and fraud analysts want it, is its scan event. */
export async function refuseShown(
  ports: EdgePorts,
  call: AdmittedCall,
  showing: Showing,
  error: ErrorName,
  retryAfterSeconds?: number,
): Promise<Refused<Refusal>> {
  const record = scanOf(ports, call, showing, error, call.request.replayKey);
  await ports.state.commit({ atMs: call.nowMs, records: [record] });
  return refuse(error, retryAfterSeconds);
}

function scanOf(
  ports: EdgePorts,
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
