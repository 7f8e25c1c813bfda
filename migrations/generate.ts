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
    "ledger/store/schema.ts",
    "streams/bus/outbox-schema.ts",
  ],
  shard: ["core/settlement/schema.ts", "ledger/store/schema.ts", "streams/bus/outbox-schema.ts"],
  bus: ["streams/bus/schema.ts"],
  streams: ["streams/fraud/schema.ts", "streams/supervision/schema.ts", "streams/bus/outbox-schema.ts"],
};
/** Triggers that drizzle cannot say, added behind the tables of a log. */
const WITH_LEDGER = new Set(["core", "shard"]);

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
  const guards = `${out}/0001_ledger_guards.sql`;
  if (WITH_LEDGER.has(kind) && !existsSync(guards)) copyFileSync("ledger/store/guards.sql", guards);
}
