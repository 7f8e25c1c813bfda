import { beforeAll, describe, expect, test } from "vitest";
import type { Crypto } from "../core/crypto/port.ts";
import { toHex, utf8 } from "../core/protocol/bytes.ts";
import type { EdgeBundle } from "../core/protocol/internal.ts";
import type { SignedBundle } from "./app/core-client.ts";
import { type BundleCache, checkBundle, openSettings } from "./settings.ts";
import { type Keys, makeBundle, makeKeys, START_MS, testClock, testCrypto } from "./testing/platform.ts";

let crypto: Crypto;
let keys: Keys;
beforeAll(async () => {
  crypto = await testCrypto();
  keys = makeKeys(crypto);
});

function signed(over: Partial<EdgeBundle> = {}, by = keys.platform): SignedBundle {
  const bundle = JSON.stringify(makeBundle(keys, [], over));
  return { bundle, signature: toHex(crypto.sm2Sign(by.privateKey, utf8(bundle))) };
}

function memoryCache(): BundleCache & { held?: { version: number; text: string } } {
  const cache: BundleCache & { held?: { version: number; text: string } } = {
    load: () => Promise.resolve(cache.held),
    save: (version, text) => {
      cache.held = { version, text };
      return Promise.resolve();
    },
  };
  return cache;
}

describe("a bundle is refused", () => {
  const accept = { versionMin: 5, nowMs: START_MS };
  test.each([
    ["unsigned", () => ({ ...signed({ version: 5 }), signature: "00".repeat(64) })],
    ["unsigned", () => signed({ version: 5 }, keys.reply)],
    ["unsigned", () => ({ ...signed({ version: 5 }), bundle: signed({ version: 6 }).bundle })],
    ["older", () => signed({ version: 4 })],
    ["expired", () => signed({ version: 5, expiresAtMs: START_MS })],
    ["malformed", () => signed({ version: 5, codeKeys: ["00"] })],
  ] as const)("when %s", (defect, make) => {
    expect(checkBundle(crypto, keys.platform.publicKey, make(), accept)).toEqual({ ok: false, error: defect });
  });
});

describe("settings", () => {
  test("start from the core, follow newer versions, and keep the last good one when the core is away", async () => {
    let offered: SignedBundle | undefined = signed({ version: 1 });
    const cache = memoryCache();
    const clock = testClock();
    const options = {
      crypto,
      clock,
      platformKey: keys.platform.publicKey,
      cache,
      fetchBundle: () => Promise.resolve(offered),
      refreshMs: 60_000,
    };
    const settings = await openSettings(options);
    expect(settings.current()?.bundle.version).toBe(1);
    offered = signed({ version: 2 });
    expect(await settings.refresh()).toEqual({ ok: true, value: 2 });
    offered = signed({ version: 1 });
    expect(await settings.refresh()).toEqual({ ok: false, error: "older" });
    offered = undefined;
    expect(await settings.refresh()).toEqual({ ok: false, error: "unreachable" });
    expect(settings.current()?.bundle.version).toBe(2);
    await settings.stop();

    const alone = await openSettings(options);
    expect(alone.current()?.bundle.version).toBe(2);
    offered = signed({ version: 1 });
    expect(await alone.refresh()).toEqual({ ok: false, error: "older" });
    clock.advance(8 * 86_400_000);
    expect(alone.current()).toBeUndefined();
    await alone.stop();
  });

  test("a damaged cache gives no settings, and no way back to an older version", async () => {
    const cache = memoryCache();
    cache.held = { version: 9, text: "" };
    const options = { crypto, clock: testClock(), platformKey: keys.platform.publicKey, cache };
    const settings = await openSettings({ ...options, fetchBundle: () => Promise.resolve(signed({ version: 8 })) });
    expect(settings.current()).toBeUndefined();
    await settings.stop();
  });
});
