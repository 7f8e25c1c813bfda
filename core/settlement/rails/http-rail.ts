/**
 * The payer port over our own HTTP contract (docs/rails.md section 3), for commercial insurers and banks.
 *
 * A lost answer is looked for at once: the key is queried, and when the payer never saw it the same request goes again
 * under the same key. What is still not definite after that is `unknown`; the saga asks again later.
 */
import * as v from "valibot";
import { asFen, type Fen, formatYuan, parseYuan } from "../../protocol/money.ts";
import { type FundPart, type RailName, takeLeg } from "../plan.ts";
import {
  type AuthoriseBody,
  type MoveBody,
  PATHS,
  type QuoteBody,
  REPLY,
  type Reply,
  STATEMENT_TOTALS,
  TOTALS_BYTES_MAX,
} from "./contract.ts";
import { Exchange, type ExchangeLimits } from "./exchange.ts";
import {
  type Asking,
  type AuthoriseAnswer,
  type AuthoriseRequest,
  type LegRequest,
  type MoveAnswer,
  type Payer,
  type PresettleAnswer,
  type PresettleRequest,
  type QueryAnswer,
  type RailAccount,
  railKey,
  type RefundRequest,
  StatementError,
  type StatementRow,
  type StatementTotals,
  type UnknownAnswer,
  type VoidAnswer,
} from "./port.ts";
import { readStatementCsv } from "./statement-csv.ts";
import { readTotals } from "./statement-totals-body.ts";

export interface HttpRailOptions {
  readonly name: Exclude<RailName, "insurance">;
  /** Origin of the payer's service, for example `http://127.0.0.1:7102`. */
  readonly url: string;
  /** Longest wait for one answer, 3,000 ms by default. */
  readonly timeoutMs?: number;
  /** Times one action is sent before its outcome is left unknown, 2 by default. */
  readonly sendsMax?: number;
  readonly limits?: Partial<ExchangeLimits>;
}

const SENDS_MAX = 2;

/** @example const bank = createHttpRail({ name: "bank", url: "http://127.0.0.1:7103" }) */
export function createHttpRail(options: HttpRailOptions): Payer {
  return new HttpRail(options);
}

class HttpRail implements Payer {
  readonly name: Exclude<RailName, "insurance">;
  readonly #exchange: Exchange;
  readonly #sendsMax: number;

  constructor(options: HttpRailOptions) {
    this.name = options.name;
    this.#sendsMax = options.sendsMax ?? SENDS_MAX;
    const answerMs = options.timeoutMs;
    this.#exchange = new Exchange(options.url, { ...options.limits, ...(answerMs === undefined ? {} : { answerMs }) });
  }

