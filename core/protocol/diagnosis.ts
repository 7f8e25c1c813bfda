/**
 * Why a request does not verify, for whoever made it: the steps of its reader one by one, and at the signature every
 * way in which clients are known to differ. Offline, with the maker's own keys; an edge never says so much. What it
 * says holds no secret and no value of the message, only names, lengths, digests and settings.
 */
import type { Crypto } from "../crypto/port.ts";
import { fromBase64, toHex, utf8, utf8Text } from "./bytes.ts";
import { type DialectSettings, dialectOf, settingsOf } from "./dialects.ts";
import { envelopeFaults, readEnvelope, type RawEnvelope } from "./envelope.ts";
import { isJsonObject, parseStrictJson, type JsonObject } from "./json.ts";
import { decryptData, deriveDataKey } from "./key-derivation.ts";
import { type PartnerProfile, verifySignData } from "./partner.ts";
import { signText } from "./sign-text.ts";
import { parseWireTimestamp, TIMESTAMP_WINDOW_MS } from "./time.ts";

export type DiagnosisStep = "encoding" | "json" | "fields" | "timestamp" | "agreement" | "encData" | "signatureForm" | "signature";

export interface Finding {
  readonly step: DiagnosisStep;
  readonly ok: boolean;
  readonly says: string;
}

export interface Diagnosis {
  /** Whether an edge that has these settings would take the signature; the clock aside. */
  readonly verifies: boolean;
  /** In the order in which a reader looks; those after the first that fails are left out where they depend on it. */
  readonly findings: readonly Finding[];
  /** Settings under which the signature does verify, where they are not those agreed. */
  readonly differs?: Partial<DialectSettings> | undefined;
  /** Of the text that should have been signed, in UTF-8. */
  readonly signText?: { readonly bytes: number; readonly sm3: string };
}

export interface Question {
  readonly body: Uint8Array;
  readonly partner: PartnerProfile;
  readonly nowMs: number;
  /** The text that the maker signed, to be compared with the one that should have been. */
  readonly ownSignText?: string | undefined;
}

export function diagnose(crypto: Crypto, { body, partner, nowMs, ownSignText }: Question): Diagnosis {
  const findings: Finding[] = [];
  const end = (step: DiagnosisStep, says: string): Diagnosis => ({ verifies: false, findings: [...findings, { step, ok: false, says }] });
  const pass = (step: DiagnosisStep, says: string): void => void findings.push({ step, ok: true, says });

  const text = utf8Text(body);
  if (text === undefined) return end("encoding", "the bytes are not UTF-8; GBK is the usual reason");
  if (text.startsWith("\ufeff")) return end("encoding", "a byte order mark stands before the JSON");
  pass("encoding", "UTF-8");
  const json = parseStrictJson(text);
  if (!json.ok) return end("json", JSON_DEFECTS[json.error]);
  pass("json", "strict JSON");
  const raw = readEnvelope(text);
  if (!raw.ok) return end("fields", isJsonObject(json.value) ? envelopeFaults(json.value).join("; ") : "the body is no JSON object");
  pass("fields", "the members of S3 A.2");

  findings.push(timestampFinding(raw.value, nowMs));
  const disagreement = disagreementOf(raw.value, partner);
  if (disagreement !== undefined) return end("agreement", disagreement);
  pass("agreement", `signType ${partner.signType}, encryption ${partner.encryption}`);

  const data = openData(crypto, raw.value, partner);
  if (typeof data === "string") return end("encData", data);
  if (raw.value.payload.kind === "encrypted") pass("encData", "opens under the agreed key");
  const form = formFault(raw.value.signData, partner);
  if (form !== undefined) return end("signatureForm", form);
  pass("signatureForm", partner.signType === "SM3" ? "64 upper-case hex digits" : `Base64 of ${formOf(partner)}`);

  return signatureOf(crypto, { raw: raw.value, data, partner, ownSignText }, findings);
}

const JSON_DEFECTS = {
  syntax: "not JSON: look for a trailing comma, a missing quote, or text around the object",
  duplicateKey: "a key stands twice in one object",
  reservedKey: "a key that no message may have, such as __proto__",
  loneSurrogate: "half of a surrogate pair, as when a text was cut between two UTF-16 units",
  tooDeep: "nested too deep",
  tooLarge: "larger than any request may be",
} as const;

