import { performance } from "node:perf_hooks";
import Table from "cli-table3";
import type { Sm2Verify } from "../core/crypto/candidate.ts";
import { loadCrypto } from "../core/crypto/index.ts";
import { SM2_DEFAULT_USER_ID } from "../core/crypto/port.ts";
import { jsSm2Verify } from "../core/crypto/sm2-js.ts";
import { nodeSm2VerifyCandidate } from "../core/crypto/sm2-node.ts";
import { referenceSm2VerifyCandidate } from "../core/crypto/sm2-reference.ts";
import { wasmSm2Verify, WasmSm2Verifier } from "../core/crypto/sm2-wasm.ts";
import { compileSm2VerifyFile } from "../core/crypto/wasm/module.ts";

/** One way to verify: `once` verifies one signature; `count` is how many make one round. */
interface Contestant {
  readonly name: string;
  readonly once: (round: number) => boolean;
  readonly count: number;
}

const MESSAGE_BYTES = 200;
const KEYS = 64;
/** Every contestant has its turn in each round, so that a noisy neighbour meets them all alike; the best round of each counts. */
const ROUNDS = 7;
const UNIT = "sm-crypto-v2, precomputed key";

/** Signatures by different keys. */
interface Signed {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

function verifyBy(verify: Sm2Verify, signed: readonly Signed[]): (at: number) => boolean {
  const prepared = signed.map((one) => ({ ...one, verify: verify.prepare(one.publicKey) }));
  return (at) => {
    const one = prepared[at % prepared.length];
    return one !== undefined && one.verify(one.message, one.signature, SM2_DEFAULT_USER_ID);
  };
}

/** The key prepared anew for each signature: what a signature by a key never seen before costs, the check of the key included. */
function verifyColdBy(verify: Sm2Verify, signed: readonly Signed[]): (at: number) => boolean {
  return (at) => {
    const one = signed[at % signed.length];
    return one !== undefined && verify.prepare(one.publicKey)(one.message, one.signature, SM2_DEFAULT_USER_ID);
  };
}

async function contestants(signed: readonly Signed[]): Promise<readonly Contestant[]> {
  const module = await compileSm2VerifyFile();
  const limits = { smallTablesMax: KEYS, largeTablesMax: KEYS, smallAfterUses: 1, largeAfterUses: Number.MAX_SAFE_INTEGER };
  const wasm = wasmSm2Verify(await WasmSm2Verifier.from(module));
  const small = wasmSm2Verify(await WasmSm2Verifier.from(module, limits));
  const large = wasmSm2Verify(await WasmSm2Verifier.from(module, { ...limits, largeAfterUses: 2 }));
  const one = signed.slice(0, 1);
  const few = signed.slice(0, 16);
  const node = await nodeSm2VerifyCandidate.available();
  const reference = await referenceSm2VerifyCandidate.available();
  const crypto = await loadCrypto();
  const list: Contestant[] = [
    { name: UNIT, once: verifyBy(jsSm2Verify, one), count: 100 },
    { name: "sm-crypto-v2, cold key", once: verifyColdBy(jsSm2Verify, signed), count: 20 },
    { name: "WebAssembly, cold key", once: verifyColdBy(wasm, signed), count: 500 },
    { name: "WebAssembly, 16 keys with small tables", once: verifyBy(small, few), count: 1000 },
    { name: "WebAssembly, 16 keys with large tables", once: verifyBy(large, few), count: 1000 },
    { name: "WebAssembly, one hot key", once: verifyBy(wasm, one), count: 1000 },
    {
      name: `the port (${crypto.implementations.sm2Verify}), 16 keys`,
      once: verifyBy({ prepare: (publicKey) => (message, signature) => crypto.sm2Verify(publicKey, message, signature) }, few),
      count: 1000,
    },
  ];
  if (node !== undefined) {
    list.push({ name: "node:crypto, cold key", once: verifyColdBy(node, signed), count: 100 });
    list.push({ name: "node:crypto, hot key", once: verifyBy(node, one), count: 100 });
  }
  if (reference !== undefined) list.push({ name: "sm-crypto", once: verifyBy(reference, one), count: 2 });
  return list;
}

/** Milliseconds of one verification in this round. */
function timeRound({ once, count, name }: Contestant, round: number): number {
  const from = performance.now();
  for (let at = 0; at < count; at += 1) if (!once(round * count + at)) throw new Error(`${name} refused a good signature`);
  return (performance.now() - from) / count;
}

/** Every SM2 verifier with cold and hot keys, as a ratio to sm-crypto-v2 with a precomputed key in the same run. */
export async function run(): Promise<void> {
  const crypto = await loadCrypto();
  const signed = Array.from({ length: KEYS }, () => {
    const { privateKey, publicKey } = crypto.sm2GenerateKeyPair();
    const message = crypto.random(MESSAGE_BYTES);
    return { publicKey, message, signature: crypto.sm2Sign(privateKey, message) };
  });
  const list = await contestants(signed);
  const best = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const contestant of list) {
      const ms = timeRound(contestant, round);
      // The first round compiles and makes tables.
      if (round > 0) best.set(contestant.name, Math.min(ms, best.get(contestant.name) ?? Number.POSITIVE_INFINITY));
    }
  }
  const unit = best.get(UNIT) ?? Number.NaN;
  const table = new Table({
    head: [`SM2 verification, ${MESSAGE_BYTES} bytes`, "µs", "per second", "ratio"],
    style: { head: [], border: [], compact: true },
  });
  for (const [name, ms] of best) table.push([name, (ms * 1000).toFixed(1), Math.round(1000 / ms), (unit / ms).toFixed(2)]);
  console.log(table.toString());
  console.log("bound: WebAssembly at least 4.5 with a cold key and 10 with a hot one (Node)");
}

if (import.meta.main) await run();
