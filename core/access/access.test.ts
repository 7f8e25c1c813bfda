import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AccessRefusal } from "./refusals.ts";
import { toHex } from "../protocol/bytes.ts";
import { APP, EDGE, HOSPITAL, openProvince, PARTNER, type Province, TERMINAL, valueOf } from "../testing/province.ts";
import type { InstitutionRegistration } from "./registration.ts";

let province: Province;

beforeAll(async () => {
  province = await openProvince();
});
afterAll(async () => {
  await province.close();
});

const BY = "operator/test";

function registration(more: Partial<InstitutionRegistration> = {}): InstitutionRegistration {
  const publicKeys = [toHex(province.crypto.sm2GenerateKeyPair().publicKey)];
  return { ...PARTNER, orgId: "H9", kind: "hospital", name: "第九医院", publicKeys, terminals: [], ...more };
}

async function newKinds(from: bigint): Promise<readonly unknown[]> {
  return (await province.core.registry.db.read("SELECT kind FROM leaf WHERE idx >= ? ORDER BY idx", from)).map((row) => row["kind"]);
}

describe("registering", () => {
  it("announces the platform's public keys, once", async () => {
    await province.reopen();
    const rows = await province.core.registry.db.read(
      "SELECT subject FROM leaf WHERE kind = 'access.platform-key.announced' ORDER BY subject",
    );
    expect(rows.map((row) => row["subject"])).toEqual([
      "bundle.sign/1",
      "code.sign/1",
      "edge.seal/1",
      "ledger.registry/1",
      "platform.sign/1",
    ]);
  });

  it("keeps everything over a restart, secrets included", async () => {
    const { access } = province.core;
    const before = {
      institution: access.institution(HOSPITAL),
      partner: await access.partner(HOSPITAL),
      app: access.app(APP),
      key: await access.edgeKey(EDGE),
    };
    await province.reopen();
    const again = province.core.access;
    expect({
      institution: again.institution(HOSPITAL),
      partner: await again.partner(HOSPITAL),
      app: again.app(APP),
      key: await again.edgeKey(EDGE),
    }).toEqual(before);
    expect(before.partner?.appSecret).toBe(PARTNER.partnerSecret);
    expect(before.key).toEqual(province.edgeKey);
  });

  it("records each registration and each change of a key or status", async () => {
    const { access, registry } = province.core;
    const from = registry.log.size;
    const next = toHex(province.crypto.sm2GenerateKeyPair().publicKey);
    const made = registration({ orgId: "H7" });
    valueOf(await access.registerInstitution(made, BY));
    valueOf(await access.registerTerminal("H7", { termId: "T7", latitude: 1, longitude: 2 }, BY));
    valueOf(await access.addPartnerKey("H7", next, BY));
    expect(access.institution("H7")?.publicKeys).toEqual([next, ...made.publicKeys]);
    valueOf(await access.retirePartnerKey("H7", made.publicKeys[0] ?? "", BY));
    valueOf(await access.setStatus("H7", "suspended", BY));
    expect(await newKinds(from)).toEqual([
      "access.institution.registered",
      "access.terminal.registered",
      "access.key.added",
      "access.key.retired",
      "access.institution.changed",
    ]);
    expect((await access.partner("H7"))?.publicKeys.map(toHex)).toEqual([next]);
    expect(await access.addPartnerKey("H7", made.publicKeys[0] ?? "", BY)).toEqual({ ok: false, error: "keyRetired" });
    await province.reopen();
    expect(province.core.access.institution("H7")).toMatchObject({ publicKeys: [next], status: "suspended" });
  });

  it.each<[AccessRefusal, string, () => Promise<unknown>]>([
    [
      "badRequest",
      "a key that is no point of the curve",
      () => province.core.access.registerInstitution(registration({ publicKeys: [`04${"1".repeat(128)}`] }), BY),
    ],
    ["badRequest", "no key", () => province.core.access.registerInstitution(registration({ publicKeys: [] }), BY)],
    [
      "badRequest",
      "a name with a control character",
      () => province.core.access.registerInstitution(registration({ name: "a\u0000" }), BY),
    ],
    [
      "badRequest",
      "a terminal twice",
      () =>
        province.core.access.registerInstitution(
          registration({ terminals: [1, 2].map(() => ({ termId: "T", latitude: 0, longitude: 0 })) }),
          BY,
        ),
    ],
    [
      "badRequest",
      "a terminal off the globe",
      () => province.core.access.registerTerminal(HOSPITAL, { termId: "T2", latitude: 91, longitude: 0 }, BY),
    ],
    [
      "badRequest",
      "an EHCAPPID of another width",
      () => province.core.access.registerApp({ ...PARTNER, appId: "640", name: "x", publicKeys: registration().publicKeys }, BY),
    ],
    ["lastKey", "retiring the last key", () => province.core.access.retirePartnerKey(APP, toHex(province.partnerKeys.publicKey), BY)],
    ["alreadyThere", "an institution that is there", () => province.core.access.registerInstitution(registration({ orgId: HOSPITAL }), BY)],
    [
      "alreadyThere",
      "a terminal that is there",
      () => province.core.access.registerTerminal(HOSPITAL, { termId: TERMINAL, latitude: 0, longitude: 0 }, BY),
    ],
    ["alreadyThere", "an edge that is there", () => province.core.access.registerEdge({ edgeId: EDGE }, BY)],
    [
      "institutionUnknown",
      "a terminal of nobody",
      () => province.core.access.registerTerminal("H0", { termId: "T", latitude: 0, longitude: 0 }, BY),
    ],
    [
      "institutionUnknown",
      "an edge that serves nobody we know",
      () => province.core.access.registerEdge({ edgeId: "e9", serves: ["H0"] }, BY),
    ],
    ["edgeUnknown", "a status of no edge", () => province.core.access.setEdgeStatus("e0", "suspended", BY)],
    ["institutionUnknown", "a status of nobody", () => province.core.access.setStatus("H0", "active", BY)],
  ])("refuses as %s: %s", async (error, _what, attempt) => {
    const size = province.core.registry.log.size;
    expect(await attempt()).toEqual({ ok: false, error });
    expect(province.core.registry.log.size).toBe(size);
  });

  it("registers one of two equal registrations made at once", async () => {
    const made = registration({ orgId: "H8" });
    const outcomes = await Promise.all([1, 2].map(() => province.core.access.registerInstitution(made, BY)));
    expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1);
  });
});
