/**
 * What operators see of settlements on their way: how payers answer (metrics), and one trace of each settlement from intake
 * to the entry that decides it. Where a trace stands is kept in memory only: a crash ends traces, never settlements.
 */
import { CALL_SECONDS, type Counter, type Histogram, Metrics } from "../protocol/metrics.ts";
import { type LiveSpan, type SpanFacts, type SpanName, Tracing, traceparentOf } from "../protocol/tracing.ts";
import type { DeTokenise, Vault } from "../vault/port.ts";
import type { DeliveredRecord } from "../../streams/bus/port.ts";
import type { CommitWatch } from "./committer.ts";
import type { RailName } from "./plan.ts";
import type { Payer, Payers, RailAction } from "./rails/port.ts";
import type { Settlement, Transition } from "./settlement.ts";
import { isTerminal } from "./states.ts";

/** Traces under way; beyond, the oldest goes on without. */
const TRACES_MAX = 20_000;

/** Where a settlement's trace stands. */
interface Place {
  readonly context: string;
  /** Of the commit under way: what is told of it follows from it. */
  commit?: string | undefined;
}

/** A settlement as it came in. */
export interface Arrived {
  readonly id: string;
  readonly institution: string;
  readonly outTradeNo: string;
  readonly action: string;
  readonly record: Pick<DeliveredRecord, "headers">;
}

type Answer = { readonly kind: string; readonly reason?: string };
type CallName = RailAction | "query" | "presettle";

export class SettlementTelemetry implements CommitWatch {
  readonly #tracing: Tracing;
  readonly #places = new Map<string, Place>();
  readonly #decided: Counter<"state">;
  readonly #calls: Counter<"rail" | "action" | "outcome">;
  readonly #seconds: Histogram<"rail" | "action">;

