/**
 * A street of hospitals for benchmarks of the edge, and what decoding one of their requests takes. Runs on every runtime:
 * no files, no process.
 */
import * as v from "valibot";
import type { Crypto } from "../core/crypto/port.ts";
import { toHex } from "../core/protocol/bytes.ts";
import { sealRequest } from "../core/protocol/envelope.ts";
import type { InstitutionSettings } from "../core/protocol/internal.ts";
import { parseYuan } from "../core/protocol/money.ts";
import { OPERATIONS } from "../core/protocol/operations.ts";
import { ok, refused } from "../core/protocol/result.ts";
import { mintSignedCode } from "../core/protocol/signed-token.ts";
import { systemClock } from "../core/protocol/time.ts";
import { admitCall } from "../edge/app/admission.ts";
import { createOrigin } from "../edge/app/origin.ts";
import { readShownCode } from "../edge/app/scan.ts";
import { checkScene } from "../edge/app/scene.ts";
import { createSealer } from "../edge/app/sealer.ts";
import { viewOf } from "../edge/app/view.ts";
import { EDGE_LIMITS, type EdgePorts, type EdgeView } from "../edge/ports.ts";

/** Institutions of a street. */
const INSTITUTIONS = 6;
const APP_ID = "5101A0001";

interface Hospital {
  readonly settings: InstitutionSettings;
  readonly privateKey: Uint8Array;
}

/** Institutions, and the key that signs codes. */
export interface Street {
  readonly hospitals: readonly Hospital[];
  readonly view: EdgeView;
  readonly replyKey: Uint8Array;
  request(n: number, encrypted: boolean): Promise<string>;
}

export function makeStreet(crypto: Crypto): Street {
  const hospitals = Array.from({ length: INSTITUTIONS }, (_, n): Hospital => {
    const pair = crypto.sm2GenerateKeyPair();
    const orgId = `H5101040000${n}`;
    const settings: InstitutionSettings = {
      orgId,
      name: orgId,
      status: "active",
      kind: "hospital",
      dialect: "standard",
      signType: "SM2",
      encryption: "optional",
      publicKeys: [toHex(pair.publicKey)],
      appId: toHex(crypto.random(16)),
      appSecret: toHex(crypto.random(16)),
      terminals: [{ termId: `${orgId}T1`, latitude: 30.6, longitude: 104 }],
      suspendedTerminals: [],
      offline: { amountMaxFen: "0", totalMaxFen: "0", forMs: 0, ageMaxMs: 0 },
      ratePerSecond: 1_000_000,
      rateBurst: 1_000_000,
    };
    return { settings, privateKey: pair.privateKey };
  });
  const codeKey = crypto.sm2GenerateKeyPair();
  const view = viewOf(crypto, {
    edgeId: "edge-1",
    status: "active",
    bundleKeys: [toHex(codeKey.publicKey)],
    suspendedAppIds: [],
    revokedCodes: [],
    version: 1,
    issuedAtMs: systemClock.now(),
    expiresAtMs: systemClock.now() + 86_400_000,
    appIdWidth: APP_ID.length,
    appIds: [APP_ID],
    codeKeys: [toHex(codeKey.publicKey)],
    sealKey: { handle: "edge.seal/1", publicKey: toHex(crypto.sm2GenerateKeyPair().publicKey) },
    fingerprintKey: toHex(crypto.random(32)),
    institutions: hospitals.map((hospital) => hospital.settings),
  });

  async function code(n: number): Promise<string> {
    const minted = await mintSignedCode({
      ehcId: toHex(crypto.random(32)),
      valid: toHex(crypto.random(16)),
      appId: APP_ID,
      purpose: "settle",
      expiresAtMs: systemClock.now() + 300_000,
      random6: n.toString(36).padStart(6, "0"),
      sign: (message) => crypto.sm2Sign(codeKey.privateKey, message),
    });
    return minted.ok ? minted.value : await code(n + 1_000_000);
  }

  return {
    hospitals,
    view,
    replyKey: crypto.sm2GenerateKeyPair().privateKey,
    async request(n, encrypted) {
      const hospital = hospitals[n % hospitals.length];
      if (hospital === undefined) throw new RangeError("a street without hospitals");
      const { orgId, appId, appSecret, dialect, signType, terminals } = hospital.settings;
      const data = {
        orgId,
        businessType: "01301",
        termId: terminals[0]?.termId ?? "",
        termIp: "10.8.0.7",
        operatorId: "op7",
        operatorName: "收费员李",
        officeId: "0300",
        officeName: "内科",
        outTradeNo: `B${n}`,
        code: await code(n),
        amount: `${100 + (n % 900)}.50`,
      };
      const profile = {
        appId,
        appSecret,
        dialect,
        signType,
        encryption: encrypted ? ("optional" as const) : ("none" as const),
        publicKeys: [],
      };
      const request = { orgId, transType: "rh.settle", version: "1.0.0", data, timestampMs: systemClock.now() };
      return await sealRequest(crypto, request, profile, (message) => crypto.sm2Sign(hospital.privateKey, message));
    },
  };
}

