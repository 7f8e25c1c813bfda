/**
 * Attempt limits for codes that only their issuer can tell (opaque tokens; domain notes 8.2 row 33): somebody who tries
 * numbers at a terminal is stopped there, and soon at the whole institution.
 */
import type { EdgePorts } from "../ports.ts";
import type { AdmittedCall } from "./call.ts";

export interface Attempt {
  /** `guesses`: found wrong. `unproven`: shown for settling, and only the core will know. */
  readonly kind: "guesses" | "unproven";
  readonly termId: string;
}

/** Seconds until another attempt is heard; 0: now. */
export async function attemptWait(ports: EdgePorts, call: AdmittedCall, attempt: Attempt): Promise<number> {
  return await spend(ports, call, attempt, 0);
}

/** Counts one attempt. */
export async function countAttempt(ports: EdgePorts, call: AdmittedCall, attempt: Attempt): Promise<void> {
  await spend(ports, call, attempt, 1);
}

async function spend(ports: EdgePorts, call: AdmittedCall, { kind, termId }: Attempt, cost: 0 | 1): Promise<number> {
  const { orgId } = call.institution.settings;
  const { terminal, institution } = ports.limits[kind];
  const buckets = [
    { bucket: `${kind}/${termId}`, limit: terminal },
    { bucket: kind, limit: institution },
  ];
  const waits = await Promise.all(
    buckets.map(({ bucket, limit: { burst, perMinute } }) =>
      ports.state.guard({ orgId, bucket, cost, ratePerSecond: perMinute / 60, rateBurst: burst, nowMs: call.nowMs }),
    ),
  );
  return Math.max(...waits);
}
