import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DOCUMENTS, ehcTypesOf, EHC_DOCUMENT_TYPES, nhsaTypesOf } from "./documents.ts";
import { ERRORS } from "./errors.ts";
import { isCitizenId, isIdNumber, isPermanentResident, isResidencePermit, isUscc } from "./id-numbers.ts";
import { isReturnCode, RETURN_CODES } from "./return-codes.ts";
import {
  BUSINESS_TYPES,
  businessTypeName,
  businessTypePlace,
  ID_TYPES,
  isBusinessType,
  isBusinessTypeOf,
  isIdType,
  isSettlingBusinessType,
  MEDICAL_STEPS,
  SETTLING_BUSINESS_TYPES,
  widenBusinessType,
} from "./tables.ts";

const KINDS = ["hospital", "pharmacy", "app"] as const;

describe("business types (S3 C.1)", () => {
  it("are 17 codes of five digits, each beginning with its place", () => {
    expect(new Set(BUSINESS_TYPES).size).toBe(17);
    for (const code of BUSINESS_TYPES) expect(code).toMatch(new RegExp(`^${businessTypePlace(code)}[0-9]{3}$`));
    expect(businessTypeName("01101")).toBe("挂号");
  });
  it("are widened from their second level, which is unique over all places", () => {
    for (const code of BUSINESS_TYPES) {
      expect(widenBusinessType(code.slice(2))).toBe(code);
      expect(widenBusinessType(code)).toBe(code);
    }
    expect(widenBusinessType("132")).toBe("03132");
  });
  it.each(["1", "", "01", "0101", "01999", "999", "1101", " 301", "toString", "02101"])("are not %j", (text) => {
    expect(widenBusinessType(text)).toBeUndefined();
    expect(isBusinessType(text)).toBe(false);
  });
  it("settle only in 结算, 药店购药 and 线上结算", () => {
    expect(SETTLING_BUSINESS_TYPES.map((code) => KINDS.filter((kind) => isBusinessTypeOf(kind, code)))).toEqual([
      ["hospital"],
      ["pharmacy"],
      ["app"],
    ]);
    expect(BUSINESS_TYPES.filter(isSettlingBusinessType)).toEqual(["01301", "02121", "03132"]);
  });
});

describe("identity documents", () => {
  it("are the closed list of S3 C.2 without 09 and 10", () => {
    expect(Object.keys(ID_TYPES)).toHaveLength(16);
    for (const text of ["09", "10", "1", "18", "constructor"]) expect(isIdType(text)).toBe(false);
  });
  it("cross over with every ambiguity shown", () => {
    expect(ehcTypesOf("08")).toEqual({ kind: "one", type: "03" });
    expect(ehcTypesOf("03")).toEqual({ kind: "one", type: "99" });
    expect(ehcTypesOf("01")).toEqual({ kind: "several", types: ["01", "02"] });
    expect(ehcTypesOf("99")).toEqual({ kind: "several", types: ["05", "99"] });
    expect(ehcTypesOf("11")).toEqual({ kind: "none" });
    expect(nhsaTypesOf({ idType: "03", idNo: "E1" })).toEqual({ kind: "one", type: "08" });
    expect(nhsaTypesOf({ idType: "06", idNo: "H12345678" })).toEqual({ kind: "one", type: "04" });
    expect(nhsaTypesOf({ idType: "06", idNo: "m12345678" })).toEqual({ kind: "one", type: "05" });
    expect(nhsaTypesOf({ idType: "06", idNo: "12345678" })).toEqual({ kind: "none" });
    expect(nhsaTypesOf({ idType: "99", idNo: "1" })).toEqual({ kind: "several", types: ["03", "07", "17", "99"] });
  });
  it("come back among the answers whichever way they go", () => {
    for (const row of DOCUMENTS) {
      const there = ehcTypesOf(row.nhsa);
      expect(there.kind === "one" ? [there.type] : there.kind === "several" ? there.types : []).toContain(row.ehc);
      const back = nhsaTypesOf({ idType: row.ehc, idNo: `${row.prefix ?? ""}1` });
      expect(back.kind === "one" ? [back.type] : back.kind === "several" ? back.types : []).toContain(row.nhsa);
    }
    expect(Object.keys(EHC_DOCUMENT_TYPES)).toHaveLength(9);
  });
});

