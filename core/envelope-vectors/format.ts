/** The file `envelope.json`, as a type. All its keys and secrets were made for testing and protect nothing. */
import type { DialectSettings } from "../protocol/dialects.ts";

export interface EnvelopeVectors {
  readonly about: string;
  /** The example key pair of GM/T 0003.5, hex; the private key signs every vector. */
  readonly privateKey: string;
  /** `04‖x‖y`. */
  readonly publicKey: string;
  /** First 16 characters of it wrap the secret. */
  readonly appId: string;
  readonly appSecret: string;
  readonly tests: readonly EnvelopeVector[];
}

export interface EnvelopeVector {
  readonly tcId: number;
  readonly comment: string;
  readonly signType: "SM2" | "SM3";
  readonly dialect: DialectSettings;
  /** The request as it is sent in the clear, exactly these characters. */
  readonly clear: string;
  /** The same with `encData` in place of `data`. */
  readonly encrypted: string;
  readonly steps: EnvelopeSteps;
  /** `valid`: both forms must be accepted; `invalid`: refused. */
  readonly result: "valid" | "invalid";
}

/** What comes out on the way; bytes are upper-case hex. */
export interface EnvelopeSteps {
  readonly signText: string;
  /** SM3(ENTL ‖ userId ‖ a ‖ b ‖ xG ‖ yG ‖ x ‖ y), GB/T 32918.2 5.5; with signType SM2. */
  readonly za?: string;
  /** What is signed: SM3(ZA ‖ sign text); with signType SM3 the digest that stands in `signData`, SM3(sign text). */
  readonly digest: string;
  /** SM4-ECB-PKCS#7 of the secret under the first 16 characters of appId. */
  readonly wrappedSecret: string;
  /** Its 16 characters that are the key of `encData`, used as ASCII. */
  readonly dataKey: string;
  /** The text under `encData`. */
  readonly plaintext: string;
}
