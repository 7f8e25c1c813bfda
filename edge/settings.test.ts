import { beforeAll, describe, expect, test } from "vitest";
import type { Crypto } from "../core/crypto/port.ts";
import { bundleKeyId } from "../core/protocol/bundle-keys.ts";
import { toHex, utf8 } from "../core/protocol/bytes.ts";
import type { EdgeBundle } from "../core/protocol/internal.ts";
import type { SignedBundle } from "./app/core-client.ts";
import type { EdgeNotice } from "./ports.ts";
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
  const accept = { versionMin: 5, nowMs: START_MS, edgeId: "e1" };
  test.each([
    ["unsigned", () => ({ ...signed({ version: 5 }), signature: "00".repeat(64) })],
    ["unsigned", () => signed({ version: 5 }, keys.reply)],
    ["unsigned", () => ({ ...signed({ version: 5 }), bundle: signed({ version: 6 }).bundle })],
    ["otherEdge", () => signed({ version: 5, edgeId: "e2" })],
    ["older", () => signed({ version: 4 })],
    ["expired", () => signed({ version: 5, expiresAtMs: START_MS })],
    ["malformed", () => signed({ version: 5, codeKeys: ["00"] })],
  ] as const)("when %s", (defect, make) => {
    expect(checkBundle(crypto, [keys.platform.publicKey], make(), accept)).toEqual({ ok: false, error: defect });
  });
});

