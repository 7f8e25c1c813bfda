/**
 * The rail port over HTTP (docs/rails.md): kept-alive connections, a limit on every wait, every reply validated.
 *
 * A lost answer is looked for at once: the key is queried, and when the payer never saw it the same request goes again
 * under the same key. What is still not definite after that is `unknown`; the saga asks again later.
 */
import { errors, Pool } from "undici";
import * as v from "valibot";
import { asFen, type Fen, formatYuan, parseYuan } from "../../protocol/money.ts";
import type { FundPart, RailName } from "../plan.ts";
import { type AuthoriseBody, type MoveBody, PATHS, REPLY, type Reply, REPLY_BYTES_MAX } from "./contract.ts";
import {
  type Asking,
  type AuthoriseAnswer,
  type AuthoriseRequest,
  type LegRequest,
  type MoveAnswer,
  type QueryAnswer,
  type Rail,
  type RailAccount,
  railKey,
  type RefundRequest,
  type UnknownAnswer,
  type VoidAnswer,
} from "./port.ts";

export interface HttpRailOptions {
  readonly name: RailName;
  /** Origin of the payer's service, for example `http://127.0.0.1:7101`. */
  readonly url: string;
  /** Longest wait for one answer, 3,000 ms by default. */
  readonly timeoutMs?: number;
  /** Kept-alive connections, 64 by default: as many as settlements in flight. */
  readonly connections?: number;
  /** Times one action is sent before its outcome is left unknown, 2 by default. */
  readonly sendsMax?: number;
}

const TIMEOUT_MS = 3_000;
const CONNECTIONS = 64;
const SENDS_MAX = 2;
const JSON_HEADERS = { "content-type": "application/json" } as const;
const TIMEOUTS: ReadonlySet<string> = new Set(["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "UND_ERR_CONNECT_TIMEOUT"]);

/** @example const bank = createHttpRail({ name: "bank", url: "http://127.0.0.1:7103" }) */
export function createHttpRail(options: HttpRailOptions): Rail {
  return new HttpRail(options);
}

class HttpRail implements Rail {
  readonly name: RailName;
  readonly #pool: Pool;
  readonly #sendsMax: number;

  constructor(options: HttpRailOptions) {
    const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.name = options.name;
    this.#sendsMax = options.sendsMax ?? SENDS_MAX;
    this.#pool = new Pool(options.url, {
      connections: options.connections ?? CONNECTIONS,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      connectTimeout: timeoutMs,
      maxResponseSize: REPLY_BYTES_MAX,
    });
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
    return await this.#move(PATHS.refund, railKey(request.refundId, this.name, request.action), request, asking);
  }

  async query(key: string): Promise<QueryAnswer> {
    return await this.#exchange(key, `${PATHS.operations}?key=${encodeURIComponent(key)}`);
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #move(path: string, key: string, request: LegRequest, asking: Asking): Promise<MoveAnswer> {
    const body: MoveBody = {
      key,
      settlementId: request.settlementId,
      institution: request.institution,
      amount: formatYuan(request.amount),
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
      const answer = await this.#exchange(key, path, text);
      if (answer.kind === "done" || answer.kind === "refused") return answer;
      last = answer.kind === "absent" ? { kind: "unknown", reason: "garbage" } : answer;
      const found = await this.query(key);
      // Absent: the request did not arrive, or not yet. The payer does a key's work once, so sending again is safe.
      if (found.kind !== "absent") return found;
    }
    return last;
  }

  async #exchange(key: string, path: string, body?: string): Promise<QueryAnswer> {
    try {
      const response = await this.#pool.request(
        body === undefined ? { path, method: "GET" } : { path, method: "POST", headers: JSON_HEADERS, body },
      );
      const text = await response.body.text();
      if (response.statusCode >= 500) return { kind: "unknown", reason: "serverError" };
      if (response.statusCode !== 200) return { kind: "unknown", reason: "garbage" };
      return readReply(key, text);
    } catch (error) {
      return { kind: "unknown", reason: reasonOf(error) };
    }
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
  try {
    const parsed = v.safeParse(REPLY, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

function hasAmount(part: { readonly fundSource: string; readonly amount: Fen | undefined }): part is FundPart {
  return part.amount !== undefined;
}

function authoriseBody(key: string, request: AuthoriseRequest, account: RailAccount): AuthoriseBody {
  const { settlementId, institution, businessType } = request;
  const common = { key, settlementId, institution, businessType, bill: formatYuan(request.bill), asked: formatYuan(request.asked) };
  switch (account.rail) {
    case "insurance":
      return { ...common, account: { ecToken: account.ecToken, psnNo: account.psnNo, insuplcAdmdvs: account.insuOrg } };
    case "commercial":
      return { ...common, account: { authorisationId: account.authorisationId } };
    case "bank":
      return { ...common, account: { contractId: account.contractId } };
  }
}

function reasonOf(error: unknown): UnknownAnswer["reason"] {
  if (error instanceof errors.ResponseExceededMaxSizeError) return "garbage";
  return error instanceof errors.UndiciError && TIMEOUTS.has(error.code) ? "timeout" : "unreachable";
}
