/** Keys and secrets are replaced by overlap: nobody restarts, and what is under way still counts. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseScannedCode } from "../protocol/fused-code.ts";
import { checkSignedCode } from "../protocol/signed-token.ts";
import { APP, HOSPITAL, openProvince, PARTNER, type Province, valueOf } from "../testing/province.ts";
import { publicKeysOf } from "./signing-keys.ts";

const BY = "operator/test";
const NEW_SECRET = "0A1B2C3D4E5F60718293A4B5C6D7E8F9";

let province: Province;
beforeAll(async () => {
  province = await openProvince();
});
afterAll(async () => {
  await province.close();
});

/** Which of the code keys in force signed a code just issued: 0 is the newest. */
async function signedBy(): Promise<number> {
  const { access } = province.core;
  const code = parseScannedCode(await province.issue(), { appIdWidth: access.appIdWidth });
  if (!code.ok || code.value.kind === "nhsa" || code.value.kind === "ehc.static" || code.value.kind === "ehc.dynamic")
    throw new Error("no fused code");
  const fused = code.value;
  const keys = publicKeysOf(access.signing.inForce("code"));
  return keys.findIndex(
    (key) => checkSignedCode(province.crypto, fused, { publicKeys: [key], purposes: ["settle"], nowMs: province.clock.now() }).ok,
  );
}

describe("the key that signs codes", () => {
  it("is announced first, signs when its time has come, and the one before may then be retired", async () => {
    const { signing } = province.core.access;
    const second = valueOf(await signing.add("code", 86_400_000, BY));
    expect(signing.inForce("code").map(({ handle }) => handle)).toEqual([second.handle, "code.sign/1"]);
    expect(await signedBy()).toBe(1);
    province.clock.advance(86_400_000);
    expect(await signedBy()).toBe(0);
    valueOf(await signing.retire("code.sign/1", BY));
    await province.reopen();
    expect(province.core.access.signing.inForce("code").map(({ handle }) => handle)).toEqual([second.handle]);
    expect(province.core.access.signing.list("code")).toHaveLength(2);
    expect(await signedBy()).toBe(0);
  });

  it("is never retired when it is the last, nor twice, nor when it is unknown", async () => {
    const { signing } = province.core.access;
    expect(await signing.retire("code.sign/2", BY)).toEqual({ ok: false, error: "lastKey" });
    for (const handle of ["code.sign/1", "code.sign/9"])
      expect(await signing.retire(handle, BY)).toEqual({ ok: false, error: "keyUnknown" });
    expect(await signing.add("code", -1, BY)).toEqual({ ok: false, error: "badRequest" });
  });
});

describe("a partner's secret", () => {
  it("counts beside the new one until the overlap ends, over a restart as well", async () => {
    valueOf(await province.core.access.rotatePartnerSecret(HOSPITAL, { partnerSecret: NEW_SECRET, overlapMs: 60_000 }, BY));
    const secrets = async (): Promise<readonly string[]> =>
      (await province.core.access.partners(HOSPITAL, province.clock.now())).map(({ appSecret }) => appSecret);
    expect(await secrets()).toEqual([NEW_SECRET, PARTNER.partnerSecret]);
    await province.reopen();
    expect(await secrets()).toEqual([NEW_SECRET, PARTNER.partnerSecret]);
    const [edge] = province.core.access.edges.list();
    if (edge === undefined) throw new Error("no edge");
    const bundleOf = async () =>
      JSON.parse((await province.core.ports.bundles.bundleFor(edge, province.clock.now())).bundle) as {
        institutions: { orgId: string; appSecret: string; formerSecret?: object }[];
      };
    const settings = (await bundleOf()).institutions.find(({ orgId }) => orgId === HOSPITAL);
    expect(settings).toMatchObject({ appSecret: NEW_SECRET, formerSecret: { appSecret: PARTNER.partnerSecret } });
    province.clock.advance(60_000);
    expect(await secrets()).toEqual([NEW_SECRET]);
    expect((await bundleOf()).institutions.find(({ orgId }) => orgId === HOSPITAL)?.formerSecret).toBeUndefined();
  });

  it("is refused when it is of no form, or of nobody", async () => {
    const { access } = province.core;
    expect(await access.rotatePartnerSecret(HOSPITAL, { partnerSecret: "short", overlapMs: 0 }, BY)).toEqual({
      ok: false,
      error: "badRequest",
    });
    expect(await access.rotatePartnerSecret("H0", { partnerSecret: NEW_SECRET, overlapMs: 0 }, BY)).toEqual({
      ok: false,
      error: "institutionUnknown",
    });
  });
});

describe("what bundles say of what was shut out", () => {
  it("names suspended terminals and apps, and the offline allowance", async () => {
    const { access } = province.core;
    const [edge] = access.edges.list();
    if (edge === undefined) throw new Error("no edge");
    const allowance = { amountMaxFen: "50000", totalMaxFen: "900000", forMs: 1_000, ageMaxMs: 2_000 };
    valueOf(await access.setTerminalStatus(HOSPITAL, "T0001", "suspended", BY));
    valueOf(await access.setStatus(APP, "suspended", BY));
    valueOf(await access.setOfflineAllowance(HOSPITAL, allowance, BY));
    await province.reopen();
    const bundle = JSON.parse((await province.core.ports.bundles.bundleFor(edge, province.clock.now())).bundle) as Record<string, unknown>;
    expect(bundle).toMatchObject({ appIds: [], suspendedAppIds: [APP] });
    expect(bundle["institutions"]).toContainEqual(
      expect.objectContaining({ orgId: HOSPITAL, suspendedTerminals: ["T0001"], offline: allowance }),
    );
    const reopened = province.core.access;
    expect(await reopened.setTerminalStatus(HOSPITAL, "T9", "suspended", BY)).toEqual({ ok: false, error: "terminalUnknown" });
    expect(await reopened.setOfflineAllowance(HOSPITAL, { ...allowance, ageMaxMs: 86_400_001 }, BY)).toEqual({
      ok: false,
      error: "badRequest",
    });
  });

  it("records every change in the registry log", async () => {
    const rows = await province.core.registry.db.read("SELECT DISTINCT kind FROM leaf WHERE kind LIKE 'access.%'");
    const kinds = rows.map((row) => row["kind"]);
    for (const kind of ["signing-key.added", "signing-key.retired", "secret.rotated", "terminal.changed", "offline.changed"])
      expect(kinds).toContain(`access.${kind}`);
  });
});
