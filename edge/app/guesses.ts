/**
 * Attempt limits for codes that only their issuer can tell (opaque tokens): somebody who tries numbers at a terminal is
 * stopped there, and soon at the whole institution. A try is counted before anybody is asked, so that many at once are
 * no more than one after the other, and given back when the code was known.
 */
import type { AppPorts } from "./app-ports.ts";
import type { AdmittedCall } from "./call.ts";

export interface Attempt {
  /** `guesses`: found wrong. `unproven`: shown for settling, and only the core will know. */
  readonly kind: "guesses" | "unproven";
  readonly termId: string;
}

/** Counts one attempt: 0, or, when there are no more, seconds until there is one; then nothing is counted. */
export async function tryAttempt(ports: AppPorts, call: AdmittedCall, attempt: Attempt): Promise<number> {
  const buckets = bucketsOf(ports, attempt);
  const waits = await Promise.all(buckets.map((bucket) => spend(ports, call, bucket, 1)));
  const waitSeconds = Math.max(...waits);
  if (waitSeconds > 0) await Promise.all(buckets.flatMap((bucket, at) => (waits[at] === 0 ? [spend(ports, call, bucket, -1)] : [])));
  return waitSeconds;
}

/** It was none: the code was known, or nobody could be asked. */
export async function forgiveAttempt(ports: AppPorts, call: AdmittedCall, attempt: Attempt): Promise<void> {
  await Promise.all(bucketsOf(ports, attempt).map((bucket) => spend(ports, call, bucket, -1)));
}

interface Bucket {
  readonly name: string;
  readonly limit: { readonly burst: number; readonly perMinute: number };
}

function bucketsOf(ports: AppPorts, { kind, termId }: Attempt): readonly Bucket[] {
  const { terminal, institution } = ports.limits[kind];
  return [
    { name: `${kind}/${termId}`, limit: terminal },
    { name: kind, limit: institution },
  ];
}

async function spend(ports: AppPorts, call: AdmittedCall, { name, limit }: Bucket, cost: 1 | -1): Promise<number> {
  const { orgId } = call.institution.settings;
  const { burst, perMinute } = limit;
  return await ports.state.guard({ orgId, bucket: name, cost, ratePerSecond: perMinute / 60, rateBurst: burst, nowMs: call.nowMs });
}
