/**
 * What hospitals do meanwhile: verify, settle, repeat, contradict themselves, show a code twice, give back, ask what
 * became of it. They write down what they were told; the check at the end holds the platform to it.
 */
import { openFingerprints } from "../../core/fingerprints.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import type { ErrorName } from "../../core/protocol/errors.ts";
import { asFen, formatYuan } from "../../core/protocol/money.ts";
import type { RefundRequest, SettlementReply } from "../../core/protocol/operations.ts";
import { credentialFingerprintInput } from "../../core/protocol/pseudonym.ts";
import type { Clock } from "../../core/protocol/time.ts";
import { requestHash } from "../../core/protocol/settlement-id.ts";
import { createHisClient, type HisClient } from "../../edge/client.ts";
import type { SeededRandom } from "../../cli/sandbox/random.ts";
import type { Trace } from "./chance.ts";
import { APP, EDGES, type EdgeName, type Founded, HOSPITALS, PEOPLE, TERMINAL } from "./founding.ts";
import type { Network } from "./network.ts";
import { notYet, type Part, type RunningCoreParts, type RunningSimEdge } from "./parts.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** One request, however often it was sent, and what came back. */
export interface Told {
  readonly institution: string;
  readonly outTradeNo: string;
  /** Hex; computed by the hospital's side of this test, not read from the platform. */
  readonly requestHash: string;
  readonly action: "settle" | "refund";
  /** Of a bill. */
  readonly amount: bigint | undefined;
  /** Of a refund: the number it gives back. */
  readonly original: string | undefined;
  /** The code behind it, whichever form was sent. */
  readonly code: string | undefined;
  /** Edges that said it is durable: taken by them, or known to them as taken by another. */
  readonly acknowledgedBy: Set<EdgeName>;
  /** Those among them that said `accepted`, which only who has taken it says. */
  readonly acceptedBy: Set<EdgeName>;
  final: SettlementReply | undefined;
}

type Credential = { readonly code: string } | { readonly ecToken: string };
type Ask =
  | { readonly action: "settle"; readonly credential: Credential; readonly amount: bigint; readonly code: string }
  | { readonly action: "refund"; readonly original: string; readonly type?: RefundRequest["refundType"]; readonly part?: bigint };

export interface HospitalsOptions {
  readonly founded: Founded;
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly network: Network;
  readonly edges: Readonly<Record<EdgeName, Part<RunningSimEdge>>>;
  readonly core: Part<RunningCoreParts>;
  /** Whether a hospital's clock is wrong together with its edge's. */
  readonly clocksTogether: boolean;
  readonly fail: (finding: string) => void;
}

/** Says nothing of the request itself: asked again later. */
const LATER: ReadonlySet<ErrorName> = new Set([
  "requestReplayed",
  "coreUnavailable",
  "rateLimited",
  "timestampOutside",
  "internal",
  "inProgress",
]);
const FINAL: ReadonlySet<SettlementReply["status"]> = new Set(["settled", "refused", "refunded"]);
const PATIENCE_MS = 180_000;
const SCENE = {
  businessType: "01301",
  termId: TERMINAL,
  termIp: "10.0.0.1",
  operatorId: "1",
  operatorName: "甲",
  officeId: "1",
  officeName: "收费处",
} as const;

export class Hospitals {
  readonly told: Told[] = [];
  readonly #options: HospitalsOptions;
  readonly #codeKey: Uint8Array;
  readonly #byContent = new Map<string, Told>();

  private constructor(options: HospitalsOptions, codeKey: Uint8Array) {
    this.#options = options;
    this.#codeKey = codeKey;
  }

  static async open(options: HospitalsOptions): Promise<Hospitals> {
    const { codeKey } = await openFingerprints(options.founded.crypto, options.founded.coreKeys);
    return new Hospitals(options, codeKey);
  }

  /** One cashier's desk, until all it began has ended. */
  async desk(lane: number, die: SeededRandom, bills: number): Promise<void> {
    const institution = die.pick(HOSPITALS);
    for (let n = 0; n < bills; n++) {
      await this.#options.time.sleep(die.int(0, 900));
      await this.#bill(institution, `${lane}-${n}`, die);
    }
  }

