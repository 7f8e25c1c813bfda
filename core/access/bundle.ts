/**
 * What an edge works with, signed by the platform: partners and terminals it serves, public keys that check codes,
 * the key it encrypts credentials under. Secrets in it are those the edge needs to verify its own partners;
 * nothing in it opens an EHC-ID, resolves an account or mints a code.
 */
import type { KeyStore } from "../crypto/port.ts";
import { KEY_HANDLES } from "../key-handles.ts";
import { toHex, utf8 } from "../protocol/bytes.ts";
import type { EdgeBundle, InstitutionSettings } from "../protocol/internal.ts";
import type { EventMs } from "../protocol/time.ts";
import type { Access } from "./access.ts";
import { type Edge, type Institution, servesInstitution } from "./directory.ts";

/** An edge that cannot reach the core goes on with its last bundle for this long. */
export const BUNDLE_LIFE_MS = 24 * 3_600_000;

export interface BundleMaker {
  /** The exact bytes as text, and the platform's SM2 signature over them in hex. */
  bundleFor(edge: Edge, nowMs: EventMs): Promise<{ readonly bundle: string; readonly signature: string }>;
}

/** @param codeFingerprintKey the key under which edges and vault fingerprint codes alike. */
export function createBundleMaker(access: Access, keys: KeyStore, codeFingerprintKey: Uint8Array): BundleMaker {
  let lastVersion = 0;
  return {
    async bundleFor(edge, nowMs) {
      // Each bundle is newer than the one before, so that an edge can refuse an old one that somebody kept.
      lastVersion = Math.max(lastVersion + 1, nowMs);
      const served = access.institutions().filter((institution) => servesInstitution(edge, institution));
      const bundle: EdgeBundle = {
        version: lastVersion,
        issuedAtMs: nowMs,
        expiresAtMs: nowMs + BUNDLE_LIFE_MS,
        appIdWidth: access.appIdWidth,
        appIds: access.apps().flatMap((app) => (app.status === "active" ? [app.appId] : [])),
        codeKeys: [toHex(await keys.publicKey(KEY_HANDLES.codeSign))],
        sealKey: { handle: KEY_HANDLES.edgeSeal, publicKey: toHex(await keys.publicKey(KEY_HANDLES.edgeSeal)) },
        fingerprintKey: toHex(codeFingerprintKey),
        institutions: await Promise.all(served.map((institution) => settingsOf(access, institution))),
      };
      const text = JSON.stringify(bundle);
      return { bundle: text, signature: toHex(await keys.sm2Sign(KEY_HANDLES.platformSign, utf8(text))) };
    },
  };
}

async function settingsOf(access: Access, institution: Institution): Promise<InstitutionSettings> {
  const partner = await access.partner(institution.orgId);
  if (partner === undefined) throw new Error("an institution vanished from the directory");
  const { orgId, name, status, kind, dialect, signType, encryption, ratePerSecond, rateBurst } = institution;
  return {
    orgId,
    name,
    status,
    kind,
    dialect,
    signType,
    encryption,
    ratePerSecond,
    rateBurst,
    publicKeys: [...institution.publicKeys],
    appId: partner.appId,
    appSecret: partner.appSecret,
    terminals: [...institution.terminals.values()].map(({ termId, latitude, longitude }) => ({
      termId,
      latitude,
      longitude,
    })),
  };
}
