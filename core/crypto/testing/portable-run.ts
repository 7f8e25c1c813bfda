/** What a runner asks of a runtime: the whole suite on the module that it passes in, and the port on the same module. */
import { loadCrypto } from "../index.ts";
import { WasmSm2Verifier } from "../sm2-wasm.ts";
import type { Sm2Vectors } from "../vectors/format.ts";
import { runSuite, type SuiteResult } from "./sm2-suite.ts";

export interface RuntimeResult extends SuiteResult {
  /** `implementations.sm2Verify` of the port. */
  readonly implementation: string;
}

export async function runInRuntime(module: WebAssembly.Module, vectors: Sm2Vectors): Promise<RuntimeResult> {
  const crypto = await loadCrypto({ sm2VerifyModule: module });
  const { checks, failures } = await runSuite((limits) => WasmSm2Verifier.from(module, limits), vectors);
  return { checks, failures, implementation: crypto.implementations.sm2Verify };
}
