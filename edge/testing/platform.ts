/** An edge on real parts (libSQL file, embedded bus, SM2) with a core that a test can steer, for tests of the edge. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hono } from "hono";
import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto, Sm2KeyPair } from "../../core/crypto/port.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import { type PartnerProfile, sealRequest } from "../../core/protocol/envelope.ts";
import type { ErrorName } from "../../core/protocol/errors.ts";
import type {
  EdgeBundle,
  InstitutionSettings,
  InternalPresettleRequest,
  InternalStatementRequest,
  ResolveRequest,
} from "../../core/protocol/internal.ts";
import type { CodePurpose } from "../../core/protocol/channel-operations.ts";
import { SPLIT_FIELDS } from "../../core/protocol/operations.ts";
import { ok, refused } from "../../core/protocol/result.ts";
import { mintSignedCode } from "../../core/protocol/signed-token.ts";
import { type Clock, type EventMs, parseCst14 } from "../../core/protocol/time.ts";
import { type Database, openDatabase } from "../../migrations/database.ts";
import { openEmbeddedBus } from "../../streams/bus/embedded.ts";
import { enqueue, startForwarder } from "../../streams/bus/outbox.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import { decodeEvent, encodeEvent, topicPlan } from "../../streams/contracts/codec.ts";
import type { RongheEvent } from "../../streams/contracts/event.ts";
import type { DataTopic, WrittenData } from "../../streams/contracts/topics.ts";
import { createEdgeApp } from "../app.ts";
import { createOrigin } from "../app/origin.ts";
import { createSealer } from "../app/sealer.ts";
import { viewOf } from "../app/view.ts";
import { createHisClient, type HisClient } from "../client.ts";
import { type LibsqlEdgeState, openEdgeState } from "../node/state.ts";
import {
  type Core,
  EDGE_LIMITS,
  type EdgeLimits,
  type EdgePorts,
  type EdgeView,
  type PageLine,
  type RequestLine,
  type SettingsState,
} from "../ports.ts";
import { type LiveResults, startResults } from "../results.ts";

export const START_MS = parseCst14("20261121093000") as EventMs;
export const EHC_ID = "98FF9F2C05145CB9305E9D8A57E072BB51180CA49E5BE5E9D41BCE3A9A571928";
export const VALID = "0123456789ABCDEF0123456789ABCDEF";
export const APP_ID = "5101A0001";
export const SUSPENDED_APP_ID = "5101A0008";
export const PERSON = { userName: "张三丰", idType: "01", idNo: "510101199003071234", insuOrg: "510100" } as const;
export const EC_TOKEN = "510100abcdefghijklmnopqrstuvwxyz012345";

/** What the test edge shares with its core. */
export const EDGE_SECRET: Uint8Array = new Uint8Array(32).fill(0xed);

export interface TestClock extends Clock {
  advance(ms: number): void;
}

export function testClock(startMs: EventMs = START_MS): TestClock {
  let at: number = startMs;
  return {
    now: () => at as EventMs,
    advance: (ms) => {
      at += ms;
    },
  };
}

/** One institution as a test plays it: its settings at the platform, and its private key. */
export interface TestInstitution {
  readonly settings: InstitutionSettings;
  readonly privateKey: Uint8Array;
}

export interface Keys {
  readonly platform: Sm2KeyPair;
  readonly code: Sm2KeyPair;
  readonly reply: Sm2KeyPair;
  readonly seal: Sm2KeyPair;
}

export type TestInstitutions = Readonly<Record<"hospital" | "secretive" | "digest" | "pharmacy" | "suspended" | "slow", TestInstitution>>;

let shared: Promise<Crypto> | undefined;
export function testCrypto(): Promise<Crypto> {
  return (shared ??= loadCrypto());
}

export function makeKeys(crypto: Crypto): Keys {
  const pair = (): Sm2KeyPair => crypto.sm2GenerateKeyPair();
  return { platform: pair(), code: pair(), reply: pair(), seal: pair() };
}

