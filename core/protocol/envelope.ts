/**
 * The request of S3 A.2, which carries every call of a hospital: read strictly, opened with the partner's agreed
 * settings, and sealed for clients. Readings of what S3 leaves open: domain notes 8.1 rows 5-11 and 27.
 */
import type { Crypto } from "../crypto/port.ts";
import { toHex, utf8 } from "./bytes.ts";
import type { ErrorName } from "./errors.ts";
import {
  isJsonObject,
  JsonNumber,
  jsonObjectOf,
  parseStrictJson,
  toPlainObject,
  type JsonObject,
  type JsonValue,
  type PlainObject,
} from "./json.ts";
import { dataPlaintext, decryptData, encryptData } from "./key-derivation.ts";
import { dataKeyOf, keyedDigest, sm2SignData, verifySignData, type MessageSigner, type PartnerProfile } from "./partner.ts";
import { ok, refused, type Result } from "./result.ts";
import { signedData, signText } from "./sign-text.ts";
import { formatCst14, parseWireTimestamp, TIMESTAMP_WINDOW_MS, type EventMs } from "./time.ts";

export { openReply, sealReply, type OpenedReply, type ReplyToSeal } from "./reply.ts";
export type { MessageSigner, PartnerProfile, SignType } from "./partner.ts";

/** An envelope of the right shape; nothing in it is trusted yet. Texts stand as received: they are what was signed. */
export interface RawEnvelope {
  readonly orgId: string;
  readonly version: string;
  readonly encType: string;
  readonly transType: string;
  readonly signType: string;
  readonly signData: string;
  /** Digits, whether they came as a string or as a number. */
  readonly timestamp: string;
  readonly extra?: JsonObject;
  readonly payload: { readonly kind: "clear"; readonly data: JsonObject } | { readonly kind: "encrypted"; readonly encData: string };
}

export interface OpenedRequest {
  readonly orgId: string;
  readonly transType: string;
  readonly version: string;
  readonly timestampMs: EventMs;
  /** What the signature covers of `data`, types as received: members without value are gone. */
  readonly data: PlainObject;
  readonly encrypted: boolean;
  /** Hex SM3 over orgId, timestamp and signData: the nonce that S3 lacks (domain notes 1.6). */
  readonly replayKey: string;
}

export interface OpenOptions {
  readonly nowMs: number;
  readonly windowMs?: number;
}

/**
 * Characters of top-level values. `&` and `=` would be ambiguous in the sign text (domain notes 1.5); the lengths are
 * S3 A.2's, with transType as in B.1. encType SM2 is a profile we do not offer (8.1 row 7).
 */
const SHAPE = {
  orgId: /^[0-9A-Za-z][0-9A-Za-z._-]{0,39}$/,
  version: /^[0-9A-Za-z.]{1,10}$/,
  encType: /^SM4$/i,
  transType: /^[0-9A-Za-z][0-9A-Za-z._-]{0,39}$/,
  signType: /^SM[23]$/i,
  signData: /^[0-9A-Za-z+/=]{1,100}$/,
} as const;
const ENC_DATA = /^(?:[0-9A-Fa-f]{32})+$/;
const FIELDS: ReadonlySet<string> = new Set([...Object.keys(SHAPE), "timestamp", "extra", "data", "encData"]);

/**
 * Reads the public parameters of S3 A.2. Everything but the right shape is `badRequest`: unknown or missing members,
 * duplicate keys, wrong types, both or neither of `data` and `encData`. (An empty `data` beside `encData` is how
 * several clients say that it was removed, domain notes 1.1, and counts as absent.)
 */