function timestampFinding(raw: RawEnvelope, nowMs: number): Finding {
  const atMs = parseWireTimestamp(raw.timestamp) ?? 0;
  const seconds = Math.round((nowMs - atMs) / 1000);
  const ok = Math.abs(nowMs - atMs) <= TIMESTAMP_WINDOW_MS;
  const says = `${Math.abs(seconds)} s ${seconds >= 0 ? "before" : "after"} now`;
  const zone = Math.abs(Math.abs(seconds) - 8 * 3600) <= 600 ? "; eight hours are UTC written for UTC+8, or the reverse" : "";
  return { step: "timestamp", ok, says: ok ? says : `${says}; sent now, it would be refused with 600002${zone}` };
}

function disagreementOf(raw: RawEnvelope, partner: PartnerProfile): string | undefined {
  const { kind } = raw.payload;
  if (kind === "clear" && partner.encryption === "required") return "data is clear, and encryption is agreed";
  if (kind === "encrypted" && partner.encryption === "none") return "data is encrypted, and no encryption is agreed";
  const signType = raw.signType.toUpperCase();
  return signType === partner.signType ? undefined : `signType ${signType}, and ${partner.signType} is agreed`;
}

function openData(crypto: Crypto, raw: RawEnvelope, partner: PartnerProfile): JsonObject | string {
  if (raw.payload.kind === "clear") return raw.payload.data;
  const { encData } = raw.payload;
  const agreed = settingsOf(partner.dialect);
  const under = (dataKey: DialectSettings["dataKey"]): JsonObject | undefined => {
    const { appId, appSecret } = partner;
    return decryptData(crypto, deriveDataKey(crypto, { appId, appSecret, dialect: dialectOf({ ...agreed, dataKey }) }), encData);
  };
  const data = under(agreed.dataKey);
  if (data !== undefined) return data;
  const other = agreed.dataKey === "hex" ? "base64" : "hex";
  if (under(other) !== undefined) return `encData opens under a key taken from ${other}; ${agreed.dataKey} is agreed (dataKey)`;
  return "encData does not open: another appId or appSecret, the key decoded from hex instead of used as ASCII, CBC instead of ECB, or no PKCS#7 padding";
}

function formOf(partner: PartnerProfile): string {
  return settingsOf(partner.dialect).signatureForm === "der" ? "an ASN.1 sequence (DER)" : "r‖s, 64 bytes";
}

function formFault(signData: string, partner: PartnerProfile): string | undefined {
  if (partner.signType === "SM3") {
    if (/^[0-9A-F]{64}$/.test(signData)) return undefined;
    return /^[0-9A-Fa-f]{64}$/.test(signData)
      ? "the digest is in lower case; upper case is meant"
      : "signData is not the 64 hex digits of an SM3 digest";
  }
  const bytes = fromBase64(signData);
  if (bytes === undefined)
    return /^[0-9A-Fa-f]+$/.test(signData) ? "signData is hex; Base64 is meant" : "signData is not Base64 with its padding";
  const isRaw = bytes.length === 64;
  const isDer = !isRaw && bytes[0] === 0x30;
  const { signatureForm } = settingsOf(partner.dialect);
  if (signatureForm === "raw" && !isRaw)
    return isDer ? "signData is DER; r‖s of 64 bytes is agreed (signatureForm)" : `signData has ${bytes.length} bytes; r‖s has 64`;
  return signatureForm === "der" && !isDer ? "signData is not DER, which is agreed (signatureForm)" : undefined;
}

interface Signed {
  readonly raw: RawEnvelope;
  readonly data: JsonObject;
  readonly partner: PartnerProfile;
  readonly ownSignText: string | undefined;
}

function signatureOf(crypto: Crypto, signed: Signed, findings: readonly Finding[]): Diagnosis {
  const { partner, ownSignText } = signed;
  const agreed = settingsOf(partner.dialect);
  const wanted = textUnder(signed, agreed);
  const about = wanted === undefined ? {} : { signText: { bytes: utf8(wanted).length, sm3: toHex(crypto.sm3(utf8(wanted))) } };
  const answer = (ok: boolean, says: string, differs?: Partial<DialectSettings>): Diagnosis => ({
    verifies: ok,
    findings: [...findings, { step: "signature", ok, says }],
    ...(differs === undefined ? {} : { differs }),
    ...about,
  });
  if (wanted !== undefined && verifySignData(crypto, partner, wanted, signed.raw.signData)) return answer(true, "verifies");
  const differs = otherSettings(crypto, signed, agreed);
  if (differs !== undefined) {
    const named = Object.entries(differs).map(
      ([name, value]) => `${name} ${String(value)} (agreed: ${String(agreed[name as keyof DialectSettings])})`,
    );
    return answer(false, `verifies with ${named.join(", ")}`, differs);
  }
  const mistake = MISTAKES.find(({ text }) => {
    const made = wanted === undefined ? undefined : text(wanted, partner.appSecret);
    return made !== undefined && verifySignData(crypto, partner, made, signed.raw.signData);
  });
  if (mistake !== undefined) return answer(false, mistake.says);
  if (ownSignText !== undefined && wanted !== undefined)
    return answer(
      false,
      ownSignText === wanted ? "the sign texts are equal: another key, or another user id" : whereTheyPart(ownSignText, wanted),
    );
  if (wanted === undefined) return answer(false, "two keys of data differ only in case, which this dialect cannot sign");
  return answer(
    false,
    "verifies under no known reading: another private key or appSecret, or a field changed after signing; give your own sign text to see where it differs",
  );
}

