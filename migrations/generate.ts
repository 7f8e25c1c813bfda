/**
 * `node migrations/generate.ts [kind…]` writes the migrations that lead from what stands in `migrations/<kind>/` to what
 * the rooms' schemas and guards say ({@link SOURCES}). `--check` writes nothing and fails where something would be written,
 * or where a migration is not what it was when it was made: databases out there were brought up by those very bytes.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";
import { Connection } from "./connection.ts";
import { type DatabaseKind, statementsOf } from "./migrate.ts";
import { SOURCES } from "./sources.ts";

type Snapshot = Awaited<ReturnType<typeof generateSQLiteDrizzleJson>>;

/** Every migration ever made, with the SHA-256 of its text. Lines are added here, never changed. */
const MADE = "migrations/made.json";
const BREAKPOINT = "\n--> statement-breakpoint\n";

const isKind = (word: string): word is DatabaseKind => word in SOURCES;

const check = process.argv.includes("--check");
const words = process.argv.slice(2).filter((word) => word !== "--check");
const unknown = words.find((word) => !isKind(word));
if (unknown !== undefined) throw new Error(`no database kind ${unknown}; there are ${Object.keys(SOURCES).join(", ")}`);
const kinds = words.length > 0 ? words.filter(isKind) : Object.keys(SOURCES).filter(isKind);

const made = JSON.parse(existsSync(MADE) ? readFileSync(MADE, "utf8") : "{}") as Record<string, string>;
const faults: string[] = [];
for (const kind of kinds) {
  checkMade(kind);
  const { tables, snapshot } = await tableChanges(kind);
  write(kind, "tables", tables);
  if (!check && tables.length > 0) writeFileSync(snapshotFile(kind), `${JSON.stringify(snapshot, null, 2)}\n`);
  // Behind the tables: rebuilding a table drops the triggers that stood on it.
  write(kind, "guards", guardChanges(kind, check ? tables : []));
}
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;
if (!check && faults.length === 0) {
  writeFileSync(MADE, `${JSON.stringify(Object.fromEntries(Object.entries(made).sort()), null, 2)}\n`);
}

function checkMade(kind: DatabaseKind): void {
  const there = migrationFiles(kind);
  for (const file of there) {
    const hash = sha256(readFileSync(file, "utf8"));
    if (made[file] !== undefined && made[file] !== hash) faults.push(`${file} was rewritten: add a migration instead`);
    if (made[file] === undefined && check) faults.push(`${file} is not in ${MADE}: generate it`);
    made[file] ??= hash;
  }
  for (const file of Object.keys(made).filter((name) => name.startsWith(`migrations/${kind}/`)))
    if (!there.includes(file)) faults.push(`${file} is gone: databases were brought up by it`);
}

async function tableChanges(kind: DatabaseKind): Promise<{ readonly tables: readonly string[]; readonly snapshot: Snapshot }> {
  const before: Snapshot = existsSync(snapshotFile(kind))
    ? (JSON.parse(readFileSync(snapshotFile(kind), "utf8")) as Snapshot)
    : await generateSQLiteDrizzleJson({});
  const exports = Object.assign({}, ...(await Promise.all(SOURCES[kind].schemas.map((file) => import(`../${file}`))))) as Record<
    string,
    unknown
  >;
  const snapshot = await generateSQLiteDrizzleJson(exports, before.id);
  return { tables: await generateSQLiteMigration(before, snapshot), snapshot };
}

/** What leads from the triggers that the migrations leave behind to those of the guards' files. */
function guardChanges(kind: DatabaseKind, pending: readonly string[]): readonly string[] {
  const db = new Connection(":memory:");
  try {
    for (const file of migrationFiles(kind)) for (const sql of statementsOf(readFileSync(file, "utf8"))) db.run({ sql, args: [] });
    for (const sql of pending) db.run({ sql, args: [] });
    const had = triggersOf(db);
    for (const name of had.keys()) db.run({ sql: `DROP TRIGGER ${name}`, args: [] });
    for (const file of SOURCES[kind].guards ?? []) for (const sql of statementsOf(readFileSync(file, "utf8"))) db.run({ sql, args: [] });
    const wanted = triggersOf(db);
    return [
      ...[...had].filter(([name, sql]) => wanted.get(name) !== sql).map(([name]) => `DROP TRIGGER ${name};`),
      ...[...wanted].filter(([name, sql]) => had.get(name) !== sql).map(([, sql]) => sql),
    ];
  } finally {
    db.close();
  }
}

function triggersOf(db: Connection): ReadonlyMap<string, string> {
  const { rows } = db.run({ sql: "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid", args: [] });
  return new Map(rows.map((row) => [String(row["name"]), String(row["sql"])]));
}

function write(kind: DatabaseKind, name: "tables" | "guards", statements: readonly string[]): void {
  if (statements.length === 0) return;
  const number = String(migrationFiles(kind).length).padStart(4, "0");
  const file = `migrations/${kind}/${number}_${name}.sql`;
  if (check) {
    faults.push(`${kind}: its ${name} differ from migrations/${kind}: node migrations/generate.ts ${kind}`);
    return;
  }
  mkdirSync(`migrations/${kind}/meta`, { recursive: true });
  const text = `${statements.join(BREAKPOINT)}\n`;
  writeFileSync(file, text);
  made[file] = sha256(text);
  console.log(file);
}

function migrationFiles(kind: DatabaseKind): readonly string[] {
  const folder = `migrations/${kind}`;
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".sql"))
    .sort()
    .map((name) => `${folder}/${name}`);
}

function snapshotFile(kind: DatabaseKind): string {
  return `migrations/${kind}/meta/snapshot.json`;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
