/**
 * A witness on its own machine: one folder with its key, what it has cosigned, and the keys of the logs it witnesses. It
 * shares nothing with a platform.
 */
import { readFileSync } from "node:fs";
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { listen } from "../../edge/node/listen.ts";
import { isName } from "../../ledger/verifier/bytes.ts";
import { type Policy, printVerifierKey, type WitnessKey, witnessKey } from "../../ledger/verifier/note.ts";
import { printSplitView, witnessApp } from "../../ledger/witness/app.ts";
import { startGossip } from "../../ledger/witness/gossip.ts";
import { openWitnessStore, type SplitView } from "../../ledger/witness/store.ts";
import { Witness } from "../../ledger/witness/witness.ts";
import { openDatabase } from "../../migrations/database.ts";
import { makeFolder } from "../../migrations/make-folder.ts";
import { type Config, UsageError } from "../config.ts";
import { foundKeys, openKeysAt } from "./keys.ts";
import { printLine } from "./lines.ts";
import { folderStorage } from "./folder-storage.ts";
import { ownFolder } from "./owner.ts";
import { closeToOthers } from "./private-files.ts";
import { type StorageWatch, storageCauseOf, type ToldStorage } from "../../core/protocol/server/storage-watch.ts";
import { reportBug } from "./bugs.ts";
import { watchStorage } from "./storage.ts";
import { readTrustedKeys } from "./trust.ts";
import { isThere } from "./files.ts";

const KEY_HANDLE = "witness.cosign/1";
/** How often the folder is looked through for answers of the operator. */
const LOOK_MS = 500;
const PEER_TIMEOUT_MS = 5_000;

export interface WitnessLayout {
  readonly root: string;
  readonly settings: string;
  readonly database: string;
  readonly keys: string;
  readonly kek: string;
  /** Keys of the logs to witness, in the form of a policy. */
  readonly logs: string;
  splitView(id: number): string;
  acknowledgement(id: number): string;
}

export function witnessLayout(root: string): WitnessLayout {
  return {
    root,
    settings: join(root, "witness.json"),
    database: join(root, "witness.db"),
    keys: join(root, "keys.json"),
    kek: join(root, "kek"),
    logs: join(root, "logs-policy.txt"),
    splitView: (id) => join(root, `split-view-${id}.txt`),
    acknowledgement: (id) => join(root, `acknowledge-${id}.json`),
  };
}

const WITNESS_FILE = /^(?:witness\.(?:json|db)|keys\.json|kek|logs-policy\.txt|split-view-|acknowledge-|owner\.pid|storage-trial)/;

/** The key; and what it saw of others' logs. Evidence of a split view is handed over by its owner. */
function closeWitness(root: string): void {
  closeToOthers(root, (name) => WITNESS_FILE.test(name), true);
}

const settingsFile = v.strictObject({ name: v.pipe(v.string(), v.check(isName)), createdAtMs: v.number() });

/** Makes the folder of a new witness with its key. */
export async function initWitness(config: Config, crypto: Crypto, root: string, name: string): Promise<WitnessKey> {
  const layout = witnessLayout(root);
  if (!isName(name)) throw new UsageError("a witness's name is visible ASCII without a plus sign: witness.hospital.example");
  if (isThere(layout.settings)) throw new UsageError(`${root} already holds a witness`);
  await makeFolder(root);
  if (config.RONGHE_KEY_PASSPHRASE === undefined) await writeFile(layout.kek, `${toHex(crypto.random(32))}\n`, { mode: 0o600, flag: "wx" });
  const keys = await foundKeys(config, layout, crypto);
  await keys.ensure(KEY_HANDLE, "sm2");
  const db = await openDatabase({ kind: "witness", file: layout.database });
  await db.close();
  await writeFile(layout.settings, `${JSON.stringify({ name, createdAtMs: systemClock.now() })}\n`, { mode: 0o600 });
  closeWitness(root);
  return await keyOf(crypto, keys, name);
}

async function keyOf(crypto: Crypto, keys: KeyStore, name: string): Promise<WitnessKey> {
  return witnessKey(crypto.sm3, name, await keys.publicKey(KEY_HANDLE));
}

export function readWitnessName(layout: WitnessLayout): string {
  if (!isThere(layout.settings))
    throw new UsageError(`no witness in ${layout.root}: make one with \`ronghe witness init --data ${layout.root}\``);
  closeWitness(layout.root);
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), settingsFile), readFileSync(layout.settings, "utf8"));
  if (!parsed.success) throw new UsageError(`${layout.settings} is not a witness file of this version`);
  return parsed.output.name;
}

/** The key that others put into their policies. */
export async function readWitnessKey(config: Config, crypto: Crypto, root: string): Promise<WitnessKey> {
  const layout = witnessLayout(root);
  const name = readWitnessName(layout);
  return await keyOf(crypto, await openKeysAt(config, layout, crypto), name);
}

/** The line of a policy. */
export function witnessLine(name: string, key: WitnessKey, url: string | undefined): string {
  return ["witness", name, printVerifierKey(key), ...(url === undefined ? [] : [url])].join(" ");
}

export interface RunWitnessOptions {
  readonly config: Config;
  readonly crypto: Crypto;
  readonly root: string;
  /** Keys of the logs; default `<root>/logs-policy.txt`. */
  readonly policy?: string;
  readonly host: string;
  readonly port: number;
  readonly peers: readonly string[];
  readonly proofs: readonly string[];
  readonly gossipMs: number;
  /** One line for the operator. */
  readonly say: (line: string) => void;
}

