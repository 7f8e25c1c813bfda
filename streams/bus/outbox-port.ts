import type { Statement } from "../../migrations/database.ts";
import type { BusRecord } from "./port.ts";

export interface OutboxRecord extends BusRecord {
  readonly eventId: string;
  readonly ledgerIndex?: bigint;
}

/**
 * Drains an outbox table to the bus: oldest first, in batches, deleting a row only after the bus has it.
 * A crash anywhere repeats a batch; consumers drop what they have seen.
 */
export interface Forwarder {
  /** Says that rows were just committed; without it the forwarder looks again after `pollMs`. */
  notify(): void;
  /**
   * Rows waiting and the age of the oldest; for back-pressure, health and metrics. `bus`: whether the bus takes what is
   * sent, of a key when one is named; `away` also while an answer takes too long.
   */
  backlog(key?: string): { readonly depth: number; readonly oldestAgeMs: number; readonly bus: "there" | "away" };
  /** Resolves when the outbox is empty; rejects when the forwarder stops first. */
  drained(): Promise<void>;
  stop(): Promise<void>;
}

/** Statements that put records into the outbox of the database they run in. */
export type EnqueueStatements = (records: readonly OutboxRecord[], createdAtMs: number) => readonly Statement[];
