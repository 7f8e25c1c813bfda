/**
 * Terminal SDK: what a cashier's desk, a kiosk or a pharmacy till does with the edge beside it: scan, identify,
 * settle, give back, look up. A bill is on the terminal's own disk before it is sent, and is sent under the same
 * number until there is an answer, also after a restart: it is never paid twice and never forgotten.
 */
import { type ScannedCode, parseScannedCode } from "../../core/protocol/fused-code.ts";
import { ERRORS, type ErrorName } from "../../core/protocol/errors.ts";
import type { RefundRequest, SettlementReply, SettleRequest, VerifyReply, VerifyRequest } from "../../core/protocol/operations.ts";
import { ok, refused, type Result } from "../../core/protocol/result.ts";
import { createHisClient, type HisClient } from "../client.ts";
import type { CallFailure, SignedCallerOptions } from "./signed-call.ts";
import { memoryQueue, type QueuedRequest, type QueueStore } from "./terminal-queue.ts";

export type { CallFailure, SignedCallerOptions } from "./signed-call.ts";
export { loadSdkCrypto } from "./sdk-crypto.ts";
export { indexedDbQueue, memoryQueue, type QueueEntry, type QueueStore } from "./terminal-queue.ts";

/** Who stands at the terminal; part of every request (S3 A.4). */
export type TerminalScene = Pick<
  VerifyRequest,
  "businessType" | "termId" | "termIp" | "operatorId" | "operatorName" | "officeId" | "officeName"
>;
export type TerminalSettle = Omit<SettleRequest, "orgId" | "waitSeconds" | keyof TerminalScene>;
export type TerminalRefund = Omit<RefundRequest, "orgId" | "waitSeconds" | keyof TerminalScene>;

/** What came of a bill or a refund. */
export type TerminalOutcome =
  /** Settled, refunded, or refused by a payer: nothing will change any more. */
  | { readonly kind: "final"; readonly reply: SettlementReply }
  /** Refused before it was taken: no money moves. */
  | { readonly kind: "refused"; readonly failure: CallFailure }
  /** Durable, here or at the edge; the terminal goes on by itself and tells `onOutcome`. */
  | { readonly kind: "pending"; readonly at: "terminal" | "edge"; readonly reply?: SettlementReply };

export interface TerminalOptions extends SignedCallerOptions {
  readonly scene: TerminalScene;
  /** Characters of EHCAPPID in the platform's codes (default 9). */
  readonly appIdWidth?: number;
  /** Where bills wait (default: memory, which a restart empties). */
  readonly queue?: QueueStore;
  /** How long a cashier waits for a final answer (default 20 s); later ones come to `onOutcome`. */
  readonly patienceMs?: number;
  /** Told of outcomes that came after their cashier stopped waiting. */
  readonly onOutcome?: (outTradeNo: string, outcome: TerminalOutcome) => void;
}

export interface Terminal {
  /** Reads a scanned text without asking anybody: what kind of code it is, or that it is none. */
  scan(text: string): Result<Pick<ScannedCode, "kind">, ErrorName>;
  verify(request: { readonly outTradeNo: string; readonly code: string }): Promise<Result<VerifyReply, CallFailure>>;
  settle(bill: TerminalSettle): Promise<TerminalOutcome>;
  refund(refund: TerminalRefund): Promise<TerminalOutcome>;
  result(outTradeNo: string): Promise<Result<SettlementReply, CallFailure>>;
  /** Bills that have no final answer yet. */
  waiting(): Promise<readonly string[]>;
  /** Stops sending; what waits is found again by the next terminal on the same queue. */
  stop(): Promise<void>;
}

const PATIENCE_MS = 20_000;
const APP_ID_WIDTH = 9;
/** The longest that one call asks the edge to hold the line, seconds. */
const HOLD_SECONDS_MAX = 10;
const PAUSE_MIN_MS = 200;
const PAUSE_MAX_MS = 15_000;
const FINAL: ReadonlySet<SettlementReply["status"]> = new Set(["settled", "refused", "refunded"]);
/** Answers that say nothing of the bill itself: the same request is worth sending again. */
const PASSING: ReadonlySet<ErrorName | undefined> = new Set<ErrorName | undefined>([
  "internal",
  "coreUnavailable",
  "rateLimited",
  "inProgress",
  "requestReplayed",
]);

