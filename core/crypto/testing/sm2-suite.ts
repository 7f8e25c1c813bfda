/**
 * What every SM2 verifier in WebAssembly must show, in every runtime: no test framework, no files, no Node. A runner compiles the module,
 * passes it in with the vectors, and fails on any line of `failures`.
 */
import { sm2 } from "sm-crypto-v2";
import { concat, fromHex, toHex, utf8 } from "../text.ts";
import { jsSm3 } from "../sm3-js.ts";
import { zaInput } from "../curve.ts";
import type { WasmSm2Verifier } from "../sm2-wasm.ts";
import { DEFAULT_TABLE_LIMITS, type TableCacheLimits } from "../wasm/table-cache.ts";
import type { Sm2Vectors, Sm2VectorGroup, Sm2VectorTest } from "../vectors/format.ts";

/** How a key is verified from its first use on: without a table, with a small one, with a large one. */
export const TABLE_MODES: Readonly<Record<"no table" | "small table" | "large table", TableCacheLimits>> = {
  "no table": { ...DEFAULT_TABLE_LIMITS, smallAfterUses: Number.MAX_SAFE_INTEGER },
  "small table": { ...DEFAULT_TABLE_LIMITS, smallTablesMax: 8, smallAfterUses: 1, largeAfterUses: Number.MAX_SAFE_INTEGER },
  "large table": { smallTablesMax: 8, largeTablesMax: 8, smallAfterUses: 1, largeAfterUses: 2 },
};

/** What a run found. */
export interface SuiteResult {
  readonly checks: number;
  /** One line for each wrong answer; empty when all is well. */
  readonly failures: readonly string[];
}

class Findings implements SuiteResult {
  checks = 0;
  readonly failures: string[] = [];

  expect(what: string, wanted: boolean, got: boolean): void {
    this.checks += 1;
    if (wanted !== got) this.failures.push(`${what}: wanted ${wanted}, got ${got}`);
  }
}

function bytes(hex: string): Uint8Array {
  const value = fromHex(hex);
  if (value === undefined) throw new Error("not hex");
  return value;
}

function answer(verifier: WasmSm2Verifier, group: Sm2VectorGroup, test: Sm2VectorTest, uses: number): boolean {
  const key = verifier.key(bytes(group.publicKey));
  if (key === undefined) return false;
  let last = false;
  for (let use = 0; use < uses; use += 1) {
    last =
      test.digest === undefined
        ? key.verify(bytes(test.msg ?? ""), bytes(test.sig), group.userId ?? "")
        : key.verifyDigest(bytes(test.digest), bytes(test.sig));
  }
  return last;
}

/** Every vector; the key is new for each, and used `uses` times so that the verifier's limits give it the table wanted. */
export function runVectors(verifier: WasmSm2Verifier, vectors: Sm2Vectors, uses: number): SuiteResult {
  const found = new Findings();
  for (const group of vectors.testGroups) {
    const invalid = group.tests.some((test) => test.flags.includes("InvalidKey"));
    const taken = verifier.key(bytes(group.publicKey)) !== undefined;
    if (taken === invalid) found.failures.push(`the key of vector ${group.tests[0]?.tcId ?? 0} is ${taken ? "taken" : "refused"}`);
    for (const test of group.tests) {
      const what = `vector ${test.tcId} (${test.comment}; ${test.flags.join(", ")})`;
      found.expect(what, test.result === "valid", answer(verifier, group, test, uses));
    }
  }
  if (found.checks !== vectors.numberOfTests) found.failures.push(`${found.checks} vectors, not ${vectors.numberOfTests}`);
  return found;
}

/** SM3 against sm-crypto-v2 for every length from 0 to 260 and around the pieces in which a message goes into the module. */
export function runSm3(verifier: WasmSm2Verifier): SuiteResult {
  const found = new Findings();
  const lengths = [...Array.from({ length: 261 }, (_, length) => length), 16_383, 16_384, 16_385, 40_000];
  for (const length of lengths) {
    const message = Uint8Array.from({ length }, (_, at) => (at * 31 + length) & 0xff);
    const expected = toHex(jsSm3.hash([message]));
    found.expect(`SM3 of ${length} bytes`, true, toHex(verifier.sm3(message)) === expected);
    const cut = length >> 1;
    found.expect(`SM3 of ${length} bytes in two`, true, toHex(verifier.sm3(message.subarray(0, cut), message.subarray(cut))) === expected);
  }
  return found;
}

/** A signed message, as something else made it. */
export interface SignedMessage {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  readonly userId: string;
}

/** One way to spoil a signed message; the index varies where and how. */
export type Corruption = (signed: SignedMessage, at: number) => SignedMessage;

function flipped(value: Uint8Array, bit: number): Uint8Array {
  const place = (bit >> 3) % value.length;
  return value.map((byte, index) => (index === place ? byte ^ (1 << (bit & 7)) : byte));
}

