/**
 * Lets in only edges that signed the call (scheme: `core/protocol/internal-auth.ts`), once per nonce, and signs the
 * reply. Nonces are kept in memory for two windows: what a restart forgets of an edge's calls can only repeat a read, a
 * resolve, which is idempotent by its transaction, or events that are remembered by their ids. Where a call repeated is
 * a step taken twice, as an operator's is, `durable` remembers it too.
 */
import type { Context, MiddlewareHandler } from "hono";
import { parseDecimal } from "../../ledger/verifier/bytes.ts";
import type { Access } from "../access/access.ts";
import type { Nonces } from "../access/nonces.ts";
import type { EdgeContacts } from "../access/edge-contacts.ts";
import type { Crypto } from "../crypto/port.ts";
import {
  checkInternalRequest,
  INTERNAL_HEADERS,
  INTERNAL_WINDOW_MS,
  readInternalClaim,
  signInternalReply,
  WAITING_PARAMETER,
} from "../protocol/internal-auth.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { declaresMore, readBytesWithin } from "../protocol/server/body.ts";
import type { Clock } from "../protocol/time.ts";

/** What handlers behind the middleware find in the context. */
export interface InternalCall {
  /** `outcome` is `ok`, an {@link ErrorName}, or the code with which an operator's request was refused. */
  Variables: { edgeId: string; body: Uint8Array; outcome: string };
}

/** A bill with all its lines, and room to spare. */
export const INTERNAL_BODY_BYTES_MAX: number = 192 * 1024;

export interface InternalAuthOptions {
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** Secrets of an edge that may call `path`, the present one first; none for anybody else. */
  readonly secretsOf: (edgeId: string, nowMs: number, path: string) => Promise<readonly Uint8Array[]>;
  readonly bodyBytesMax: number;
  /** Told of each call whose signature holds, by whose clock and when; `url` as it was called. */
  readonly heard?: (edgeId: string, call: { readonly atMs: number; readonly saidMs: number; readonly url: URL }) => void;
  /** Nonces remembered at once; when so many calls are inside the window, new ones are refused. */
  readonly noncesMax?: number;
  /** Claims each nonce once more, where a restart forgets none. */
  readonly durable?: Nonces;
}

export function internalAuth(options: InternalAuthOptions): MiddlewareHandler<InternalCall> {
  const { crypto, clock, bodyBytesMax } = options;
  const nonces = new NonceWindow(options.noncesMax ?? 500_000);
  return async function internalAuthMiddleware(c, next) {
    const claim = readInternalClaim((name) => c.req.header(name));
    const url = new URL(c.req.url);
    const nowMs = clock.now();
    // What the headers alone refuse is refused before its body is read: a stranger makes nobody take a megabyte.
    if (declaresMore(c.req.raw, bodyBytesMax)) return refuse(c, "bodyTooLarge");
    const secrets = claim === undefined ? [] : await options.secretsOf(claim.edge, nowMs, url.pathname);
    if (claim === undefined || secrets.length === 0) return refuse(c, "unauthorised");
    // Without a body the signature costs nothing more: an edge whose clock is wrong is told so below.
    const outside = Math.abs(nowMs - Number(claim.timestamp)) > INTERNAL_WINDOW_MS;
    if (outside && c.req.method !== "GET") return refuse(c, "timestampOutside");
    if (!outside && nonces.has(`${claim.edge} ${claim.nonce}`, nowMs)) return refuse(c, "requestReplayed");
    const read = await readBytesWithin(c.req.raw, { bytesMax: bodyBytesMax });
    if (!read.ok) return refuse(c, read.error);
    const body = read.value;
    const request = { method: c.req.method, path: url.pathname + url.search, body, nowMs };
    const checks = secrets.map((secret) => ({ secret, checked: checkInternalRequest(crypto, secret, claim, request) }));
    const own = checks.find(({ checked }) => checked.ok || checked.error !== "unauthorised");
    if (own === undefined) return refuse(c, "unauthorised");
    const key = own.secret;
    options.heard?.(claim.edge, { atMs: nowMs, saidMs: Number(claim.timestamp), url });
    const signReply = async (): Promise<void> => {
      const reply = new Uint8Array(await c.res.clone().arrayBuffer());
      const signature = signInternalReply(crypto, key, { requestSignature: claim.signature, status: c.res.status, body: reply });
      c.res.headers.set(INTERNAL_HEADERS.signature, signature);
    };
    if (!own.checked.ok) {
      c.set("outcome", own.checked.error);
      c.res = c.json({ ok: false, error: own.checked.error, coreAtMs: nowMs }, 401);
      return await signReply();
    }
    // Claimed only after the signature holds: nobody else can use up an edge's nonces.
    const nonce = `${claim.edge} ${claim.nonce}`;
    const claimed = nonces.claim(nonce, nowMs);
    if (claimed !== "first") return refuse(c, claimed === "seen" ? "requestReplayed" : "rateLimited");
    const isFirst = (await options.durable?.claim(nonce, nowMs + 2 * INTERNAL_WINDOW_MS)) ?? true;
    if (!isFirst) return refuse(c, "requestReplayed");
    c.set("edgeId", claim.edge);
    c.set("body", body);
    await next();
    return await signReply();
  };
}

/** A suspended edge may learn that it is, by a bundle that holds nothing else; everything else is closed to it. */
export function secretsOf(access: Pick<Access, "edge" | "edges">): InternalAuthOptions["secretsOf"] {
  return async (edgeId, nowMs, path) =>
    access.edge(edgeId)?.status === "active" || path === BUNDLE_PATH ? await access.edges.secrets(edgeId, nowMs) : [];
}
const BUNDLE_PATH = "/internal/v1/bundle";
const INGEST_PATH = "/ingest";

/** Calls by which an edge shows that it reaches us: with its settings it says how long its events have waited. */
export function hearing(contacts: EdgeContacts | undefined): Required<InternalAuthOptions>["heard"] {
  return (edgeId, { atMs, saidMs, url }) => {
    const waited = url.pathname === BUNDLE_PATH ? (parseDecimal(url.searchParams.get(WAITING_PARAMETER) ?? "0") ?? 0n) : 0n;
    const reaches = url.pathname === BUNDLE_PATH || url.pathname === INGEST_PATH;
    contacts?.heard(edgeId, { atMs, saidMs, ...(reaches ? { waitingMs: Number(waited) } : {}) });
  };
}

/** Before the caller is known nothing can be signed for it: the refusal is bare, and an edge must not act on it. */
function refuse(c: Context<InternalCall>, error: ErrorName): Response {
  c.set("outcome", error);
  return c.json({ ok: false, error }, STATUS[error] ?? 401);
}

const STATUS: Readonly<Partial<Record<ErrorName, 400 | 413 | 429>>> = { rateLimited: 429, bodyTooLarge: 413, badRequest: 400 };

class NonceWindow {
  readonly #max: number;
  /** Nonce and the instant it may be forgotten, oldest first. */
  readonly #seen = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  has(nonce: string, nowMs: number): boolean {
    return (this.#seen.get(nonce) ?? 0) > nowMs;
  }

  claim(nonce: string, nowMs: number): "first" | "seen" | "full" {
    for (const [oldest, forgetAtMs] of this.#seen) {
      if (forgetAtMs > nowMs) break;
      this.#seen.delete(oldest);
    }
    if (this.#seen.has(nonce)) return "seen";
    if (this.#seen.size >= this.#max) return "full";
    this.#seen.set(nonce, nowMs + 2 * INTERNAL_WINDOW_MS);
    return "first";
  }
}