export function readEnvelope(body: string): Result<RawEnvelope, ErrorName> {
  const parsed = parseStrictJson(body);
  if (!parsed.ok) return refused(parsed.error === "tooLarge" ? "bodyTooLarge" : "badRequest");
  const message = parsed.value;
  if (!isJsonObject(message) || !Object.keys(message).every((key) => FIELDS.has(key))) return refused("badRequest");
  const orgId = shaped(message, "orgId");
  const version = shaped(message, "version");
  const encType = shaped(message, "encType");
  const transType = shaped(message, "transType");
  const signType = shaped(message, "signType");
  const signData = shaped(message, "signData");
  const timestamp = digitsOf(message["timestamp"]);
  const payload = payloadOf(message["data"], message["encData"]);
  const extra = message["extra"];
  if (
    orgId === undefined ||
    version === undefined ||
    encType === undefined ||
    transType === undefined ||
    signType === undefined ||
    signData === undefined ||
    timestamp === undefined ||
    payload === undefined ||
    !(extra === undefined || isJsonObject(extra))
  ) {
    return refused("badRequest");
  }
  const raw = { orgId, version, encType, transType, signType, signData, timestamp, payload };
  return ok(extra === undefined ? raw : { ...raw, extra });
}

/** The names of what {@link readEnvelope} refuses in an object; for its maker, who has it before him. */
export function envelopeFaults(message: JsonObject): readonly string[] {
  const shapes = Object.keys(SHAPE).filter((field): field is keyof typeof SHAPE => Object.hasOwn(SHAPE, field));
  const { extra } = message;
  return [
    ...Object.keys(message).flatMap((name) =>
      FIELDS.has(name) ? [] : [`unknown member ${/^[0-9A-Za-z_]{1,40}$/.test(name) ? name : "(its name is no name)"}`],
    ),
    ...shapes.flatMap((field) =>
      message[field] === undefined ? [`${field} is missing`] : shaped(message, field) === undefined ? [`${field} has the wrong form`] : [],
    ),
    ...(digitsOf(message["timestamp"]) === undefined ? ["timestamp is not 14 digits (UTC+8), nor 10 or 13 of an epoch"] : []),
    ...(payloadOf(message["data"], message["encData"]) === undefined
      ? ["one of data (an object) and encData (hex, whole blocks of 16 bytes) is meant"]
      : []),
    ...(extra === undefined || isJsonObject(extra) ? [] : ["extra is no object"]),
  ];
}

function shaped(message: JsonObject, field: keyof typeof SHAPE): string | undefined {
  const value = message[field];
  return typeof value === "string" && SHAPE[field].test(value) ? value : undefined;
}

function digitsOf(value: JsonValue | undefined): string | undefined {
  const digits = value instanceof JsonNumber ? value.lexeme : value;
  return typeof digits === "string" && parseWireTimestamp(digits) !== undefined ? digits : undefined;
}

function payloadOf(data: JsonValue | undefined, encData: JsonValue | undefined): RawEnvelope["payload"] | undefined {
  if (!(data === undefined || isJsonObject(data))) return undefined;
  if (encData === undefined) return data === undefined ? undefined : { kind: "clear", data };
  if (typeof encData !== "string" || !ENC_DATA.test(encData)) return undefined;
  return data === undefined || Object.keys(data).length === 0 ? { kind: "encrypted", encData } : undefined;
}

/**
 * Opens a request under the partner's present settings, or under those before while a new secret is being introduced.
 * The reply is sealed with what the request was sealed with.
 */
export function openEnvelopeOfAny(
  crypto: Crypto,
  raw: RawEnvelope,
  partners: { readonly present: PartnerProfile; readonly former: PartnerProfile | undefined },
  options: OpenOptions,
): { readonly opened: Result<OpenedRequest, ErrorName>; readonly partner: PartnerProfile } {
  const { present, former } = partners;
  const opened = openEnvelope(crypto, raw, present, options);
  if (opened.ok || opened.error !== "unauthorised" || former === undefined) return { opened, partner: present };
  const again = openEnvelope(crypto, raw, former, options);
  return again.ok ? { opened: again, partner: former } : { opened, partner: present };
}

