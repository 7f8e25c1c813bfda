/** Carries out one verified request of an app: the schema of its operation, then the service behind it. */
import * as v from "valibot";
import { CHANNEL_OPERATIONS, type ChannelOperationName, type ChannelReplies } from "../protocol/channel-operations.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import { type EventMs, formatCst14 } from "../protocol/time.ts";
import { fieldOf } from "../protocol/wrong-field.ts";
import type { AppAccounts } from "../vault/app-accounts.ts";
import type { Vault } from "../vault/port.ts";

export interface ChannelServices {
  readonly vault: Pick<Vault, "issueCode" | "revokeCode">;
  readonly appAccounts: AppAccounts;
}

type Handlers = {
  readonly [Name in ChannelOperationName]: (
    services: ChannelServices,
    request: v.InferOutput<(typeof CHANNEL_OPERATIONS)[Name]>,
    atMs: EventMs,
  ) => Promise<Result<ChannelReplies[Name], ErrorName>>;
};

const HANDLERS: Handlers = {
  "rh.person.register": ({ appAccounts }, request) => appAccounts.register(request),
  "rh.account.bind": ({ appAccounts }, request) => appAccounts.bind(request),
  "rh.account.list": async ({ appAccounts }, { orgId, appUserId }) => {
    const accounts = await appAccounts.list(orgId, appUserId);
    if (!accounts.ok) return accounts;
    return ok(accounts.value.length === 0 ? { appUserId } : { appUserId, accounts: accounts.value });
  },
  "rh.account.unbind": async ({ appAccounts }, { orgId, appUserId, bindingId }) => {
    const ended = await appAccounts.unbind(orgId, appUserId, bindingId);
    return ended.ok ? ok({ bindingId, state: "revoked" }) : ended;
  },
  "rh.code.issue": async ({ vault }, { orgId, appUserId, purpose, form }, atMs) => {
    const issued = await vault.issueCode({ appId: orgId, appUserId, purpose, form, atMs });
    return issued.ok ? ok({ code: issued.value.code, expiresAt: formatCst14(issued.value.expiresAtMs) }) : issued;
  },
  "rh.code.revoke": async ({ vault }, { orgId, code }, atMs) => {
    const revoked = await vault.revokeCode({ code, appId: orgId, atMs });
    return revoked.ok ? ok({ state: "revoked" }) : revoked;
  },
};

export function isChannelOperation(name: string): name is ChannelOperationName {
  return Object.hasOwn(CHANNEL_OPERATIONS, name);
}

/** Why an operation came to nothing, and, where its shape is wrong, the name of the field. */
export interface ChannelRefusal {
  readonly error: ErrorName;
  readonly field?: string | undefined;
}

/** @param data of the opened envelope, whose `orgId` the envelope's reader has compared with the outer one. */
export async function carryOut<Name extends ChannelOperationName>(
  services: ChannelServices,
  name: Name,
  data: object,
  atMs: EventMs,
): Promise<Result<object, ChannelRefusal>> {
  const parsed = v.safeParse(CHANNEL_OPERATIONS[name], data, { abortEarly: true });
  if (!parsed.success) return refused({ error: "badRequest", field: fieldOf(parsed.issues[0]) });
  const done = await HANDLERS[name](services, parsed.output as v.InferOutput<(typeof CHANNEL_OPERATIONS)[Name]>, atMs);
  return done.ok ? done : refused({ error: done.error });
}
