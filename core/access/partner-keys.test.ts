import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { publicKeyToSpki } from "../crypto/der.ts";
import { toBase64, toHex, toUpperHex } from "../protocol/bytes.ts";
import { edgeBundle } from "../protocol/internal.ts";
import { HOSPITAL, openProvince, OTHER_HOSPITAL, PARTNER, type Province, valueOf } from "../testing/province.ts";
import { createBundleMaker, type LeftOut } from "./bundle.ts";

const BY = "operator/test";
let province: Province;
beforeAll(async () => {
  province = await openProvince();
});
afterAll(async () => {
  await province.close();
});

const newKey = (): Uint8Array => province.crypto.sm2GenerateKeyPair().publicKey;

/** As an edge reads it. */
async function bundle() {
  const [edge] = province.core.access.edges.list();
  if (edge === undefined) throw new Error("no edge");
  const { bundle: text } = await province.core.ports.bundles.bundleFor(edge, province.clock.now());
  return v.parse(edgeBundle, JSON.parse(text));
}

async function keysAtEdges(orgId: string): Promise<readonly string[]> {
  return (await bundle()).institutions.find((one) => one.orgId === orgId)?.publicKeys ?? [];
}

async function alterRow(sql: string, ...args: string[]): Promise<void> {
  await province.core.registry.db.write([{ sql, args }]);
  await province.reopen();
}

describe("a partner's key", () => {
  it.each([
    ["upper-case hex", (key: Uint8Array) => toUpperHex(key)],
    ["128 hex digits", (key: Uint8Array) => toHex(key.subarray(1))],
    ["Base64", (key: Uint8Array) => toBase64(key)],
    ["DER in hex", (key: Uint8Array) => toUpperHex(publicKeyToSpki(key))],
  ])("given as %s reaches edges in the form that they take, and stays retired in every form", async (_, spell) => {
    const key = newKey();
    const { access } = province.core;
    valueOf(await access.addPartnerKey(HOSPITAL, spell(key), BY));
    expect(await keysAtEdges(HOSPITAL)).toContain(toHex(key));
    expect(await access.addPartnerKey(HOSPITAL, toHex(key), BY)).toEqual({ ok: false, error: "keyThere" });
    valueOf(await access.retirePartnerKey(HOSPITAL, spell(key), BY));
    expect(await keysAtEdges(HOSPITAL)).not.toContain(toHex(key));
    for (const text of [toHex(key), toUpperHex(key), toBase64(key)])
      expect(await access.addPartnerKey(HOSPITAL, text, BY)).toEqual({ ok: false, error: "keyRetired" });
    expect(await access.retirePartnerKey(HOSPITAL, spell(key), BY)).toEqual({ ok: false, error: "keyUnknown" });
  });

  it("is one key when an institution registers with two spellings of it", async () => {
    const key = newKey();
    const registration = {
      ...PARTNER,
      kind: "hospital" as const,
      name: "第八医院",
      terminals: [] as { termId: string; latitude: number; longitude: number }[],
    };
    const { access } = province.core;
    expect(await access.registerInstitution({ ...registration, orgId: "H8", publicKeys: [toHex(key), toUpperHex(key)] }, BY)).toEqual({
      ok: false,
      error: "badRequest",
    });
    valueOf(await access.registerInstitution({ ...registration, orgId: "H8", publicKeys: [toUpperHex(key)] }, BY));
    expect(await keysAtEdges("H8")).toEqual([toHex(key)]);
  });

  it("that an earlier version stored in upper case reaches edges, and is retired", async () => {
    const key = newKey();
    valueOf(await province.core.access.addPartnerKey(OTHER_HOSPITAL, toHex(key), BY));
    await alterRow("UPDATE partner_key SET public_key = upper(public_key) WHERE public_key = ?", toHex(key));
    expect(await keysAtEdges(OTHER_HOSPITAL)).toContain(toHex(key));
    valueOf(await province.core.access.retirePartnerKey(OTHER_HOSPITAL, toHex(key), BY));
    await province.reopen();
    expect(await keysAtEdges(OTHER_HOSPITAL)).not.toContain(toHex(key));
  });
});

