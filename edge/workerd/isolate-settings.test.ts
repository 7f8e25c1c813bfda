import { expect, test } from "vitest";
import type { EventMs } from "../../core/protocol/time.ts";
import { makeBundle, makeKeys, START_MS, testCrypto } from "../testing/platform.ts";
import type { SettingsAnswer, WorkerEnv } from "./bindings.ts";
import { IsolateSettings } from "./isolate-settings.ts";

const crypto = await testCrypto();
const keys = makeKeys(crypto);
const MINUTE_MS = 60_000;

/** An isolate before a settings object that is at a version, or away. */
function isolate(): {
  readonly settings: IsolateSettings;
  readonly object: { version: number | undefined; asked: number };
  at(ms: number): void;
} {
  const object: { version: number | undefined; asked: number } = { version: 1, asked: 0 };
  let nowMs: EventMs = START_MS;
  const current = async (known: number | undefined): Promise<SettingsAnswer> => {
    object.asked++;
    if (object.version === undefined) throw new Error("the object is away");
    return object.version === known ? {} : { bundle: makeBundle(keys, [], { version: object.version }) };
  };
  const namespace = { idFromName: () => ({ equals: () => true }), get: () => ({ current }) };
  const settings = new IsolateSettings({ SETTINGS: namespace } as unknown as WorkerEnv, crypto, () => nowMs);
  return { settings, object, at: (ms) => void (nowMs = (START_MS + ms) as EventMs) };
}

test("an isolate asks once and answers by what it has while that is fresh", async () => {
  const { settings, object, at } = isolate();
  await settings.ensure();
  at(20_000);
  await settings.ensure();
  expect([settings.current()?.bundle.version, object.asked, settings.stale]).toEqual([1, 1, true]);
});

test("an isolate that nobody called for an hour asks before it judges a call", async () => {
  const { settings, object, at } = isolate();
  await settings.ensure();
  object.version = 2;
  at(60 * MINUTE_MS);
  await settings.ensure();
  expect(settings.current()?.bundle.version).toBe(2);
});

test("an isolate whose settings object is away goes on with what it has, and with nothing serves nobody", async () => {
  const { settings, object, at } = isolate();
  object.version = undefined;
  await expect(settings.ensure()).rejects.toThrow("the object is away");
  object.version = 1;
  await settings.ensure();
  object.version = undefined;
  at(60 * MINUTE_MS);
  await settings.ensure();
  expect(settings.current()?.bundle.version).toBe(1);
  expect(settings.stale).toBe(false);
});
