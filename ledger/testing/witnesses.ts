/** Witnesses under fixed keys, for the tests of policies and cosignatures. */
import { cosignatureMessage, parseNote, printCosignature, type Witness, witnessKey } from "../verifier/note.ts";
import { crypto } from "./platform.ts";

export interface TestWitness extends Witness {
  readonly privateKey: Uint8Array;
  /** Its line over the text of a note. */
  line(note: string, timeS?: bigint): string;
}

export const COSIGNED_AT_S = 1_790_000_000n;

export function testWitness(name: string, seed: number, url?: string): TestWitness {
  const privateKey = new Uint8Array(32).fill(seed);
  const key = witnessKey(crypto.sm3, `witness.example/${name}`, crypto.sm2PublicKey(privateKey));
  return {
    name,
    key,
    privateKey,
    ...(url === undefined ? {} : { url }),
    line(note, timeS = COSIGNED_AT_S) {
      const parsed = parseNote(note);
      if (!parsed.ok) throw new Error(parsed.error.detail);
      return printCosignature(key, timeS, crypto.sm2Sign(privateKey, cosignatureMessage(timeS, parsed.value.text)));
    },
  };
}
