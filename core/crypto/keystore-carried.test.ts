import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadCrypto } from "./index.ts";
import { carryKeyStore, openCarriedKeyStore } from "./keystore-carried.ts";
import { KeyStoreDamagedError, KeyStoreLockedError, openKeyStore, type KeyStoreUnlock } from "./keystore.ts";
import { UnknownKeyError, type Crypto, type KeyStore } from "./port.ts";
import { toHex, utf8 } from "./text.ts";

const KEK = new Uint8Array(32).fill(5);
const HANDLES = ["edge.reply/1", "edge.data/1"];
let crypto: Crypto;
let folder: string;
let file: string;
const unlock: KeyStoreUnlock = { passphrase: "correct horse battery" };
let home: KeyStore;

beforeAll(async () => {
  crypto = await loadCrypto();
  folder = await mkdtemp(join(tmpdir(), "ronghe-carried-"));
  file = join(folder, "keys.json");
  home = await openKeyStore({ file, unlock, crypto, clock: { now: () => 1_780_000_000_000 } });
  await home.ensure("edge.reply/1", "sm2");
  await home.ensure("edge.data/1", "secret");
  await home.ensure("core.other/1", "secret");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const carry = (kek = KEK, handles = HANDLES) => carryKeyStore({ file, unlock, handles, kek, crypto });

it("does with its keys what the store at home does, and has no others", async () => {
  const before = await readFile(file, "utf8");
  const carried = await openCarriedKeyStore({ text: await carry(), kek: KEK, crypto });
  expect(await readFile(file, "utf8")).toBe(before);
  expect((await carried.list()).map(({ handle }) => handle)).toEqual(HANDLES);
  const publicKey = await home.publicKey("edge.reply/1");
  expect(toHex(await carried.publicKey("edge.reply/1"))).toBe(toHex(publicKey));
  expect(crypto.sm2Verify(publicKey, utf8("m"), await carried.sm2Sign("edge.reply/1", utf8("m")))).toBe(true);
  const sealed = await home.seal("edge.data/1", utf8("bundle"), utf8("aad"));
  expect(await carried.open("edge.data/1", sealed, utf8("aad"))).toEqual(utf8("bundle"));
  await expect(carried.seal("core.other/1", utf8("x"), utf8(""))).rejects.toBeInstanceOf(UnknownKeyError);
});

it("makes no keys", async () => {
  const carried = await openCarriedKeyStore({ text: await carry(), kek: KEK, crypto });
  expect(await carried.ensure("edge.data/1", "secret")).toBe(false);
  await expect(carried.ensure("edge.data/2", "secret")).rejects.toBeInstanceOf(UnknownKeyError);
  await expect(carried.ensure("no handle", "secret")).rejects.toBeInstanceOf(RangeError);
});

it("opens under its own key alone, and not when it was changed", async () => {
  const text = await carry();
  await expect(openCarriedKeyStore({ text, kek: new Uint8Array(32), crypto })).rejects.toBeInstanceOf(KeyStoreLockedError);
  const fewer = JSON.stringify({ ...(JSON.parse(text) as { keys: unknown[] }), keys: [] });
  await expect(openCarriedKeyStore({ text: fewer, kek: KEK, crypto })).rejects.toBeInstanceOf(KeyStoreDamagedError);
  await expect(openCarriedKeyStore({ text: await readFile(file, "utf8"), kek: KEK, crypto })).rejects.toBeInstanceOf(KeyStoreLockedError);
});

it("is refused for a store that does not open, is not there or lacks a key", async () => {
  await expect(carry(KEK, ["edge.none/1"])).rejects.toBeInstanceOf(RangeError);
  const wrong = carryKeyStore({ file, unlock: { passphrase: "wrong horse battery" }, handles: HANDLES, kek: KEK, crypto });
  await expect(wrong).rejects.toBeInstanceOf(KeyStoreLockedError);
  const none = carryKeyStore({ file: join(folder, "none.json"), unlock, handles: HANDLES, kek: KEK, crypto });
  await expect(none).rejects.toBeInstanceOf(KeyStoreDamagedError);
});
