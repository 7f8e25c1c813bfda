/** One case. Bytes are lower-case hexadecimal. */
export interface Sm2VectorTest {
  readonly tcId: number;
  readonly comment: string;
  /** Keys of {@link Sm2Vectors.notes}. */
  readonly flags: readonly string[];
  /** In a group of type `Sm2Verify`: the message M. */
  readonly msg?: string;
  /** In a group of type `Sm2VerifyDigest`: e, 32 bytes, in place of SM3(ZA ‖ M). */
  readonly digest?: string;
  readonly sig: string;
  readonly result: "valid" | "invalid";
}

/** Cases of one key; for a message also of one user id (UTF-8). */
export interface Sm2VectorGroup {
  readonly type: "Sm2Verify" | "Sm2VerifyDigest";
  readonly publicKey: string;
  readonly userId?: string;
  readonly tests: readonly Sm2VectorTest[];
}

/** `sm2_verify.json`; see README.md beside it. */
export interface Sm2Vectors {
  readonly algorithm: "SM2";
  readonly standard: string;
  readonly numberOfTests: number;
  readonly notes: Readonly<Record<string, string>>;
  readonly testGroups: readonly Sm2VectorGroup[];
}
