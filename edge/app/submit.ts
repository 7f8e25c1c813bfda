/**
 * Taking a settlement or refund: number, code mark and events in one durable commit, then the answer as far as it is
 * known. A repeat of the same content is answered alike and adds nothing.
 */
import { type ErrorName, ERRORS } from "../../core/protocol/errors.ts";
import type { SettlementReply } from "../../core/protocol/operations.ts";
import { ok, refused, type Result } from "../../core/protocol/result.ts";
import type { OutboxRecord } from "../../streams/bus/outbox-port.ts";
import type { Change } from "../ports.ts";
import type { AppPorts } from "./app-ports.ts";
import type { AdmittedCall } from "./call.ts";
import { clockIsWrong } from "./clock.ts";
import { submittedRecord, type Submitted } from "./events.ts";

export interface Submission {
  readonly settlementId: string;
  readonly event: Submitted;
  readonly mark?: Change["mark"];
  readonly bill?: Change["bill"];
  /** Events beside the request itself. */
  readonly observed: readonly OutboxRecord[];
  readonly waitMs: number;
}

export async function submit(ports: AppPorts, call: AdmittedCall, submission: Submission): Promise<Result<SettlementReply, ErrorName>> {
  const { event, settlementId } = submission;
  const awaited = { ...event, settlementId, waitMs: submission.waitMs };
  const elsewhere = await takenElsewhere(ports, awaited);
  if (elsewhere !== undefined) return elsewhere;
  const verdict = await ports.state.commit({
    atMs: call.nowMs,
    request: { orgId: event.institution, outTradeNo: event.outTradeNo, requestHash: event.requestHash },
    ...(submission.mark === undefined ? {} : { mark: submission.mark }),
    ...(submission.bill === undefined ? {} : { bill: submission.bill }),
    ...(clockIsWrong(ports, call.nowMs) ? { halted: true as const } : {}),
    records: [submittedRecord(ports, settlementId, event, call.traceparent), ...submission.observed],
  });
  switch (verdict) {
    case "clockSkewed":
    case "codeUsed":
    case "offlineTotal":
    case "idempotencyConflict":
      return refused(verdict);
    case "accepted":
      return await freshOutcome(ports, awaited);
    case "repeated":
      return await outcomeOf(ports, awaited);
  }
}

export interface Awaited {
  readonly institution: string;
  readonly outTradeNo: string;
  readonly requestHash: string;
  readonly settlementId: string;
  readonly waitMs: number;
}

/**
 * What another edge of the institution has taken under the number, as far as its outcome is known here: the same content is
 * answered as it ended, other content is a conflict and never asked of the core again. `undefined` where nothing is known.
 */
export async function takenElsewhere(ports: AppPorts, awaited: Awaited): Promise<Result<SettlementReply, ErrorName> | undefined> {
  const { institution, outTradeNo, requestHash } = awaited;
  const standing = await ports.results.find(institution, outTradeNo);
  if (standing === undefined) return undefined;
  const same = await ports.results.find(institution, outTradeNo, requestHash);
  return same === undefined ? refused("idempotencyConflict") : await outcomeOf(ports, awaited);
}

/** Of a number just taken nothing can be known but what arrives now. */
async function freshOutcome(ports: AppPorts, awaited: Awaited): Promise<Result<SettlementReply, ErrorName>> {
  const { outTradeNo, settlementId, waitMs } = awaited;
  const arrived = waitMs > 0 ? await ports.results.wait(awaited, waitMs) : undefined;
  return asAnswer(arrived ?? { outTradeNo, settlementId, status: "accepted" });
}

/** The outcome of this content if it is known or becomes known in time; `accepted` otherwise. */
export async function outcomeOf(ports: AppPorts, awaited: Awaited): Promise<Result<SettlementReply, ErrorName>> {
  const { institution, outTradeNo, requestHash, settlementId, waitMs } = awaited;
  const known = await ports.results.find(institution, outTradeNo, requestHash);
  if (known !== undefined && known.status !== "unknown") return asAnswer(known);
  const later = waitMs > 0 ? await ports.results.wait(awaited, waitMs) : undefined;
  return asAnswer(later ?? known ?? { outTradeNo, settlementId, status: "accepted" });
}

/**
 * An outcome as a hospital may hear it. That the number stands for other content is never the outcome of a payment: `refused`
 * under the first bill's id would have the patient pay again.
 */
function asAnswer(reply: SettlementReply): Result<SettlementReply, ErrorName> {
  return reply.refusalCode === ERRORS.idempotencyConflict.code ? refused("idempotencyConflict") : ok(reply);
}

/** `waitSeconds` of the operations, ms; absent means no wait. */
export function waitMsOf(waitSeconds: string | undefined): number {
  return waitSeconds === undefined ? 0 : Number(waitSeconds) * 1000;
}
