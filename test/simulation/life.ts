/**
 * Parts of the platform as if each were a process: one life from a start to its end. What a life has begun (timers,
 * connections to its files, answers it waits for) ends with it at once, at any write, and nothing of it runs on.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { Connection, type ResultSet, type Statement } from "../../migrations/connection.ts";

/** A process at its end; also what others see of it when they call. */
export class DeadError extends Error {
  override readonly name = "DeadError";
}

export class Life {
  readonly part: string;
  readonly connections: Set<Connection> = new Set();
  readonly readers: Set<Connection> = new Set();
  /** Resolves at the end. */
  readonly ended: Promise<void>;
  dead = false;
  readonly #storage: Storage;
  #end: () => void = () => undefined;

  constructor(part: string, storage: Storage) {
    this.part = part;
    this.#storage = storage;
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  run<T>(work: () => T): T {
    return lives.run(this, work);
  }

  kill(): void {
    if (this.dead) return;
    this.dead = true;
    for (const connection of [...this.connections, ...this.readers]) connection.close();
    this.#end();
  }

  /** What happens to a write: `undefined` when it is made. */
  verdict(): WriteVerdict | undefined {
    return this.#storage.onWrite(this);
  }
}

export type WriteVerdict = "diesBefore" | "diesAfter" | "full";
export interface Storage {
  onWrite(life: Life): WriteVerdict | undefined;
}

const lives = new AsyncLocalStorage<Life | undefined>();

export function currentLife(): Life | undefined {
  return lives.getStore();
}

export function inLife<T>(life: Life | undefined, work: () => T): T {
  return lives.run(life, work);
}

/** Stands between every part and its files; for good, in a process that does nothing else. */
export function interposeStorage(): void {
  const { batch, run } = Connection.prototype;
  let inBatch = false;
  Connection.prototype.run = function runOfLife(statement: Statement): ResultSet {
    const life = currentLife();
    if (life === undefined || inBatch) return run.call(this, statement);
    if (life.dead) throw new DeadError(`${life.part} is gone`);
    if (statement.sql === "PRAGMA query_only=ON") life.readers.add(this);
    if (!statement.sql.startsWith("PRAGMA synchronous")) return run.call(this, statement);
    // A process that ends takes nothing from the disk that it had written: only the loss of power would.
    if (life.connections.has(this)) return { rows: [], rowsAffected: 0 };
    life.connections.add(this);
    return run.call(this, { sql: "PRAGMA synchronous=OFF", args: [] });
  };
  Connection.prototype.batch = function batchOfLife(statements: readonly Statement[]): readonly ResultSet[] {
    const life = currentLife();
    if (life === undefined) return batch.call(this, statements);
    if (life.dead) throw new DeadError(`${life.part} is gone`);
    const verdict = life.verdict();
    if (verdict === "full") throw Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" });
    if (verdict === "diesBefore") {
      life.kill();
      throw new DeadError(`${life.part} ended before a write`);
    }
    inBatch = true;
    try {
      const results = batch.call(this, statements);
      if (verdict !== "diesAfter") return results;
    } finally {
      inBatch = false;
    }
    life.kill();
    throw new DeadError(`${life.part} ended after a write`);
  };
}
