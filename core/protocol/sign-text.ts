/**
 * The text that an S3 envelope is signed over (domain notes 1.2): members without value dropped, keys sorted, joined
 * as `k=v` with `&`, then `&key=` and the secret. It contains the partner's secret and a person's data:
 * never log it.
 */
import { type DialectSettings, type PartnerDialect, settingsOf } from "./dialects.ts";
import { isJsonArray, isJsonObject, JsonNumber, type JsonObject, type JsonValue } from "./json.ts";

/** Top-level members that are never signed. */
const UNSIGNED: ReadonlySet<string> = new Set(["signData", "encData", "extra"]);

/**
 * The canonical sign text of a message with clear `data`, or `undefined` when the dialect gives it no single meaning
 * (two keys of one object that differ in case only, under a dialect that sorts without case).
 *
 * @example signText({ orgId: "H1", data: { b: "2", a: "" } }, "standard", "s") // 'data={"b":"2"}&orgId=H1&key=s'
 */
export function signText(message: JsonObject, dialect: PartnerDialect, secret: string): string | undefined {
  const settings = settingsOf(dialect);
  const pairs: string[] = [];
  for (const key of Object.keys(message).sort(ordinal)) {
    const value = UNSIGNED.has(key) ? undefined : signedPart(message[key], settings);
    // `cryptotool` keeps empty strings inside `data` only.
    if (value === undefined || value === "") continue;
    const text = topLevelText(value, settings);
    if (text === undefined) return undefined;
    pairs.push(`${key}=${text}`);
  }
  pairs.push(`key=${secret}`);
  return pairs.join("&");
}

/** What is left of `data` once everything that no signature covers is dropped; what a receiver may act on. */
export function signedData(data: JsonObject, dialect: PartnerDialect): JsonObject {
  return cleaned(data, settingsOf(dialect));
}

/** Compact JSON of `data` in the dialect's order and quoting; what `canonical` plaintexts hold. */
export function canonicalData(data: JsonObject, dialect: PartnerDialect): string | undefined {
  const settings = settingsOf(dialect);
  return compact(cleaned(data, settings), settings, true);
}

function topLevelText(value: JsonValue, settings: DialectSettings): string | undefined {
  if (typeof value === "string") return value;
  if (value instanceof JsonNumber) return value.lexeme;
  if (typeof value === "boolean") return String(value);
  return compact(value, settings, true);
}

/** The member's value without what the dialect drops, or `undefined` when the member itself is dropped. */
function signedPart(value: JsonValue | undefined, settings: DialectSettings): JsonValue | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === "") return settings.emptyString === "kept" ? value : undefined;
  if (isJsonArray(value)) return value.length === 0 ? undefined : value.map((item) => cleanedItem(item, settings));
  if (!isJsonObject(value)) return value;
  const object = cleaned(value, settings);
  return settings.emptyObject === "dropped" && Object.keys(object).length === 0 ? undefined : object;
}

/** Items of arrays are never dropped: their places would shift. */
function cleanedItem(value: JsonValue, settings: DialectSettings): JsonValue {
  if (isJsonArray(value)) return value.map((item) => cleanedItem(item, settings));
  return isJsonObject(value) ? cleaned(value, settings) : value;
}

function cleaned(object: JsonObject, settings: DialectSettings): JsonObject {
  const kept: Record<string, JsonValue> = {};
  for (const key of Object.keys(object)) {
    const value = signedPart(object[key], settings);
    if (value !== undefined) kept[key] = value;
  }
  return kept;
}

function compact(value: JsonValue, settings: DialectSettings, sorted: boolean): string | undefined {
  if (value === null) return "null";
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "boolean") return settings.scalars === "quoted" ? `"${value}"` : String(value);
  if (value instanceof JsonNumber) return settings.scalars === "quoted" ? `"${value.lexeme}"` : value.lexeme;
  if (isJsonArray(value)) {
    const items: string[] = [];
    for (const item of value) {
      const text = compact(item, settings, true);
      if (text === undefined) return undefined;
      items.push(text);
    }
    return `[${items.join(",")}]`;
  }
  return isJsonObject(value) ? compactObject(value, settings, sorted) : undefined;
}

function compactObject(object: JsonObject, settings: DialectSettings, sorted: boolean): string | undefined {
  const keys = Object.keys(object);
  if (sorted && !sortKeys(keys, settings)) return undefined;
  const members: string[] = [];
  for (const key of keys) {
    const value = object[key];
    if (value === undefined) continue;
    const text = compact(value, settings, settings.sortDepth === "every");
    if (text === undefined) return undefined;
    members.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${members.join(",")}}`;
}

/** Sorts in place; `false` when two keys are equal in the dialect's eyes. */
function sortKeys(keys: string[], settings: DialectSettings): boolean {
  if (settings.keyOrder === "ordinal") {
    keys.sort(ordinal);
    return true;
  }
  const folded = keys.map((key) => ({ key, fold: foldCase(key) })).sort((a, b) => ordinal(a.fold, b.fold));
  for (const [at, { key, fold }] of folded.entries()) {
    if (at > 0 && folded[at - 1]?.fold === fold) return false;
    keys[at] = key;
  }
  return true;
}

/** By UTF-16 code unit, as `String.compareTo` in Java and `string.CompareOrdinal` in C#. */
function ordinal(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** As `String.CASE_INSENSITIVE_ORDER`: upper then lower, each UTF-16 unit alone, no expansion, no locale. */
function foldCase(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text.toLowerCase();
  let folded = "";
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charAt(at);
    const upper = unit.toUpperCase();
    const lower = (upper.length === 1 ? upper : unit).toLowerCase();
    folded += lower.length === 1 ? lower : unit;
  }
  return folded;
}