function textUnder({ raw, data, partner }: Signed, settings: DialectSettings): string | undefined {
  const { orgId, version, encType, transType, signType, timestamp } = raw;
  return signText({ orgId, version, encType, transType, signType, timestamp, data }, dialectOf(settings), partner.appSecret);
}

/** The fewest settings to change until the signature verifies; `undefined` when no combination does. */
function otherSettings(crypto: Crypto, signed: Signed, agreed: DialectSettings): Partial<DialectSettings> | undefined {
  const tried = alternatives(signed, agreed).sort((a, b) => Object.keys(a).length - Object.keys(b).length);
  return tried.find((changes) => {
    const settings = { ...agreed, ...changes };
    const text = textUnder(signed, settings);
    return text !== undefined && verifySignData(crypto, { ...signed.partner, dialect: dialectOf(settings) }, text, signed.raw.signData);
  });
}

function alternatives({ raw, partner }: Signed, agreed: DialectSettings): Partial<DialectSettings>[] {
  const userIds = partner.signType === "SM3" ? [] : ["1234567812345678", raw.orgId, partner.appId, partner.appSecret, "ALICE123@YAHOO.COM"];
  const choices: readonly (readonly Partial<DialectSettings>[])[] = [
    [{ keyOrder: "ordinal" }, { keyOrder: "caseInsensitive" }],
    [{ sortDepth: "every" }, { sortDepth: "level1" }],
    [{ scalars: "quoted" }, { scalars: "kept" }],
    [{ emptyString: "dropped" }, { emptyString: "kept" }],
    [{ emptyObject: "kept" }, { emptyObject: "dropped" }],
    [{ userId: agreed.userId }, ...userIds.filter((id) => /^[\x21-\x7e]{1,64}$/.test(id)).map((userId) => ({ userId }))],
  ];
  let made: Partial<DialectSettings>[] = [{}];
  for (const choice of choices) made = made.flatMap((one) => choice.map((more) => ({ ...one, ...changed(more, agreed) })));
  return made.filter((changes) => Object.keys(changes).length > 0);
}

function changed(more: Partial<DialectSettings>, agreed: DialectSettings): Partial<DialectSettings> {
  return Object.entries(more).every(([name, value]) => agreed[name as keyof DialectSettings] === value) ? {} : more;
}

/** Slips that no setting stands for: what was signed instead of the text. */
const MISTAKES: readonly { readonly says: string; readonly text: (wanted: string, secret: string) => string | undefined }[] = [
  { says: "signed without `&key=` and the secret at the end", text: (wanted, secret) => wanted.slice(0, -`&key=${secret}`.length) },
  { says: "the secret follows without `&key=`", text: (wanted, secret) => wanted.slice(0, -`&key=${secret}`.length) + secret },
  {
    says: "the secret follows without `&` before `key=`",
    text: (wanted, secret) => `${wanted.slice(0, -`&key=${secret}`.length)}key=${secret}`,
  },
  {
    says: "`&appSecret=` stands where `&key=` is meant",
    text: (wanted, secret) => `${wanted.slice(0, -`&key=${secret}`.length)}&appSecret=${secret}`,
  },
  {
    says: "Chinese is escaped as \\uXXXX in the sign text",
    text: (wanted) => wanted.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
  },
  { says: "slashes are escaped as \\/ in the sign text", text: (wanted) => wanted.replaceAll("/", "\\/") },
  { says: "a line end stands after the sign text", text: (wanted) => `${wanted}\n` },
];

/** Where two sign texts part, without repeating either: the secret may stand there, and a person's data. */
function whereTheyPart(own: string, wanted: string): string {
  let at = 0;
  while (at < own.length && own[at] === wanted[at]) at += 1;
  const names = [...wanted.slice(0, at).matchAll(/(?:^|[&{,])"?([A-Za-z][0-9A-Za-z_]*)"?[:=]/g)];
  const within = names.at(-1)?.[1] ?? "the beginning";
  return `your sign text (${own.length} characters) differs from the one that is meant (${wanted.length}) at character ${at + 1}, in or after \`${within}\``;
}
