/** How every connection of the Kafka adapter is made: settings, logging, and one repair of kafkajs for Node 24. */
import kafkajs, { Kafka, type KafkaConfig, logLevel, type RetryOptions } from "kafkajs";
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import type { BusLog } from "./log.ts";

export interface KafkaOptions {
  /** `host:port`, at least one. */
  readonly brokers: readonly string[];
  /** Shown in the brokers' logs and quotas. */
  readonly clientId: string;
  /** What of kafkajs's own talk reaches `log` (default `nothing`: the adapter itself says what matters). */
  readonly logLevel?: "nothing" | "error" | "warn" | "info";
  readonly log?: BusLog;
  /** Ours, to be compared with the brokers' (default: the system's). */
  readonly clock?: { now(): number };
  readonly tls?: KafkaConfig["ssl"];
  readonly sasl?: KafkaConfig["sasl"];
  /** After which silence the group gives a member's partitions to others, ms (default 30,000; brokers allow 6,000 up). */
  readonly sessionTimeoutMs?: number;
  /** Copies of each topic that `ensureTopics` creates (default: 3, or as many as there are brokers). */
  readonly replicationFactor?: number;
}

export const CONNECTION_TIMEOUT_MS = 3_000;
export const REQUEST_TIMEOUT_MS = 15_000;

/**
 * Said in full, since kafkajs halves its defaults under `NODE_ENV=test`. The adapter's own retries are short: the long
 * retry is the outbox's (edge notes 1.3), the row stays there.
 */
export const RETRY: Required<Pick<RetryOptions, "retries" | "initialRetryTime" | "maxRetryTime" | "factor" | "multiplier">> = {
  retries: 5,
  initialRetryTime: 150,
  maxRetryTime: 1_500,
  factor: 0.2,
  multiplier: 2,
};

export function kafkaClient(options: KafkaOptions, log: BusLog): Kafka {
  return new Kafka({
    brokers: [...options.brokers],
    clientId: options.clientId,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: { ...RETRY, retries: 2 },
    logLevel: { nothing: logLevel.NOTHING, error: logLevel.ERROR, warn: logLevel.WARN, info: logLevel.INFO }[options.logLevel ?? "nothing"],
    // kafkajs calls errors what it is about to retry; its messages name hosts, groups and topics, never content.
    logCreator: () => (entry) => {
      const { message, error } = entry.log;
      const cause = typeof error === "string" ? { error } : {};
      log(entry.level === logLevel.ERROR ? "warn" : "info", `kafkajs: ${message}`, { namespace: entry.namespace, ...cause });
    },
    ...(options.tls === undefined ? {} : { ssl: options.tls }),
    ...(options.sasl === undefined ? {} : { sasl: options.sasl }),
  });
}

/** The error under kafkajs's wrappers ("number of retries exceeded", "non-retriable"). */
export function rootCause(error: unknown): unknown {
  let root = error;
  while (root instanceof Error && root.cause instanceof Error) root = root.cause;
  return root;
}

/** Name of the Kafka protocol error, such as `MESSAGE_TOO_LARGE`; `undefined` when the trouble is of another kind. */
export function protocolErrorOf(error: unknown): string | undefined {
  const root = rootCause(error);
  return root instanceof kafkajs.KafkaJSProtocolError ? root.type : undefined;
}

/**
 * kafkajs 2.2.4 (#1751, never released): after every response it sets a timer for `throttledUntil - now`, which is
 * about minus the present time when nothing is throttled. Node 24 warns of each negative timeout and runs it after 1 ms.
 * The timer exists to look at requests that wait; with none waiting there is nothing to look at, and a request that
 * comes to wait later sets its own.
 */
const scheduleCheckPendingRequests = RequestQueue.prototype.scheduleCheckPendingRequests;
RequestQueue.prototype.scheduleCheckPendingRequests = function scheduleWhenSomethingWaits(this: RequestQueue): void {
  if (this.pending.length > 0) scheduleCheckPendingRequests.call(this);
};
