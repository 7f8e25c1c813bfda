/**
 * The reply of S3 A.3, completed by what A.1.2 demands and the table forgets: `signData`, `encData`, `message`
 * (domain notes 8.1 rows 1, 8, 9). Every reply is signed, errors too: an attacker who can forge "failed" can make a
 * hospital pay twice. S3 binds no reply to its request; callers compare the business number inside `data`.
 */
import type { Crypto } from "../crypto/port.ts";
import type { PartnerDialect } from "./dialects.ts";
import { ERRORS, type ErrorName } from "./errors.ts";
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
import {
  dataKeyOf,
  keyedDigest,
  sm2SignData,
  verifySignData,
  verifySm2SignData,
  type MessageSigner,
  type PartnerProfile,
} from "./partner.ts";
import { ok, refused, type Result } from "./result.ts";
import { signedData, signText } from "./sign-text.ts";
import { formatCst14, parseWireTimestamp, TIMESTAMP_WINDOW_MS, type EventMs } from "./time.ts";

/** The dialect of replies to callers whom we do not know. */
const UNKNOWN_CALLER: PartnerDialect = "standard";

export interface ReplyToSeal {
  /** Empty when the caller's was not readable: errors echo nothing. */
  readonly orgId: string;
  readonly error: ErrorName;
  /** Only of a success; an error carries `{}`, or `field`. */
  readonly data?: object;
  /** Of an error, to a proven sender: the name of the field that is wrong. */
  readonly field?: string | undefined;
  /** Instead of the error table's text; without `&`, `=` and control characters. */
  readonly message?: string;
}

/**
 * Seals a reply. A caller whom we do not know (`partner` undefined) shares no secret with us, so its reply is signed
 * with SM2 in the standard dialect over a sign text ending in `&key=` with an empty secret: our signature still shows
 * that the refusal is ours. Errors are never encrypted; there is nothing in them to hide.
 */
export async function sealReply(
  crypto: Crypto,
  reply: ReplyToSeal,
  partner: PartnerProfile | undefined,
  sign: MessageSigner,
  nowMs: EventMs,
  encrypted: boolean,
): Promise<string> {
  const success = reply.error === "ok";
  const source = success ? (reply.data ?? {}) : reply.field === undefined ? {} : { field: reply.field };
  const data = jsonObjectOf(source);
  const signType = partner?.signType ?? "SM2";
  const dialect = partner?.dialect ?? UNKNOWN_CALLER;
  const { code, message: standardMessage } = ERRORS[reply.error];
  const message = reply.message ?? standardMessage;
  if (!isUnambiguous(message)) throw new RangeError("a reply's message would be ambiguous in the sign text");
  const fields = { orgId: reply.orgId, code, message, encType: "SM4", signType, success, timestamp: formatCst14(nowMs) };
  const text = signText({ ...fields, data }, dialect, partner?.appSecret ?? "");
  if (text === undefined) throw new RangeError("two keys of data differ only in case, which this dialect cannot sign");
  const signData = signType === "SM3" ? keyedDigest(crypto, text) : await sm2SignData(text, dialect, sign);
  const payload =
    success && encrypted && partner !== undefined
      ? { encData: encryptData(crypto, dataKeyOf(crypto, partner), dataPlaintext(data, source, dialect)) }
      : { data: source };
  return JSON.stringify({ ...fields, signData, ...payload });
}

export interface OpenedReply {
  readonly orgId: string;
  /** `"0"` on success, else a code of S3 C.4 or of our extension range. */
  readonly code: string;
  readonly success: boolean;
  readonly message: string;
  readonly timestampMs: EventMs;
  /** What the signature covers of `data`. */
  readonly data: PlainObject;
}

const FIELDS: ReadonlySet<string> = new Set([
  "orgId",
  "code",
  "message",
  "data",
  "encData",
  "encType",
  "signType",
  "signData",
  "success",
  "timestamp",
  "extra",
]);
const SIGNED_TEXTS = ["orgId", "message", "encType", "signType"] as const;
/** `&` and `=` are not escaped in the sign text: between two values they would be ambiguous. */
const AMBIGUOUS = /[&=\p{Cc}]/u;
/** What is taken as success: S3 writes it in three ways (8.1 row 1); nothing else is. */
const SUCCESS_CODES: ReadonlySet<string> = new Set(["0", "0000"]);

