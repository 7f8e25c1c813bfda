import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openReply } from "../core/protocol/envelope.ts";
import { ERRORS } from "../core/protocol/errors.ts";
import { toHex } from "../core/protocol/bytes.ts";
import { credentialFingerprintInput } from "../core/protocol/pseudonym.ts";
import { viewOf } from "./app/view.ts";
import { EDGE_LIMITS } from "./ports.ts";
import { type Leaves, type RefusalId, REFUSALS } from "./refusals.ts";
import {
  EC_TOKEN,
  EHC_ID,
  sceneAt,
  SUSPENDED_APP_ID,
  startPlatform,
  type TestInstitution,
  type TestPlatform,
  VALID,
} from "./testing/platform.ts";

let p: TestPlatform;
beforeAll(async () => {
  p = await startPlatform();
});
afterAll(async () => {
  await p.stop();
  await p.remove();
});

/** A call that must be refused, and what it takes to get there and back. */
interface Attempt {
  readonly transType: string;
  readonly body: string | Uint8Array<ArrayBuffer>;
  /** Texts of the call that no reply may repeat. */
  readonly inputs: readonly string[];
  readonly after?: () => void;
}

const FEE_LINE = {
  itemCode: "XA01",
  itemName: "一项诊疗",
  quantity: "1",
  unitPrice: "128.50",
  amount: "128.50",
  category: "05",
  selfPayClass: "01",
} as const;

let serial = 0;
const number = (): string => `R${String(++serial).padStart(6, "0")}`;

/** A good call of an operation, changed by `over`. */
async function call(
  transType: string,
  over: object = {},
  by: TestInstitution = p.institutions.hospital,
): Promise<Attempt & { readonly body: string }> {
  const data = await dataOf(transType, over, by);
  return { transType, body: await p.envelope(by, transType, data), inputs: textsOf(data) };
}

async function dataOf(transType: string, over: object, by: TestInstitution): Promise<Record<string, unknown>> {
  const orgId = by.settings.orgId;
  const outTradeNo = number();
  const scene = sceneAt(by);
  switch (transType) {
    case "rh.verify":
      return { orgId, outTradeNo, ...scene, code: await p.code(), ...over };
    case "rh.settle":
      return { orgId, outTradeNo, ...scene, code: await p.code(), amount: "128.50", ...over };
    case "rh.presettle":
      return { orgId, outTradeNo, ...scene, ecToken: EC_TOKEN, amount: "128.50", ...over };
    case "rh.statement":
      return { orgId, outTradeNo, period: "20251019", ...over };
    case "rh.refund":
      return { orgId, outTradeNo, ...scene, originalOutTradeNo: "R999999", ...over };
    default:
      return { orgId, outTradeNo, ...over };
  }
}

/** A good envelope whose JSON text is changed afterwards. */
async function tampered(change: (text: string) => string): Promise<Attempt> {
  const good = await call("rh.settle");
  return { ...good, body: change(good.body) };
}

function textsOf(data: object): readonly string[] {
  return Object.values(data).filter((value): value is string => typeof value === "string" && value.length > 3);
}

async function aged(byMs: number): Promise<Attempt> {
  const { hospital } = p.institutions;
  const data = await dataOf("rh.settle", {}, hospital);
  return { transType: "rh.settle", body: await p.envelope(hospital, "rh.settle", data, p.clock.now() + byMs), inputs: textsOf(data) };
}

const withoutView = async (): Promise<Attempt> => {
  const view = p.ports.settings.current();
  const attempt = await call("rh.settle");
  p.useView(undefined);
  return { ...attempt, after: () => p.useView(view) };
};

const settleAmount = (amount: string) => (): Promise<Attempt> => call("rh.settle", { amount });

