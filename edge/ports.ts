/**
 * What the edge app needs from the place it runs in. The app (`edge/app.ts`, `edge/app/`) knows only these ports
 * and web standards; each runtime implements them at the rim (`edge/node/`, later Deno and workerd).
 */
import type { Crypto } from "../core/crypto/port.ts";
import type { PartnerProfile } from "../core/protocol/envelope.ts";
import type { ErrorName } from "../core/protocol/errors.ts";
import type { EdgeBundle, InstitutionSettings, ResolveReply, ResolveRequest, SealedCredential } from "../core/protocol/internal.ts";
import type { SettlementReply } from "../core/protocol/operations.ts";
import type { Result } from "../core/protocol/result.ts";
import type { Clock, EventMs } from "../core/protocol/time.ts";
import type { OutboxRecord } from "../streams/bus/outbox-port.ts";

export interface EdgePorts {
  /** Name of this edge, as the core registered it. */
  readonly edgeId: string;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly state: EdgeState;
  readonly outbox: Outbox;
  readonly core: Core;
  readonly results: Results;
  readonly signer: ReplySigner;
  readonly sealer: Sealer;
  readonly limits: EdgeLimits;
  /** One wide line per call; absent means no log. */
  readonly log?: RequestLog;
  /** Told of exceptions, which are bugs or a broken disk. Their text may hold input: never into the request log. */
  readonly onBug?: (error: unknown) => void;
}

/** Every bound of the edge, by name and unit. */
export interface EdgeLimits {
  readonly bodyBytesMax: number;
  /** How far a request's timestamp may lie from our clock (S3 reading 5). */
  readonly timestampWindowMs: number;
  /** Rows waiting for the bus above which nothing new is taken. */
  readonly outboxDepthMax: number;
  /** Age of the oldest waiting row above which nothing new is taken. */
  readonly outboxAgeMsMax: number;
  /** How long a code without a readable expiry stays marked as shown. */
  readonly opaqueMarkMs: number;
  /** How long after its expiry a code stays marked, for late retries. */
  readonly markGraceMs: number;
}

export const EDGE_LIMITS: EdgeLimits = {
  bodyBytesMax: 16 * 1024,
  timestampWindowMs: 300_000,
  outboxDepthMax: 200_000,
  outboxAgeMsMax: 24 * 3_600_000,
  opaqueMarkMs: 15 * 60_000,
  markGraceMs: 10 * 60_000,
};

/** The signed settings of the platform (`EdgeBundle`), kept current in the background. */
export interface Settings {
  /** `undefined` before the first bundle and after the last one expired: the edge then refuses everything. */
  current(): EdgeView | undefined;
}

/** One verified bundle, indexed for look-up. */
export interface EdgeView {
  readonly bundle: EdgeBundle;
  readonly codeKeys: readonly Uint8Array[];
  readonly sealPublicKey: Uint8Array;
  readonly fingerprintKey: Uint8Array;
  readonly appIds: ReadonlySet<string>;
  institution(orgId: string): EdgeInstitution | undefined;
}

export interface EdgeInstitution {
  readonly settings: InstitutionSettings;
  readonly partner: PartnerProfile;
  readonly terminals: ReadonlySet<string>;
}

/**
 * What must be strongly consistent for one institution: nonces, rate, marks of shown codes, taken transaction
 * numbers and the outbox. `commit` is the only writer, so that all of it is one transaction.
 */
export interface EdgeState {
  /** Claims the nonce of an authenticated request, then takes a token of the institution's bucket; both at once. */
  admit(call: AdmitCall): Promise<Admission>;
  /** Who showed the code before, as far as this edge remembers. */
  markOf(fingerprint: string): Promise<CodeMarks | undefined>;
  /** The request this edge took under the caller's number. */
  taken(orgId: string, outTradeNo: string): Promise<TakenRequest | undefined>;
  /** Decides and writes in one transaction; resolves when it is on disk. */
  commit(change: Change): Promise<CommitVerdict>;
}

export interface AdmitCall {
  readonly orgId: string;
  readonly replayKey: string;
  /** When the timestamp window closes and the nonce may be forgotten. */
  readonly expiresAtMs: number;
  readonly ratePerSecond: number;
  readonly rateBurst: number;
  readonly nowMs: EventMs;
}
export type Admission =
  | { readonly kind: "admitted" }
  | { readonly kind: "replayed" }
  | { readonly kind: "limited"; readonly retryAfterSeconds: number };

/** A code is shown in steps: once to verify, and once to settle where it was verified. */
export type CodeStep = "verify" | "settle";
export interface CodeUse {
  readonly orgId: string;
  readonly outTradeNo: string;
}
export type CodeMarks = { readonly [step in CodeStep]?: CodeUse };

export interface TakenRequest {
  readonly requestHash: string;
  readonly acceptedAtMs: number;
}

export interface Change {
  readonly atMs: EventMs;
  /** A transaction number to take; `repeated` or `idempotencyConflict` when it is taken already. */
  readonly request?: { readonly orgId: string; readonly outTradeNo: string; readonly requestHash: string };
  /** A step of a code to take; `codeUsed` when somebody else has it. */
  readonly mark?: CodeUse & { readonly fingerprint: string; readonly step: CodeStep; readonly expiresAtMs: number };
  /** Events, written only when the verdict is `accepted`. */
  readonly records: readonly OutboxRecord[];
}
export type CommitVerdict = "accepted" | "repeated" | "idempotencyConflict" | "codeUsed";

/** What still waits for the bus. */
export interface Outbox {
  backlog(): { readonly depth: number; readonly oldestAgeMs: number };
}

/** The core over HTTP. A refusal is the core's own; `coreUnavailable` means that its answer is missing. */
export interface Core {
  resolve(request: ResolveRequest): Promise<Result<Extract<ResolveReply, { ok: true }>, ErrorName>>;
  reachable(): Promise<boolean>;
}

/** Outcomes that came back over the bus. */
export interface Results {
  /**
   * The outcome under the caller's number. With `requestHash`, only of that content; without, of the content
   * that the core took first.
   */
  find(orgId: string, outTradeNo: string, requestHash?: string): Promise<SettlementReply | undefined>;
  /** Waits until a final outcome of this content is known, at most `waitMs`. */
  wait(awaited: { readonly settlementId: string; readonly requestHash: string }, waitMs: number): Promise<SettlementReply | undefined>;
  /** False when the consumer died. */
  running(): boolean;
}

/** Signs replies with the platform's key for this edge: raw 64 bytes. */
export interface ReplySigner {
  sign(message: Uint8Array): Promise<Uint8Array> | Uint8Array;
}

/** Encrypts a code or ecToken so that only the core reads it. */
export interface Sealer {
  seal(view: EdgeView, credential: SealRequest): SealedCredential;
}
export interface SealRequest {
  readonly kind: SealedCredential["kind"];
  readonly value: string;
  readonly institution: string;
  readonly outTradeNo: string;
  readonly nowMs: EventMs;
}

/** One wide line per call: pseudonyms only, never a name, document number, code, token, key or sign text. */
export type RequestLog = (line: RequestLine) => void;
export interface RequestLine {
  readonly atMs: number;
  readonly tookMs: number;
  readonly edge: string;
  readonly transType: string;
  readonly outcome: ErrorName;
  readonly institution?: string;
  readonly terminal?: string;
  readonly outTradeNo?: string;
  readonly codeKind?: string;
  /** HMAC-SM3, hex. */
  readonly codeFingerprint?: string;
  readonly settlementId?: string;
  readonly status?: string;
}
