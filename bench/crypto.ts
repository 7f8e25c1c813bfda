/**
 * SM2 verification: every implementation with cold and hot keys beside sm-crypto-v2 with a precomputed key, and what verifying does all
 * day (a request decoded at the edge, a receipt checked) beside the same with the implementation that stands next in the order.
 */
import { loadCrypto } from "../core/crypto/index.ts";
import type { Sm2Encrypt, Sm2Sign, Sm2Verify } from "../core/crypto/candidate.ts";
import { type Crypto, SM2_DEFAULT_USER_ID } from "../core/crypto/port.ts";
import { jsSm2Encrypt, jsSm2Sign, jsSm2Verify } from "../core/crypto/sm2-js.ts";
import { nodeSm2SignCandidate, nodeSm2VerifyCandidate } from "../core/crypto/sm2-node.ts";
import { wasmSm2Encrypt, wasmSm2Sign, WasmSm2Private } from "../core/crypto/sm2-private.ts";
import { referenceSm2VerifyCandidate } from "../core/crypto/sm2-reference.ts";
import { wasmSm2Verify, WasmSm2Verifier } from "../core/crypto/sm2-wasm.ts";
import { compileSm2PrivateFile, compileSm2VerifyFile } from "../core/crypto/wasm/module.ts";
import { toHex } from "../core/protocol/bytes.ts";
import { openEnvelope, type PartnerProfile, readEnvelope, sealRequest } from "../core/protocol/envelope.ts";
import { parseScannedCode } from "../core/protocol/fused-code.ts";
import { checkSignedCode, mintSignedCode } from "../core/protocol/signed-token.ts";
import { type EventMs, systemClock } from "../core/protocol/time.ts";
import { AT, TestPlatform } from "../ledger/testing/platform.ts";
import { verifyReceipt } from "../ledger/verifier/receipt.ts";
import { contest, type Figure, type Report, type Work } from "./figures.ts";

const MESSAGE_BYTES = 200;
const KEYS = 64;
const ROUNDS = 7;
/** Verifications of the bound in a round, about 50 ms. */
const UNIT_COUNT = 80;
const USES_COUNT = 400;

