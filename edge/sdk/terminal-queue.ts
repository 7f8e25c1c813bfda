/** What a terminal still has to bring to the edge, kept where a restart of the terminal finds it again. */
import type { RefundRequest, SettleRequest } from "../../core/protocol/operations.ts";

export type QueuedRequest =
  | { readonly operation: "rh.settle"; readonly request: Omit<SettleRequest, "orgId"> }
  | { readonly operation: "rh.refund"; readonly request: Omit<RefundRequest, "orgId"> };

export interface QueueEntry {
  /** Order of taking; entries leave in this order. */
  readonly sequence: number;
  readonly takenAtMs: number;
  readonly queued: QueuedRequest;
}

/**
 * Durable when its promises resolve. An entry holds a code, which is worth something for a minute: keep the store as
 * safe as the till.
 */
export interface QueueStore {
  all(): Promise<readonly QueueEntry[]>;
  put(entry: QueueEntry): Promise<void>;
  remove(outTradeNo: string): Promise<void>;
}

/** For tests, and for terminals that ask the cashier again after a restart. */
export function memoryQueue(): QueueStore {
  const entries = new Map<string, QueueEntry>();
  return {
    all: () => Promise.resolve(inOrder([...entries.values()])),
    put: (entry) => Promise.resolve(void entries.set(entry.queued.request.outTradeNo, entry)),
    remove: (outTradeNo) => Promise.resolve(void entries.delete(outTradeNo)),
  };
}

const STORE = "queue";

/** For terminals that are web pages. @param name of the database, one for each terminal on a machine. */
export async function indexedDbQueue(name: string): Promise<QueueStore> {
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => void opening.result.createObjectStore(STORE);
  const database = await answered(opening);
  const store = (mode: IDBTransactionMode): IDBObjectStore =>
    database.transaction(STORE, mode, { durability: "strict" }).objectStore(STORE);
  return {
    all: async () => inOrder((await answered(store("readonly").getAll())) as QueueEntry[]),
    put: (entry) => committed(store("readwrite").put(entry, entry.queued.request.outTradeNo)),
    remove: (outTradeNo) => committed(store("readwrite").delete(outTradeNo)),
  };
}

export function inOrder(entries: readonly QueueEntry[]): readonly QueueEntry[] {
  return [...entries].sort((a, b) => a.sequence - b.sequence);
}

function answered<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the browser's store failed"));
  });
}

/** A request succeeds before its transaction is on disk. */
function committed(request: IDBRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    const { transaction } = request;
    if (transaction === null) return reject(new Error("a request without its transaction"));
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error ?? new Error("the browser's store failed"));
  });
}
