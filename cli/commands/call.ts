import { randomBytes } from "node:crypto";
import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { sealRequest } from "../../core/protocol/envelope.ts";
import type { FeeLineText } from "../../core/protocol/fee-lines.ts";
import { type OperationName, OPERATIONS, type SettlementReply } from "../../core/protocol/operations.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { type CallFailure, createHisClient } from "../../edge/client.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson } from "../output.ts";
import { type ClientProfile, partnerOf, readClients, signerOf } from "../platform/clients.ts";
import { layoutOf, readRuntime } from "../platform/layout.ts";
import { writeOut } from "../platform/files.ts";
import { readHandedText } from "../platform/handed-file.ts";

export interface CallOptions {
  readonly edge?: string;
  readonly org?: string;
  readonly term?: string;
  readonly code?: string;
  readonly ecToken?: string;
  readonly amount?: string;
  readonly id?: string;
  readonly medType?: string;
  /** File with a JSON array. */
  readonly feeLines?: string;
  readonly original?: string;
  readonly refundType?: string;
  readonly refundAmount?: string;
  readonly period?: string;
  readonly cursor?: string;
  readonly businessType?: string;
  readonly wait: number;
  readonly receipt?: string;
  readonly printCurl?: boolean;
}

/** 结算 in a hospital, 药店购药 in a pharmacy (S3 C.1). */
const BUSINESS_OF = { H: "01301", P: "02121" } as const;

/** `ronghe call`: what a hospital's system does. Status 0 for success, 3 for a verified refusal, 1 for no verified answer. */
export async function call(config: Config, operation: string | undefined, options: CallOptions): Promise<number> {
  if (operation === undefined || !isOperation(operation))
    throw new UsageError(`no operation ${operation ?? "given"}: ${Object.keys(OPERATIONS).join(", ")}`);
  const layout = layoutOf(config.RONGHE_DATA);
  const edgeUrl = options.edge === undefined ? (await readRuntime(layout)).edgeUrl : edgeAt(options.edge);
  if (edgeUrl === undefined) throw new UsageError("no edge is running here: start one, or name one with --edge URL");
  const institutions = await readClients(layout, "institution");
  const profile = options.org === undefined ? institutions[0] : institutions.find((one) => one.orgId === options.org);
  if (profile === undefined)
    throw new UsageError(`no keys of an institution ${options.org ?? ""}: ${institutions.map((one) => one.orgId).join(", ")}`);
  const crypto = await loadCrypto();
  const request = requestOf(operation, profile, options, options.feeLines === undefined ? undefined : await feeLinesIn(options.feeLines));
  if (options.printCurl === true) {
    console.log(await curlOf(crypto, `${edgeUrl}/v1/${operation}`, operation, profile, request));
    return 0;
  }
  const his = createHisClient({
    url: edgeUrl,
    orgId: profile.orgId,
    profile: partnerOf(profile),
    sign: signerOf(crypto, profile),
    crypto,
    clock: systemClock,
    fetch: (sent) => fetch(sent),
  });
  const reply = await send(his, operation, request);
  if (!reply.ok) {
    printJson({ verified: reply.error.answered, ...failure(reply.error), outTradeNo: request["outTradeNo"] });
    return reply.error.answered ? 3 : 1;
  }
  const { receipt, ...shown } = reply.value as Partial<SettlementReply> & object;
  printJson({
    verified: true,
    code: "0",
    ...shown,
    ...(receipt === undefined ? {} : { receipt: options.receipt ?? "(give --receipt FILE to keep it)" }),
  });
  // After the outcome is told: money may have moved, whether or not the file can be written.
  if (receipt !== undefined && options.receipt !== undefined) await writeOut(options.receipt, receipt);
  if (options.receipt !== undefined && receipt === undefined)
    throw new UsageError("there is no receipt yet: ask again with `call rh.result`");
  return "status" in shown && shown.status === "refused" ? 3 : 0;
}

