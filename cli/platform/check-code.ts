import { loadCrypto } from "../../core/crypto/index.ts";
import { fromHex } from "../../core/protocol/bytes.ts";
import type { ScannedCode } from "../../core/protocol/fused-code.ts";
import { checkSignedCode } from "../../core/protocol/signed-token.ts";
import { type EventMs, formatCst14 } from "../../core/protocol/time.ts";
import type { Layout } from "./layout.ts";
import { readIfThere } from "./files.ts";

export interface CodeVerdict {
  /** Signed by this platform, in time. Whether it was used already only the vault can tell. */
  readonly genuine: boolean;
  readonly shown: Readonly<Record<string, string>>;
}

/** Checks a code with the platform's public keys alone, as any edge or auditor can. */
export async function checkCode(layout: Layout, code: ScannedCode, nowMs: EventMs): Promise<CodeVerdict> {
  const { text: _, ...parts } = code;
  if (code.kind !== "fused.signed") return { genuine: false, shown: { ...parts, verdict: "only its issuer can tell" } };
  const lines = ((await readIfThere(layout.codeKeys)) ?? "").split("\n");
  const publicKeys = lines.flatMap((line) => {
    const key = fromHex(line.trim());
    return key === undefined || key.length !== 65 ? [] : [key];
  });
  const crypto = await loadCrypto();
  const checked = checkSignedCode(crypto, code, { publicKeys, purposes: ["settle", "verify"], nowMs });
  if (!checked.ok) return { genuine: false, shown: { ...parts, verdict: checked.error } };
  return {
    genuine: true,
    shown: { ...parts, verdict: "genuine", purpose: checked.value.purpose, expires: formatCst14(checked.value.expiresAtMs as EventMs) },
  };
}
