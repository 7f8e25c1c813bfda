/**
 * Asking a payer over HTTP: kept-alive connections, a timer of its own on every call, a bound on every answer. Says what
 * came back, or why nothing did; never what it means.
 */
import { utf8Text } from "../../protocol/bytes.ts";
import { errors, Pool } from "undici";
import { StatementError, type UnknownAnswer } from "./port.ts";

/** Every wait and size by name and unit. */
export interface ExchangeLimits {
  /** From the first byte sent to the last byte of the answer; connecting and waiting for a connection included. */
  readonly answerMs: number;
  /** Longest silence while a statement arrives. */
  readonly statementSilenceMs: number;
  readonly answerBytesMax: number;
  /** Kept-alive connections: as many as calls under way. */
  readonly connections: number;
}
export const EXCHANGE_LIMITS: ExchangeLimits = {
  answerMs: 3_000,
  statementSilenceMs: 30_000,
  answerBytesMax: 64 * 1024,
  connections: 256,
};

export interface Question {
  readonly path: string;
  /** JSON; without a body the question is a GET. */
  readonly body?: string;
  /** Where an answer may be longer than `answerBytesMax`. */
  readonly bytesMax?: number;
}
export type Exchanged = { readonly kind: "answered"; readonly status: number; readonly text: string } | UnknownAnswer;

export class Exchange {
  readonly #pool: Pool;
  readonly #limits: ExchangeLimits;

  constructor(url: string, limits: Partial<ExchangeLimits> = {}) {
    this.#limits = { ...EXCHANGE_LIMITS, ...limits };
    // The pool's own timers are coarse: each call brings a precise one.
    this.#pool = new Pool(url, { connections: this.#limits.connections, headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 0 } });
  }

  async ask(question: Question): Promise<Exchanged> {
    // Cleared when the answer is there: `AbortSignal.timeout` would keep its timer for its whole time.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), this.#limits.answerMs);
    try {
      const response = await this.#pool.request({ ...requestOf(question), signal: late.signal });
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        bytes += chunk.length;
        if (bytes > (question.bytesMax ?? this.#limits.answerBytesMax)) return { kind: "unknown", reason: "garbage" };
        chunks.push(chunk);
      }
      if (response.statusCode >= 500) return { kind: "unknown", reason: "serverError" };
      const text = utf8Text(Buffer.concat(chunks));
      if (text === undefined) return { kind: "unknown", reason: "garbage" };
      return { kind: "answered", status: response.statusCode, text };
    } catch {
      return { kind: "unknown", reason: late.signal.aborted ? "timeout" : "unreachable" };
    } finally {
      clearTimeout(timer);
    }
  }

  /** An answer of any length, as it arrives; throws {@link StatementError} when it does not, or is not of `type`. */
  async *stream(question: Question, type: string): AsyncIterable<Uint8Array> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), this.#limits.statementSilenceMs);
    try {
      const response = await this.#pool.request({ ...requestOf(question), signal: silence.signal });
      const got = String(response.headers["content-type"] ?? "");
      if (response.statusCode !== 200 || !got.startsWith(type)) {
        await response.body.dump();
        throw new StatementError(
          response.statusCode >= 500 ? "serverError" : "refused",
          `the payer answered ${response.statusCode} ${type}`,
        );
      }
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        timer.refresh();
        yield chunk;
      }
    } catch (error) {
      if (error instanceof StatementError) throw error;
      if (silence.signal.aborted) throw new StatementError("timeout", "the statement stopped arriving");
      if (error instanceof errors.UndiciError || isNetwork(error)) throw new StatementError("unreachable", "the payer was not reached");
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

function requestOf({ path, body }: Question): {
  readonly path: string;
  readonly method: "GET" | "POST";
  readonly headers?: Record<string, string>;
  readonly body?: string;
} {
  return body === undefined ? { path, method: "GET" } : { path, method: "POST", headers: { "content-type": "application/json" }, body };
}

function isNetwork(error: unknown): boolean {
  return error instanceof Error && "code" in error;
}
