/**
 * What the edge app needs from the place it runs in. The app (`edge/app.ts`, `edge/app/`) knows only these ports
 * and web standards; each runtime implements them at the rim (`edge/node/`, later Deno and workerd).
 */
import type { Crypto } from "../core/crypto/port.ts";
import type { PartnerProfile } from "../core/protocol/envelope.ts";
import type { ErrorName } from "../core/protocol/errors.ts";
import type {
  EdgeBundle,
  InstitutionSettings,
  InternalPresettleReply,
  InternalPresettleRequest,
  InternalStatementReply,
  InternalStatementRequest,
  ResolveReply,
  ResolveRequest,
  SealedCredential,
} from "../core/protocol/internal.ts";
import type { SettlementReply } from "../core/protocol/operations.ts";
import type { Result } from "../core/protocol/result.ts";
import type { StorageStanding } from "../core/protocol/server/storage-watch.ts";
import type { Clock, EventMs } from "../core/protocol/time.ts";
import type { Tracing } from "../core/protocol/tracing.ts";
import type { OutboxRecord } from "../streams/bus/outbox-port.ts";
import type { BusRecord } from "../streams/bus/port.ts";

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
  readonly origin: EventOrigin;
  readonly limits: EdgeLimits;
  /** One wide line per call; absent means no log. */
  readonly log?: RequestLog;
  /** Absent: traces that come in are handed on, and none begins here. */
  readonly tracing?: Tracing;
  /** Whether what is taken can be kept. Absent: nobody watches. */
  readonly storage?: StorageStanding;
  /** Told of exceptions that are bugs (`core/protocol/server/trouble.ts`). Their text may hold input: never into the request log. */
  readonly onBug?: (error: Error) => void;
  /**
   * Where a request comes from, as the runtime knows it (the peer's address; never a header that anybody can write).
   * Absent, or without an answer: no limit by source.
   */
  readonly sourceOf?: (request: Request, env: unknown) => string | undefined;
}

/** Every bound of the edge, by name and unit. */
export interface EdgeLimits {
  readonly bodyBytesMax: number;
  /** Of a call that may carry fee lines. */
  readonly billBytesMax: number;
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
  /** Age of the oldest waiting row from which the bus counts as away, where the outbox itself does not know. */
  readonly busAwayMs: number;
  /** How long a call waits for a core that did not answer the one before. */
  readonly coreTrialMs: number;
  /** Envelopes remembered of one institution; more within a window are refused as too many requests. */
  readonly noncesMax: number;
  /** Calls without a proven sender that one source may make at once, and per second in the long run. */
  readonly garbageBurst: number;
  readonly garbagePerSecond: number;
  /** Wrong guesses of codes that only the issuer can tell, and those being asked about: at once and per minute, of a terminal and of an institution. */
  readonly guesses: Readonly<Record<"terminal" | "institution", { readonly burst: number; readonly perMinute: number }>>;
  /** Opaque codes shown for settling without having been verified here: only the core can tell them, later. */
  readonly unproven: Readonly<Record<"terminal" | "institution", { readonly burst: number; readonly perMinute: number }>>;
  /** How far the edge's clock may differ from the core's before it takes nothing any more; the core's own tolerance. */
  readonly clockSkewMsMax: number;
}

export const EDGE_LIMITS: EdgeLimits = {
  bodyBytesMax: 16 * 1024,
  billBytesMax: 256 * 1024,
  timestampWindowMs: 300_000,
  outboxDepthMax: 200_000,
  outboxAgeMsMax: 24 * 3_600_000,
  opaqueMarkMs: 15 * 60_000,
  markGraceMs: 10 * 60_000,
  busAwayMs: 10_000,
  coreTrialMs: 1_000,
  noncesMax: 250_000,
  garbageBurst: 1_000,
  garbagePerSecond: 50,
  guesses: { terminal: { burst: 5, perMinute: 5 }, institution: { burst: 40, perMinute: 40 } },
  unproven: { terminal: { burst: 30, perMinute: 30 }, institution: { burst: 400, perMinute: 400 } },
  clockSkewMsMax: 5_000,
};

