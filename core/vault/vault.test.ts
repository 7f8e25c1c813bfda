import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeEvent } from "../../streams/contracts/codec.ts";
import type { DataTopic } from "../../streams/contracts/topics.ts";
import { OFFLINE_DEFAULT } from "../access/registration.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { parseScannedCode } from "../protocol/fused-code.ts";
import { checkSignedCode } from "../protocol/signed-token.ts";
import type { EventMs } from "../protocol/time.ts";
import { readValid } from "../protocol/valid.ts";
import {
  ACCOUNTS,
  APP,
  APP_USER,
  HOSPITAL,
  openProvince,
  OTHER_HOSPITAL,
  PERSON,
  PHARMACY,
  type Province,
  TERMINAL,
  valueOf,
} from "../testing/province.ts";
import type { CredentialUse, DeTokeniseForSettlement } from "./port.ts";

let province: Province;
let nextTransaction = 0;

beforeAll(async () => {
  province = await openProvince();
});
afterAll(async () => {
  await province.close();
});

function transaction(institution = HOSPITAL): string {
  return `${institution}/t${nextTransaction++}`;
}

function show(code: string, more: Partial<CredentialUse> = {}): CredentialUse {
  const institution = more.institution ?? HOSPITAL;
  return {
    institution,
    terminal: TERMINAL,
    businessType: "01101",
    transactionId: transaction(institution),
    atMs: province.clock.now(),
    credential: {
      kind: "code",
      value: code,
    },
    ...more,
  };
}

function settle(code: string, more: Partial<DeTokeniseForSettlement> = {}): DeTokeniseForSettlement {
  return {
    ...show(code, { businessType: "01301", ...more }),
    purpose: "settlement",
    acceptedAtMs: more.acceptedAtMs ?? province.clock.now(),
  };
}

function token(ecToken: string): CredentialUse["credential"] {
  return { kind: "ecToken", value: ecToken };
}

async function lastEntry(): Promise<Record<string, unknown>> {
  const [row] = await province.core.registry.db.read("SELECT kind, institution, subject FROM leaf ORDER BY idx DESC LIMIT 1");
  return { kind: row?.["kind"], institution: row?.["institution"], subject: row?.["subject"] };
}

async function events<T extends DataTopic>(topic: T) {
  await province.core.drained();
  return (await province.bus.read(topic, 0, 0n, 10_000)).map((record) => valueOf(mapReason(decodeEvent(record, topic))));
}

function mapReason<T>(result: { ok: true; value: T } | { ok: false; error: { reason: string } }) {
  return result.ok ? result : { ok: false as const, error: result.error.reason };
}

describe("issuing", () => {
  it("gives a signed code that anyone can check with the public key, expiring in 60 seconds", async () => {
    const code = await province.issue();
    const scanned = valueOf(parseScannedCode(code, { appIdWidth: 9 }));
    expect(scanned.kind).toBe("fused.signed");
    if (scanned.kind !== "fused.signed") return;
    const publicKeys = [await province.keys.publicKey("code.sign/1")];
    const checked = checkSignedCode(province.crypto, scanned, { publicKeys, purposes: ["settle", "verify"], nowMs: province.clock.now() });
    expect(checked).toEqual({ ok: true, value: { purpose: "settle", expiresAtMs: province.clock.now() + 60_000 } });
    expect((await lastEntry())["kind"]).toBe("vault.code.issued");
  });

  it("puts an expiry into VALID that opens under the protection key and under no other", async () => {
    const scanned = valueOf(parseScannedCode(await province.issue(), { appIdWidth: 9 }));
    if (scanned.kind !== "fused.signed") throw new Error("not a fused code");
    const open = (handle: string) => readValid(scanned.valid, (block) => province.keys.sm4DecryptBlocks(handle, block));
    expect(await open("ehc.protection/1")).toBe(province.clock.now() + 60_000);
    expect(await open("ehc.security/1")).toBeUndefined();
  });

  it("gives opaque codes of 24 random characters, no two alike", async () => {
    const codes = await Promise.all(Array.from({ length: 20 }, () => province.issue({ form: "opaque" })));
    expect(new Set(codes).size).toBe(20);
    for (const code of codes) expect(valueOf(parseScannedCode(code, { appIdWidth: 9 }))).toMatchObject({ kind: "fused.opaque" });
  });

  it.each<[ErrorName, object]>([
    ["channelUnknown", { appId: "6401Z9999" }],
    ["credentialUnknown", { appUserId: "nobody" }],
  ])("is refused as %s, and the refusal is an entry", async (error, more) => {
    const size = province.core.registry.log.size;
    const request = { appId: APP, appUserId: APP_USER, purpose: "settle", form: "signed", atMs: province.clock.now(), ...more } as const;
    expect(await province.core.vault.issueCode(request)).toEqual({ ok: false, error });
    expect(province.core.registry.log.size).toBe(size + 1n);
  });
});

