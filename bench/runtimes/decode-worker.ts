/** Decodes in workerd, when it is told to. */
import sm2PrivateModule from "../../core/crypto/wasm/sm2private.wasm";
import sm2VerifyModule from "../../core/crypto/wasm/sm2verify.wasm";
import { loadCrypto } from "../../core/crypto/index.ts";
import { answering } from "../../edge/testing/runtimes/wire.ts";
import { type DecodeRace, makeStreet, prepareDecodes } from "../edge-street.ts";

let race: DecodeRace | undefined;

export default {
  async fetch(request: Request, env: { readonly COUNT: string }): Promise<Response> {
    if (race === undefined) {
      const crypto = await loadCrypto({ sm2VerifyModule, sm2PrivateModule });
      race = await prepareDecodes(crypto, makeStreet(crypto), Number(env.COUNT), true);
    }
    const inside = race;
    return await answering(() => ({ inside }))(request);
  },
};
