import { describe, expect, it } from "vitest";
import { readWorkerEnv, WorkerConfigError } from "./environment.ts";
import { shardName, shardOf } from "./shards.ts";

const identity = { edgeId: "edge-1", keys: "{}", coreSecret: "AA==", platformKey: "04".padEnd(130, "a") };
const good = {
  RONGHE_EDGE_IDENTITY: JSON.stringify(identity),
  RONGHE_EDGE_KEK: "5f".repeat(32),
  RONGHE_CORE_URL: "https://core.example",
  SHARD: {},
};

describe("the settings of a Worker", () => {
  it("have defaults where there is one, and know nothing of bindings", () => {
    expect(readWorkerEnv(good)).toMatchObject({
      RONGHE_EDGE_UPLINK: "core",
      RONGHE_EDGE_SHARDS: 1,
      RONGHE_OUTBOX_MAX: 200_000,
      RONGHE_TRUST_CF_CONNECTING_IP: "off",
      RONGHE_EDGE_IDENTITY: identity,
    });
  });

  const refused: [string, Record<string, unknown>, string][] = [
    ["no identity", { RONGHE_EDGE_IDENTITY: undefined }, "RONGHE_EDGE_IDENTITY is not usable"],
    ["an identity that is not JSON", { RONGHE_EDGE_IDENTITY: "secret-text" }, "RONGHE_EDGE_IDENTITY is not usable"],
    ["an identity of other fields", { RONGHE_EDGE_IDENTITY: '{"edgeId":"secret-text"}' }, "RONGHE_EDGE_IDENTITY is not usable"],
    ["a short key", { RONGHE_EDGE_KEK: "5f" }, "RONGHE_EDGE_KEK is not usable"],
    ["a core with a path", { RONGHE_CORE_URL: "https://secret-text/path" }, "RONGHE_CORE_URL is not usable"],
    ["no shard", { RONGHE_EDGE_SHARDS: "0" }, "RONGHE_EDGE_SHARDS is not usable"],
    ["brokers that are none", { RONGHE_KAFKA_BROKERS: "secret-text" }, "RONGHE_KAFKA_BROKERS is not usable"],
    ["a bus without brokers", { RONGHE_EDGE_UPLINK: "bus" }, "RONGHE_EDGE_UPLINK=bus needs RONGHE_KAFKA_BROKERS"],
    ["a user without a password", { RONGHE_KAFKA_USERNAME: "secret-text" }, "RONGHE_KAFKA_USERNAME and RONGHE_KAFKA_PASSWORD go together"],
  ];
  it.each(refused)("are refused with %s, by name and never by value", (_what, change, message) => {
    expect(() => readWorkerEnv({ ...good, ...change })).toThrow(new WorkerConfigError(message));
  });
});

describe("the shard of an institution", () => {
  it("is always the same, and depends on how many there are", () => {
    expect(shardOf("H51010400001", 4)).toBe("shard-1-of-4");
    expect(shardOf("H51010400001", 8)).toBe("shard-5-of-8");
    expect(shardOf("收费", 1)).toBe(shardName(0, 1));
  });

  it("has as many institutions as the others, within a tenth", () => {
    const counts = new Map<string, number>();
    for (let n = 0; n < 8_000; n++) {
      const shard = shardOf(`H5101040${String(n).padStart(5, "0")}`, 8);
      counts.set(shard, (counts.get(shard) ?? 0) + 1);
    }
    expect(counts.size).toBe(8);
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(100);
  });
});