describe("resolving", () => {
  it("answers who it is and an ecToken, and tells the streams a pseudonym and a place", async () => {
    const use = show(await province.issue());
    const resolved = valueOf(await province.core.vault.resolve(use));
    expect(resolved).toMatchObject({
      userName: PERSON.name,
      idType: "01",
      idNo: PERSON.idNo,
      insuOrg: "500101",
      person: province.pseudonym,
    });
    expect(resolved.ecToken).toMatch(/^500101[0-9A-Za-z]{31}$/);
    expect(resolved.ecTokenExpiresMs).toBe(province.clock.now() + 30 * 60_000);
    const told = (await events("identity.token.resolved.v1")).find((event) => event.data.transactionId === use.transactionId);
    expect(told?.data).toMatchObject({ person: province.pseudonym, terminal: TERMINAL, latitude: 29.56, atMs: province.clock.now() });
    expect(told?.ledger).toEqual({ log: "ronghe.test/registry", index: resolved.position.index });
  });

  it("repeats its answer to the same transaction, entry and all", async () => {
    const use = show(await province.issue());
    const first = await province.core.vault.resolve(use);
    expect(await province.core.vault.resolve(use)).toEqual(first);
    province.clock.advance(3_600_000);
    expect(await province.core.vault.resolve({ ...use, atMs: province.clock.now() })).toEqual(first);
  });

  it("refuses the same transaction with another code", async () => {
    const use = show(await province.issue());
    valueOf(await province.core.vault.resolve(use));
    const other = { ...use, credential: { kind: "code", value: await province.issue() } } as const;
    expect(await province.core.vault.resolve(other)).toEqual({ ok: false, error: "idempotencyConflict" });
  });

  it("lets exactly one of many racing for a code win, in one batch and across batches", async () => {
    const code = await province.issue();
    const racing = Array.from({ length: 300 }, () => province.core.vault.resolve(show(code)));
    await new Promise((resolve) => setTimeout(resolve, 1));
    racing.push(...Array.from({ length: 20 }, () => province.core.vault.resolve(show(code))));
    const outcomes = await Promise.all(racing);
    expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1);
    expect(outcomes.filter((outcome) => !outcome.ok && outcome.error === "codeUsed")).toHaveLength(319);
  });

  it("accepts a code until the instant of its expiry, and not at it", async () => {
    const [early, late] = [await province.issue(), await province.issue()];
    province.clock.advance(59_999);
    expect((await province.core.vault.resolve(show(early))).ok).toBe(true);
    province.clock.advance(1);
    expect(await province.core.vault.resolve(show(late))).toEqual({ ok: false, error: "codeExpired" });
  });

  it("reads an ecToken again and again, only where it was given", async () => {
    const { ecToken } = valueOf(await province.core.vault.resolve(show(await province.issue())));
    const again = await province.core.vault.resolve(show("", { credential: token(ecToken), businessType: "01203" }));
    expect(valueOf(again).ecToken).toBe(ecToken);
    const elsewhere = show("", { credential: token(ecToken), institution: OTHER_HOSPITAL });
    expect(await province.core.vault.resolve(elsewhere)).toEqual({ ok: false, error: "tokenInvalid" });
    province.clock.advance(30 * 60_000);
    expect(await province.core.vault.resolve(show("", { credential: token(ecToken) }))).toEqual({ ok: false, error: "tokenInvalid" });
  });

  const EHC = "98FF9F2C05145CB9305E9D8A57E072BB51180CA49E5BE5E9D41BCE3A9A571928";
  it.each<[ErrorName, string, Partial<CredentialUse>]>([
    ["badRequest", "a transaction of another institution", { transactionId: `${OTHER_HOSPITAL}/x` }],
    ["badRequest", "a transaction without a number", { transactionId: HOSPITAL }],
    ["institutionUnknown", "an institution nobody registered", { institution: "H0", transactionId: "H0/1" }],
    ["terminalUnknown", "a terminal nobody filed", { terminal: "T9999" }],
    ["businessTypeRefused", "a pharmacy's business in a hospital", { businessType: "02121" }],
    ["businessTypeRefused", "a business that is not in S3 C.1", { businessType: "01999" }],
    ["codeMalformed", "garbage", { credential: { kind: "code", value: `${EHC}:2:x` } }],
    ["codeKindRefused", "a static health code", { credential: { kind: "code", value: `${EHC}:1::${APP}` } }],
    ["codeKindRefused", "an NHSA code", { credential: { kind: "code", value: "28000000000000000000" } }],
    [
      "codeUnknown",
      "a code never issued",
      { credential: { kind: "code", value: `${EHC}:0:${"0".repeat(32)}:${APP}RH24${"a".repeat(24)}` } },
    ],
    ["tokenInvalid", "an ecToken never given", { credential: token(`500101${"a".repeat(31)}`) }],
  ])("refuses %s: %s; the code stays unused and the refusal is an entry", async (error, _why, more) => {
    const code = await province.issue();
    const size = province.core.registry.log.size;
    expect(await province.core.vault.resolve(show(code, more))).toEqual({ ok: false, error });
    expect(province.core.registry.log.size).toBe(size + 1n);
    expect((await lastEntry())["kind"]).toBe("vault.token.refused");
    expect((await province.core.vault.resolve(show(code))).ok).toBe(true);
  });

  it("tells the streams of scans that only the core could see fail", async () => {
    const code = await province.issue();
    valueOf(await province.core.vault.resolve(show(code)));
    const before = (await events("code.scan.observed.v1")).length;
    await province.core.vault.resolve(show(code));
    await province.core.vault.resolve(show(await province.issue(), { terminal: "T9999" }));
    const told = (await events("code.scan.observed.v1")).slice(before);
    expect(told.map((event) => event.data)).toEqual([
      expect.objectContaining({ outcome: "codeUsed", observedBy: "core", step: "verify", codeKind: "fused.signed", institution: HOSPITAL }),
    ]);
  });
});

