import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openEhcId } from "../protocol/ehc-id.ts";
import { bytesOf, numberOf, textOf } from "../rows.ts";
import { openProvince, PERSON, type Province, valueOf } from "../testing/province.ts";
import { toHex } from "../protocol/bytes.ts";

let province: Province;

beforeAll(async () => {
  province = await openProvince();
});
afterAll(async () => {
  await province.close();
});

const BY = "operator/test";

async function personRow(personId: string) {
  const [row] = await province.core.registry.db.read("SELECT * FROM person WHERE person_id = ?", personId);
  if (row === undefined) throw new Error("no such person");
  return {
    personId,
    identity: bytesOf(row, "identity"),
    ehcId: bytesOf(row, "ehc_id"),
    mainIndex: bytesOf(row, "main_index"),
    keyVersion: numberOf(row, "key_version"),
    fingerprint: textOf(row, "fingerprint"),
  };
}

describe("registering a person", () => {
  it("registers once: the same document and name again is the same person, however it is typed", async () => {
    const size = province.core.registry.log.size;
    const again = valueOf(await province.core.identity.register({ ...PERSON, idNo: " １１０１０５１９４９１２３１００２x " }, BY));
    expect(again).toEqual({ personId: province.personId, pseudonym: province.pseudonym, isNew: false });
    expect(province.core.registry.log.size).toBe(size);
  });

  it("refuses another name on the same document", async () => {
    expect(await province.core.identity.register({ ...PERSON, name: "李四" }, BY)).toEqual({ ok: false, error: "idempotencyConflict" });
  });

  it("registers one person when the same document comes many times at once", async () => {
    const person = { idType: "08", idNo: "E12345678", name: "Zoë" };
    const all = await Promise.all(Array.from({ length: 20 }, () => province.core.identity.register(person, BY)));
    expect(new Set(all.map((one) => valueOf(one).personId)).size).toBe(1);
    expect(all.filter((one) => valueOf(one).isNew)).toHaveLength(1);
  });

  it.each([
    ["a wrong check digit", { idNo: "110105194912310021" }],
    ["a day that does not exist", { idNo: "11010519490230002X" }],
    ["a type that S3 C.2 does not have", { idType: "09" }],
    ["no name", { name: "  " }],
    ["a name with a line end", { name: "张\n三" }],
    ["a number over 30 characters", { idType: "99", idNo: "9".repeat(31) }],
    ["a health-card type that the document cannot be", { ehcType: "03" as const }],
  ])("refuses %s, and writes nothing", async (_what, more) => {
    const size = province.core.registry.log.size;
    expect(await province.core.identity.register({ ...PERSON, ...more }, BY)).toEqual({ ok: false, error: "badRequest" });
    expect(province.core.registry.log.size).toBe(size);
  });

  it("finds a person by document, and nobody by another", async () => {
    expect((await province.core.identity.find("01", PERSON.idNo))?.personId).toBe(province.personId);
    expect(await province.core.identity.find("01", "110105194912310038")).toBeUndefined();
    expect(await province.core.identity.find("10", PERSON.idNo)).toBeUndefined();
  });

  it("derives an EHC-ID that the root key opens to the document", async () => {
    const row = await personRow(province.personId);
    const ehcId = await province.core.identity.openEhcId(row);
    const encrypt = (block: Uint8Array) => province.keys.sm4EncryptBlocks("ehc.security/1", block);
    const opened = await openEhcId(province.crypto, ehcId, toHex(row.mainIndex), encrypt);
    expect(opened).toEqual({ idType: "01", idNo: PERSON.idNo });
  });

  it("uses another key for the pseudonym than for the fingerprint and the main index", async () => {
    const row = await personRow(province.personId);
    expect(new Set([row.fingerprint, toHex(row.mainIndex), province.pseudonym]).size).toBe(3);
  });

  it("does not open a sealed name in another person's row", async () => {
    const row = await personRow(province.personId);
    await expect(province.core.identity.openRealName({ ...row, personId: "0".repeat(32) })).rejects.toThrow(/does not open/);
  });
});
