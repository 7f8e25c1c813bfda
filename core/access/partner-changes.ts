/** Changes of one institution or app: for each its check, its entry, its rows, and what it makes of the directory. */
import { insertRows } from "../../migrations/database.ts";
import type { AccessRefusal } from "./refusals.ts";
import type { OfflineAllowance } from "../protocol/internal.ts";
import type { Change } from "./changes.ts";
import type { Directory, Institution, Status } from "./directory.ts";
import { acceptedDraft } from "./drafts.ts";
import type { TerminalRegistration } from "./registration.ts";
import type { SealedValue } from "./sealed-values.ts";

export const PARTNER_KEY_COLUMNS = ["org_id", "public_key", "added_at_ms"] as const;
export const TERMINAL_COLUMNS = ["org_id", "term_id", "latitude", "longitude", "status"] as const;

export function terminalAdded(orgId: string, { termId, latitude, longitude }: TerminalRegistration, by: string): Change {
  return {
    ...of(orgId, (institution) => (institution.terminals.has(termId) ? "alreadyThere" : undefined)),
    draft: {
      ...acceptedDraft("access.terminal.registered", by, orgId, termId),
      facts: { latitude: String(latitude), longitude: String(longitude) },
    },
    statements: () => insertRows("terminal", [...TERMINAL_COLUMNS], [[orgId, termId, latitude, longitude, "active"]]),
    apply: replacing(orgId, (institution) => ({
      ...institution,
      terminals: new Map([...institution.terminals, [termId, { termId, latitude, longitude, status: "active" }]]),
    })),
  };
}

export function terminalStatusChanged(orgId: string, change: { readonly termId: string; readonly status: Status }, by: string): Change {
  const { termId, status } = change;
  return {
    ...of(orgId, (institution) => (institution.terminals.has(termId) ? undefined : "terminalUnknown")),
    draft: { ...acceptedDraft("access.terminal.changed", by, orgId, termId), facts: { status } },
    statements: () => [{ sql: "UPDATE terminal SET status = ? WHERE org_id = ? AND term_id = ?", args: [status, orgId, termId] }],
    apply: replacing(orgId, (institution) => {
      const terminal = institution.terminals.get(termId);
      if (terminal === undefined) return institution;
      return { ...institution, terminals: new Map([...institution.terminals, [termId, { ...terminal, status }]]) };
    }),
  };
}

export function keyAdded(orgId: string, publicKey: string, by: string): Change {
  return {
    ...of(orgId, ({ publicKeys, retiredKeys }) => {
      if (publicKeys.includes(publicKey)) return "keyThere";
      return retiredKeys.has(publicKey) ? "keyRetired" : undefined;
    }),
    draft: { ...acceptedDraft("access.key.added", by, orgId, orgId), facts: { publicKey } },
    statements: (atMs) => insertRows("partner_key", [...PARTNER_KEY_COLUMNS], [[orgId, publicKey, atMs]]),
    apply: replacing(orgId, (institution) => ({ ...institution, publicKeys: [publicKey, ...institution.publicKeys] })),
  };
}

export function keyRetired(orgId: string, publicKey: string, by: string): Change {
  return {
    ...of(orgId, ({ publicKeys }) => {
      if (!publicKeys.includes(publicKey)) return "keyUnknown";
      return publicKeys.length > 1 ? undefined : "lastKey";
    }),
    draft: { ...acceptedDraft("access.key.retired", by, orgId, orgId), facts: { publicKey } },
    statements: (atMs) => [
      // Rows of before this version hold keys as they were typed.
      { sql: "UPDATE partner_key SET retired_at_ms = ? WHERE org_id = ? AND lower(public_key) = ?", args: [atMs, orgId, publicKey] },
    ],
    apply: replacing(orgId, (institution) => ({
      ...institution,
      publicKeys: institution.publicKeys.filter((key) => key !== publicKey),
      retiredKeys: new Set([...institution.retiredKeys, publicKey]),
    })),
  };
}

export function statusChanged(orgId: string, status: Status, by: string): Change {
  const replace = replacing(orgId, (institution) => ({ ...institution, status }));
  return {
    ...of(orgId),
    draft: { ...acceptedDraft("access.institution.changed", by, orgId, orgId), facts: { status } },
    statements: () => [
      { sql: "UPDATE institution SET status = ? WHERE org_id = ?", args: [status, orgId] },
      { sql: "UPDATE app SET status = ? WHERE app_id = ?", args: [status, orgId] },
    ],
    apply: (directory) => {
      replace(directory);
      const app = directory.apps.get(orgId);
      if (app !== undefined) directory.apps.set(orgId, { ...app, status });
    },
  };
}

export function offlineChanged(orgId: string, offline: OfflineAllowance, by: string): Change {
  const { amountMaxFen, totalMaxFen, forMs, ageMaxMs } = offline;
  return {
    ...of(orgId),
    draft: {
      ...acceptedDraft("access.offline.changed", by, orgId, orgId),
      facts: { amountMaxFen, totalMaxFen, forMs: String(forMs), ageMaxMs: String(ageMaxMs) },
    },
    statements: () => [
      {
        sql: `UPDATE institution SET offline_amount_max_fen = ?, offline_total_max_fen = ?, offline_for_ms = ?, offline_age_max_ms = ?
              WHERE org_id = ?`,
        args: [BigInt(amountMaxFen), BigInt(totalMaxFen), forMs, ageMaxMs, orgId],
      },
    ],
    apply: replacing(orgId, (institution) => ({ ...institution, offline })),
  };
}

/** The secret that was present goes on as the former one; an earlier former one is over. */
export function secretRotated(
  orgId: string,
  change: { readonly secret: SealedValue; readonly overlapMs: number; readonly fact: Readonly<Record<string, string>> },
  by: string,
): Change {
  const { sealed, keyHandle } = change.secret;
  let untilMs = 0;
  return {
    ...of(orgId),
    draft: { ...acceptedDraft("access.secret.rotated", by, orgId, orgId), facts: { overlapMs: String(change.overlapMs), ...change.fact } },
    statements: (atMs) => {
      untilMs = atMs + change.overlapMs;
      return [
        {
          sql: `UPDATE institution SET former_secret = partner_secret, former_until_ms = ?, partner_secret = ?, key_handle = ?
                WHERE org_id = ?`,
          args: [untilMs, sealed, keyHandle, orgId],
        },
      ];
    },
    apply: replacing(orgId, (institution) => ({
      ...institution,
      sealedSecret: sealed,
      keyHandle,
      former: { sealedSecret: institution.sealedSecret, untilMs },
    })),
  };
}

/** A change of an institution that exists, and that nothing else stands against. */
function of(
  orgId: string,
  obstacle: (institution: Institution) => AccessRefusal | undefined = () => undefined,
): Pick<Change, "touches" | "check"> {
  return {
    touches: `institution/${orgId}`,
    check: ({ institutions }) => {
      const institution = institutions.get(orgId);
      return institution === undefined ? "institutionUnknown" : obstacle(institution);
    },
  };
}

function replacing(orgId: string, change: (institution: Institution) => Institution): (directory: Directory) => void {
  return ({ institutions }) => {
    const institution = institutions.get(orgId);
    if (institution !== undefined) institutions.set(orgId, change(institution));
  };
}
