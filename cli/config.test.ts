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
  ["RONGHE_EDGE_PORT", "70000"],
  ["RONGHE_EDGE_PORT", "eighty"],
  ["RONGHE_BUS", "rabbit"],
  ["RONGHE_CODE_TTL_S", "301"],
  ["RONGHE_RAILS_PORT", "65533"],
  ["RONGHE_CORE_URL", "nowhere"],
  ["RONGHE_RAIL_BANK_URL", "https://bank.example/api"],
  ["RONGHE_KEY_PASSPHRASE", "short"],
])("%s=%s is refused, naming the variable and not its value", (name, value) => {
  let message = "";
  try {
    readConfig({ [name]: value });
  } catch (error) {
    message = error instanceof UsageError ? error.message : "";
  }
  expect(message).toContain(name);
  if (name === "RONGHE_KEY_PASSPHRASE") expect(message).not.toContain(value);
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
