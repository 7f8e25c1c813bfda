import type { Candidate, Sm2Verify } from "./candidate.ts";
import { toHex } from "./text.ts";

/**
 * sm-crypto, many times slower than the others: the reference in tests and the last resort for verifying. It is imported on use, because
 * its module draws randomness when it loads, which workerd refuses. It never signs for us: its nonces come from an RC4 generator.
 */
export const referenceSm2VerifyCandidate: Candidate<Sm2Verify> = {
  name: "sm-crypto",
  async available() {
    const { default: library } = await import("sm-crypto");
    return {
      prepare(publicKey) {
        const key = toHex(publicKey);
        return (message, signature, userId) =>
          library.sm2.doVerifySignature([...message], toHex(signature), key, { hash: true, der: false, userId });
      },
    };
  },
};
