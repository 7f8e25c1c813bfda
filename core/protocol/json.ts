/**
 * A strict JSON reader for signed messages. Two readers that disagree on one text are a way round a signature, so what
 * RFC 8259 leaves open is refused here: duplicate keys, lone surrogates, anything after the value. Numbers keep
 * their lexeme, because partners sign `1.0` and `1E3` as they wrote them (domain notes 1.5).
 */
import { ok, refused, type Result } from "./result.ts";

/** A number as it was written; a lexeme of RFC 8259 section 6. */
export class JsonNumber {
  readonly lexeme: string;
  constructor(lexeme: string) {
    this.lexeme = lexeme;
  }
}

export type JsonValue = null | boolean | string | JsonNumber | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** A JSON value as the rest of the program knows it, numbers as doubles. */
export type PlainJson = null | boolean | string | number | readonly PlainJson[] | PlainObject;
export interface PlainObject {
  readonly [key: string]: PlainJson;
}

export type JsonDefect = "syntax" | "duplicateKey" | "reservedKey" | "loneSurrogate" | "tooDeep" | "tooLarge";

export interface JsonLimits {
  /** UTF-16 code units of the whole text; S3 B.1 allows 200 k. */
  readonly lengthMax: number;
  /** Levels of arrays and objects; the envelope of S3 A.2 needs three. */
  readonly depthMax: number;
}
export const JSON_LIMITS: JsonLimits = { lengthMax: 262_144, depthMax: 16 };

/**
 * Parses one JSON value, refusing whatever two readers could read differently. Linear in the length of the text.
 *
 * @example parseStrictJson('{"a":1,"a":2}') // { ok: false, error: "duplicateKey" }
 */
export function parseStrictJson(text: string, limits: JsonLimits = JSON_LIMITS): Result<JsonValue, JsonDefect> {
  if (text.length > limits.lengthMax) return refused("tooLarge");
  const reader = new Reader(text, limits.depthMax);
  try {
    return ok(reader.document());
  } catch (error) {
    if (error instanceof Defect) return refused(error.code);
    throw error;
  }
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber);
}

export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** Numbers become doubles; only for values whose exact digits no longer matter. */
export function toPlainJson(value: JsonValue): PlainJson {
  if (value instanceof JsonNumber) return Number(value.lexeme);
  if (isJsonArray(value)) return value.map(toPlainJson);
  return isJsonObject(value) ? toPlainObject(value) : value;
}

export function toPlainObject(value: JsonObject): PlainObject {
  const plain: Record<string, PlainJson> = {};
  for (const key of Object.keys(value)) {
    const member = value[key];
    if (member !== undefined) plain[key] = toPlainJson(member);
  }
  return plain;
}

/**
 * A value of ours as it will travel: members that are `undefined` fall away, numbers get their JSON lexeme.
 * Throws a `RangeError` for what no strict reader would take back (a lone surrogate, a `__proto__` member).
 */
export function jsonObjectOf(value: object): JsonObject {
  const parsed = parseStrictJson(JSON.stringify(value), { ...JSON_LIMITS, lengthMax: Number.MAX_SAFE_INTEGER });
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new RangeError("not a JSON object that a strict reader accepts");
  return parsed.value;
}

/** Carries a defect out of the recursion; never leaves this file. */
class Defect extends Error {
  readonly code: JsonDefect;
  constructor(code: JsonDefect) {
    super(code);
    this.code = code;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

class Reader {
  readonly #text: string;
  readonly #depthMax: number;
  readonly #number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
  #at = 0;

  constructor(text: string, depthMax: number) {
    this.#text = text;
    this.#depthMax = depthMax;
  }

  document(): JsonValue {
    const value = this.#value(0);
    this.#space();
    if (this.#at !== this.#text.length) throw new Defect("syntax");
    return value;
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at += 1;
    }
  }

  #expect(code: number): void {
    if (this.#text.charCodeAt(this.#at) !== code) throw new Defect("syntax");
    this.#at += 1;
  }

  /** `true` and one step further when the next character, after white space, is `code`. */
  #takes(code: number): boolean {
    this.#space();
    if (this.#text.charCodeAt(this.#at) !== code) return false;
    this.#at += 1;
    return true;
  }

  #value(depth: number): JsonValue {
    this.#space();
    switch (this.#text.charCodeAt(this.#at)) {
      case OPEN_BRACE:
        return this.#object(depth + 1);
      case OPEN_BRACKET:
        return this.#array(depth + 1);
      case QUOTE:
        return this.#string();
      case 0x74:
        return this.#word("true", true);
      case 0x66:
        return this.#word("false", false);
      case 0x6e:
        return this.#word("null", null);
      default:
        return this.#lexeme();
    }
  }

  #word<T extends JsonValue>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw new Defect("syntax");
    this.#at += word.length;
    return value;
  }

  #lexeme(): JsonNumber {
    this.#number.lastIndex = this.#at;
    const lexeme = this.#number.exec(this.#text)?.[0];
    if (lexeme === undefined) throw new Defect("syntax");
    this.#at += lexeme.length;
    return new JsonNumber(lexeme);
  }

  #object(depth: number): JsonObject {
    if (depth > this.#depthMax) throw new Defect("tooDeep");
    this.#at += 1;
    const members: Record<string, JsonValue> = {};
    if (this.#takes(CLOSE_BRACE)) return members;
    do {
      this.#space();
      if (this.#text.charCodeAt(this.#at) !== QUOTE) throw new Defect("syntax");
      const key = this.#string();
      // Assigning it would change the prototype instead of adding a member.
      if (key === "__proto__") throw new Defect("reservedKey");
      if (Object.hasOwn(members, key)) throw new Defect("duplicateKey");
      this.#space();
      this.#expect(COLON);
      members[key] = this.#value(depth);
    } while (this.#takes(COMMA));
    this.#expect(CLOSE_BRACE);
    return members;
  }

  #array(depth: number): readonly JsonValue[] {
    if (depth > this.#depthMax) throw new Defect("tooDeep");
    this.#at += 1;
    const items: JsonValue[] = [];
    if (this.#takes(CLOSE_BRACKET)) return items;
    do items.push(this.#value(depth));
    while (this.#takes(COMMA));
    this.#expect(CLOSE_BRACKET);
    return items;
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at + 1;
    let at = start;
    let plain = true;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) break;
      // Also true of NaN, the end of the text.
      if (!(code >= 0x20)) throw new Defect("syntax");
      if (code === BACKSLASH) {
        plain = false;
        at += 1;
      } else if (code >= 0xd800 && code <= 0xdfff) plain = false;
      at += 1;
    }
    this.#at = at + 1;
    return plain ? text.slice(start, at) : unescape(text.slice(start, at));
  }
}

/** `body` is what stands between two quotes, every backslash followed by a character. */
function unescape(body: string): string {
  let value = "";
  let at = 0;
  for (;;) {
    const next = body.indexOf("\\", at);
    if (next === -1) break;
    value += body.slice(at, next);
    const letter = body.charAt(next + 1);
    if (letter === "u") {
      const digits = body.slice(next + 2, next + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new Defect("syntax");
      value += String.fromCharCode(Number.parseInt(digits, 16));
      at = next + 6;
    } else {
      const character = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined;
      if (character === undefined) throw new Defect("syntax");
      value += character;
      at = next + 2;
    }
  }
  value += body.slice(at);
  if (!value.isWellFormed()) throw new Defect("loneSurrogate");
  return value;
}
