/** A witness on a real libSQL file, behind real HTTP where a test wants it, for a real log. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import type { EventMs } from "../../../core/protocol/time.ts";
import { type Database, openDatabase } from "../../../migrations/database.ts";
import type { Checkpoint, Log } from "../../port.ts";
import { AT, crypto } from "../../testing/platform.ts";
import { testWitness } from "../../testing/witnesses.ts";
import type { TrustedKey } from "../../verifier/note.ts";
import { witnessApp } from "../app.ts";
import { type Gossip, startGossip } from "../gossip.ts";
import { printAddCheckpoint } from "../request.ts";
import { openWitnessStore, type SplitView, type WitnessStore } from "../store.ts";
import { type Answer, Witness } from "../witness.ts";

/** An address where nobody listens. */
export async function deadUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return `http://127.0.0.1:${port}`;
}

export interface WitnessRigOptions {
  readonly name?: string;
  readonly seed?: number;
  readonly logs: readonly TrustedKey[];
  /** Stands between witness and store. */
  readonly interposed?: (store: WitnessStore) => WitnessStore;
}

export class WitnessRig {
  readonly folder: string;
  readonly #options: WitnessRigOptions;
  #db: Database;
  witness: Witness;
  store: WitnessStore;
  readonly found: SplitView[] = [];
  nowMs: number = AT;
  /** Calls over HTTP so far. */
  calls = 0;
  #server: Server | undefined;
  #gossip: Gossip | undefined;

  private constructor(folder: string, options: WitnessRigOptions, db: Database) {
    this.folder = folder;
    this.#options = options;
    this.#db = db;
    this.store = this.#openStore();
    this.witness = this.#openWitness();
  }

  static async create(options: WitnessRigOptions): Promise<WitnessRig> {
    const folder = await mkdtemp(join(tmpdir(), "ronghe-witness-"));
    return new WitnessRig(folder, options, await openDatabase({ kind: "witness", file: join(folder, "witness.db") }));
  }

  get identity(): ReturnType<typeof testWitness> {
    return testWitness(this.#options.name ?? "w1", this.#options.seed ?? 0x31);
  }

  get db(): Database {
    return this.#db;
  }

  #openStore(): WitnessStore {
    const store = openWitnessStore(this.#db);
    return this.#options.interposed?.(store) ?? store;
  }

  #openWitness(): Witness {
    const { key, privateKey } = this.identity;
    return new Witness({
      store: this.store,
      crypto,
      logs: this.#options.logs,
      key,
      sign: (message) => Promise.resolve(crypto.sm2Sign(privateKey, message)),
      clock: { now: () => this.nowMs as EventMs },
      onSplitView: (found) => this.found.push(found),
    });
  }

  /** As after the end of its process. */
  async restart(): Promise<void> {
    await this.#db.close();
    this.#db = await openDatabase({ kind: "witness", file: join(this.folder, "witness.db") });
    this.store = this.#openStore();
    this.witness = this.#openWitness();
  }

  /** Asks as a log does, from a size that the log says. */
  async ask(log: Pick<Log, "consistency">, oldSize: bigint, checkpoint: Pick<Checkpoint, "size" | "note">): Promise<Answer> {
    const proof = oldSize === 0n || oldSize >= checkpoint.size ? [] : await log.consistency(oldSize, checkpoint.size);
    return await this.witness.addCheckpoint(printAddCheckpoint({ oldSize, proof, note: checkpoint.note }));
  }

  async listen(): Promise<string> {
    if (this.#server !== undefined) return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    const app = witnessApp({
      witness: this.witness,
      store: this.store,
      comparisons: () => this.#gossip?.comparisons() ?? [],
    });
    const listener = getRequestListener((request) => {
      this.calls += 1;
      return app.fetch(request);
    });
    this.#server = createServer((incoming, outgoing) => void listener(incoming, outgoing));
    await new Promise<void>((resolve) => this.#server?.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  gossip(peers: readonly string[], proofs: readonly string[] = []): Gossip {
    const { witness, store } = this;
    this.#gossip = startGossip({ witness, store, crypto, peers, proofs, everyMs: 3_600_000, timeoutMs: 10_000 });
    return this.#gossip;
  }

  async close(): Promise<void> {
    await this.#gossip?.stop();
    this.#server?.closeAllConnections();
    await new Promise<void>((resolve) => (this.#server === undefined ? resolve() : this.#server.close(() => resolve())));
    await this.#db.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
