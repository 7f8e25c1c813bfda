/** The keys of the core, by handle. One purpose each (domain notes 6.2); a new version gets a new number. */
import type { KeyKind, KeyStore } from "./crypto/port.ts";

export const KEY_HANDLES = {
  /** Signs replies of the channel API. */
  platformSign: "platform.sign/1",
  /** First of the keys that sign bundles for edges; which of its versions are in force: `access/signing-keys.ts`. */
  bundleSign: "bundle.sign/1",
  /** Signs the checkpoints of the registry log. */
  registrySign: "ledger.registry/1",
  /** First of the keys that sign code tokens (fused code, signed form); later versions as above. */
  codeSign: "code.sign/1",
  /** Edges encrypt credentials for the core under it. */
  edgeSeal: "edge.seal/1",
  /** 应用数据读取密钥 of S1 5.3: makes and opens EHC-IDs. */
  ehcSecurity: "ehc.security/1",
  /** 内部认证密钥 of S1 5.3: makes and opens VALID. Never swapped with the one above. */
  ehcProtection: "ehc.protection/1",
  /** Root of every stored fingerprint. */
  fingerprint: "fingerprint/1",
  /** Derives ecTokens from visits. */
  ecToken: "vault.ectoken/1",
  /** Derives main index IDs. */
  personIndex: "identity.index/1",
  /** Pseudonyms for streams. */
  analyticsPerson: "analytics.person/1",
  /** What entries commit to in a pseudonym's place. */
  ledgerPerson: "ledger.person/1",
  /** Authenticates operators' commands to a running core: whoever opens the key store is one. */
  operator: "operator.command/1",
} as const;

/** Sealing keys: `<purpose>/<version>`, the version is stored with each sealed value. */
export const SEALING = { identity: "identity.data", vault: "vault.data", access: "access.data", rails: "rails.data" } as const;
export const SEALING_VERSION = 1;

const KINDS: Readonly<Record<keyof typeof KEY_HANDLES, KeyKind>> = {
  platformSign: "sm2",
  bundleSign: "sm2",
  registrySign: "sm2",
  codeSign: "sm2",
  edgeSeal: "sm2",
  ehcSecurity: "sm4",
  ehcProtection: "sm4",
  fingerprint: "secret",
  ecToken: "secret",
  personIndex: "secret",
  analyticsPerson: "secret",
  ledgerPerson: "secret",
  operator: "secret",
};

/** Public keys that others verify with or encrypt to: announced in the registry log. */
export const ANNOUNCED_HANDLES: readonly string[] = [
  KEY_HANDLES.platformSign,
  KEY_HANDLES.bundleSign,
  KEY_HANDLES.registrySign,
  KEY_HANDLES.codeSign,
  KEY_HANDLES.edgeSeal,
];

/** Makes what is missing; existing keys are kept. */
export async function ensureCoreKeys(keys: KeyStore): Promise<void> {
  for (const [name, handle] of Object.entries(KEY_HANDLES)) await keys.ensure(handle, KINDS[name as keyof typeof KEY_HANDLES]);
  for (const purpose of Object.values(SEALING)) await keys.ensure(`${purpose}/${SEALING_VERSION}`, "secret");
}

/**
 * What a sealed column is bound to (domain notes 6.2): a value cut out and pasted into another row, column or key
 * version does not open.
 */
export function sealedColumn(table: string, column: string, rowId: string, keyVersion: number): Uint8Array {
  return new TextEncoder().encode(`ronghe.sealed/v1\n${table}\n${column}\n${rowId}\n${keyVersion}`);
}
