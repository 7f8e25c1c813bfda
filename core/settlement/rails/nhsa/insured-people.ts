/** 1101: whom a token stands for at the insurer, and under which insurance; remembered for the visit. */
import type { Clock } from "../../../protocol/time.ts";
import type { NhsaAnswer, NhsaDesk } from "./desk.ts";
import { readPerson } from "./answers.ts";
import { type Medium, personMessage } from "./inputs.ts";
import { PERSON } from "./messages.ts";

export interface Insured {
  /** 险种: 310 职工, 390 居民. */
  readonly insutype: string;
}

const REMEMBER_MS = 10 * 60_000;
const REMEMBERED_MAX = 10_000;

export class InsuredPeople {
  readonly #desk: NhsaDesk;
  readonly #clock: Clock;
  /** By token: another token of the same person is asked for again. */
  readonly #known = new Map<string, { readonly psnNo: string; readonly insured: Insured; readonly untilMs: number }>();

  constructor(desk: NhsaDesk, clock: Clock) {
    this.#desk = desk;
    this.#clock = clock;
  }

  async find(institution: string, insuredArea: string, medium: Medium): Promise<NhsaAnswer<Insured>> {
    const known = this.#known.get(medium.ecToken);
    if (known !== undefined && known.psnNo === medium.psnNo && known.untilMs > this.#clock.now())
      return { kind: "done", output: known.insured };
    const msgid = await this.#desk.msgid(institution);
    const message = { infno: PERSON, institution, msgid, insuredArea, input: personMessage(medium) };
    const answer = await this.#desk.ask(message, (output) => readPerson(output, medium.psnNo));
    if (answer.kind !== "done") return answer;
    if (!answer.output.active) return { kind: "refused", reason: "accountClosed" };
    const insured: Insured = { insutype: answer.output.insutype };
    if (this.#known.size >= REMEMBERED_MAX) this.#known.delete(this.#known.keys().next().value ?? "");
    this.#known.set(medium.ecToken, { psnNo: medium.psnNo, insured, untilMs: this.#clock.now() + REMEMBER_MS });
    return { kind: "done", output: insured };
  }
}
