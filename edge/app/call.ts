import type { OpenedRequest } from "../../core/protocol/envelope.ts";
import type { ErrorName } from "../../core/protocol/errors.ts";
import { refused, type Refused } from "../../core/protocol/result.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import type { EdgeInstitution, EdgeView, RequestLine } from "../ports.ts";

/** Why a call ends without effect. */
export interface Refusal {
  readonly error: ErrorName;
  /** With `rateLimited`: when it is worth asking again. */
  readonly retryAfterSeconds?: number;
  /** With `badRequest`: the name of the field that is wrong. Said to proven senders only. */
  readonly field?: string | undefined;
}

/** What the log line of a call gathers on its way. */
export type Trace = { -readonly [field in keyof RequestLine]?: RequestLine[field] };

/** A call whose sender is proven, and which was not seen before. */
export interface AdmittedCall {
  readonly view: EdgeView;
  readonly institution: EdgeInstitution;
  readonly request: OpenedRequest;
  readonly nowMs: EventMs;
  readonly trace: Trace;
  /** The trace that this call belongs to, for what follows from it. */
  readonly traceparent?: string | undefined;
}

export function refuse(error: ErrorName, retryAfterSeconds?: number): Refused<Refusal> {
  return refused(retryAfterSeconds === undefined ? { error } : { error, retryAfterSeconds });
}

/** A request whose shape is wrong, of a sender who is proven. */
export function refuseField(field: string | undefined): Refused<Refusal> {
  return refused({ error: "badRequest", field });
}
