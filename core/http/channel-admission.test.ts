import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Access } from "../access/access.ts";
import { type PartnerProfile, sealRequest } from "../protocol/envelope.ts";
import { ERRORS } from "../protocol/errors.ts";
import type { EventMs } from "../protocol/time.ts";
import { createCoreApp } from "../server.ts";
import { APP, APP_USER, openProvince, PARTNER, type Province, valueOf } from "../testing/province.ts";
import { CHANNEL_ADMISSION } from "./channel-admission.ts";
import { CHANNEL_REFUSALS, type ChannelRefusalId } from "./channel-refusals.ts";

let province: Province;
let app: ReturnType<typeof createCoreApp>;
beforeAll(async () => {
  province = await openProvince();
  app = createCoreApp(province.core.ports);
});
afterAll(async () => {
  await province.close();
});

interface Fault {
  readonly slots?: readonly string[];
  readonly path?: string;
  readonly data?: object;
  readonly profile?: Partial<PartnerProfile>;
  readonly otherKey?: true;
  readonly byMs?: number;
  readonly text?: (text: string) => string;
  readonly bytes?: (bytes: Uint8Array) => Uint8Array;
  readonly sentBefore?: true;
  readonly suspended?: true;
  readonly exhausted?: true;
  readonly mustEncrypt?: true;
}

const FAULTS: Readonly<Record<ChannelRefusalId, Fault>> = {
  oversizedBody: { text: (text) => text + " ".repeat(16 * 1024) },
  unknownOperation: { slots: ["path"], path: "rh.other" },
  notUtf8: { bytes: (bytes) => new Uint8Array([...bytes, 0xff]) },
  malformed: { text: (text) => text.replace('"version"', '"colour":"red","version"') },
  transTypeDiffers: { slots: ["path"], path: "rh.code.revoke" },
  appUnknown: { text: (text) => text.replace(`"orgId":"${APP}"`, '"orgId":"6401Z0000"') },
  appSuspended: { suspended: true },
  timestampOutside: { byMs: -301_000 },
  otherEncryption: { slots: ["signer"], profile: { encryption: "none" }, mustEncrypt: true },
  wrongSignature: { slots: ["signer"], otherKey: true },
  foreignApp: { data: { orgId: "6401Z0000" } },
  replayedNonce: { sentBefore: true },
  rateExceeded: { exhausted: true },
  wrongField: { data: { purpose: "pay" } },
};

async function answerTo(faults: readonly Fault[]): Promise<{ readonly code: string; readonly data: object }> {
  const profile: PartnerProfile = {
    appId: PARTNER.partnerAppId,
    appSecret: PARTNER.partnerSecret,
    dialect: "standard",
    signType: "SM2",
    encryption: "required",
    publicKeys: [],
    ...Object.assign({}, ...faults.map((fault) => fault.profile)),
  };
  const { crypto, partnerKeys, clock, core } = province;
  const key = faults.some(({ otherKey }) => otherKey) ? crypto.sm2GenerateKeyPair().privateKey : partnerKeys.privateKey;
  const request = {
    orgId: APP,
    transType: "rh.code.issue",
    version: "1.0.0",
    data: Object.assign(
      { orgId: APP, appUserId: APP_USER, purpose: "settle", form: "signed" },
      ...faults.map((fault) => fault.data),
    ) as object,
    timestampMs: (clock.now() + faults.reduce((sum, fault) => sum + (fault.byMs ?? 0), 0)) as EventMs,
  };
  let text = await sealRequest(crypto, request, profile, (message) => crypto.sm2Sign(key, message));
  for (const fault of faults) text = fault.text?.(text) ?? text;
  let body: Uint8Array = new TextEncoder().encode(text);
  for (const fault of faults) body = fault.bytes?.(body) ?? body;
  const post = async (to: typeof app): Promise<{ readonly code: string; readonly data: object }> => {
    const path = faults.find((fault) => fault.path !== undefined)?.path ?? "rh.code.issue";
    const response = await to.request(`/v1/${path}`, { method: "POST", body: new Uint8Array(body) });
    return (await response.json()) as { readonly code: string; readonly data: object };
  };
  if (faults.some(({ sentBefore }) => sentBefore)) await post(app);
  const { access } = core;
  const at = createCoreApp({ ...core.ports, access: otherwise(access, faults) });
  if (faults.some(({ suspended }) => suspended)) valueOf(await access.setStatus(APP, "suspended", "operator/test"));
  try {
    return await post(at);
  } finally {
    if (faults.some(({ suspended }) => suspended)) valueOf(await access.setStatus(APP, "active", "operator/test"));
    clock.advance(1_000);
  }
}

/** The directory, as it would be if the app had used up its rate, or had agreed to encrypt. */
function otherwise(access: Access, faults: readonly Fault[]): Access {
  const exhausted = faults.some((fault) => fault.exhausted);
  const mustEncrypt = faults.some((fault) => fault.mustEncrypt);
  return new Proxy(access, {
    get: (target, name) => {
      if (name === "institution" && exhausted)
        return (orgId: string) => {
          const known = target.institution(orgId);
          return known === undefined ? undefined : { ...known, rateBurst: 0 };
        };
      if (name === "partners" && mustEncrypt)
        return async (orgId: string, nowMs: EventMs) =>
          (await target.partners(orgId, nowMs)).map((one) => ({ ...one, encryption: "required" as const }));
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const ORDER = Object.keys(CHANNEL_REFUSALS).filter((id): id is ChannelRefusalId => Object.hasOwn(CHANNEL_REFUSALS, id));

describe("the published order of the channel's refusals", () => {
  it("is the order of the steps that every call goes through", () => {
    const run = CHANNEL_ADMISSION.flatMap(({ rows }) => rows);
    expect(ORDER).toEqual(["oversizedBody", ...run, "wrongField"]);
  });

  it.each(ORDER)("%s alone gives its own code", async (id) => {
    expect((await answerTo([FAULTS[id]])).code).toBe(ERRORS[CHANNEL_REFUSALS[id].error].code);
  });

  it.each(ORDER)("of %s and any condition after it, it decides", async (id) => {
    const { error } = CHANNEL_REFUSALS[id];
    const wrong: string[] = [];
    for (const later of ORDER.slice(ORDER.indexOf(id) + 1)) {
      const shared = FAULTS[later].slots?.some((slot) => FAULTS[id].slots?.includes(slot)) === true;
      if (shared || CHANNEL_REFUSALS[later].error === error) continue;
      const { code } = await answerTo([FAULTS[id], FAULTS[later]]);
      if (code !== ERRORS[error].code) wrong.push(`${later}: ${code}`);
    }
    expect(wrong).toEqual([]);
  });
});

describe("an app whose signature verifies", () => {
  it("is told the name of the field that is wrong, and never its value", async () => {
    expect((await answerTo([{ data: { purpose: "pay" } }])).data).toEqual({ field: "purpose" });
    expect((await answerTo([{ data: { extraordinary: "1" } }])).data).toEqual({ field: "extraordinary" });
    expect((await answerTo([{ data: { "510104199003071234": "1" } }])).data).toEqual({});
  });

  it("and nobody else is", async () => {
    expect((await answerTo([{ data: { purpose: "pay" } }, FAULTS.wrongSignature])).data).toEqual({});
  });
});
