/**
 * What an operator may order of access, as data: the same commands from a command line beside the files and over the
 * address of a running core. Each change leaves its entry of the registry log, with who ordered it.
 */
import * as v from "valibot";
import { codePoints } from "../protocol/texts.ts";
import { toHex } from "../protocol/bytes.ts";
import type { AccessRefusal } from "./refusals.ts";
import { ok, type Result } from "../protocol/result.ts";
import type { Access } from "./access.ts";
import type { Bindings } from "../vault/bindings.ts";
import { BUNDLE_LIFE_MS } from "./bundle.ts";
import { SIGNING_PURPOSES } from "./directory.ts";
import { offlineRegistration } from "./registration.ts";

const id = v.pipe(v.string(), codePoints(1, 40));
const status = v.picklist(["active", "suspended"]);
const span = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const purpose = v.picklist(SIGNING_PURPOSES);

export const accessCommand = v.variant("do", [
  v.strictObject({ do: v.literal("edge.list") }),
  v.strictObject({ do: v.literal("edge.status"), edgeId: id, status }),
  v.strictObject({ do: v.literal("edge.rotate"), edgeId: id, overlapMs: span }),
  v.strictObject({ do: v.literal("partner.status"), orgId: id, status }),
  v.strictObject({ do: v.literal("partner.offline"), orgId: id, allowance: offlineRegistration }),
  v.strictObject({ do: v.literal("partner.secret"), orgId: id, partnerSecret: v.string(), overlapMs: span }),
  v.strictObject({
    do: v.literal("partner.key"),
    orgId: id,
    publicKey: v.pipe(v.string(), v.maxLength(1_024)),
    change: v.picklist(["add", "retire"]),
  }),
  v.strictObject({ do: v.literal("terminal.status"), orgId: id, termId: id, status }),
  /** What a payer said of an account that an app wants to bind, where no address of the payer answers for itself. */
  v.strictObject({
    do: v.literal("binding.decide"),
    bindingId: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
    step: v.picklist(["activate", "revoke"]),
  }),
  v.strictObject({ do: v.literal("key.list"), purpose }),
  /** Without a lead a code key signs once every edge must have heard of it, a bundle key at once. */
  v.strictObject({ do: v.literal("key.add"), purpose, leadMs: v.optional(span) }),
  v.strictObject({ do: v.literal("key.retire"), handle: v.string() }),
]);
export type AccessCommand = v.InferOutput<typeof accessCommand>;

/** JSON for the operator; only `edge.rotate` has a secret in it, which is shown this once. */
export type CommandAnswer = Readonly<Record<string, unknown>>;

export interface Ordered {
  readonly access: Access;
  readonly bindings: Pick<Bindings, "step">;
}

export async function carryOut(
  { access, bindings }: Ordered,
  command: AccessCommand,
  by: string,
): Promise<Result<CommandAnswer, AccessRefusal>> {
  switch (command.do) {
    case "edge.list":
      return ok({ edges: access.edges.list().map(shownEdge) });
    case "edge.status":
      return done(await access.setEdgeStatus(command.edgeId, command.status, by));
    case "edge.rotate": {
      const rotated = await access.edges.rotate(command.edgeId, command.overlapMs, by);
      return rotated.ok ? ok({ authKey: toHex(rotated.value.authKey) }) : rotated;
    }
    case "partner.status":
      return done(await access.setStatus(command.orgId, command.status, by));
    case "partner.offline":
      return done(await access.setOfflineAllowance(command.orgId, command.allowance, by));
    case "partner.secret": {
      const { partnerSecret, overlapMs } = command;
      return done(await access.rotatePartnerSecret(command.orgId, { partnerSecret, overlapMs }, by));
    }
    case "partner.key":
      return done(
        command.change === "add"
          ? await access.addPartnerKey(command.orgId, command.publicKey, by)
          : await access.retirePartnerKey(command.orgId, command.publicKey, by),
      );
    case "terminal.status":
      return done(await access.setTerminalStatus(command.orgId, command.termId, command.status, by));
    case "binding.decide":
      return done(await bindings.step(command.bindingId, { step: command.step }, by));
    case "key.list":
      return ok({ keys: access.signing.list(command.purpose) });
    case "key.add": {
      const leadMs = command.leadMs ?? (command.purpose === "code" ? BUNDLE_LIFE_MS : 0);
      const added = await access.signing.add(command.purpose, leadMs, by);
      return added.ok ? ok({ key: added.value }) : added;
    }
    case "key.retire":
      return done(await access.signing.retire(command.handle, by));
  }
}

function done(change: Result<unknown, AccessRefusal>): Result<CommandAnswer, AccessRefusal> {
  return change.ok ? ok({}) : change;
}

function shownEdge(edge: ReturnType<Access["edges"]["list"]>[number]): CommandAnswer {
  const { edgeId, status: standing, serves, keys } = edge;
  return {
    edgeId,
    status: standing,
    serves: serves === undefined ? null : [...serves],
    secrets: keys.map(({ keyId, addedAtMs, untilMs }) => ({ keyId, addedAtMs, untilMs: untilMs ?? null })),
  };
}
