/**
 * Signed replies (S3 A.3). A refusal says nothing but its code and perhaps a field's name, so the same refusal for the same institution within
 * one second is the same text: it is signed once. A flood of garbage therefore costs no signatures.
 */
import { type ReplyToSeal, sealReply } from "../reply.ts";
import type { ErrorName } from "../errors.ts";
import type { EventMs } from "../time.ts";
import type { MessageSigner, PartnerProfile } from "../partner.ts";
import type { Crypto } from "../../crypto/port.ts";

/** Whom a reply is for, as far as the caller is known. */
export interface Addressee {
  readonly institution?: { readonly settings: { readonly orgId: string }; readonly partner: PartnerProfile };
  readonly encrypted: boolean;
}
export interface ReplyPorts {
  readonly crypto: Crypto;
  readonly signer: { sign: MessageSigner };
}

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
  readonly #ports: ReplyPorts;
  #second = 0;
  /** A text once it is signed, so that a flood is answered within the turn in which it came. */
  readonly #refusals = new Map<string, string | Promise<string>>();

  constructor(ports: ReplyPorts) {
    this.#ports = ports;
  }

  success(to: Addressee, data: object, nowMs: EventMs): Promise<string> {
    return this.#seal(to, { error: "ok", data }, nowMs);
  }

  refusal(
    to: Addressee,
    { error, field }: { readonly error: ErrorName; readonly field?: string | undefined },
    nowMs: EventMs,
  ): string | Promise<string> {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second || this.#refusals.size >= REFUSALS_KEPT_MAX) this.#refusals.clear();
    this.#second = second;
    const { settings, partner } = to.institution ?? {};
    // All that the text depends on: the secret may change within the second, and so may the profile.
    const { appId = "", appSecret = "", signType = "", dialect = "" } = partner ?? {};
    const key = `${error} ${field ?? ""} ${settings?.orgId ?? ""} ${appId} ${appSecret} ${signType} ${dialect}`;
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
