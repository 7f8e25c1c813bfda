/** A log on a real libSQL file with a real SM2 key, for the tests of this room. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import { type Database, openDatabase, type Statement } from "../../migrations/database.ts";
import type { LeafDraft, LedgerPosition } from "../leaf-draft.ts";
import { type LogSigner, openLog } from "../log.ts";
import type { Log } from "../port.ts";
import { fromHex } from "../verifier/bytes.ts";
import { type TrustedKey, verifierKey } from "../verifier/note.ts";

export const ORIGIN = "ronghe.example/51/settlement-0";
export const KEY_NAME = "ronghe.example/51";

export const crypto: Crypto = await loadCrypto();

export interface TestSigner extends LogSigner {
  readonly trusted: TrustedKey;
}

/** A signer under a fixed private key (`seed` repeated), so that golden files can name it. */
export function testSigner(seed = 0x11, keyName: string = KEY_NAME): TestSigner {
  const privateKey = new Uint8Array(32).fill(seed);
  const publicKey = crypto.sm2PublicKey(privateKey);
  return {
    keyName,
    publicKey,
    sign: (message) => Promise.resolve(crypto.sm2Sign(privateKey, message)),
    trusted: verifierKey(crypto.sm3, keyName, publicKey),
  };
}

export function bytes(hex: string): Uint8Array {
  const decoded = fromHex(hex);
  if (decoded === undefined) throw new Error("not hex");
  return decoded;
}

export const random = (length: number): Uint8Array => crypto.random(length);

export const AT = 1_790_000_000_000 as EventMs;

/** Drafts that between them use every field. */
export function draft(n: number, more: Partial<LeafDraft> = {}): LeafDraft {
  return {
    kind: n % 3 === 2 ? "settlement.refused" : "settlement.settled",
    outcome: n % 3 === 2 ? "refused" : "accepted",
    ...(n % 3 === 2 ? { code: "600041" } : {}),
    actor: "edge/51010001",
    institution: `H${51000 + (n % 7)}`,
    subject: `H${51000 + (n % 7)}/T${n}`,
    ...(n % 5 === 4 ? { parent: `H51000/T${n - 4}` } : {}),
    idempotencyKey: `T${n}`,
    requestHash: crypto.sm3(new TextEncoder().encode(`request ${n}`)),
    provenance: {
      topic: "settlement.request.submitted.v1",
      partition: 0,
      offset: BigInt(n),
      recordHash: crypto.sm3(Uint8Array.of(n & 255)),
    },
    ruleSetVersion: "2026-09",
    facts: { "fen.total": String(12_850 + n), "fen.insurance.hifp_pay": "10000", "fen.bank.cash": String(2_850 + n) },
    personal: { name: "张三", person: `p${n % 11}` },
    ...more,
  };
}

export class TestPlatform {
  readonly folder: string;
  readonly db: Database;
  readonly signer: TestSigner;
  #log: Log;

  private constructor(folder: string, db: Database, signer: TestSigner, log: Log) {
    this.folder = folder;
    this.db = db;
    this.signer = signer;
    this.#log = log;
  }

  static async create(origin: string = ORIGIN): Promise<TestPlatform> {
    const folder = await mkdtemp(join(tmpdir(), "ronghe-ledger-"));
    const db = await openDatabase({ kind: "core", file: join(folder, "log.db") });
    const signer = testSigner();
    return new TestPlatform(folder, db, signer, await openLog({ db, origin, crypto, random, signer }));
  }

  get log(): Log {
    return this.#log;
  }

  /** Opens the log anew on the same database, as a second process would. */
  async openAgain(origin: string = this.#log.origin, signer: LogSigner = this.signer): Promise<Log> {
    return await openLog({ db: this.db, origin, crypto, random, signer });
  }

  async restart(): Promise<void> {
    this.#log = await this.openAgain();
  }

  async append(count: number, more: Partial<LeafDraft> = {}, log: Log = this.#log): Promise<readonly LedgerPosition[]> {
    const from = Number(log.size);
    const staged = log.stage(
      Array.from({ length: count }, (_, n) => draft(from + n, more)),
      (AT + from) as EventMs,
    );
    try {
      await this.db.write(staged.statements);
    } catch (error) {
      staged.aborted();
      throw error;
    }
    staged.committed();
    return staged.positions;
  }

  /** What an attacker with the file does: no trigger stands in the way. */
  async tamper(...statements: readonly (Statement | string)[]): Promise<void> {
    const triggers = await this.db.read("SELECT name FROM sqlite_master WHERE type = 'trigger'");
    await this.db.write([
      ...triggers.map((row) => ({ sql: `DROP TRIGGER ${String(row["name"])}`, args: [] })),
      ...statements.map((statement) => (typeof statement === "string" ? { sql: statement, args: [] } : statement)),
    ]);
  }

  async close(): Promise<void> {
    await this.db.close();
    await rm(this.folder, { recursive: true });
  }
}
