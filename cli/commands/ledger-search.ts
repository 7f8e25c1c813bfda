/**
 * `ronghe ledger search`: entries by institution, period, settlement or person; and, of one log, a text that proves that none
 * of an institution and period was left out.
 */
import { openFingerprints } from "../../core/fingerprints.ts";
import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { ledgerPersons } from "../../core/ledger-persons.ts";
import { settlementId } from "../../core/protocol/settlement-id.ts";
import { textOf } from "../../core/rows.ts";
import { ExportError } from "../../ledger/export/log.ts";
import { newestPublishable } from "../../ledger/export/publishable.ts";
import { proveRange } from "../../ledger/search/range.ts";
import { readLeaves } from "../../ledger/store/load.ts";
import { searchEntries } from "../../ledger/store/search.ts";
import { decodeLeaf, type Leaf } from "../../ledger/verifier/leaf.ts";
import { isIdentifier } from "../../ledger/verifier/bytes.ts";
import { instantOf } from "../../ledger/verifier/question.ts";
import { verifyRange } from "../../ledger/verifier/range.ts";
import { type Database, openDatabase } from "../../migrations/database.ts";
import { partitionOf } from "../../streams/bus/partition.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson, printTable } from "../output.ts";
import { readDocument } from "../platform/document.ts";
import { openKeys } from "../platform/keys.ts";
import { type Layout, layoutOf, readPlatform } from "../platform/layout.ts";
import { readTrustedKeys } from "../platform/trust.ts";
import { logFiles, openLogFile } from "../platform/verify.ts";
import { isThere, writeOut } from "../platform/files.ts";

export interface LedgerSearchOptions {
  readonly institution?: string;
  readonly from?: string;
  readonly to?: string;
  readonly settlement?: string;
  readonly person?: string;
  readonly document?: string;
  readonly prove?: string;
  /** Of the registry log, in place of the settlement log of the institution. */
  readonly registry?: boolean;
  readonly policy?: string;
  readonly json?: boolean;
}

interface Asked {
  readonly institution: string | undefined;
  readonly subject: string | undefined;
  /** As entries commit to a person. */
  readonly person: string | undefined;
  readonly fromMs: bigint;
  readonly toMs: bigint | undefined;
}

export async function ledgerSearch(config: Config, options: LedgerSearchOptions): Promise<number> {
  const layout = layoutOf(config.RONGHE_DATA);
  const platform = readPlatform(layout);
  const crypto = await loadCrypto();
  checkOptions(options);
  const asked: Asked = {
    institution: options.institution,
    subject: options.settlement === undefined ? undefined : subjectOf(crypto, options.settlement),
    person: await personOf(config, layout, crypto, options),
    fromMs: options.from === undefined ? 0n : writtenInstant(options.from),
    toMs: options.to === undefined ? undefined : writtenInstant(options.to),
  };
  if (asked.toMs !== undefined && asked.toMs <= asked.fromMs) throw new UsageError("the period ends before it begins");
  if (options.prove !== undefined) return await prove({ layout, crypto, asked, options, partitions: platform.partitions });
  const found: Leaf[] = [];
  for (const { origin, file } of logFiles(layout, platform)) {
    if (!isThere(file)) throw new UsageError(`${file} is not there`);
    const db = await openLogFile(origin, file);
    try {
      found.push(...(await search(db, asked)));
    } finally {
      await db.close();
    }
  }
  found.sort((a, b) => Number(a.postedMs - b.postedMs));
  if (options.json === true) printJson({ entries: found.map(shown) });
  else {
    printTable(
      ["时间 time", "日志 log", "条目 entry", "事项 kind", "机构 institution", "对象 subject"],
      found.map((leaf) => [
        new Date(Number(leaf.postedMs)).toISOString(),
        leaf.origin,
        `#${leaf.index}`,
        leaf.kind,
        leaf.institution ?? "",
        leaf.subject ?? "",
      ]),
    );
    console.log(`${found.length} 条 entries; 证明 prove them: \`ronghe ledger prove\`, \`ronghe ledger search --prove FILE\``);
  }
  return 0;
}

function checkOptions(options: LedgerSearchOptions): void {
  const { institution, settlement, person, document, from, to } = options;
  for (const [option, written] of Object.entries({ institution, settlement }))
    if (written === "") throw new UsageError(`--${option} is empty`);
  if ([institution, settlement, person, document, from, to].every((one) => one === undefined))
    throw new UsageError("give --institution, --settlement, --person, --document, --from or --to");
  if (options.registry === true && options.prove === undefined) throw new UsageError("--registry goes with --prove");
  if (person !== undefined && document !== undefined) throw new UsageError("give --person or --document, not both");
}

/** Keys say where to look; the bytes of each entry decide. */
async function search(db: Database, asked: Asked): Promise<readonly Leaf[]> {
  const { subject, person, institution } = asked;
  const lists: (readonly bigint[])[] = [];
  if (subject !== undefined) lists.push(await searchEntries(db, "subject", subject));
  if (person !== undefined) lists.push(await searchEntries(db, "value", person));
  if (institution !== undefined && lists.length === 0) lists.push(await searchEntries(db, "institution", institution));
  const [indices = await indicesOf(db, asked), ...others] = lists;
  const [both] = others.map((list) => new Set(list));
  const found: Leaf[] = [];
  for (const index of indices) {
    if (both?.has(index) === false) continue;
    const [stored] = await readLeaves(db, index, 1);
    const leaf = stored?.index === index ? decodeLeaf(stored.bytes) : undefined;
    if (leaf?.ok !== true) throw new UsageError(`entry ${index} cannot be read: \`ronghe ledger fsck\` says more`);
    const { postedMs } = leaf.value;
    if (postedMs < asked.fromMs || (asked.toMs !== undefined && postedMs >= asked.toMs)) continue;
    if (institution === undefined || leaf.value.institution === institution) found.push(leaf.value);
  }
  return found;
}