function makeInstitutions(crypto: Crypto): TestInstitutions {
  const institution = (orgId: string, over: Partial<InstitutionSettings> = {}): TestInstitution => {
    const keys = crypto.sm2GenerateKeyPair();
    const settings: InstitutionSettings = {
      orgId,
      name: orgId,
      status: "active",
      kind: "hospital",
      publicKeys: [toHex(keys.publicKey)],
      appId: `${orgId}ABCDEF0123456789ABCDEF0123456789`.slice(0, 32),
      appSecret: `${orgId}SECRETSECRETSECRETSECRETSECRETSE`.slice(0, 32),
      dialect: "standard",
      signType: "SM2",
      encryption: "optional",
      terminals: [
        { termId: `${orgId}T1`, latitude: 30.6, longitude: 104 },
        { termId: `${orgId}T2`, latitude: 30.6, longitude: 104 },
      ],
      suspendedTerminals: [],
      offline: { amountMaxFen: "100000", totalMaxFen: "250000", forMs: 4 * 3_600_000, ageMaxMs: 24 * 3_600_000 },
      ratePerSecond: 1_000,
      rateBurst: 1_000,
      ...over,
    };
    return { settings, privateKey: keys.privateKey };
  };
  return {
    hospital: institution("H51010000001"),
    secretive: institution("H51010000002", { encryption: "required" }),
    digest: institution("H51010000003", { signType: "SM3", dialect: "vendor-java" }),
    pharmacy: institution("P51010000004", { kind: "pharmacy" }),
    suspended: institution("H51010000005", { status: "suspended" }),
    slow: institution("H51010000006", { ratePerSecond: 1, rateBurst: 2 }),
  };
}

export function makeBundle(keys: Keys, institutions: readonly InstitutionSettings[], over: Partial<EdgeBundle> = {}): EdgeBundle {
  return {
    edgeId: "e1",
    status: "active",
    version: 1,
    issuedAtMs: START_MS,
    expiresAtMs: START_MS + 7 * 86_400_000,
    appIdWidth: 9,
    bundleKeys: [toHex(keys.platform.publicKey)],
    appIds: [APP_ID],
    suspendedAppIds: [SUSPENDED_APP_ID],
    revokedCodes: [],
    codeKeys: [toHex(keys.code.publicKey)],
    sealKey: { handle: "edge.seal/1", publicKey: toHex(keys.seal.publicKey) },
    fingerprintKey: "5f".repeat(32),
    institutions: [...institutions],
    ...over,
  };
}

