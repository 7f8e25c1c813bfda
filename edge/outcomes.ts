/**
 * What an outcome from the bus means to a hospital, and who waits for it: the same wherever outcomes are kept.
 */
import { ERRORS, type ErrorName } from "../core/protocol/errors.ts";
import type { SettlementReply } from "../core/protocol/operations.ts";
import type { AnyEvent } from "../streams/contracts/event.ts";

/** Outcomes kept in memory for those who looked for one on disk and are about to wait for it; some 4 KB each, with receipt. */
const RECENT_MAX = 2_000;

/** One outcome as it is kept: under whose number, of which content, and what `rh.result` answers. */
export interface Outcome {
  readonly orgId: string;
  readonly requestHash: string;
  readonly conflict: boolean;
  readonly atMs: number;
  readonly reply: SettlementReply;
}

/** Recent outcomes and who waits for which. */
export class WaitingBoard {
  readonly #recent = new Map<string, SettlementReply>();
  readonly #waiting = new Map<string, Set<() => void>>();
  #closed = false;

  announce({ reply, requestHash }: Outcome): void {
    const key = boardKey(reply.settlementId, requestHash);
    const before = this.#recent.get(key);
    if (before !== undefined && isFinal(before) && !isFinal(reply)) return;
    this.#recent.set(key, reply);
    if (this.#recent.size > RECENT_MAX)
      for (const oldest of this.#recent.keys()) {
        this.#recent.delete(oldest);
        break;
      }
    if (isFinal(reply)) for (const wake of this.#waiting.get(key) ?? []) wake();
  }

  async wait(key: string, waitMs: number): Promise<SettlementReply | undefined> {
    const known = this.#recent.get(key);
    if (this.#closed || (known !== undefined && isFinal(known))) return known;
    await new Promise<void>((resolve) => {
      const waiting = this.#waiting.get(key) ?? new Set();
      this.#waiting.set(key, waiting);
      const wake = (): void => {
        clearTimeout(timer);
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(key);
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      waiting.add(wake);
    });
    return this.#recent.get(key);
  }

  close(): void {
    this.#closed = true;
    for (const waiting of this.#waiting.values()) for (const wake of waiting) wake();
  }
}

export function isFinal(reply: SettlementReply): boolean {
  return reply.status !== "unknown" && reply.status !== "accepted";
}

export function boardKey(settlementId: string, requestHash: string): string {
  return `${settlementId}/${requestHash}`;
}

/** `undefined` for an event that is no outcome. */
export function outcomeOf(event: AnyEvent): Outcome | undefined {
  switch (event.type) {
    case "settlement.claim.settled.v1":
    case "settlement.claim.refunded.v1": {
      const { settlementId, outTradeNo, amount, legs, receipt } = event.data;
      const status = event.type === "settlement.claim.settled.v1" ? "settled" : "refunded";
      return outcome(event.data, { outTradeNo, settlementId, status, amount, legs, ...(receipt === undefined ? {} : { receipt }) });
    }
    case "settlement.claim.refused.v1": {
      const { settlementId, outTradeNo, refusal, amount, kept, receipt } = event.data;
      const { code, message } = ERRORS[isErrorName(refusal) ? refusal : "internal"];
      const reply: SettlementReply = {
        outTradeNo,
        settlementId,
        status: "refused",
        refusalCode: code,
        refusalMessage: message,
        ...(amount === undefined ? {} : { amount }),
        ...(kept === undefined || kept.length === 0 ? {} : { kept }),
        ...(receipt === undefined ? {} : { receipt }),
      };
      return { ...outcome(event.data, reply), conflict: refusal === "idempotencyConflict" };
    }
    case "settlement.claim.unknown.v1": {
      const { settlementId, outTradeNo, amount, receipt } = event.data;
      return outcome(event.data, { outTradeNo, settlementId, status: "unknown", amount, ...(receipt === undefined ? {} : { receipt }) });
    }
    default:
      return undefined;
  }
}

function outcome(
  data: { readonly institution: string; readonly requestHash: string; readonly atMs: number },
  reply: SettlementReply,
): Outcome {
  return { orgId: data.institution, requestHash: data.requestHash, conflict: false, atMs: data.atMs, reply };
}

function isErrorName(text: string): text is ErrorName {
  return Object.hasOwn(ERRORS, text);
}