/** The signed settings of the platform (`EdgeBundle`), kept current in the background. */
export interface Settings {
  /** `undefined` before the first bundle and after the last one expired: the edge then refuses everything. */
  current(): EdgeView | undefined;
  /** How the settings are doing, for `/status`; absent where they are fixed. */
  state?(): SettingsState;
}

export interface SettingsState {
  /** When the core last gave a bundle that was taken. */
  readonly takenAtMs?: number;
  /** Whether the core answered when it was last asked, and when that was. */
  readonly contact?: { readonly ok: boolean; readonly atMs: number };
  /** Why the last bundle was refused, until one is taken. */
  readonly refused?: { readonly reason: string; readonly atMs: number };
  /** Our clock less the core's, as the core's last signed answer proves. */
  readonly clockSkewMs?: number;
}

/** One verified bundle, indexed for look-up. */
export interface EdgeView {
  readonly bundle: EdgeBundle;
  readonly codeKeys: readonly Uint8Array[];
  readonly sealPublicKey: Uint8Array;
  readonly fingerprintKey: Uint8Array;
  readonly appIds: ReadonlySet<string>;
  readonly suspendedAppIds: ReadonlySet<string>;
  /** Fingerprints of codes that their app took back. */
  readonly revokedCodes: ReadonlySet<string>;
  institution(orgId: string): EdgeInstitution | undefined;
}

export interface EdgeInstitution {
  readonly settings: InstitutionSettings;
  readonly partner: PartnerProfile;
  /** With the secret before the present one, while its overlap lasts. */
  readonly former?: { readonly partner: PartnerProfile; readonly untilMs: number };
  readonly terminals: ReadonlyMap<string, "active" | "suspended">;
}

/**
 * What must be strongly consistent for one institution: nonces, rate, marks of shown codes, taken transaction
 * numbers and the outbox. `commit` is the only writer, so that all of it is one transaction.
 */
export interface EdgeState {
  /**
   * Of an authenticated request: a nonce that came before is `replayed` and costs nothing; without a token of the
   * institution's bucket it is `limited` and its nonce stays unclaimed; else both are taken, at once (`app/admissions.ts`).
   */
  admit(call: AdmitCall): Promise<Admission>;
  /** Takes `cost` from a bucket of the institution; 0 only looks, -1 gives one back. Gives 0, or seconds until there is one. */
  guard(call: GuardCall): Promise<number>;
  /** The bills of institutions that were taken since an instant, those of nobody else. */
  billsSince(sinceMs: number): Promise<readonly BillsTaken[]>;
  /** Who showed the code before, as far as the state of this institution remembers; marks that ended before `nowMs` count no more. */
  markOf(orgId: string, fingerprint: string, nowMs: EventMs): Promise<CodeMarks | undefined>;
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
  readonly noncesMax: number;
  readonly nowMs: EventMs;
}
export interface GuardCall {
  readonly orgId: string;
  /** Which bucket of the institution's, for example `guess/<terminal>`. */
  readonly bucket: string;
  readonly cost: -1 | 0 | 1;
  readonly ratePerSecond: number;
  readonly rateBurst: number;
  readonly nowMs: EventMs;
}
export interface BillsTaken {
  readonly orgId: string;
  readonly count: number;
  readonly fen: bigint;
}
export type Admission =
  | { readonly kind: "admitted" }
  | { readonly kind: "replayed" }
  | { readonly kind: "limited"; readonly retryAfterSeconds: number };

