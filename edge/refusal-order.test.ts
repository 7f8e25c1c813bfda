import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sealRequest } from "../core/protocol/envelope.ts";
import { ERRORS } from "../core/protocol/errors.ts";
import type { EdgeBundle, InstitutionSettings } from "../core/protocol/internal.ts";
import type { EventMs } from "../core/protocol/time.ts";
import { ADMISSION } from "./app/admission.ts";
import { viewOf } from "./app/view.ts";
import { EDGE_LIMITS } from "./ports.ts";
import { type RefusalId, REFUSALS } from "./refusals.ts";
import { EHC_ID, sceneAt, startPlatform, SUSPENDED_APP_ID, type TestPlatform, VALID } from "./testing/platform.ts";

let p: TestPlatform;
beforeAll(async () => {
  p = await startPlatform();
  const view = p.ports.settings.current();
  if (view !== undefined) p.useView(viewOf(p.crypto, hospital({ ratePerSecond: 1e6, rateBurst: 1e6 }).bundle(view.bundle)));
});
afterAll(async () => {
  await p.stop();
  await p.remove();
});

const FLOODING = "203.0.113.9";

type Data = Record<string, unknown>;
type Slot = "path" | "syntax" | "view" | "time" | "signer" | "payload" | "link" | "code" | "amount" | "business" | "terminal" | "number";

/** What makes one condition true of a settlement, in a way that lets another be true as well. */
interface Fault {
  /** Two faults that need the same part of a call cannot come together. */
  readonly slots?: readonly Slot[];
  readonly path?: string;
  /** Changes of the operation's data, before it is signed. */
  readonly data?: (data: Data) => Data | Promise<Data>;
  /** Changes of the caller's profile and key, as it signs. */
  readonly signs?: "SM3" | "otherKey" | "encrypted";
  readonly byMs?: number;
  /** Changes of the sealed text. */
  readonly text?: (text: string) => string;
  readonly bytes?: (bytes: Uint8Array) => Uint8Array;
  /** What happened earlier, while all was well. */
  readonly before?: (call: { readonly data: Data; readonly body: Uint8Array<ArrayBuffer> }) => Promise<void>;
  readonly bundle?: (bundle: EdgeBundle) => EdgeBundle;
  /** How the edge stands when the call comes. */
  readonly stands?: "withoutView" | "outboxFull" | "busAway" | "clockWrong" | "flooded";
}

const hospital = (change: Partial<InstitutionSettings>): Required<Pick<Fault, "bundle">> => ({
  bundle: (bundle) => {
    const { orgId } = p.institutions.hospital.settings;
    return { ...bundle, institutions: bundle.institutions.map((one) => (one.orgId === orgId ? { ...one, ...change } : one)) };
  },
});
const data = (change: Data): Pick<Fault, "data"> => ({ data: (given) => ({ ...given, ...change }) });
const code = (make: () => string | Promise<string>): Fault => ({
  slots: ["code"],
  data: async (given) => ({ ...given, code: await make() }),
});
const without = (field: string): Pick<Fault, "data"> => ({
  data: (given) => Object.fromEntries(Object.entries(given).filter(([name]) => name !== field)),
});
const terminal = (at: 0 | 1): string => p.institutions.hospital.settings.terminals[at]?.termId ?? "";
const OFFLINE = { amountMaxFen: "100000", totalMaxFen: "250000", ageMaxMs: 24 * 3_600_000 };