/** The 17 digits with the one check character that some kind of number accepts. */
const withCheck = (digits: string): string =>
  ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "X"]
    .map((check) => digits + check)
    .find((idNo) => isCitizenId(idNo, "strict") || isPermanentResident(idNo, "strict") || isResidencePermit(idNo, "strict")) ?? "";

describe("check digits", () => {
  it("accept a citizen's number and notice every changed digit and every swap of neighbours", () => {
    const good = "11010519491231002X";
    expect(isCitizenId(good, "strict")).toBe(true);
    fc.assert(
      fc.property(fc.nat(16), fc.integer({ min: 1, max: 9 }), (at, by) => {
        const digit = String((Number(good.charAt(at)) + by) % 10);
        expect(isCitizenId(good.slice(0, at) + digit + good.slice(at + 1), "strict")).toBe(false);
      }),
    );
    for (let at = 0; at < 16; at += 1) {
      const swapped = good.slice(0, at) + good.charAt(at + 1) + good.charAt(at) + good.slice(at + 2);
      expect(isCitizenId(swapped, "strict")).toBe(swapped === good);
    }
  });
  it("let a relayed number pass with a wrong check digit, but not with an impossible birthday", () => {
    // S3 A.1.5.2's own sample.
    expect(isCitizenId("350582199711193519", "relayed")).toBe(true);
    expect(isCitizenId("110105194912310021", "relayed")).toBe(true);
    expect(isCitizenId("110105194912310021", "strict")).toBe(false);
    for (const birthday of ["19490230", "20001301", "00000000"]) expect(isCitizenId(`110105${birthday}0021`, "relayed")).toBe(false);
    for (const text of ["", "11010519491231002x", "1101051949123100", "１1010519491231002X", "11010519491231002X\n"]) {
      expect(isCitizenId(text, "relayed")).toBe(false);
    }
  });
  it("keep permanent residents and residence permits apart from citizens, though the form is the same", () => {
    const resident = withCheck("91112419800101001");
    const permit = withCheck("81000019800101001");
    expect([isPermanentResident(resident, "strict"), isCitizenId(resident, "relayed"), isResidencePermit(resident, "relayed")]).toEqual([
      true,
      false,
      false,
    ]);
    expect([isResidencePermit(permit, "strict"), isCitizenId(permit, "relayed"), isPermanentResident(permit, "relayed")]).toEqual([
      true,
      false,
      false,
    ]);
    expect(isPermanentResident("CHN310012345678", "strict")).toBe(true);
    expect(isIdNumber("07", resident, "strict")).toBe(true);
    expect(isIdNumber("01", resident, "strict")).toBe(false);
    expect(isIdNumber("08", "E12345678", "strict")).toBe(true);
    expect(isIdNumber("08", "E 12345678", "strict")).toBe(false);
    expect(isIdNumber("08", "", "relayed")).toBe(false);
  });
  it("accept a USCC and refuse its neighbours", () => {
    const good = "91350100M000100Y43";
    expect(isUscc(good, "strict")).toBe(true);
    for (const text of ["91350100M000100Y44", "91350100M000100I43", "9135010OM000100Y43", "", good.toLowerCase()])
      expect(isUscc(text, "strict")).toBe(false);
    expect(isUscc("91350100M000100Y44", "relayed")).toBe(true);
  });
});

describe("return codes (S3 C.4)", () => {
  it("are all 71 rows, and everything we emit is one of them or of our own range", () => {
    expect(RETURN_CODES.size).toBe(71);
    for (let code = 500_001; code <= 500_063; code += 1) expect(RETURN_CODES.has(String(code))).toBe(true);
    for (const { code } of Object.values(ERRORS)) expect(isReturnCode(code)).toBe(true);
    for (const text of ["600000", "600100", "1", "-7", "0000", "500064"]) expect(isReturnCode(text)).toBe(false);
  });
  it("never include 500006's twin", () => {
    expect(Object.values(ERRORS).map(({ code }) => code)).not.toContain("500040");
  });
  it("have messages that cannot be ambiguous in a sign text", () => {
    for (const { message } of Object.values(ERRORS)) expect(message).not.toMatch(/[&=\p{Cc}]/u);
  });
});

describe("medical steps", () => {
  it("keep their leading zero", () => {
    for (const code of Object.keys(MEDICAL_STEPS)) expect(code).toMatch(/^0[0-9]{0,6}$/);
  });
});
