/**
 * Whether a request on the bus comes from an edge that may make it. Whoever reaches the broker may write to a topic; a
 * request counts only when its bytes bear the MAC of an active edge that serves the institution it speaks for.
 */
import type { Crypto } from "../crypto/port.ts";
import { checkOrigin, type OriginDefect, type OriginKey, originKeyOf, type OriginRecord } from "../protocol/event-origin.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import type { Access } from "./access.ts";
import { servesInstitution } from "./directory.ts";

/** Why a request is put aside, in the order in which it is asked. */
export type OriginRefusal = OriginDefect | "originEdgeUnknown" | "originEdgeSuspended" | "originInstitution";

/** What a request says of itself. */
export interface OriginClaim {
  readonly edge: string;
  readonly institution: string;
}

export interface OriginCheck {
  /** Nothing that the record claims is believed before. */
  check(record: OriginRecord, claim: OriginClaim, nowMs: number): Promise<Result<void, OriginRefusal>>;
}

export interface OriginCheckOptions {
  readonly crypto: Pick<Crypto, "sm3" | "hmacSm3" | "equal">;
  readonly access: Pick<Access, "institution" | "edges">;
}

export function createOriginCheck({ crypto, access }: OriginCheckOptions): OriginCheck {
  /** Two HMACs and a hash per secret, paid once: an edge signs many events under one. */
  const derived = new WeakMap<Uint8Array, OriginKey>();
  const keyOf = (secret: Uint8Array): OriginKey => {
    const known = derived.get(secret) ?? originKeyOf(crypto, secret);
    derived.set(secret, known);
    return known;
  };
  return {
    async check(record, claim, nowMs) {
      const edge = access.edges.get(claim.edge);
      if (edge === undefined) return refused("originEdgeUnknown");
      const keys = (await access.edges.secrets(edge.edgeId, nowMs)).map(keyOf);
      const defect = checkOrigin(crypto, keys, record);
      if (defect !== undefined) return refused(defect);
      if (edge.status !== "active") return refused("originEdgeSuspended");
      const institution = access.institution(claim.institution);
      if (institution === undefined || record.key !== institution.orgId || !servesInstitution(edge, institution))
        return refused("originInstitution");
      return ok(undefined);
    },
  };
}