async function indicesOf(db: Database, { fromMs, toMs }: Asked): Promise<readonly bigint[]> {
  const rows = await db.read("SELECT idx FROM leaf WHERE at_ms >= ?1 AND (?2 IS NULL OR at_ms < ?2) ORDER BY idx", fromMs, toMs ?? null);
  return rows.map((row) => row["idx"] as bigint);
}

interface Proving {
  readonly layout: Layout;
  readonly crypto: Crypto;
  readonly asked: Asked;
  readonly options: LedgerSearchOptions;
  readonly partitions: number;
}

/** All settlements of an institution lie in the log of its shard; its codes and its own registration in the registry. */
async function prove({ layout, crypto, asked, options, partitions }: Proving): Promise<number> {
  const { institution, fromMs, toMs } = asked;
  if (institution === undefined || asked.subject !== undefined || asked.person !== undefined)
    throw new UsageError("--prove takes --institution with --from and --to, and nothing else");
  if (!isIdentifier(institution)) throw new UsageError("--institution is one institution: 1 to 64 of [0-9A-Za-z._-]");
  const log = logFiles(layout, readPlatform(layout))[options.registry === true ? 0 : 1 + partitionOf(institution, partitions)];
  if (log === undefined || !isThere(log.file)) throw new UsageError("the log of this institution is not there");
  const trust = await readTrustedKeys(crypto, options.policy ?? layout.policy);
  const db = await openLogFile(log.origin, log.file);
  try {
    // A slip in the number would give a sound proof of nothing.
    if ((await searchEntries(db, "institution", institution)).length === 0 && !(await isRegistered(layout, institution)))
      throw new UsageError("no institution of this number is registered, and no entry names one");
    const checkpoint = await newestPublishable(db, crypto, trust, log.origin);
    const range = await proveRange({ db, sm3: crypto.sm3, origin: log.origin, institution, fromMs, toMs, checkpoint });
    const report = verifyRange(crypto, range, {
      trust,
      asked: { origin: log.origin, institution, fromMs, toMs },
      nowMs: systemClock.now(),
    });
    if (report.verdict === "invalid") throw new ExportError(`the period cannot be proven: ${report.firstDefect?.detail ?? "unknown"}`);
    if (report.proven === undefined) throw new ExportError(`not yet: ${report.firstDefect?.detail ?? "unknown"}`);
    await writeOut(options.prove ?? "", range);
    console.log(`${report.proven.entries.length} entries of ${institution} in ${log.origin}, none left out; written to ${options.prove}`);
    return 0;
  } catch (error) {
    if (!(error instanceof ExportError)) throw error;
    console.error(`ronghe: ${error.message}`);
    return 1;
  } finally {
    await db.close();
  }
}

async function isRegistered(layout: Layout, institution: string): Promise<boolean> {
  const db = await openDatabase({ kind: "core", file: layout.core.database, readOnly: true });
  try {
    return (await db.read("SELECT 1 AS found FROM institution WHERE org_id=?", institution)).length > 0;
  } finally {
    await db.close();
  }
}

/** A pseudonym as streams and alerts show it, or a document from a file: both only with the core's keys. */
async function personOf(
  config: Config,
  layout: Layout,
  crypto: Crypto,
  { person, document }: LedgerSearchOptions,
): Promise<string | undefined> {
  if (person === undefined && document === undefined) return undefined;
  const keys = await openKeys(config, layout, crypto, "core");
  const committed = await ledgerPersons(crypto, keys);
  if (person !== undefined) {
    if (!/^[0-9a-f]{64}$/.test(person)) throw new UsageError("--person is a pseudonym, 64 hex digits");
    return committed(person);
  }
  const { idType, idNo } = await readDocument(document ?? "");
  const fingerprint = await (await openFingerprints(crypto, keys)).guessable("document", idType, idNo);
  const db = await openDatabase({ kind: "core", file: layout.core.database, readOnly: true });
  try {
    const [row] = await db.read(
      "SELECT p.pseudonym FROM person_document d JOIN person p ON p.person_id=d.person_id WHERE d.fingerprint=?",
      fingerprint,
    );
    if (row === undefined) throw new UsageError("nobody is registered under this document");
    return committed(textOf(row, "pseudonym"));
  } finally {
    await db.close();
  }
}

function subjectOf(crypto: Crypto, name: string): string {
  const slash = name.indexOf("/");
  return slash === -1 ? name : settlementId(crypto, name.slice(0, slash), name.slice(slash + 1));
}

function writtenInstant(written: string): bigint {
  const ms = instantOf(written);
  if (ms === undefined) throw new UsageError(`${JSON.stringify(written)} is no day yyyy-mm-dd (UTC+8) and no instant with its zone`);
  return ms;
}

function shown(leaf: Leaf): object {
  const { origin, index, kind, outcome, institution, subject, postedMs } = leaf;
  return { origin, index, kind, outcome, institution, subject, at: new Date(Number(postedMs)).toISOString() };
}
