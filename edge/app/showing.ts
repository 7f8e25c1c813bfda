/**
 * A code that is shown to a terminal, judged for whatever it is shown for: what can be read of it, what its marks allow,
 * how often somebody may try. There is no other way to take a code, and one way to leave with a no
 * (`refuseShown`, `observe.ts`), so that an operation cannot forget a limit or a scan event.
 */
import { type ErrorName, OBSERVED_BY_CORE } from "../../core/protocol/errors.ts";
import { ok, refused, type Result } from "../../core/protocol/result.ts";
import type { Change, CodeStep } from "../ports.ts";
import type { AppPorts } from "./app-ports.ts";
import { type AdmittedCall, refuse, type Refusal } from "./call.ts";
import { mayUse } from "./decide.ts";
import { type Attempt, forgiveAttempt, tryAttempt } from "./guesses.ts";
import { acceptedScan, type Declined, refuseShown, type Showing, type ShownFor } from "./observe.ts";
import { readShownCode } from "./scan.ts";

interface Use {
  /** What the code must have been issued for. */
  readonly readAs: CodeStep;
  /** Which of its steps it takes. */
  readonly takes: CodeStep;
  /** How tries of a code are counted that only its issuer can tell. */
  readonly attempts: Attempt["kind"];
}

/** Every operation that a code is shown to. */
export const CODE_USES = {
  "rh.verify": { readAs: "verify", takes: "verify", attempts: "guesses" },
  // Only a code that may settle is worth asking payers about; it is shown to open the visit, not to pay.
  "rh.presettle": { readAs: "settle", takes: "verify", attempts: "guesses" },
  "rh.settle": { readAs: "settle", takes: "settle", attempts: "unproven" },
} as const satisfies Readonly<Record<string, Use>>;

export interface CodeShown {
  readonly operation: keyof typeof CODE_USES;
  readonly scene: ShownFor;
  readonly code: string;
  /** What speaks against the call itself; said only of a code that is good. */
  readonly bar?: ErrorName | undefined;
  /** Set where the core will be asked later only, and no link is there: a code that it alone can tell is not taken. */
  readonly unasked?: boolean;
}

/** A code that may do what it is shown for, as far as an edge can tell. */
export interface GoodShowing extends Showing {
  readonly fingerprint: string;
  /** The step it takes once it did. */
  readonly mark: NonNullable<Change["mark"]>;
  /** Counted already; forgiven when the core knew the code. */
  readonly attempt?: Attempt;
  /** Whether the code has not ended, by our clock; one that has may only be repeated. */
  readonly fresh: boolean;
}

/** In this order: readable, genuine and in time, not shown elsewhere, not one try too many. */
export async function judgeShowing(ports: AppPorts, call: AdmittedCall, asked: CodeShown): Promise<Result<GoodShowing, Declined>> {
  const { scene } = asked;
  const use: Use = CODE_USES[asked.operation];
  const shown = readShownCode(ports, call.view, asked.code, { step: use.readAs, nowMs: call.nowMs });
  const showing: Showing = { step: use.takes, scene, shown };
  const { fingerprint, verdict } = shown;
  const no = (error: ErrorName, retryAfterSeconds?: number): Result<never, Declined> =>
    refused(retryAfterSeconds === undefined ? { showing, error } : { showing, error, retryAfterSeconds });
  call.trace.codeKind = shown.codeKind;
  if (fingerprint === undefined) return no(verdict.ok ? "codeMalformed" : verdict.error);
  call.trace.codeFingerprint = fingerprint;

  const { outTradeNo, termId } = scene;
  const { orgId } = call.institution.settings;
  if (use.takes === "verify") {
    const marks = await ports.state.markOf(orgId, fingerprint, call.nowMs);
    const retried = marks?.verify?.orgId === orgId && marks.verify.outTradeNo === outTradeNo;
    if (!verdict.ok && !(retried && verdict.error === "codeExpired")) return no(verdict.error);
    if (!mayUse(marks, "verify", { orgId, outTradeNo, termId })) return no("codeUsed");
  }
  // Settling decides about marks where it writes them: a number that was taken before comes first there.
  else if (!verdict.ok) return no(verdict.error);
  if (asked.bar !== undefined) return no(asked.bar);

  const mark = { fingerprint, step: use.takes, orgId, outTradeNo, termId, expiresAtMs: shown.markUntilMs };
  const good = { ...showing, fingerprint, mark, fresh: verdict.ok };
  if (shown.codeKind === "fused.signed") return ok(good);
  if (asked.unasked === true) return no("offlineUnverifiable");
  const attempt: Attempt = { kind: use.attempts, termId };
  const waitSeconds = await tryAttempt(ports, call, attempt);
  return waitSeconds > 0 ? no("rateLimited", waitSeconds) : ok({ ...good, attempt });
}

/**
 * What the core's answer about a shown code means for it: a code that it knew takes its step, one that it never issued
 * was a guess, and everything else was no try at all. `undefined`: go on with the answer.
 */
export async function concludeShowing<Reply>(
  ports: AppPorts,
  call: AdmittedCall,
  showing: GoodShowing,
  answer: Result<Reply, ErrorName>,
): Promise<Result<never, Refusal> | undefined> {
  if (showing.attempt !== undefined && (answer.ok || answer.error !== "codeUnknown")) await forgiveAttempt(ports, call, showing.attempt);
  if (!answer.ok && !OF_PAYERS.has(answer.error))
    return OBSERVED_BY_CORE.has(answer.error) ? refuse(answer.error) : await refuseShown(ports, call, { showing, error: answer.error });
  return await takeStep(ports, call, showing);
}
/** Payers' answers: whatever they are, the code was good and opened its visit. */
const OF_PAYERS: ReadonlySet<ErrorName> = new Set(["payerRefused", "payerUnavailable", "noFunds"]);

/** The code's step and its scan event, at once; somebody else may have been faster. */
export async function takeStep(ports: AppPorts, call: AdmittedCall, showing: GoodShowing): Promise<Result<never, Refusal> | undefined> {
  const verdict = await ports.state.commit({ atMs: call.nowMs, mark: showing.mark, records: [acceptedScan(ports, call, showing)] });
  return verdict === "accepted" ? undefined : await refuseShown(ports, call, { showing, error: "codeUsed" });
}
