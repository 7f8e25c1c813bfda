/**
 * Who pays, for as long as the insurer may have to be told again: undoing and reversing name the person, a settlement
 * asked again names the token too. Sealed under a key of the core and bound to the leg; the token goes as soon as the
 * settlement counts, everything when it never will.
 */
import { fromHex, toHex, utf8, utf8Text } from "../../../protocol/bytes.ts";
import type { Medium } from "./inputs.ts";
import type { NhsaLeg } from "./store.ts";

/** Authenticated encryption under one key: `KeyStore.seal` and `open` with a handle. */
export interface SealingKey {
  seal(plaintext: Uint8Array, aad: Uint8Array): Promise<Uint8Array>;
  open(sealed: Uint8Array, aad: Uint8Array): Promise<Uint8Array | undefined>;
}

export class MediumSafe {
  readonly #key: SealingKey;

  constructor(key: SealingKey) {
    this.#key = key;
  }

  async put(settlementId: string, medium: Medium): Promise<Uint8Array> {
    return await this.#key.seal(utf8(`${toHex(utf8(medium.psnNo))}/${medium.ecToken}`), aadOf(settlementId));
  }

  /** `undefined`: there is nobody to be named, or the key is another one. */
  async open(leg: Pick<NhsaLeg, "settlementId" | "medium">): Promise<Medium | undefined> {
    if (leg.medium === undefined) return undefined;
    const opened = await this.#key.open(leg.medium, aadOf(leg.settlementId));
    const [person = "", ecToken = ""] = (opened === undefined ? "" : (utf8Text(opened) ?? "")).split("/");
    const psnNo = fromHex(person);
    return psnNo === undefined || psnNo.length === 0 ? undefined : { psnNo: utf8Text(psnNo) ?? "", ecToken };
  }
}

function aadOf(settlementId: string): Uint8Array {
  return utf8(`ronghe.nhsa.medium/v1\n${settlementId}`);
}