function replaced(signature: Uint8Array, at: number, half: Uint8Array): Uint8Array {
  return at % 2 === 0 ? concat(half, signature.subarray(32)) : concat(signature.subarray(0, 32), half);
}

const ORDER_BYTES = bytes("fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123");

/** Each kind of damage that a signature meets by chance or by intent. */
export const CORRUPTIONS: Readonly<Record<string, Corruption>> = {
  "a bit of the signature": (signed, at) => ({ ...signed, signature: flipped(signed.signature, at * 7) }),
  "a bit of the message": (signed, at) => ({ ...signed, message: concat(flipped(concat(signed.message, utf8(".")), at * 5)) }),
  "a bit of the key": (signed, at) => ({ ...signed, publicKey: flipped(signed.publicKey, at * 3) }),
  "-y for y": (signed) => ({ ...signed, publicKey: opposite(signed.publicKey) }),
  "another user id": (signed, at) => ({ ...signed, userId: `${signed.userId}${at}` }),
  "r and s exchanged": (signed) => ({ ...signed, signature: concat(signed.signature.subarray(32), signed.signature.subarray(0, 32)) }),
  "a half zero": (signed, at) => ({ ...signed, signature: replaced(signed.signature, at, new Uint8Array(32)) }),
  "a half n": (signed, at) => ({ ...signed, signature: replaced(signed.signature, at, ORDER_BYTES) }),
  "a half of ones": (signed, at) => ({ ...signed, signature: replaced(signed.signature, at, new Uint8Array(32).fill(0xff)) }),
  "a byte less or more": (signed, at) => ({
    ...signed,
    signature: at % 2 === 0 ? signed.signature.subarray(1) : concat(signed.signature, Uint8Array.of(0)),
  }),
};

const PRIME = 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn;

function opposite(publicKey: Uint8Array): Uint8Array {
  const y = PRIME - BigInt(`0x${toHex(publicKey.subarray(33))}`);
  return concat(publicKey.subarray(0, 33), bytes(y.toString(16).padStart(64, "0")));
}

/**
 * Signatures by sm-crypto-v2 (as long as a runtime takes to make them), each verified as it is and spoiled in every way. The keys stay the
 * same, so that they pass from no table to a small and a large one as in use.
 */
export function runAgreement(verifier: WasmSm2Verifier, keys: number, signaturesPerKey: number): SuiteResult {
  const found = new Findings();
  for (let index = 0; index < keys; index += 1) {
    const pair = sm2.generateKeyPairHex();
    const publicKey = bytes(pair.publicKey);
    const key = verifier.key(publicKey);
    for (let at = 0; at < signaturesPerKey; at += 1) {
      const message = Uint8Array.from({ length: at * 3 }, (_, place) => (place * 13 + at) & 0xff);
      const userId = at % 3 === 0 ? "1234567812345678" : `医院 ${at % 5}`;
      const options = { hash: true, der: false, publicKey: pair.publicKey, userId } as const;
      const signed = { publicKey, message, userId, signature: bytes(sm2.doSignature(message, pair.privateKey, options)) };
      found.expect(`signature ${at}`, true, key?.verify(message, signed.signature, userId) ?? false);
      for (const [kind, corrupt] of Object.entries(CORRUPTIONS)) {
        const bad = corrupt(signed, at);
        const badKey = bad.publicKey === publicKey ? key : verifier.key(bad.publicKey);
        found.expect(`signature ${at}, ${kind}`, false, badKey?.verify(bad.message, bad.signature, bad.userId) ?? false);
      }
    }
  }
  return found;
}

/** e = SM3(ZA ‖ M), for those who verify a digest. */
export function digestOf({ publicKey, message, userId }: SignedMessage): Uint8Array {
  return jsSm3.hash([jsSm3.hash([zaInput(publicKey, userId)]), message]);
}

/** Everything, in the size that a small runtime takes in some seconds. */
export async function runSuite(
  instantiate: (limits: TableCacheLimits) => Promise<WasmSm2Verifier>,
  vectors: Sm2Vectors,
): Promise<SuiteResult> {
  const results: SuiteResult[] = [];
  for (const [mode, limits] of Object.entries(TABLE_MODES)) {
    const result = runVectors(await instantiate(limits), vectors, mode === "large table" ? 2 : 1);
    results.push({ checks: result.checks, failures: result.failures.map((line) => `${mode}: ${line}`) });
  }
  const verifier = await instantiate(DEFAULT_TABLE_LIMITS);
  results.push(runSm3(verifier), runAgreement(verifier, 2, 70));
  return {
    checks: results.reduce((sum, result) => sum + result.checks, 0),
    failures: results.flatMap((result) => result.failures),
  };
}
