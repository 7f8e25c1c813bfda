import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadCrypto } from "./index.ts";
import { KeyKindError, KeyStoreDamagedError, KeyStoreLockedError, openKeyStore, type KeyStoreUnlock } from "./keystore.ts";
import { keyFromPassphrase } from "./passphrase.ts";
import { UnknownKeyError, type Crypto, type KeyStore } from "./port.ts";
import { jsSm3 } from "./sm3-js.ts";
import { fromBase64, toBase64, toHex, utf8 } from "./text.ts";

const crypto = await loadCrypto();
const clock = { now: () => 1_767_225_600_000 };
const KEK = crypto.random(32);
const aad = utf8("row");

let folder = "";
let file = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "keystore-"));
  file = join(folder, "keys.json");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function openIt(unlock: KeyStoreUnlock = { kek: KEK }, withCrypto: Crypto = crypto): Promise<KeyStore> {
  return openKeyStore({ file, unlock, crypto: withCrypto, clock });
}

interface StoredKey {
  handle: string;
  kind: string;
  createdAtMs: number;
  wrapped: string;
}
interface Stored {
  version: number;
  kdf: { name: string; iterations: number; salt: string } | null;
  check: string;
  keys: StoredKey[];
  mac: string;
}

async function edit(change: (stored: Stored) => void): Promise<void> {
  const stored: Stored = JSON.parse(await readFile(file, "utf8"));
  change(stored);
  await writeFile(file, JSON.stringify(stored));
}

/** The port, keeping every secret that passes through it, to look for them in the file. */
function eavesdropping(heard: Uint8Array[]): Crypto {
  return {
    ...crypto,
    seal(key, plaintext, associated) {
      heard.push(key, plaintext);
      return crypto.seal(key, plaintext, associated);
    },
  };
}

describe("a software key store", () => {
  it("keeps its keys over a restart", async () => {
    const first = await openIt();
    expect(await first.ensure("ledger.sign/1", "sm2")).toBe(true);
    expect(await first.ensure("vault.data/1", "secret")).toBe(true);
    expect(await first.ensure("ehc.security/1", "sm4")).toBe(true);
    expect(await first.ensure("ledger.sign/1", "sm2")).toBe(false);
    const signature = await first.sm2Sign("ledger.sign/1", aad);
    const sealed = await first.seal("vault.data/1", utf8("value"), aad);
    const tag = await first.hmacSm3("vault.data/1", aad, aad);
    const blocks = await first.sm4EncryptBlocks("ehc.security/1", new Uint8Array(32));

    const second = await openIt();
    const publicKey = await second.publicKey("ledger.sign/1");
    expect(crypto.sm2Verify(publicKey, aad, signature)).toBe(true);
    expect(await second.open("vault.data/1", sealed, aad)).toEqual(utf8("value"));
    expect(await second.open("vault.data/1", sealed, utf8("other"))).toBeUndefined();
    expect(await second.hmacSm3("vault.data/1", aad, aad)).toEqual(tag);
    expect(await second.sm4DecryptBlocks("ehc.security/1", blocks)).toEqual(new Uint8Array(32));
    expect(await second.sm2Decrypt("ledger.sign/1", crypto.sm2Encrypt(publicKey, aad))).toEqual(aad);
    expect(await second.list()).toEqual([
      { handle: "ledger.sign/1", kind: "sm2", createdAtMs: clock.now() },
      { handle: "vault.data/1", kind: "secret", createdAtMs: clock.now() },
      { handle: "ehc.security/1", kind: "sm4", createdAtMs: clock.now() },
    ]);
  });

  it("signs under the user id that it is given", async () => {
    const keys = await openIt();
    await keys.ensure("partner.sign/1", "sm2");
    const signature = await keys.sm2Sign("partner.sign/1", aad, "ORG-1");
    expect(crypto.sm2Verify(await keys.publicKey("partner.sign/1"), aad, signature, "ORG-1")).toBe(true);
    expect(crypto.sm2Verify(await keys.publicKey("partner.sign/1"), aad, signature)).toBe(false);
  });

  it("opens with a passphrase, and only with that one", async () => {
    const keys = await openIt({ passphrase: "caf\u00e9 融合" });
    await keys.ensure("vault.data/1", "secret");
    const stored: Stored = JSON.parse(await readFile(file, "utf8"));
    expect(stored.kdf).toMatchObject({ name: "PBKDF2-HMAC-SM3", iterations: 600_000 });
    // The same words with the accent as a character of its own.
    expect(await (await openIt({ passphrase: "cafe\u0301 融合" })).list()).toHaveLength(1);
    await expect(openIt({ passphrase: "cafe 融合" })).rejects.toThrow(KeyStoreLockedError);
    await expect(openIt({ kek: KEK })).rejects.toThrow(KeyStoreLockedError);
    await expect(openIt({ passphrase: "" })).rejects.toThrow(RangeError);
  });

  it("opens with a KEK of 16 or 32 bytes, and only with that one", async () => {
    const short = crypto.random(16);
    await (await openIt({ kek: short })).ensure("vault.data/1", "secret");
    expect(await (await openIt({ kek: short })).list()).toHaveLength(1);
    await expect(openIt({ kek: crypto.random(16) })).rejects.toThrow(KeyStoreLockedError);
    await expect(openIt({ passphrase: "whatever it is" })).rejects.toThrow(KeyStoreLockedError);
    await expect(openIt({ kek: crypto.random(24) })).rejects.toThrow(RangeError);
  });

  it("refuses a wrong KEK while it is still empty", async () => {
    await openIt();
    await expect(openIt({ kek: crypto.random(32) })).rejects.toThrow(KeyStoreLockedError);
  });

  it("names a missing handle, and a key of another kind", async () => {
    const keys = await openIt();
    await keys.ensure("vault.data/1", "secret");
    await expect(keys.sm2Sign("vault.data/2", aad)).rejects.toThrow(UnknownKeyError);
    await expect(keys.sm2Sign("vault.data/1", aad)).rejects.toThrow(KeyKindError);
    await expect(keys.ensure("vault.data/1", "sm2")).rejects.toThrow(KeyKindError);
    await expect(keys.sm4DecryptBlocks("vault.data/1", aad)).rejects.toThrow(KeyKindError);
  });

  it.each(["vault", "vault/0", "vault/x", "/1", "va ult/1", "vault//1", "../1", `${"v".repeat(127)}/1`])(
    "refuses the handle %s",
    async (handle) => {
      await expect((await openIt()).ensure(handle, "secret")).rejects.toThrow(RangeError);
    },
  );

  it("makes one key when several ask at once, in one process or two", async () => {
    const [one, two] = await Promise.all([openIt(), openIt()]);
    const made = await Promise.all([one, two, one, two].map((keys) => keys.ensure("vault.data/1", "secret")));
    expect(made.filter(Boolean)).toHaveLength(1);
    expect(await one.hmacSm3("vault.data/1", aad)).toEqual(await two.hmacSm3("vault.data/1", aad));
    await Promise.all([one.ensure("a/1", "sm4"), two.ensure("b/1", "sm4")]);
    expect(await (await openIt()).list()).toHaveLength(3);
  });
});

