import { fromHex } from "../../core/protocol/bytes.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { deriveDataKey } from "../../core/protocol/key-derivation.ts";
import type { EdgeBundle, InstitutionSettings } from "../../core/protocol/internal.ts";
import type { EdgeInstitution, EdgeView } from "../ports.ts";

/**
 * Indexes a bundle whose signature was verified. An institution registered with secrets that no key can be derived
 * from is left out: it could not be served, and must not stop the others.
 */
export function viewOf(crypto: Crypto, bundle: EdgeBundle): EdgeView {
  const institutions = new Map<string, EdgeInstitution>();
  for (const settings of bundle.institutions) {
    const institution = institutionOf(crypto, settings);
    if (institution !== undefined) institutions.set(settings.orgId, institution);
  }
  return {
    bundle,
    codeKeys: bundle.codeKeys.map(bytes),
    sealPublicKey: bytes(bundle.sealKey.publicKey),
    fingerprintKey: bytes(bundle.fingerprintKey),
    appIds: new Set(bundle.appIds),
    institution: (orgId) => institutions.get(orgId),
  };
}

function institutionOf(crypto: Crypto, settings: InstitutionSettings): EdgeInstitution | undefined {
  const dataKey = dataKeyOf(crypto, settings);
  if (dataKey === undefined && settings.encryption !== "none") return undefined;
  return {
    settings,
    terminals: new Set(settings.terminals.map((terminal) => terminal.termId)),
    partner: {
      appId: settings.appId,
      appSecret: settings.appSecret,
      dialect: settings.dialect,
      signType: settings.signType,
      encryption: settings.encryption,
      publicKeys: settings.publicKeys.map(bytes),
      ...(dataKey === undefined ? {} : { dataKey }),
    },
  };
}

function dataKeyOf(crypto: Crypto, settings: InstitutionSettings): Uint8Array | undefined {
  try {
    return deriveDataKey(crypto, settings);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Hex that the bundle's schema or signer vouches for. */
function bytes(hex: string): Uint8Array {
  const value = fromHex(hex);
  if (value === undefined) throw new Error("the platform's bundle holds a key that is not hex");
  return value;
}