describe("de-tokenising for a settlement", () => {
  it("consumes an unused code and gives the accounts", async () => {
    const accounts = valueOf(await province.core.vault.deTokenise(settle(await province.issue())));
    expect(accounts).toMatchObject({
      person: province.pseudonym,
      insurance: { accountId: ACCOUNTS.insurance, insuOrg: "500101" },
      commercial: { authorisationId: ACCOUNTS.commercial },
      bank: { contractId: ACCOUNTS.bank },
    });
    expect((await lastEntry())["kind"]).toBe("vault.account.detokenised");
  });

  it("takes a code that the same institution resolved as the ecToken it was given, once", async () => {
    const code = await province.issue();
    const { ecToken } = valueOf(await province.core.vault.resolve(show(code)));
    const settling = settle(code);
    expect(valueOf(await province.core.vault.deTokenise(settling)).ecToken).toBe(ecToken);
    expect((await province.core.vault.deTokenise(settling)).ok).toBe(true);
    expect(await province.core.vault.deTokenise(settle(code))).toEqual({ ok: false, error: "codeUsed" });
    expect(await province.core.vault.deTokenise(settle("", { credential: token(ecToken) }))).toEqual({ ok: false, error: "tokenInvalid" });
    expect(await province.core.vault.resolve(show("", { credential: token(ecToken) }))).toEqual({ ok: false, error: "tokenInvalid" });
  });

  it.each(["signed", "opaque"] as const)(
    "does not take a resolved %s code that has expired since: a photo of it is worth nothing",
    async (form) => {
      const code = await province.issue({ form });
      const { ecToken } = valueOf(await province.core.vault.resolve(show(code)));
      province.clock.advance(65_001);
      expect(await province.core.vault.deTokenise(settle(code))).toEqual({ ok: false, error: "codeExpired" });
      expect((await province.core.vault.deTokenise(settle("", { credential: token(ecToken) }))).ok).toBe(true);
    },
  );

  it("refuses a code that another institution resolved", async () => {
    const code = await province.issue();
    valueOf(await province.core.vault.resolve(show(code)));
    expect(await province.core.vault.deTokenise(settle(code, { institution: OTHER_HOSPITAL }))).toEqual({ ok: false, error: "codeUsed" });
  });

  it("settles one of two racing for one ecToken", async () => {
    const { ecToken } = valueOf(await province.core.vault.resolve(show(await province.issue())));
    const outcomes = await Promise.all([1, 2].map(() => province.core.vault.deTokenise(settle("", { credential: token(ecToken) }))));
    expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1);
  });

  it("counts a code as of when the edge accepted it, within a day, never ahead of us and never before its issue", async () => {
    const codes = await Promise.all([1, 2, 3, 4].map(() => province.issue()));
    const [slow = "", late = "", ahead = "", backdated = ""] = codes;
    const acceptedAtMs = province.clock.now();
    const earlier = (acceptedAtMs - 6_000) as EventMs;
    const ask = (code: string, at: EventMs) => province.core.vault.deTokenise(settle(code, { acceptedAtMs: at }));
    expect(await ask(backdated, earlier)).toEqual({ ok: false, error: "timestampOutside" });
    expect(await ask(ahead, (acceptedAtMs + 5_001) as EventMs)).toEqual({ ok: false, error: "timestampOutside" });
    province.clock.advance(3_600_000);
    expect(await ask(ahead, province.clock.now())).toEqual({ ok: false, error: "codeExpired" });
    expect((await ask(slow, acceptedAtMs)).ok).toBe(true);
    province.clock.advance(24 * 3_600_000);
    expect(await ask(late, acceptedAtMs)).toEqual({ ok: false, error: "offlineTooOld" });
  });

  it("takes what an edge accepted within the age that its institution's allowance says, and nothing older", async () => {
    const { access } = province.core;
    const allowance = { amountMaxFen: "100000", totalMaxFen: "1000000", forMs: 600_000, ageMaxMs: 1_200_000 };
    valueOf(await access.setOfflineAllowance(HOSPITAL, allowance, "operator/test"));
    const codes = [await province.issue(), await province.issue()];
    const acceptedAtMs = province.clock.now();
    province.clock.advance(1_200_000);
    expect((await province.core.vault.deTokenise(settle(codes[0] ?? "", { acceptedAtMs }))).ok).toBe(true);
    province.clock.advance(1);
    expect(await province.core.vault.deTokenise(settle(codes[1] ?? "", { acceptedAtMs }))).toEqual({ ok: false, error: "offlineTooOld" });
    valueOf(await access.setOfflineAllowance(HOSPITAL, OFFLINE_DEFAULT, "operator/test"));
  });

  it("takes what an edge accepted just after the code's end, as far as clocks may differ", async () => {
    // Codes end at whole seconds.
    province.clock.advance(1_000 - (province.clock.now() % 1_000));
    const codes = [await province.issue(), await province.issue()];
    province.clock.advance(60_000 + 4_999);
    expect((await province.core.vault.deTokenise(settle(codes[0] ?? "", { acceptedAtMs: province.clock.now() }))).ok).toBe(true);
    province.clock.advance(1);
    expect(await province.core.vault.deTokenise(settle(codes[1] ?? "", { acceptedAtMs: province.clock.now() }))).toEqual({
      ok: false,
      error: "codeExpired",
    });
  });

  it("takes a resolved code only at the terminal that resolved it; elsewhere in the house the ecToken settles", async () => {
    valueOf(
      await province.core.access.registerTerminal(HOSPITAL, { termId: "T0002", latitude: 29.56, longitude: 106.55 }, "operator/test"),
    );
    const code = await province.issue();
    const { ecToken } = valueOf(await province.core.vault.resolve(show(code)));
    expect(await province.core.vault.deTokenise(settle(code, { terminal: "T0002" }))).toEqual({ ok: false, error: "codeUsed" });
    const byToken = settle("", { terminal: "T0002", credential: token(ecToken) });
    expect((await province.core.vault.deTokenise(byToken)).ok).toBe(true);
  });

  it("refuses at a suspended terminal until it is let in again", async () => {
    const { access, vault } = province.core;
    valueOf(await access.setTerminalStatus(HOSPITAL, TERMINAL, "suspended", "operator/test"));
    expect(await vault.deTokenise(settle(await province.issue()))).toEqual({ ok: false, error: "terminalInactive" });
    valueOf(await access.setTerminalStatus(HOSPITAL, TERMINAL, "active", "operator/test"));
    expect((await vault.deTokenise(settle(await province.issue()))).ok).toBe(true);
  });

  it("tells the streams when two settlements took one code: the first keeps it, the second is named", async () => {
    const code = await province.issue();
    const first = settle(code);
    valueOf(await province.core.vault.deTokenise(first));
    const before = (await events("code.scan.observed.v1")).length;
    expect(await province.core.vault.deTokenise(settle(code, { institution: OTHER_HOSPITAL }))).toEqual({ ok: false, error: "codeUsed" });
    const [told, ...more] = (await events("code.scan.observed.v1")).slice(before);
    expect(more).toEqual([]);
    expect(told?.data).toMatchObject({
      outcome: "codeContested",
      observedBy: "core",
      step: "settle",
      institution: OTHER_HOSPITAL,
      contestedWith: { institution: HOSPITAL, terminal: TERMINAL, transactionId: first.transactionId },
    });
    expect(told?.ledger).toBeDefined();
  });

  it("never settles a code issued to identify, resolved or not", async () => {
    const code = await province.issue({ purpose: "verify" });
    expect(await province.core.vault.deTokenise(settle(code))).toEqual({ ok: false, error: "codeKindRefused" });
    const { ecToken } = valueOf(await province.core.vault.resolve(show(code)));
    expect(await province.core.vault.deTokenise(settle(code))).toEqual({ ok: false, error: "codeKindRefused" });
    const byToken = settle("", { credential: token(ecToken) });
    expect(await province.core.vault.deTokenise(byToken)).toEqual({ ok: false, error: "codeKindRefused" });
  });

  it("refuses a business that does not settle, and an ecToken of another business", async () => {
    const code = await province.issue();
    expect(await province.core.vault.deTokenise(settle(code, { businessType: "01101" }))).toEqual({
      ok: false,
      error: "businessTypeRefused",
    });
    const pharmacy = { institution: PHARMACY, businessType: "02121" };
    expect((await province.core.vault.deTokenise(settle(code, pharmacy))).ok).toBe(true);
  });

  it("opens only accounts that are bound and active, and refuses when none is", async () => {
    const step = (kind: keyof typeof ACCOUNTS, name: "suspend" | "resume") =>
      province.core.vault.bindings.step(province.bindingIds[kind], { step: name, by: "payer" }, "payer");
    valueOf(await step("commercial", "suspend"));
    const accounts = valueOf(await province.core.vault.deTokenise(settle(await province.issue())));
    expect(accounts.commercial).toBeUndefined();
    const code = await province.issue();
    for (const kind of ["insurance", "bank"] as const) valueOf(await step(kind, "suspend"));
    expect(await province.core.vault.deTokenise(settle(code))).toEqual({ ok: false, error: "bindingMissing" });
    const request = { appId: APP, appUserId: APP_USER, purpose: "settle", form: "signed", atMs: province.clock.now() } as const;
    expect(await province.core.vault.issueCode(request)).toEqual({ ok: false, error: "bindingMissing" });
    for (const kind of ["insurance", "bank", "commercial"] as const) valueOf(await step(kind, "resume"));
    expect((await province.core.vault.deTokenise(settle(code))).ok).toBe(true);
    expect((await events("identity.binding.changed.v1")).at(-1)?.data).toMatchObject({ kind: "commercial", state: "active" });
  });
});

