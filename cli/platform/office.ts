/**
 * How commands reach the books. A running core is asked at its operator address; when none runs, this process owns the
 * folder for as long as the command takes. Either way the same requests are carried out by the same code.
 */
import { Agent, request } from "undici";
import { loadCrypto } from "../../core/crypto/index.ts";
import { OPERATOR, PERFORM_PATH } from "../../core/http/operator-routes.ts";
import { SEALING, SEALING_VERSION } from "../../core/key-handles.ts";
import { utf8 } from "../../core/protocol/bytes.ts";
import { checkInternalReply, INTERNAL_HEADERS, signInternalRequest } from "../../core/protocol/internal-auth.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { openPayers, sealingKey } from "../../core/settlement/rails/payers.ts";
import { PROVINCE_PROFILES } from "../../core/settlement/split/profile.ts";
import type { Payers } from "../../core/settlement/rails/port.ts";
import type { ErasureOrder } from "../../core/erasure/order.ts";
import type { OperationInput, OperationReply } from "../../core/settlement/reconcile/operations.ts";
import { type Config, UsageError } from "../config.ts";
import { type AllShards, openAllShards, openBooks, readOperatorKey } from "./books.ts";
import { parkedBus } from "./bus.ts";
import type { CoreOptions } from "./core-options.ts";
import { openPlatformServices, openPlatformShard } from "./core.ts";
import { type ERASE, openPlatformEraser, performErasure } from "./eraser.ts";
import { openKeys } from "./keys.ts";
import { type Layout, layoutOf, readPlatform, knownRuntime } from "./layout.ts";
import { ownFolder } from "./owner.ts";
import { chosenPayers, sandboxPayers } from "./payers.ts";

/** A statement of a million rows takes its time; nothing else here does. */
const ANSWER_MS_MAX = 3_600_000;

export type Asked = OperationInput | ({ readonly do: typeof ERASE } & ErasureOrder);

export async function perform(config: Config, operation: Asked): Promise<OperationReply> {
  const layout = layoutOf(config.RONGHE_DATA);
  readPlatform(layout);
  const owned = tryOwn(layout);
  if (owned === undefined) return await askCore(layout, operation);
  try {
    return await performHere(config, layout, operation);
  } finally {
    owned.release();
  }
}

/** `undefined`: another process owns the core's folder. */
function tryOwn(layout: Layout): ReturnType<typeof ownFolder> | undefined {
  try {
    return ownFolder(layout.core.folder);
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

async function askCore(layout: Layout, operation: Asked): Promise<OperationReply> {
  const coreUrl = (await knownRuntime(layout))?.coreUrl;
  const key = await readOperatorKey(layout);
  if (coreUrl === undefined || key === undefined)
    throw new UsageError(`${layout.core.folder} is in use by a process that does not say where its core listens: try again in a moment`);
  const crypto = await loadCrypto();
  const body = JSON.stringify(operation);
  const signed = signInternalRequest(
    crypto,
    key,
    { edge: OPERATOR, method: "POST", path: PERFORM_PATH, body: utf8(body) },
    systemClock.now(),
  );
  const agent = new Agent({ headersTimeout: ANSWER_MS_MAX, bodyTimeout: ANSWER_MS_MAX });
  try {
    const response = await request(new URL(PERFORM_PATH, coreUrl), {
      method: "POST",
      headers: { "content-type": "application/json", ...signed.headers },
      body,
      dispatcher: agent,
    });
    const text = await response.body.text();
    const signature = response.headers[INTERNAL_HEADERS.signature];
    const reply = { requestSignature: signed.signature, status: response.statusCode, body: utf8(text) };
    if (typeof signature !== "string" || !checkInternalReply(crypto, key, reply, signature))
      throw new UsageError(`the core at ${coreUrl} does not accept this operator (${response.statusCode}): its clock, or another core?`);
    return JSON.parse(text) as OperationReply;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`the core at ${coreUrl} does not answer`);
  } finally {
    await agent.close();
  }
}

async function performHere(config: Config, layout: Layout, operation: Asked): Promise<OperationReply> {
  const crypto = await loadCrypto();
  const keys = await openKeys(config, layout, crypto, "core");
  const options: CoreOptions = { config, layout, platform: readPlatform(layout), crypto, keys, clock: systemClock, bus: parkedBus };
  const shards = await openAllShards(options.platform.partitions, (partition) => openPlatformShard(options, partition));
  if (operation.do === "person.erase") return await eraseHere(options, shards, operation);
  const payers = await payersOf(options);
  const books = await openBooks(options, shards.all, payers ?? {});
  try {
    return (await books.operator.perform(operation)) as OperationReply;
  } finally {
    await books.close();
    await shards.closeOthers();
    await Promise.all(Object.values(payers ?? {}).map((payer) => payer.close()));
  }
}

async function eraseHere(options: CoreOptions, shards: AllShards, operation: Asked): Promise<OperationReply> {
  const services = await openPlatformServices(options);
  try {
    return await performErasure(await openPlatformEraser(options, services, shards.all), operation);
  } finally {
    await shards.closeOthers();
    await services.stop();
  }
}

/** Real payers answer whether or not the core runs; those of the sandbox run with the platform. */
async function payersOf({ config, layout, keys, clock }: CoreOptions): Promise<Payers | undefined> {
  const chosen = chosenPayers(config);
  const urls = chosen?.kind === "real" ? chosen.urls : chosen === undefined ? undefined : await sandboxPayers(layout);
  if (urls === undefined) return undefined;
  return await openPayers({
    urls,
    file: layout.core.rails,
    sealing: sealingKey(keys, `${SEALING.rails}/${SEALING_VERSION}`),
    clock,
    timeoutMs: config.RONGHE_RAIL_TIMEOUT_S * 1000,
    nhsa: { profile: PROVINCE_PROFILES[config.RONGHE_PROVINCE] },
  });
}
