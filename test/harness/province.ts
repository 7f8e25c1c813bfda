/** A running province for edges in processes of their own: the platform on one of the buses, and who calls the edges. */
import { setTimeout as sleep } from "node:timers/promises";
import { createAppClient, partnerOf, readClients, signerOf, type ClientProfile } from "../../cli/platform/clients.ts";
import { readConfig } from "../../cli/config.ts";
import { openPlatformServices } from "../../cli/platform/core.ts";
import { parkedBus } from "../../cli/platform/bus.ts";
import { openKeys } from "../../cli/platform/keys.ts";
import { edgeLayout, layoutOf, readPlatform, readRuntime } from "../../cli/platform/layout.ts";
import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { KEY_HANDLES } from "../../core/key-handles.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import type { PartnerProfile } from "../../core/protocol/envelope.ts";
import type { CodePurpose } from "../../core/protocol/channel-operations.ts";
import type { SettlementReply } from "../../core/protocol/operations.ts";
import { mintSignedCode } from "../../core/protocol/signed-token.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { createHisClient, type HisClient } from "../../edge/client.ts";
import { freePort } from "../../streams/bus/testing/broker.ts";
import { shortestSession } from "../../streams/bus/testing/kafka.ts";
import type { EdgeProcess } from "./edges.ts";
import { ronghe, serve, type Serving } from "./process.ts";

/** One hospital as it calls an edge. */
export interface Desk {
  readonly client: HisClient;
  readonly orgId: string;
  readonly partner: PartnerProfile;
  readonly sign: ReturnType<typeof signerOf>;
  readonly scene: Omit<Parameters<HisClient["refund"]>[0], "outTradeNo" | "originalOutTradeNo" | "waitSeconds">;
}

export interface Province {
  readonly data: string;
  readonly crypto: Crypto;
  /** What an edge is started with, by number from 2 on. */
  edgeSettings(number: number): Promise<Record<string, string>>;
  /** `headers` are sent with each call. */
  desk(edge: Pick<EdgeProcess, "url">, hospital: number, headers?: Readonly<Record<string, string>>): Desk;
  /** A hospital that may call twice at once and then once a minute. */
  slowDesk(edge: Pick<EdgeProcess, "url">): Desk;
  /** A code for the nth person, from the running core. */
  code(person: number, purpose?: CodePurpose): Promise<string>;
  /** A code that the platform signed and that has ended. */
  expiredCode(): Promise<string>;
  /** One that is genuine and that nobody owns: an edge takes it, the core refuses it. */
  mintedCode(): Promise<string>;
  readonly coreUrl: string;
  /** Of the process that now serves the core. */
  corePid(): number;
  /** What it has printed. */
  coreOutput(): string;
  coreDown(): Promise<void>;
  coreUp(): Promise<void>;
  /** SIGTERM; gives its status. */
  coreStop(): Promise<number | null>;
  /** What all payers hold for a settlement, fen. */
  captured(settlementId: string): Promise<bigint>;
  stop(): Promise<void>;
}

/** More than any call of the suite leaves behind at once. */
export const OUTBOX_MAX = 60;
const SLOW = "H51019900099";

/**
 * @param brokers of Kafka; none is the embedded bus.
 * @param settings of every part, edges included.
 */