function edgeAt(text: string): string {
  if (!URL.canParse(text) || !/^https?:\/\/[^/?#@]+\/?$/.test(text))
    throw new UsageError("--edge wants an address such as http://127.0.0.1:8787");
  return text.replace(/\/$/, "");
}

function isOperation(name: string): name is OperationName {
  return Object.hasOwn(OPERATIONS, name);
}

type Fields = Readonly<Record<string, string>>;
/** As it is sent; its number is always there. */
type Request = Readonly<Record<string, string | readonly FeeLineText[]>> & { readonly outTradeNo: string };

function requestOf(
  operation: OperationName,
  profile: ClientProfile,
  options: CallOptions,
  lines: readonly FeeLineText[] | undefined,
): Request {
  const outTradeNo =
    options.id ?? (operation === "rh.result" ? need(options.id, "--id") : `T${Date.now()}${randomBytes(3).toString("hex")}`);
  const waitSeconds = String(options.wait);
  if (operation === "rh.result") return { outTradeNo, waitSeconds };
  if (operation === "rh.statement") return { outTradeNo, period: need(options.period, "--period"), ...given({ cursor: options.cursor }) };
  const scene = {
    businessType: options.businessType ?? (profile.orgId.startsWith("P") ? BUSINESS_OF.P : BUSINESS_OF.H),
    termId: options.term ?? profile.terminals[0] ?? need(undefined, "--term"),
    termIp: "127.0.0.1",
    operatorId: "0001",
    operatorName: "收费员",
    officeId: "A01",
    officeName: "收费处",
    outTradeNo,
  };
  const credential = given({ code: options.code, ecToken: options.ecToken });
  const bill = { ...given({ medType: options.medType }), ...(lines === undefined ? {} : { feeLines: lines }) };
  switch (operation) {
    case "rh.verify":
      return { ...scene, code: need(options.code, "--code") };
    case "rh.presettle":
    case "rh.settle": {
      if (options.code === undefined && options.ecToken === undefined) need(undefined, "--code or --ec-token");
      const asked = { ...scene, ...credential, ...bill, amount: need(options.amount, "--amount") };
      return operation === "rh.settle" ? { ...asked, waitSeconds } : asked;
    }
    case "rh.refund": {
      const { refundType, refundAmount } = options;
      return { ...scene, originalOutTradeNo: need(options.original, "--original"), ...given({ refundType, refundAmount }), waitSeconds };
    }
  }
}

/** The options that were given. */
function given(options: Readonly<Record<string, string | undefined>>): Fields {
  return Object.fromEntries(Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

const FEES_BYTES_MAX = 1024 * 1024;

/** Only that it is JSON: the edge judges the lines. */
async function feeLinesIn(file: string): Promise<readonly FeeLineText[]> {
  const text = await readHandedText(file, FEES_BYTES_MAX);
  try {
    return JSON.parse(text) as readonly FeeLineText[];
  } catch {
    throw new UsageError(`${file} holds no JSON array of fee lines`);
  }
}

function need(value: string | undefined, option: string): string {
  if (value === undefined) throw new UsageError(`this operation needs ${option}`);
  return value;
}

async function send(his: ReturnType<typeof createHisClient>, operation: OperationName, request: Request) {
  // The edge judges the shape; the command line sends what it was given, so that refusals can be tried.
  switch (operation) {
    case "rh.verify":
      return await his.verify(request as unknown as Parameters<typeof his.verify>[0]);
    case "rh.presettle":
      return await his.presettle(request as unknown as Parameters<typeof his.presettle>[0]);
    case "rh.settle":
      return await his.settle(request as unknown as Parameters<typeof his.settle>[0]);
    case "rh.refund":
      return await his.refund(request as unknown as Parameters<typeof his.refund>[0]);
    case "rh.result":
      return await his.result(request);
    case "rh.statement":
      return await his.statement(request as unknown as Parameters<typeof his.statement>[0]);
  }
}

function failure(error: CallFailure): Fields {
  return { code: error.code, message: error.message, ...(error.error === undefined ? {} : { error: error.error }) };
}

async function curlOf(crypto: Crypto, url: string, transType: string, profile: ClientProfile, request: Request): Promise<string> {
  const sealed = {
    orgId: profile.orgId,
    transType,
    version: "1.0.0",
    data: { ...request, orgId: profile.orgId },
    timestampMs: systemClock.now(),
  };
  const body = await sealRequest(crypto, sealed, partnerOf(profile), signerOf(crypto, profile));
  return `curl -sS -H 'content-type: application/json' --data '${body.replaceAll("'", String.raw`'\''`)}' ${url}`;
}