/** A code is shown in steps: once to verify, and once to settle, at the terminal where it was verified. */
export type CodeStep = "verify" | "settle";
export interface CodeUse {
  readonly orgId: string;
  readonly outTradeNo: string;
  readonly termId: string;
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
  /** What is to be paid under the number. Every bill is counted, for an outage is noticed after it began. */
  readonly bill?: {
    readonly fen: bigint;
    /** While the link is away: the bills since it was last there, this one included, or it is `offlineTotal`. */
    readonly offline?: { readonly sinceMs: number; readonly totalMaxFen: bigint };
  };
  /** Nothing new is taken, whatever it is; what was taken before is told as ever. */
  readonly halted?: true;
  /** Events, written only when the verdict is `accepted`. */
  readonly records: readonly OutboxRecord[];
}
export type CommitVerdict = "accepted" | "repeated" | "idempotencyConflict" | "clockSkewed" | "codeUsed" | "offlineTotal";

/** What still waits for the bus. */
export interface Outbox {
  /**
   * Of the outbox that the institution's events go into, where there are several; of all without one. `bus` where the
   * outbox knows whether what it sends is taken.
   */
  backlog(orgId?: string): { readonly depth: number; readonly oldestAgeMs: number; readonly bus?: "there" | "away" };
}

/** Proves to the core that an event is this edge's (`core/protocol/event-origin.ts`). */
export interface EventOrigin {
  sign<R extends BusRecord>(record: R): R;
}

/** The core over HTTP. A refusal is the core's own; `coreUnavailable` means that its answer is missing. */
export interface Core {
  resolve(request: ResolveRequest, traceparent?: string): Promise<Result<Extract<ResolveReply, { ok: true }>, ErrorName>>;
  presettle(request: InternalPresettleRequest, traceparent?: string): Promise<Result<PresettledBill, ErrorName>>;
  statement(
    request: InternalStatementRequest,
    traceparent?: string,
  ): Promise<Result<Extract<InternalStatementReply, { ok: true }>, ErrorName>>;
  reachable(): Promise<boolean>;
}

export type PresettledBill = Extract<InternalPresettleReply, { ok: true }>;

/** Outcomes that came back over the bus. */
export interface Results {
  /**
   * The outcome under the caller's number. With `requestHash`, only of that content; without, of the content
   * that the core took first.
   */
  find(orgId: string, outTradeNo: string, requestHash?: string): Promise<SettlementReply | undefined>;
  /** Waits until a final outcome of this content is known, at most `waitMs`. */
  wait(
    awaited: { readonly institution: string; readonly settlementId: string; readonly requestHash: string },
    waitMs: number,
  ): Promise<SettlementReply | undefined>;
  /** False when the consumer died. */
  running(): boolean;
  /** Records on the outcome topics that could not be read, since the start; absent where another object reads them. */
  readonly leftOut?: () => number;
}

/** Signs replies with the platform's key for this edge: raw 64 bytes. */
export interface ReplySigner {
  sign(message: Uint8Array, userId?: string): Promise<Uint8Array> | Uint8Array;
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
export type RequestLog = (line: RequestLine | PageLine) => void;
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
  /** Calls of the second before that were turned away alike and have no line of their own. */
  readonly alike?: number;
  /** Set when the core or the bus was away and the answer shows it. */
  readonly offline?: true;
  /** Of the trace that the call belongs to, once its sender is proven. */
  readonly traceId?: string;
}
/** The line of whatever is no call: pages, health, and addresses that are not there. */
export interface PageLine {
  readonly atMs: number;
  readonly tookMs: number;
  readonly edge: string;
  readonly method: string;
  /** One of the edge's own addresses, or `other`: never what somebody typed. */
  readonly page: string;
  readonly status: number;
}

/** What an operator ought to know and no call shows. */
export type EdgeNotice = { readonly atMs: number; readonly edge: string } & (
  | { readonly notice: "bundle.refused"; readonly reason: string }
  /** This clock less the core's, when it became too much and when it was set. */
  | { readonly notice: "clock.wrong" | "clock.right"; readonly clockSkewMs: number }
);
