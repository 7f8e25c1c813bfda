/**
 * One call from body to signed reply. Whatever goes wrong on the way, the caller gets HTTP 200 and an S3 A.3 reply
 * with one code of the error table; `-6` also carries Retry-After (S3 reading 28).
 */
import * as v from "valibot";
import { OPERATIONS, type OperationName } from "../../core/protocol/operations.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import type { ReplyWriter } from "../../core/protocol/server/replies.ts";
import { tellTrouble } from "../../core/protocol/server/trouble.ts";
import { fieldOf } from "../../core/protocol/wrong-field.ts";
import { type Addressee, type Incoming, admitCall, checkRoom, isOperation } from "./admission.ts";
import type { AppPorts } from "./app-ports.ts";
import { type AdmittedCall, refuse, refuseField, type Refusal, type Trace } from "./call.ts";
import { presettle } from "./presettle.ts";
import { refund } from "./refund.ts";
import { result } from "./result.ts";
import { settle } from "./settle.ts";
import { statement } from "./statement.ts";
import { verify } from "./verify.ts";

export interface Answer {
  readonly body: string;
  readonly retryAfterSeconds?: number;
}

/** A call as it came in. */
export interface Arrived {
  readonly transType: string;
  readonly readBody: Incoming["readBody"];
  readonly source: string | undefined;
  /** As the caller sent it; looked at once the caller is proven. */
  readonly traceparent: () => string | undefined;
}

export async function answerCall(ports: AppPorts, replies: ReplyWriter, arrived: Arrived): Promise<Answer> {
  const { transType } = arrived;
  const nowMs = ports.clock.now();
  const addressee: Addressee = { encrypted: false };
  const trace: Trace = {};
  const outcome = await perform(ports, arrived, { nowMs, addressee, trace });
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
  const { retryAfterSeconds } = outcome.error;
  const body = await replies.refusal(addressee, outcome.error, answeredMs);
  return retryAfterSeconds === undefined ? { body } : { body, retryAfterSeconds };
}

const STRANGER: Addressee = { encrypted: false };

/**
 * The answer to a source that floods: nothing of the call is looked at, and one line a second tells of them all, or the
 * log would be the flood. `undefined` for everybody else.
 */
export function turnAway(ports: AppPorts, replies: ReplyWriter, source: string | undefined): Answer | Promise<Answer> | undefined {
  const nowMs = ports.clock.now();
  const retryAfterSeconds = ports.shield.waitFor(source, nowMs);
  if (retryAfterSeconds === 0) return undefined;
  const alike = ports.shield.turnedAway(nowMs);
  if (alike !== undefined) ports.log?.({ atMs: nowMs, tookMs: 0, edge: ports.edgeId, transType: "unknown", outcome: "rateLimited", alike });
  const body = replies.refusal(STRANGER, { error: "rateLimited" }, nowMs);
  return typeof body === "string" ? { body, retryAfterSeconds } : body.then((text) => ({ body: text, retryAfterSeconds }));
}

interface Progress {
  readonly nowMs: AdmittedCall["nowMs"];
  readonly addressee: Addressee;
  readonly trace: Trace;
}

async function perform(
  ports: AppPorts,
  { transType, readBody, source, traceparent }: Arrived,
  { nowMs, addressee, trace }: Progress,
): Promise<Result<object, Refusal>> {
  try {
    const admitted = await admitCall(ports, { transType, readBody, nowMs, trace }, addressee);
    if (!admitted.ok) {
      ports.shield.refused(source, admitted.error.error, nowMs);
      return admitted;
    }
    if (!isOperation(transType)) return refuse("unknownAddress");
    ports.shield.proven(source, nowMs);
    return await traced(ports, admitted.value, transType, traceparent());
  } catch (error) {
    // A bug, or a disk that is full: nothing was acknowledged, and the caller learns no more than that.
    tellTrouble(ports, error);
    return refuse("internal");
  }
}

/** A trace begins, or is followed, once the sender is proven: garbage fills no collector. */
async function traced(
  ports: AppPorts,
  call: AdmittedCall,
  operation: OperationName,
  given: string | undefined,
): Promise<Result<object, Refusal>> {
  const span = ports.tracing.begin("edge.request", given, { operation, institution: call.institution.settings.orgId });
  const { traceparent, traceId } = span;
  if (traceId !== undefined) call.trace.traceId = traceId;
  let outcome: Result<object, Refusal> | undefined;
  try {
    outcome = await operate(ports, { ...call, traceparent }, operation);
    return outcome;
  } finally {
    const name = outcome === undefined ? "internal" : outcome.ok ? "ok" : outcome.error.error;
    span.end({ outcome: name }, outcome === undefined ? "failed" : undefined);
  }
}

async function operate(ports: AppPorts, call: AdmittedCall, operation: OperationName): Promise<Result<object, Refusal>> {
  switch (operation) {
    case "rh.verify":
      return await withRequest(ports, call, OPERATIONS[operation], verify);
    case "rh.presettle":
      return await withRequest(ports, call, OPERATIONS[operation], presettle);
    case "rh.settle":
      return settled(call, await withRequest(ports, call, OPERATIONS[operation], settle));
    case "rh.refund":
      return settled(call, await withRequest(ports, call, OPERATIONS[operation], refund));
    case "rh.result":
      return settled(call, await withRequest(ports, call, OPERATIONS[operation], result));
    case "rh.statement":
      return await withRequest(ports, call, OPERATIONS[operation], statement);
  }
}

/** The operation's own shape (strict: an unknown field is a mistake), then room in the outbox if it would need some. */
async function withRequest<Schema extends v.GenericSchema<unknown, SceneLike>, Reply extends object>(
  ports: AppPorts,
  call: AdmittedCall,
  schema: Schema,
  handle: (ports: AppPorts, call: AdmittedCall, request: v.InferOutput<Schema>) => Promise<Result<Reply, Refusal>>,
): Promise<Result<Reply, Refusal>> {
  const parsed = v.safeParse(schema, call.request.data, { abortEarly: true });
  if (!parsed.success) return refuseField(fieldOf(parsed.issues[0]));
  if (parsed.output.orgId !== call.institution.settings.orgId) return refuseField("orgId");
  call.trace.outTradeNo = parsed.output.outTradeNo;
  if (parsed.output.termId !== undefined) call.trace.terminal = parsed.output.termId;
  const room = parsed.output.businessType === undefined ? ok(undefined) : checkRoom(ports, parsed.output.orgId);
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