export async function startProvince(
  data: string,
  brokers: readonly string[] | undefined,
  edges: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<Province> {
  const corePort = await freePort();
  const common: Record<string, string> = {
    RONGHE_DATA: data,
    RONGHE_EDGE_PORT: "0",
    RONGHE_CORE_PORT: String(corePort),
    RONGHE_STREAMS_PORT: "0",
    RONGHE_RAILS_PORT: "0",
    RONGHE_CODE_TTL_S: "300",
    RONGHE_LOG: "off",
    ...settings,
    ...(brokers === undefined
      ? {}
      : {
          RONGHE_BUS: "kafka",
          RONGHE_KAFKA_BROKERS: brokers.join(","),
          RONGHE_KAFKA_SESSION_S: shortestSession(),
          RONGHE_PAYERS: "sandbox",
        }),
  };
  const made = await ronghe(["sandbox", "init", "--edges", String(edges), "--people", "40"], common);
  if (made.code !== 0) throw new Error(made.stderr);
  const crypto = await loadCrypto();
  const layout = layoutOf(data);
  const slow = await registerSlow(crypto, common);
  const [institutions, apps] = [await readClients(layout, "institution"), await readClients(layout, "app")];
  const replyKeys = institutions[0]?.platformKeys ?? [];
  const users = apps.flatMap((profile) => profile.users.map((user) => ({ profile, user }))).sort((a, b) => (a.user < b.user ? -1 : 1));
  const payers = brokers === undefined ? undefined : await serve(["sandbox"], common);
  const startCore = (): Promise<Serving> => serve([brokers === undefined ? "all" : "core"], common);
  let core = await startCore();
  const hospitals = institutions.filter(({ orgId }) => orgId.startsWith("H"));

  const deskOf = (edge: Pick<EdgeProcess, "url">, profile: ClientProfile, headers: Readonly<Record<string, string>> = {}): Desk => {
    const partner = partnerOf(profile);
    const sign = signerOf(crypto, profile);
    const client = createHisClient({
      url: edge.url,
      orgId: profile.orgId,
      profile: partner,
      sign,
      crypto,
      clock: systemClock,
      fetch: (request) => {
        for (const [name, value] of Object.entries(headers)) request.headers.set(name, value);
        return fetch(request);
      },
      timeoutMs: 20_000,
    });
    const scene = {
      businessType: "01301" as const,
      termId: profile.terminals[0] ?? "",
      termIp: "10.0.0.1",
      operatorId: "1",
      operatorName: "甲",
      officeId: "1",
      officeName: "收费处",
    };
    return { client, orgId: profile.orgId, partner, sign, scene };
  };

  const keys = await openKeys(readConfig(common), layout, crypto, "core");
  const minted = async (expiresAtMs: number): Promise<string> => {
    const code = await mintSignedCode({
      ehcId: toHex(crypto.random(32)).toUpperCase(),
      valid: toHex(crypto.random(16)).toUpperCase(),
      appId: apps[0]?.orgId ?? "",
      purpose: "settle",
      expiresAtMs,
      random6: toHex(crypto.random(3)),
      sign: (message) => keys.sm2Sign(KEY_HANDLES.codeSign, message),
    });
    if (!code.ok) throw new Error("an ambiguous code, which chance makes once in a lifetime");
    return code.value;
  };

  return {
    data,
    crypto,
    async edgeSettings(number) {
      const { RONGHE_CORE_PORT: _core, RONGHE_STREAMS_PORT: _streams, RONGHE_RAILS_PORT: _rails, ...shared } = common;
      return {
        ...shared,
        RONGHE_DATA: edgeLayout(layout, `edge-${number}`).root,
        RONGHE_EDGE_PORT: String(await freePort()),
        RONGHE_CORE_URL: `http://127.0.0.1:${corePort}`,
        RONGHE_EDGE_SHARDS: "4",
        RONGHE_OUTBOX_MAX: String(OUTBOX_MAX),
      };
    },
    desk: (edge, hospital, headers) => {
      const profile = hospitals[hospital % hospitals.length];
      if (profile === undefined) throw new Error("a province without hospitals");
      return deskOf(edge, profile, headers);
    },
    slowDesk: (edge) => deskOf(edge, { ...slow, platformKeys: replyKeys }),
    async code(person, purpose = "settle") {
      const chosen = users[person % users.length];
      if (chosen === undefined) throw new Error("nobody to ask a code for");
      const app = createAppClient({ url: `http://127.0.0.1:${corePort}`, profile: chosen.profile, crypto, clock: systemClock });
      const issued = await app.issueCode(chosen.user, purpose, "signed");
      if (!issued.ok) throw new Error(issued.error);
      return issued.value.code;
    },
    expiredCode: () => minted(systemClock.now() - 60_000),
    mintedCode: () => minted(systemClock.now() + 250_000),
    coreUrl: `http://127.0.0.1:${corePort}`,
    corePid: () => core.child.pid ?? 0,
    coreOutput: () => core.output(),
    coreDown: () => core.kill9(),
    async coreUp() {
      core = await startCore();
    },
    coreStop: () => core.stop(),
    async captured(settlementId) {
      const { railsAdminUrl } = await readRuntime(layout);
      const totals = (await (await fetch(`${railsAdminUrl}/admin/totals`)).json()) as {
        legs: { settlementId: string; captured: string; refunded: string }[];
      };
      return totals.legs
        .filter((leg) => leg.settlementId === settlementId)
        .reduce((sum, { captured, refunded }) => sum + fen(captured) - fen(refunded), 0n);
    },
    async stop() {
      await core.stop();
      await payers?.stop();
    },
  };
}

/** Before the platform runs: its folder has no other owner yet. */
async function registerSlow(crypto: Crypto, settings: Readonly<Record<string, string>>): Promise<ClientProfile> {
  const config = readConfig({ ...settings, RONGHE_BUS: "embedded" });
  const layout = layoutOf(config.RONGHE_DATA);
  const platform = readPlatform(layout);
  const keys = await openKeys(config, layout, crypto, "core");
  const services = await openPlatformServices({ config, layout, platform, crypto, keys, clock: systemClock, bus: parkedBus });
  const pair = crypto.sm2GenerateKeyPair();
  const secrets = { partnerAppId: "SLOW0123456789ABCDEF0123456789AB", partnerSecret: "SLOW0123456789ABCDEF0123456789CD" };
  const registered = await services.access.registerInstitution(
    {
      orgId: SLOW,
      name: "慢",
      kind: "hospital",
      dialect: "standard",
      signType: "SM2",
      encryption: "optional",
      ...secrets,
      publicKeys: [toHex(pair.publicKey)],
      terminals: [{ termId: "T1", latitude: 30.6, longitude: 104 }],
      ratePerSecond: 0.1,
      rateBurst: 2,
    },
    "operator/test",
  );
  if (!registered.ok) throw new Error(registered.error);
  await services.stop();
  return {
    kind: "institution",
    orgId: SLOW,
    name: "慢",
    appId: secrets.partnerAppId,
    appSecret: secrets.partnerSecret,
    dialect: "standard",
    signType: "SM2",
    encryption: "optional",
    privateKey: toHex(pair.privateKey),
    platformKeys: [],
    terminals: ["T1"],
    users: [],
  };
}

/** Asks until an outcome is final; the test's own time is the limit. */
export async function untilFinal(desk: Desk, outTradeNo: string): Promise<SettlementReply> {
  for (;;) {
    const reply = await desk.client.result({ outTradeNo, waitSeconds: "10" });
    if (reply.ok && reply.value.status !== "accepted" && reply.value.status !== "unknown") return reply.value;
    if (!reply.ok && reply.error.answered && reply.error.error !== "coreUnavailable")
      throw new Error(`${outTradeNo}: ${reply.error.message}`);
    await sleep(50);
  }
}

function fen(yuan: string): bigint {
  return BigInt(yuan.replace(".", ""));
}
