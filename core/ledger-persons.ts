/**
 * Who a person is in the ledger's commitments: HMAC-SM3 of the streams' pseudonym under a key of its own (domain notes
 * 6.3), so that a disclosed value leads into no topic, and a topic opens no commitment.
 */
import type { Crypto, KeyStore } from "./crypto/port.ts";
import { KEY_HANDLES } from "./key-handles.ts";
import { toHex, utf8 } from "./protocol/bytes.ts";

/** Gives the name that entries commit to for a pseudonym, hex. The key is made when it is missing. */
export async function ledgerPersons(crypto: Pick<Crypto, "hmacSm3">, keys: KeyStore): Promise<(pseudonym: string) => string> {
  await keys.ensure(KEY_HANDLES.ledgerPerson, "secret");
  // Derived once: a name is made for every entry, on the hot path.
  const key = await keys.hmacSm3(KEY_HANDLES.ledgerPerson, utf8("ronghe.ledger.person/v1"));
  return (pseudonym) => toHex(crypto.hmacSm3(key, utf8(pseudonym)));
}
