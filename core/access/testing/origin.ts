/** The one way in which test rigs sign requests as an edge, and have them believed. */
import type { Crypto } from "../../crypto/port.ts";
import { checkOrigin, type OriginKey } from "../../protocol/event-origin.ts";
import { ok, refused } from "../../protocol/result.ts";
import type { OriginCheck } from "../event-origin.ts";

/** Key of the edge `test`, for `withOrigin(crypto, TEST_ORIGIN, record)`. */
export const TEST_ORIGIN: OriginKey = { id: "00000000000000e5", key: new Uint8Array(32).fill(0xe5) };

/** Believes what bears the MAC of {@link TEST_ORIGIN}, of any institution. */
export function testOrigin(crypto: Pick<Crypto, "sm3" | "hmacSm3" | "equal">): OriginCheck {
  return {
    check: (record) => {
      const defect = checkOrigin(crypto, [TEST_ORIGIN], record);
      return Promise.resolve(defect === undefined ? ok(undefined) : refused(defect));
    },
  };
}
