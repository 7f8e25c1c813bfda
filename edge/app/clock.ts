/**
 * Whether this edge's clock is the platform's. What it takes is judged by when it took it: by a clock that is wrong it
 * takes nothing, and begins again by itself once the clock is right.
 */
import type { EventMs } from "../../core/protocol/time.ts";
import type { EdgePorts } from "../ports.ts";

type ClockPorts = Pick<EdgePorts, "settings" | "limits">;

/**
 * Our clock less the core's, as the last answers of the core prove; `undefined` when it was never heard. A clock that
 * stands before the instant at which the settings were signed is slow, whatever was measured since.
 */
export function clockSkewMs({ settings }: ClockPorts, nowMs: EventMs): number | undefined {
  const measured = settings.state?.().clockSkewMs;
  const issuedAtMs = settings.current()?.bundle.issuedAtMs;
  const behindMs = issuedAtMs === undefined ? 0 : Math.min(0, nowMs - issuedAtMs);
  return behindMs < Math.min(0, measured ?? 0) ? behindMs : measured;
}

export function clockIsWrong(ports: ClockPorts, nowMs: EventMs): boolean {
  return Math.abs(clockSkewMs(ports, nowMs) ?? 0) > ports.limits.clockSkewMsMax;
}