  async #bill(institution: string, no: string, die: SeededRandom): Promise<void> {
    const person = die.pick(PEOPLE);
    const code = await this.#code(person.user);
    const home = die.pick(EDGES);
    const amount = BigInt(die.pick([1, 99, die.int(100, 1_000), die.int(1_000, 60_000)]));
    const credential = die.chance(0.3) ? await this.#verified(institution, home, `${no}v`, code) : { code };
    const ask: Ask = { action: "settle", credential, amount, code };
    const others: Promise<unknown>[] = [];
    if (die.chance(0.25)) others.push(this.#twin(institution, `${no}t`, { ...ask, credential: { code } }, home, die));
    if (die.chance(0.2))
      others.push(this.#later(die.int(0, 600), () => this.#insist(institution, no, { ...ask, amount: amount + 1n }, die.pick(EDGES), die)));
    // Sent once, and nobody asks again: it may be paid once, or never.
    if (die.chance(0.12)) await this.#once(institution, no, ask, home);
    else await this.#seeThrough(institution, no, ask, home, die);
    await Promise.all(others);
  }

  async #seeThrough(institution: string, no: string, ask: Ask, home: EdgeName, die: SeededRandom): Promise<void> {
    const reply = await this.#insist(institution, no, ask, home, die);
    if (reply?.status !== "settled") return;
    if (die.chance(0.2)) await this.#insist(institution, no, ask, die.pick(EDGES), die);
    if (die.chance(0.45)) await this.#insist(institution, `${no}r`, refundOf(no, reply, die), die.pick(EDGES), die);
    if (die.chance(0.25)) await this.#insist(institution, `${no}s`, { action: "refund", original: no }, die.pick(EDGES), die);
  }

