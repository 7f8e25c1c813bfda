/** What every sandbox payer does with a call that a fault hits: wait, hang, fail, lie. */
import type { Context } from "hono";
import type { RailName } from "../../plan.ts";
import type { FaultedAction, Faults, Hit } from "./faults.ts";

export interface SpoiledPorts {
  readonly rail: RailName;
  readonly faults: Faults;
  /** Resolves when the sandbox closes, so that calls left hanging by a fault end. */
  readonly closing: Promise<void>;
}

/** A payer's answer in its own format, and what the faults make of it. */
export interface Answering {
  readonly action: FaultedAction;
  /** Does the work; resolves when it is durable. */
  readonly work: () => Promise<string>;
  /** Carries out an injected refusal instead. */
  readonly refuse: () => Promise<string>;
  /** The same answer with one fen more, so that only a check against the question notices. */
  readonly oneFenMore: (answer: string) => string;
  /** A success that carries an error text; nothing was done. */
  readonly errorText: () => string;
}

/** Answers given before, for `duplicateAnswer`: one payer's last. */
export class Spoiler {
  readonly #ports: SpoiledPorts;
  #last = "";

  constructor(ports: SpoiledPorts) {
    this.#ports = ports;
  }

  async answer(c: Context, answering: Answering): Promise<Response> {
    await this.#wait(this.#ports.faults.delayMs[this.#ports.rail]);
    const fault = this.#ports.faults.hit(this.#ports.rail, answering.action);
    switch (fault?.kind) {
      case undefined:
        return this.#tell(c, await answering.work());
      case "timeoutBefore":
        return await this.#hang(c);
      case "timeoutAfter":
        await answering.work();
        return await this.#hang(c);
      case "serverError":
        return unavailable(c);
      case "serverErrorAfter":
        await answering.work();
        return unavailable(c);
      case "refuse":
        return this.#tell(c, await answering.refuse());
      case "wrongAmount":
        return this.#tell(c, answering.oneFenMore(await answering.work()));
      case "garbage":
        await answering.work();
        return c.text(`<html><body>${answering.action}</body></html>`);
      case "errorText":
        return json(c, answering.errorText());
      case "duplicateAnswer": {
        const before = this.#last;
        const now = await answering.work();
        return json(c, before === "" ? now : before);
      }
      case "lateAnswer":
        return await this.#late(c, fault, answering);
    }
  }

  #tell(c: Context, answer: string): Response {
    this.#last = answer;
    return json(c, answer);
  }

  /** The caller may be gone long before; the work is done all the same. */
  async #late(c: Context, fault: Hit, answering: Answering): Promise<Response> {
    await Promise.race([this.#wait(fault.lateMs), this.#ports.closing]);
    return json(c, await answering.work());
  }

  async #hang(c: Context): Promise<Response> {
    const gone = new Promise<void>((resolve) => c.req.raw.signal.addEventListener("abort", () => resolve(), { once: true }));
    await Promise.race([gone, this.#ports.closing]);
    return unavailable(c);
  }

  async #wait(ms: number): Promise<void> {
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
  }
}

export function json(c: Context, text: string): Response {
  return c.body(text, 200, { "content-type": "application/json" });
}

function unavailable(c: Context): Response {
  return c.json({ error: "unavailable" }, 503);
}