interface Signed {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** A verifier, how often it verifies in a round, and the ratio that is asked of it. */
interface Contestant {
  readonly name: string;
  readonly what: string;
  readonly once: (at: number) => boolean;
  readonly count: number;
  readonly aim?: { readonly ratio: number };
}

/** With keys prepared once. */
function hot(verify: Sm2Verify, signed: readonly Signed[]): (at: number) => boolean {
  const prepared = signed.map((one) => ({ ...one, verify: verify.prepare(one.publicKey) }));
  return (at) => {
    const one = prepared[at % prepared.length];
    return one !== undefined && one.verify(one.message, one.signature, SM2_DEFAULT_USER_ID);
  };
}

/** The key prepared anew for each signature: what one by a key never seen before costs, ZA and the check of the key included. */
function cold(verify: Sm2Verify, signed: readonly Signed[]): (at: number) => boolean {
  return (at) => {
    const one = signed[at % signed.length];
    return one !== undefined && verify.prepare(one.publicKey)(one.message, one.signature, SM2_DEFAULT_USER_ID);
  };
}

function work(name: string, once: (at: number) => boolean, count: number): Work {
  return (round) => {
    for (let at = 0; at < count; at += 1) if (!once(round * count + at)) throw new Error(`${name} refused a good signature`);
    return count;
  };
}

async function contestants(crypto: Crypto, signed: readonly Signed[]): Promise<readonly Contestant[]> {
  const module = await compileSm2VerifyFile();
  const small = { smallTablesMax: KEYS, largeTablesMax: KEYS, smallAfterUses: 1, largeAfterUses: Number.MAX_SAFE_INTEGER };
  const wasm = wasmSm2Verify(await WasmSm2Verifier.from(module));
  const wasmSmall = wasmSm2Verify(await WasmSm2Verifier.from(module, small));
  const wasmLarge = wasmSm2Verify(await WasmSm2Verifier.from(module, { ...small, largeAfterUses: 2 }));
  const node = await nodeSm2VerifyCandidate.available();
  const reference = await referenceSm2VerifyCandidate.available();
  const port: Sm2Verify = { prepare: (key) => (message, signature) => crypto.sm2Verify(key, message, signature) };
  const [one, few] = [signed.slice(0, 1), signed.slice(0, 16)];
  return [
    { name: "wasm.cold", what: "WebAssembly, cold key", once: cold(wasm, signed), count: 400, aim: { ratio: 4.5 } },
    { name: "wasm.small", what: "WebAssembly, 16 keys, small tables", once: hot(wasmSmall, few), count: 1200 },
    { name: "wasm.hot", what: "WebAssembly, 16 keys, large tables", once: hot(wasmLarge, few), count: 1600, aim: { ratio: 10 } },
    { name: "port.hot", what: `the port (${crypto.implementations.sm2Verify}), 16 keys`, once: hot(port, few), count: 1600 },
    ...(node === undefined ? [] : [{ name: "node.cold", what: "node:crypto, cold key", once: cold(node, signed), count: 120 }]),
    ...(node === undefined ? [] : [{ name: "node.hot", what: "node:crypto, hot key", once: hot(node, one), count: 160 }]),
    { name: "v2.cold", what: "sm-crypto-v2, cold key", once: cold(jsSm2Verify, signed), count: 12 },
    ...(reference === undefined ? [] : [{ name: "reference", what: "sm-crypto", once: hot(reference, one), count: 3 }]),
  ];
}

/** What verifying is for, by any implementation of the port. */
interface Use {
  readonly name: string;
  readonly what: string;
  readonly once: (crypto: Crypto) => boolean;
}

async function edgeDecode(crypto: Crypto): Promise<Use> {
  const [hospital, platform] = [crypto.sm2GenerateKeyPair(), crypto.sm2GenerateKeyPair()];
  const nowMs = systemClock.now();
  const minted = await mintSignedCode({
    ehcId: toHex(crypto.random(32)),
    valid: toHex(crypto.random(16)),
    appId: "5101A0001",
    purpose: "settle",
    expiresAtMs: nowMs + 300_000,
    random6: "0a1b2c",
    sign: (message) => crypto.sm2Sign(platform.privateKey, message),
  });
  if (!minted.ok) return await edgeDecode(crypto);
  const partner: PartnerProfile = {
    appId: toHex(crypto.random(16)),
    appSecret: toHex(crypto.random(16)),
    dialect: "standard",
    signType: "SM2",
    encryption: "none",
    publicKeys: [hospital.publicKey],
  };
  const data = { orgId: "H51010400001", code: minted.value, amount: "128.50", outTradeNo: "B1" };
  const request = { orgId: data.orgId, transType: "rh.settle", version: "1.0.0", data, timestampMs: nowMs as EventMs };
  const body = await sealRequest(crypto, request, partner, (message) => crypto.sm2Sign(hospital.privateKey, message));
  return {
    name: "edge.decode",
    what: "edge decode: envelope opened, code checked",
    once(by) {
      const raw = readEnvelope(body);
      const opened = raw.ok ? openEnvelope(by, raw.value, partner, { nowMs }) : raw;
      const code = opened.ok ? parseScannedCode(String(opened.value.data["code"]), { appIdWidth: 9 }) : opened;
      if (!code.ok || code.value.kind !== "fused.signed") return false;
      return checkSignedCode(by, code.value, { publicKeys: [platform.publicKey], purposes: ["settle"], nowMs }).ok;
    },
  };
}

async function receiptCheck(platform: TestPlatform): Promise<Use> {
  await platform.append(1000);
  await platform.log.checkpoint(AT);
  const text = await platform.log.receipt(500n);
  return {
    name: "ledger.receipt",
    what: "receipt checked, one of 1,000 entries",
    once: (by) => verifyReceipt(by, text, [platform.signer.trusted]).ok,
  };
}

/** Work with a private key: ours, and what it replaces. */
async function privateContestants(
  crypto: Crypto,
): Promise<readonly (Omit<Contestant, "once"> & { readonly ours: Work; readonly other: Work })[]> {
  const sm2 = await WasmSm2Private.from(await compileSm2PrivateFile());
  const node = await nodeSm2SignCandidate.available();
  const { privateKey, publicKey } = crypto.sm2GenerateKeyPair();
  const message = crypto.random(MESSAGE_BYTES);
  const sealed = jsSm2Encrypt.encrypt(publicKey, crypto.random(16), "C1C3C2");
  const signing = (by: Sm2Sign): Work => {
    const sign = by.prepare(privateKey, publicKey);
    return work("signing", () => sign(message, SM2_DEFAULT_USER_ID).length === 64, 400);
  };
  const opening = (by: Sm2Encrypt, count: number): Work =>
    work("decryption", () => by.decrypt(privateKey, sealed, "C1C3C2")?.length === 16, count);
  const signed = signing(wasmSm2Sign(sm2));
  return [
    ...(node === undefined
      ? []
      : [{ name: "sm2Sign.wasm", what: "signing, bound node:crypto", ours: signed, other: signing(node), count: 400, aim: { ratio: 5 } }]),
    {
      name: "sm2Sign.wasm.v2",
      what: "signing, bound sm-crypto-v2",
      ours: signed,
      other: signing(jsSm2Sign),
      count: 400,
      aim: { ratio: 5 },
    },
    {
      name: "sm2Decrypt.wasm",
      what: "decryption of a data key, bound sm-crypto-v2",
      ours: opening(wasmSm2Encrypt(sm2), 200),
      other: opening(jsSm2Encrypt, 10),
      count: 200,
      aim: { ratio: 5 },
    },
  ];
}

/** Every figure; the bound of the first ones is sm-crypto-v2 with a precomputed key, of the last the port without WebAssembly. */
export async function run(report: Report): Promise<readonly Figure[]> {
  const crypto = await loadCrypto();
  const before = await loadCrypto({ candidates: { sm2Verify: [nodeSm2VerifyCandidate] } });
  const signed = Array.from({ length: KEYS }, () => {
    const { privateKey, publicKey } = crypto.sm2GenerateKeyPair();
    const message = crypto.random(MESSAGE_BYTES);
    return { publicKey, message, signature: crypto.sm2Sign(privateKey, message) };
  });
  const unit = hot(jsSm2Verify, signed.slice(0, 1));
  const list = await contestants(crypto, signed);
  const platform = await TestPlatform.create();
  try {
    const uses = [await edgeDecode(crypto), await receiptCheck(platform)];
    const withKeys = await privateContestants(crypto);
    const steps = (ROUNDS + 1) * (list.length + uses.length + withKeys.length);
    let done = 0;
    const step = (): void => report(++done, steps);
    const figures: Figure[] = [];
    for (const { name, what, once, count, aim } of list) {
      const outcome = await contest({
        rounds: ROUNDS,
        report: step,
        subject: work(what, once, count),
        bound: work("sm-crypto-v2", unit, UNIT_COUNT),
      });
      const bound = { what: "sm-crypto-v2, precomputed", perSecond: outcome.boundPerSecond, ratio: outcome.ratio };
      figures.push({ name: `crypto.sm2Verify.${name}`, what, unit: "/s", perSecond: outcome.perSecond, bound, ...(aim && { aim }) });
    }
    for (const { name, what, ours, other, aim } of withKeys) {
      const outcome = await contest({ rounds: ROUNDS, report: step, subject: ours, bound: other });
      const bound = { what: "what it replaces", perSecond: outcome.boundPerSecond, ratio: outcome.ratio };
      figures.push({ name: `crypto.${name}`, what, unit: "/s", perSecond: outcome.perSecond, bound, ...(aim && { aim }) });
    }
    for (const { name, what, once } of uses) {
      const outcome = await contest({
        rounds: ROUNDS,
        report: step,
        subject: work(what, () => once(crypto), USES_COUNT * 4),
        bound: work(what, () => once(before), USES_COUNT),
      });
      const bound = { what: "the same with node:crypto", perSecond: outcome.boundPerSecond, ratio: outcome.ratio };
      figures.push({ name: `crypto.${name}`, what, unit: "/s", perSecond: outcome.perSecond, bound });
    }
    return figures;
  } finally {
    await platform.close();
  }
}
