/**
 * What an edge works with, signed by the platform: partners and terminals it serves, public keys that check codes,
 * what was revoked, the key it encrypts credentials under. Secrets in it are those the edge needs to verify its own
 * partners; nothing in it opens an EHC-ID, resolves an account or mints a code.
 */
import * as v from "valibot";
import type { KeyStore } from "../crypto/port.ts";
import { KEY_HANDLES } from "../key-handles.ts";
import { bundleKeyId } from "../protocol/bundle-keys.ts";
import { toHex, utf8 } from "../protocol/bytes.ts";
import type { Crypto } from "../crypto/port.ts";
import { edgeBundle, type EdgeBundle, institutionSettings, type InstitutionSettings } from "../protocol/internal.ts";
import type { EventMs } from "../protocol/time.ts";
import type { Access } from "./access.ts";
import { type Edge, type Institution, servesInstitution, type SigningKey } from "./directory.ts";
import { publicKeysOf } from "./signing-keys.ts";

/** An edge that cannot reach the core goes on with its last bundle for this long. */
export const BUNDLE_LIFE_MS = 24 * 3_600_000;

/**
 * A partner that the newest bundles say nothing of, so that they hold for all others: its secret does not open, or its
 * settings are not what edges take.
 */
export interface LeftOut {
  readonly orgId: string;
  /** Fields of `InstitutionSettings`, or `appSecret` for one that does not open; never their values. */
  readonly fields: readonly string[];
}

export interface BundleMaker {
  /**
   * The exact bytes as text, and the platform's SM2 signature over them in hex, by the newest key among those that the
   * edge says it trusts. One that names none, or none in force, gets the oldest in force.
   */
  bundleFor(edge: Edge, nowMs: EventMs, trusted?: ReadonlySet<string>): Promise<{ readonly bundle: string; readonly signature: string }>;
  /** Of the bundles made last, by partner. */
  leftOut(): readonly LeftOut[];
}

export interface BundleMakerOptions {
  readonly access: Access;
  readonly keys: KeyStore;
  readonly crypto: Pick<Crypto, "sm3">;
  /** The key under which edges and vault fingerprint codes alike. */
  readonly codeFingerprintKey: Uint8Array;
  readonly revokedCodes: (nowMs: number) => Promise<readonly string[]>;
  /** Told once of each partner that is left out, and again when it is for another reason. */
  readonly onLeftOut?: (partner: LeftOut) => void;
}

export function createBundleMaker(options: BundleMakerOptions): BundleMaker {
  const { access, keys, crypto } = options;
  let lastVersion = 0;
  const leftOut = new Map<string, LeftOut>();
  // Unreadable since the start, and so in no list that bundles are made from.
  for (const { id, field } of access.unreadable()) {
    const partner = { orgId: id, fields: [field] };
    leftOut.set(id, partner);
    options.onLeftOut?.(partner);
  }

  /** Nothing of a partner whose rows are wrong: edges would refuse the bundle of all. */
  async function partnerOf(institution: Institution, nowMs: number): Promise<readonly InstitutionSettings[]> {
    const { orgId } = institution;
    const settings = await settingsOf(access, institution, nowMs).catch(() => undefined);
    const parsed = v.safeParse(institutionSettings, settings);
    if (parsed.success) {
      leftOut.delete(orgId);
      return [parsed.output];
    }
    const issues = settings === undefined ? ["appSecret"] : parsed.issues.map((issue) => String(v.getDotPath(issue)?.split(".", 1)[0]));
    const partner = { orgId, fields: [...new Set(issues)].toSorted() };
    if (leftOut.get(orgId)?.fields.join() !== partner.fields.join()) options.onLeftOut?.(partner);
    leftOut.set(orgId, partner);
    return [];
  }

  /** What every edge gets, also one that is shut out: enough to learn that it is. */
  async function frame(edge: Edge, nowMs: EventMs): Promise<EdgeBundle> {
    // Each bundle is newer than the one before, so that an edge can refuse an old one that somebody kept.
    lastVersion = Math.max(lastVersion + 1, nowMs);
    return {
      edgeId: edge.edgeId,
      status: edge.status,
      version: lastVersion,
      issuedAtMs: nowMs,
      expiresAtMs: nowMs + BUNDLE_LIFE_MS,
      appIdWidth: access.appIdWidth,
      bundleKeys: access.signing.inForce("bundle").map(({ publicKey }) => publicKey),
      appIds: [],
      suspendedAppIds: [],
      revokedCodes: [],
      codeKeys: [],
      sealKey: { handle: KEY_HANDLES.edgeSeal, publicKey: toHex(await keys.publicKey(KEY_HANDLES.edgeSeal)) },
      fingerprintKey: "",
      institutions: [],
    };
  }

  async function whole(edge: Edge, nowMs: EventMs): Promise<EdgeBundle> {
    const served = access.institutions().filter((institution) => servesInstitution(edge, institution));
    const appIds = (status: string): string[] => access.apps().flatMap((app) => (app.status === status ? [app.appId] : []));
    return {
      ...(await frame(edge, nowMs)),
      appIds: appIds("active"),
      suspendedAppIds: appIds("suspended"),
      revokedCodes: [...(await options.revokedCodes(nowMs))],
      codeKeys: access.signing.inForce("code").map(({ publicKey }) => publicKey),
      fingerprintKey: toHex(options.codeFingerprintKey),
      institutions: (await Promise.all(served.map((institution) => partnerOf(institution, nowMs)))).flat(),
    };
  }

  function signerFor(trusted: ReadonlySet<string>): SigningKey {
    const inForce = access.signing.inForce("bundle");
    const ids = publicKeysOf(inForce).map((key) => bundleKeyId(crypto, key));
    const signer = inForce.find((_, at) => trusted.has(ids[at] ?? "")) ?? inForce.at(-1);
    if (signer === undefined) throw new Error("no key in force signs bundles");
    return signer;
  }

  return {
    leftOut: () => [...leftOut.values()],
    async bundleFor(edge, nowMs, trusted = new Set()) {
      // What edges would refuse is never signed: the fault shows here, where it can be mended.
      const text = JSON.stringify(v.parse(edgeBundle, edge.status === "active" ? await whole(edge, nowMs) : await frame(edge, nowMs)));
      return { bundle: text, signature: toHex(await keys.sm2Sign(signerFor(trusted).handle, utf8(text))) };
    },
  };
}

async function settingsOf(access: Access, institution: Institution, nowMs: number): Promise<InstitutionSettings> {
  const [partner, former] = await access.partners(institution.orgId, nowMs);
  if (partner === undefined) throw new Error("an institution vanished from the directory");
  const { orgId, name, status, kind, dialect, signType, encryption, ratePerSecond, rateBurst, offline } = institution;
  const terminals = [...institution.terminals.values()];
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
    offline,
    publicKeys: [...institution.publicKeys],
    appId: partner.appId,
    appSecret: partner.appSecret,
    ...(former === undefined ? {} : { formerSecret: { appSecret: former.appSecret, untilMs: institution.former?.untilMs ?? 0 } }),
    terminals: terminals.map(({ termId, latitude, longitude }) => ({ termId, latitude, longitude })),
    suspendedTerminals: terminals.flatMap((terminal) => (terminal.status === "active" ? [] : [terminal.termId])),
  };
}