  /** The same code for another bill, at the other edge at the same time. */
  async #twin(institution: string, no: string, ask: Ask, home: EdgeName, die: SeededRandom): Promise<void> {
    const elsewhere = home === EDGES[0] ? EDGES[1] : EDGES[0];
    await this.#options.time.sleep(die.int(0, 400));
    await this.#insist(institution, no, ask, elsewhere, die);
  }

  async #later<T>(ms: number, work: () => Promise<T>): Promise<T> {
    await this.#options.time.sleep(ms);
    return await work();
  }

  /** The app shows a new code; the core may be away for a while. */
  async #code(user: string): Promise<string> {
    const { network, core, time } = this.#options;
    for (;;) {
      const request = { appId: APP, appUserId: user, purpose: "settle", form: "signed" } as const;
      const issued = await network
        .call("app", core, { kind: "call", what: `code for ${user}` }, async () => {
          const { running } = core;
          return running === undefined ? await notYet() : await running.services.vault.issueCode({ ...request, atMs: core.clock.now() });
        })
        .catch(() => undefined);
      if (issued?.ok === true) return issued.value.code;
      await time.sleep(300);
    }
  }

  async #verified(institution: string, edge: EdgeName, outTradeNo: string, code: string): Promise<Credential> {
    for (let tries = 0; tries < 3; tries++) {
      const reply = await this.#client(institution, edge).verify({ ...SCENE, outTradeNo, code });
      const what = reply.ok ? reply.value.grade : `${reply.error.error}`;
      this.#options.trace.note(`${institution}@${edge} verify ${outTradeNo}: ${what}`);
      if (reply.ok) return reply.value.ecToken === undefined ? { code } : { ecToken: reply.value.ecToken };
      await this.#options.time.sleep(200);
    }
    return { code };
  }

  async #once(institution: string, no: string, ask: Ask, edge: EdgeName): Promise<void> {
    await this.#send(this.#tellOf(institution, no, ask), ask, edge, "0");
  }

  /** The same number and content until the outcome is final, or the request is turned away for what it is. */
  async #insist(institution: string, no: string, ask: Ask, home: EdgeName, die: SeededRandom): Promise<SettlementReply | undefined> {
    const { time, fail } = this.#options;
    const told = this.#tellOf(institution, no, ask);
    const untilMs = time.nowMs + PATIENCE_MS;
    for (let n = 0; time.nowMs < untilMs; n++) {
      const [known] = told.acknowledgedBy;
      if (known !== undefined && die.chance(0.4)) {
        await this.#poll(told, known);
        if (told.final !== undefined) return told.final;
      }
      const reply = await this.#send(told, ask, die.chance(0.85) ? home : die.pick(EDGES), die.chance(0.5) ? "1" : "0");
      if (reply === "turnedAway" && told.acknowledgedBy.size === 0) return undefined;
      if (told.final !== undefined) return told.final;
      await time.sleep(die.int(60, 250) * Math.min(6, n + 1));
    }
    fail(`${institution}/${no} (${ask.action}) had no final answer in ${PATIENCE_MS} ms`);
    return undefined;
  }

  /** `rh.result` speaks of the number; it counts only where this content is the one that stands under it. */
  async #poll(told: Told, edge: EdgeName): Promise<void> {
    const { institution, outTradeNo } = told;
    const reply = await this.#client(institution, edge).result({ outTradeNo, waitSeconds: "0" });
    this.#options.trace.note(`${institution}@${edge} result ${outTradeNo}: ${reply.ok ? reply.value.status : reply.error.error}`);
    if (reply.ok) this.#note(told, reply.value);
    else if (reply.error.answered && reply.error.error === "settlementUnknown")
      this.#options.fail(`${edge} forgot ${institution}/${outTradeNo}, which it had acknowledged`);
  }

  async #send(told: Told, ask: Ask, edge: EdgeName, waitSeconds: string): Promise<"answered" | "turnedAway" | "later"> {
    const { institution, outTradeNo } = told;
    const client = this.#client(institution, edge);
    const base = { ...SCENE, outTradeNo, waitSeconds };
    const reply =
      ask.action === "settle"
        ? await client.settle({ ...base, ...ask.credential, amount: yuan(ask.amount) })
        : await client.refund({
            ...base,
            originalOutTradeNo: ask.original,
            ...(ask.type === undefined ? {} : { refundType: ask.type }),
            ...(ask.part === undefined ? {} : { refundAmount: yuan(ask.part) }),
          });
    this.#options.trace.note(`${institution}@${edge} ${ask.action} ${outTradeNo}: ${reply.ok ? reply.value.status : reply.error.error}`);
    if (reply.ok) {
      told.acknowledgedBy.add(edge);
      if (reply.value.status === "accepted") told.acceptedBy.add(edge);
      this.#note(told, reply.value);
      return "answered";
    }
    const { answered, error } = reply.error;
    return answered && error !== undefined && !LATER.has(error) ? "turnedAway" : "later";
  }

  #note(told: Told, reply: SettlementReply): void {
    if (!FINAL.has(reply.status)) return;
    const { final, institution, outTradeNo } = told;
    if (final !== undefined && (final.status !== reply.status || final.amount !== reply.amount))
      this.#options.fail(`${institution}/${outTradeNo} was told ${final.status} and then ${reply.status}`);
    told.final ??= reply;
  }

  #tellOf(institution: string, outTradeNo: string, ask: Ask): Told {
    const { crypto } = this.#options.founded;
    const request = { institution, outTradeNo, terminal: SCENE.termId, businessType: SCENE.businessType, action: ask.action };
    const hash =
      ask.action === "settle"
        ? requestHash(crypto, { ...request, amount: asFen(ask.amount), credentialFingerprint: this.#fingerprint(ask.credential) })
        : requestHash(crypto, {
            ...request,
            originalOutTradeNo: ask.original,
            ...(ask.type === undefined || ask.type === "ALL" ? {} : { refundType: ask.type }),
            ...(ask.part === undefined ? {} : { refundAmount: asFen(ask.part) }),
          });
    const known = this.#byContent.get(`${institution}/${outTradeNo}/${toHex(hash)}`);
    if (known !== undefined) return known;
    const told: Told = {
      institution,
      outTradeNo,
      requestHash: toHex(hash),
      action: ask.action,
      amount: ask.action === "settle" ? ask.amount : undefined,
      original: ask.action === "refund" ? ask.original : undefined,
      code: ask.action === "settle" ? ask.code : undefined,
      acknowledgedBy: new Set(),
      acceptedBy: new Set(),
      final: undefined,
    };
    this.#byContent.set(`${institution}/${outTradeNo}/${told.requestHash}`, told);
    this.told.push(told);
    return told;
  }

  #fingerprint(credential: Credential): string {
    const { crypto } = this.#options.founded;
    const [kind, value] = "code" in credential ? (["code", credential.code] as const) : (["ecToken", credential.ecToken] as const);
    return toHex(crypto.hmacSm3(this.#codeKey, credentialFingerprintInput(kind, value)));
  }

  #client(institution: string, edge: EdgeName): HisClient {
    const { founded, network, edges, clocksTogether } = this.#options;
    const part = edges[edge];
    const clock: Clock = { now: () => (part.clock.now() - (clocksTogether ? 0 : part.skewMs)) as ReturnType<Clock["now"]> };
    return createHisClient({
      url: `http://${edge}.test`,
      orgId: institution,
      profile: founded.hospitalProfile,
      sign: (message) => founded.crypto.sm2Sign(founded.hospitalKey, message),
      crypto: founded.crypto,
      clock,
      timeoutMs: 5_000,
      fetch: (request) => network.fetch("hospital", part, request, () => part.running?.fetch ?? notYet),
    });
  }
}

function refundOf(original: string, settled: SettlementReply, die: SeededRandom): Ask {
  const total = Number((settled.amount ?? "0").replace(".", ""));
  const type = die.chance(0.5) ? { type: die.pick(["ALL", "CASH", "HI"] as const) } : {};
  const part = die.chance(0.6) ? { part: BigInt(die.int(1, Math.max(1, Math.ceil(total / 2)))) } : {};
  return { action: "refund", original, ...type, ...part };
}

function yuan(fen: bigint): string {
  return formatYuan(asFen(fen));
}
