/** What an app does for its own users, over the channel address and real files. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openFingerprints } from "../fingerprints.ts";
import { type OpenedReply, openReply, type PartnerProfile, sealRequest } from "../protocol/envelope.ts";
import { ERRORS, type ErrorName } from "../protocol/errors.ts";
import { createCoreApp } from "../server.ts";
import { APP, APP_USER, openProvince, PARTNER, PERSON, type Province, valueOf } from "../testing/province.ts";
import { openAppAccounts } from "../vault/app-accounts.ts";

let province: Province;
let app: ReturnType<typeof createCoreApp>;
let partner: PartnerProfile;

beforeAll(async () => {
  province = await openProvince();
  partner = {
    appId: PARTNER.partnerAppId,
    appSecret: PARTNER.partnerSecret,
    dialect: "standard",
    signType: "SM2",
    encryption: "required",
    publicKeys: [await province.keys.publicKey("platform.sign/1")],
  };
});
beforeEach(() => {
  app = createCoreApp(province.core.ports);
});
afterAll(() => province.close());

async function send(transType: string, data: object): Promise<OpenedReply> {
  const { crypto, clock, partnerKeys } = province;
  const request = { orgId: APP, transType, version: "1.0.0", data: { orgId: APP, ...data }, timestampMs: clock.now() };
  const body = await sealRequest(crypto, request, partner, (message) => crypto.sm2Sign(partnerKeys.privateKey, message));
  const response = await app.request(`/v1/${transType}`, { method: "POST", body });
  return valueOf(openReply(crypto, await response.text(), partner, { nowMs: clock.now() }));
}

describe("an app, for its own users", () => {
  const NEWCOMER = { appUserId: "user-new", idType: "01", idNo: "510104199001010019", userName: "王小明" };
  it("registers a person once, and answers masked", async () => {
    const first = await send("rh.person.register", NEWCOMER);
    expect(first.data).toEqual({ appUserId: "user-new", userName: "王**", idNo: "5****************9" });
    expect((await send("rh.person.register", NEWCOMER)).data).toEqual(first.data);
  });

  it.each<[string, object, ErrorName]>([
    ["a document with a wrong check digit", { idNo: "510104199001010011" }, "badRequest"],
    ["an unknown type of document", { idType: "77" }, "badRequest"],
    ["another person under the same name", { idNo: PERSON.idNo, userName: PERSON.name }, "idempotencyConflict"],
    ["the same document with another name", { appUserId: "user-other", userName: "李四" }, "idempotencyConflict"],
  ])("refuses %s", async (_what, more, error) => {
    await send("rh.person.register", NEWCOMER);
    expect((await send("rh.person.register", { ...NEWCOMER, ...more })).code).toBe(ERRORS[error].code);
  });

  it("binds an account that waits for its payer, shows it without its number, and ends it", async () => {
    await send("rh.person.register", NEWCOMER);
    const account = { appUserId: "user-new", kind: "bank", accountId: "CONTRACT-SECRET-1" };
    const bound = await send("rh.account.bind", account);
    expect(bound.data).toMatchObject({ kind: "bank", state: "pending" });
    expect((await send("rh.account.bind", account)).data).toEqual(bound.data);
    const listed = await send("rh.account.list", { appUserId: "user-new" });
    expect(listed.data["accounts"]).toEqual([bound.data]);
    expect(JSON.stringify(listed)).not.toContain("CONTRACT-SECRET-1");
    const { bindingId } = bound.data;
    for (let again = 0; again < 2; again++)
      expect((await send("rh.account.unbind", { appUserId: "user-new", bindingId })).data).toEqual({ bindingId, state: "revoked" });
    expect((await send("rh.account.list", { appUserId: "user-new" })).data).toEqual({ appUserId: "user-new" });
  });

  it("asks the payer again for an account that waits, and refuses one that is not the person's", async () => {
    await send("rh.person.register", NEWCOMER);
    const asking: string[] = [];
    let says: "confirmed" | "refused" | "unknown" = "unknown";
    const { core, crypto, keys } = province;
    const { registry, access, identity } = core;
    const appAccounts = openAppAccounts({
      registry,
      access,
      identity,
      crypto,
      keys,
      bindings: core.vault.bindings,
      fingerprints: await openFingerprints(crypto, keys),
      confirm: ({ kind, accountId, holder }) => {
        asking.push(`${kind} ${accountId} ${holder.name}`);
        return Promise.resolve(says);
      },
    });
    app = createCoreApp({ ...core.ports, appAccounts });
    const account = { appUserId: "user-new", kind: "insurance", accountId: "PSN-1", insuOrg: "510100" };
    expect((await send("rh.account.bind", account)).data).toMatchObject({ state: "pending" });
    says = "confirmed";
    expect((await send("rh.account.bind", account)).data).toMatchObject({ state: "active", insuOrg: "510100" });
    says = "refused";
    expect((await send("rh.account.bind", { ...account, accountId: "PSN-2" })).code).toBe(ERRORS.bindingMissing.code);
    // An active one is not asked about again.
    expect((await send("rh.account.bind", account)).data).toMatchObject({ state: "active" });
    expect(asking).toEqual(["insurance PSN-1 王小明", "insurance PSN-1 王小明", "insurance PSN-2 王小明"]);
  });

  it.each<[string, string, object, ErrorName]>([
    ["accounts of somebody who is not its user", "rh.account.list", { appUserId: "stranger" }, "credentialUnknown"],
    ["a binding for a stranger", "rh.account.bind", { appUserId: "stranger", kind: "bank", accountId: "B1" }, "credentialUnknown"],
    ["insurance without its area", "rh.account.bind", { appUserId: APP_USER, kind: "insurance", accountId: "I1" }, "badRequest"],
    ["an area with a bank", "rh.account.bind", { appUserId: APP_USER, kind: "bank", accountId: "B1", insuOrg: "510100" }, "badRequest"],
    ["an end of a binding it does not have", "rh.account.unbind", { appUserId: APP_USER, bindingId: "0".repeat(32) }, "bindingMissing"],
    ["a code that nobody issued", "rh.code.revoke", { code: "x".repeat(40) }, "codeMalformed"],
  ])("refuses %s", async (_what, transType, data, error) => {
    expect((await send(transType, data)).code).toBe(ERRORS[error].code);
  });

  it("refuses the end of a binding of another app's user, as if it did not exist", async () => {
    await send("rh.person.register", NEWCOMER);
    const reply = await send("rh.account.unbind", { appUserId: "user-new", bindingId: province.bindingIds.bank });
    expect(reply.code).toBe(ERRORS.bindingMissing.code);
    expect((await send("rh.account.list", { appUserId: APP_USER })).data["accounts"]).toHaveLength(3);
  });

  it("takes back a code that was not used", async () => {
    const code = await province.issue();
    expect((await send("rh.code.revoke", { code })).data).toEqual({ state: "revoked" });
  });
});