describe("settings", () => {
  test("measure the clock against the core's, as far as the time of waiting allows, say when it becomes wrong and when it is right, and are measured also where the core refuses it", async () => {
    const clock = testClock();
    const notices: EdgeNotice[] = [];
    let [coreAheadMs, version] = [0, 10];
    let waitMs = 0;
    const settings = await openSettings({
      crypto,
      clock,
      edgeId: "e1",
      platformKey: keys.platform.publicKey,
      cache: memoryCache(),
      fetchBundle: () => {
        clock.advance(waitMs);
        const coreAtMs = clock.now() + coreAheadMs - waitMs / 2;
        return Promise.resolve(Math.abs(coreAheadMs) > 120_000 ? { coreAtMs } : signed({ version: ++version, issuedAtMs: coreAtMs }));
      },
      notice: (notice) => notices.push(notice),
    });
    const measured = async (aheadMs: number, waitsMs = 0): Promise<number | undefined> => {
      [coreAheadMs, waitMs] = [aheadMs, waitsMs];
      await settings.refresh();
      return settings.state().clockSkewMs;
    };
    expect(await measured(0)).toBe(0);
    // Twelve seconds of waiting prove nothing about six.
    expect(await measured(5_000, 12_000)).toBe(0);
    expect(await measured(70_000)).toBe(-70_000);
    expect(await measured(600_000)).toBe(-600_000);
    expect(await measured(700_000)).toBe(-700_000);
    expect(await measured(700_001)).toBe(-700_001);
    expect(notices).toMatchObject([{ notice: "clock.wrong", clockSkewMs: -70_000 }]);
    expect(await measured(0)).toBe(0);
    expect(notices.at(-1)).toMatchObject({ notice: "clock.right" });
    await settings.stop();
  });

  test("start from the core, follow newer versions, and keep the last good one when the core is away", async () => {
    let offered: SignedBundle | undefined = signed({ version: 1 });
    const cache = memoryCache();
    const clock = testClock();
    const options = {
      crypto,
      clock,
      edgeId: "e1",
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
    const options = { crypto, clock: testClock(), edgeId: "e1", platformKey: keys.platform.publicKey, cache };
    const settings = await openSettings({ ...options, fetchBundle: () => Promise.resolve(signed({ version: 8 })) });
    expect(settings.current()).toBeUndefined();
    await settings.stop();
  });

  test("that cannot be kept on the disk hold, and are said not to be kept", async () => {
    const cache = { ...memoryCache(), save: () => Promise.reject(new Error("database or disk is full")) };
    const options = { crypto, clock: testClock(), edgeId: "e1", platformKey: keys.platform.publicKey, cache };
    const settings = await openSettings({ ...options, fetchBundle: () => Promise.resolve(signed({ version: 8 })) });
    expect(settings.current()?.bundle.version).toBe(8);
    expect(settings.state().refused?.reason).toBe("unsaved");
    await settings.stop();
  });

  test("say what was refused, once it is, and for how long it stands", async () => {
    let offered: SignedBundle | undefined = signed({ version: 5 });
    const notices: EdgeNotice[] = [];
    const clock = testClock();
    const settings = await openSettings({
      crypto,
      clock,
      edgeId: "e1",
      platformKey: keys.platform.publicKey,
      cache: memoryCache(),
      fetchBundle: () => Promise.resolve(offered),
      notice: (notice) => notices.push(notice),
    });
    expect(settings.state()).toEqual({ contact: { ok: true, atMs: START_MS }, takenAtMs: START_MS, clockSkewMs: 0 });
    offered = signed({ version: 9 }, keys.reply);
    clock.advance(1_000);
    await settings.refresh();
    expect(settings.state().refused).toEqual({ reason: "unsigned", atMs: START_MS + 1_000 });
    expect(notices).toEqual([{ atMs: START_MS + 1_000, edge: "e1", notice: "bundle.refused", reason: "unsigned" }]);
    offered = undefined;
    await settings.refresh();
    expect(settings.state()).toMatchObject({ contact: { ok: false }, refused: { reason: "unsigned" }, takenAtMs: START_MS });
    offered = signed({ version: 6, issuedAtMs: START_MS - 6_000 });
    await settings.refresh();
    expect(settings.state()).toEqual({ contact: { ok: true, atMs: START_MS + 1_000 }, takenAtMs: START_MS + 1_000, clockSkewMs: 7_000 });
    await settings.stop();
  });
});

const hex = (pair: { readonly publicKey: Uint8Array }): string => toHex(pair.publicKey);

describe("the key that signs bundles", () => {
  test("is replaced by overlap, without a restart, and what it signed before counts no more once it is retired", async () => {
    const [first, second] = [keys.platform, crypto.sm2GenerateKeyPair()];
    const both = { bundleKeys: [hex(second), hex(first)] };
    let offered = signed({ version: 1, bundleKeys: [hex(first)] });
    const asked: (readonly string[])[] = [];
    const cache = memoryCache();
    const options = {
      crypto,
      clock: testClock(),
      edgeId: "e1",
      platformKey: first.publicKey,
      cache,
      fetchBundle: (trusts: readonly string[]) => {
        asked.push(trusts);
        return Promise.resolve(offered);
      },
    };
    const settings = await openSettings(options);
    offered = signed({ version: 2, bundleKeys: [hex(second)] }, second);
    expect(await settings.refresh()).toEqual({ ok: false, error: "unsigned" });
    offered = signed({ version: 2, ...both });
    expect(await settings.refresh()).toEqual({ ok: true, value: 2 });
    offered = signed({ version: 3, ...both }, second);
    expect(await settings.refresh()).toEqual({ ok: true, value: 3 });
    expect(asked.at(-1)).toEqual([second, first].map(({ publicKey }) => bundleKeyId(crypto, publicKey)));
    offered = signed({ version: 4, bundleKeys: [hex(second)] }, second);
    expect(await settings.refresh()).toEqual({ ok: true, value: 4 });
    // Whoever still holds the retired key cannot speak for the platform any more.
    offered = signed({ version: 5, bundleKeys: [hex(first)] });
    expect(await settings.refresh()).toEqual({ ok: false, error: "unsigned" });
    await settings.stop();

    const again = await openSettings(options);
    expect(again.current()?.bundle.version).toBe(4);
    expect(asked.at(-1)).toEqual([bundleKeyId(crypto, second.publicKey)]);
    await again.stop();
  });

  test("is verified again when the cache is read: what somebody put there is not believed", async () => {
    const second = crypto.sm2GenerateKeyPair();
    const pinned = toHex(keys.platform.publicKey);
    const forged = signed({ version: 7 }, second);
    const start = async (text: object) => {
      const cache = memoryCache();
      cache.held = { version: 7, text: JSON.stringify(text) };
      const notices: EdgeNotice[] = [];
      const settings = await openSettings({
        crypto,
        clock: testClock(),
        edgeId: "e1",
        platformKey: keys.platform.publicKey,
        cache,
        fetchBundle: () => Promise.resolve(undefined),
        notice: (notice) => notices.push(notice),
      });
      await settings.stop();
      return { version: settings.current()?.bundle.version, reasons: notices.map((one) => one.notice === "bundle.refused" && one.reason) };
    };
    expect(await start({ pinned, trusted: [pinned], ...signed({ version: 7 }) })).toEqual({ version: 7, reasons: [] });
    expect(await start({ pinned, trusted: [pinned], ...forged })).toEqual({ version: undefined, reasons: ["unsigned"] });
    expect(await start({ pinned, trusted: [pinned], ...signed({ version: 7, edgeId: "e2" }) })).toMatchObject({ reasons: ["otherEdge"] });
    expect(await start({ pinned, trusted: [pinned], ...signed({ version: 7, expiresAtMs: START_MS }) })).toMatchObject({
      reasons: ["expired"],
    });
    // An edge that was pinned anew forgets whom it came to trust before.
    expect(await start({ pinned: hex(second), trusted: [hex(second)], ...forged })).toEqual({ version: undefined, reasons: ["malformed"] });
  });
});
