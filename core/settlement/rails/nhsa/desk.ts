/**
 * Speaking with an insurer in NHSA's frame (domain notes 4.1): sign-in, header, the same msgid until an answer is
 * definite, and every answer checked before it is believed.
 */
import * as v from "valibot";
import { type Clock, type EventMs, formatCst14 } from "../../../protocol/time.ts";
import type { ProvinceProfile } from "../../split/profile.ts";
import type { Exchange } from "../exchange.ts";
import type { RefusedAnswer, UnknownAnswer } from "../port.ts";
import { MESSAGE_PATH, nhsaReply, type NhsaRequest, refusalIn, SIGN_IN, signInOutput } from "./messages.ts";
import type { Msgids } from "./msgids.ts";

/** What an insurer wants to read in every header, and what follows from where we stand. */
export interface NhsaSettings {
  readonly profile: ProvinceProfile;
  /** `recer_sys_code`, `infver`. */
  readonly receiverSystem: string;
  readonly version: string;
  /** Who works the interface: 1 经办人, 2 自助终端, 3 移动终端. */
  readonly operator: { readonly type: "1" | "2" | "3"; readonly id: string; readonly name: string };
  readonly deviceNo: string;
  readonly deviceSafeInfo: string;
  readonly cainfo: string;
  readonly signtype: string;
  /** `fixmedins_name` of an institution. */
  readonly institutionName: (institution: string) => string;
  /** Times one message is sent before its outcome is left unknown. */
  readonly sendsMax: number;
}

export interface Message {
  readonly infno: string;
  readonly institution: string;
  readonly msgid: string;
  /** `insuplc_admdvs`. */
  readonly insuredArea: string;
  readonly input: Readonly<Record<string, unknown>>;
}
export type NhsaAnswer<Output> = { readonly kind: "done"; readonly output: Output } | RefusedAnswer | UnknownAnswer;

/** Answers remembered to notice one that is told twice. */
const SEEN_MAX = 10_000;

type Once = NhsaAnswer<unknown> | { readonly kind: "signInNeeded" } | { readonly kind: "errorText" };

export class NhsaDesk {
  readonly #exchange: Exchange;
  readonly #settings: NhsaSettings;
  readonly #msgids: Msgids;
  readonly #clock: Clock;
  readonly #signNos = new Map<string, string>();
  /** `inf_refmsgid` to the message it answered. */
  readonly #seen = new Map<string, string>();

  constructor(exchange: Exchange, settings: NhsaSettings, msgids: Msgids, clock: Clock) {
    this.#exchange = exchange;
    this.#settings = settings;
    this.#msgids = msgids;
    this.#clock = clock;
  }

  /** A new msgid. */
  async msgid(institution: string): Promise<string> {
    return await this.#msgids.next(institution, this.#clock.now());
  }

  /**
   * Asks until the answer is definite, under the same msgid: an insurer does a msgid's work once. `read` judges the
   * output; what it cannot accept counts as no answer.
   */
  async ask<Output>(message: Message, read: (output: unknown) => Output | undefined): Promise<NhsaAnswer<Output>> {
    let last: UnknownAnswer = { kind: "unknown", reason: "unreachable" };
    let errorTexts = 0;
    let signIns = 0;
    for (let sends = 1; sends <= this.#settings.sendsMax; sends++) {
      const answer = await this.#once(message);
      switch (answer.kind) {
        case "refused":
          return answer;
        case "unknown":
          last = answer;
          break;
        case "errorText":
          // It says done and failed at once. Told twice, it is believed to have failed.
          if (++errorTexts === 2) return { kind: "refused", reason: "declined" };
          last = { kind: "unknown", reason: "garbage" };
          break;
        case "signInNeeded":
          this.#signNos.delete(message.institution);
          if (++signIns > 1) return { kind: "refused", reason: "declined" };
          // Refused at the door: nothing was tried.
          sends--;
          break;
        case "done": {
          const output = read(answer.output);
          if (output !== undefined) return { kind: "done", output };
          last = { kind: "unknown", reason: "garbage" };
        }
      }
    }
    return last;
  }

