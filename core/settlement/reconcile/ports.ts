/** What the reconciliation room is given; nothing in it opens a shard or knows where a payer is. */
import type { Crypto } from "../../crypto/port.ts";
import type { Clock } from "../../protocol/time.ts";
import type { AccountingDay, ShardBooks } from "../books.ts";
import type { RailName } from "../plan.ts";
import type { StatementRail } from "../rails/port.ts";
import type { EntryRecorder } from "./entries.ts";
import type { ReconcileRules } from "./rules.ts";
import type { Store } from "./store.ts";

export interface ReconcilePorts {
  readonly store: Store;
  readonly recorder: EntryRecorder;
  /** Every shard's books, by its number. */
  readonly shards: ReadonlyMap<number, ShardBooks>;
  /** Which shard an institution's settlements are in. */
  readonly shardOf: (institution: string) => number;
  /** Payers that can be asked for their statement. */
  readonly payers: Partial<Readonly<Record<RailName, StatementRail>>>;
  readonly crypto: Pick<Crypto, "sm3" | "sm3Stream">;
  readonly clock: Clock;
  /** Where working files and fetched statements lie. */
  readonly folder: string;
  readonly rules: ReconcileRules;
  /** The platform's first day: there is nothing to compare before it. */
  readonly foundedOn?: AccountingDay;
}
