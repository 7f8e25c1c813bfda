/**
 * The OpenAPI 3.1 document of the channel address, made from the schemas that its routes check. Its committed text is
 * `docs/generated/channel-openapi.json`; a test keeps the two, the routes and the channel SDK equal.
 */
import * as v from "valibot";
import { channelRefusalTable } from "./channel-refusals.ts";
import { CHANNEL_OPERATIONS, type ChannelOperationName } from "../protocol/channel-operations.ts";
import { jsonSchemaOf } from "../protocol/json-schema.ts";

interface Said {
  readonly summary: string;
  readonly reply: v.GenericSchema;
}

const boundAccount = v.strictObject({
  bindingId: v.string(),
  kind: v.picklist(["insurance", "commercial", "bank"]),
  state: v.picklist(["pending", "active", "suspended"]),
  insuOrg: v.string(),
});

const SAID: Readonly<Record<ChannelOperationName, Said>> = {
  "rh.person.register": {
    summary: "实名注册：以应用自己的用户标识登记一位已核验身份的人 / Register a person whose identity the app has proven",
    reply: v.strictObject({ appUserId: v.string(), userName: v.string(), idNo: v.string() }),
  },
  "rh.account.bind": {
    summary: "绑定医保、商保或银行账户；支付方确认前为 pending / Bind an account; pending until its payer has confirmed it",
    reply: boundAccount,
  },
  "rh.account.list": {
    summary: "查询已绑定账户，不含账号 / The accounts bound, never their numbers",
    reply: v.strictObject({ appUserId: v.string(), accounts: v.optional(v.array(boundAccount)) }),
  },
  "rh.account.unbind": {
    summary: "解除绑定并销毁账号 / End a binding and destroy the account's number",
    reply: v.strictObject({ bindingId: v.string(), state: v.literal("revoked") }),
  },
  "rh.code.issue": {
    summary: "申领融合码 / Issue a fused code",
    reply: v.strictObject({ code: v.string(), expiresAt: v.string() }),
  },
  "rh.code.revoke": {
    summary: "收回尚未使用的码 / Take back a code that was not used",
    reply: v.strictObject({ state: v.literal("revoked") }),
  },
};

const REPLY_ENVELOPE = {
  orgId: { type: "string" },
  code: { type: "string", description: "0 成功，其余见返回码表 / 0 is success; others are in the table of codes" },
  message: { type: "string" },
  success: { type: "boolean" },
  encType: { type: "string", enum: ["SM4"] },
  signType: { type: "string", enum: ["SM2", "SM3"] },
  signData: { type: "string" },
  timestamp: { type: "string", pattern: "^[0-9]{14}$" },
} as const;
const REQUEST_ENVELOPE = {
  orgId: { type: "string", maxLength: 40, description: "应用编号 / The app's id" },
  version: { type: "string", maxLength: 10 },
  encType: { type: "string", enum: ["SM4", "sm4"] },
  transType: { type: "string" },
  signType: { type: "string", enum: ["SM2", "SM3", "sm2", "sm3"] },
  signData: { type: "string", maxLength: 100 },
  timestamp: { type: ["string", "integer"] },
} as const;

/** @example channelOpenApi()["openapi"] // "3.1.0" */
export function channelOpenApi(): Readonly<Record<string, unknown>> {
  const names = Object.keys(CHANNEL_OPERATIONS).filter((name): name is ChannelOperationName => Object.hasOwn(CHANNEL_OPERATIONS, name));
  return {
    openapi: "3.1.0",
    info: {
      title: "融合码渠道接口 / Ronghe channel API",
      version: "1",
      description: `患者应用调用的接口，报文为 S3 A.2/A.3 信封，签名与加密方式同医院接口 / What patients' apps call, in the S3 A.2/A.3 envelope, signed and encrypted as hospitals' calls are\n\n${channelRefusalTable()}`,
    },
    servers: [{ url: "/", description: "核心的渠道地址 / The core's channel address" }],
    // Who calls is proven by signData inside the body, for which OpenAPI has no scheme: of HTTP's own it needs none.
    security: [],
    paths: Object.fromEntries(names.map((name) => [`/v1/${name}`, { post: operation(name) }])),
  };
}

function operation(name: ChannelOperationName): object {
  return {
    operationId: name,
    summary: SAID[name].summary,
    requestBody: { required: true, content: json(envelope(REQUEST_ENVELOPE, jsonSchemaOf(CHANNEL_OPERATIONS[name]))) },
    responses: {
      "200": {
        description: "成功或拒绝 / Success or refusal",
        content: json(envelope(REPLY_ENVELOPE, { anyOf: [jsonSchemaOf(SAID[name].reply), REFUSED] })),
      },
    },
  };
}

/** The `data` of a refusal. */
const REFUSED = {
  type: "object",
  properties: {
    field: { type: "string", description: "不对的字段名，签名通过后才有 / The field that is wrong, once the signature verified" },
  },
  additionalProperties: false,
} as const;

function envelope(properties: object, data: object): object {
  const encData = { type: "string", pattern: "^(?:[0-9A-Fa-f]{32})+$" };
  return { type: "object", required: Object.keys(properties), properties: { ...properties, data, encData } };
}

function json(schema: object): object {
  return { "application/json": { schema } };
}
