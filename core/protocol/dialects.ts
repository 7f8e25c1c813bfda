/**
 * The signing dialects met in the field. S3 A.1.2 points to a national signing document that is not published with
 * it; each family of clients reads it a little differently (domain notes 1.2-1.4). A dialect is a partner setting and
 * never guessed from a message.
 *
 * All dialects agree when every leaf of `data` is a non-empty string, `data` is flat, and no two keys change order
 * under case folding; then only the form of the signature and the SM4 key of `cryptotool` differ.
 */
export const PARTNER_DIALECTS = ["standard", "nhsa-web", "vendor-java", "csharp", "keep-numbers", "cryptotool"] as const;
export type PartnerDialect = (typeof PARTNER_DIALECTS)[number];

export interface DialectSettings {
  /** How keys of objects inside `data` are ordered: by UTF-16 code unit, or by `String.CASE_INSENSITIVE_ORDER`. */
  readonly keyOrder: "ordinal" | "caseInsensitive";
  /** `level1`: keys of `data` itself and of objects that stand in arrays; objects inside objects keep their order. */
  readonly sortDepth: "every" | "level1";
  /** Numbers and booleans in `data`: quoted (`1` becomes `"1"`), or kept with the lexeme that was received. */
  readonly scalars: "quoted" | "kept";
  /** Members whose value is `""`; `null` and `[]` are dropped by all. */
  readonly emptyString: "dropped" | "kept";
  /** Members whose value is `{}` or became so by dropping. */
  readonly emptyObject: "dropped" | "kept";
  /** What we put under SM4 when we write for this partner; on receipt every form is accepted. */
  readonly plaintext: "raw" | "rawAscii" | "canonical";
  /** Bytes inside the Base64 of `signData`: r‖s, or the ASN.1 sequence of GM/T 0009. */
  readonly signatureForm: "raw" | "der";
  /** Which 16 characters of the wrapped secret are the SM4 key: of its upper-case hex, or of its Base64 without `=`. */
  readonly dataKey: "hex" | "base64";
}

const standard: DialectSettings = {
  keyOrder: "ordinal",
  sortDepth: "every",
  scalars: "quoted",
  emptyString: "dropped",
  emptyObject: "kept",
  plaintext: "raw",
  signatureForm: "raw",
  dataKey: "hex",
};

/** One row per column of domain notes 1.4. `standard` is our default: numbers are turned into strings. */
export const DIALECTS: Readonly<Record<PartnerDialect, DialectSettings>> = {
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
