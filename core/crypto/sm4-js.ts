import { sm4 } from "sm-crypto-v2";
import type { Candidate, Sm4 } from "./candidate.ts";

const ECB = { padding: "none", output: "array" } as const;

/** SM4 in JavaScript (sm-crypto-v2). It copies its input, and pads nothing here. */
export const jsSm4: Sm4 = {
  ecbEncrypt: (key, blocks) => sm4.encrypt(blocks, key, ECB),
  ecbDecrypt: (key, blocks) => sm4.decrypt(blocks, key, ECB),
  cbcEncrypt: (key, iv, blocks) => sm4.encrypt(blocks, key, { ...ECB, mode: "cbc", iv }),
  cbcDecrypt: (key, iv, blocks) => sm4.decrypt(blocks, key, { ...ECB, mode: "cbc", iv }),
};

/** JavaScript, for every runtime. */
export const jsSm4Candidate: Candidate<Sm4> = { name: "sm-crypto-v2", available: async () => jsSm4 };
