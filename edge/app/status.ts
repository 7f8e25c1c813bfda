/** How an edge is doing, for the people beside it: links, backlog, settings, what was taken offline. No secrets, no persons. */
import { asFen, formatYuan } from "../../core/protocol/money.ts";
import type { FailingStorage } from "../../core/protocol/server/storage-watch.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import type { AppPorts } from "./app-ports.ts";
import { clockIsWrong, clockSkewMs } from "./clock.ts";
import type { LinkState } from "./link.ts";

/** `offline`: the core or the bus is away and work goes on. `limited`: something is refused that would be taken otherwise. */
export type EdgeStanding = "normal" | "offline" | "limited";

/** What is wrong, by name; `standing` follows from them. */
export const FINDINGS = {
  coreAway: "offline",
  busAway: "offline",
  noSettings: "limited",
  edgeSuspended: "limited",
  outboxFull: "limited",
  offlineTooLong: "limited",
  clockSkew: "limited",
  resultsStopped: "limited",
  bundleRefused: "limited",
  storageFailing: "limited",
} as const satisfies Record<string, EdgeStanding>;
export type Finding = keyof typeof FINDINGS;

export interface EdgeStatus {
  readonly edge: string;
  readonly atMs: number;
  readonly standing: EdgeStanding;
  readonly findings: readonly Finding[];
  readonly link: { readonly core: "there" | "away"; readonly bus: "there" | "away" };
  readonly offlineSinceMs: number | null;
  readonly backlog: { readonly depth: number; readonly depthMax: number; readonly oldestAgeMs: number; readonly ageMsMax: number };
  readonly bundle: {
    readonly version: number;
    readonly issuedAtMs: number;
    readonly expiresAtMs: number;
    readonly institutions: number;
    readonly revokedCodes: number;
  } | null;
  /** Why the last bundle was refused, until one is taken. */
  readonly bundleRefused: { readonly reason: string; readonly atMs: number } | null;
  /** Yuan. What was granted since the link was last there, with the bounds of each institution. */
  readonly takenOffline: readonly {
    readonly institution: string;
    readonly bills: number;
    readonly amount: string;
    readonly amountMax: string;
    readonly billMax: string;
    readonly forMs: number;
  }[];
  /** Databases that cannot be written to, each with its cause. */
  readonly storage: readonly FailingStorage[];
  /** Our clock less the core's, as far as the last answer shows. */
  readonly clockSkewMs: number | null;
  readonly crypto: Readonly<Record<string, string>>;
}

export async function edgeStatus(ports: AppPorts): Promise<EdgeStatus> {
  await Promise.all([ports.link.look(), ports.storage?.look()]);
  const nowMs = ports.clock.now();
  const link = ports.link.state(nowMs);
  const bundle = ports.settings.current()?.bundle;
  const settings = ports.settings.state?.();
  const { depth, oldestAgeMs } = ports.outbox.backlog();
  const findings = findingsOf(ports, link, nowMs);
  return {
    edge: ports.edgeId,
    atMs: nowMs,
    standing: standingOf(findings),
    findings,
    link: { core: link.core, bus: link.bus },
    offlineSinceMs: link.offlineSinceMs ?? null,
    backlog: { depth, depthMax: ports.limits.outboxDepthMax, oldestAgeMs, ageMsMax: ports.limits.outboxAgeMsMax },
    bundle:
      bundle === undefined
        ? null
        : {
            version: bundle.version,
            issuedAtMs: bundle.issuedAtMs,
            expiresAtMs: bundle.expiresAtMs,
            institutions: bundle.institutions.length,
            revokedCodes: bundle.revokedCodes.length,
          },
    bundleRefused: settings?.refused ?? null,
    takenOffline: await takenOffline(ports, link.offlineSinceMs),
    storage: ports.storage?.failing() ?? [],
    clockSkewMs: clockSkewMs(ports, nowMs) ?? null,
    crypto: { ...ports.crypto.implementations },
  };
}

/** What is wrong as far as it is known, without asking anybody. */
export function findingsNow(ports: AppPorts): readonly Finding[] {
  const nowMs = ports.clock.now();
  return findingsOf(ports, ports.link.state(nowMs), nowMs);
}

function findingsOf(ports: AppPorts, link: LinkState, nowMs: EventMs): readonly Finding[] {
  const { limits, settings, outbox } = ports;
  const bundle = settings.current()?.bundle;
  const { depth, oldestAgeMs } = outbox.backlog();
  const state = settings.state?.();
  const offlineMs = link.offlineSinceMs === undefined ? 0 : nowMs - link.offlineSinceMs;
  const patience = Math.min(...(bundle?.institutions.map(({ offline }) => offline.forMs) ?? []));
  const found: Readonly<Record<Finding, boolean>> = {
    coreAway: link.core === "away",
    busAway: link.bus === "away",
    noSettings: bundle === undefined,
    edgeSuspended: bundle?.status === "suspended",
    outboxFull: depth >= limits.outboxDepthMax || oldestAgeMs >= limits.outboxAgeMsMax,
    offlineTooLong: link.offlineSinceMs !== undefined && offlineMs >= patience,
    clockSkew: clockIsWrong(ports, nowMs),
    resultsStopped: !ports.results.running(),
    bundleRefused: state?.refused !== undefined,
    storageFailing: (ports.storage?.failing() ?? []).length > 0,
  };
  return (Object.keys(FINDINGS) as Finding[]).filter((name) => found[name]);
}

export function standingOf(findings: readonly Finding[]): EdgeStanding {
  const standings = new Set<EdgeStanding>(findings.map((name) => FINDINGS[name]));
  if (standings.has("limited")) return "limited";
  return standings.has("offline") ? "offline" : "normal";
}

async function takenOffline(ports: AppPorts, sinceMs: number | undefined): Promise<EdgeStatus["takenOffline"]> {
  if (sinceMs === undefined) return [];
  const view = ports.settings.current();
  const taken = [...(await ports.state.billsSince(sinceMs))].sort((a, b) => (a.orgId < b.orgId ? -1 : 1));
  return taken.map(({ orgId, count, fen }) => {
    const offline = view?.institution(orgId)?.settings.offline;
    return {
      institution: orgId,
      bills: count,
      amount: formatYuan(asFen(fen)),
      amountMax: formatYuan(asFen(BigInt(offline?.totalMaxFen ?? "0"))),
      billMax: formatYuan(asFen(BigInt(offline?.amountMaxFen ?? "0"))),
      forMs: offline?.forMs ?? 0,
    };
  });
}
