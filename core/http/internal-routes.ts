/** What edges ask of the core (`/internal/v1/*`): the settings they work with, and who is behind a credential. */
import { Hono } from "hono";
import * as v from "valibot";
import type { Access } from "../access/access.ts";
import type { EdgeContacts } from "../access/edge-contacts.ts";
import type { BundleMaker } from "../access/bundle.ts";
import { servesInstitution } from "../access/directory.ts";
import type { Crypto } from "../crypto/port.ts";
import { BUNDLE_TRUST_HEADER } from "../protocol/bundle-keys.ts";
import { utf8Text } from "../protocol/bytes.ts";
import type { ErrorName } from "../protocol/errors.ts";
import {
  type InternalPresettleReply,
  type InternalStatementReply,
  presettleRequest,
  resolveRequest,
  type ResolveReply,
  type ResolveRequest,
  statementRequest,
} from "../protocol/internal.ts";
import { parseStrictJson, toPlainJson } from "../protocol/json.ts";
import { checkFeeLines } from "../protocol/fee-lines.ts";
import { maskIdNo, maskName } from "../protocol/masking.ts";
import { type Fen, formatYuan, parseYuan } from "../protocol/money.ts";
import { SPLIT_FIELDS } from "../protocol/operations.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import type { Clock, EventMs } from "../protocol/time.ts";
import type { Presettlement, PresettlementRequest } from "../settlement/rails/presettlement.ts";
import type { InstitutionStatements, StatementPage } from "../settlement/statement-port.ts";
import { CLOCK_SKEW_MS } from "../vault/domain-controls.ts";
import type { CredentialUse, ResolvedPerson, Vault } from "../vault/port.ts";
import type { CredentialOpener } from "../vault/sealed-credential.ts";
import { INTERNAL_BODY_BYTES_MAX, hearing, internalAuth, type InternalCall, secretsOf } from "./internal-auth.ts";

export interface InternalPorts {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly access: Access;
  /** Told what calls show of edges. */
  readonly contacts?: EdgeContacts;
  readonly bundles: BundleMaker;
  readonly vault: Pick<Vault, "resolve">;
  readonly openCredential: CredentialOpener;
  /** What a bill would cost whom; absent where no payers are: then nobody can say. */
  readonly presettle?: (request: PresettlementRequest) => Promise<Result<Presettlement, ErrorName>>;
  /** Absent where no books are. */
  readonly statements?: InstitutionStatements;
}

export function internalRoutes(ports: InternalPorts): Hono<InternalCall> {
  const routes = new Hono<InternalCall>();
  routes.use(
    internalAuth({
      crypto: ports.crypto,
      clock: ports.clock,
      secretsOf: secretsOf(ports.access),
      heard: hearing(ports.contacts),
      bodyBytesMax: INTERNAL_BODY_BYTES_MAX,
    }),
  );

  routes.get("/bundle", async (c) => {
    const edge = ports.access.edge(c.get("edgeId"));
    if (edge === undefined) throw new Error("an edge without registration passed authentication");
    c.set("outcome", "ok");
    const trusted = new Set((c.req.header(BUNDLE_TRUST_HEADER) ?? "").split(",", TRUSTED_MAX));
    return c.json(await ports.bundles.bundleFor(edge, ports.clock.now(), trusted));
  });

  routes.post("/resolve", async (c) => {
    const resolved = await resolve(ports, c.get("edgeId"), c.get("body"));
    c.set("outcome", resolved.ok ? "ok" : resolved.error);
    return c.json(replyOf(resolved));
  });

  routes.post("/presettle", async (c) => {
    const presettled = await presettle(ports, c.get("edgeId"), c.get("body"));
    c.set("outcome", presettled.ok ? "ok" : presettled.error);
    return c.json(presettleReplyOf(presettled));
  });

  routes.post("/statement", async (c) => {
    const page = await statement(ports, c.get("edgeId"), c.get("body"));
    c.set("outcome", page.ok ? "ok" : page.error);
    return c.json(statementReplyOf(page));
  });

  return routes;
}

const TRUSTED_MAX = 8;

async function resolve(ports: InternalPorts, edgeId: string, body: Uint8Array): Promise<Result<ResolvedPerson, ErrorName>> {
  const request = readRequest(body, resolveRequest);
  if (!request.ok) return request;
  const use = await useOf(ports, edgeId, request.value);
  return use.ok ? await ports.vault.resolve(use.value) : use;
}

async function presettle(ports: InternalPorts, edgeId: string, body: Uint8Array): Promise<Result<Presettlement, ErrorName>> {
  const request = readRequest(body, presettleRequest);
  if (!request.ok) return request;
  if (ports.presettle === undefined) return refused("coreUnavailable");
  const { amount, medType, feeLines } = request.value;
  const bill = parseYuan(amount);
  if (bill === undefined || bill <= 0n) return refused("amountInvalid");
  if (feeLines !== undefined && !checkFeeLines(feeLines, bill).ok) return refused("feesInvalid");
  const use = await useOf(ports, edgeId, request.value);
  return use.ok ? await ports.presettle({ ...use.value, bill, medType, fees: feeLines }) : use;
}

