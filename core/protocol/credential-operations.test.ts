import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { ecQueryRequest, ecVerifyRequest } from "./credential-operations.ts";
import { readEnvelope } from "./envelope.ts";
import { toPlainObject } from "./json.ts";

/** S3 A.1.5.1, character for character but for white space. */
const SAMPLE_A_1_5_1 = `{
    "orgId": "1DBHJRS5I01E0F34A8C00000B959FA86",
    "version": "1.0.0",
    "encType": "sm4",
    "transType": "ec.query",
    "signType": "sm3",
    "signData": "sdfasfdasf",
    "timestamp": 20191016083145,
    "extra": {},
    "data": {
        "orgId": "1DBHJRS5I01E0F34A8C00000B959FA86",
        "showId": "20190821172356",
        "businessType": "1",
        "termInfo": "国家医疗保障局",
        "termIp": "127.0.0.1"
    }
}`;
/** S3 B.1.4.1, with its trailing comma. */
const SAMPLE_B_1_4_1 = `{
    "orgId": "1DBHJRS5I01E0F34A8C00000B959FA86",
    "transType": "ec.query",
    "extra": {},
    "data": {
        "orgId": "1DBHJRS5I01E0F34A8C00000B959FA86",
        "businessType": "1",
    }
}`;

const query = {
  orgId: "H51010000001",
  ecQrCode: "28000000000000000000",
  businessType: "01301",
  termId: "T1",
  termIp: "10.0.0.1",
  operatorId: "1",
  operatorName: "王芳",
  officeId: "1",
  officeName: "门诊收费处",
};

describe("ec.query (S3 A.4)", () => {
  it("takes the table's fields, and widens a bare second-level business type", () => {
    expect(v.parse(ecQueryRequest, query)).toEqual(query);
    expect(v.parse(ecQueryRequest, { ...query, businessType: "301" }).businessType).toBe("01301");
  });

  it("refuses the standard's own sample A.1.5.1, whose envelope is readable: the table wins", () => {
    const raw = readEnvelope(SAMPLE_A_1_5_1);
    if (!raw.ok || raw.value.payload.kind !== "clear") throw new Error("the envelope of the sample has the right shape");
    const data = v.safeParse(ecQueryRequest, toPlainObject(raw.value.payload.data));
    expect(data.success).toBe(false);
    const named = (data.issues ?? []).map((issue) => v.getDotPath(issue)).toSorted();
    expect(named).toEqual(["businessType", "ecQrCode", "officeId", "officeName", "operatorId", "operatorName", "showId", "termId"]);
  });

  it("refuses the sample B.1.4.1 for its trailing comma", () => {
    expect(readEnvelope(SAMPLE_B_1_4_1)).toEqual({ ok: false, error: "badRequest" });
  });

  it.each<readonly [string, object]>([
    ["a numeric businessType", { businessType: 1301 }],
    ["an unknown businessType", { businessType: "01999" }],
    ["a missing office", { officeId: undefined }],
    ["an empty operator", { operatorName: "" }],
    ["an operator name of 31 characters", { operatorName: "王".repeat(31) }],
    ["a control character", { officeName: "门诊\n" }],
    ["a terminal without an IP address", { termIp: "localhost" }],
    ["a code with a space", { ecQrCode: "28 0" }],
    ["an unknown field", { showId: "1" }],
  ])("refuses %s", (_, changes) => {
    expect(v.safeParse(ecQueryRequest, { ...query, ...changes }).success).toBe(false);
  });
});

describe("ec.verify (S3 A.6)", () => {
  const verify = { ecToken: "510100abcdefABCDEF0123456789abcdef0123", idType: "01", idNo: "11010519491231002X", userName: "张三" };
  it("takes the table's fields", () => {
    expect(v.parse(ecVerifyRequest, verify)).toEqual(verify);
    expect(v.safeParse(ecVerifyRequest, { ...verify, userName: "买".repeat(200) }).success).toBe(true);
  });
  it.each<readonly [string, object]>([
    ["a code as for ec.query", { ecQrCode: "28" }],
    ["a token of 65 characters", { ecToken: "a".repeat(65) }],
    ["an id type that is not in table C.2", { idType: "09" }],
    ["an id number of 23 characters", { idNo: "1".repeat(23) }],
    ["an id number with a space", { idNo: "1 2" }],
  ])("refuses %s", (_, changes) => {
    expect(v.safeParse(ecVerifyRequest, { ...verify, ...changes }).success).toBe(false);
  });
});
