/** A hospital that does not give up: the same number until there is a final answer. */
import { setTimeout as sleep } from "node:timers/promises";
import { loadCrypto } from "../../core/crypto/index.ts";
import type { SettlementReply } from "../../core/protocol/operations.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { createHisClient, type HisClient } from "../../edge/client.ts";
import { type AppClient, createAppClient, partnerOf, readClients, signerOf } from "../../cli/platform/clients.ts";
import { layoutOf, readRuntime } from "../../cli/platform/layout.ts";

export interface Hospitals {
  /** A code for the nth person of the sandbox, from whichever core answers. */
  code(person: number): Promise<string>;
  /** Repeats the call until the outcome is final. */
  settle(bill: {
    readonly outTradeNo: string;
    readonly institution: number;
    readonly code: string;
    readonly amount: string;
  }): Promise<SettlementReply>;
  refund(bill: { readonly outTradeNo: string; readonly institution: number; readonly original: string }): Promise<SettlementReply>;
  /** Calls that were answered with a verified "durable". */
  readonly acknowledged: ReadonlySet<string>;
}

/** One cashier's desk at one hospital. */
interface Desk {
  readonly client: HisClient;
  readonly scene: Omit<Parameters<HisClient["refund"]>[0], "outTradeNo" | "originalOutTradeNo">;
}

const FINAL: ReadonlySet<string> = new Set(["settled", "refused", "refunded"]);
const PATIENCE_MS = 150_000;

/** Addresses are read anew on each try: a part that was killed may come back on another port. */
export async function hospitals(data: string): Promise<Hospitals> {
  const layout = layoutOf(data);
  const crypto = await loadCrypto();
  const institutions = await readClients(layout, "institution");
  const apps = await readClients(layout, "app");
  const acknowledged = new Set<string>();

  const his = async (at: number): Promise<Desk | undefined> => {
    const profile = institutions[at % institutions.length];
    const edgeUrl = (await readRuntime(layout).catch(() => undefined))?.edgeUrl;
    if (profile === undefined || edgeUrl === undefined) return undefined;
    const client = createHisClient({
      url: edgeUrl,
      orgId: profile.orgId,
      profile: partnerOf(profile),
      sign: signerOf(crypto, profile),
      crypto,
      clock: systemClock,
      fetch: (request) => fetch(request),
      timeoutMs: 5_000,
    });
    const businessType = profile.orgId.startsWith("P") ? ("02121" as const) : ("01301" as const);
    const scene = {
      businessType,
      termId: profile.terminals[0] ?? "",
      termIp: "10.0.0.1",
      operatorId: "1",
      operatorName: "甲",
      officeId: "1",
      officeName: "收费处",
    };
    return { client, scene };
  };

  async function insist(
    institution: number,
    outTradeNo: string,
    send: (desk: Desk) => ReturnType<HisClient["settle"]>,
  ): Promise<SettlementReply> {
    const until = performance.now() + PATIENCE_MS;
    let last = "no edge";
    while (performance.now() < until) {
      const at = await his(institution);
      const reply = at === undefined ? undefined : await send(at);
      if (reply?.ok === true) {
        acknowledged.add(outTradeNo);
        if (FINAL.has(reply.value.status)) return reply.value;
        last = reply.value.status;
      } else if (
        reply?.error.answered === true &&
        reply.error.error !== "requestReplayed" &&
        reply.error.error !== "coreUnavailable" &&
        reply.error.error !== "rateLimited"
      ) {
        throw new Error(`${outTradeNo}: ${reply.error.code} ${reply.error.message}`);
      }
      await sleep(50 + Math.random() * 100);
    }
    throw new Error(`${outTradeNo} had no final answer within ${PATIENCE_MS} ms; last: ${last}`);
  }

  return {
    acknowledged,
    async code(person) {
      const users = apps.flatMap((profile) => profile.users.map((user) => ({ profile, user }))).sort((a, b) => (a.user < b.user ? -1 : 1));
      const chosen = users[person % users.length];
      if (chosen === undefined) throw new Error("nobody to ask a code for");
      for (let tries = 0; tries < 300; tries++) {
        const coreUrl = (await readRuntime(layout).catch(() => undefined))?.coreUrl;
        const app: AppClient | undefined =
          coreUrl === undefined ? undefined : createAppClient({ url: coreUrl, profile: chosen.profile, crypto, clock: systemClock });
        const issued = await app?.issueCode(chosen.user, "settle", "signed").catch(() => undefined);
        if (issued?.ok === true) return issued.value.code;
        await sleep(100);
      }
      throw new Error("no core gave a code");
    },
    settle: ({ outTradeNo, institution, code, amount }) =>
      insist(institution, outTradeNo, ({ client, scene }) => client.settle({ ...scene, outTradeNo, code, amount, waitSeconds: "2" })),
    refund: ({ outTradeNo, institution, original }) =>
      insist(institution, outTradeNo, ({ client, scene }) =>
        client.refund({ ...scene, outTradeNo, originalOutTradeNo: original, waitSeconds: "2" }),
      ),
  };
}