/**
 * Verifies and opens a reply of the platform (`partner.publicKeys` are the platform's). `badRequest`: not the shape of
 * S3 A.3, or code and success contradict each other. `unauthorised`: unsigned, badly signed, or not to be opened;
 * then the outcome of the call is unknown. `timestampOutside`: an old reply.
 * A refusal signed for an unknown caller (empty secret) is accepted, but only with the platform's SM2 signature.
 */
export function openReply(
  crypto: Crypto,
  body: string,
  partner: PartnerProfile,
  options: { readonly nowMs: number; readonly windowMs?: number },
): Result<OpenedReply, ErrorName> {
  const parsed = parseStrictJson(body);
  if (!parsed.ok || !isJsonObject(parsed.value)) return refused("badRequest");
  const message = parsed.value;
  if (!Object.keys(message).every((key) => FIELDS.has(key))) return refused("badRequest");
  if (!SIGNED_TEXTS.every((key) => isUnambiguous(message[key]))) return refused("badRequest");
  const outcome = outcomeOf(message);
  const timestampMs = parseWireTimestamp(lexemeOf(message, "timestamp") ?? "");
  if (outcome === undefined || timestampMs === undefined) return refused("badRequest");
  const data = dataOf(crypto, message, partner);
  const signData = message["signData"];
  if (data === undefined || typeof signData !== "string") return refused("unauthorised");
  const signer = verifiedDialect(crypto, { ...message, data }, signData, partner, outcome.success);
  if (signer === undefined) return refused("unauthorised");
  if (!(Math.abs(options.nowMs - timestampMs) <= (options.windowMs ?? TIMESTAMP_WINDOW_MS))) return refused("timestampOutside");
  return ok({
    ...outcome,
    orgId: textOf(message, "orgId"),
    message: textOf(message, "message"),
    timestampMs,
    data: toPlainObject(signedData(data, signer)),
  });
}

function isUnambiguous(value: JsonValue | undefined): boolean {
  return value === undefined || (typeof value === "string" && !AMBIGUOUS.test(value));
}

function lexemeOf(message: JsonObject, key: string): string | undefined {
  const value = message[key];
  if (value instanceof JsonNumber) return value.lexeme;
  return typeof value === "string" ? value : undefined;
}

function textOf(message: JsonObject, key: "orgId" | "message"): string {
  const value = message[key];
  return typeof value === "string" ? value : "";
}

/** `code` may be a number, `success` may be text (8.1 rows 1 and 9); they must not contradict each other. */
function outcomeOf(message: JsonObject): { readonly code: string; readonly success: boolean } | undefined {
  const code = lexemeOf(message, "code");
  if (code === undefined || !/^(?:-?[0-9]{1,10})$/.test(code)) return undefined;
  const success = SUCCESS_CODES.has(code);
  const told = message["success"];
  if (told !== undefined && told !== success && told !== String(success)) return undefined;
  return { code: success ? "0" : code, success };
}

/** The clear `data`; `undefined` when it is missing or does not open. */
function dataOf(crypto: Crypto, message: JsonObject, partner: PartnerProfile): JsonObject | undefined {
  const { data, encData } = message;
  if (encData === undefined) return isJsonObject(data) ? data : undefined;
  if (typeof encData !== "string" || partner.encryption === "none") return undefined;
  if (!(data === undefined || (isJsonObject(data) && Object.keys(data).length === 0))) return undefined;
  return decryptData(crypto, dataKeyOf(crypto, partner), encData);
}

/** The dialect under which the signature verifies. */
function verifiedDialect(
  crypto: Crypto,
  message: JsonObject,
  signData: string,
  partner: PartnerProfile,
  success: boolean,
): PartnerDialect | undefined {
  const signType = message["signType"];
  const named = typeof signType === "string" ? signType.toUpperCase() : undefined;
  if (named === partner.signType) {
    const text = signText(message, partner.dialect, partner.appSecret);
    if (text !== undefined && verifySignData(crypto, partner, text, signData)) return partner.dialect;
  }
  if (success || named !== "SM2") return undefined;
  const text = signText(message, UNKNOWN_CALLER, "");
  const platform: PartnerProfile = { ...partner, dialect: UNKNOWN_CALLER };
  return text !== undefined && verifySm2SignData(crypto, platform, text, signData) ? UNKNOWN_CALLER : undefined;
}
