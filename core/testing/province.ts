/** A small province on real parts, for the tests of the core's rooms: libSQL files, key store, embedded bus. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbeddedBus } from "../../streams/bus/embedded.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import { topicPlan } from "../../streams/contracts/codec.ts";
import { loadCrypto } from "../crypto/index.ts";
import { openKeyStore } from "../crypto/keystore.ts";
import type { Crypto, KeyStore } from "../crypto/port.ts";
import { toHex } from "../protocol/bytes.ts";
import type { Result } from "../protocol/result.ts";
import type { EventMs } from "../protocol/time.ts";
import { type CoreServices, openCoreServices } from "../services.ts";
import type { IssueCode } from "../vault/port.ts";

/** Noon of a working day, UTC+8. */
const START_MS = Date.UTC(2026, 4, 12, 4) as EventMs;

export class SteppedClock {
  #nowMs: EventMs = START_MS;

  now(): EventMs {
    return this.#nowMs;
  }

  advance(ms: number): EventMs {
    this.#nowMs = (this.#nowMs + ms) as EventMs;
    return this.#nowMs;
  }
}

export const HOSPITAL = "H50010100001";
export const OTHER_HOSPITAL = "H50010100002";
export const PHARMACY = "P50010100001";
export const TERMINAL = "T0001";
export const APP = "6401A0001";
export const EDGE = "edge-1";
export const PERSON = { idType: "01", idNo: "11010519491231002X", name: "欧阳明月" } as const;
export const ACCOUNTS = { insurance: "INSACCT-88001", commercial: "COMAUTH-77002", bank: "BANKCTR-66003" } as const;
export const APP_USER = "user-9f31c2";
const BY = "operator/test";

export interface Province {
  readonly folder: string;
  readonly clock: SteppedClock;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly bus: EventBus;
  core: CoreServices;
  /** The edge's HMAC key, as it was shown once. */
  readonly edgeKey: Uint8Array;
  readonly partnerKeys: { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array };
  readonly pseudonym: string;
  readonly personId: string;
  readonly bindingIds: Readonly<Record<keyof typeof ACCOUNTS | "app", string>>;
  issue(more?: Partial<IssueCode>): Promise<string>;
  /** Closes the core as a restart would and opens it again on the same files. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

export const PARTNER = {
  partnerAppId: "19E6E3D8A3B94F6C8E0D1A2B3C4D5E6F",
  partnerSecret: "4A5B6C7D8E9F0A1B2C3D4E5F6A7B8C9D",
  dialect: "standard",
  signType: "SM2",
  encryption: "optional",
  ratePerSecond: 1000,
  rateBurst: 1000,
} as const;

export function valueOf<T>(result: Result<T, string>): T {
  if (!result.ok) throw new Error(`refused: ${result.error}`);
  return result.value;
}

/** The core's services over the files of a folder, made when missing. */
export async function openFolder(folder: string) {
  const clock = new SteppedClock();
  const crypto = await loadCrypto();
  const keys = await openKeyStore({ file: join(folder, "keys.json"), unlock: { kek: new Uint8Array(32).fill(7) }, crypto, clock });
  const bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
  await bus.ensureTopics(topicPlan(1));
  const options = { file: join(folder, "core.db"), platform: "ronghe.test", crypto, keys, bus, clock };
  return { clock, crypto, keys, bus, options, core: await openCoreServices(options) };
}

export async function openProvince(): Promise<Province> {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-core-"));
  const { clock, crypto, keys, bus, options, core } = await openFolder(folder);
  const partnerKeys = crypto.sm2GenerateKeyPair();
  const publicKeys = [toHex(partnerKeys.publicKey)];
  const terminals = [{ termId: TERMINAL, latitude: 29.56, longitude: 106.55 }];
  for (const [orgId, kind] of [
    [HOSPITAL, "hospital"],
    [OTHER_HOSPITAL, "hospital"],
    [PHARMACY, "pharmacy"],
  ] as const) {
    valueOf(await core.access.registerInstitution({ ...PARTNER, orgId, kind, name: "第一人民医院", publicKeys, terminals }, BY));
  }
  valueOf(await core.access.registerApp({ ...PARTNER, appId: APP, name: "健康通", publicKeys }, BY));
  const { authKey } = valueOf(await core.access.registerEdge({ edgeId: EDGE }, BY));
  const person = valueOf(await core.identity.register(PERSON, BY));
  const bind = async (kind: keyof typeof ACCOUNTS): Promise<string> => {
    const insured = kind === "insurance" ? { insuOrg: "500101" } : {};
    const request = { personId: person.personId, kind, accountId: ACCOUNTS[kind], confirmed: true, ...insured };
    return valueOf(await core.vault.bindings.bindAccount(request, BY)).bindingId;
  };
  const bindingIds = {
    insurance: await bind("insurance"),
    commercial: await bind("commercial"),
    bank: await bind("bank"),
    app: valueOf(await core.vault.bindings.bindApp({ personId: person.personId, appId: APP, appUserId: APP_USER }, BY)).bindingId,
  };
  const province: Province = {
    folder,
    clock,
    crypto,
    keys,
    bus,
    core,
    partnerKeys,
    bindingIds,
    edgeKey: authKey,
    pseudonym: person.pseudonym,
    personId: person.personId,
    async issue(more) {
      const request: IssueCode = {
        appId: APP,
        appUserId: APP_USER,
        purpose: "settle",
        form: "signed",
        atMs: clock.now(),
        ...more,
      };
      return valueOf(await province.core.vault.issueCode(request)).code;
    },
    async reopen() {
      await province.core.stop();
      province.core = await openCoreServices(options);
    },
    async close() {
      await province.core.stop();
      await bus.close();
      await rm(folder, {
        recursive: true,
        force: true,
      });
    },
  };
  return province;
}
