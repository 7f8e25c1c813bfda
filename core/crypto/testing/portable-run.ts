/** What a runner asks of a runtime: both suites on the modules that it passes in, and the port on the same modules. */
import { loadCrypto } from "../index.ts";
import { WasmSm2Verifier } from "../sm2-wasm.ts";
import type { Sm2Vectors } from "../vectors/format.ts";
import { runPrivateSuite } from "./sm2-private-suite.ts";
import { runSuite, type SuiteResult } from "./sm2-suite.ts";

/** The modules of `core/crypto/wasm`, compiled. */
export interface Sm2Modules {
  readonly verify: WebAssembly.Module;
  readonly withKeys: WebAssembly.Module;
}

export interface RuntimeResult extends SuiteResult {
  /** `implementations` of the port for SM2: verifying, signing, encrypting. */
  readonly implementations: readonly string[];
}

export async function runInRuntime({ verify, withKeys }: Sm2Modules, vectors: Sm2Vectors): Promise<RuntimeResult> {
  const { implementations } = await loadCrypto({ sm2VerifyModule: verify, sm2PrivateModule: withKeys });
  const suites = [await runSuite((limits) => WasmSm2Verifier.from(verify, limits), vectors), await runPrivateSuite(withKeys)];
  return {
    checks: suites.reduce((sum, { checks }) => sum + checks, 0),
    failures: suites.flatMap(({ failures }) => failures),
    implementations: sm2Of(implementations),
  };
}

/** Which implementations a port uses for SM2. */
export function sm2Of({
  sm2Verify,
  sm2Sign,
  sm2Encrypt,
}: Readonly<Record<"sm2Verify" | "sm2Sign" | "sm2Encrypt", string>>): readonly string[] {
  return [sm2Verify, sm2Sign, sm2Encrypt];
}
