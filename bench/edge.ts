/**
 * The edge: how fast it decodes a request up to its decision, beside the two SM2 verifications that this takes, and how
 * fast it takes whole settlements in, durably.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { loadCrypto } from "../core/crypto/index.ts";
import type { Crypto } from "../core/crypto/port.ts";
import { toHex } from "../core/protocol/bytes.ts";
import { sealRequest } from "../core/protocol/envelope.ts";
import type { InstitutionSettings } from "../core/protocol/internal.ts";
import { parseYuan } from "../core/protocol/money.ts";
import { OPERATIONS } from "../core/protocol/operations.ts";
import { refused } from "../core/protocol/result.ts";
import { mintSignedCode } from "../core/protocol/signed-token.ts";
import { type EventMs, systemClock } from "../core/protocol/time.ts";
import { admitCall } from "../edge/app/admission.ts";
import { readShownCode } from "../edge/app/scan.ts";
import { checkScene } from "../edge/app/scene.ts";
import { createSealer } from "../edge/app/sealer.ts";
import { viewOf } from "../edge/app/view.ts";
import { createEdgeApp } from "../edge/app.ts";
import { openEdgeState } from "../edge/node/state.ts";
import { EDGE_LIMITS, type EdgePorts, type EdgeView } from "../edge/ports.ts";
import { startResults } from "../edge/results.ts";
import { openDatabase } from "../migrations/database.ts";
import { openEmbeddedBus } from "../streams/bus/embedded.ts";
import { enqueue, startForwarder } from "../streams/bus/outbox.ts";
import { topicPlan } from "../streams/contracts/codec.ts";
import { contest, type Figure, median, rateOf, type Report } from "./figures.ts";

const INSTITUTIONS = 6;
const APP_ID = "5101A0001";
/** Decoded in every round. */
const DECODED = 1_200;
const ROUNDS = 9;
/** Posted once each: nothing may be shown twice. */
const POST_ROUNDS = 5;
const POSTED = 500;
const POSTS_AT_ONCE = 64;
const PARTITIONS = 2;

export async function run(report: Report): Promise<readonly Figure[]> {
  const crypto = await loadCrypto();
  const street = makeStreet(crypto);
  const steps = 2 * (ROUNDS + 1) + POST_ROUNDS;
  let done = 0;
  const step = (): void => report(++done, steps);
  const clear = await decodeFigure(
    crypto,
    street,
    { encrypted: false, name: "edge.decode.clear", what: "envelope check and decode, data in the clear" },
    step,
  );
  const encrypted = await decodeFigure(
    crypto,
    street,
    { encrypted: true, name: "edge.decode", what: "envelope check and decode, encData" },
    step,
  );
  return [encrypted, clear, await postFigure(crypto, street, step)];
}

interface Hospital {
  readonly settings: InstitutionSettings;
  readonly privateKey: Uint8Array;
}

/** Institutions, and the key that signs codes. */
interface Street {
  readonly hospitals: readonly Hospital[];
  readonly view: EdgeView;
  readonly replyKey: Uint8Array;
  request(n: number, encrypted: boolean): Promise<string>;
}

