/**
 * One call from body to signed reply. Whatever goes wrong on the way, the caller gets HTTP 200 and an S3 A.3 reply
 * with one code of the error table; `-6` also carries Retry-After (S3 reading 28).
 */
import * as v from "valibot";
import { OPERATIONS, type OperationName } from "../../core/protocol/operations.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import type { EdgePorts } from "../ports.ts";
import { type Addressee, admitCall, checkRoom } from "./admission.ts";
import { type AdmittedCall, refuse, type Refusal, type Trace } from "./call.ts";
import { refund } from "./refund.ts";
import type { ReplyWriter } from "./replies.ts";
import { result } from "./result.ts";
import { settle } from "./settle.ts";
import { verify } from "./verify.ts";

export interface Answer {
  readonly body: string;
  readonly retryAfterSeconds?: number;
}

/** `readBody` gives `undefined` for a body that is too large. */
export async function answerCall(
  ports: EdgePorts,
  replies: ReplyWriter,
  transType: string,
  readBody: () => Promise<string | undefined>,
): Promise<Answer> {
  const nowMs = ports.clock.now();
  const addressee: Addressee = { encrypted: false };
  const trace: Trace = {};
  const outcome = await perform(ports, transType, readBody, { nowMs, addressee, trace });
  const answeredMs = ports.clock.now();
  ports.log?.({
    ...trace,
    atMs: nowMs,
    tookMs: answeredMs - nowMs,
    edge: ports.edgeId,
    transType: isOperation(transType) ? transType : "unknown",
    outcome: outcome.ok ? "ok" : outcome.error.error,
  });
  if (outcome.ok) return { body: await replies.success(addressee, outcome.value, answeredMs) };
  const { error, retryAfterSeconds } = outcome.error;
  const body = await replies.refusal(addressee, error, answeredMs);
  return retryAfterSeconds === undefined ? { body } : { body, retryAfterSeconds };
}

interface Progress {
  readonly nowMs: AdmittedCall["nowMs"];
  readonly addressee: Addressee;
  readonly trace: Trace;
}

async function perform(
  ports: EdgePorts,
  transType: string,
  readBody: () => Promise<string | undefined>,
  { nowMs, addressee, trace }: Progress,
): Promise<Result<object, Refusal>> {
  if (!isOperation(transType)) return refuse("unknownAddress");
  try {
    const body = await readBody();
    if (body === undefined) return refuse("bodyTooLarge");
    const admitted = await admitCall(ports, { transType, body, nowMs, trace }, addressee);
    return admitted.ok ? await operate(ports, admitted.value, transType) : admitted;
  } catch (error) {
    // A bug, or a disk that is full: nothing was acknowledged, and the caller learns no more than that.
    ports.onBug?.(error);
    return refuse("internal");
  }
}

async function operate(ports: EdgePorts, call: AdmittedCall, operation: OperationName): Promise<Result<object, Refusal>> {
  switch (operation) {
    case "rh.verify":
      return await withRequest(ports, call, OPERATIONS[operation], verify);
    case "rh.settle":
      return settled(call, await withRequest(ports, call, OPERATIONS[operation], settle));
    case "rh.refund":
      return settled(call, await withRequest(ports, call, OPERATIONS[operation], refund));
    case "rh.result":
      return settled(call, await withRequest(ports, call, OPERATIONS[operation], result));
  }
}

/** The operation's own shape (strict: an unknown field is a mistake), then room in the outbox if it would need some. */
async function withRequest<Schema extends v.GenericSchema<unknown, SceneLike>, Reply extends object>(
  ports: EdgePorts,
  call: AdmittedCall,
  schema: Schema,
  handle: (ports: EdgePorts, call: AdmittedCall, request: v.InferOutput<Schema>) => Promise<Result<Reply, Refusal>>,
): Promise<Result<Reply, Refusal>> {
  const parsed = v.safeParse(schema, call.request.data, { abortEarly: true });
  if (!parsed.success || parsed.output.orgId !== call.institution.settings.orgId) return refuse("badRequest");
  call.trace.outTradeNo = parsed.output.outTradeNo;
  if (parsed.output.termId !== undefined) call.trace.terminal = parsed.output.termId;
  const room = parsed.output.businessType === undefined ? ok(undefined) : checkRoom(ports);
  return room.ok ? await handle(ports, call, parsed.output) : room;
}

interface SceneLike {
  readonly orgId: string;
  readonly outTradeNo: string;
  readonly termId?: string;
  /** Operations with a scene leave events behind. */
  readonly businessType?: string;
}

function settled<Reply extends { readonly settlementId: string; readonly status: string }>(
  call: AdmittedCall,
  outcome: Result<Reply, Refusal>,
): Result<Reply, Refusal> {
  if (outcome.ok) {
    call.trace.settlementId = outcome.value.settlementId;
    call.trace.status = outcome.value.status;
  }
  return outcome;
}

function isOperation(transType: string): transType is OperationName {
  return Object.hasOwn(OPERATIONS, transType);
}