  /** The message as it is posted, for what is streamed back. */
  async framed(message: Message): Promise<string | UnknownAnswer | RefusedAnswer> {
    const signNo = await this.#signNo(message);
    return typeof signNo === "string" ? JSON.stringify(this.#frame(message, signNo)) : signNo;
  }

  async #once(message: Message): Promise<Once> {
    const signNo = await this.#signNo(message);
    return typeof signNo === "string" ? await this.#post(message, signNo) : signNo;
  }

  /** One sign-in per institution and day; whoever needs it while it is under way signs in too, and gets the same number. */
  async #signNo(message: Message): Promise<string | UnknownAnswer | RefusedAnswer> {
    const known = this.#signNos.get(message.institution);
    if (known !== undefined) return known;
    const msgid = await this.msgid(message.institution);
    const input = { signIn: { opter_no: this.#settings.operator.id, mac: "", ip: "" } };
    const answer = await this.#post({ ...message, infno: SIGN_IN, msgid, input }, "");
    if (answer.kind !== "done")
      return answer.kind === "refused" || answer.kind === "unknown" ? answer : { kind: "unknown", reason: "garbage" };
    const output = v.safeParse(signInOutput, answer.output);
    if (!output.success) return { kind: "unknown", reason: "garbage" };
    this.#signNos.set(message.institution, output.output.signinoutb.sign_no);
    return output.output.signinoutb.sign_no;
  }

  async #post(message: Message, signNo: string): Promise<Once> {
    const body = JSON.stringify(this.#frame(message, signNo));
    const answer = await this.#exchange.ask({ path: MESSAGE_PATH + message.infno, body });
    if (answer.kind === "unknown") return answer;
    return answer.status === 200 ? this.#read(message, answer.text) : { kind: "unknown", reason: "garbage" };
  }

  #read(message: Message, text: string): Once {
    const reply = readReply(text);
    if (reply === undefined || this.#isRepeated(reply.inf_refmsgid, message.msgid)) return { kind: "unknown", reason: "garbage" };
    const errorText = reply.err_msg ?? "";
    if (reply.infcode !== "0") {
      const reason = refusalIn(errorText);
      return reason === "signInNeeded" ? { kind: "signInNeeded" } : { kind: "refused", reason };
    }
    if (errorText !== "" && this.#settings.profile.errorTextFails) return { kind: "errorText" };
    return { kind: "done", output: reply.output ?? {} };
  }

  /** 2601 answers nothing that names the question: an answer that another message had already is not ours. */
  #isRepeated(refmsgid: string, msgid: string): boolean {
    const before = this.#seen.get(refmsgid);
    if (before !== undefined) return before !== msgid;
    if (this.#seen.size >= SEEN_MAX) this.#seen.delete(this.#seen.keys().next().value ?? "");
    this.#seen.set(refmsgid, msgid);
    return false;
  }

  #frame(message: Message, signNo: string): NhsaRequest {
    const { operator } = this.#settings;
    return {
      infno: message.infno,
      msgid: message.msgid,
      mdtrtarea_admvs: areaOf(message.institution),
      insuplc_admdvs: message.insuredArea,
      recer_sys_code: this.#settings.receiverSystem,
      dev_no: this.#settings.deviceNo,
      dev_safe_info: this.#settings.deviceSafeInfo,
      cainfo: this.#settings.cainfo,
      signtype: this.#settings.signtype,
      infver: this.#settings.version,
      opter_type: operator.type,
      opter: operator.id,
      opter_name: operator.name,
      inf_time: time(this.#clock.now()),
      fixmedins_code: message.institution,
      fixmedins_name: this.#settings.institutionName(message.institution),
      sign_no: signNo,
      input: message.input,
    };
  }
}

/** Where an institution stands, by its code: a letter, then GB/T 2260. */
export function areaOf(institution: string): string {
  return /^[A-Za-z](\d{6})/.exec(institution)?.[1] ?? "000000";
}

function time(at: EventMs): string {
  const digits = formatCst14(at);
  const part = (from: number, to: number): string => digits.slice(from, to);
  return `${part(0, 4)}-${part(4, 6)}-${part(6, 8)} ${part(8, 10)}:${part(10, 12)}:${part(12, 14)}`;
}

function readReply(text: string): v.InferOutput<typeof nhsaReply> | undefined {
  try {
    const parsed = v.safeParse(nhsaReply, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
