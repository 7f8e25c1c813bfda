/**
 * What an edge and the core say to each other over HTTP (`/internal/v1/*`), both ways as JSON signed with
 * HMAC-SM3 under the edge's own key. Nothing here lets an edge open an EHC-ID or see an account.
 */
import * as v from "valibot";
import { PARTNER_DIALECTS } from "./dialects.ts";

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
  dialect: v.picklist(PARTNER_DIALECTS),
  signType: v.picklist(["SM2", "SM3"]),
  encryption: v.picklist(["required", "optional", "none"]),
  terminals: v.array(v.strictObject({ termId: v.string(), latitude: v.number(), longitude: v.number() })),
  ratePerSecond: v.number(),
  rateBurst: v.number(),
});
export type InstitutionSettings = v.InferOutput<typeof institutionSettings>;

/** Everything an edge works with, signed by the platform (`GET /internal/v1/bundle`). */
export const edgeBundle = v.strictObject({
  version: v.number(),
  issuedAtMs: v.number(),
  expiresAtMs: v.number(),
  /** Width of EHCAPPID in codes (S0 5.1; default 9). */
  appIdWidth: v.number(),
  /** Apps whose codes are accepted. */
  appIds: v.array(v.string()),
  /** Hex of the SM2 public keys that sign code tokens, newest first. */
  codeKeys: v.array(hex(65)),
  sealKey: v.strictObject({ handle: v.string(), publicKey: hex(65) }),
  /** Hex of the key for code fingerprints (HMAC-SM3), the same on every edge of a platform. */
  fingerprintKey: v.string(),
  institutions: v.array(institutionSettings),
});
export type EdgeBundle = v.InferOutput<typeof edgeBundle>;

/** The bundle as it travels: the exact signed bytes and the platform's SM2 signature over them. */
export const signedBundle = v.strictObject({ bundle: v.string(), signature: hex(64) });