/**
 * @example
 * const terminal = await openTerminal({ url, orgId, profile, sign, crypto: await loadSdkCrypto(), clock, fetch, scene, queue });
 * const outcome = await terminal.settle({ outTradeNo: "A1", code: scanned, amount: "128.50" });
 */
export async function openTerminal(options: TerminalOptions): Promise<Terminal> {
  const terminal = new EdgeTerminal(options);
  await terminal.goOn();
  return terminal;
}

class EdgeTerminal implements Terminal {
  readonly #options: TerminalOptions;
  readonly #client: HisClient;
  readonly #queue: QueueStore;
  /** One sender for each number, however often it is asked for. */
  readonly #sending = new Map<string, { readonly text: string; readonly outcome: Promise<TerminalOutcome> }>();
  readonly #stop = new AbortController();
  #sequence = 0;

  constructor(options: TerminalOptions) {
    this.#options = options;
    this.#client = createHisClient(options);
    this.#queue = options.queue ?? memoryQueue();
  }

  /** Takes up what an earlier terminal on this queue left. */
  async goOn(): Promise<void> {
    for (const entry of await this.#queue.all()) {
      this.#sequence = Math.max(this.#sequence, entry.sequence);
      void this.#deliver(entry.queued, "maybeSent").then((outcome) => this.#tell(entry.queued.request.outTradeNo, outcome));
    }
  }

