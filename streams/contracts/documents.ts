/** The published documents of the contracts: JSON Schema per topic and one AsyncAPI 3.0 page, from the valibot schemas. */
import type { JsonSchema } from "@valibot/to-json-schema";
import type { GenericSchema } from "valibot";
import { jsonSchemaOf } from "../../core/protocol/json-schema.ts";
import { dataSchemaOf, isDataTopic } from "./codec.ts";
import { type Topic, TOPICS, type TopicContract } from "./topics.ts";

const SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema";

/** Text of every generated file, by its path under `docs/generated/`. */
export function contractDocuments(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const topic of topics()) {
    const contract: TopicContract = TOPICS[topic];
    if (contract.data === undefined || !isDataTopic(topic)) continue;
    const head = { $schema: SCHEMA_DIALECT, $id: dataSchemaOf(topic), title: topic, description: contract.summary };
    files.set(`schemas/${topic}.json`, print({ ...head, ...bodyOf(contract.data) }));
  }
  files.set("asyncapi.json", print(asyncApi()));
  return files;
}

function topics(): readonly Topic[] {
  return Object.keys(TOPICS) as Topic[];
}

function print(document: unknown): string {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** What a reader may rely on: required fields and their forms; unknown fields are to be ignored. */
function bodyOf(schema: GenericSchema): JsonSchema {
  return jsonSchemaOf(schema);
}

const HEADERS = {
  type: "object",
  description: "CloudEvents 1.0 attributes, Kafka binary content mode",
  required: ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_partitionkey", "ce_dataschema", "content-type"],
  properties: {
    ce_specversion: { const: "1.0" },
    ce_id: { type: "string", description: "with ce_source: drop a repeated pair" },
    ce_source: { type: "string", pattern: "^/ronghe/" },
    ce_type: { type: "string", description: "the topic" },
    ce_time: { type: "string", format: "date-time" },
    ce_subject: { type: "string" },
    ce_partitionkey: { type: "string", description: "the record's key" },
    ce_dataschema: { type: "string", format: "uri" },
    ce_ledgerlog: { type: "string", description: "origin of the log that records the event" },
    ce_ledgerseq: { type: "string", description: "index of its entry, decimal", pattern: "^(0|[1-9][0-9]*)$" },
    "content-type": { const: "application/json" },
  },
};

function asyncApi(): object {
  const all = topics();
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Ronghe event streams",
      version: "1.0.0",
      description: "At-least-once, in order per key. People appear as pseudonyms; money is yuan with two decimals as text.",
      license: { name: "Apache-2.0" },
    },
    defaultContentType: "application/json",
    channels: Object.fromEntries(
      all.map((topic) => [
        topic,
        {
          address: topic,
          description: TOPICS[topic].summary,
          messages: { [topic]: ref(`components/messages/${topic}`) },
          bindings: { kafka: { topic, bindingVersion: "0.5.0" } },
        },
      ]),
    ),
    operations: Object.fromEntries(
      all.flatMap((topic) => {
        const contract: TopicContract = TOPICS[topic];
        const operation = { channel: ref(`channels/${topic}`), messages: [ref(`channels/${topic}/messages/${topic}`)] };
        return [
          [`${topic}.send`, { action: "send", summary: `Written by ${contract.writtenBy.join(", ")}`, ...operation }],
          [`${topic}.receive`, { action: "receive", summary: `Read by ${contract.readBy.join(", ")}`, ...operation }],
        ];
      }),
    ),
    components: {
      messages: Object.fromEntries(all.map((topic) => [topic, messageOf(topic)])),
      schemas: {
        headers: HEADERS,
        ...Object.fromEntries(
          all.flatMap((topic) => {
            const { data }: TopicContract = TOPICS[topic];
            return data === undefined ? [] : [[topic, bodyOf(data)]];
          }),
        ),
      },
    },
  };
}

function ref(path: string): { readonly $ref: string } {
  return { $ref: `#/${path}` };
}

function messageOf(topic: Topic): object {
  const contract: TopicContract = TOPICS[topic];
  const common = {
    name: topic,
    summary: contract.summary,
    contentType: contract.contentType,
    bindings: { kafka: { key: { type: "string", description: `the ${contract.keyedBy}` }, bindingVersion: "0.5.0" } },
  };
  if (contract.data === undefined) return common;
  return { ...common, headers: ref("components/schemas/headers"), payload: ref(`components/schemas/${topic}`) };
}