function refund(originalTransactionId: string, institution = HOSPITAL) {
  const atMs = province.clock.now();
  const scene = { institution, terminal: TERMINAL, businessType: "01301", transactionId: transaction(institution) };
  return province.core.vault.deTokenise({ ...scene, atMs, purpose: "refund", acceptedAtMs: atMs, originalTransactionId });
}

describe("de-tokenising for a refund", () => {
  it("gives the accounts of the settlement, long after its ecToken ended", async () => {
    const settling = settle(await province.issue());
    const settled = valueOf(await province.core.vault.deTokenise(settling));
    province.clock.advance(90 * 24 * 3_600_000);
    const back = valueOf(await refund(settling.transactionId));
    expect({ ...back, position: undefined }).toEqual({ ...settled, position: undefined });
  });

  it("refuses what was never settled, or settled elsewhere", async () => {
    const settling = settle(await province.issue());
    valueOf(await province.core.vault.deTokenise(settling));
    expect(await refund(`${HOSPITAL}/never`)).toEqual({ ok: false, error: "settlementUnknown" });
    expect(await refund(settling.transactionId, OTHER_HOSPITAL)).toEqual({ ok: false, error: "settlementUnknown" });
  });
});

function revoke(code: string, appId = APP) {
  return province.core.vault.revokeCode({ code, appId, atMs: province.clock.now() });
}