  async authorise(request: AuthoriseRequest, asking: Asking): Promise<AuthoriseAnswer> {
    const key = railKey(request.settlementId, this.name, "authorise");
    return await this.#ask(PATHS.authorise, key, asking, async () => {
      const account = await request.account();
      return account === undefined ? undefined : authoriseBody(key, request, account);
    });
  }

  async capture(request: LegRequest, asking: Asking): Promise<MoveAnswer> {
    return await this.#move(PATHS.capture, railKey(request.settlementId, this.name, "capture"), request, asking);
  }

  async void(request: LegRequest, asking: Asking): Promise<VoidAnswer> {
    return await this.#move(PATHS.void, railKey(request.settlementId, this.name, "void"), request, asking);
  }

  async refund(request: RefundRequest, asking: Asking): Promise<MoveAnswer> {
    return await this.#move(PATHS.refund, railKey(request.refundId, this.name, request.action), request, asking, request.parts);
  }

  async query(key: string): Promise<QueryAnswer> {
    return await this.#exchangeKey(key, `${PATHS.operations}?key=${encodeURIComponent(key)}`);
  }

  async presettle(request: PresettleRequest): Promise<PresettleAnswer> {
    const key = `${request.visitId}/${this.name}/quote`;
    const body = quoteBody(key, request);
    if (body === undefined) return { kind: "refused", reason: "accountUnknown" };
    const answer = await this.#exchangeKey(key, PATHS.quote, JSON.stringify(body));
    if (answer.kind === "absent") return { kind: "unknown", reason: "garbage" };
    if (answer.kind !== "done" || (answer.amount === 0n && answer.parts.length === 0)) return answer;
    return takeLeg(this.name, request.asked, answer.parts, answer.railReference).ok ? answer : { kind: "unknown", reason: "garbage" };
  }

  async statementTotals(day: string): Promise<StatementTotals> {
    const answer = await this.#exchange.ask({
      path: `${PATHS.statementTotals}?day=${encodeURIComponent(day)}`,
      bytesMax: TOTALS_BYTES_MAX,
    });
    if (answer.kind === "unknown")
      throw new StatementError(answer.reason === "garbage" ? "malformed" : answer.reason, `the payer's totals: ${answer.reason}`);
    if (answer.status !== 200) throw new StatementError("refused", `the payer answered ${answer.status}`);
    const read = v.safeParse(STATEMENT_TOTALS, jsonOf(answer.text));
    const totals = read.success && read.output.day === day ? readTotals(read.output) : undefined;
    if (totals === undefined) throw new StatementError("malformed", "the payer's totals are no totals");
    return totals;
  }

  statementRows(day: string): AsyncIterable<StatementRow> {
    return readStatementCsv(this.#exchange.stream({ path: `${PATHS.statement}?day=${encodeURIComponent(day)}` }, "text/csv"));
  }

  async close(): Promise<void> {
    await this.#exchange.close();
  }

  async #move(path: string, key: string, request: LegRequest, asking: Asking, parts?: readonly FundPart[]): Promise<MoveAnswer> {
    const body: MoveBody = {
      key,
      settlementId: request.settlementId,
      institution: request.institution,
      amount: formatYuan(request.amount),
      ...(parts === undefined ? {} : { parts: parts.map((part) => ({ fundSource: part.fundSource, amount: formatYuan(part.amount) })) }),
    };
    const answer = await this.#ask(path, key, asking, () => Promise.resolve(body));
    // Only an account can be missing, and a move names none.
    return answer.kind === "unasked" ? { kind: "unknown", reason: "unreachable" } : answer;
  }

  async #ask(
    path: string,
    key: string,
    asking: Asking,
    body: () => Promise<AuthoriseBody | MoveBody | undefined>,
  ): Promise<AuthoriseAnswer> {
    if (asking === "again") {
      const found = await this.query(key);
      if (found.kind !== "absent") return found;
    }
    const content = await body();
    if (content === undefined) return { kind: "unasked" };
    const text = JSON.stringify(content);
    let last: UnknownAnswer = { kind: "unknown", reason: "unreachable" };
    for (let sends = 1; sends <= this.#sendsMax; sends++) {
      const answer = await this.#exchangeKey(key, path, text);
      if (answer.kind === "done" || answer.kind === "refused") return answer;
      last = answer.kind === "absent" ? { kind: "unknown", reason: "garbage" } : answer;
      const found = await this.query(key);
      // Absent: the request did not arrive, or not yet. The payer does a key's work once, so sending again is safe.
      if (found.kind !== "absent") return found;
    }
    return last;
  }

  async #exchangeKey(key: string, path: string, body?: string): Promise<QueryAnswer> {
    const answer = await this.#exchange.ask(body === undefined ? { path } : { path, body });
    if (answer.kind === "unknown") return answer;
    return answer.status === 200 ? readReply(key, answer.text) : { kind: "unknown", reason: "garbage" };
  }
}

/** Reads a payer's reply; anything that is not exactly an answer to `key` is garbage. */
export function readReply(key: string, text: string): QueryAnswer {
  const reply = parseReply(text);
  if (reply === undefined || reply.key !== key) return { kind: "unknown", reason: "garbage" };
  switch (reply.status) {
    case "absent":
      return { kind: "absent" };
    case "refused":
      return { kind: "refused", reason: reply.reason };
    case "done": {
      const amount = parseYuan(reply.amount);
      const parts = (reply.parts ?? []).map((part) => ({ fundSource: part.fundSource, amount: parseYuan(part.amount) }));
      if (amount === undefined || !parts.every(hasAmount)) return { kind: "unknown", reason: "garbage" };
      const sum = asFen(parts.reduce((total, part) => total + part.amount, 0n));
      if (reply.parts !== undefined && sum !== amount) return { kind: "unknown", reason: "garbage" };
      return { kind: "done", amount, parts, railReference: reply.reference };
    }
  }
}

function parseReply(text: string): Reply | undefined {
  const parsed = v.safeParse(REPLY, jsonOf(text));
  return parsed.success ? parsed.output : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function hasAmount(part: { readonly fundSource: string; readonly amount: Fen | undefined }): part is FundPart {
  return part.amount !== undefined;
}

/** `undefined`: the account is not of this family. */
function authoriseBody(key: string, request: AuthoriseRequest, account: RailAccount): AuthoriseBody | undefined {
  const { settlementId, institution, businessType } = request;
  const common = { key, settlementId, institution, businessType, bill: formatYuan(request.bill), asked: formatYuan(request.asked) };
  return withAccount(common, account);
}

function quoteBody(key: string, request: PresettleRequest): QuoteBody | undefined {
  const { institution, businessType } = request;
  const common = { key, institution, businessType, bill: formatYuan(request.bill), asked: formatYuan(request.asked) };
  return withAccount(common, request.account);
}

function withAccount<Common extends object>(
  common: Common,
  account: RailAccount,
): (Common & ({ account: { authorisationId: string } } | { account: { contractId: string } })) | undefined {
  switch (account.rail) {
    case "insurance":
      return undefined;
    case "commercial":
      return { ...common, account: { authorisationId: account.authorisationId } };
    case "bank":
      return { ...common, account: { contractId: account.contractId } };
  }
}
