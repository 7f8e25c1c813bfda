/**
 * `ronghe access …`: who is let in, with which keys. Goes to the running core, sealed under a key of its key store; with
 * no core running, to the files themselves. Either way each change is an entry of the registry log.
 */
import { userInfo } from "node:os";
import { writeFile } from "node:fs/promises";
import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import { canonicalPublicKey, PUBLIC_KEY_FORMS } from "../../core/crypto/sm2-key-text.ts";
import { type AccessCommand, carryOut, type CommandAnswer } from "../../core/access/commands.ts";
import { ACCESS_REFUSALS } from "../../core/access/refusals.ts";
import { KEY_HANDLES } from "../../core/key-handles.ts";
import { fromHex, toHex } from "../../core/protocol/bytes.ts";
import { ERRORS, type ErrorName } from "../../core/protocol/errors.ts";
import { openAnswer, OPERATOR_PATH, sealOrder } from "../../core/protocol/operator.ts";
import type { Result } from "../../core/protocol/result.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { edgeSecretAad } from "../../edge/identity.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson, printTable } from "../output.ts";
import { clientFile, readClients } from "../platform/clients.ts";
import { openPlatformServices } from "../platform/core.ts";
import { parkedBus } from "../platform/bus.ts";
import { EDGE_DATA_KEY, openKeys } from "../platform/keys.ts";
import { edgeLayout, type Layout, layoutOf, readPlatform, knownRuntime, writePrivate } from "../platform/layout.ts";
import { ownFolder } from "../platform/owner.ts";
import { isThere } from "../platform/files.ts";
import { readHandedBytes, readHandedText } from "../platform/handed-file.ts";

export interface Said {
  readonly json?: boolean;
}

const HOUR_MS = 3_600_000;

/** A change: says in one line that it was made. */
export async function accessChange(config: Config, command: AccessCommand, made: string): Promise<void> {
  await order(config, command);
  if (command.do === "key.add" || command.do === "key.retire") await writeCodeKeys(config);
  console.log(made);
}

/** A partner's key, as it was given or in a file, read into the form that is stored before it is sent. */
export async function accessPartnerKey(config: Config, orgId: string, given: string, change: "add" | "retire"): Promise<void> {
  const publicKey = canonicalPublicKey(isThere(given) ? await readHandedBytes(given, KEY_FILE_BYTES_MAX) : given);
  if (publicKey === undefined) throw new UsageError(`that key cannot be read: ${PUBLIC_KEY_FORMS}`);
  await accessChange(config, { do: "partner.key", orgId, publicKey, change }, `${orgId}: key ${publicKey.slice(0, 18)}… ${PAST[change]}`);
}

const PAST = { add: "added", retire: "retired" } as const;
const KEY_FILE_BYTES_MAX = 4_096;

/** Whoever checks a code offline finds all keys that may have signed one. */
async function writeCodeKeys(config: Config): Promise<void> {
  const { keys } = (await order(config, { do: "key.list", purpose: "code" })) as { keys: readonly ShownKey[] };
  const inForce = keys.filter(({ retiredAtMs }) => retiredAtMs === undefined);
  await writeFile(layoutOf(config.RONGHE_DATA).codeKeys, inForce.map(({ publicKey }) => `${publicKey}\n`).join(""));
}

export async function accessEdges(config: Config, options: Said): Promise<void> {
  const { edges } = (await order(config, { do: "edge.list" })) as { edges: readonly ShownEdge[] };
  if (options.json === true) return printJson({ edges });
  printTable(
    ["edge", "status", "serves", "secrets"],
    edges.map(({ edgeId, status, serves, secrets }) => [
      edgeId,
      status,
      serves === null ? "every hospital and pharmacy" : serves.join(" "),
      secrets.map(({ keyId, untilMs }) => (untilMs === null ? keyId : `${keyId} until ${instant(untilMs)}`)),
    ]),
  );
}

interface ShownEdge {
  readonly edgeId: string;
  readonly status: string;
  readonly serves: readonly string[] | null;
  readonly secrets: readonly { readonly keyId: string; readonly addedAtMs: number; readonly untilMs: number | null }[];
}

