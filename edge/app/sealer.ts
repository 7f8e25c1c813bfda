/**
 * Seals codes and ecTokens for the core alone. SM2 is paid once per data key: a fresh key every few minutes or uses,
 * wrapped under the core's public key; each credential is then `Crypto.seal` under it, bound to institution and
 * transaction number. The edge keeps the data key in memory only and cannot open what it sealed after a restart.
 */
import type { Crypto } from "../../core/crypto/port.ts";
import { concatBytes, toBase64, utf8 } from "../../core/protocol/bytes.ts";
import type { SealedCredential } from "../../core/protocol/internal.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import type { EdgeView, Sealer } from "../ports.ts";

const DATA_KEY_BYTES = 32;
const DATA_KEY_MS_MAX = 5 * 60_000;
const DATA_KEY_USES_MAX = 20_000;
const LINE_FEED = new Uint8Array([0x0a]);

interface DataKey {
  readonly key: Uint8Array;
  readonly wrapped: string;
  readonly handle: string;
  readonly wrappedFor: Uint8Array;
  readonly madeAtMs: number;
  uses: number;
}

export function createSealer(crypto: Crypto): Sealer {
  let current: DataKey | undefined;

  function dataKey(view: EdgeView, nowMs: EventMs): DataKey {
    const { handle } = view.bundle.sealKey;
    const fits =
      current !== undefined &&
      current.handle === handle &&
      crypto.equal(current.wrappedFor, view.sealPublicKey) &&
      current.uses < DATA_KEY_USES_MAX &&
      Math.abs(nowMs - current.madeAtMs) < DATA_KEY_MS_MAX;
    if (current !== undefined && fits) return current;
    const key = crypto.random(DATA_KEY_BYTES);
    const wrapped = toBase64(crypto.sm2Encrypt(view.sealPublicKey, key, "C1C3C2"));
    current = { key, wrapped, handle, wrappedFor: view.sealPublicKey, madeAtMs: nowMs, uses: 0 };
    return current;
  }

  return {
    seal(view, { kind, value, institution, outTradeNo, nowMs }): SealedCredential {
      const key = dataKey(view, nowMs);
      key.uses++;
      const aad = concatBytes(utf8(institution), LINE_FEED, utf8(outTradeNo));
      return { kind, keyHandle: key.handle, wrappedKey: key.wrapped, sealed: toBase64(crypto.seal(key.key, utf8(value), aad)) };
    },
  };
}