/** How each condition is brought about. */
const ATTEMPTS: Record<RefusalId, () => Promise<Attempt>> = {
  unknownOperation: async () => ({ ...(await call("rh.settle")), transType: "rh.transfer" }),
  sourceFloods: async () => {
    const attempt = await call("rh.settle");
    p.useSource("203.0.113.9");
    for (let n = 0; n <= EDGE_LIMITS.garbageBurst; n++) await p.post("rh.settle", "{");
    return { ...attempt, after: () => p.useSource(undefined) };
  },
  notUtf8: async () => {
    const attempt = await call("rh.settle");
    return { ...attempt, body: new Uint8Array([...new TextEncoder().encode(attempt.body.replace(/"\}$/, "")), 0xff, 0x22, 0x7d]) };
  },
  oversizedBody: () => tampered((text) => text + " ".repeat(EDGE_LIMITS.billBytesMax)),
  notJson: () => tampered((text) => `<${text}>`),
  trailingComma: () => tampered((text) => text.replace(/\}$/, ",}")),
  duplicateKey: () => tampered((text) => text.replace('"version"', '"version":"1.0.0","version"')),
  unknownEnvelopeField: () => tampered((text) => text.replace('"version"', '"colour":"red","version"')),
  missingEnvelopeField: () => tampered((text) => text.replace(/"version":"[^"]*",/, "")),
  wrongEnvelopeType: () => tampered((text) => text.replace(/"version":"[^"]*"/, '"version":1')),
  dataAndEncData: () => tampered((text) => text.replace('"data"', `"encData":"${"AB".repeat(16)}","data"`)),
  transTypeDiffers: async () => ({ ...(await call("rh.settle")), transType: "rh.verify" }),
  noSettings: withoutView,
  edgeSuspended: async () => {
    const view = p.ports.settings.current();
    const attempt = await call("rh.settle");
    if (view !== undefined) p.useView({ ...view, bundle: { ...view.bundle, status: "suspended" } });
    return { ...attempt, after: () => p.useView(view) };
  },
  institutionUnknown: async () => {
    const attempt = await tampered((text) => text.replaceAll("H51010000001", "H99990000001"));
    return { ...attempt, inputs: [...attempt.inputs, "H99990000001"] };
  },
  institutionSuspended: () => call("rh.settle", {}, p.institutions.suspended),
  timestampOld: () => aged(-EDGE_LIMITS.timestampWindowMs - 1_000),
  timestampAhead: () => aged(EDGE_LIMITS.timestampWindowMs + 1_000),
  notEncrypted: async () => {
    const { secretive } = p.institutions;
    const open = { ...secretive, settings: { ...secretive.settings, encryption: "none" as const } };
    return await call("rh.settle", {}, open);
  },
  otherSignType: async () => {
    const { hospital } = p.institutions;
    return await call("rh.settle", {}, { ...hospital, settings: { ...hospital.settings, signType: "SM3" } });
  },
  wrongSignature: () => call("rh.settle", {}, { ...p.institutions.hospital, privateKey: p.institutions.pharmacy.privateKey }),
  changedAfterSigning: () => tampered((text) => text.replace('"128.50"', '"128.51"')),
  encDataDamaged: async () => {
    const attempt = await call("rh.settle", {}, p.institutions.secretive);
    return {
      ...attempt,
      body: attempt.body.replace(/"encData":"(..)/, (_all, pair: string) => `"encData":"${pair === "00" ? "11" : "00"}`),
    };
  },
  foreignInstitution: () => call("rh.settle", { orgId: p.institutions.pharmacy.settings.orgId }),
  replayedNonce: async () => {
    const attempt = await call("rh.result", { outTradeNo: "R888888" });
    await p.post(attempt.transType, attempt.body);
    return attempt;
  },
  rateExceeded: async () => {
    const { slow } = p.institutions;
    for (let n = 0; n < slow.settings.rateBurst; n++) await p.post("rh.result", (await call("rh.result", {}, slow)).body);
    return await call("rh.settle", {}, slow);
  },
  unknownField: () => call("rh.settle", { remark: "unexpected text" }),
  missingField: () => call("rh.settle", { operatorName: undefined }),
  wrongType: () => call("rh.settle", { termIp: "not an address" }),
  businessTypeUnlisted: () => call("rh.settle", { businessType: "01999" }),
  outboxFull: async () => {
    const attempt = await call("rh.settle");
    const { outbox } = p.ports;
    const { backlog } = outbox;
    outbox.backlog = () => ({ depth: EDGE_LIMITS.outboxDepthMax, oldestAgeMs: 0 });
    return { ...attempt, after: () => Object.assign(outbox, { backlog }) };
  },
  neitherCodeNorToken: () => call("rh.settle", { code: undefined }),
  amountNegative: settleAmount("-128.50"),
  amountThreeDecimals: settleAmount("128.505"),
  amountZero: settleAmount("0.00"),
  amountExponent: settleAmount("1.2E2"),
  feesNotTheAmount: () => call("rh.presettle", { feeLines: [{ ...FEE_LINE, amount: "128.51" }] }),
  refundAmountMalformed: () => call("rh.refund", { refundAmount: "0.00" }),
  businessTypeNotSettling: () => call("rh.settle", { businessType: "01101" }),
  businessTypeElsewhere: () => call("rh.settle", { businessType: "03132" }),
  terminalUnknown: () => call("rh.settle", { termId: p.institutions.pharmacy.settings.terminals[0]?.termId }),
  terminalSuspended: async () => {
    const { hospital } = p.institutions;
    const attempt = await call("rh.settle");
    return withSettings(attempt, { suspendedTerminals: hospital.settings.terminals.map(({ termId }) => termId) });
  },
  codeUnreadable: () => call("rh.settle", { code: `${EHC_ID}:0:${VALID}:tooShort` }),
  codeStatic: () => call("rh.settle", { code: `${EHC_ID}:1::5101A0001` }),
  codeWithoutToken: () => call("rh.settle", { code: `${EHC_ID}:0:${VALID}:5101A0001` }),
  codeNhsaSettles: () => call("rh.settle", { code: "28123456789012345678" }),
  codeForIdentityOnly: async () => call("rh.settle", { code: await p.code({ purpose: "verify" }) }),
  codeForged: async () => {
    const code = await p.code();
    const last = code.endsWith("a") ? "b" : "a";
    return await call("rh.settle", { code: code.slice(0, -1) + last });
  },
  codeExpired: async () => call("rh.settle", { code: await p.code({ expiresAtMs: p.clock.now() - 6_000 }) }),
  codeOfUnknownApp: async () => call("rh.settle", { code: await p.code({ appId: "5101B0009" }) }),
  codeOfSuspendedApp: async () => call("rh.settle", { code: await p.code({ appId: SUSPENDED_APP_ID }) }),
  codeTakenBack: async () => {
    const code = await p.code();
    const view = p.ports.settings.current();
    const attempt = await call("rh.settle", { code });
    if (view !== undefined) {
      const fingerprint = p.crypto.hmacSm3(view.fingerprintKey, credentialFingerprintInput("code", code));
      p.useView({ ...view, revokedCodes: new Set([toHex(fingerprint)]) });
    }
    return { ...attempt, after: () => p.useView(view) };
  },
  guessesExceeded: async () => {
    p.core.answer = "codeUnknown";
    for (let n = 0; n < EDGE_LIMITS.guesses.terminal.burst; n++)
      await p.post("rh.verify", (await call("rh.verify", { code: p.opaqueCode() })).body);
    p.core.answer = "resolve";
    return await call("rh.verify", { code: p.opaqueCode() });
  },
  offlineTooLong: async () => {
    const attempt = await call("rh.settle");
    return offline(withSettings(attempt, { offline: { ...p.institutions.hospital.settings.offline, forMs: 0 } }));
  },
  offlineAmount: async () => offline(await call("rh.settle", { amount: "1000.01" })),
  offlineUnverifiable: async () => offline(await call("rh.settle", { code: p.opaqueCode() })),
  unprovenExceeded: async () => {
    for (let n = 0; n < EDGE_LIMITS.unproven.terminal.burst; n++)
      await p.post("rh.settle", (await call("rh.settle", { code: p.opaqueCode() })).body);
    return await call("rh.settle", { code: p.opaqueCode() });
  },
  clockSkewed: async () => {
    const attempt = await call("rh.settle");
    p.useSettingsState({ clockSkewMs: 5_001 });
    return { ...attempt, after: () => p.useSettingsState({}) };
  },
  codeUsedAgain: async () => {
    const code = await p.code();
    await p.post("rh.settle", (await call("rh.settle", { code })).body);
    return await call("rh.settle", { code });
  },
  codeAtOtherTerminal: async () => {
    const code = await p.code();
    await p.post("rh.verify", (await call("rh.verify", { code })).body);
    return await call("rh.settle", { code, termId: p.institutions.hospital.settings.terminals[1]?.termId });
  },
  offlineTotal: async () => {
    const bills = await Promise.all([1, 2].map(() => call("rh.settle", { amount: "1000.00" })));
    const attempt = offline(await call("rh.settle", { amount: "500.01" }));
    for (const bill of bills) await p.post("rh.settle", bill.body);
    return attempt;
  },
  numberTaken: async () => {
    const outTradeNo = number();
    await p.post("rh.settle", (await call("rh.settle", { outTradeNo })).body);
    return await call("rh.settle", { outTradeNo });
  },
  numberTakenElse: async () => {
    const outTradeNo = number();
    await p.post("rh.settle", (await call("rh.settle", { outTradeNo, code: undefined, ecToken: EC_TOKEN })).body);
    return await call("rh.refund", { outTradeNo });
  },
  coreAway: async () => {
    const attempt = await call("rh.verify", { code: p.opaqueCode(), termId: p.institutions.hospital.settings.terminals[1]?.termId });
    p.core.answer = "coreUnavailable";
    return { ...attempt, after: () => void (p.core.answer = "resolve") };
  },
  coreRefuses: async () => {
    const attempt = await call("rh.verify");
    p.core.answer = "codeUnknown";
    return { ...attempt, after: () => void (p.core.answer = "resolve") };
  },
  coreAwayElse: async () => {
    const attempt = await call("rh.statement");
    p.core.answer = "coreUnavailable";
    return { ...attempt, after: () => void (p.core.answer = "resolve") };
  },
  payerAway: async () => {
    const attempt = await call("rh.presettle");
    p.core.answer = "payerUnavailable";
    return { ...attempt, after: () => void (p.core.answer = "resolve") };
  },
  periodUnknown: async () => {
    const attempt = await call("rh.statement", { period: "20270101" });
    p.core.answer = "badRequest";
    return { ...attempt, after: () => void (p.core.answer = "resolve") };
  },
  resultUnknown: () => call("rh.result"),
  unexpected: async () => {
    const attempt = await call("rh.settle");
    const { sealer } = p.ports;
    const { seal } = sealer;
    sealer.seal = () => {
      throw new Error("a text that holds the code");
    };
    return { ...attempt, after: () => Object.assign(sealer, { seal }) };
  },
};

/** The attempt while the bus is away, and everything there again afterwards. */
function offline(attempt: Attempt): Attempt {
  const { outbox } = p.ports;
  const { backlog } = outbox;
  outbox.backlog = () => ({ depth: 1, oldestAgeMs: 1, bus: "away" });
  return {
    ...attempt,
    after: () => {
      Object.assign(outbox, { backlog });
      attempt.after?.();
    },
  };
}

/** The attempt while the platform has other settings for the hospital. */
function withSettings(attempt: Attempt, over: Partial<TestInstitution["settings"]>): Attempt {
  const view = p.ports.settings.current();
  if (view === undefined) throw new Error("no settings to change");
  const { hospital } = p.institutions;
  const institutions = Object.values(p.institutions).map((one) => (one === hospital ? { ...one.settings, ...over } : one.settings));
  p.useView(viewOf(p.crypto, { ...view.bundle, institutions }));
  return { ...attempt, after: () => p.useView(view) };
}

interface Counts {
  readonly submitted: number;
  readonly scans: number;
  readonly taken: number;
  readonly marks: number;
  readonly nonces: number;
}

async function counts(): Promise<Counts> {
  // Nonces of refused calls are written with the next commit: make one.
  await p.state.commit({ atMs: p.clock.now(), records: [] });
  const rows = async (table: string): Promise<number> => Number((await p.db.read(`SELECT count(*) AS n FROM ${table}`))[0]?.["n"]);
  return {
    submitted: (await p.events("settlement.request.submitted.v1")).length,
    scans: (await p.events("code.scan.observed.v1")).length,
    taken: await rows("taken_request"),
    marks: await rows("code_mark"),
    nonces: await rows("nonce"),
  };
}

function expected(before: Counts, leaves: Leaves): Counts {
  return { ...before, nonces: before.nonces + (leaves === "nothing" ? 0 : 1), scans: before.scans + (leaves === "scan" ? 1 : 0) };
}

describe("every refusal of the table", () => {
  const ids = Object.keys(REFUSALS).filter((id): id is RefusalId => Object.hasOwn(REFUSALS, id));
  test.each(ids)("%s: its code in a signed reply, echoing nothing, changing nothing", async (id) => {
    const { error, leaves } = REFUSALS[id];
    const attempt = await ATTEMPTS[id]();
    const before = await counts();
    const response = await p.post(attempt.transType, attempt.body);
    attempt.after?.();
    const text = await response.text();

    expect(response.status).toBe(200);
    expect(response.headers.get("retry-after") !== null).toBe(error === "rateLimited");
    const reply = openReply(p.crypto, text, p.profileOf(institutionOf(text)), { nowMs: p.clock.now() });
    const { code, message } = ERRORS[error];
    expect(reply).toMatchObject({ ok: true, value: { code, message, success: false } });
    // Who is not proven learns nothing but the code; who is, the name of the field.
    if (error !== "badRequest" || leaves === "nothing") expect(reply).toHaveProperty("value.data", {});
    for (const input of attempt.inputs.filter((one) => one !== institutionOf(text).settings.orgId)) expect(text).not.toContain(input);
    expect(await counts()).toEqual(expected(before, leaves));
  });
});

test.each([
  ["a visiting card", "BEGIN:VCARD\r\nFN:某某\r\nEND:VCARD"],
  ["a link", "https://pay.example/q?a=1&b=二 三"],
  ["a code with the scanner's line end", `${EHC_ID}:1\r`],
  ["a short link", "https://a.cn/q?x=1"],
  ["one letter", "a"],
  ["a word", "hello"],
  ["eleven digits, a telephone's", "13900001111"],
  ["letters and a colon", "28000000000:00000000"],
  ["a long text", "x".repeat(4_096)],
])("%s that a terminal scanned is no code, and counts as a scan", async (_, scanned) => {
  const attempt = await call("rh.verify", { code: scanned });
  const before = await counts();
  const text = await (await p.post("rh.verify", attempt.body)).text();
  expect(JSON.parse(text)).toMatchObject({ code: ERRORS.codeMalformed.code, message: ERRORS.codeMalformed.message });
  if (scanned.length > 3) expect(text).not.toContain(scanned.slice(0, 20));
  expect(await counts()).toEqual(expected(before, "scan"));
});

test.each([
  ["is missing", { operatorName: undefined }, "operatorName"],
  ["has the wrong form", { termIp: "not an address" }, "termIp"],
  ["does not exist", { remark: "1" }, "remark"],
  ["has 21 code points", { operatorId: "𠮷".repeat(21) }, "operatorId"],
  ["is not of table C.1", { businessType: "01999" }, "businessType"],
  ["stands in a line", { feeLines: [{ ...FEE_LINE, category: "77" }] }, "feeLines.0.category"],
  ["is lacking where one of two is needed", { code: undefined }, "code"],
  ["is named like a person", { "510101199003071234": "1" }, undefined],
])("a proven sender is told the name of the field that %s, signed, and never a value", async (_, over, field) => {
  const attempt = await call("rh.settle", over);
  const text = await (await p.post("rh.settle", attempt.body)).text();
  const reply = openReply(p.crypto, text, p.profileOf(p.institutions.hospital), { nowMs: p.clock.now() });
  expect(reply).toMatchObject({ ok: true, value: { code: ERRORS.badRequest.code } });
  expect(reply).toHaveProperty("value.data", field === undefined ? {} : { field });
  for (const input of attempt.inputs.filter((one) => one !== "H51010000001")) expect(text).not.toContain(input);
});

test("twenty characters outside the basic plane are a name of twenty", async () => {
  const attempt = await call("rh.settle", { operatorId: "𠮷".repeat(20) });
  expect(await (await p.post("rh.settle", attempt.body)).json()).toMatchObject({ code: "0" });
});

test("a code that its app took back is said to be that, also after its end", async () => {
  const code = await p.code({ expiresAtMs: p.clock.now() - 6_000 });
  const view = p.ports.settings.current();
  if (view === undefined) throw new Error("no settings");
  const fingerprint = toHex(p.crypto.hmacSm3(view.fingerprintKey, credentialFingerprintInput("code", code)));
  p.useView({ ...view, revokedCodes: new Set([fingerprint]) });
  const attempt = await call("rh.verify", { code });
  const reply = await (await p.post("rh.verify", attempt.body)).json();
  p.useView(view);
  expect(reply).toMatchObject({ code: ERRORS.codeRevoked.code, message: ERRORS.codeRevoked.message });
});

test("an envelope is spent by a refusal too", async () => {
  const attempt = await call("rh.settle", { amount: "0" });
  const first = await (await p.post("rh.settle", attempt.body)).text();
  const second = await (await p.post("rh.settle", attempt.body)).text();
  expect(JSON.parse(first)).toMatchObject({ code: ERRORS.amountInvalid.code });
  expect(JSON.parse(second)).toMatchObject({ code: ERRORS.requestReplayed.code });
});

/** The institution that a reply is addressed to; a caller that is not known holds the platform's key as anyone does. */
function institutionOf(reply: string): TestInstitution {
  const { orgId } = JSON.parse(reply) as { orgId: string };
  return Object.values(p.institutions).find((one) => one.settings.orgId === orgId) ?? p.institutions.hospital;
}