describe("revoking and expiring", () => {
  it("takes back an unused code; it never works again, revoking again changes nothing", async () => {
    const code = await province.issue();
    expect(await revoke(code)).toEqual({ ok: true, value: undefined });
    expect(await revoke(code)).toEqual({ ok: true, value: undefined });
    expect(await province.core.vault.resolve(show(code))).toEqual({ ok: false, error: "codeRevoked" });
  });

  it("says of a code that was taken back that it was, also after its end", async () => {
    const code = await province.issue();
    valueOf(await revoke(code));
    province.clock.advance(600_000);
    expect(await province.core.vault.resolve(show(code))).toEqual({ ok: false, error: "codeRevoked" });
  });

  it("refuses to take back what is used, over, unknown or another app's", async () => {
    const [used, over] = [await province.issue(), await province.issue()];
    valueOf(await province.core.vault.resolve(show(used)));
    expect(await revoke(used)).toEqual({ ok: false, error: "codeUsed" });
    expect(await revoke(over, "6401Z9999")).toEqual({ ok: false, error: "channelUnknown" });
    expect(await revoke("28000000000000000000")).toEqual({ ok: false, error: "codeKindRefused" });
    province.clock.advance(60_000);
    expect(await revoke(over)).toEqual({ ok: false, error: "codeExpired" });
  });

  it("lets one win when a code is revoked and resolved at once", async () => {
    const code = await province.issue();
    const [resolved, revoked] = await Promise.all([province.core.vault.resolve(show(code)), revoke(code)]);
    expect(resolved.ok).not.toBe(revoked.ok);
  });

  it("marks codes expired only when no late acceptance can honour them", async () => {
    await province.issue();
    const count = async (): Promise<unknown> =>
      (await province.core.registry.db.read("SELECT count(*) AS n FROM code_token WHERE state = 'ISSUED'"))[0]?.["n"];
    await province.core.vault.expireCodes(province.clock.now());
    const issued = await count();
    expect(issued).not.toBe(0n);
    province.clock.advance(24 * 3_600_000 + 60_001);
    expect(await province.core.vault.expireCodes(province.clock.now())).toBe(Number(issued));
    expect(await count()).toBe(0n);
  });
});