export interface RunningWitness {
  readonly url: string;
  readonly key: WitnessKey;
  stop(): Promise<void>;
}

export async function runWitness(options: RunWitnessOptions): Promise<RunningWitness> {
  const { config, crypto, root, say } = options;
  const layout = witnessLayout(root);
  const name = readWitnessName(layout);
  const policyFile = options.policy ?? layout.logs;
  if (!isThere(policyFile)) throw new UsageError(`no logs to witness: put their policy into ${layout.logs}, or give --policy FILE`);
  const policy: Policy = await readTrustedKeys(crypto, policyFile);
  const keys = await openKeysAt(config, layout, crypto);
  const key = await keyOf(crypto, keys, name);
  // What it cosigned stands there: one that forgot it would stand by a second history.
  if (!isThere(layout.database)) throw new UsageError(`${layout.database} is not there: put it back from a copy, or make a new witness`);
  const owned = ownFolder(root);
  const storage = watchStorage("witness", config, systemClock);
  const db = await openDatabase({ kind: "witness", file: layout.database, storage });
  const store = openWitnessStore(db);
  const evidence = new EvidenceFiles(layout, storage, say);
  const keep = (found: SplitView): void => {
    say(
      `SPLIT VIEW ${found.id} of ${found.origin}: nothing of it is cosigned until it is answered; evidence in ${layout.splitView(found.id)}`,
    );
    void evidence.write(found);
  };
  const sign = (message: Uint8Array): Promise<Uint8Array> => keys.sm2Sign(KEY_HANDLE, message);
  const witness = new Witness({ store, crypto, logs: policy.logs, key, sign, clock: systemClock, onSplitView: keep });
  // Should the process have ended between finding and writing.
  for (const found of await store.splitViews()) await evidence.write(found);
  const { peers, proofs, gossipMs } = options;
  const gossip = startGossip({ witness, store, crypto, peers, proofs, everyMs: gossipMs, timeoutMs: PEER_TIMEOUT_MS });
  const log = config.RONGHE_LOG === "json" ? { log: printLine } : {};
  const app = witnessApp({
    witness,
    store,
    comparisons: () => gossip.comparisons(),
    now: () => systemClock.now(),
    storage,
    onBug: reportBug("witness"),
    ...log,
  });
  const server = await listen((request) => app.fetch(request), { host: options.host, port: options.port });
  let looking = Promise.resolve();
  const look = async (): Promise<void> => {
    await evidence.writeAgain();
    await takeAnswers(layout, store, say);
  };
  const looks = setInterval(() => (looking = looking.then(look).catch(() => undefined)), LOOK_MS);
  return {
    url: server.url,
    key,
    async stop() {
      clearInterval(looks);
      await gossip.stop();
      await looking;
      await server.close();
      await db.close();
      owned.release();
    },
  };
}

/** Split views as files that an operator hands on. The database has them too: one that finds no room is written once there is some. */
class EvidenceFiles {
  readonly #layout: WitnessLayout;
  readonly #say: (line: string) => void;
  readonly #storage: ToldStorage;
  readonly #unwritten = new Map<number, SplitView>();

  constructor(layout: WitnessLayout, watch: StorageWatch, say: (line: string) => void) {
    this.#layout = layout;
    this.#say = say;
    this.#storage = watch.watch(folderStorage("evidence", layout.root));
  }

  async write(found: SplitView): Promise<void> {
    const file = this.#layout.splitView(found.id);
    try {
      if (!isThere(file)) {
        await writeFile(`${file}.new`, printSplitView(found), { flush: true });
        await rename(`${file}.new`, file);
      }
      this.#unwritten.delete(found.id);
    } catch (error) {
      // Said once: from then on the watch says it.
      if (!this.#unwritten.has(found.id)) this.#say(`${file} cannot be written (${storageCauseOf(error) ?? "unknown"})`);
      this.#unwritten.set(found.id, found);
      this.#storage.failed(error);
    }
  }

  async writeAgain(): Promise<void> {
    for (const found of this.#unwritten.values()) await this.write(found);
  }
}

const answerFile = v.strictObject({ id: v.number(), by: v.pipe(v.string(), v.minLength(1)), reason: v.pipe(v.string(), v.minLength(1)) });

/** Leaves the operator's answer for the process that owns the database: who may write into its folder may answer. */
export async function leaveAnswer(root: string, { id, by, reason }: v.InferOutput<typeof answerFile>): Promise<void> {
  const file = witnessLayout(root).acknowledgement(id);
  await writeFile(`${file}.new`, `${JSON.stringify({ id, by, reason })}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

async function takeAnswers(layout: WitnessLayout, store: ReturnType<typeof openWitnessStore>, say: (line: string) => void): Promise<void> {
  for (const file of (await readdir(layout.root)).filter((one) => /^acknowledge-\d+\.json$/.test(one))) {
    const path = join(layout.root, file);
    const text = await readFile(path, "utf8");
    const parsed = v.safeParse(answerFile, jsonOf(text));
    if (parsed.success) {
      const { id, by, reason } = parsed.output;
      const taken = await store.acknowledge(id, { atMs: systemClock.now(), by, reason });
      say(taken ? `split view ${id} was answered by ${by}: the log is cosigned again` : `there is no open split view ${id}`);
    } else say(`${path} cannot be read as an answer, and is thrown away`);
    await rm(path, { force: true });
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
