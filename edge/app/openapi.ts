/**
 * The OpenAPI 3.1 document, made from the schemas that the routes check and the words of `openapi-words.ts`.
 * `docs/generated/openapi.json` is its committed text with both languages in each description; a test keeps them
 * equal. The page `/docs` is the same document in one language.
 */
import type * as v from "valibot";
import { jsonSchemaOf } from "../../core/protocol/json-schema.ts";
import { OPERATIONS, type OperationName, SPLIT_FIELDS } from "../../core/protocol/operations.ts";
import { ID_TYPES } from "../../core/protocol/tables.ts";
import { EXAMPLE_KEPT, EXAMPLE_OPERATION, EXAMPLE_REFUSAL, EXAMPLE_REPLY, EXAMPLE_REQUEST, EXAMPLES } from "./examples.ts";
import {
  ABOUT,
  ENVELOPE_WORDS,
  FEE_LINE_WORDS,
  LEG_WORDS,
  OPERATION_WORDS,
  PRESETTLE_REPLY_WORDS,
  REFUSED_WORDS,
  REPLY_WORDS,
  REQUEST_WORDS,
  SERVER,
  SETTLEMENT_REPLY_WORDS,
  SPLIT_WORDS,
  STATEMENT_REPLY_WORDS,
  STATEMENT_ROW_WORDS,
  STATEMENT_SOURCE_WORDS,
  STATEMENT_TOTALS_WORDS,
  TITLE,
  VERIFY_REPLY_WORDS,
} from "./openapi-words.ts";
import { type Say, sayBoth, type Words, words } from "./words.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

const REPLY_OF: Readonly<Record<OperationName, "VerifyReply" | "PresettleReply" | "SettlementReply" | "StatementReply">> = {
  "rh.verify": "VerifyReply",
  "rh.presettle": "PresettleReply",
  "rh.settle": "SettlementReply",
  "rh.result": "SettlementReply",
  "rh.refund": "SettlementReply",
  "rh.statement": "StatementReply",
};

const text = (more: JsonObject = {}): JsonObject => ({ type: "string", ...more });

/** Replaced by each operation's own schema. */
const OF_THE_OPERATION: JsonObject = { type: "object" };
const ENC_DATA = text({ pattern: "^(?:[0-9A-Fa-f]{32})+$" });
const DAY = text({ pattern: "^[0-9]{8}$" });
const COUNT = text({ pattern: "^(?:0|[1-9][0-9]*)$" });
const FLAG = text({ enum: ["0", "1"] });
const CST14 = text({ pattern: "^[0-9]{14}$" });
const SIGNED_YUAN = text({ pattern: "^-?(?:0|[1-9][0-9]*)\\.[0-9]{2}$" });
const YUAN = text({ pattern: "^(?:0|[1-9][0-9]*)\\.[0-9]{2}$" });

/** What S3 A.2 and the reader of envelopes (core/protocol/envelope.ts) ask of each member. */
const ENVELOPE: Readonly<Record<keyof typeof ENVELOPE_WORDS, JsonObject>> = {
  orgId: text({ maxLength: 40 }),
  version: text({ maxLength: 10 }),
  encType: text({ enum: ["SM4", "sm4"] }),
  transType: text({ maxLength: 40 }),
  signType: text({ enum: ["SM2", "SM3", "sm2", "sm3"] }),
  signData: text({ maxLength: 100 }),
  timestamp: { type: ["string", "integer"] },
  data: OF_THE_OPERATION,
  encData: ENC_DATA,
  extra: { type: "object" },
};
const ENVELOPE_REQUIRED = ["orgId", "version", "encType", "transType", "signType", "signData", "timestamp"];

const REPLY: Readonly<Record<keyof typeof REPLY_WORDS, JsonObject>> = {
  orgId: text(),
  code: text(),
  message: text(),
  success: { type: "boolean" },
  encType: text({ enum: ["SM4"] }),
  signType: text({ enum: ["SM2", "SM3"] }),
  signData: text({ maxLength: 100 }),
  timestamp: CST14,
  data: OF_THE_OPERATION,
  encData: ENC_DATA,
};
const REPLY_REQUIRED = ["orgId", "code", "message", "success", "encType", "signType", "signData", "timestamp"];

const VERIFY_REPLY: Readonly<Record<keyof typeof VERIFY_REPLY_WORDS, JsonObject>> = {
  outTradeNo: text(),
  grade: text({ enum: ["online", "offline"] }),
  userName: text(),
  idType: text({ enum: Object.keys(ID_TYPES).sort() }),
  idNo: text(),
  ecToken: text(),
  ecTokenExpires: CST14,
  insuOrg: text(),
};
const SETTLEMENT_REPLY: Readonly<Record<Exclude<keyof typeof SETTLEMENT_REPLY_WORDS, "legs" | "kept">, JsonObject>> = {
  outTradeNo: text(),
  settlementId: text(),
  status: text({ enum: ["accepted", "settled", "refused", "refunded", "unknown"] }),
  refusalCode: text(),
  refusalMessage: text(),
  amount: YUAN,
  receipt: text(),
};
const LEG: Readonly<Record<keyof typeof LEG_WORDS, JsonObject>> = {
  rail: text({ enum: ["insurance", "commercial", "bank"] }),
  fundSource: text(),
  amount: YUAN,
};

