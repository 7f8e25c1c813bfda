/**
 * The hospital's side of the edge, small and pure: seals requests, verifies replies. Used by the command line, the
 * demo and tests. A reply that does not verify, or answers another number, counts as no answer.
 */
import type {
  OperationName,
  PresettleReply,
  PresettleRequest,
  RefundRequest,
  ResultRequest,
  SettlementReply,
  SettleRequest,
  StatementReply,
  StatementRequest,
  VerifyReply,
  VerifyRequest,
} from "../core/protocol/operations.ts";
import { ok, refused, type Result } from "../core/protocol/result.ts";
import { type CallFailure, createSignedCaller, NO_ANSWER, type SignedCallerOptions } from "./sdk/signed-call.ts";

export type { CallFailure } from "./sdk/signed-call.ts";
export type HisClientOptions = SignedCallerOptions;

export type CallResult<Reply> = Promise<Result<Reply, CallFailure>>;
type WithoutOrg<Request extends { readonly orgId: string }> = Omit<Request, "orgId">;

export interface HisClient {
  verify(request: WithoutOrg<VerifyRequest>): CallResult<VerifyReply>;
  presettle(request: WithoutOrg<PresettleRequest>): CallResult<PresettleReply>;
  settle(request: WithoutOrg<SettleRequest>): CallResult<SettlementReply>;
  refund(request: WithoutOrg<RefundRequest>): CallResult<SettlementReply>;
  result(request: WithoutOrg<ResultRequest>): CallResult<SettlementReply>;
  statement(request: WithoutOrg<StatementRequest>): CallResult<StatementReply>;
}

/**
 * @example
 * const his = createHisClient({ url, orgId, profile, sign, crypto, clock, fetch });
 * const paid = await his.settle({ ...scene, outTradeNo: "A1", code, amount: "128.50", waitSeconds: "10" });
 */
export function createHisClient(options: HisClientOptions): HisClient {
  const { orgId } = options;
  const signedCall = createSignedCaller(options);

  async function call<Reply>(
    transType: OperationName,
    request: { readonly outTradeNo: string; readonly waitSeconds?: string | undefined },
  ): CallResult<Reply> {
    // What is no number of seconds the edge refuses, in words; until then it is no reason to wait for ever.
    const waitMs = /^\d{1,2}$/.test(request.waitSeconds ?? "") ? 1000 * Number(request.waitSeconds) : 0;
    const reply = await signedCall(transType, request, waitMs);
    if (!reply.ok) return reply;
    const { data } = reply.value;
    return reply.value.orgId === orgId && data["outTradeNo"] === request.outTradeNo ? ok(data as Reply) : refused(NO_ANSWER);
  }

  return {
    verify: (request) => call<VerifyReply>("rh.verify", request),
    presettle: (request) => call<PresettleReply>("rh.presettle", request),
    settle: (request) => call<SettlementReply>("rh.settle", request),
    refund: (request) => call<SettlementReply>("rh.refund", request),
    result: (request) => call<SettlementReply>("rh.result", request),
    statement: (request) => call<StatementReply>("rh.statement", request),
  };
}
