/** A database whose n-th call fails, or is the last of its process, so that a test can put a fault at every call of a run. */
import type { Database, Durability, InValue, ResultSet, Row, Statement } from "../../migrations/database.ts";

export type Fault =
  /** The call is refused, and the process goes on. */
  | "fail"
  /** A statement in the middle of the transaction fails: nothing of it stays. */
  | "fail half-way"
  /** The process is gone before the call does anything. */
  | "crash before"
  /** The call takes effect, and the process is gone before it hears of it. */
  | "crash after";

export class Crash extends Error {
  override readonly name = "Crash";
}

export class FaultyDatabase implements Database {
  readonly file: string;
  readonly #inner: Database;
  readonly #at: number;
  readonly #fault: Fault;
  #calls = 0;
  #isDead = false;

  /** `at` counts reads and writes together, from 0. */
  constructor(inner: Database, at: number, fault: Fault) {
    this.file = inner.file;
    this.#inner = inner;
    this.#at = at;
    this.#fault = fault;
  }

  get calls(): number {
    return this.#calls;
  }

  get busyCount(): number {
    return this.#inner.busyCount;
  }

  async write(statements: readonly Statement[], durability?: Durability): Promise<readonly ResultSet[]> {
    const middle = statements.toSpliced(Math.ceil(statements.length / 2), 0, { sql: "INSERT INTO no_such_table VALUES (1)", args: [] });
    return await this.#call(
      () => this.#inner.write(statements, durability),
      () => this.#inner.write(middle, durability),
    );
  }

  async read(sql: string, ...args: readonly InValue[]): Promise<readonly Row[]> {
    return await this.#call(
      () => this.#inner.read(sql, ...args),
      () => Promise.reject(new Error("the disk could not be read")),
    );
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  async #call<T>(run: () => Promise<T>, runHalf: () => Promise<T>): Promise<T> {
    if (this.#isDead) throw new Crash("this process is gone");
    const isHere = this.#calls === this.#at;
    this.#calls += 1;
    if (!isHere) return await run();
    switch (this.#fault) {
      case "fail":
        throw new Error("the disk is full");
      case "fail half-way":
        return await runHalf();
      case "crash before":
        this.#isDead = true;
        throw new Crash("this process is gone");
      case "crash after":
        await run();
        this.#isDead = true;
        throw new Crash("this process is gone");
    }
  }
}
