/**
 * What stands before every address of the core that takes bodies: a source that keeps sending what nobody signed is
 * turned away before anything of its call is read, as at an edge (`core/protocol/server/shield.ts`).
 */
import type { Context, MiddlewareHandler } from "hono";
import { ERRORS, type ErrorName } from "../protocol/errors.ts";
import { Shield } from "../protocol/server/shield.ts";
import { peerOf } from "../protocol/server/source.ts";
import type { Clock } from "../protocol/time.ts";

export interface DoorPorts {
  readonly clock: Clock;
  /** Where a request comes from, as the runtime knows it; without an answer there is no limit by source. */
  readonly sourceOf?: (request: Request, env: unknown) => string | undefined;
}

/** What a door finds in the context once the call was answered. */
export interface DoorCall {
  Variables: {
    /** Set by whoever proved the sender. */
    edgeId?: string;
    caller?: string;
    outcome?: string;
    /** Of a call that was turned away: how many were alike since the last that was told, or that this one is not told. */
    turnedAway?: number | "untold";
  };
}

/** As at an edge: 1,000 calls at once that nobody signed, 50 a second in the long run; a wrong signature counts ten. */
const GARBAGE = { garbageBurst: 1_000, garbagePerSecond: 50 };

export type TurnAway = (c: Context, retryAfterSeconds: number) => Response | Promise<Response>;

/** One shield for all doors: a source that floods one of them is known at the others. */
export function shieldedDoors({ clock, sourceOf = peerOf }: DoorPorts): (turnAway: TurnAway) => MiddlewareHandler<DoorCall> {
  const shield = new Shield(GARBAGE);
  return (turnAway) =>
    async function shieldMiddleware(c, next) {
      const source = sourceOf(c.req.raw, c.env);
      const nowMs = clock.now();
      const retryAfterSeconds = shield.waitFor(source, nowMs);
      if (retryAfterSeconds > 0) {
        c.set("outcome", "rateLimited");
        c.set("turnedAway", shield.turnedAway(nowMs) ?? "untold");
        return await turnAway(c, retryAfterSeconds);
      }
      await next();
      const outcome = c.get("outcome");
      if (c.get("edgeId") !== undefined || c.get("caller") !== undefined) shield.proven(source, nowMs);
      else if (outcome !== undefined && isErrorName(outcome)) shield.refused(source, outcome, nowMs);
      return undefined;
    };
}

/** For edges and operators. */
export function bareTurnAway(c: Context, retryAfterSeconds: number): Response {
  return c.json({ ok: false, error: "rateLimited" }, 429, { "retry-after": String(retryAfterSeconds) });
}

function isErrorName(text: string): text is ErrorName {
  return Object.hasOwn(ERRORS, text);
}
