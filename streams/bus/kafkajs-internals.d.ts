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
  import type { IHeaders, ISocketFactory, KafkaConfig, Logger, RetryOptions } from "kafkajs";

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

  export interface FetchedRecord {
    readonly offset: string;
    readonly timestamp: string;
    readonly key: Buffer | null;
    readonly value: Buffer | null;
    readonly headers: IHeaders;
    readonly isControlRecord?: boolean;
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
      readonly responses: readonly {
        readonly partitions: readonly { readonly highWatermark: string; readonly messages: readonly FetchedRecord[] }[];
      }[];
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