const FAULTS: Partial<Record<RefusalId, Fault>> = {
  sourceFloods: { stands: "flooded" },
  unknownOperation: { slots: ["path"], path: "rh.transfer" },
  oversizedBody: { text: (text) => text + " ".repeat(EDGE_LIMITS.billBytesMax) },
  notUtf8: { bytes: (bytes) => new Uint8Array([...bytes, 0xff]) },
  edgeSuspended: { slots: ["view"], bundle: (bundle) => ({ ...bundle, status: "suspended" }) },
  notJson: { slots: ["syntax"], text: (text) => `<${text}>` },
  trailingComma: { slots: ["syntax"], text: (text) => text.replace(/\}(\s*)$/, ",}$1") },
  duplicateKey: { slots: ["syntax"], text: (text) => text.replace('"version"', '"version":"1.0.0","version"') },
  unknownEnvelopeField: { slots: ["syntax"], text: (text) => text.replace('"version"', '"colour":"red","version"') },
  missingEnvelopeField: { slots: ["syntax"], text: (text) => text.replace(/"version":"[^"]*",/, "") },
  wrongEnvelopeType: { slots: ["syntax"], text: (text) => text.replace(/"version":"[^"]*"/, '"version":1') },
  dataAndEncData: {
    slots: ["payload", "syntax"],
    text: (text) => text.replace(/"data":/, `"encData":"${"AB".repeat(16)}","data":`),
  },
  transTypeDiffers: { slots: ["path"], path: "rh.presettle" },
  noSettings: { slots: ["view"], stands: "withoutView" },
  institutionUnknown: { text: (text) => text.replace('"orgId":"H51010000001"', '"orgId":"H99990000001"') },
  institutionSuspended: hospital({ status: "suspended" }),
  timestampOld: { slots: ["time"], byMs: -EDGE_LIMITS.timestampWindowMs - 1_000 },
  timestampAhead: { slots: ["time"], byMs: EDGE_LIMITS.timestampWindowMs + 1_000 },
  notEncrypted: { slots: ["payload"], ...hospital({ encryption: "required" }) },
  otherSignType: { slots: ["signer"], signs: "SM3" },
  wrongSignature: { slots: ["signer"], signs: "otherKey" },
  changedAfterSigning: { slots: ["payload"], text: (text) => text.replace('"officeId":"', '"officeId":"1') },
  encDataDamaged: {
    slots: ["payload", "signer"],
    signs: "encrypted",
    text: (text) => text.replace(/"encData":"(..)/, (_all, pair: string) => `"encData":"${pair === "00" ? "11" : "00"}`),
  },
  foreignInstitution: data({ orgId: "P51010000004" }),
  replayedNonce: { before: async ({ body }) => void (await p.post("rh.settle", body)) },
  rateExceeded: hospital({ rateBurst: 0 }),
  unknownField: data({ remark: "unexpected" }),
  missingField: without("operatorName"),
  wrongType: data({ termIp: "not an address" }),
  businessTypeUnlisted: { slots: ["business"], ...data({ businessType: "01999" }) },
  outboxFull: { slots: ["link"], stands: "outboxFull" },
  neitherCodeNorToken: { slots: ["code"], ...without("code") },
  amountNegative: { slots: ["amount"], ...data({ amount: "-128.50" }) },
  amountThreeDecimals: { slots: ["amount"], ...data({ amount: "128.505" }) },
  amountZero: { slots: ["amount"], ...data({ amount: "0.00" }) },
  amountExponent: { slots: ["amount"], ...data({ amount: "1.2E2" }) },
  feesNotTheAmount: data({
    feeLines: [{ itemCode: "X", itemName: "一项", quantity: "1", unitPrice: "3.00", amount: "3.01", category: "05", selfPayClass: "01" }],
  }),
  businessTypeNotSettling: { slots: ["business"], ...data({ businessType: "01101" }) },
  businessTypeElsewhere: { slots: ["business"], ...data({ businessType: "03132" }) },
  terminalUnknown: { slots: ["terminal"], ...data({ termId: "P51010000004T1" }) },
  terminalSuspended: { slots: ["terminal"], ...hospital({ suspendedTerminals: ["H51010000001T1"] }) },
  codeUnreadable: code(() => "https://pay.example/q"),
  codeStatic: code(() => `${EHC_ID}:1::5101A0001`),
  codeWithoutToken: code(() => `${EHC_ID}:0:${VALID}:5101A0001`),
  codeNhsaSettles: code(() => "28123456789012345678"),
  codeForIdentityOnly: code(() => p.code({ purpose: "verify" })),
  codeForged: code(async () => (await p.code()).replace(/.$/, (last) => (last === "a" ? "b" : "a"))),
  codeExpired: code(() => p.code({ expiresAtMs: p.clock.now() - 6_000 })),
  codeOfUnknownApp: code(() => p.code({ appId: "5101B0009" })),
  codeOfSuspendedApp: code(() => p.code({ appId: SUSPENDED_APP_ID })),
  offlineTooLong: { slots: ["link"], stands: "busAway", ...hospital({ offline: { ...OFFLINE, forMs: 0 } }) },
  offlineAmount: { slots: ["link", "amount"], stands: "busAway", ...data({ amount: "1000.01" }) },
  offlineUnverifiable: { ...code(() => p.opaqueCode()), slots: ["code", "link"], stands: "busAway" },
  unprovenExceeded: {
    slots: ["code", "terminal"],
    data: (given) => ({ ...given, code: p.opaqueCode(), termId: terminal(1) }),
    before: async () => {
      for (let n = 0; n < EDGE_LIMITS.unproven.terminal.burst; n++)
        await settle({ ...(await goodData()), code: p.opaqueCode(), termId: terminal(1) });
    },
  },
  numberTaken: {
    slots: ["number"],
    before: async ({ data: { outTradeNo } }) => settleWell({ ...(await goodData()), outTradeNo, amount: "7.00" }),
  },
  clockSkewed: { stands: "clockWrong" },
  codeUsedAgain: {
    slots: ["code"],
    before: async ({ data: given }) => settleWell({ ...(await goodData()), code: given["code"] }),
  },
  codeAtOtherTerminal: {
    slots: ["code", "terminal"],
    data: (given) => ({ ...given, termId: terminal(1) }),
    before: async ({ data: given }) => {
      const { amount: _amount, ...good } = await goodData();
      await p.post("rh.verify", await p.envelope(p.institutions.hospital, "rh.verify", { ...good, code: given["code"] }));
    },
  },
};

/** Brought about only by breaking the edge, by other operations, or by what other rows of the order leave no room for. */
const ELSEWHERE: readonly RefusalId[] = [
  "refundAmountMalformed",
  "codeTakenBack",
  "guessesExceeded",
  "offlineTotal",
  "numberTakenElse",
  "coreAway",
  "coreRefuses",
  "coreAwayElse",
  "payerAway",
  "periodUnknown",
  "resultUnknown",
  "unexpected",
];

let serial = 0;
async function goodData(): Promise<Data> {
  const { hospital: by } = p.institutions;
  const outTradeNo = `O${++serial}`;
  return { orgId: by.settings.orgId, outTradeNo, ...sceneAt(by), code: await p.code(), amount: "128.50" };
}

async function settle(given: Data): Promise<unknown> {
  return await (await p.post("rh.settle", await p.envelope(p.institutions.hospital, "rh.settle", given))).json();
}

async function settleWell(good: Data): Promise<void> {
  expect(await settle(good)).toMatchObject({ code: "0" });
}

async function sealed(given: Data, faults: readonly Fault[]): Promise<Uint8Array<ArrayBuffer>> {
  const { hospital: by, pharmacy } = p.institutions;
  const signs = new Set(faults.map((fault) => fault.signs));
  const profile = {
    ...p.profileOf(by),
    ...(signs.has("SM3") ? { signType: "SM3" as const } : {}),
    ...(signs.has("encrypted") ? { encryption: "required" as const } : {}),
  };
  const key = signs.has("otherKey") ? pharmacy.privateKey : by.privateKey;
  const timestampMs = (p.clock.now() + faults.reduce((sum, fault) => sum + (fault.byMs ?? 0), 0)) as EventMs;
  const request = { orgId: by.settings.orgId, transType: "rh.settle", version: "1.0.0", data: given, timestampMs };
  let text = await sealRequest(p.crypto, request, profile, (message) => p.crypto.sm2Sign(key, message));
  for (const fault of faults) text = fault.text?.(text) ?? text;
  let bytes: Uint8Array = new TextEncoder().encode(text);
  for (const fault of faults) bytes = fault.bytes?.(bytes) ?? bytes;
  return new Uint8Array(bytes);
}

/** Everything as the faults want it, until the returned function is called. */
function standAs(faults: readonly Fault[]): () => void {
  const view = p.ports.settings.current();
  const { outbox } = p.ports;
  const { backlog } = outbox;
  if (view !== undefined) {
    const bundle = faults.reduce((made, fault) => fault.bundle?.(made) ?? made, view.bundle);
    p.useView(viewOf(p.crypto, bundle));
  }
  for (const { stands } of faults) {
    if (stands === "withoutView") p.useView(undefined);
    if (stands === "outboxFull") outbox.backlog = () => ({ depth: EDGE_LIMITS.outboxDepthMax, oldestAgeMs: 0 });
    if (stands === "busAway") outbox.backlog = () => ({ depth: 1, oldestAgeMs: 1, bus: "away" });
    if (stands === "clockWrong") p.useSettingsState({ clockSkewMs: EDGE_LIMITS.clockSkewMsMax + 1 });
    if (stands === "flooded") p.useSource(FLOODING);
  }
  return () => {
    p.useView(view);
    p.useSource(undefined);
    p.useSettingsState({});
    Object.assign(outbox, { backlog });
  };
}

async function answerTo(faults: readonly Fault[]): Promise<unknown> {
  let given = await goodData();
  for (const fault of faults) given = (await fault.data?.(given)) ?? given;
  const body = await sealed(given, faults);
  for (const fault of faults.toReversed()) await fault.before?.({ data: given, body });
  if (faults.some(({ stands }) => stands === "flooded")) await flood();
  const stop = standAs(faults);
  try {
    const path = faults.find((fault) => fault.path !== undefined)?.path ?? "rh.settle";
    return await (await p.post(path, body)).json();
  } finally {
    stop();
    // What a rate took is given back.
    p.clock.advance(1_000);
  }
}

async function flood(): Promise<void> {
  p.useSource(FLOODING);
  for (let n = 0; n <= EDGE_LIMITS.garbageBurst; n++) await p.post("rh.transfer", "{");
  p.useSource(undefined);
}

const ORDER = Object.keys(REFUSALS).filter((id): id is RefusalId => Object.hasOwn(REFUSALS, id));
const made = ORDER.flatMap((id) => {
  const fault = FAULTS[id];
  return fault === undefined ? [] : [{ id, fault }];
});

describe("the published order of refusals", () => {
  test("is the order of the steps that every call goes through", () => {
    const run = ADMISSION.flatMap(({ rows }) => rows);
    expect(ORDER.slice(1, 1 + run.length)).toEqual(run);
  });

  test("has every condition that a settlement can meet here", () => {
    expect([...made.map(({ id }) => id), ...ELSEWHERE].toSorted()).toEqual(ORDER.toSorted());
  });

  test.each(made)("$id alone gives its own code", async ({ id, fault }) => {
    const { code: wanted, message } = ERRORS[REFUSALS[id].error];
    expect(await answerTo([fault])).toMatchObject({ code: wanted, message });
  });

  test.each(made)("of $id and any condition after it, $id decides", async ({ id, fault }) => {
    const { error } = REFUSALS[id];
    const { code: wanted, message } = ERRORS[error];
    const taken = new Set<Slot>(fault.slots ?? []);
    const wrong: string[] = [];
    for (const later of made.slice(made.findIndex((one) => one.id === id) + 1)) {
      if (REFUSALS[later.id].error === error || later.fault.slots?.some((slot) => taken.has(slot)) === true) continue;
      const reply = (await answerTo([fault, later.fault])) as { code: string; message: string };
      if (reply.code !== wanted || reply.message !== message) wrong.push(`${later.id}: ${reply.code} ${reply.message}`);
    }
    expect(wrong).toEqual([]);
  });
});