  constructor(options: { readonly tracing?: Tracing; readonly metrics?: Metrics } = {}) {
    this.#tracing = options.tracing ?? new Tracing();
    const metrics = options.metrics ?? new Metrics();
    const name = "ronghe_rail_call_seconds";
    this.#seconds = metrics.histogram({ name, help: "How long payers take to answer.", labels: ["rail", "action"], buckets: CALL_SECONDS });
    this.#decided = metrics.counter({
      name: "ronghe_settlements_decided_total",
      help: "Settlements and refunds that came to their end, by the state they ended in.",
      labels: ["state"],
    });
    this.#calls = metrics.counter({
      name: "ronghe_rail_calls_total",
      help: "Calls to payers by what they answered; timeout, unreachable, serverError and garbage are no answers.",
      labels: ["rail", "action", "outcome"],
    });
  }

  /** The trace that an outcome of the settlement follows from. */
  traceparentOf(settlementId: string): string | undefined {
    const place = this.#places.get(settlementId);
    return place?.commit ?? place?.context;
  }

  decided({ standing }: Settlement): void {
    this.#decided.add({ state: standing.state });
  }

  /** Around the commit that takes requests in; `commit` gives those that are to be carried out. */
  async intake(arrived: readonly Arrived[], log: string, commit: () => Promise<readonly Settlement[]>): Promise<readonly Settlement[]> {
    const spans = new Map<string, LiveSpan>();
    for (const { id, institution, outTradeNo, action, record } of arrived) {
      const traceparent = traceparentOf(record.headers);
      // A repetition, or other content under the same number, belongs to the trace that is there.
      if (traceparent === undefined || this.#places.has(id)) continue;
      const span = this.#tracing.begin("core.intake", traceparent, { operation: action, institution, log });
      spans.set(id, span);
      this.#remember([id, nameOf(institution, outTradeNo)], { context: span.traceparent ?? traceparent });
    }
    let opened: ReadonlyMap<string, Settlement> = new Map();
    let failed: "failed" | undefined = "failed";
    try {
      const settlements = await commit();
      opened = new Map(settlements.map((one) => [one.id, one]));
      failed = undefined;
      return settlements;
    } finally {
      for (const [id, span] of spans) span.end({ index: opened.get(id)?.ledgerIndex }, failed);
      for (const one of arrived) if (spans.has(one.id) && !opened.has(one.id)) this.#forget(one);
    }
  }

  /** Around the commit of one step. */
  async commit(before: Settlement, transition: Transition, log: string, commit: () => Promise<Settlement>): Promise<Settlement> {
    const place = this.#places.get(before.id);
    if (place === undefined) return await commit();
    const { institution } = before;
    const span = this.#tracing.begin("ledger.commit", place.context, { operation: transition.name, institution, log });
    place.commit = span.traceparent;
    let after: Settlement | undefined;
    try {
      after = await commit();
      return after;
    } finally {
      place.commit = undefined;
      span.end({ outcome: after?.standing.state, index: after?.ledgerIndex }, after === undefined ? "failed" : undefined);
      if (after !== undefined && isTerminal(after.standing.state)) this.#forget(after);
    }
  }

  vault(vault: Pick<Vault, "deTokenise">): Pick<Vault, "deTokenise"> {
    const open = async (request: DeTokenise): ReturnType<Vault["deTokenise"]> => {
      const facts = { operation: request.purpose, institution: request.institution };
      return await this.#within("vault.open", request.transactionId, facts, () => vault.deTokenise(request), openedOf);
    };
    return { deTokenise: open };
  }

  payers(payers: Payers): Payers {
    return { insurance: this.#payer(payers.insurance), commercial: this.#payer(payers.commercial), bank: this.#payer(payers.bank) };
  }

  #payer(payer: Payer): Payer {
    const { name } = payer;
    return {
      name,
      authorise: (request, asking) => this.#call(name, "authorise", request.settlementId, () => payer.authorise(request, asking)),
      capture: (request, asking) => this.#call(name, "capture", request.settlementId, () => payer.capture(request, asking)),
      void: (request, asking) => this.#call(name, "void", request.settlementId, () => payer.void(request, asking)),
      refund: (request, asking) => this.#call(name, request.action, request.refundId, () => payer.refund(request, asking)),
      query: (key) => this.#call(name, "query", key.split("/", 1)[0] ?? "", () => payer.query(key)),
      presettle: (request) => this.#call(name, "presettle", "", () => payer.presettle(request)),
      statementTotals: (day) => payer.statementTotals(day),
      statementRows: (day) => payer.statementRows(day),
      close: () => payer.close(),
    };
  }

  async #call<A extends Answer>(rail: RailName, action: CallName, settlementId: string, ask: () => Promise<A>): Promise<A> {
    const startedAt = performance.now();
    let outcome = "failed";
    try {
      return await this.#within("rail.call", settlementId, { rail, action }, ask, (answer) => (outcome = outcomeOf(answer)));
    } finally {
      // Where the account did not open, nobody was asked.
      if (outcome !== "unasked") {
        this.#calls.add({ rail, action, outcome });
        this.#seconds.observe({ rail, action }, (performance.now() - startedAt) / 1000);
      }
    }
  }

  async #within<A>(name: SpanName, key: string, facts: SpanFacts, work: () => Promise<A>, outcomeOf: (answer: A) => string): Promise<A> {
    const span = this.#tracing.follow(name, this.#places.get(key)?.context, facts);
    let outcome: string | undefined;
    try {
      const answer = await work();
      outcome = outcomeOf(answer);
      return answer;
    } finally {
      span.end({ outcome }, outcome === undefined ? "failed" : undefined);
    }
  }

  /** A settlement by its id, and by the name it has in the vault. */
  #remember(keys: readonly string[], place: Place): void {
    for (const key of keys) this.#places.set(key, place);
    while (this.#places.size > 2 * TRACES_MAX)
      for (const oldest of this.#places.keys()) {
        this.#places.delete(oldest);
        break;
      }
  }

  #forget({ id, institution, outTradeNo }: Pick<Settlement, "id" | "institution" | "outTradeNo">): void {
    this.#places.delete(id);
    this.#places.delete(nameOf(institution, outTradeNo));
  }
}

function nameOf(institution: string, outTradeNo: string): string {
  return `${institution}/${outTradeNo}`;
}

function openedOf(result: Awaited<ReturnType<Vault["deTokenise"]>>): string {
  return result.ok ? "ok" : result.error;
}

function outcomeOf({ kind, reason }: Answer): string {
  return kind === "unknown" ? (reason ?? kind) : kind;
}
