import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import { CHANNEL_OPERATIONS } from "../protocol/channel-operations.ts";
import { systemClock } from "../protocol/time.ts";
import { createChannelClient } from "../../edge/sdk/channel.ts";
import { channelOpenApi } from "./channel-openapi.ts";
import { channelOpenApiText } from "./generate.ts";

const operations = Object.keys(CHANNEL_OPERATIONS).sort();

it("the committed document is the one that the schemas make", async () => {
  const committed = await readFile(new URL("../../docs/generated/channel-openapi.json", import.meta.url), "utf8");
  expect(committed, "run `node core/http/generate.ts`").toBe(channelOpenApiText());
});

it("the document has every operation of the routes, and no other", () => {
  expect(Object.keys(channelOpenApi()["paths"] as object).sort()).toEqual(operations.map((name) => `/v1/${name}`));
});

it("the channel SDK calls every operation of the routes, and no other", async () => {
  const crypto = await loadCrypto();
  const pair = crypto.sm2GenerateKeyPair();
  const called = new Set<string>();
  const channel = createChannelClient({
    url: "http://core.test",
    orgId: "5101A0001",
    profile: {
      appId: "A".repeat(32),
      appSecret: "S".repeat(32),
      dialect: "standard",
      signType: "SM2",
      encryption: "none",
      publicKeys: [pair.publicKey],
    },
    sign: (message) => crypto.sm2Sign(pair.privateKey, message),
    crypto,
    clock: systemClock,
    fetch: (request) => {
      called.add(new URL(request.url).pathname.slice("/v1/".length));
      return Promise.reject(new TypeError("no network"));
    },
  });
  for (const method of Object.values(channel) as ((...args: unknown[]) => Promise<{ ok: boolean }>)[])
    expect(await method({ appUserId: "u1" }, "0".repeat(32))).toMatchObject({ ok: false, error: { answered: false } });
  expect([...called].sort()).toEqual(operations);
});
