/**
 * The few internals of kafkajs 2.2.4 that the adapter uses, as narrowly as it uses them. The library has had no release
 * since February 2023, so they do not move; the contract suite on a real
 * broker, and its test that no warning is emitted, notice if they ever do.
 */
declare module "kafkajs/src/network/requestQueue/index.js" {
  export default class RequestQueue {
    readonly pending: readonly unknown[];
    scheduleCheckPendingRequests(): void;
  }
}

declare module "kafkajs/src/network/socketFactory.js" {
  import type { ISocketFactory } from "kafkajs";
  export default function createSocketFactory(): ISocketFactory;
}

declare module "kafkajs/src/cluster/index.js" {
  import type { ISocketFactory, KafkaConfig, Logger, RetryOptions } from "kafkajs";
  import type { FetchedPartition } from "kafkajs/src/protocol/requests/fetch/v11/response.js";

  export interface ClusterOptions extends Pick<KafkaConfig, "clientId" | "sasl" | "ssl"> {
    readonly brokers: readonly string[];
    readonly logger: Logger;
    readonly socketFactory: ISocketFactory;
    readonly connectionTimeout: number;
    readonly requestTimeout: number;
    readonly enforceRequestTimeout: boolean;
    readonly metadataMaxAge: number;
    readonly allowAutoTopicCreation: boolean;
    readonly isolationLevel: 0 | 1;
    readonly retry: RetryOptions;
  }

  export interface Broker {
    fetch(request: {
      readonly maxWaitTime: number;
      readonly minBytes: number;
      readonly maxBytes: number;
      readonly isolationLevel: 0 | 1;
      readonly topics: readonly {
        readonly topic: string;
        readonly partitions: readonly { readonly partition: number; readonly fetchOffset: string; readonly maxBytes: number }[];
      }[];
    }): Promise<{
      readonly responses: readonly { readonly partitions: readonly FetchedPartition[] }[];
    }>;
  }

  export default class Cluster {
    constructor(options: ClusterOptions);
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    addTargetTopic(topic: string): Promise<void>;
    refreshMetadataIfNecessary(): Promise<void>;
    findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number }[];
    findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, readonly number[]>>;
    findBroker(options: { readonly nodeId: string }): Promise<Broker>;
    fetchTopicsOffset(
      topics: readonly {
        readonly topic: string;
        readonly partitions: readonly { readonly partition: number }[];
        readonly fromBeginning: boolean;
      }[],
    ): Promise<
      readonly { readonly topic: string; readonly partitions: readonly { readonly partition: number; readonly offset: string }[] }[]
    >;
  }
}

declare module "kafkajs/src/protocol/decoder.js" {
  export default class Decoder {
    constructor(buffer: Buffer);
    readInt16(): number;
    readInt32(): number;
    readInt64(): bigint;
    readString(): string;
    readBytes(length: number): Buffer;
    readArray<T>(read: (decoder: Decoder) => T): readonly T[];
    readArrayAsync<T>(read: (decoder: Decoder) => Promise<T>): Promise<readonly T[]>;
  }
}

declare module "kafkajs/src/protocol/recordBatch/v0/decoder.js" {
  import type Decoder from "kafkajs/src/protocol/decoder.js";
  import type { FetchedRecord } from "kafkajs/src/protocol/requests/fetch/v11/response.js";
  export default function decodeBatch(decoder: Decoder): Promise<{ readonly records: readonly FetchedRecord[] }>;
}

declare module "kafkajs/src/protocol/requests/fetch/v11/response.js" {
  export interface FetchedRecord {
    readonly offset: string;
    readonly timestamp: string;
    readonly key: Buffer | null;
    readonly value: Buffer | null;
    /** A header's value may be null, and of a name given twice it is an array. */
    readonly headers: Readonly<Record<string, Buffer | null | readonly (Buffer | null)[]>>;
    readonly isControlRecord?: boolean;
    readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
    /** Ours: stands for a batch that cannot be read. */
    readonly unreadable?: { readonly error: string; readonly records: number };
  }

  export interface FetchedPartition {
    readonly partition: number;
    readonly errorCode: number;
    readonly highWatermark: string;
    readonly lastStableOffset: string;
    readonly lastStartOffset: string;
    readonly abortedTransactions: readonly { readonly producerId: string; readonly firstOffset: string }[];
    readonly preferredReadReplica: number;
    readonly messages: readonly FetchedRecord[];
  }

  const response: {
    decode: (raw: Buffer) => Promise<{
      readonly throttleTime: number;
      readonly clientSideThrottleTime: number;
      readonly errorCode: number;
      readonly sessionId: number;
      readonly responses: readonly { readonly topicName: string; readonly partitions: readonly FetchedPartition[] }[];
    }>;
  };
  export default response;
}