/**
 * @param say the language of descriptions: both side by side, for tools that know one `description` only, or one.
 *
 * @example openApiDocument(sayIn("en"))
 */
export function openApiDocument(say: Say = sayBoth): JsonObject {
  return {
    openapi: "3.1.0",
    info: { title: say(TITLE), version: "1", description: say(ABOUT) },
    servers: [{ url: "/", description: say(SERVER) }],
    // Who calls is proven by signData inside the body, for which OpenAPI has no scheme: of HTTP's own it needs none.
    security: [],
    paths: {
      ...Object.fromEntries(operationNames().map((name) => [`/v1/${name}`, { post: operationObject(name, say) }])),
      ...beside(say),
    },
    components: {
      schemas: {
        ...Object.fromEntries(operationNames().map((name) => [requestName(name), requestSchema(name, say)])),
        VerifyReply: verifyReplySchema(say),
        PresettleReply: presettleReplySchema(say),
        SettlementReply: settlementReplySchema(say),
        StatementReply: statementReplySchema(say),
        Refused: refusedSchema(say),
      },
    },
  };
}

/** The operations in the order in which a patient meets them. */
export function operationNames(): readonly OperationName[] {
  return Object.keys(OPERATIONS).filter((name): name is OperationName => Object.hasOwn(OPERATIONS, name));
}

function beside(say: Say): JsonObject {
  const get = (operationId: string, summary: Words, answers: Readonly<Record<string, Words>>): JsonObject => ({
    get: {
      operationId,
      summary: say(summary),
      responses: Object.fromEntries(Object.entries(answers).map(([status, meaning]) => [status, { description: say(meaning) }])),
    },
  });
  return {
    "/health": get("health", words("进程是否在运行", "Whether the process answers"), { "200": words("在运行", "It does") }),
    "/status": get(
      "status",
      words(
        "链路、积压与离线受理情况：浏览器得到页面，其余得到 JSON",
        "Links, backlog and what was taken offline: a page for browsers, JSON for everything else",
      ),
      {
        "200": words("状态", "The state"),
      },
    ),
    "/ready": get("ready", words("能否受理请求，缺了什么", "Whether calls can be taken, and what is away"), {
      "200": words("能受理", "They can"),
      "503": words("没有有效配置，或待上送的请求已满", "No current settings, or the outbox is full"),
    }),
  };
}

function operationObject(name: OperationName, say: Say): JsonObject {
  const { summary, description } = OPERATION_WORDS[name];
  const request = {
    type: "object",
    required: ENVELOPE_REQUIRED,
    properties: described({ ...ENVELOPE, data: { $ref: `#/components/schemas/${requestName(name)}` } }, ENVELOPE_WORDS, say),
  };
  const reply = {
    type: "object",
    required: REPLY_REQUIRED,
    properties: described({ ...REPLY, data: oneOfBoth(REPLY_OF[name]) }, REPLY_WORDS, say),
  };
  const whole = name === EXAMPLE_OPERATION;
  return {
    operationId: name,
    summary: say(summary),
    description: say(description),
    requestBody: {
      required: true,
      content: { "application/json": { schema: request, ...(whole ? { examples: { whole: { value: EXAMPLE_REQUEST } } } : {}) } },
    },
    responses: {
      "200": {
        description: say(words("成功或拒绝；返回码为 -6 时带 Retry-After", "Success or refusal; Retry-After is set with code -6")),
        content: {
          "application/json": {
            schema: reply,
            ...(whole ? { examples: { success: { value: EXAMPLE_REPLY }, refusal: { value: EXAMPLE_REFUSAL } } } : {}),
          },
        },
      },
    },
  };
}

/** What a success carries, or what a refusal does. */
function oneOfBoth(reply: string): JsonObject {
  return { anyOf: [reply, "Refused"].map((name) => ({ $ref: `#/components/schemas/${name}` })) };
}

function refusedSchema(say: Say): JsonObject {
  return { type: "object", properties: described({ field: text() }, REFUSED_WORDS, say), additionalProperties: false };
}

/** Each member's schema with its words. */
function described(schemas: Readonly<Record<string, JsonObject>>, texts: Readonly<Record<string, Words>>, say: Say): JsonObject {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => {
      const meaning = texts[name];
      if (meaning === undefined) throw new Error(`field ${name} has no words`);
      return [name, { ...schema, description: say(meaning) }];
    }),
  );
}

