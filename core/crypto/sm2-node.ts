import type { Candidate, Sm2Sign, Sm2Verify } from "./candidate.ts";
import { zaInput } from "./curve.ts";
import { privateKeyToPkcs8, publicKeyToSpki } from "./der.ts";
import { signatureFromDer, signatureToDer } from "./signature-der.ts";
import { Lru } from "./lru.ts";
import { loadNodeCrypto, type NodeCrypto } from "./node-crypto.ts";

const USER_IDS_PER_KEY_MAX = 4;

function zaOf(node: NodeCrypto, publicKey: Uint8Array): (userId: string) => Uint8Array {
  const known = new Lru<Uint8Array>(USER_IDS_PER_KEY_MAX);
  return (userId) => known.get(userId, () => node.createHash("sm3").update(zaInput(publicKey, userId)).digest());
}

/**
 * SM2 by OpenSSL. Node cannot set a user id, and with none OpenSSL's streaming calls hash the message alone: feeding ZA first makes
 * e = SM3(ZA ‖ M), which is GB/T 32918.2. The one-shot `crypto.sign` and `crypto.verify` take an empty user id instead (or plain ECDSA
 * for a key that Node generated) and must never be used. None of this is documented: the known answers decide at start.
 */
export function nodeSm2Sign(node: NodeCrypto): Sm2Sign {
  return {
    prepare(privateKey, publicKey) {
      const der = privateKeyToPkcs8(privateKey, publicKey);
      const key = node.createPrivateKey({ key: Buffer.from(der.buffer), format: "der", type: "pkcs8" });
      der.fill(0);
      const za = zaOf(node, publicKey);
      return (message, userId) => {
        const raw = signatureFromDer(node.createSign("sm3").update(za(userId)).update(message).sign(key));
        if (raw === undefined) throw new Error("OpenSSL gave an SM2 signature that is not DER");
        return raw;
      };
    },
  };
}

/** See {@link nodeSm2Sign}. */
export function nodeSm2Verify(node: NodeCrypto): Sm2Verify {
  return {
    prepare(publicKey) {
      const key = node.createPublicKey({ key: Buffer.from(publicKeyToSpki(publicKey)), format: "der", type: "spki" });
      const za = zaOf(node, publicKey);
      return (message, signature, userId) =>
        node.createVerify("sm3").update(za(userId)).update(message).verify(key, signatureToDer(signature));
    },
  };
}

/** Node only: Deno and Bun refuse the key. */
export const nodeSm2SignCandidate: Candidate<Sm2Sign> = {
  name: "node:crypto",
  async available() {
    const node = await loadNodeCrypto();
    return node === undefined || !node.getCurves().includes("SM2") ? undefined : nodeSm2Sign(node);
  },
};

/** Node only: Deno and Bun refuse the key. */
export const nodeSm2VerifyCandidate: Candidate<Sm2Verify> = {
  name: "node:crypto",
  async available() {
    const node = await loadNodeCrypto();
    return node === undefined || !node.getCurves().includes("SM2") ? undefined : nodeSm2Verify(node);
  },
};
