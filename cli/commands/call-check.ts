/** `ronghe call --check FILE`: why the request in a file does not verify, asked of nobody. */
import * as v from "valibot";
import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { fromHex, utf8Text } from "../../core/protocol/bytes.ts";
import { diagnose, type Diagnosis } from "../../core/protocol/diagnosis.ts";
import { dialectInput } from "../../core/protocol/dialects.ts";
import type { PartnerProfile } from "../../core/protocol/partner.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson } from "../output.ts";
import { partnerOf, readClients } from "../platform/clients.ts";
import { readHandedBytes } from "../platform/handed-file.ts";
import { layoutOf } from "../platform/layout.ts";

export interface CheckOptions {
  readonly org?: string;
  readonly keys?: string;
  readonly signText?: string;
  readonly json?: boolean;
}

const BYTES_MAX = 1024 * 1024;

/** What a partner knows of itself; of its key pair the public half is enough. */
const ownKeys = v.object({
  appId: v.pipe(v.string(), v.regex(/^[\x21-\x7e]{16,64}$/)),
  appSecret: v.pipe(v.string(), v.minLength(1)),
  publicKey: v.optional(v.pipe(v.string(), v.regex(/^04[0-9A-Fa-f]{128}$/))),
  signType: v.optional(v.picklist(["SM2", "SM3"]), "SM2"),
  encryption: v.optional(v.picklist(["required", "optional", "none"]), "optional"),
  dialect: v.optional(v.union([dialectInput, v.pipe(v.looseObject({}), v.transform(JSON.stringify), dialectInput)]), "standard"),
});

/** Status 0 when it verifies, 3 when it does not. */
export async function checkCall(config: Config, file: string, options: CheckOptions): Promise<number> {
  const crypto = await loadCrypto();
  const body = await readHandedBytes(file, BYTES_MAX);
  const partner = options.keys === undefined ? await callerOf(crypto, config, body, options.org) : await keysIn(options.keys);
  const ownSignText = options.signText === undefined ? undefined : utf8Text(await readHandedBytes(options.signText, BYTES_MAX));
  const diagnosis = diagnose(crypto, { body, partner, nowMs: systemClock.now(), ownSignText });
  if (options.json === true) printJson(diagnosis);
  else print(diagnosis);
  return diagnosis.verifies ? 0 : 3;
}

function print({ verifies, findings, signText }: Diagnosis): void {
  for (const { step, ok, says } of findings) console.log(`${ok ? "ok " : "NOT"}  ${step.padEnd(14)} ${says}`);
  if (signText !== undefined) console.log(`     sign text      ${signText.bytes} bytes, SM3 ${signText.sm3}`);
  console.log(verifies ? "verifies" : "does not verify");
}

async function keysIn(file: string): Promise<PartnerProfile> {
  let given: unknown;
  try {
    given = JSON.parse(utf8Text(await readHandedBytes(file, BYTES_MAX)) ?? "");
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${file} holds no JSON`);
  }
  const parsed = v.safeParse(ownKeys, given);
  if (!parsed.success) throw new UsageError(`${file}: ${v.getDotPath(parsed.issues[0]) ?? "it"} is missing or has the wrong form`);
  const { publicKey, ...agreed } = parsed.output;
  if (publicKey === undefined && agreed.signType === "SM2") throw new UsageError(`${file}: publicKey is missing (hex, 04‖x‖y)`);
  return { ...agreed, publicKeys: publicKey === undefined ? [] : [fromHex(publicKey) ?? new Uint8Array()] };
}

/** The caller whose keys lie in the data folder: the one named, or the one that the request names. */
async function callerOf(crypto: Crypto, config: Config, body: Uint8Array, org: string | undefined): Promise<PartnerProfile> {
  const layout = layoutOf(config.RONGHE_DATA);
  const known = [...(await readClients(layout, "institution")), ...(await readClients(layout, "app").catch(() => []))];
  const text = utf8Text(body) ?? "";
  const profile = known.find(({ orgId }) => (org === undefined ? text.includes(`"${orgId}"`) : orgId === org));
  if (profile === undefined) throw new UsageError("no keys of the caller here: name it with --org, or give --keys FILE");
  const privateKey = fromHex(profile.privateKey);
  if (privateKey === undefined) throw new UsageError("a key in the caller's profile is not hex");
  return { ...partnerOf(profile), publicKeys: [crypto.sm2PublicKey(privateKey)] };
}
