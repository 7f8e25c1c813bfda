/**
 * The signing dialects met in the field. S3 A.1.2 points to a national signing document that is not published with
 * it; each family of clients reads it a little differently. A dialect is a partner setting and never guessed from a
 * message. Every point of it can be agreed by itself; the names are presets, for the families that are known.
 *
 * All dialects agree when every leaf of `data` is a non-empty string, `data` is flat, and no two keys change order
 * under case folding; then only the form of the signature, the SM4 key and the user id may differ.
 */
import * as v from "valibot";

export const DIALECT_PRESETS = ["standard", "nhsa-web", "vendor-java", "csharp", "keep-numbers", "cryptotool"] as const;
export type DialectPreset = (typeof DIALECT_PRESETS)[number];

/** SM2 user id of GM/T 0009 6.1, where none was agreed. */
const USER_ID_DEFAULT = "1234567812345678";

const settingsShape = {
  /** How keys of objects inside `data` are ordered: by UTF-16 code unit, or by `String.CASE_INSENSITIVE_ORDER`. */
  keyOrder: v.picklist(["ordinal", "caseInsensitive"]),
  /** `level1`: keys of `data` itself and of objects that stand in arrays; objects inside objects keep their order. */
  sortDepth: v.picklist(["every", "level1"]),
  /** Numbers and booleans in `data`: quoted (`1` becomes `"1"`), or kept with the lexeme that was received. */
  scalars: v.picklist(["quoted", "kept"]),
  /** Members whose value is `""`; `null` and `[]` are dropped by all. */
  emptyString: v.picklist(["dropped", "kept"]),
  /** Members whose value is `{}` or became so by dropping. */
  emptyObject: v.picklist(["dropped", "kept"]),
  /** What we put under SM4 when we write for this partner; on receipt every form is accepted. */
  plaintext: v.picklist(["raw", "rawAscii", "canonical"]),
  /** Bytes inside the Base64 of `signData`: r‖s, or the ASN.1 sequence of GM/T 0009. */
  signatureForm: v.picklist(["raw", "der"]),
  /** Which 16 characters of the wrapped secret are the SM4 key: of its upper-case hex, or of its Base64 without `=`. */
  dataKey: v.picklist(["hex", "base64"]),
  /** SM2 user id in ZA, both ways: printable ASCII. */
  userId: v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,64}$/)),
} as const;
const wholeSettings = v.strictObject(settingsShape);
const someSettings = v.strictObject({ preset: v.optional(v.picklist(DIALECT_PRESETS)), ...v.partial(wholeSettings).entries });
export type DialectSettings = Readonly<v.InferOutput<typeof wholeSettings>>;

const standard: DialectSettings = {
  keyOrder: "ordinal",
  sortDepth: "every",
  scalars: "quoted",
  emptyString: "dropped",
  emptyObject: "kept",
  plaintext: "raw",
  signatureForm: "raw",
  dataKey: "hex",
  userId: USER_ID_DEFAULT,
};

/** `standard` is our default: numbers are turned into strings. */
const PRESETS: Readonly<Record<DialectPreset, DialectSettings>> = {
  standard,
  /** The web client of the NHSA mobile-payment centre. */
  "nhsa-web": { ...standard, sortDepth: "level1", plaintext: "rawAscii" },
  /** `SignUtil` and `HseEncAndDecUtil` of HIS vendors. */
  "vendor-java": { ...standard, keyOrder: "caseInsensitive" },
  /** Top-level keys are sorted once more without case, which changes nothing for the fixed fields of S3 A.2 and A.3. */
  csharp: standard,
  /** The Shanxi and TypeScript clients. */
  "keep-numbers": { ...standard, scalars: "kept", emptyObject: "dropped", plaintext: "canonical" },
  cryptotool: {
    ...standard,
    scalars: "kept",
    emptyString: "kept",
    plaintext: "canonical",
    signatureForm: "der",
    dataKey: "base64",
  },
};

/**
 * What was agreed with a partner, in one text that rows, leaves and bundles can hold: a preset's name, or JSON of every
 * setting in a fixed order where no preset has just these.
 */
export type PartnerDialect = DialectPreset | `{${string}}`;

/** The settings of a dialect. @example settingsOf("cryptotool").signatureForm // "der" */
export function settingsOf(dialect: PartnerDialect): DialectSettings {
  return isPreset(dialect) ? PRESETS[dialect] : agreed(dialect);
}

/** Kept, because a text is the same object's for every call of a partner. */
const AGREED_MAX = 1_000;
const agreedSettings = new Map<string, DialectSettings>();

function agreed(dialect: string): DialectSettings {
  const kept = agreedSettings.get(dialect);
  if (kept !== undefined) return kept;
  const settings = v.parse(wholeSettings, JSON.parse(dialect));
  if (agreedSettings.size >= AGREED_MAX) agreedSettings.clear();
  agreedSettings.set(dialect, settings);
  return settings;
}

/** The one text for these settings. @example dialectOf({ ...settingsOf("standard") }) // "standard" */
export function dialectOf(settings: DialectSettings): PartnerDialect {
  const text = textOf(settings);
  return DIALECT_PRESETS.find((name) => textOf(PRESETS[name]) === text) ?? text;
}

function textOf(settings: DialectSettings): `{${string}}` {
  const members = SETTING_NAMES.map((name) => `${JSON.stringify(name)}:${JSON.stringify(settings[name])}`);
  return `{${members.join(",")}}`;
}
const SETTING_NAMES = [
  "keyOrder",
  "sortDepth",
  "scalars",
  "emptyString",
  "emptyObject",
  "plaintext",
  "signatureForm",
  "dataKey",
  "userId",
] as const;

function isPreset(text: string): text is DialectPreset {
  return DIALECT_PRESETS.some((name) => name === text);
}

/** Whether a text is the one that {@link dialectOf} writes; a second spelling would be a second agreement. */
export function isPartnerDialect(value: unknown): value is PartnerDialect {
  if (typeof value !== "string" || value.length > 1_000) return false;
  if (isPreset(value)) return true;
  const read = readDialect(value);
  return read !== undefined && read === value;
}

/** As rows, leaves and bundles hold it. */
export const partnerDialect: v.GenericSchema<unknown, PartnerDialect> = v.custom<PartnerDialect>(isPartnerDialect, "not a dialect");

/**
 * As a person writes it: a preset's name, or JSON of the settings that differ from `preset` (`standard` when absent).
 *
 * @example readDialect('{"signatureForm":"der","userId":"hospital"}')
 */
export function readDialect(text: string): PartnerDialect | undefined {
  if (isPreset(text)) return text;
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return undefined;
  }
  // An array would pass for an object without members.
  const parsed = v.safeParse(someSettings, Array.isArray(given) ? undefined : given);
  if (!parsed.success) return undefined;
  const { preset = "standard", ...changes } = parsed.output;
  const whole = v.safeParse(wholeSettings, { ...PRESETS[preset], ...changes });
  return whole.success ? dialectOf(whole.output) : undefined;
}

/** What a registration may bring: any spelling, kept in the one form. */
export const dialectInput: v.GenericSchema<string, PartnerDialect> = v.pipe(
  v.string(),
  v.transform(readDialect),
  v.custom<PartnerDialect>((dialect) => dialect !== undefined, `a preset (${DIALECT_PRESETS.join(", ")}) or JSON of settings`),
);