function makeStreet(crypto: Crypto): Street {
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
      ratePerSecond: 1_000_000,
      rateBurst: 1_000_000,
    };
    return { settings, privateKey: pair.privateKey };
  });
  const codeKey = crypto.sm2GenerateKeyPair();
  const view = viewOf(crypto, {
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

async function requests(street: Street, from: number, count: number, encrypted: boolean): Promise<readonly string[]> {
  const bodies: string[] = [];
  for (let n = from; n < from + count; n++) bodies.push(await street.request(n, encrypted));
  return bodies;
}

/** One verification, as the decoding asked for it. */
type Verification = readonly [key: Uint8Array, message: Uint8Array, signature: Uint8Array, userId: string | undefined];

async function decodeFigure(
  crypto: Crypto,
  street: Street,
  of: { encrypted: boolean; name: string; what: string },
  step: () => void,
): Promise<Figure> {
  const bodies = await requests(street, 0, DECODED, of.encrypted);
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
  const outcome = await contest({
    rounds: ROUNDS,
    report: step,
    async subject() {
      for (const body of bodies) await decode(ports, street.view, body);
      return bodies.length;
    },
    bound() {
      for (const [key, message, signature, userId] of verifications)
        if (!crypto.sm2Verify(key, message, signature, userId)) throw new Error("a signature that verified before does not");
      return bodies.length;
    },
  });
  return {
    name: of.name,
    what: of.what,
    unit: "requests/s",
    perSecond: outcome.perSecond,
    bound: { what: "the same two SM2 verifications alone", perSecond: outcome.boundPerSecond, ratio: outcome.ratio },
    aim: { ratio: 0.8 },
  };
}

/** What the pipeline of `rh.settle` does with a body until it knows whether it may take it; a refusal is a bug here. */
async function decode(ports: EdgePorts, view: EdgeView, body: string): Promise<void> {
  const nowMs = ports.clock.now();
  const call = await admitCall(ports, { transType: "rh.settle", body, nowMs, trace: {} }, { encrypted: false });
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
function decodingPorts(crypto: Crypto, street: Street): EdgePorts {
  return {
    edgeId: "edge-1",
    crypto,
    clock: systemClock,
    settings: { current: () => street.view },
    state: { admit: () => Promise.resolve({ kind: "admitted" }), markOf: nowhere, taken: nowhere, commit: nowhere },
    outbox: { backlog: () => ({ depth: 0, oldestAgeMs: 0 }) },
    core: { resolve: () => Promise.resolve(refused("coreUnavailable")), reachable: () => Promise.resolve(false) },
    results: { find: nowhere, wait: nowhere, running: () => true },
    signer: { sign: (message) => crypto.sm2Sign(street.replyKey, message) },
    sealer: createSealer(crypto),
    limits: EDGE_LIMITS,
  };
}

async function postFigure(crypto: Crypto, street: Street, step: () => void): Promise<Figure> {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-bench-edge-"));
  const clock = systemClock;
  const bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
  await bus.ensureTopics(topicPlan(PARTITIONS));
  const db = await openDatabase({ kind: "edge", file: join(folder, "edge.db") });
  const outbox = startForwarder({ db, bus, clock });
  const state = await openEdgeState({ db, enqueue, onCommitted: () => outbox.notify(), nowMs: clock.now() });
  const results = await startResults({ bus, db, edgeId: "edge-1" });
  const app = createEdgeApp({ ...decodingPorts(crypto, street), state, outbox, results });
  const bodies = await requests(street, 1_000_000, POST_ROUNDS * POSTED, true);
  const rates: number[] = [];
  try {
    for (let round = 0; round < POST_ROUNDS; round++) {
      const rate = await rateOf(async () => await postAll(app, bodies.slice(round * POSTED, (round + 1) * POSTED)), round);
      if (round > 0) rates.push(rate);
      await outbox.drained();
      step();
    }
  } finally {
    results.release();
    await results.stop();
    await state.close(clock.now() as EventMs);
    await outbox.stop();
    await db.close();
    await bus.close();
    await rm(folder, { recursive: true, force: true });
  }
  return {
    name: "edge.post",
    what: "whole POST rh.settle: durable in edge.db, reply signed",
    unit: "requests/s",
    perSecond: median(rates),
  };
}

async function postAll(app: ReturnType<typeof createEdgeApp>, bodies: readonly string[]): Promise<number> {
  let next = 0;
  async function lane(): Promise<void> {
    for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) {
      const response = await app.request("/v1/rh.settle", { method: "POST", body });
      const reply = (await response.json()) as { readonly success?: unknown };
      if (reply.success !== true && reply.success !== "true") throw new Error("the edge refused a request of the benchmark");
    }
  }
  await Promise.all(Array.from({ length: POSTS_AT_ONCE }, lane));
  return bodies.length;
}