async function statement(ports: InternalPorts, edgeId: string, body: Uint8Array): Promise<Result<StatementPage, ErrorName>> {
  const request = readRequest(body, statementRequest);
  if (!request.ok) return request;
  const { institution, period, cursor, limit } = request.value;
  const served = checkServed(ports, edgeId, institution);
  if (!served.ok) return served;
  if (ports.statements === undefined) return refused("coreUnavailable");
  const page = await ports.statements.read({ institution, period, after: cursor, limit });
  return page === undefined ? refused("badRequest") : ok(page);
}

/** What was shown to an edge, opened, and as of when it counts. */
async function useOf(ports: InternalPorts, edgeId: string, request: ResolveRequest): Promise<Result<CredentialUse, ErrorName>> {
  const { institution, outTradeNo, terminal, businessType, transactionId, credential, observedAtMs } = request;
  const served = checkServed(ports, edgeId, institution);
  if (!served.ok) return served;
  if (transactionId !== `${institution}/${outTradeNo}`) return refused("badRequest");
  const opened = await ports.openCredential(credential, { institution, outTradeNo });
  if (!opened.ok) return opened;
  const nowMs = ports.clock.now();
  // The moment the edge saw the code counts, but never further back than clocks may differ.
  const atMs = Math.min(nowMs, Math.max(observedAtMs, nowMs - CLOCK_SKEW_MS)) as EventMs;
  return ok({ institution, terminal, businessType, transactionId, atMs, credential: opened.value, actor: `edge/${edgeId}` });
}

/** An edge speaks for the institutions beside it and for no other. */
function checkServed(ports: InternalPorts, edgeId: string, institution: string): Result<void, ErrorName> {
  const [edge, asked] = [ports.access.edge(edgeId), ports.access.institution(institution)];
  return edge === undefined || asked === undefined || !servesInstitution(edge, asked) ? refused("institutionUnknown") : ok(undefined);
}

function readRequest<S extends v.GenericSchema>(body: Uint8Array, schema: S): Result<v.InferOutput<S>, "badRequest"> {
  const text = utf8Text(body);
  const json = text === undefined ? undefined : parseStrictJson(text);
  if (json === undefined || !json.ok) return refused("badRequest");
  const parsed = v.safeParse(schema, toPlainJson(json.value));
  return parsed.success ? ok(parsed.output) : refused("badRequest");
}

function presettleReplyOf(presettled: Result<Presettlement, ErrorName>): InternalPresettleReply {
  if (!presettled.ok) return { ok: false, error: presettled.error };
  const { ecToken, ecTokenExpiresMs, insuOrg, amounts, commercialClaim, legs, personalAccount } = presettled.value;
  const split = { ...amounts, commercial_claim: commercialClaim, psn_cash_pay: (amounts.psn_cash_pay - commercialClaim) as Fen };
  return {
    ok: true,
    ecToken,
    ecTokenExpiresMs,
    insuOrg: insuOrg ?? "",
    split: Object.fromEntries(SPLIT_FIELDS.map((field) => [field, formatYuan(split[field])])) as Record<
      (typeof SPLIT_FIELDS)[number],
      string
    >,
    legs: legs.map(legOf),
    ...(personalAccount === undefined ? {} : { balc: formatYuan(personalAccount) }),
  };
}

function statementReplyOf(page: Result<StatementPage, ErrorName>): InternalStatementReply {
  if (!page.ok) return { ok: false, error: page.error };
  const { closed, totals, rows, next } = page.value;
  const { settlements, settled, refunds, refunded, sources } = totals;
  return {
    ok: true,
    closed,
    totals: {
      settlements,
      settled: formatYuan(settled),
      refunds,
      refunded: formatYuan(refunded),
      sources: sources.map((source) => ({ ...source, settled: formatYuan(source.settled), refunded: formatYuan(source.refunded) })),
    },
    rows: rows.map(({ movement, outTradeNo, settlementId, originalSettlementId, ...row }) => ({
      ...row,
      ...(movement === undefined ? {} : { movement }),
      ...(outTradeNo === undefined ? {} : { outTradeNo }),
      ...(settlementId === undefined ? {} : { settlementId }),
      ...(originalSettlementId === undefined ? {} : { originalSettlementId }),
      amount: formatYuan(row.amount),
      legs: row.legs.map(legOf),
    })),
    ...(next === undefined ? {} : { next }),
  };
}

function legOf(leg: { readonly rail: string; readonly fundSource: string; readonly amount: Fen }): {
  rail: string;
  fundSource: string;
  amount: string;
} {
  return { rail: leg.rail, fundSource: leg.fundSource, amount: formatYuan(leg.amount) };
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
