/** Reconciliation and day close over one set of books, put together: what the core opens once, beside its shards. */
import type { Result } from "../../protocol/result.ts";
import { type Database, openDatabase, type StorageObserver } from "../../../migrations/database.ts";
import type { AccountingDay } from "../books.ts";
import { addDays, dayOf } from "../day/accounting-day.ts";
import { type ClosedDay, closeDay, type CloseRefusal, type CloseRequest, closings } from "../day/close.ts";
import type { EventMs } from "../../protocol/time.ts";
import { openReconciler, type Reconciler, type ReconcilerOptions } from "./reconciler.ts";

export interface OfficeOptions extends Omit<ReconcilerOptions, "db"> {
  /** Path of the libSQL file of kind `books`. */
  readonly file: string;
  readonly storage?: StorageObserver | undefined;
  /** When the platform was founded: the first day to be closed. */
  readonly foundedAtMs: EventMs;
}

export interface Office {
  readonly db: Database;
  readonly reconciler: Reconciler;
  closeDay(request: CloseRequest): Promise<Result<ClosedDay, CloseRefusal>>;
  /** The first day that is not closed. */
  nextDay(): Promise<AccountingDay>;
  close(): Promise<void>;
}

export async function openOffice(options: OfficeOptions): Promise<Office> {
  const db = await openDatabase({ kind: "books", file: options.file, storage: options.storage });
  const foundedOn = dayOf(options.foundedAtMs);
  const reconciler = await openReconciler({ ...options, db, foundedOn });
  const { store, recorder } = reconciler;
  return {
    db,
    reconciler,
    closeDay: (request) => reconciler.inTurn(() => closeDay({ ...options, db, store, recorder, foundedOn }, request)),
    async nextDay() {
      const last = (await closings(db)).findLast((one) => one.closedAtMs !== undefined);
      return last === undefined ? foundedOn : addDays(last.day, 1);
    },
    async close() {
      await reconciler.idle();
      await db.close();
    },
  };
}
