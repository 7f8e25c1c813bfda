/** The three payers of a core, each through its own adapter. */
import type { Crypto, KeyStore } from "../../crypto/port.ts";
import type { Clock } from "../../protocol/time.ts";
import { openDatabase, type StorageObserver } from "../../../migrations/database.ts";
import { HUNAN } from "../split/profile.ts";
import { Exchange, type ExchangeLimits } from "./exchange.ts";
import { createHttpRail } from "./http-rail.ts";
import type { NhsaSettings } from "./nhsa/desk.ts";
import { InsuranceRail } from "./nhsa/insurance-rail.ts";
import type { SealingKey } from "./nhsa/medium-safe.ts";
import { Msgids } from "./nhsa/msgids.ts";
import { NhsaStore } from "./nhsa/store.ts";
import type { Payers } from "./port.ts";

export interface PayersOptions {
  readonly storage?: StorageObserver | undefined;
  readonly urls: { readonly insurance: string; readonly commercial: string; readonly bank: string };
  /** libSQL file in which the insurance adapter remembers its messages. */
  readonly file: string;
  readonly sealing: SealingKey;
  readonly clock: Clock;
  /** Longest wait for one answer, 3,000 ms by default. */
  readonly timeoutMs?: number;
  readonly limits?: Partial<ExchangeLimits>;
  readonly nhsa?: Partial<NhsaSettings>;
}

export const NHSA_SETTINGS: NhsaSettings = {
  profile: HUNAN,
  receiverSystem: "RONGHE",
  version: "V1.0",
  operator: { type: "2", id: "ronghe", name: "融合平台" },
  deviceNo: "",
  deviceSafeInfo: "",
  cainfo: "",
  signtype: "",
  institutionName: (institution) => institution,
  sendsMax: 2,
};

export async function openPayers(options: PayersOptions): Promise<Payers> {
  const { urls, clock, sealing, timeoutMs } = options;
  const limits = { ...options.limits, ...(timeoutMs === undefined ? {} : { answerMs: timeoutMs }) };
  const db = await openDatabase({ kind: "rails", file: options.file, storage: options.storage });
  const insurance = new InsuranceRail({
    exchange: new Exchange(urls.insurance, limits),
    store: new NhsaStore(db),
    msgids: new Msgids(db),
    sealing,
    clock,
    settings: { ...NHSA_SETTINGS, ...options.nhsa },
  });
  return {
    insurance,
    commercial: createHttpRail({ name: "commercial", url: urls.commercial, limits }),
    bank: createHttpRail({ name: "bank", url: urls.bank, limits }),
  };
}

/** A key of the core's key store, by its handle. */
export function sealingKey(keys: Pick<KeyStore, "seal" | "open">, handle: string): SealingKey {
  return {
    seal: (plaintext, aad) => keys.seal(handle, plaintext, aad),
    open: (sealed, aad) => keys.open(handle, sealed, aad),
  };
}

/** A key of 32 bytes held in memory: tests and benchmarks. */
export function rawSealingKey(crypto: Pick<Crypto, "seal" | "open">, key: Uint8Array): SealingKey {
  return {
    seal: (plaintext, aad) => Promise.resolve(crypto.seal(key, plaintext, aad)),
    open: (sealed, aad) => Promise.resolve(crypto.open(key, sealed, aad)),
  };
}
