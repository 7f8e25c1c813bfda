import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maskIdentifier, maskIdNo, maskIdNoInPerson, maskName, maskPhone } from "./masking.ts";
import { personPseudonymInput } from "./pseudonym.ts";
import { utf8 } from "./bytes.ts";

describe("a mask", () => {
  it.each([
    ["张三", "张*"],
    ["欧阳修", "欧阳*"],
    ["司马相如", "司马**"],
    ["欧阳", "欧*"],
    ["𠮷田", "𠮷*"],
    ["李", "*"],
    ["", ""],
    ["买买提·艾力", "买*****"],
  ])("of the name %s is %s", (name, masked) => {
    expect(maskName(name)).toBe(masked);
  });

  it("of numbers keeps what domain notes 6.3 allow", () => {
    expect(maskIdNo("11010519491231002X")).toBe("1****************X");
    expect(maskIdNoInPerson("11010519491231002X")).toBe("110105********002X");
    expect(maskIdNoInPerson("E12345678")).toBe("E*******8");
    expect(maskPhone("13800138000")).toBe("138****8000");
    expect(maskIdentifier(`ABCDEF${"0".repeat(54)}1234`)).toBe(`ABCDEF${"*".repeat(54)}1234`);
  });

  it("hides a text whole when too little of it would stay hidden", () => {
    for (const mask of [maskIdNo, maskIdNoInPerson, maskPhone, maskIdentifier]) expect(mask("1234")).toBe("****");
    expect(maskPhone("12345678")).toBe("********");
    expect(maskIdentifier("a".repeat(19))).toBe("*".repeat(19));
  });

  it("always keeps the length and hides at least four characters of a number", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme-ascii", minLength: 4, maxLength: 70 }), (text) => {
        for (const mask of [maskIdNo, maskIdNoInPerson, maskPhone, maskIdentifier]) {
          const masked = mask(text);
          expect(masked).toHaveLength(text.length);
          expect(masked.split("*").length - 1).toBeGreaterThanOrEqual(4);
        }
      }),
    );
  });
});

describe("a person's pseudonym", () => {
  it("is computed over one form of the document, however it was typed", () => {
    const canonical = utf8("01|11010519491231002X");
    for (const typed of ["11010519491231002X", "11010519491231002x", " 110105 19491231 002X\n", "１１０１０５１９４９１２３１００２Ｘ"]) {
      expect(personPseudonymInput("01", typed)).toEqual(canonical);
    }
  });
});