export async function accessKeys(config: Config, purpose: "bundle" | "code", options: Said): Promise<void> {
  const { keys } = (await order(config, { do: "key.list", purpose })) as { keys: readonly ShownKey[] };
  if (options.json === true) return printJson({ keys });
  printTable(
    ["handle", "public key", "announced", "signs from", "retired"],
    keys.map(({ handle, publicKey, addedAtMs, activeFromMs, retiredAtMs }) => [
      handle,
      `${publicKey.slice(0, 18)}…`,
      instant(addedAtMs),
      instant(activeFromMs),
      retiredAtMs === undefined ? "" : instant(retiredAtMs),
    ]),
  );
}

interface ShownKey {
  readonly handle: string;
  readonly publicKey: string;
  readonly addedAtMs: number;
  readonly activeFromMs: number;
  readonly retiredAtMs?: number;
}

/** A new secret for an edge; it goes into the edge's folder where that is here, else into a file to be carried there. */
export async function accessEdgeRotate(
  config: Config,
  edgeId: string,
  options: { readonly overlap: number; readonly out?: string },
): Promise<void> {
  const layout = layoutOf(config.RONGHE_DATA);
  const here = isThere(edgeLayout(layout, edgeId).edge.secret);
  if (!here && options.out === undefined) throw new UsageError(`the folder of ${edgeId} is not here: say with --out where its secret goes`);
  const { authKey } = (await order(config, { do: "edge.rotate", edgeId, overlapMs: options.overlap * HOUR_MS })) as { authKey: string };
  if (options.out !== undefined) {
    await writePrivate(options.out, `${authKey}\n`);
    console.log(`the new secret of ${edgeId} is in ${options.out}; the one before counts for ${options.overlap} h more`);
    return;
  }
  await keepEdgeSecret(config, edgeLayout(layout, edgeId), edgeId, fromHex(authKey) ?? new Uint8Array());
  console.log(`${edgeId} has a new secret from its next start on; the one before counts for ${options.overlap} h more`);
}

/** Puts a secret that was carried here into this edge's folder. */
export async function accessEdgeTake(config: Config, file: string): Promise<void> {
  const layout = layoutOf(config.RONGHE_DATA);
  const authKey = fromHex((await readHandedText(file, KEY_FILE_BYTES_MAX)).trim());
  if (authKey?.length !== 32) throw new UsageError(`${file} holds no secret of an edge`);
  const { edgeId } = readPlatform(layout);
  const owned = ownFolder(layout.edge.folder);
  try {
    await keepEdgeSecret(config, layout, edgeId, authKey);
  } finally {
    owned.release();
  }
  console.log(`${edgeId} has a new secret from its next start on; remove ${file}`);
}

async function keepEdgeSecret(config: Config, layout: Layout, edgeId: string, authKey: Uint8Array): Promise<void> {
  const keys = await openKeys(config, layout, await loadCrypto(), "edge");
  await writePrivate(layout.edge.secret, await keys.seal(EDGE_DATA_KEY, authKey, edgeSecretAad(edgeId)));
}

/** A new envelope secret of a partner, drawn here and shown once. */
export async function accessPartnerRotate(config: Config, orgId: string, options: Said & { readonly overlap: number }): Promise<void> {
  const partnerSecret = drawSecret(await loadCrypto());
  const overlapMs = options.overlap * HOUR_MS;
  await order(config, { do: "partner.secret", orgId, partnerSecret, overlapMs });
  const saved = await saveInProfile(layoutOf(config.RONGHE_DATA), orgId, partnerSecret);
  if (options.json === true) return printJson({ orgId, partnerSecret, overlapMs, saved });
  console.log(`new SECRET of ${orgId}: ${partnerSecret}`);
  console.log(
    `edges take it within a minute; the one before counts for ${options.overlap} h more${saved ? "; the sandbox profile of the caller has the new one" : ""}`,
  );
}

