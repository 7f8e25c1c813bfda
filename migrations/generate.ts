/** `node migrations/generate.ts [kind…]`: writes `migrations/<kind>/*.sql` from the rooms' drizzle schemas. */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Which schema files make up each database. */
const SCHEMAS: Record<string, readonly string[]> = {
  edge: ["edge/schema.ts", "streams/bus/outbox-schema.ts"],
  core: [
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
  shard: [
    "core/settlement/schema.ts",
    "core/ledger-publisher-schema.ts",
    "ledger/store/schema.ts",
    "ledger/store/publication-schema.ts",
    "streams/bus/outbox-schema.ts",
  ],
  bus: ["streams/bus/schema.ts"],
  /** What our insurance adapter remembers of its messages. */
  rails: ["core/settlement/rails/nhsa/schema.ts"],
  /** The sandbox payers' own books. */
  payers: ["core/settlement/rails/sandbox/schema.ts"],
  books: ["core/settlement/reconcile/schema.ts", "core/settlement/day/schema.ts", "streams/bus/outbox-schema.ts"],
  /** Working file of one reconciliation. */
  statement: ["core/settlement/reconcile/working-schema.ts"],
  witness: ["ledger/witness/schema.ts"],
  streams: ["streams/fraud/schema.ts", "streams/supervision/schema.ts", "streams/gap-schema.ts", "streams/bus/outbox-schema.ts"],
};
/** Triggers that drizzle cannot say, added behind the tables: name of the migration, and the file it is copied from. */
const LEDGER_GUARDS = ["0001_ledger_guards.sql", "ledger/store/guards.sql"] as const;
const GUARDS: Record<string, readonly (readonly [name: string, from: string])[]> = {
  core: [LEDGER_GUARDS],
  witness: [["0001_witness_guards.sql", "ledger/witness/guards.sql"]],
  shard: [LEDGER_GUARDS, ["0002_settlement_guards.sql", "core/settlement/guards.sql"]],
  books: [["0001_books_guards.sql", "core/settlement/reconcile/guards.sql"]],
};

const kinds = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(SCHEMAS);
for (const kind of kinds) {
  const schema = SCHEMAS[kind];
  if (schema === undefined) throw new Error(`no database kind ${kind}; there are ${Object.keys(SCHEMAS).join(", ")}`);
  const out = `migrations/${kind}`;
  mkdirSync(out, { recursive: true });
  const config = join(tmpdir(), `ronghe-drizzle-${kind}.json`);
  writeFileSync(config, JSON.stringify({ dialect: "sqlite", schema: schema.map((file) => `./${file}`), out: `./${out}` }));
  const run = spawnSync("npx", ["drizzle-kit", "generate", `--config=${config}`, "--name=tables"], { stdio: "inherit" });
  if (run.status !== 0) process.exit(run.status ?? 1);
  for (const [name, from] of GUARDS[kind] ?? []) if (!existsSync(`${out}/${name}`)) copyFileSync(from, `${out}/${name}`);
}
