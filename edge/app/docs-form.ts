/** The form of a field, read from its JSON schema and told in words: what an implementer must write. */
import { isBusinessType, isIdType } from "../../core/protocol/tables.ts";
import { type Json, type JsonObject, objectOf } from "./openapi.ts";
import { type Say, type Words, words } from "./words.ts";

/** Patterns of core/protocol/operations.ts that people read better as words; any other is shown as it is. */
const PATTERNS: Readonly<Record<string, Words>> = {
  "^[0-9A-Za-z][0-9A-Za-z._-]*$": words("字母、数字、. _ -，首位为字母或数字", "letters, digits, . _ -, the first a letter or digit"),
  "^[^\\p{Cc}]*$": words("不含控制字符", "no control characters"),
  "^[\\x21-\\x7e]+$": words("可见 ASCII 字符，无空格", "visible ASCII, no spaces"),
  "^[0-9A-Za-z]{20,64}$": words("20–64 位字母或数字", "20–64 letters or digits"),
  "^(?:[0-9]|[12][0-9]|30)$": words("整数 0–30", "a whole number, 0–30"),
  "^(?:[0-9A-Fa-f]{32})+$": words("十六进制，长度为 32 的倍数", "hex, a multiple of 32 characters"),
  "^(?:0|[1-9][0-9]*)\\.[0-9]{2}$": words("如 128.50", "like 128.50"),
  "^-?(?:0|[1-9][0-9]*)\\.[0-9]{2}$": words("如 128.50，可为负", "like 128.50, or below zero"),
  "^\\d{2,4}$": words("2–4 位数字", "2–4 digits"),
  "^[0-9A-Za-z][0-9A-Za-z._-]{0,49}$": words(
    "至多 50 个字母、数字、. _ -，首位为字母或数字",
    "up to 50 letters, digits, . _ -, the first a letter or digit",
  ),
  "^(?:0|[1-9]\\d{0,11})(?:\\.\\d{1,4})?$": words("如 3 或 0.5", "like 3 or 0.5"),
  "^(?:0|[1-9]\\d{0,9})(?:\\.\\d{1,6})?$": words("如 9.5 或 0.0625", "like 9.5 or 0.0625"),
  "^\\d{6}(?:\\d{2})?$": words("6 或 8 位数字", "6 or 8 digits"),
  "^[0-9]{6}(?:[0-9]{2})?$": words("6 或 8 位数字", "6 or 8 digits"),
  "^[0-9A-Za-z._-]{1,128}$": words("原样送回", "as it was given"),
  "^(?:[1-9][0-9]?|100)$": words("整数 1–100", "a whole number, 1–100"),
  "^(?:0|[1-9][0-9]*)$": words("整数", "a whole number"),
  "^[0-9]{8}$": words("yyyyMMdd，北京时间", "yyyyMMdd, UTC+8"),
  "^[0-9]{14}$": words("yyyyMMddHHmmss，北京时间", "yyyyMMddHHmmss, UTC+8"),
};

const TYPES: Readonly<Record<string, Words>> = {
  string: words("字符串", "string"),
  integer: words("整数", "integer"),
  boolean: words("布尔", "boolean"),
  object: words("对象", "object"),
  array: words("数组", "array"),
};

/** A piece of a form: words, or something to be written exactly so. */
export type FormPart = { readonly kind: "words" | "literal"; readonly text: string } | { readonly kind: "table"; readonly of: FormTable };
/** Tables of S3 that are too long for a cell. */
export type FormTable = "businessTypes" | "idTypes";

/**
 * The parts of a field's form, at least one.
 *
 * @example formOf({ type: "string", maxLength: 40 }, sayIn("en")) // [{ kind: "words", text: "up to 40 characters" }]
 */
export function formOf(schema: JsonObject, say: Say): readonly FormPart[] {
  const table = tableOf(schema);
  if (table !== undefined) return [{ kind: "table", of: table }];
  const parts = [...literals(schema["enum"]), ...lengths(schema, say), ...formats(schema, say), ...patterns(schema, say)];
  return parts.length === 0 ? [{ kind: "words", text: typeText(schema["type"], say) }] : parts;
}

function tableOf(schema: JsonObject): FormTable | undefined {
  const values = listOf(schema["enum"]);
  if (values.length > 0 && values.every((value) => typeof value === "string" && isBusinessType(value))) return "businessTypes";
  return values.length > 0 && values.every((value) => typeof value === "string" && isIdType(value)) ? "idTypes" : undefined;
}

function literals(values: Json | undefined): readonly FormPart[] {
  return listOf(values).map((value): FormPart => ({ kind: "literal", text: typeof value === "string" ? value : JSON.stringify(value) }));
}

function lengths(schema: JsonObject, say: Say): readonly FormPart[] {
  const { minLength, maxLength } = schema;
  if (typeof maxLength !== "number") return [];
  const told =
    typeof minLength === "number"
      ? words(`${minLength}–${maxLength} 个字符`, `${minLength}–${maxLength} characters`)
      : words(`至多 ${maxLength} 个字符`, `up to ${maxLength} characters`);
  return [{ kind: "words", text: say(told) }];
}

function formats(schema: JsonObject, say: Say): readonly FormPart[] {
  const names = [schema, ...listOf(schema["anyOf"]).map(objectOf)].flatMap(({ format }) => (typeof format === "string" ? [format] : []));
  if (names.length === 0) return [];
  const shown = names.map((name) => name.replace("ipv", "IPv"));
  return [{ kind: "words", text: say(words(shown.join(" 或 "), shown.join(" or "))) }];
}

function patterns(schema: JsonObject, say: Say): readonly FormPart[] {
  return [schema, ...listOf(schema["allOf"]).map(objectOf)].flatMap(({ pattern }): readonly FormPart[] => {
    if (typeof pattern !== "string") return [];
    const told = PATTERNS[pattern];
    return told === undefined ? [{ kind: "literal", text: pattern }] : [{ kind: "words", text: say(told) }];
  });
}

function typeText(type: Json | undefined, say: Say): string {
  const names = typeof type === "string" ? [type] : listOf(type).filter((name) => typeof name === "string");
  return names
    .map((name) => {
      const told = TYPES[name];
      return told === undefined ? name : say(told);
    })
    .join(say(words(" 或 ", " or ")));
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}
