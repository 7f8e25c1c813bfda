/**
 * What an entry of the registry log says of a partner's row: every setting that edges and core judge calls by is a fact,
 * so that `ledger fsck` finds a row that nobody registered so. Written by access, read back by `core/fsck/registry-rows.ts`.
 */
import type { Crypto } from "../crypto/port.ts";
import { toHex, utf8 } from "../protocol/bytes.ts";
import type { OfflineAllowance } from "../protocol/internal.ts";
import type { Terminal } from "./directory.ts";
import { PARTNER_SETTINGS, type PartnerSettings } from "./registration.ts";

export const SETTING_FACT = "setting.";
/** SM3 of a sealed secret as it is stored, hex: it tells nothing of the secret, and that another was put in its place. */
export const SECRET_FACT = "hash.secret";
/** SM3 of {@link terminalLines}, hex: an entry has a limit, and hospitals have many terminals. */
export const TERMINALS_FACT = "hash.terminals";
/** SM3 of the envelope APPID, hex. */
export const APP_ID_FACT = "hash.appId";

/** Facts of an allowance by their column, in a registration; `access.offline.changed` has them under names of its own. */
export const OFFLINE_FACTS = {
  offline_amount_max_fen: { registered: "fen.offline.amountMax", changed: "amountMaxFen" },
  offline_total_max_fen: { registered: "fen.offline.totalMax", changed: "totalMaxFen" },
  offline_for_ms: { registered: "offline.forMs", changed: "forMs" },
  offline_age_max_ms: { registered: "offline.ageMaxMs", changed: "ageMaxMs" },
} as const satisfies Record<string, { readonly registered: string; readonly changed: keyof OfflineAllowance }>;

/** The column that holds a setting: `signType` stands in `sign_type`. */
export function columnOf(setting: string): string {
  return setting.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

export const SETTING_COLUMNS: readonly string[] = PARTNER_SETTINGS.map(columnOf);

export function settingsOf(partner: PartnerSettings): PartnerSettings {
  return Object.fromEntries(PARTNER_SETTINGS.map((name) => [name, partner[name]])) as unknown as PartnerSettings;
}

export function partnerFacts(
  crypto: Pick<Crypto, "sm3">,
  partner: {
    readonly settings: PartnerSettings;
    readonly offline: OfflineAllowance;
    readonly terminals: Iterable<Terminal>;
    readonly appId: string;
    readonly sealedSecret: Uint8Array;
  },
): Record<string, string> {
  const { settings, offline } = partner;
  return Object.fromEntries([
    ...PARTNER_SETTINGS.map((name) => [`${SETTING_FACT}${name}`, String(settings[name])]),
    ...Object.values(OFFLINE_FACTS).map(({ registered, changed }) => [registered, String(offline[changed])]),
    [TERMINALS_FACT, toHex(crypto.sm3(utf8(terminalLines(partner.terminals))))],
    [APP_ID_FACT, toHex(crypto.sm3(utf8(partner.appId)))],
    ...Object.entries(secretFact(crypto, partner.sealedSecret)),
  ]) as Record<string, string>;
}

/** A line for each terminal, by their ids: where each was filed. */
export function terminalLines(terminals: Iterable<Pick<Terminal, "termId" | "latitude" | "longitude">>): string {
  const lines = [...terminals].map(({ termId, latitude, longitude }) => `${termId} ${latitude} ${longitude}\n`);
  return lines.toSorted().join("");
}

export function secretFact(crypto: Pick<Crypto, "sm3">, sealed: Uint8Array): Record<typeof SECRET_FACT, string> {
  return { [SECRET_FACT]: toHex(crypto.sm3(sealed)) };
}