  scan(text: string): Result<Pick<ScannedCode, "kind">, ErrorName> {
    const parsed = parseScannedCode(text, { appIdWidth: this.#options.appIdWidth ?? APP_ID_WIDTH });
    return parsed.ok ? ok({ kind: parsed.value.kind }) : refused(parsed.error);
  }

  async verify(request: { readonly outTradeNo: string; readonly code: string }): Promise<Result<VerifyReply, CallFailure>> {
    const until = this.#now() + this.#patienceMs;
    for (let tries = 0; ; tries++) {
      const reply = await this.#client.verify({ ...this.#options.scene, ...request });
      if (reply.ok || !passes(reply.error) || this.#now() >= until || this.#stop.signal.aborted) return reply;
      await this.#pause(tries, reply.error.retryAfterSeconds);
    }
  }

  settle(bill: TerminalSettle): Promise<TerminalOutcome> {
    return this.#take({ operation: "rh.settle", request: { ...this.#options.scene, ...bill } });
  }

  refund(refund: TerminalRefund): Promise<TerminalOutcome> {
    return this.#take({ operation: "rh.refund", request: { ...this.#options.scene, ...refund } });
  }

  result(outTradeNo: string): Promise<Result<SettlementReply, CallFailure>> {
    return this.#client.result({ outTradeNo });
  }

  async waiting(): Promise<readonly string[]> {
    return (await this.#queue.all()).map(({ queued }) => queued.request.outTradeNo);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled([...this.#sending.values()].map(({ outcome }) => outcome));
  }

  async #take(queued: QueuedRequest): Promise<TerminalOutcome> {
    const { outTradeNo } = queued.request;
    const running = this.#sending.get(outTradeNo);
    if (running !== undefined && running.text !== textOf(queued)) return { kind: "refused", failure: OTHER_CONTENT };
    const delivered = this.#deliver(queued, "new");
    const outcome = await Promise.race([delivered, this.#impatience()]);
    if (outcome !== undefined) return outcome;
    void delivered.then((late) => this.#tell(outTradeNo, late));
    const known = await this.#client.result({ outTradeNo });
    return known.ok ? { kind: "pending", at: "edge", reply: known.value } : { kind: "pending", at: "terminal" };
  }

  /** Sends until there is a final answer or the terminal stops. */
  #deliver(queued: QueuedRequest, history: History): Promise<TerminalOutcome> {
    const { outTradeNo } = queued.request;
    const running = this.#sending.get(outTradeNo);
    if (running !== undefined) return running.outcome;
    const outcome = this.#insist(queued, history).finally(() => this.#sending.delete(outTradeNo));
    this.#sending.set(outTradeNo, { text: textOf(queued), outcome });
    return outcome;
  }

  async #insist(queued: QueuedRequest, history: History): Promise<TerminalOutcome> {
    const { outTradeNo } = queued.request;
    // On the terminal's own disk before anybody hears of it.
    if (history === "new") await this.#queue.put({ sequence: ++this.#sequence, takenAtMs: this.#now(), queued });
    let last: TerminalOutcome = { kind: "pending", at: "terminal" };
    let maybeTaken = history === "maybeSent";
    for (let tries = 0; !this.#stop.signal.aborted; tries++) {
      const reply = await this.#send(queued);
      if (reply.ok && FINAL.has(reply.value.status)) return await this.#finish(outTradeNo, { kind: "final", reply: reply.value });
      if (reply.ok) {
        last = { kind: "pending", at: "edge", reply: reply.value };
        maybeTaken = true;
        // The edge has held the line as long as it was asked to: no need to pause as after a failure.
        tries = -1;
        await this.#pause(0, undefined);
        continue;
      }
      // What an earlier, unanswered call may have brought to the edge is not undone by a refusal of this one.
      if (!passes(reply.error) && (!maybeTaken || (await this.#isUnknown(outTradeNo))))
        return await this.#finish(outTradeNo, { kind: "refused", failure: reply.error });
      maybeTaken ||= !reply.error.answered;
      await this.#pause(tries, reply.error.retryAfterSeconds);
    }
    return last;
  }

  /** The edge says that it never took this number. */
  async #isUnknown(outTradeNo: string): Promise<boolean> {
    const known = await this.#client.result({ outTradeNo });
    return !known.ok && known.error.error === "settlementUnknown";
  }

  #send(queued: QueuedRequest): Promise<Result<SettlementReply, CallFailure>> {
    const waitSeconds = String(Math.min(HOLD_SECONDS_MAX, Math.floor(this.#patienceMs / 1000)));
    return queued.operation === "rh.settle"
      ? this.#client.settle({ ...queued.request, waitSeconds })
      : this.#client.refund({ ...queued.request, waitSeconds });
  }

  async #finish(outTradeNo: string, outcome: TerminalOutcome): Promise<TerminalOutcome> {
    await this.#queue.remove(outTradeNo);
    return outcome;
  }

  #tell(outTradeNo: string, outcome: TerminalOutcome): void {
    if (outcome.kind !== "pending") this.#options.onOutcome?.(outTradeNo, outcome);
  }

  get #patienceMs(): number {
    return this.#options.patienceMs ?? PATIENCE_MS;
  }

  #now(): number {
    return this.#options.clock.now();
  }

  async #impatience(): Promise<undefined> {
    await this.#sleep(this.#patienceMs);
    return undefined;
  }

  /** Doubling, with a share of chance so that a hospital's terminals do not come back all at once. */
  #pause(tries: number, retryAfterSeconds: number | undefined): Promise<void> {
    const [byte = 0] = this.#options.crypto.random(1);
    const doubled = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** Math.min(tries, 16));
    return this.#sleep(Math.max((retryAfterSeconds ?? 0) * 1_000, doubled * (0.5 + byte / 512)));
  }

  /** Ended by `stop`. */
  #sleep(ms: number): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener("abort", end);
    });
  }
}

/** `maybeSent`: found in the queue; an earlier life of the terminal may have brought it to the edge. */
type History = "new" | "maybeSent";

const OTHER_CONTENT: CallFailure = { ...ERRORS.idempotencyConflict, error: "idempotencyConflict", answered: true };

function textOf({ operation, request }: QueuedRequest): string {
  return JSON.stringify([operation, Object.entries(request).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

function passes(failure: CallFailure): boolean {
  return !failure.answered || PASSING.has(failure.error);
}
