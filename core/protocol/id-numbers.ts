/**
 * Check digits of identity and organisation numbers (domain notes 2.6). Published samples carry wrong check digits,
 * so strictness is a switch: `strict` where a person registers, `relayed` for what third parties pass on.
 */
import { parseCst14 } from "./time.ts";
import type { IdType } from "./tables.ts";

export type NumberCheck = "strict" | "relayed";

const CITIZEN_WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2] as const;
const CITIZEN_CHECK = "10X98765432";

/** GB 11643: 17 digits and a check character (ISO 7064 MOD 11-2) with a birthday that exists. */
function hasCitizenForm(idNo: string, check: NumberCheck): boolean {
  if (!/^[1-9]\d{16}[0-9X]$/.test(idNo) || parseCst14(`${idNo.slice(6, 14)}000000`) === undefined) return false;
  if (check === "relayed") return true;
  let sum = 0;
  for (const [at, weight] of CITIZEN_WEIGHTS.entries()) sum += weight * Number(idNo.charAt(at));
  return CITIZEN_CHECK.charAt(sum % 11) === idNo.charAt(17);
}

/** 居民身份证: area 11 to 71. Residence permits (81 to 83) and permanent residents (9) have numbers of the same form. */
export function isCitizenId(idNo: string, check: NumberCheck): boolean {
  return /^[1-7]/.test(idNo) && hasCitizenForm(idNo, check);
}

/** 港澳台居民居住证: 810000 Hong Kong, 820000 Macao, 830000 Taiwan. */
export function isResidencePermit(idNo: string, check: NumberCheck): boolean {
  return /^8[123]0000/.test(idNo) && hasCitizenForm(idNo, check);
}

/** 外国人永久居留证: since 2023 eighteen digits beginning with 9; before, three letters and twelve digits. */
export function isPermanentResident(idNo: string, check: NumberCheck): boolean {
  return /^[A-Z]{3}\d{12}$/.test(idNo) || (idNo.startsWith("9") && hasCitizenForm(idNo, check));
}

/** Whether a number can be of its S3 C.2 type. Types without a published form: printable, 1 to 22 characters (S3 A.5). */
export function isIdNumber(idType: IdType, idNo: string, check: NumberCheck): boolean {
  switch (idType) {
    case "01":
      return isCitizenId(idNo, check);
    case "07":
      return isPermanentResident(idNo, check);
    case "17":
      return isResidencePermit(idNo, check);
    case "02":
    case "03":
    case "04":
    case "05":
    case "06":
    case "08":
    case "11":
    case "12":
    case "13":
    case "14":
    case "15":
    case "16":
    case "99":
      return /^[^\p{Cc}\p{Z}]{1,22}$/u.test(idNo);
  }
}

/** GB 32100: no I, O, S, V, Z. */
const USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY";

/** 统一社会信用代码: 18 characters, weights 3^i mod 31. */
export function isUscc(code: string, check: NumberCheck): boolean {
  if (!/^[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}$/.test(code)) return false;
  if (check === "relayed") return true;
  let sum = 0;
  let weight = 1;
  for (const character of code.slice(0, 17)) {
    sum += weight * USCC_ALPHABET.indexOf(character);
    weight = (weight * 3) % 31;
  }
  return USCC_ALPHABET.charAt((31 - (sum % 31)) % 31) === code.charAt(17);
}
