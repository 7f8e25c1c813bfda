import { fromHex } from "../../core/protocol/bytes.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import type { PartnerProfile } from "../../core/protocol/envelope.ts";
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
    suspendedAppIds: new Set(bundle.suspendedAppIds),
    revokedCodes: new Set(bundle.revokedCodes),
    institution: (orgId) => institutions.get(orgId),
  };
}

function institutionOf(crypto: Crypto, settings: InstitutionSettings): EdgeInstitution | undefined {
  const partner = partnerOf(crypto, settings, settings.appSecret);
  if (partner === undefined) return undefined;
  const suspended = new Set(settings.suspendedTerminals);
  const { formerSecret } = settings;
  const former = formerSecret === undefined ? undefined : partnerOf(crypto, settings, formerSecret.appSecret);
  return {
    settings,
    terminals: new Map(settings.terminals.map(({ termId }) => [termId, suspended.has(termId) ? "suspended" : "active"])),
    partner,
    ...(former === undefined || formerSecret === undefined ? {} : { former: { partner: former, untilMs: formerSecret.untilMs } }),
  };
}

function partnerOf(crypto: Crypto, settings: InstitutionSettings, appSecret: string): PartnerProfile | undefined {
  const { appId, dialect, signType, encryption } = settings;
  const dataKey = dataKeyOf(crypto, { appId, appSecret, dialect });
  if (dataKey === undefined && encryption !== "none") return undefined;
  const partner = { appId, appSecret, dialect, signType, encryption, publicKeys: settings.publicKeys.map(bytes) };
  return dataKey === undefined ? partner : { ...partner, dataKey };
}

function dataKeyOf(crypto: Crypto, access: Pick<PartnerProfile, "appId" | "appSecret" | "dialect">): Uint8Array | undefined {
  try {
    return deriveDataKey(crypto, access);
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
