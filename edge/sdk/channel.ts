/**
 * Channel SDK: what a patient's app does with the platform, in a browser (H5) or any JavaScript runtime with `fetch`.
 * It registers a person whose identity the app has proven, binds accounts, and gets codes to show.
 *
 * The app's signing key stays in the app's backend: `sign` asks it for each message. A key in a page would be
 * everybody's key (S1 5.4).
 */
import type {
  BindAccountRequest,
  BoundAccount,
  ChannelOperationName,
  ChannelReplies,
  ListAccountsReply,
  RegisterPersonReply,
  RegisterPersonRequest,
} from "../../core/protocol/channel-operations.ts";
import { ok, refused, type Result } from "../../core/protocol/result.ts";
import { parseCst14 } from "../../core/protocol/time.ts";
import type { CodeWanted, ShownCode } from "./code-display.ts";
import { type CallFailure, createSignedCaller, NO_ANSWER, type SignedCallerOptions } from "./signed-call.ts";

export type { CallFailure, SignedCallerOptions } from "./signed-call.ts";
export { loadSdkCrypto } from "./sdk-crypto.ts";
export { CodeDisplay, type CodeDisplayOptions, type CodeWanted, type DisplayState, type ShownCode } from "./code-display.ts";
export { type QrMatrix, qrMatrix, qrSvg } from "./qr.ts";

type Answer<T> = Promise<Result<T, CallFailure>>;
type WithoutOrg<Request extends { readonly orgId: string }> = Omit<Request, "orgId">;

export interface ChannelClient {
  /** Registers a person under the app's own name for them. Again with the same person: the same answer. */
  register(person: WithoutOrg<RegisterPersonRequest>): Answer<RegisterPersonReply>;
  /** Binds an account; `pending` until the payer has confirmed it: call again later to ask. */
  bind(account: WithoutOrg<BindAccountRequest>): Answer<BoundAccount>;
  accounts(appUserId: string): Answer<readonly BoundAccount[]>;
  unbind(appUserId: string, bindingId: string): Answer<void>;
  /** A new one-use code; `CodeDisplay` keeps one on the screen. */
  code(wanted: CodeWanted): Answer<ShownCode>;
  /** Takes back a code that was not used, for example when the person leaves the page. */
  revoke(code: string): Answer<void>;
}

/**
 * @param options `url` is the core's channel address.
 *
 * @example
 * const channel = createChannelClient({ url, orgId, profile, sign, crypto: await loadSdkCrypto(), clock, fetch });
 * await channel.register({ appUserId: "u1", idType: "01", idNo: "510104199001010011", userName: "张三" });
 */
export function createChannelClient(options: SignedCallerOptions): ChannelClient {
  const signedCall = createSignedCaller(options);

  async function call<Name extends ChannelOperationName>(name: Name, data: object): Answer<ChannelReplies[Name]> {
    const reply = await signedCall(name, data);
    if (!reply.ok) return reply;
    // Signed for another app: not an answer to this call.
    return reply.value.orgId === options.orgId ? ok(reply.value.data as unknown as ChannelReplies[Name]) : refused(NO_ANSWER);
  }

  return {
    register: (person) => call("rh.person.register", person),
    bind: (account) => call("rh.account.bind", account),
    async accounts(appUserId) {
      const listed: Result<ListAccountsReply, CallFailure> = await call("rh.account.list", { appUserId });
      // Empty lists are not signed, so they are not sent (domain notes 1.4).
      return listed.ok ? ok(listed.value.accounts ?? []) : listed;
    },
    async unbind(appUserId, bindingId) {
      const ended = await call("rh.account.unbind", { appUserId, bindingId });
      return ended.ok ? ok(undefined) : ended;
    },
    async code({ appUserId, purpose = "settle", form = "signed" }) {
      const issued = await call("rh.code.issue", { appUserId, purpose, form });
      if (!issued.ok) return issued;
      const expiresAtMs = parseCst14(issued.value.expiresAt);
      return expiresAtMs === undefined ? refused(NO_ANSWER) : ok({ text: issued.value.code, expiresAtMs });
    },
    async revoke(code) {
      const revoked = await call("rh.code.revoke", { code });
      return revoked.ok ? ok(undefined) : revoked;
    },
  };
}