function requestSchema(name: OperationName, say: Say): JsonObject {
  const schema = plainSchemaOf(OPERATIONS[name]);
  const properties = Object.fromEntries(
    Object.entries(objectOf(schema["properties"])).map(([field, form]): [string, JsonObject] => [field, objectOf(form)]),
  );
  const lines = properties["feeLines"];
  const lined = lines === undefined ? properties : { ...properties, feeLines: feeLinesSchema(lines, say) };
  return { ...schema, properties: described(lined, REQUEST_WORDS, say), examples: [EXAMPLES[name].request] };
}

function verifyReplySchema(say: Say): JsonObject {
  return {
    type: "object",
    required: ["outTradeNo", "grade"],
    properties: described(VERIFY_REPLY, VERIFY_REPLY_WORDS, say),
    examples: [EXAMPLES["rh.verify"].reply],
  };
}

function feeLinesSchema(lines: JsonObject, say: Say): JsonObject {
  const items = objectOf(lines["items"]);
  const members = Object.fromEntries(
    Object.entries(objectOf(items["properties"])).map(([field, form]): [string, JsonObject] => [field, objectOf(form)]),
  );
  return { ...lines, items: { ...items, properties: described(members, FEE_LINE_WORDS, say) } };
}

/** An object with all of its members, each with its words. */
function whole(schemas: Readonly<Record<string, JsonObject>>, texts: Readonly<Record<string, Words>>, say: Say): JsonObject {
  return { type: "object", required: Object.keys(schemas), properties: described(schemas, texts, say) };
}

function legsSchema(say: Say): JsonObject {
  return { type: "array", items: whole(LEG, LEG_WORDS, say) };
}

function presettleReplySchema(say: Say): JsonObject {
  const { ecToken, ecTokenExpires, insuOrg, outTradeNo } = VERIFY_REPLY;
  const split = whole(Object.fromEntries(SPLIT_FIELDS.map((field) => [field, YUAN])), SPLIT_WORDS, say);
  const members = { outTradeNo, ecToken, ecTokenExpires, insuOrg, amount: YUAN, split };
  return {
    ...whole(members, PRESETTLE_REPLY_WORDS, say),
    properties: described({ ...members, legs: legsSchema(say), balc: YUAN }, PRESETTLE_REPLY_WORDS, say),
    examples: [EXAMPLES["rh.presettle"].reply],
  };
}

function statementReplySchema(say: Say): JsonObject {
  const source = whole({ rail: LEG.rail, fundSource: LEG.fundSource, settled: SIGNED_YUAN, refunded: YUAN }, STATEMENT_SOURCE_WORDS, say);
  const figures = { settlements: COUNT, settled: SIGNED_YUAN, refunds: COUNT, refunded: YUAN };
  const totals = {
    ...whole(figures, STATEMENT_TOTALS_WORDS, say),
    properties: described({ ...figures, sources: { type: "array", items: source } }, STATEMENT_TOTALS_WORDS, say),
  };
  const kind = text({ enum: ["settlement", "refund", "kept", "supplement"] });
  const counted = { day: DAY, at: CST14, late: FLAG, amount: YUAN, legs: legsSchema(say) };
  const movement = text({ enum: ["payment", "refund", "reversal"] });
  const named = { movement, outTradeNo: text(), settlementId: text(), originalSettlementId: text() };
  const items = {
    ...whole({ kind, ...counted }, STATEMENT_ROW_WORDS, say),
    properties: described({ kind, ...named, ...counted }, STATEMENT_ROW_WORDS, say),
  };
  const members = {
    outTradeNo: text(),
    period: text({ pattern: "^[0-9]{6}(?:[0-9]{2})?$" }),
    closed: FLAG,
    totals,
  };
  return {
    ...whole(members, STATEMENT_REPLY_WORDS, say),
    properties: described({ ...members, rows: { type: "array", items }, cursor: text() }, STATEMENT_REPLY_WORDS, say),
    examples: [EXAMPLES["rh.statement"].reply],
  };
}

function settlementReplySchema(say: Say): JsonObject {
  const { receipt, ...before } = SETTLEMENT_REPLY;
  const legs = legsSchema(say);
  return {
    type: "object",
    required: ["outTradeNo", "settlementId", "status"],
    properties: described({ ...before, legs, kept: legs, receipt }, SETTLEMENT_REPLY_WORDS, say),
    examples: [EXAMPLES["rh.settle"].reply, EXAMPLES["rh.refund"].reply, EXAMPLE_KEPT],
  };
}

/** The name of an operation's reply among the document's schemas. */
export function replyName(name: OperationName): string {
  return REPLY_OF[name];
}

/** An object's members; none when it is no object. */
export function objectOf(value: Json | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

/** @example requestName("rh.settle") // "SettleRequest" */
export function requestName(name: OperationName): string {
  const bare = name.slice(name.indexOf(".") + 1);
  return `${bare.charAt(0).toUpperCase()}${bare.slice(1)}Request`;
}

/** As plain JSON, without members that are `undefined`. */
function plainSchemaOf(schema: v.GenericSchema): JsonObject {
  const json: unknown = JSON.parse(JSON.stringify(jsonSchemaOf(schema)));
  return json as JsonObject;
}
