/**
 * The hospital's side of the edge, small and pure: seals requests, verifies replies. Used by the command line, the
 * demo and tests. A reply that does not verify, or answers another number, counts as no answer.
 */
import type { Crypto } from "../core/crypto/port.ts";
import { type MessageSigner, openReply, type PartnerProfile, sealRequest } from "../core/protocol/envelope.ts";
import { ERRORS, type ErrorName } from "../core/protocol/errors.ts";
import type {
  OperationName,
  RefundRequest,
  ResultRequest,
  SettlementReply,
  SettleRequest,
  VerifyReply,
  VerifyRequest,
} from "../core/protocol/operations.ts";
import { ok, refused, type Result } from "../core/protocol/result.ts";
import type { Clock } from "../core/protocol/time.ts";

export interface HisClientOptions {
  /** Address of the edge, without a trailing slash. */
  readonly url: string;
  readonly orgId: string;
  /** What was agreed with the platform; `publicKeys` are the platform's. */
  readonly profile: PartnerProfile;
  /** Signs with the institution's private key: raw 64 bytes. */
  readonly sign: MessageSigner;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly fetch: (request: Request) => Promise<Response>;
  /** Beyond `waitSeconds`, how long to wait for an answer (default 10 s). */
  readonly timeoutMs?: number;
}

/** A verified refusal, or no answer to be trusted: then the outcome is unknown and the same number may be repeated. */
export interface CallFailure {
  readonly code: string;
  readonly message: string;
  /** Row of the error table, where code and message are one of ours. */
  readonly error: ErrorName | undefined;
  readonly retryAfterSeconds?: number;
  /** `false`: nothing verified came back. */
  readonly answered: boolean;
}

export type CallResult<Reply> = Promise<Result<Reply, CallFailure>>;
type WithoutOrg<Request extends { readonly orgId: string }> = Omit<Request, "orgId">;

export interface HisClient {
  verify(request: WithoutOrg<VerifyRequest>): CallResult<VerifyReply>;
  settle(request: WithoutOrg<SettleRequest>): CallResult<SettlementReply>;
  refund(request: WithoutOrg<RefundRequest>): CallResult<SettlementReply>;
  result(request: WithoutOrg<ResultRequest>): CallResult<SettlementReply>;
}

const VERSION = "1.0.0";

/**
 * @example
 * const his = createHisClient({ url, orgId, profile, sign, crypto, clock, fetch });
 * const paid = await his.settle({ ...scene, outTradeNo: "A1", code, amount: "128.50", waitSeconds: "10" });
 */
export function createHisClient(options: HisClientOptions): HisClient {
  const { crypto, orgId, profile } = options;

  async function call<Reply>(
    transType: OperationName,
    request: { readonly outTradeNo: string; readonly waitSeconds?: string | undefined },
  ): CallResult<Reply> {
    const sealed = { orgId, transType, version: VERSION, data: { ...request, orgId }, timestampMs: options.clock.now() };
    const body = await sealRequest(crypto, sealed, profile, options.sign);
    const timeoutMs = (options.timeoutMs ?? 10_000) + 1000 * Number(request.waitSeconds ?? 0);
    const answer = await post(`${options.url}/v1/${transType}`, body, timeoutMs);
    if (answer === undefined) return refused(NO_ANSWER);
    const reply = openReply(crypto, answer.body, profile, { nowMs: options.clock.now() });
    if (!reply.ok) return refused(NO_ANSWER);
    const { code, message, success, data } = reply.value;
    if (!success) return refused({ ...failureOf(code, message), ...answer.retryAfter });
    if (reply.value.orgId !== orgId || data["outTradeNo"] !== request.outTradeNo) return refused(NO_ANSWER);
    return ok(data as Reply);
  }

  async function post(
    url: string,
    body: string,
    timeoutMs: number,
  ): Promise<{ body: string; retryAfter: { retryAfterSeconds?: number } } | undefined> {
    try {
      const request = new Request(url, {
        method: "POST",
        headers: { "content-type": "application/json; charset=utf-8" },
        body,
        signal: AbortSignal.timeout(timeoutMs),
      });
      const response = await options.fetch(request);
      const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
      return { body: await response.text(), retryAfter: Number.isFinite(seconds) ? { retryAfterSeconds: seconds } : {} };
    } catch {
      return undefined;
    }
  }

  return {
    verify: (request) => call<VerifyReply>("rh.verify", request),
    settle: (request) => call<SettlementReply>("rh.settle", request),
    refund: (request) => call<SettlementReply>("rh.refund", request),
    result: (request) => call<SettlementReply>("rh.result", request),
  };
}

const NO_ANSWER: CallFailure = { ...ERRORS.coreUnavailable, error: "coreUnavailable", answered: false };

function failureOf(code: string, message: string): CallFailure {
  const names = Object.keys(ERRORS).filter((name): name is ErrorName => Object.hasOwn(ERRORS, name));
  const error = names.find((name) => ERRORS[name].code === code && ERRORS[name].message === message);
  return { code, message, error, answered: true };
}
