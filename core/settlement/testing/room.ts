/**
 * The room itself, put together as the core does it, on a folder that outlives it. Only the vault is a table in memory:
 * a credential names its person there by its own text.
 */
import { join } from "node:path";
import { TEST_ORIGIN, testOrigin } from "../../access/testing/origin.ts";
import type { Crypto } from "../../crypto/port.ts";
import { fromBase64, toBase64, toHex, utf8, utf8Text } from "../../protocol/bytes.ts";
import type { ErrorName } from "../../protocol/errors.ts";
import { withOrigin } from "../../protocol/event-origin.ts";
import { ok, refused, type Result } from "../../protocol/result.ts";
import { type Clock, systemClock } from "../../protocol/time.ts";
import type { AccountBindings, DeTokenise } from "../../vault/port.ts";
import { openLog } from "../../../ledger/log.ts";
import { type Database, openDatabase } from "../../../migrations/database.ts";
import type { EventBus } from "../../../streams/bus/port.ts";
import { encodeEvent } from "../../../streams/contracts/codec.ts";
import type { EventData } from "../../../streams/contracts/topics.ts";
import { openPayers, rawSealingKey } from "../rails/payers.ts";
import type { Rail } from "../rails/port.ts";
import type { OpenCredential } from "../saga.ts";
import { openShard, type Shard } from "../shard.ts";
import { type SettlementLimits, type SettlementWorker, startSettlement } from "../worker.ts";

export const INSTITUTION = "H51010400001";
export const ORIGIN = "ronghe.test/settlement-0";
/** Quick enough for a test, slow enough for a busy machine to answer in. */
const QUICK: Partial<SettlementLimits> = { askAgainMinMs: 20, askAgainMaxMs: 100 };
const RAIL_TIMEOUT_MS = 1_000;

type Submitted = EventData<"settlement.request.submitted.v1">;

/** What stands between the worker and its parts, so that a test can cut it off at any call. */
export interface Interposed {
  readonly database?: (db: Database) => Database;
  readonly rail?: (rail: Rail) => Rail;
}
export interface Running {
  readonly worker: SettlementWorker;
  readonly shard: Shard;
  stop(): Promise<void>;
}

/** People by credential text; each credential serves one transaction, as the real vault has it. */
export class TableVault {
  readonly people: Map<string, Omit<AccountBindings, "position" | "ecToken">> = new Map();
  readonly refusals: Map<string, ErrorName> = new Map();
  readonly calls: DeTokenise[] = [];
  readonly #used = new Map<string, string>();

  deTokenise(request: DeTokenise): Promise<Result<AccountBindings, ErrorName>> {
    this.calls.push(request);
    if (request.purpose === "refund") return Promise.resolve(refused("badRequest"));
    const { value } = request.credential;
    const refusal = this.refusals.get(value);
    const person = this.people.get(value);
    const user = this.#used.get(value) ?? request.transactionId;
    if (refusal !== undefined) return Promise.resolve(refused(refusal));
    if (person === undefined) return Promise.resolve(refused("codeUnknown"));
    if (user !== request.transactionId) return Promise.resolve(refused("codeUsed"));
    this.#used.set(value, user);
    return Promise.resolve(
      ok({ ...person, ecToken: `510104${person.person.slice(0, 32)}`, position: { origin: "r", index: 0n, leafHash: new Uint8Array(32) } }),
    );
  }
}

type Asked =
  | "medType"
  | "feeLines"
  | "action"
  | "outTradeNo"
  | "originalOutTradeNo"
  | "refundType"
  | "refundAmount"
  | "amount"
  | "terminal"
  | "institution";
export type Request = Pick<Submitted, Asked> & {
  readonly credential: string | undefined;
  readonly eventId: string;
};

const openCredential: OpenCredential = (sealed) => {
  const value = fromBase64(sealed.sealed);
  return Promise.resolve(value === undefined ? refused("badRequest") : ok({ kind: sealed.kind, value: utf8Text(value) ?? "" }));
};

export interface RoomOptions {
  readonly folder: string;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly vault: TableVault;
  readonly bus: EventBus;
  readonly urls: { readonly insurance: string; readonly commercial: string; readonly bank: string };
  /** Signs the log. */
  readonly keys: { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array };
  /** Seals what the insurance adapter keeps. */
  readonly railsKey: Uint8Array;
}

export function shardFileIn(folder: string): string {
  return join(folder, "shard-0.db");
}

export async function startRoom(
  options: RoomOptions,
  interposed: Interposed = {},
  limits: Partial<SettlementLimits> = {},
): Promise<Running> {
  const { folder, crypto, clock, vault, bus, urls, keys, railsKey } = options;
  const sealing = rawSealingKey(crypto, railsKey);
  const payers = await openPayers({ urls, file: join(folder, "rails.db"), sealing, clock, timeoutMs: RAIL_TIMEOUT_MS });
  const rail = (one: Rail): Rail => interposed.rail?.(one) ?? one;
  const rails = { insurance: rail(payers.insurance), commercial: rail(payers.commercial), bank: rail(payers.bank) };
  const opened = await openDatabase({ kind: "shard", file: shardFileIn(folder) });
  const db = interposed.database?.(opened) ?? opened;
  const sign = (message: Uint8Array): Promise<Uint8Array> => Promise.resolve(crypto.sm2Sign(keys.privateKey, message));
  const signer = { keyName: ORIGIN, publicKey: keys.publicKey, sign };
  const log = await openLog({ db, origin: ORIGIN, crypto, random: (length) => crypto.random(length), signer });
  const shard = await openShard({ db, log, bus, crypto, clock, partition: 0 });
  const worker = await startSettlement({
    bus,
    vault,
    openCredential,
    rails,
    crypto,
    clock,
    origin: testOrigin(crypto),
    shards: () => shard,
    limits: { ...QUICK, ...limits },
  });
  return {
    worker,
    shard,
    async stop() {
      await worker.stop();
      await Promise.all(Object.values(rails).map((one) => one.close()));
    },
  };
}

/** A request as an edge puts it on the bus. */
export function requestRecord(crypto: Crypto, request: Partial<Request>): ReturnType<typeof encodeEvent> {
  return withOrigin(crypto, TEST_ORIGIN, bareRequest(crypto, request));
}

/** The same from somebody who has no edge's key. */
export function bareRequest(crypto: Crypto, request: Partial<Request>): ReturnType<typeof encodeEvent> {
  const { eventId, credential, ...given } = request;
  const content = { action: "settle" as const, institution: INSTITUTION, terminal: "T1", outTradeNo: "no-1", ...given };
  const amount = content.action === "settle" && !("amount" in given) ? "100.00" : given.amount;
  const whose = content.action === "settle" && !("credential" in request) ? "p1" : credential;
  const requestHash = toHex(crypto.sm3(utf8(JSON.stringify({ ...content, amount, whose }))));
  return encodeEvent({
    id: eventId ?? `${content.institution}.${content.outTradeNo}.${requestHash.slice(0, 16)}`,
    type: "settlement.request.submitted.v1",
    source: "/ronghe/edge/test",
    timeMs: systemClock.now(),
    key: content.institution,
    data: {
      ...content,
      businessType: "01301",
      requestHash,
      operatorId: "op1",
      acceptedAtMs: systemClock.now(),
      edge: "test",
      ...(amount === undefined ? {} : { amount }),
      ...(whose === undefined
        ? {}
        : { credential: { kind: "code" as const, keyHandle: "edge.seal/1", wrappedKey: "", sealed: toBase64(utf8(whose)) } }),
    },
  });
}
