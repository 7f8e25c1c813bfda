/**
 * What an edge and the core say to each other over HTTP (`/internal/v1/*`), both ways as JSON signed with
 * HMAC-SM3 under the edge's own key. Nothing here lets an edge open an EHC-ID or see an account.
 */
import * as v from "valibot";
import { partnerDialect } from "./dialects.ts";
import { feeLines } from "./fee-lines.ts";
import { SPLIT_FIELDS } from "./operations.ts";

const hex = (bytes: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`)));

/**
 * A code or ecToken encrypted by the edge for the core alone: an SM4 data key wrapped under the core's SM2 key
 * and renewed from time to time, so that neither a topic nor a stolen outbox shows a usable code.
 */
export const sealedCredential = v.strictObject({
  kind: v.picklist(["code", "ecToken"]),
  /** Handle of the core's SM2 key, for example `edge.seal/1`. */
  keyHandle: v.string(),
  /** Base64 of SM2 ciphertext (C1C3C2) of the 32-byte data key. */
  wrappedKey: v.string(),
  /** Base64 of `Crypto.seal(dataKey, credential, aad = institution ‖ 0x0a ‖ outTradeNo)`. */
  sealed: v.string(),
});
export type SealedCredential = v.InferOutput<typeof sealedCredential>;

/** `POST /internal/v1/resolve`: consume a code, say who it is. Idempotent by `transactionId`. */
export const resolveRequest = v.strictObject({
  institution: v.string(),
  terminal: v.string(),
  businessType: v.string(),
  /** `<institution>/<outTradeNo>`. */
  transactionId: v.string(),
  outTradeNo: v.string(),
  credential: sealedCredential,
  /** Whole milliseconds: it becomes an instant of the record, of an event and of an ecToken's end. */
  observedAtMs: v.pipe(v.number(), v.safeInteger()),
});
export type ResolveRequest = v.InferOutput<typeof resolveRequest>;

export const resolveReply = v.variant("ok", [
  v.strictObject({
    ok: v.literal(true),
    userName: v.string(),
    idType: v.string(),
    idNo: v.string(),
    ecToken: v.string(),
    ecTokenExpiresMs: v.number(),
    insuOrg: v.string(),
  }),
  v.strictObject({ ok: v.literal(false), error: v.string() }),
]);
export type ResolveReply = v.InferOutput<typeof resolveReply>;

const yuan = v.pipe(v.string(), v.regex(/^\d+\.\d{2}$/));
const signedYuan = v.pipe(v.string(), v.regex(/^-?\d+\.\d{2}$/));
const leg = v.strictObject({ rail: v.string(), fundSource: v.string(), amount: yuan });
const refusal = v.strictObject({ ok: v.literal(false), error: v.string() });

const splitEntries = Object.fromEntries(SPLIT_FIELDS.map((field) => [field, yuan])) as Record<(typeof SPLIT_FIELDS)[number], typeof yuan>;

/** `POST /internal/v1/presettle`: what a bill would cost whom. Consumes a code as `resolve` does; holds nothing. */
export const presettleRequest = v.strictObject({
  ...resolveRequest.entries,
  amount: yuan,
  medType: v.optional(v.string()),
  feeLines: v.optional(feeLines),
});
export type InternalPresettleRequest = v.InferOutput<typeof presettleRequest>;
export const presettleReply = v.variant("ok", [
  v.strictObject({
    ok: v.literal(true),
    ecToken: v.string(),
    ecTokenExpiresMs: v.number(),
    insuOrg: v.string(),
    split: v.strictObject(splitEntries),
    legs: v.array(leg),
    balc: v.optional(yuan),
  }),
  refusal,
]);
export type InternalPresettleReply = v.InferOutput<typeof presettleReply>;

/** `POST /internal/v1/statement`: a page of an institution's own money. */
export const statementRequest = v.strictObject({
  institution: v.string(),
  period: v.string(),
  cursor: v.optional(v.string()),
  limit: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100)),
});
export type InternalStatementRequest = v.InferOutput<typeof statementRequest>;
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const statementReply = v.variant("ok", [
  v.strictObject({
    ok: v.literal(true),
    closed: v.boolean(),
    totals: v.strictObject({
      settlements: count,
      settled: signedYuan,
      refunds: count,
      refunded: yuan,
      sources: v.array(v.strictObject({ rail: v.string(), fundSource: v.string(), settled: signedYuan, refunded: yuan })),
    }),
    rows: v.array(
      v.strictObject({
        kind: v.picklist(["settlement", "refund", "kept", "supplement"]),
        movement: v.exactOptional(v.picklist(["payment", "refund", "reversal"])),
        outTradeNo: v.exactOptional(v.string()),
        settlementId: v.exactOptional(v.string()),
        originalSettlementId: v.exactOptional(v.string()),
        day: v.string(),
        atMs: v.number(),
        late: v.boolean(),
        amount: yuan,
        legs: v.array(leg),
      }),
    ),
    next: v.optional(v.string()),
  }),
  refusal,
]);
export type InternalStatementReply = v.InferOutput<typeof statementReply>;
/** To an edge that is proven and whose clock is outside the window: what the core's says. */
export const clockRefusal = v.strictObject({
  ok: v.literal(false),
  error: v.literal("timestampOutside"),
  coreAtMs: v.pipe(v.number(), v.safeInteger()),
});
/** Fen as a digit string: JSON has no integer of this size. */
const fen = v.pipe(v.string(), v.regex(/^(?:0|[1-9]\d{0,15})$/));
const duration = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** What an edge may take for an institution while the core or the bus is away: a risk that somebody has to set a bound to. */
export const offlineAllowance = v.strictObject({
  /** One bill, at most. */
  amountMaxFen: fen,
  /** All bills taken since the link was last there, together. */
  totalMaxFen: fen,
  /** How long after the link was lost settlements are still taken. */
  forMs: duration,
  /** How old an acceptance may be when it reaches the core; later it is refused (`offlineTooOld`). */
  ageMaxMs: duration,
});
export type OfflineAllowance = v.InferOutput<typeof offlineAllowance>;

/** A hospital or pharmacy as its edge must know it. */
export const institutionSettings = v.strictObject({
  orgId: v.string(),
  name: v.string(),
  status: v.picklist(["active", "suspended"]),
  kind: v.picklist(["hospital", "pharmacy", "app"]),
  /** Hex of the partner's SM2 public keys, newest first; any of them verifies. */
  publicKeys: v.array(hex(65)),
  /** Envelope secrets of S3 D.2. */
  appId: v.string(),
  appSecret: v.string(),
  dialect: partnerDialect,
  signType: v.picklist(["SM2", "SM3"]),
  encryption: v.picklist(["required", "optional", "none"]),
  /** The secret before the present one, while its overlap lasts: both ends need not change it at the same instant. */
  formerSecret: v.optional(v.strictObject({ appSecret: v.string(), untilMs: v.number() })),
  terminals: v.array(v.strictObject({ termId: v.string(), latitude: v.number(), longitude: v.number() })),
  /** Terminals of the list above that are suspended. */
  suspendedTerminals: v.array(v.string()),
  offline: offlineAllowance,
  ratePerSecond: v.number(),
  rateBurst: v.number(),
});
export type InstitutionSettings = v.InferOutput<typeof institutionSettings>;

/** Everything an edge works with, signed by the platform (`GET /internal/v1/bundle`). */
export const edgeBundle = v.strictObject({
  /** For whom: the bundle of one edge is of no use to another. */
  edgeId: v.string(),
  /** A suspended edge is given nothing but this word, so that it stops by itself. */
  status: v.picklist(["active", "suspended"]),
  /** Grows with every bundle; an edge never goes back. */
  version: v.number(),
  issuedAtMs: v.number(),
  expiresAtMs: v.number(),
  /** Width of EHCAPPID in codes (S0 5.1; default 9). */
  appIdWidth: v.number(),
  /** Hex of the SM2 public keys that may sign the next bundles, newest first: how the signing key is replaced. */
  bundleKeys: v.pipe(v.array(hex(65)), v.minLength(1), v.maxLength(8)),
  /** Apps whose codes are accepted. */
  appIds: v.array(v.string()),
  /** Apps that were accepted once and are suspended. */
  suspendedAppIds: v.array(v.string()),
  /** Fingerprints of codes that their app took back before they ended. */
  revokedCodes: v.array(hex(32)),
  /** Hex of the SM2 public keys that sign code tokens, newest first. */
  codeKeys: v.array(hex(65)),
  sealKey: v.strictObject({ handle: v.string(), publicKey: hex(65) }),
  /** Hex of the key for code fingerprints (HMAC-SM3), the same on every edge of a platform; empty for a suspended edge. */
  fingerprintKey: v.union([hex(32), v.literal("")]),
  institutions: v.array(institutionSettings),
});
export type EdgeBundle = v.InferOutput<typeof edgeBundle>;

/** The bundle as it travels: the exact signed bytes and the platform's SM2 signature over them. */
export const signedBundle = v.strictObject({ bundle: v.string(), signature: hex(64) });
