/**
 * One signed S3 call and its verified answer, for every caller of the platform. A reply that does not verify counts
 * as no answer: the outcome is then unknown, and the same call may be repeated.
 */
import type { Crypto } from "../../core/crypto/port.ts";
import { type MessageSigner, openReply, type PartnerProfile, sealRequest } from "../../core/protocol/envelope.ts";
import { ERRORS, type ErrorName } from "../../core/protocol/errors.ts";
import { ok, refused, type Result } from "../../core/protocol/result.ts";
import type { Clock } from "../../core/protocol/time.ts";

export interface SignedCallerOptions {
  /** Address of the edge or of the core's channel, without a trailing slash. */
  readonly url: string;
  readonly orgId: string;
  /** What was agreed with the platform; `publicKeys` are the platform's. */
  readonly profile: PartnerProfile;
  /** Signs with the caller's private key: raw 64 bytes. In a browser this asks the app's own backend, which holds the key. */
  readonly sign: MessageSigner;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly fetch: (request: Request) => Promise<Response>;
  /** How long to wait for an answer (default 10 s). */
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

export interface SignedAnswer {
  readonly orgId: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** @param moreMs waiting time beyond the usual, for calls that ask the server to wait. */
export type SignedCall = (transType: string, data: object, moreMs?: number) => Promise<Result<SignedAnswer, CallFailure>>;

const VERSION = "1.0.0";
const TIMEOUT_MS = 10_000;
export const NO_ANSWER: CallFailure = { ...ERRORS.coreUnavailable, error: "coreUnavailable", answered: false };

export function createSignedCaller(options: SignedCallerOptions): SignedCall {
  const { crypto, orgId, profile, clock } = options;
  return async function signedCall(transType, data, moreMs = 0) {
    const sealed = { orgId, transType, version: VERSION, data: { ...data, orgId }, timestampMs: clock.now() };
    const body = await sealRequest(crypto, sealed, profile, options.sign);
    const answer = await post(options, `${options.url}/v1/${transType}`, body, (options.timeoutMs ?? TIMEOUT_MS) + moreMs);
    if (answer === undefined) return refused(NO_ANSWER);
    const reply = openReply(crypto, answer.body, profile, { nowMs: clock.now() });
    if (!reply.ok) return refused(NO_ANSWER);
    const { code, message, success } = reply.value;
    return success
      ? ok({ orgId: reply.value.orgId, data: reply.value.data })
      : refused({ ...failureOf(code, message), ...answer.retryAfter });
  };
}

async function post(
  options: SignedCallerOptions,
  url: string,
  body: string,
  timeoutMs: number,
): Promise<{ readonly body: string; readonly retryAfter: { readonly retryAfterSeconds?: number } } | undefined> {
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

function failureOf(code: string, message: string): CallFailure {
  const names = Object.keys(ERRORS).filter((name): name is ErrorName => Object.hasOwn(ERRORS, name));
  const error = names.find((name) => ERRORS[name].code === code && ERRORS[name].message === message);
  return { code, message, error, answered: true };
}