export async function requests(street: Street, from: number, count: number, encrypted: boolean): Promise<readonly string[]> {
  const bodies: string[] = [];
  for (let n = from; n < from + count; n++) bodies.push(await street.request(n, encrypted));
  return bodies;
}

/** One verification, as the decoding asked for it. */
export type Verification = readonly [key: Uint8Array, message: Uint8Array, signature: Uint8Array, userId: string | undefined];

/** What the pipeline of `rh.settle` does with a body until it knows whether it may take it; a refusal is a bug here. */
export async function decode(ports: EdgePorts, view: EdgeView, body: string): Promise<void> {
  const nowMs = ports.clock.now();
  const call = await admitCall(
    ports,
    { transType: "rh.settle", readBody: () => Promise.resolve(ok(body)), nowMs, trace: {} },
    { encrypted: false },
  );
  if (!call.ok) throw new Error(`refused with ${call.error.error}`);
  const request = v.parse(OPERATIONS["rh.settle"], call.value.request.data, { abortEarly: true });
  const scene = checkScene(call.value.institution, request, true);
  if (!scene.ok || parseYuan(request.amount) === undefined) throw new Error("the scene or the amount is refused");
  const shown = readShownCode(ports, view, request.code ?? "", { step: "settle", nowMs });
  if (!shown.verdict.ok) throw new Error(`the code is refused with ${shown.verdict.error}`);
}

function nowhere(): never {
  throw new Error("decoding asks neither disk nor core");
}

/** Everybody is admitted: the same requests are decoded again and again. What the nonces cost is in the whole call. */
export function decodingPorts(crypto: Crypto, street: Street): EdgePorts {
  return {
    edgeId: "edge-1",
    crypto,
    clock: systemClock,
    settings: { current: () => street.view },
    state: {
      admit: () => Promise.resolve({ kind: "admitted" }),
      guard: nowhere,
      billsSince: nowhere,
      markOf: nowhere,
      taken: nowhere,
      commit: nowhere,
    },
    outbox: { backlog: () => ({ depth: 0, oldestAgeMs: 0 }) },
    core: {
      resolve: () => Promise.resolve(refused("coreUnavailable")),
      presettle: () => Promise.resolve(refused("coreUnavailable")),
      statement: () => Promise.resolve(refused("coreUnavailable")),
      reachable: () => Promise.resolve(false),
    },
    results: { find: nowhere, wait: nowhere, running: () => true },
    signer: { sign: (message) => crypto.sm2Sign(street.replyKey, message) },
    sealer: createSealer(crypto),
    origin: createOrigin(crypto, crypto.random(32)),
    limits: EDGE_LIMITS,
  };
}

/** Requests to decode, and the verifications that decoding them takes: two each. */
export interface DecodeRace {
  decode(): Promise<number>;
  verify(): number;
}

export async function prepareDecodes(crypto: Crypto, street: Street, count: number, encrypted: boolean): Promise<DecodeRace> {
  const bodies = await requests(street, 0, count, encrypted);
  const ports = decodingPorts(crypto, street);
  const verifications: Verification[] = [];
  const listening: Crypto = {
    ...crypto,
    sm2Verify(key, message, signature, userId) {
      verifications.push([key, message, signature, userId]);
      return crypto.sm2Verify(key, message, signature, userId);
    },
  };
  for (const body of bodies) await decode({ ...ports, crypto: listening }, street.view, body);
  if (verifications.length !== 2 * bodies.length)
    throw new Error(`a decode took ${verifications.length / bodies.length} verifications, not 2`);
  return {
    async decode() {
      for (const body of bodies) await decode(ports, street.view, body);
      return bodies.length;
    },
    verify() {
      for (const [key, message, signature, userId] of verifications)
        if (!crypto.sm2Verify(key, message, signature, userId)) throw new Error("a signature that verified before does not");
      return bodies.length;
    },
  };
}
