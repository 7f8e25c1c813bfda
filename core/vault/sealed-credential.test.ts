import { expect, it } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import { toBase64, utf8 } from "../protocol/bytes.ts";
import { createCredentialOpener } from "./sealed-credential.ts";

it("asks again for a data key after the key store failed once", async () => {
  const crypto = await loadCrypto();
  const pair = crypto.sm2GenerateKeyPair();
  const dataKey = crypto.random(32);
  const bound = { institution: "H1", outTradeNo: "1" };
  const sealed = {
    kind: "code",
    keyHandle: "edge.seal/1",
    wrappedKey: toBase64(crypto.sm2Encrypt(pair.publicKey, dataKey)),
    sealed: toBase64(crypto.seal(dataKey, utf8("a code"), utf8("H1\n1"))),
  } as const;
  let calls = 0;
  const sm2Decrypt = async (_handle: string, ciphertext: Uint8Array): Promise<Uint8Array | undefined> => {
    calls++;
    if (calls === 1) throw new Error("the device is busy");
    return crypto.sm2Decrypt(pair.privateKey, ciphertext);
  };
  const open = createCredentialOpener({ crypto, keys: { sm2Decrypt } });
  await expect(open(sealed, bound)).rejects.toThrow("busy");
  expect(await open(sealed, bound)).toEqual({ ok: true, value: { kind: "code", value: "a code" } });
  expect((await open(sealed, bound)).ok).toBe(true);
  expect(calls).toBe(2);
});