/** A sandbox keeps its callers' profiles beside the platform: they go on with the new secret. */
async function saveInProfile(layout: Layout, orgId: string, appSecret: string): Promise<boolean> {
  for (const kind of ["institution", "app"] as const) {
    const profile = (await readClients(layout, kind).catch(() => [])).find((one) => one.orgId === orgId);
    if (profile === undefined) continue;
    await writePrivate(clientFile(layout, profile), `${JSON.stringify({ ...profile, appSecret }, undefined, 2)}\n`);
    return true;
  }
  return false;
}

const LETTERS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/** 32 characters of 34, as S3 D.2 hands them out; bytes that would prefer some letters are thrown away. */
function drawSecret(crypto: Crypto): string {
  let secret = "";
  while (secret.length < 32)
    for (const byte of crypto.random(64)) if (byte < 238 && secret.length < 32) secret += LETTERS.charAt(byte % 34);
  return secret;
}

/** Carries a command out and gives its answer; a refusal is one clear line. */
async function order(config: Config, command: AccessCommand): Promise<CommandAnswer> {
  const layout = layoutOf(config.RONGHE_DATA);
  readPlatform(layout);
  const crypto = await loadCrypto();
  const keys = await openKeys(config, layout, crypto, "core");
  await keys.ensure(KEY_HANDLES.operator, "secret");
  const coreUrl = await runningCore(layout);
  const answer =
    coreUrl === undefined ? await inFiles(config, layout, crypto, keys, command) : await overAddress(coreUrl, crypto, keys, command);
  if (!answer.ok) throw new UsageError(`${command.do} is refused: ${explain(answer.error)}`);
  return answer.value;
}

function explain(error: string): string {
  if (Object.hasOwn(ACCESS_REFUSALS, error)) return `${ACCESS_REFUSALS[error as keyof typeof ACCESS_REFUSALS]} (${error})`;
  return Object.hasOwn(ERRORS, error) ? `${ERRORS[error as ErrorName].english} (${error})` : error;
}

async function runningCore(layout: Layout): Promise<string | undefined> {
  const url = (await knownRuntime(layout))?.coreUrl;
  if (url === undefined) return undefined;
  const there = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2_000) }).then(
    (response) => response.ok,
    () => false,
  );
  return there ? url : undefined;
}

async function overAddress(url: string, crypto: Crypto, keys: KeyStore, command: AccessCommand): Promise<Result<CommandAnswer, string>> {
  const nonce = toHex(crypto.random(16));
  const body = await sealOrder(keys, KEY_HANDLES.operator, { nonce, atMs: systemClock.now(), by: operator(), command });
  const response = await fetch(`${url}${OPERATOR_PATH}`, { method: "POST", body, signal: AbortSignal.timeout(30_000) });
  const answer = response.ok ? await openAnswer(keys, KEY_HANDLES.operator, await response.text(), nonce) : undefined;
  if (answer === undefined) throw new UsageError(`the core at ${url} does not take orders under the keys of this data folder`);
  return answer.result;
}

/** The core does not run: this process is it for a moment. */
async function inFiles(
  config: Config,
  layout: Layout,
  crypto: Crypto,
  keys: KeyStore,
  command: AccessCommand,
): Promise<Result<CommandAnswer, string>> {
  const owned = ownFolder(layout.core.folder);
  try {
    const services = await openPlatformServices({
      config,
      layout,
      platform: readPlatform(layout),
      crypto,
      keys,
      clock: systemClock,
      bus: parkedBus,
    });
    try {
      return await carryOut({ access: services.access, bindings: services.vault.bindings }, command, operator());
    } finally {
      await services.stop();
    }
  } finally {
    owned.release();
  }
}

/** For the ledger: who sat at the console, as the machine knows them. */
function operator(): string {
  const name = userInfo()
    .username.replaceAll(/[^0-9A-Za-z._-]/g, "_")
    .slice(0, 40);
  return `operator/${name === "" ? "unknown" : name}`;
}

function instant(atMs: number): string {
  return new Date(atMs).toISOString().replace(/\.\d+Z$/, "Z");
}
