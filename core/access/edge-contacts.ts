/**
 * What the core knows of its edges' clocks and absences from their own signed calls, so that what an edge took is dated
 * by the core's clock and not by what the edge writes beside it:
 *
 * - each signed call shows how far the edge's clock is behind ours; of a few calls the least counts, for the rest of it
 *   is the road;
 * - an acceptance that arrives late is believed only where the edge was away when it says that it took it: between two
 *   of the calls by which it asks for its settings, or while it said in such a call that its events find no way out.
 *
 * Kept in memory: of an edge that was not heard since the start nothing is known, and its word counts within its bounds.
 */
import { EXPIRY_SKEW_MS } from "../protocol/signed-token.ts";

/** An edge asks for its settings twice in this; less is no absence. */
const SILENCE_MS_MIN = 60_000;
/** What an acceptance may take from an edge that is not away: its outbox, the bus, and our own way through it. */
export const ONLINE_DELAY_MS_MAX = 300_000;
const CALLS_COMPARED = 3;
const KEPT_MS = 24 * 3_600_000;

export interface Contact {
  readonly atMs: number;
  /** By the edge's clock. */
  readonly saidMs: number;
  /** Of a call that shows that the edge reaches us: how long its oldest event has found no way out. */
  readonly waitingMs?: number;
}

interface Known {
  /** Our clock less the edge's, of its last calls. */
  behindMs: readonly number[];
  /** Until when it is known to have reached us. */
  reachedMs: number | undefined;
  /** When it did not, oldest first. */
  silences: readonly { readonly fromMs: number; readonly toMs: number }[];
}

export class EdgeContacts {
  readonly #known = new Map<string, Known>();

  /** @param edgeId whose signature was checked */
  heard(edgeId: string, { atMs, saidMs, waitingMs }: Contact): void {
    const known = this.#known.get(edgeId) ?? { behindMs: [], reachedMs: undefined, silences: [] };
    this.#known.set(edgeId, known);
    known.behindMs = [atMs - saidMs, ...known.behindMs].slice(0, CALLS_COMPARED);
    if (waitingMs === undefined) return;
    const { reachedMs } = known;
    const reaches = atMs - Math.max(0, waitingMs);
    if (reachedMs !== undefined && reaches - reachedMs > SILENCE_MS_MIN)
      known.silences = [...known.silences.filter(({ toMs }) => toMs > atMs - KEPT_MS), { fromMs: reachedMs, toMs: reaches }];
    known.reachedMs = Math.max(reachedMs ?? 0, reaches);
  }

  /** When, by our clock, an edge took what it dates `acceptedAtMs` and what came to us at `arrivedAtMs`. */
  instantOf(edgeId: string, acceptedAtMs: number, arrivedAtMs: number): number {
    const known = this.#known.get(edgeId);
    if (known === undefined) return acceptedAtMs;
    const behindMs = Math.min(...known.behindMs);
    const instantMs = behindMs > EXPIRY_SKEW_MS ? Math.min(arrivedAtMs, acceptedAtMs + behindMs) : acceptedAtMs;
    if (arrivedAtMs - instantMs <= ONLINE_DELAY_MS_MAX || wasAway(known, instantMs)) return instantMs;
    return arrivedAtMs;
  }
}

function wasAway({ reachedMs, silences }: Known, atMs: number): boolean {
  if (reachedMs === undefined || atMs >= reachedMs - EXPIRY_SKEW_MS) return true;
  return silences.some(({ fromMs, toMs }) => atMs >= fromMs - EXPIRY_SKEW_MS && atMs <= toMs + EXPIRY_SKEW_MS);
}
