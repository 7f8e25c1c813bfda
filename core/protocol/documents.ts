/**
 * Identity documents as the two sides code them: the health card's table, and NHSA's (S3 C.2). The numbers collide (03
 * is a passport here and a police officer's card there) and neither map is invertible, which the types say: a way
 * with several ends answers them all (domain notes 2.5).
 */
import type { IdType } from "./tables.ts";

/** Document types of the electronic health card; the input of an EHC-ID. */
export const EHC_DOCUMENT_TYPES = {
  "01": "居民身份证",
  "02": "居民户口簿",
  "03": "护照",
  "04": "军官证",
  "05": "驾驶证",
  "06": "港澳居民来往内地通行证",
  "07": "台湾居民来往内地通行证",
  "08": "出生医学证明",
  "99": "其他",
} as const;
export type EhcDocumentType = keyof typeof EHC_DOCUMENT_TYPES;

export function isEhcDocumentType(text: string): text is EhcDocumentType {
  return Object.hasOwn(EHC_DOCUMENT_TYPES, text);
}

/** A row of the crosswalk: one document, and its code on either side. */
export interface DocumentRow {
  readonly document: string;
  readonly ehc: EhcDocumentType;
  readonly nhsa: IdType;
  /** Where the number's first letter decides between rows of one type (港澳通行证: H or M). */
  readonly prefix?: "H" | "M";
}

export const DOCUMENTS: readonly DocumentRow[] = [
  { document: "居民身份证", ehc: "01", nhsa: "01" },
  { document: "户口簿", ehc: "02", nhsa: "01" },
  { document: "军官证", ehc: "04", nhsa: "02" },
  { document: "武警警官证", ehc: "99", nhsa: "03" },
  { document: "护照", ehc: "03", nhsa: "08" },
  { document: "港澳居民来往内地通行证（香港）", ehc: "06", nhsa: "04", prefix: "H" },
  { document: "港澳居民来往内地通行证（澳门）", ehc: "06", nhsa: "05", prefix: "M" },
  { document: "台湾居民来往大陆通行证", ehc: "07", nhsa: "06" },
  { document: "外国人永久居留证", ehc: "99", nhsa: "07" },
  { document: "出生医学证明", ehc: "08", nhsa: "16" },
  { document: "驾驶证", ehc: "05", nhsa: "99" },
  { document: "港澳台居民居住证", ehc: "99", nhsa: "17" },
  { document: "其他", ehc: "99", nhsa: "99" },
];

/**
 * The other side's code: `one` is certain, `several` needs a person or another field to decide, `none` is not known
 * (NHSA 11 to 15 have no health-card row).
 */
export type Crosswalk<T> =
  | { readonly kind: "one"; readonly type: T }
  | { readonly kind: "several"; readonly types: readonly T[] }
  | { readonly kind: "none" };

function crosswalk<T>(types: Iterable<T>): Crosswalk<T> {
  const [first, ...others] = new Set(types);
  if (first === undefined) return { kind: "none" };
  return others.length === 0 ? { kind: "one", type: first } : { kind: "several", types: [first, ...others] };
}

/** Health-card types that an NHSA type may stand for. @example ehcTypesOf("08") // { kind: "one", type: "03" } */
export function ehcTypesOf(nhsa: IdType): Crosswalk<EhcDocumentType> {
  return crosswalk(DOCUMENTS.filter((row) => row.nhsa === nhsa).map((row) => row.ehc));
}

/**
 * NHSA types that a health-card document may stand for. The number decides where its first letter does.
 *
 * @example nhsaTypesOf({ idType: "06", idNo: "M12345678" }) // { kind: "one", type: "05" }
 */
export function nhsaTypesOf(document: { readonly idType: EhcDocumentType; readonly idNo: string }): Crosswalk<IdType> {
  const letter = document.idNo.charAt(0).toUpperCase();
  const rows = DOCUMENTS.filter((row) => row.ehc === document.idType);
  const decided = rows.filter((row) => row.prefix === undefined || row.prefix === letter);
  return crosswalk(decided.map((row) => row.nhsa));
}