/** A core that consumes each credential once per transaction, and can be told to refuse or to be away. */
export class SteerableCore implements Core {
  readonly calls: ResolveRequest[] = [];
  readonly bills: InternalPresettleRequest[] = [];
  readonly periods: InternalStatementRequest[] = [];
  answer: "resolve" | ErrorName = "resolve";
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  resolve(request: ResolveRequest): ReturnType<Core["resolve"]> {
    this.calls.push(request);
    if (this.answer !== "resolve") return Promise.resolve(refused(this.answer));
    return Promise.resolve(ok({ ok: true as const, ...PERSON, ecToken: EC_TOKEN, ecTokenExpiresMs: this.#clock.now() + 1_800_000 }));
  }

  /** The insurer pays the whole bill. */
  presettle(request: InternalPresettleRequest): ReturnType<Core["presettle"]> {
    this.bills.push(request);
    if (this.answer !== "resolve") return Promise.resolve(refused(this.answer));
    const { amount } = request;
    const paid: ReadonlySet<string> = new Set(["medfee_sumamt", "inscp_scp_amt", "hifp_pay", "fund_pay_sumamt"]);
    const split = Object.fromEntries(SPLIT_FIELDS.map((field) => [field, paid.has(field) ? amount : "0.00"])) as Record<
      (typeof SPLIT_FIELDS)[number],
      string
    >;
    const legs = [{ rail: "insurance", fundSource: "hifp_pay", amount }];
    const ecTokenExpiresMs = this.#clock.now() + 1_800_000;
    return Promise.resolve(
      ok({ ok: true as const, ecToken: EC_TOKEN, ecTokenExpiresMs, insuOrg: PERSON.insuOrg, split, legs, balc: "5.00" }),
    );
  }

  /** One settlement, and behind its cursor a payment that was booked by hand and belongs to no bill. */
  statement(request: InternalStatementRequest): ReturnType<Core["statement"]> {
    this.periods.push(request);
    if (this.answer !== "resolve") return Promise.resolve(refused(this.answer));
    const legs = [{ rail: "bank", fundSource: "psn_cash_pay", amount: "1.00" }];
    const moved = { day: "20261121", atMs: START_MS, late: false, amount: "1.00", legs };
    const isFirst = request.cursor === undefined;
    const row = isFirst
      ? { kind: "settlement" as const, outTradeNo: "A1", settlementId: "rs1", ...moved }
      : { kind: "supplement" as const, movement: "payment" as const, ...moved };
    const sources = [{ rail: "bank", fundSource: "psn_cash_pay", settled: "2.00", refunded: "0.00" }];
    const totals = { settlements: 1, settled: "2.00", refunds: 0, refunded: "0.00", sources };
    return Promise.resolve(ok({ ok: true as const, closed: false, totals, rows: [row], ...(isFirst ? { next: "1" } : {}) }));
  }

  reachable(): Promise<boolean> {
    return Promise.resolve(this.answer !== "coreUnavailable");
  }
}

export interface PlatformOptions {
  readonly limits?: Partial<EdgeLimits>;
  /** Continue in the folder of an earlier one, as after a restart. */
  readonly resume?: TestPlatform;
}

export interface TestPlatform {
  readonly folder: string;
  readonly crypto: Crypto;
  readonly clock: TestClock;
  readonly keys: Keys;
  readonly institutions: TestInstitutions;
  readonly core: SteerableCore;
  readonly bus: EventBus;
  readonly db: Database;
  readonly state: LibsqlEdgeState;
  readonly results: LiveResults;
  readonly ports: EdgePorts;
  readonly app: Hono;
  readonly lines: readonly RequestLine[];
  /** Of whatever was no call. */
  readonly pages: readonly PageLine[];
  /** What the settings say of themselves; nothing by default. */
  useSettingsState(state: SettingsState): void;
  /** Where the next calls come from, as the runtime would tell. */
  useSource(source: string | undefined): void;
  /** Replaces what the edge believes about the platform; `undefined` takes it away. */
  useView(view: EdgeView | undefined): void;
  profileOf(institution: TestInstitution): PartnerProfile;
  client(institution: TestInstitution): HisClient;
  /** A signed code, good for a minute unless told otherwise. */
  code(options?: { purpose?: CodePurpose; expiresAtMs?: number; appId?: string }): Promise<string>;
  /** An opaque code, which only the core can tell. */
  opaqueCode(): string;
  /** A sealed envelope, to be tampered with. */
  envelope(institution: TestInstitution, transType: string, data: object, timestampMs?: number): Promise<string>;
  post(transType: string, body: string | Uint8Array<ArrayBuffer>): Promise<Response>;
  /** Everything of a topic that left the outbox. */
  events<T extends DataTopic>(topic: T): Promise<readonly RongheEvent<T>[]>;
  /** Publishes an outcome as the core would. */
  publish<T extends DataTopic>(type: T, data: WrittenData<T> & { readonly institution: string }): Promise<void>;
  stop(): Promise<void>;
  remove(): Promise<void>;
}

const PARTITIONS = 2;

export async function startPlatform(options: PlatformOptions = {}): Promise<TestPlatform> {
  const earlier = options.resume;
  const crypto = await testCrypto();
  const folder = earlier?.folder ?? (await mkdtemp(join(tmpdir(), "ronghe-edge-")));
  const clock = earlier?.clock ?? testClock();
  const keys = earlier?.keys ?? makeKeys(crypto);
  const institutions = earlier?.institutions ?? makeInstitutions(crypto);
  const core = earlier?.core ?? new SteerableCore(clock);
  const bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
  await bus.ensureTopics(topicPlan(PARTITIONS));
  const db = await openDatabase({ kind: "edge", file: join(folder, "edge.db") });
  const outbox = startForwarder({ db, bus, clock, pollMs: 20 });
  const state = await openEdgeState({ db, enqueue, onCommitted: () => outbox.notify(), nowMs: clock.now() });
  const results = await startResults({ bus, db, edgeId: "e1" });
  let view: EdgeView | undefined = viewOf(
    crypto,
    makeBundle(
      keys,
      Object.values(institutions).map((one) => one.settings),
    ),
  );
  const lines: RequestLine[] = [];
  const pages: PageLine[] = [];
  let source: string | undefined;
  let settingsState: SettingsState = {};
  const ports: EdgePorts = {
    edgeId: "e1",
    crypto,
    clock,
    settings: { current: () => view, state: () => settingsState },
    state,
    outbox,
    core,
    results,
    signer: { sign: (message, userId) => crypto.sm2Sign(keys.reply.privateKey, message, userId) },
    sealer: createSealer(crypto),
    origin: createOrigin(crypto, EDGE_SECRET),
    limits: { ...EDGE_LIMITS, ...options.limits },
    log: (line) => {
      if ("page" in line) pages.push(line);
      else lines.push(line);
    },
    sourceOf: () => source,
  };
  const app = createEdgeApp(ports);
  const post = async (transType: string, body: string | Uint8Array<ArrayBuffer>): Promise<Response> =>
    await app.request(`/v1/${transType}`, { method: "POST", body, headers: { "content-type": "application/json" } });
  let serial = 0;
  const signCode = (message: Uint8Array): Uint8Array => crypto.sm2Sign(keys.code.privateKey, message);

  const profileOf = ({ settings }: TestInstitution): PartnerProfile => {
    const { appId, appSecret, dialect, signType, encryption } = settings;
    return {
      appId,
      appSecret,
      dialect,
      signType,
      encryption: encryption === "optional" ? "none" : encryption,
      publicKeys: [keys.reply.publicKey],
    };
  };

  return {
    folder,
    crypto,
    clock,
    keys,
    institutions,
    core,
    bus,
    db,
    state,
    results,
    ports,
    app,
    lines,
    pages,
    profileOf,
    post,
    useSettingsState: (next) => {
      settingsState = next;
    },
    useSource: (next) => {
      source = next;
    },
    useView: (next) => {
      view = next;
    },
    client: (institution) =>
      createHisClient({
        url: "http://edge.test",
        orgId: institution.settings.orgId,
        profile: profileOf(institution),
        sign: (message, userId) => crypto.sm2Sign(institution.privateKey, message, userId),
        crypto,
        clock,
        fetch: async (request) => await app.request(request),
      }),
    async code({ purpose = "settle", expiresAtMs = clock.now() + 60_000, appId = APP_ID } = {}) {
      const random6 = (serial++).toString(36).padStart(6, "0");
      const minted = await mintSignedCode({ ehcId: EHC_ID, valid: VALID, appId, purpose, expiresAtMs, random6, sign: signCode });
      if (!minted.ok) throw new Error("an ambiguous code, which chance makes once in a lifetime");
      return minted.value;
    },
    opaqueCode: () => `${EHC_ID}:0:${VALID}:${APP_ID}RH24${(serial++).toString(36).padStart(24, "0")}`,
    async envelope(institution, transType, data, timestampMs = clock.now()) {
      const request = { orgId: institution.settings.orgId, transType, version: "1.0.0", data, timestampMs: timestampMs as EventMs };
      return await sealRequest(crypto, request, profileOf(institution), (message, userId) =>
        crypto.sm2Sign(institution.privateKey, message, userId),
      );
    },
    async events(topic) {
      await outbox.drained();
      const found = [];
      for (let partition = 0; partition < PARTITIONS; partition++)
        for (const record of await bus.read(topic, partition, 0n, 10_000)) {
          const event = decodeEvent(record, topic);
          if (!event.ok) throw new Error(event.error.reason);
          found.push(event.value);
        }
      return found;
    },
    async publish(type, data) {
      const id = toHex(crypto.random(16));
      const event = { id, type, source: "/ronghe/core", timeMs: clock.now(), key: data.institution, data };
      const [verdict] = await bus.publish([encodeEvent(event)]);
      if (verdict?.kind !== "ok") throw new Error("the bus refused an outcome");
    },
    async stop() {
      results.release();
      await results.stop();
      await state.close(clock.now());
      await outbox.stop();
      await db.close();
      await bus.close();
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The fields that say who stands at which terminal. */
export function sceneAt(institution: TestInstitution): {
  termId: string;
  termIp: string;
  operatorId: string;
  operatorName: string;
  officeId: string;
  officeName: string;
  businessType: "01301" | "02121";
} {
  const termId = institution.settings.terminals[0]?.termId ?? "";
  const businessType = institution.settings.kind === "pharmacy" ? "02121" : "01301";
  return { termId, termIp: "10.1.2.3", operatorId: "op7", operatorName: "收费员李", officeId: "0300", officeName: "内科", businessType };
}
