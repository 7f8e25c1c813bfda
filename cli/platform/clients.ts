/**
 * Who calls the platform from outside: a hospital's system and a patient's app, each with a profile file that
 * `sandbox init` wrote. The files hold the callers' own private keys; the platform never reads them.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { Crypto } from "../../core/crypto/port.ts";
import { PRIVATE_KEY_FORMS, PUBLIC_KEY_FORMS, readPrivateKey, readPublicKey } from "../../core/crypto/sm2-key-text.ts";
import { partnerDialect } from "../../core/protocol/dialects.ts";
import type { MessageSigner, PartnerProfile } from "../../core/protocol/envelope.ts";
import type { ErrorName } from "../../core/protocol/errors.ts";
import type { CodePurpose } from "../../core/protocol/channel-operations.ts";
import { ok, refused, type Result } from "../../core/protocol/result.ts";
import { type Clock, formatCst14 } from "../../core/protocol/time.ts";
import { createChannelClient } from "../../edge/sdk/channel.ts";
import { UsageError } from "../config.ts";
import type { Layout } from "./layout.ts";
import { isThere } from "./files.ts";

const clientProfile = v.strictObject({
  kind: v.picklist(["institution", "app"]),
  orgId: v.string(),
  name: v.string(),
  appId: v.string(),
  appSecret: v.string(),
  dialect: partnerDialect,
  signType: v.picklist(["SM2", "SM3"]),
  encryption: v.picklist(["required", "optional", "none"]),
  /** The caller's own SM2 private key, in a form of `core/crypto/sm2-key-text.ts`; so are the platform's public keys. */
  privateKey: v.string(),
  /** Keys that sign the replies this caller gets. */
  platformKeys: v.array(v.string()),
  /** Of an institution. */
  terminals: v.array(v.string()),
  /** Of an app: people who bound it. */
  users: v.array(v.string()),
});
export type ClientProfile = v.InferOutput<typeof clientProfile>;

export function clientFile(layout: Layout, profile: Pick<ClientProfile, "kind" | "orgId">): string {
  return join(layout.clients, `${profile.kind}-${profile.orgId}.json`);
}

/** Profiles of one kind, in the order of their ids. */
export async function readClients(layout: Layout, kind: ClientProfile["kind"]): Promise<readonly ClientProfile[]> {
  const names = isThere(layout.clients) ? await readdir(layout.clients) : [];
  const profiles = await Promise.all(
    names
      .filter((name) => name.startsWith(`${kind}-`) && name.endsWith(".json"))
      .sort()
      .map(async (name) => {
        const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), clientProfile), await readFile(join(layout.clients, name), "utf8"));
        if (!parsed.success) throw new UsageError(`${join(layout.clients, name)} is not a caller's profile of this version`);
        return parsed.output;
      }),
  );
  if (profiles.length === 0) throw new UsageError(`no caller's keys in ${layout.clients}: \`ronghe sandbox init\` makes some`);
  return profiles;
}

export function partnerOf(profile: ClientProfile): PartnerProfile {
  return {
    appId: profile.appId,
    appSecret: profile.appSecret,
    dialect: profile.dialect,
    signType: profile.signType,
    encryption: profile.encryption,
    publicKeys: profile.platformKeys.map((text) => keyOf(profile, readPublicKey(text), PUBLIC_KEY_FORMS)),
  };
}

export function signerOf(crypto: Crypto, profile: ClientProfile): MessageSigner {
  const privateKey = keyOf(profile, readPrivateKey(profile.privateKey), PRIVATE_KEY_FORMS);
  return (message, userId) => crypto.sm2Sign(privateKey, message, userId);
}

function keyOf({ kind, orgId }: ClientProfile, key: Uint8Array | undefined, forms: string): Uint8Array {
  if (key === undefined) throw new UsageError(`a key in the profile of ${kind} ${orgId} cannot be read: ${forms}`);
  return key;
}

export interface AppClient {
  issueCode(
    appUserId: string,
    purpose: CodePurpose,
    form: "signed" | "opaque",
  ): Promise<Result<{ readonly code: string; readonly expiresAt: string }, ErrorName | string>>;
}

/** A patient's app: asks the core's channel address for codes. */
export function createAppClient(options: {
  readonly url: string;
  readonly profile: ClientProfile;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly fetch?: typeof fetch;
}): AppClient {
  const { url, crypto, clock, profile } = options;
  const send = options.fetch ?? fetch;
  const channel = createChannelClient({
    url,
    orgId: profile.orgId,
    profile: partnerOf(profile),
    sign: signerOf(crypto, profile),
    crypto,
    clock,
    fetch: (request) => send(request),
  });
  return {
    issueCode: async (appUserId, purpose, form) => {
      const issued = await channel.code({ appUserId, purpose, form });
      if (issued.ok) return ok({ code: issued.value.text, expiresAt: formatCst14(issued.value.expiresAtMs) });
      const { error, code, message } = issued.error;
      return refused(error ?? `${code} ${message}`);
    },
  };
}