/**
 * Opens a request of a known partner. In order: `timestampOutside`; `badRequest` for a payload that is clear where
 * encryption is required, or encrypted where none is agreed; `unauthorised` for everything about keys and signatures,
 * one answer for a ciphertext that does not open and a signature that does not verify, so that neither is an oracle;
 * `badRequest` when the `orgId` inside differs from the one outside (8.1 row 10).
 * That `raw.orgId` is this partner's is the caller's look-up.
 */
export function openEnvelope(
  crypto: Crypto,
  raw: RawEnvelope,
  partner: PartnerProfile,
  options: OpenOptions,
): Result<OpenedRequest, ErrorName> {
  const timestampMs = parseWireTimestamp(raw.timestamp);
  if (timestampMs === undefined) return refused("badRequest");
  if (!(Math.abs(options.nowMs - timestampMs) <= (options.windowMs ?? TIMESTAMP_WINDOW_MS))) return refused("timestampOutside");
  const { payload } = raw;
  if (payload.kind === "clear" ? partner.encryption === "required" : partner.encryption === "none") return refused("badRequest");
  if (raw.signType.toUpperCase() !== partner.signType) return refused("unauthorised");
  const data = payload.kind === "clear" ? payload.data : decryptData(crypto, dataKeyOf(crypto, partner), payload.encData);
  if (data === undefined) return refused("unauthorised");
  const text = signText(requestMessage(raw, data), partner.dialect, partner.appSecret);
  if (text === undefined || !verifySignData(crypto, partner, text, raw.signData)) return refused("unauthorised");
  const signed = signedData(data, partner.dialect);
  if (Object.hasOwn(signed, "orgId") && signed["orgId"] !== raw.orgId) return refused("badRequest");
  return ok({
    orgId: raw.orgId,
    transType: raw.transType,
    version: raw.version,
    timestampMs,
    data: toPlainObject(signed),
    encrypted: payload.kind === "encrypted",
    replayKey: toHex(crypto.sm3(utf8(`${raw.orgId}\n${raw.timestamp}\n${raw.signData}`))),
  });
}

type SignedFields = Pick<RawEnvelope, "orgId" | "version" | "encType" | "transType" | "signType" | "timestamp">;

function requestMessage(fields: SignedFields, data: JsonObject): JsonObject {
  const { orgId, version, encType, transType, signType, timestamp } = fields;
  return { orgId, version, encType, transType, signType, timestamp, data };
}

export interface RequestToSeal {
  readonly orgId: string;
  readonly transType: string;
  readonly version: string;
  readonly data: object;
  readonly timestampMs: EventMs;
  readonly extra?: object;
}

/**
 * A request as a client sends it: signed in the clear, then encrypted unless `partner.encryption` is `none`.
 * A keyed digest is the same for the same request, so under SM3 the timestamp carries milliseconds; otherwise a
 * repeated poll within one second would look like a replay.
 */
export async function sealRequest(crypto: Crypto, request: RequestToSeal, partner: PartnerProfile, sign: MessageSigner): Promise<string> {
  const data = jsonObjectOf(request.data);
  const fields = {
    orgId: request.orgId,
    version: request.version,
    encType: "SM4",
    transType: request.transType,
    signType: partner.signType,
    timestamp: partner.signType === "SM3" ? String(request.timestampMs) : formatCst14(request.timestampMs),
  };
  const text = signText(requestMessage(fields, data), partner.dialect, partner.appSecret);
  if (text === undefined) throw new RangeError("two keys of data differ only in case, which this dialect cannot sign");
  const signData = partner.signType === "SM3" ? keyedDigest(crypto, text) : await sm2SignData(text, partner.dialect, sign);
  const payload =
    partner.encryption === "none"
      ? { data: request.data }
      : { encData: encryptData(crypto, dataKeyOf(crypto, partner), dataPlaintext(data, request.data, partner.dialect)) };
  return JSON.stringify({ ...fields, signData, ...(request.extra === undefined ? {} : { extra: request.extra }), ...payload });
}