describe("a partner whose rows are wrong", () => {
  it.each([
    ["signType", "UPDATE institution SET sign_type = 'SM9' WHERE org_id = ?", "UPDATE institution SET sign_type = 'SM2' WHERE org_id = ?"],
    ["status", "UPDATE institution SET status = 'paused' WHERE org_id = ?", "UPDATE institution SET status = 'active' WHERE org_id = ?"],
    ["status", "UPDATE terminal SET status = 'lost' WHERE org_id = ?", "UPDATE terminal SET status = 'active' WHERE org_id = ?"],
  ])("by a word in %s that nobody knows is left out alone, and the core starts: %s", async (field, sql, whole) => {
    const before = (await bundle()).institutions.map(({ orgId }) => orgId);
    await alterRow(sql, OTHER_HOSPITAL);
    expect(province.core.access.unreadable()).toEqual([{ id: OTHER_HOSPITAL, field }]);
    expect((await bundle()).institutions.map(({ orgId }) => orgId)).toEqual(before.filter((orgId) => orgId !== OTHER_HOSPITAL));
    expect(province.core.ports.bundles.leftOut()).toEqual([{ orgId: OTHER_HOSPITAL, fields: [field] }]);
    await alterRow(whole, OTHER_HOSPITAL);
    expect((await bundle()).institutions.map(({ orgId }) => orgId)).toEqual(before);
  });

  it.each([
    ["publicKeys", "UPDATE partner_key SET public_key = 'no key' WHERE org_id = ? AND retired_at_ms IS NULL"],
    ["appSecret", "UPDATE institution SET partner_secret = x'00' WHERE org_id = ?"],
  ])("is left out of bundles by %s, is told of once, and all others are in them", async (field, sql) => {
    const before = (await bundle()).institutions.map(({ orgId }) => orgId);
    const kept = await province.core.registry.db.read("SELECT partner_secret FROM institution WHERE org_id = ?", OTHER_HOSPITAL);
    await alterRow(sql, OTHER_HOSPITAL);
    const told: LeftOut[] = [];
    const bundles = createBundleMaker({
      access: province.core.access,
      keys: province.keys,
      crypto: province.crypto,
      codeFingerprintKey: new Uint8Array(32),
      revokedCodes: () => Promise.resolve([]),
      onLeftOut: (partner) => told.push(partner),
    });
    const [edge] = province.core.access.edges.list();
    if (edge === undefined) throw new Error("no edge");
    await bundles.bundleFor(edge, province.clock.now());
    const { bundle: text } = await bundles.bundleFor(edge, province.clock.now());
    const { institutions } = v.parse(edgeBundle, JSON.parse(text));
    expect(institutions.map(({ orgId }) => orgId)).toEqual(before.filter((orgId) => orgId !== OTHER_HOSPITAL));
    expect(told).toEqual([{ orgId: OTHER_HOSPITAL, fields: [field] }]);
    expect(bundles.leftOut()).toEqual(told);
    // Whole again for the next: a good key, and the secret as it was.
    await province.core.registry.db.write([
      { sql: "DELETE FROM partner_key WHERE public_key = 'no key'", args: [] },
      { sql: "UPDATE institution SET partner_secret = ? WHERE org_id = ?", args: [kept[0]?.["partner_secret"] ?? null, OTHER_HOSPITAL] },
      {
        sql: "INSERT INTO partner_key (org_id, public_key, added_at_ms) VALUES (?, ?, 0) ON CONFLICT DO NOTHING",
        args: [OTHER_HOSPITAL, toHex(newKey())],
      },
    ]);
    await province.reopen();
  });
});

it("never signs a bundle that edges would refuse", async () => {
  const bundles = createBundleMaker({
    access: province.core.access,
    keys: province.keys,
    crypto: province.crypto,
    codeFingerprintKey: new Uint8Array(3),
    revokedCodes: () => Promise.resolve([]),
  });
  const [edge] = province.core.access.edges.list();
  if (edge === undefined) throw new Error("no edge");
  await expect(bundles.bundleFor(edge, province.clock.now())).rejects.toThrow(v.ValiError);
});
