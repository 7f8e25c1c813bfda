import { expect, test } from "vitest";
import { describeConfig, readConfig, SETTING_NAMES, UsageError } from "./config.ts";

test("an empty environment gives the embedded platform on loopback", () => {
  expect(readConfig({})).toMatchObject({ RONGHE_BUS: "embedded", RONGHE_HOST: "127.0.0.1", RONGHE_EDGE_PORT: 8787, RONGHE_CODE_TTL_S: 60 });
});

test("variables of others are not looked at", () => {
  expect(() => readConfig({ PATH: "/bin", HOME: "/root" })).not.toThrow();
});

test("a misspelt setting is refused by name", () => {
  expect(() => readConfig({ RONGHE_EDGEPORT: "1" })).toThrow(
    new UsageError("RONGHE_EDGEPORT is not a setting of Ronghe; `ronghe config` lists them"),
  );
});

test.each([
  ["RONGHE_EDGE_PORT", "70000", "a whole number from 0 to 65,535"],
  ["RONGHE_EDGE_PORT", "eighty", "a whole number from 0 to 65,535"],
  ["RONGHE_BUS", "rabbit", '("embedded" | "kafka")'],
  ["RONGHE_CODE_TTL_S", "301", "a whole number from 1 to 300"],
  ["RONGHE_RAILS_PORT", "65533", "a whole number from 0 to 65,532"],
  ["RONGHE_CORE_URL", "nowhere", "an address, such as https://host:port"],
  ["RONGHE_RAIL_BANK_URL", "https://bank.example/api", "an address without a path, such as https://host:port"],
  ["RONGHE_TRACE_SAMPLE", "1.5", "a share from 0 to 1, such as 0.05"],
  ["RONGHE_KEY_PASSPHRASE", "short", "12 characters or more"],
])("%s=%s is refused, naming the variable and what was wanted", (name, value, wanted) => {
  let message = "";
  try {
    readConfig({ [name]: value });
  } catch (error) {
    message = error instanceof UsageError ? error.message : "";
  }
  expect(message).toBe(`${name} is not usable: wanted ${wanted}`);
});

test("Kafka needs brokers", () => {
  expect(() => readConfig({ RONGHE_BUS: "kafka" })).toThrow("RONGHE_BUS=kafka needs RONGHE_KAFKA_BROKERS");
  expect(readConfig({ RONGHE_BUS: "kafka", RONGHE_KAFKA_BROKERS: "a:1, b:2" }).RONGHE_KAFKA_BROKERS).toEqual(["a:1", "b:2"]);
});

test("what is printed hides secrets and lists every setting that is set", () => {
  const printed = describeConfig(readConfig({ RONGHE_KEY_PASSPHRASE: "correct horse battery" }));
  expect(JSON.stringify(printed)).not.toContain("horse");
  expect(printed["RONGHE_KEY_PASSPHRASE"]).toBe("(set, hidden)");
  for (const name of Object.keys(printed)) expect(SETTING_NAMES).toContain(name);
});
