/**
 * What lies between the parts: every message takes a moment, and while the weather is bad some are lost, come twice,
 * come late, or find the line cut. Draws come from one die in the order of sending, so a seed sends alike.
 */
import type { SeededRandom } from "../../cli/sandbox/random.ts";
import type { Fault, Trace } from "./chance.ts";
import { DeadError, type Life } from "./life.ts";
import type { VirtualTime } from "./virtual-time.ts";

export class NetworkError extends Error {
  override readonly name = "NetworkError";
}

/** A place that can be called, alive or not. */
export interface Reachable {
  readonly name: string;
  readonly life: Life | undefined;
}

type Fate = "arrives" | "lost" | "answerLost" | "twice" | "late" | "afterwards";
type Kind = "publish" | "call";
const FAULT_OF: Readonly<Record<Kind, Readonly<Record<Exclude<Fate, "arrives">, Fault>>>> = {
  publish: {
    lost: "publish lost",
    answerLost: "publish answer lost",
    twice: "publish duplicated",
    late: "publish delayed",
    afterwards: "publish given up and made afterwards",
  },
  call: {
    lost: "call lost",
    answerLost: "answer lost",
    twice: "call duplicated",
    late: "call delayed",
    afterwards: "call given up and made afterwards",
  },
};
const FATES = ["lost", "answerLost", "twice", "late", "afterwards"] as const;

/** How long a sender waits for what never comes, ms. */
const SILENCE_MS = 800;
const LATE_MS_MAX = 2_500;

export class Network {
  /** Lines that are cut, `edge-1|core`. */
  readonly cuts: Set<string> = new Set();
  /** Share of messages that something happens to. */
  trouble = 0;
  /** Of calls to payers. */
  payerTrouble = 0;
  /** Share of slices that are delivered again although they were handled. */
  redelivery = 0;
  readonly #time: VirtualTime;
  readonly #trace: Trace;
  readonly #die: SeededRandom;

  constructor(time: VirtualTime, trace: Trace, die: SeededRandom) {
    this.#time = time;
    this.#trace = trace;
    this.#die = die;
  }

  isCut(a: string, b: string): boolean {
    return this.cuts.has(`${a}|${b}`) || this.cuts.has(`${b}|${a}`);
  }

  /** Lets `to` work; throws when nothing came back, whatever was done there. */
  async call<T>(from: string, to: Reachable, sent: { readonly kind: Kind; readonly what: string }, work: () => Promise<T>): Promise<T> {
    const fate: Fate = this.#die.chance(this.trouble) ? this.#die.pick(FATES) : "arrives";
    const line = `${from} > ${to.name} ${sent.what}`;
    await this.#time.sleep(1 + this.#die.int(0, 3) + (fate === "late" ? this.#die.int(100, LATE_MS_MAX) : 0));
    this.#trace.note(fate === "arrives" ? line : `${line} (${fate})`);
    if (this.isCut(from, to.name)) return await this.#silence("the line is cut");
    if (fate !== "arrives") this.#trace.fault(FAULT_OF[sent.kind][fate]);
    if (fate === "lost") return await this.#silence("lost on the way");
    if (fate === "afterwards") {
      this.#time.after(
        SILENCE_MS + this.#die.int(0, LATE_MS_MAX),
        () => to.life?.dead === false && to.life.run(work).catch(() => undefined),
      );
      return await this.#silence("given up");
    }
    const { life } = to;
    if (life === undefined || life.dead) throw new NetworkError(`${to.name} is not there`);
    if (fate === "twice") life.run(work).catch(() => undefined);
    const answer = await Promise.race([life.run(work), endOf(life)]);
    await this.#time.sleep(1);
    if (this.isCut(from, to.name)) return await this.#silence("the line is cut");
    if (fate === "answerLost") return await this.#silence("the answer is lost");
    return answer;
  }

  /** As HTTP: each copy of a request has its own body, and the caller may stop waiting. */
  async fetch(from: string, to: Reachable, request: Request, handler: () => (request: Request) => Promise<Response>): Promise<Response> {
    const { url, method, headers, signal } = request;
    const body = method === "GET" ? {} : { body: new Uint8Array(await request.arrayBuffer()) };
    const path = url.slice(url.indexOf("/", 8));
    const given = new Promise<never>((_, reject) =>
      signal.addEventListener("abort", () => reject(new NetworkError("waited too long")), { once: true }),
    );
    const answered = this.call(from, to, { kind: "call", what: `${method} ${path}` }, () =>
      handler()(new Request(url, { method, headers, ...body })),
    );
    return await Promise.race([answered, given]);
  }

  async #silence(why: string): Promise<never> {
    await this.#time.sleep(SILENCE_MS);
    throw new NetworkError(why);
  }
}

/** Rejects when a life ends. */
export async function endOf(life: Life): Promise<never> {
  await life.ended;
  throw new DeadError(`${life.part} is gone`);
}
