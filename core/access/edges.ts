/**
 * Edges and the secret each shares with the core: calls are signed with it, and the key of its events follows from it.
 * A secret is replaced by overlap: the one before counts until its end, so that what waits in an outbox still arrives.
 */
import * as v from "valibot";
import type { LedgerPosition } from "../../ledger/leaf-draft.ts";
import { insertRows } from "../../migrations/database.ts";
import type { Crypto, KeyStore } from "../crypto/port.ts";
import type { AccessRefusal } from "./refusals.ts";
import { originKeyOf } from "../protocol/event-origin.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import type { Desk } from "../registry.ts";
import type { Change } from "./changes.ts";
import type { Directory, Edge, EdgeKey, Status } from "./directory.ts";
import { acceptedDraft } from "./drafts.ts";
import { secretFact } from "./partner-facts.ts";
import { edgeRegistration, type EdgeRegistration } from "./registration.ts";
import { openValue, sealValue } from "./sealed-values.ts";

export interface EdgesOptions {
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly directory: Directory;
  readonly changes: Desk<Change, Result<LedgerPosition, AccessRefusal>>;
}

export interface Edges {
  get(edgeId: string): Edge | undefined;
  list(): readonly Edge[];
  /** Secrets of an edge that count at an instant, whatever its status; the present one first. */
  secrets(edgeId: string, nowMs: number): Promise<readonly Uint8Array[]>;
  register(registration: EdgeRegistration, by: string): Promise<Result<{ readonly authKey: Uint8Array }, AccessRefusal>>;
  setStatus(edgeId: string, status: Status, by: string): Promise<Result<LedgerPosition, AccessRefusal>>;
  /** A new secret; the one before counts for `overlapMs` more, any earlier one no longer. */
  rotate(edgeId: string, overlapMs: number, by: string): Promise<Result<{ readonly authKey: Uint8Array }, AccessRefusal>>;
}

const SECRET_BYTES = 32;
const KEY_COLUMNS = ["edge_id", "key_id", "auth_key", "key_handle", "added_at_ms"];

export function createEdges({ crypto, keys, directory, changes }: EdgesOptions): Edges {
  /** Opened once each; a secret never changes under its id. */
  const opened = new Map<string, Promise<Uint8Array>>();

  const secretOf = (edgeId: string, { keyId, keyHandle, sealedKey }: EdgeKey): Promise<Uint8Array> => {
    const known = opened.get(keyId) ?? openValue(keys, placeOf(edgeId, keyId), { keyHandle, sealed: sealedKey });
    known.catch(() => opened.delete(keyId));
    opened.set(keyId, known);
    return known;
  };

  async function newSecret(edgeId: string): Promise<{ authKey: Uint8Array; key: Omit<EdgeKey, "addedAtMs"> }> {
    const authKey = crypto.random(SECRET_BYTES);
    const { id: keyId } = originKeyOf(crypto, authKey);
    const { keyHandle, sealed } = await sealValue(keys, placeOf(edgeId, keyId), authKey);
    return { authKey, key: { keyId, sealedKey: sealed, keyHandle, untilMs: undefined } };
  }

  return {
    get: (edgeId) => directory.edges.get(edgeId),
    list: () => [...directory.edges.values()],

    async secrets(edgeId, nowMs) {
      const edge = directory.edges.get(edgeId);
      const inForce = edge?.keys.filter(({ untilMs }) => untilMs === undefined || untilMs > nowMs) ?? [];
      return await Promise.all(inForce.map((key) => secretOf(edgeId, key)));
    },

    async register(registration, by) {
      const parsed = v.safeParse(edgeRegistration, registration);
      if (!parsed.success) return refused("badRequest");
      const { edgeId, serves } = parsed.output;
      const { authKey, key } = await newSecret(edgeId);
      let atMs = 0;
      const change = await changes.submit({
        touches: `edge/${edgeId}`,
        check: ({ edges, institutions, unreadable }) => {
          if (edges.has(edgeId) || unreadable.has(edgeId)) return "alreadyThere";
          return serves?.some((orgId) => !institutions.has(orgId)) === true ? "institutionUnknown" : undefined;
        },
        draft: {
          ...acceptedDraft("access.edge.registered", by, undefined, edgeId),
          facts: { serves: serves?.toSorted().join(" ") ?? "*", keyId: key.keyId, ...secretFact(crypto, key.sealedKey) },
        },
        statements: (batchMs) => {
          atMs = batchMs;
          return [
            ...insertRows(
              "edge",
              ["edge_id", "status", "serves"],
              [[edgeId, "active", serves === undefined ? null : JSON.stringify(serves)]],
            ),
            ...insertRows("edge_key", KEY_COLUMNS, [[edgeId, key.keyId, key.sealedKey, key.keyHandle, batchMs]]),
          ];
        },
        apply: ({ edges }) => {
          const served = serves === undefined ? undefined : new Set(serves);
          edges.set(edgeId, { edgeId, status: "active", serves: served, keys: [{ ...key, addedAtMs: atMs }] });
        },
      });
      return change.ok ? ok({ authKey }) : change;
    },

    async setStatus(edgeId, status, by) {
      return await changes.submit({
        touches: `edge/${edgeId}`,
        check: ({ edges }) => (edges.has(edgeId) ? undefined : "edgeUnknown"),
        draft: { ...acceptedDraft("access.edge.changed", by, undefined, edgeId), facts: { status } },
        statements: () => [{ sql: "UPDATE edge SET status = ? WHERE edge_id = ?", args: [status, edgeId] }],
        apply: ({ edges }) => {
          const edge = edges.get(edgeId);
          if (edge !== undefined) edges.set(edgeId, { ...edge, status });
        },
      });
    },

    async rotate(edgeId, overlapMs, by) {
      if (!(Number.isSafeInteger(overlapMs) && overlapMs >= 0)) return refused("badRequest");
      const { authKey, key } = await newSecret(edgeId);
      let atMs = 0;
      const change = await changes.submit({
        touches: `edge/${edgeId}`,
        check: ({ edges }) => (edges.has(edgeId) ? undefined : "edgeUnknown"),
        draft: {
          ...acceptedDraft("access.edge.rekeyed", by, undefined, edgeId),
          facts: { keyId: key.keyId, overlapMs: String(overlapMs), ...secretFact(crypto, key.sealedKey) },
        },
        statements: (batchMs) => {
          atMs = batchMs;
          return [
            { sql: "DELETE FROM edge_key WHERE edge_id = ? AND until_ms IS NOT NULL", args: [edgeId] },
            { sql: "UPDATE edge_key SET until_ms = ? WHERE edge_id = ?", args: [batchMs + overlapMs, edgeId] },
            ...insertRows("edge_key", KEY_COLUMNS, [[edgeId, key.keyId, key.sealedKey, key.keyHandle, batchMs]]),
          ];
        },
        apply: ({ edges }) => {
          const edge = edges.get(edgeId);
          const before = edge?.keys.filter(({ untilMs }) => untilMs === undefined) ?? [];
          const former = before.map((one) => ({ ...one, untilMs: atMs + overlapMs }));
          if (edge !== undefined) edges.set(edgeId, { ...edge, keys: [{ ...key, addedAtMs: atMs }, ...former] });
        },
      });
      return change.ok ? ok({ authKey }) : change;
    },
  };
}

function placeOf(edgeId: string, keyId: string): { table: string; column: string; row: string } {
  return { table: "edge_key", column: "auth_key", row: `${edgeId}/${keyId}` };
}