function at(stored: Stored, index: number): StoredKey {
  const entry = stored.keys[index];
  if (entry === undefined) throw new Error("no such entry");
  return entry;
}

function flip(base64: string): string {
  const bytes = fromBase64(base64) ?? new Uint8Array(0);
  return toBase64(bytes.map((byte, index) => (index === 20 ? byte ^ 1 : byte)));
}

describe("the key store's file", () => {
  it("never holds a key, in bytes, hex or Base64", async () => {
    const heard: Uint8Array[] = [];
    const keys = await openIt({ kek: KEK }, eavesdropping(heard));
    for (const kind of ["sm2", "sm4", "secret"] as const) await keys.ensure(`${kind}.key/1`, kind);
    const content = await readFile(file);
    const text = content.toString("latin1").toLowerCase();
    expect(heard.length).toBeGreaterThanOrEqual(6);
    for (const secret of [...heard, KEK]) {
      expect(content.includes(Buffer.from(secret))).toBe(false);
      expect(text.includes(toHex(secret))).toBe(false);
      expect(text.includes(toBase64(secret).replaceAll("=", "").toLowerCase())).toBe(false);
    }
  });

  it("is for its owner alone, and leaves nothing beside it", async () => {
    await (await openIt()).ensure("vault.data/1", "secret");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["keys.json"]);
  });

  it("survives a crash in the middle of a write", async () => {
    const keys = await openIt();
    await keys.ensure("vault.data/1", "secret");
    // What a crash before the rename leaves: half of a new file beside the whole old one, and the lock of a process that is gone.
    await writeFile(`${file}.tmp`, (await readFile(file, "utf8")).slice(0, 100));
    await writeFile(`${file}.lock`, "2147483646");
    const again = await openIt();
    expect(await again.ensure("vault.data/2", "secret")).toBe(true);
    expect(await again.list()).toHaveLength(2);
    expect(await readdir(folder)).toEqual(["keys.json"]);
  });

  it.each([
    ["an earlier life with the same process id left", String(process.pid)],
    ["was never named", ""],
  ])("is freed of a lock that %s", async (_, content) => {
    await writeFile(`${file}.lock`, content);
    await utimes(`${file}.lock`, 1_000_000, 1_000_000);
    expect(await (await openIt()).ensure("vault.data/1", "secret")).toBe(true);
  });

  it("keeps the old file when a write fails", async () => {
    const keys = await openIt();
    await keys.ensure("vault.data/1", "secret");
    const before = await readFile(file, "utf8");
    await mkdir(`${file}.tmp`);
    await expect(keys.ensure("vault.data/2", "secret")).rejects.toThrow(/directory/);
    expect(await readFile(file, "utf8")).toBe(before);
    await expect(keys.seal("vault.data/2", aad, aad)).rejects.toThrow(UnknownKeyError);
    await rm(`${file}.tmp`, { recursive: true });
    expect(await keys.ensure("vault.data/2", "secret")).toBe(true);
  });

  it("never receives a key of another length than its kind has", async () => {
    const starved = await openIt({ kek: KEK }, { ...crypto, random: () => new Uint8Array(3) });
    await expect(starved.ensure("vault.data/1", "secret")).rejects.toThrow("a key of kind secret has 32 bytes");
    expect(await (await openIt()).list()).toEqual([]);
  });

  const tampering: readonly (readonly [string, (stored: Stored) => void])[] = [
    ["two wrapped keys exchanged", (s) => ([at(s, 0).wrapped, at(s, 1).wrapped] = [at(s, 1).wrapped, at(s, 0).wrapped])],
    ["two handles exchanged", (s) => ([at(s, 0).handle, at(s, 1).handle] = [at(s, 1).handle, at(s, 0).handle])],
    ["two entries exchanged", (s) => (s.keys = s.keys.toReversed())],
    ["a key taken out", (s) => s.keys.pop()],
    ["a key copied under a new handle", (s) => s.keys.push({ ...at(s, 0), handle: "vault.data/9" })],
    ["a handle twice", (s) => s.keys.push(at(s, 0))],
    ["a kind changed", (s) => (at(s, 0).kind = "sm4")],
    ["an unknown kind", (s) => (at(s, 0).kind = "aes")],
    ["an age changed", (s) => (at(s, 0).createdAtMs += 1)],
    ["an age that is no number", (s) => (at(s, 0).createdAtMs = Number.NaN)],
    ["a wrapped key changed", (s) => (at(s, 0).wrapped = flip(at(s, 0).wrapped))],
    ["the MAC changed", (s) => (s.mac = flip(s.mac))],
    ["Base64 that is not canonical", (s) => (s.mac = `${s.mac}\n`)],
    ["another version", (s) => (s.version = 2)],
    ["a field more", (s) => Object.assign(s, { note: 1 })],
    ["no list of keys", (s) => Object.assign(s, { keys: {} })],
    [
      "passphrase settings of another strength",
      (s) => (s.kdf = { name: "PBKDF2-HMAC-SM3", iterations: 1, salt: toBase64(new Uint8Array(16)) }),
    ],
  ];

  it.each(tampering)("is refused with %s", async (_, change) => {
    const keys = await openIt();
    await keys.ensure("vault.data/1", "secret");
    await keys.ensure("vault.data/2", "secret");
    await edit(change);
    await expect(openIt()).rejects.toThrow(KeyStoreDamagedError);
    await expect(keys.ensure("vault.data/3", "secret")).rejects.toThrow(KeyStoreDamagedError);
  });

  it.each(["", "{", "null", "[]", '{"format":"other"}'])("is refused when it reads %j", async (text) => {
    await writeFile(file, text);
    await expect(openIt()).rejects.toThrow(KeyStoreDamagedError);
    expect(await readFile(file, "utf8")).toBe(text);
  });

  it("is never made anew under a running process", async () => {
    const keys = await openIt();
    await rm(file);
    await expect(keys.ensure("vault.data/1", "secret")).rejects.toThrow(KeyStoreDamagedError);
  });
});

it("derives the same key from a passphrase natively and by the port", async () => {
  const input = { passphrase: "pass", salt: utf8("saltsaltsaltsalt"), iterations: 50 };
  // A port whose HMAC differs makes the native function unusable, and the portable one shows that difference.
  const js: Crypto = { ...crypto, hmacSm3: (key, ...parts) => jsSm3.hmac(key, parts) };
  const odd: Crypto = { ...crypto, hmacSm3: (key, ...parts) => jsSm3.hmac(key, [...parts, utf8("odd")]) };
  const derived = await keyFromPassphrase(crypto, input);
  expect(derived).toHaveLength(32);
  expect(await keyFromPassphrase(js, input)).toEqual(derived);
  expect(await keyFromPassphrase(odd, input)).not.toEqual(derived);
});
