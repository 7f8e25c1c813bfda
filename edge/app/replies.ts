/**
 * Signed replies (S3 A.3). A refusal says nothing but its code and perhaps a field's name, so the same refusal for the same institution within
 * one second is the same text: it is signed once. A flood of garbage therefore costs no signatures.
 */
import { type ReplyToSeal, sealReply } from "../../core/protocol/envelope.ts";
import type { MessageSigner } from "../../core/protocol/partner.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import type { EdgePorts } from "../ports.ts";
import type { Addressee } from "./admission.ts";
import type { Refusal } from "./call.ts";

/** `orgId` of a reply to a caller that no institution is known for; whatever was sent is not repeated. */
const NO_INSTITUTION = "";
const REFUSALS_KEPT_MAX = 2_000;

/** The same JSON in ASCII: a text that is sent a thousand times is spared being encoded each time. */
function inAscii(json: string): string {
  const ascii = json.replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  // Through bytes, because engines keep the result of a replacement as wide as the text was, and writing that is slow.
  return new TextDecoder().decode(new TextEncoder().encode(ascii));
}

export class ReplyWriter {
  readonly #ports: Pick<EdgePorts, "crypto" | "signer">;
  #second = 0;
  /** A text once it is signed, so that a flood is answered within the turn in which it came. */
  readonly #refusals = new Map<string, string | Promise<string>>();

  constructor(ports: Pick<EdgePorts, "crypto" | "signer">) {
    this.#ports = ports;
  }

  success(to: Addressee, data: object, nowMs: EventMs): Promise<string> {
    return this.#seal(to, { error: "ok", data }, nowMs);
  }

  refusal(to: Addressee, { error, field }: Refusal, nowMs: EventMs): string | Promise<string> {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second || this.#refusals.size >= REFUSALS_KEPT_MAX) this.#refusals.clear();
    this.#second = second;
    const { settings, partner } = to.institution ?? {};
    const key = `${error} ${field ?? ""} ${settings?.orgId ?? ""} ${partner?.dialect ?? ""} ${partner?.appId ?? ""} ${partner?.appSecret ?? ""}`;
    const kept = this.#refusals.get(key);
    if (kept !== undefined) return kept;
    const made = this.#seal(to, { error, field }, nowMs).then(inAscii);
    this.#refusals.set(key, made);
    const keep = (text: string): void => {
      if (this.#refusals.get(key) === made) this.#refusals.set(key, text);
    };
    made.then(keep, () => this.#refusals.delete(key));
    return made;
  }

  #seal(to: Addressee, reply: Omit<ReplyToSeal, "orgId">, nowMs: EventMs): Promise<string> {
    const orgId = to.institution?.settings.orgId ?? NO_INSTITUTION;
    const sign: MessageSigner = (message, userId) => this.#ports.signer.sign(message, userId);
    return sealReply(this.#ports.crypto, { orgId, ...reply }, to.institution?.partner, sign, nowMs, to.encrypted);
  }
}
