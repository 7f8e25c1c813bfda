/** What edges ask of the core (`/internal/v1/*`): the settings they work with, and who is behind a credential. */
import { Hono } from "hono";
import * as v from "valibot";
import type { Access } from "../access/access.ts";
import type { BundleMaker } from "../access/bundle.ts";
import { servesInstitution } from "../access/directory.ts";
import type { Crypto } from "../crypto/port.ts";
import { utf8Text } from "../protocol/bytes.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { resolveRequest, type ResolveReply, type ResolveRequest } from "../protocol/internal.ts";
import { parseStrictJson, toPlainJson } from "../protocol/json.ts";
import { maskIdNo, maskName } from "../protocol/masking.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import type { Clock, EventMs } from "../protocol/time.ts";
import { CLOCK_SKEW_MS } from "../vault/domain-controls.ts";
import type { ResolvedPerson, Vault } from "../vault/port.ts";
import type { CredentialOpener } from "../vault/sealed-credential.ts";
import { internalAuth, type InternalCall } from "./internal-auth.ts";

export interface InternalPorts {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly access: Access;
  readonly bundles: BundleMaker;
  readonly vault: Pick<Vault, "resolve">;
  readonly openCredential: CredentialOpener;
}

export function internalRoutes(ports: InternalPorts): Hono<InternalCall> {
  const routes = new Hono<InternalCall>();
  routes.use(internalAuth({ crypto: ports.crypto, clock: ports.clock, keyOf: (edgeId) => ports.access.edgeKey(edgeId) }));

  routes.get("/bundle", async (c) => {
    const edge = ports.access.edge(c.get("edgeId"));
    if (edge === undefined) throw new Error("an edge without registration passed authentication");
    c.set("outcome", "ok");
    return c.json(await ports.bundles.bundleFor(edge, ports.clock.now()));
  });

  routes.post("/resolve", async (c) => {
    const resolved = await resolve(ports, c.get("edgeId"), c.get("body"));
    c.set("outcome", resolved.ok ? "ok" : resolved.error);
    return c.json(replyOf(resolved));
  });

  return routes;
}

async function resolve(ports: InternalPorts, edgeId: string, body: Uint8Array): Promise<Result<ResolvedPerson, ErrorName>> {
  const request = readRequest(body);
  if (!request.ok) return request;
  const { institution, outTradeNo, terminal, businessType, transactionId, credential, observedAtMs } = request.value;
  // An edge speaks for the institutions beside it and for no other.
  const [edge, asked] = [ports.access.edge(edgeId), ports.access.institution(institution)];
  if (edge === undefined || asked === undefined || !servesInstitution(edge, asked)) return refused("institutionUnknown");
  if (transactionId !== `${institution}/${outTradeNo}`) return refused("badRequest");
  const opened = await ports.openCredential(credential, { institution, outTradeNo });
  if (!opened.ok) return opened;
  const nowMs = ports.clock.now();
  // The moment the edge saw the code counts, but never further back than clocks may differ.
  const atMs = Math.min(nowMs, Math.max(observedAtMs, nowMs - CLOCK_SKEW_MS)) as EventMs;
  return await ports.vault.resolve({
    institution,
    terminal,
    businessType,
    transactionId,
    atMs,
    credential: opened.value,
    actor: `edge/${edgeId}`,
  });
}

function readRequest(body: Uint8Array): Result<ResolveRequest, "badRequest"> {
  const text = utf8Text(body);
  const json = text === undefined ? undefined : parseStrictJson(text);
  if (json === undefined || !json.ok) return refused("badRequest");
  const parsed = v.safeParse(resolveRequest, toPlainJson(json.value));
  return parsed.success ? ok(parsed.output) : refused("badRequest");
}

/**
 * Masked here already: no edge needs a whole name or number for what it answers today, and the road between may be
 * longer than one machine. Accounts never come this way (S0 4.2 (3)).
 */
function replyOf(resolved: Result<ResolvedPerson, ErrorName>): ResolveReply {
  if (!resolved.ok) return { ok: false, error: resolved.error };
  const { userName, idType, idNo, ecToken, ecTokenExpiresMs, insuOrg } = resolved.value;
  return { ok: true, userName: maskName(userName), idType, idNo: maskIdNo(idNo), ecToken, ecTokenExpiresMs, insuOrg };
}
