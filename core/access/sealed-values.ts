import type { KeyStore } from "../crypto/port.ts";
import { SEALING, SEALING_VERSION, sealedColumn } from "../key-handles.ts";

export interface SealedValue {
  readonly keyHandle: string;
  readonly sealed: Uint8Array;
}

/** Seals a value for its place; it opens in no other row or column. */
export async function sealValue(keys: KeyStore, place: SealedPlace, value: Uint8Array): Promise<SealedValue> {
  const keyHandle = `${SEALING.access}/${SEALING_VERSION}`;
  return { keyHandle, sealed: await keys.seal(keyHandle, value, aadOf(place)) };
}

/** Throws when the value does not open: wrong key store, or a database that was changed. */
export async function openValue(keys: KeyStore, place: SealedPlace, { keyHandle, sealed }: SealedValue): Promise<Uint8Array> {
  const opened = await keys.open(keyHandle, sealed, aadOf(place));
  if (opened === undefined) throw new Error(`a value sealed under ${keyHandle} does not open: wrong key store or altered database`);
  return opened;
}

interface SealedPlace {
  readonly table: string;
  readonly column: string;
  readonly row: string;
}

function aadOf({ table, column, row }: SealedPlace): Uint8Array {
  return sealedColumn(table, column, row, SEALING_VERSION);
}
