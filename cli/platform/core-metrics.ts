/** What `GET /metrics` of the core shows beside its calls: shards, logs, witnesses, dead letters, reconciliation. */
import type { Metrics, Sample } from "../../core/protocol/metrics.ts";
import type { BundleMaker } from "../../core/access/bundle.ts";
import type { Clock } from "../../core/protocol/time.ts";
import type { Publication } from "../../core/checkpoint-publication.ts";
import { CASE_STATES, isClosed } from "../../core/settlement/reconcile/cases.ts";
import { SETTLEMENT_STATES, isTerminal } from "../../core/settlement/states.ts";
import type { Shard } from "../../core/settlement/shard.ts";
import type { SettlementWorker } from "../../core/settlement/worker.ts";
import type { Log } from "../../ledger/port.ts";
import type { BusHealth, EventBus } from "../../streams/bus/port.ts";
import { watchDeadLetters } from "./bus-metrics.ts";
import type { RunningBooks } from "./books.ts";

export interface WatchedCore {
  readonly clock: Clock;
  readonly bus: EventBus;
  readonly busHealth: () => BusHealth;
  readonly shards: ReadonlyMap<number, Shard>;
  readonly logs: readonly { readonly log: Log; readonly publication: Publication }[];
  readonly settlement: SettlementWorker;
  readonly books: RunningBooks;
  readonly bundles: BundleMaker;
}

export function watchCore(metrics: Metrics, core: WatchedCore): void {
  const { clock, logs } = core;
  const shards = [...core.shards];
  const perShard = (name: string, help: string, read: (shard: Shard) => number): void =>
    metrics.gauge({ name, help, labels: ["shard"] }, () =>
      shards.map(([partition, shard]) => ({ labels: { shard: String(partition) }, value: read(shard) })),
    );
  perShard("ronghe_core_outbox_depth", "Events of a shard that wait for the bus.", (shard) => shard.backlog().depth);
  perShard("ronghe_core_outbox_oldest_seconds", "Age of the event that waits longest.", (shard) => shard.backlog().oldestAgeMs / 1000);
  perShard("ronghe_core_unsigned", "1 while the newest head of a shard cannot be signed.", (shard) =>
    shard.signingFailure() === undefined ? 0 : 1,
  );
  metrics.gauge({ name: "ronghe_settlements_at_payers", help: "Settlements that payers are being asked about.", labels: [] }, () =>
    one(core.settlement.health().inFlight),
  );
  metrics.gauge({ name: "ronghe_settlements_waiting", help: "Settlements taken in and waiting for their turn.", labels: [] }, () =>
    one(core.settlement.health().waiting),
  );
  const open = SETTLEMENT_STATES.filter((state) => !isTerminal(state));
  const openHelp = "Settlements without an end, by state; unknown: asked again, awaiting: for reconciliation.";
  metrics.gauge({ name: "ronghe_settlements_open", help: openHelp, labels: ["state"] }, async () => {
    const counts = await Promise.all(shards.map(([, shard]) => shard.countOpen()));
    return open.map((state) => ({ labels: { state }, value: counts.reduce((sum, of) => sum + (of.get(state) ?? 0), 0) }));
  });

  metrics.gauge({ name: "ronghe_ledger_size", help: "Entries of a log.", labels: ["log"] }, () =>
    logs.map(({ log }) => ({ labels: { log: log.origin }, value: log.size })),
  );
  metrics.gauge({ name: "ronghe_ledger_published_size", help: "Entries under the newest published checkpoint.", labels: ["log"] }, () =>
    logs.map(({ log, publication }) => ({ labels: { log: log.origin }, value: publication.latest()?.size ?? 0n })),
  );
  const ageHelp = "Since the newest checkpoint; it grows by itself while nothing is recorded.";
  metrics.gauge({ name: "ronghe_ledger_checkpoint_age_seconds", help: ageHelp, labels: ["log"] }, () =>
    logs.flatMap(({ log, publication }) => aged({ log: log.origin }, publication.publishedAtMs(), clock)),
  );
  const labels = ["log", "witness"] as const;
  const cosignHelp = "Since a witness last cosigned, as far as this process has seen it.";
  metrics.gauge({ name: "ronghe_witness_cosign_age_seconds", help: cosignHelp, labels }, () =>
    logs.flatMap(({ log, publication }) =>
      [...publication.cosignedAtMs()].flatMap(([witness, atMs]) => aged({ log: log.origin, witness }, atMs, clock)),
    ),
  );
  metrics.gauge({ name: "ronghe_witness_behind", help: "Entries that a witness has not cosigned yet.", labels }, () =>
    logs.flatMap(({ log, publication }) => {
      const { signedSize, witnesses } = publication.status();
      return witnesses.map(({ name, size }) => ({ labels: { log: log.origin, witness: name }, value: BigInt(signedSize) - BigInt(size) }));
    }),
  );

  const leftOutHelp = "Partners that edges are told nothing of, because their rows are wrong.";
  metrics.gauge({ name: "ronghe_core_partners_left_out", help: leftOutHelp, labels: [] }, () => one(core.bundles.leftOut().length));

  watchDeadLetters(metrics, core.bus);
  metrics.gauge({ name: "ronghe_bus_clock_skew_seconds", help: "The bus's clock less ours.", labels: [] }, () => {
    const { skewMs } = core.busHealth();
    return skewMs === undefined ? [] : one(skewMs / 1000);
  });
  const repacked = "Topics whose compression.type somebody changed: the brokers pack our batches anew.";
  metrics.gauge({ name: "ronghe_bus_topics_repacked", help: repacked, labels: [] }, () => one(core.busHealth().repacked.length));
  metrics.gauge(
    { name: "ronghe_reconciliation_cases_open", help: "Differences with payers that nobody has cleared.", labels: ["state"] },
    async () => {
      const counts = await core.books.openCases();
      return CASE_STATES.filter((state) => !isClosed(state)).map((state) => ({ labels: { state }, value: counts.get(state) ?? 0 }));
    },
  );
}

function one(value: number): readonly Sample<never>[] {
  return [{ labels: {}, value }];
}

function aged<L extends Readonly<Record<string, string>>>(
  labels: L,
  atMs: number | undefined,
  clock: Clock,
): readonly { readonly labels: L; readonly value: number }[] {
  return atMs === undefined ? [] : [{ labels, value: Math.max(0, clock.now() - atMs) / 1000 }];
}
