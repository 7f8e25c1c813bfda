/**
 * The OpenAPI 3.1 document, made from the schemas that the routes check. `docs/generated/openapi.json` is its
 * committed text; a test keeps them equal.
 */
import { toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import { OPERATIONS, type OperationName } from "../../core/protocol/operations.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

interface Describe {
  readonly summary: string;
  readonly description: string;
  readonly reply: "VerifyReply" | "SettlementReply";
}

const DESCRIPTIONS: Readonly<Record<OperationName, Describe>> = {
  "rh.verify": {
    summary: "Identify the person who shows a code (扫码核验)",
    description:
      "Consumes the code once and opens a visit: the ecToken stands for the person at this institution until it expires or settles. Name and document number come masked.",
    reply: "VerifyReply",
  },
  "rh.settle": {
    summary: "Settle a bill across insurance, commercial insurance and bank (结算)",
    description:
      "Exactly one of code and ecToken. A success reply means that the request is durable; status tells how far it is. Repeating the same outTradeNo with the same content gives the same answer and never pays twice.",
    reply: "SettlementReply",
  },
  "rh.result": {
    summary: "Ask what became of a settlement or refund (结果查询)",
    description: "By the number it was made under; waits up to waitSeconds when it is still on its way.",
    reply: "SettlementReply",
  },
  "rh.refund": {
    summary: "Give a settlement back as a whole (退费)",
    description: "A transaction of its own, under a number of its own, that names the settlement it gives back.",
    reply: "SettlementReply",
  },
};

const text = (description: string, more: JsonObject = {}): JsonObject => ({ type: "string", description, ...more });

const ENVELOPE: JsonObject = {
  orgId: text("Institution id (机构 ID), equal to data.orgId", { maxLength: 40 }),
  version: text("Interface version", { maxLength: 10, examples: ["1.0.0"] }),
  encType: text("SM4", { enum: ["SM4", "sm4"] }),
  transType: text("Equal to the last part of the path", { maxLength: 40 }),
  signType: text("As agreed with the partner", { enum: ["SM2", "SM3", "sm2", "sm3"] }),
  signData: text("Base64 of r‖s (SM2), or upper hex of the keyed digest (SM3)", { maxLength: 100 }),
  timestamp: text("yyyyMMddHHmmss in UTC+8, or epoch seconds or milliseconds; within 5 minutes of our clock", {
    type: ["string", "integer"],
  }),
  extra: { type: "object", description: "Neither signed nor read" },
};

const REPLY_SCHEMAS: JsonObject = {
  VerifyReply: {
    type: "object",
    required: ["outTradeNo", "userName", "idType", "idNo", "ecToken", "ecTokenExpires", "insuOrg"],
    properties: {
      outTradeNo: text("The caller's number"),
      userName: text("Masked: the surname stays"),
      idType: text("S3 table C.2"),
      idNo: text("Masked: first and last character stay"),
      ecToken: text("Stands for the person at this institution; settles once"),
      ecTokenExpires: text("yyyyMMddHHmmss in UTC+8"),
      insuOrg: text("Insured area"),
    },
  },
  SettlementReply: {
    type: "object",
    required: ["outTradeNo", "settlementId", "status"],
    properties: {
      outTradeNo: text("The caller's number"),
      settlementId: text("Ronghe's name for it"),
      status: text("accepted: durable and on its way; unknown: a payer's answer is missing and is being asked for", {
        enum: ["accepted", "settled", "refused", "refunded", "unknown"],
      }),
      refusalCode: text("When refused: a code of the table of refusals"),
      refusalMessage: text("When refused: its text"),
      amount: text("Yuan with two decimals"),
      legs: {
        type: "array",
        items: {
          type: "object",
          required: ["rail", "fundSource", "amount"],
          properties: {
            rail: text("Payer", { enum: ["insurance", "commercial", "bank"] }),
            fundSource: text("NHSA name of the fund, for example hifp_pay"),
            amount: text("Yuan with two decimals"),
          },
        },
      },
      receipt: text("Ledger receipt (ledger/FORMAT.md), verifiable offline"),
    },
  },
};

export function openApiDocument(): JsonObject {
  const names = Object.keys(OPERATIONS).filter((name): name is OperationName => Object.hasOwn(OPERATIONS, name));
  return {
    openapi: "3.1.0",
    info: {
      title: "Ronghe edge",
      version: "1",
      description:
        'Calls of hospitals and pharmacies in the envelope of S3 A.2/A.3, signed both ways. Every answer is HTTP 200 with a signed reply; code "0" is success. Conditions and codes: docs/api.md.',
    },
    paths: {
      ...Object.fromEntries(names.map((name) => [`/v1/${name}`, { post: operationObject(name) }])),
      "/health": { get: { operationId: "health", summary: "The process answers", responses: { "200": { description: "It does" } } } },
      "/ready": {
        get: {
          operationId: "ready",
          summary: "Whether calls can be taken, and what is away",
          responses: { "200": { description: "They can" }, "503": { description: "No current settings, or the outbox is full" } },
        },
      },
    },
    components: {
      schemas: {
        ...Object.fromEntries(names.map((name) => [requestName(name), jsonSchemaOf(OPERATIONS[name])])),
        ...REPLY_SCHEMAS,
      },
    },
  };
}

function operationObject(name: OperationName): JsonObject {
  const { summary, description, reply } = DESCRIPTIONS[name];
  const envelope = (members: JsonObject, required: readonly string[]): JsonObject => ({
    content: { "application/json": { schema: { type: "object", required, properties: members } } },
  });
  const data = { description: "In the clear, where the partner's profile allows it", $ref: `#/components/schemas/${requestName(name)}` };
  return {
    operationId: name,
    summary,
    description,
    requestBody: {
      required: true,
      ...envelope({ ...ENVELOPE, data, encData: text("Upper hex of SM4-ECB over the JSON of data; instead of data") }, [
        "orgId",
        "version",
        "encType",
        "transType",
        "signType",
        "signData",
        "timestamp",
      ]),
    },
    responses: {
      "200": {
        description: "Success or refusal; Retry-After is set with code -6",
        ...envelope(
          {
            orgId: text("Institution id; empty when the caller is not known"),
            code: text('"0", or a code of docs/api.md'),
            message: text("Its text"),
            success: { type: "boolean" },
            encType: text("SM4"),
            signType: text("SM2 or SM3"),
            signData: text("The platform's signature"),
            timestamp: text("yyyyMMddHHmmss in UTC+8"),
            data: { description: "Empty in a refusal", $ref: `#/components/schemas/${reply}` },
            encData: text("Instead of data when the request was encrypted"),
          },
          ["orgId", "code", "message", "success", "signType", "signData", "timestamp"],
        ),
      },
    },
  };
}

/** @example requestName("rh.settle") // "SettleRequest" */
function requestName(name: OperationName): string {
  const bare = name.slice(name.indexOf(".") + 1);
  return `${bare.charAt(0).toUpperCase()}${bare.slice(1)}Request`;
}

/**
 * Draft 2020-12 is the dialect of OpenAPI 3.1. Its patterns are Unicode patterns, so the flag `u` may go; `v.ip()` has no
 * counterpart and is named by its two formats.
 */
function jsonSchemaOf(schema: v.GenericSchema): JsonObject {
  const { $schema: _dialect, ...converted } = toJsonSchema(schema, {
    target: "draft-2020-12",
    overrideAction: ({ valibotAction, jsonSchema }) => {
      if (valibotAction.type === "ip") return { ...jsonSchema, anyOf: [{ format: "ipv4" }, { format: "ipv6" }] };
      if (valibotAction.type !== "regex" || !("requirement" in valibotAction)) return undefined;
      return valibotAction.requirement instanceof RegExp ? patterned(jsonSchema, valibotAction.requirement.source) : undefined;
    },
  });
  const json: unknown = JSON.parse(JSON.stringify(converted));
  return json as JsonObject;
}

/** A second pattern beside a first stands in `allOf`. */
function patterned<Schema extends { pattern?: string | undefined; allOf?: unknown }>(schema: Schema, pattern: string): Schema {
  return schema.pattern === undefined ? { ...schema, pattern } : { ...schema, allOf: [{ pattern }] };
}
