/**
 * What each kind of database is made from: the rooms' drizzle schemas, and the guards that drizzle cannot say.
 * A table or a trigger stands in its room and nowhere else; `migrations/<kind>/` is generated from here.
 */
import type { DatabaseKind } from "./migrate.ts";

export interface Sources {
  readonly schemas: readonly string[];
  /** Files of `CREATE TRIGGER` statements. */
  readonly guards?: readonly string[];
}

const LEDGER_GUARDS = "ledger/store/guards.sql";

export const SOURCES: Readonly<Record<DatabaseKind, Sources>> = {
  edge: { schemas: ["edge/schema.ts", "streams/bus/outbox-schema.ts"] },
  core: {
    schemas: [
      "core/access/schema.ts",
      "core/identity/schema.ts",
      "core/vault/schema.ts",
      "core/erasure/schema.ts",
      "core/ledger-publisher-schema.ts",
      "core/ingest-schema.ts",
      "ledger/store/schema.ts",
      "ledger/store/publication-schema.ts",
      "streams/bus/outbox-schema.ts",
    ],
    guards: [LEDGER_GUARDS],
  },
  shard: {
    schemas: [
      "core/settlement/schema.ts",
      "core/ledger-publisher-schema.ts",
      "ledger/store/schema.ts",
      "ledger/store/publication-schema.ts",
      "streams/bus/outbox-schema.ts",
    ],
    guards: [LEDGER_GUARDS, "core/settlement/guards.sql"],
  },
  bus: { schemas: ["streams/bus/schema.ts"] },
  /** What our insurance adapter remembers of its messages. */
  rails: { schemas: ["core/settlement/rails/nhsa/schema.ts"] },
  /** The sandbox payers' own books. */
  payers: { schemas: ["core/settlement/rails/sandbox/schema.ts"] },
  books: {
    schemas: ["core/settlement/reconcile/schema.ts", "core/settlement/day/schema.ts", "streams/bus/outbox-schema.ts"],
    guards: ["core/settlement/reconcile/guards.sql"],
  },
  /** Working file of one reconciliation. */
  statement: { schemas: ["core/settlement/reconcile/working-schema.ts"] },
  witness: { schemas: ["ledger/witness/schema.ts"], guards: ["ledger/witness/guards.sql"] },
  streams: {
    schemas: ["streams/fraud/schema.ts", "streams/supervision/schema.ts", "streams/gap-schema.ts", "streams/bus/outbox-schema.ts"],
  },
};
