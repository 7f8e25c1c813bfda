/**
 * What a Worker is given: variables of `wrangler.toml` and two secrets. Parsed once per isolate and object, fail closed;
 * an error names the variable and never its value.
 */
import * as v from "valibot";

const wholeNumber = (max: number) => v.pipe(v.string(), v.regex(/^[1-9]\d{0,8}$/), v.transform(Number), v.maxValue(max));
const hex = (bytes: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`)));
const text = v.pipe(v.string(), v.minLength(1));

/** `RONGHE_EDGE_IDENTITY`, as `ronghe edge-secrets` prints it: who this edge is, sealed under `RONGHE_EDGE_KEK`. */
export const edgeIdentity = v.strictObject({
  edgeId: v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,32}$/)),
  /** A carried key store (`core/crypto/keystore-carried.ts`) as text. */
  keys: text,
  /** Base64 of the secret that edge and core share, sealed under the edge's data key. */
  coreSecret: text,
  /** Hex of the SM2 key that signs bundles, pinned at installation. */
  platformKey: hex(65),
});
export type EdgeIdentity = v.InferOutput<typeof edgeIdentity>;

const environment = v.pipe(
  v.object({
    RONGHE_EDGE_IDENTITY: v.pipe(v.string(), v.parseJson(), edgeIdentity),
    RONGHE_EDGE_KEK: hex(32),
    RONGHE_CORE_URL: v.pipe(v.string(), v.regex(/^https?:\/\/[^/?#@]+$/)),
    RONGHE_EDGE_UPLINK: v.optional(v.picklist(["core", "bus"]), "core"),
    RONGHE_EDGE_SHARDS: v.optional(wholeNumber(256), "1"),
    RONGHE_KAFKA_BROKERS: v.optional(v.pipe(v.string(), v.regex(/^[^\s,:]+:\d+(?:,[^\s,:]+:\d+)*$/))),
    RONGHE_KAFKA_TLS: v.optional(v.picklist(["on", "off"]), "off"),
    RONGHE_KAFKA_USERNAME: v.optional(text),
    RONGHE_KAFKA_PASSWORD: v.optional(text),
    RONGHE_OUTBOX_MAX: v.optional(wholeNumber(100_000_000), "200000"),
    RONGHE_LOG: v.optional(v.picklist(["json", "off"]), "json"),
    /** Whether Cloudflare stands in front and sets `cf-connecting-ip`, which anybody else could write. */
    RONGHE_TRUST_CF_CONNECTING_IP: v.optional(v.picklist(["on", "off"]), "off"),
  }),
  v.check(
    (env) => env.RONGHE_EDGE_UPLINK !== "bus" || env.RONGHE_KAFKA_BROKERS !== undefined,
    "RONGHE_EDGE_UPLINK=bus needs RONGHE_KAFKA_BROKERS",
  ),
  v.check(
    (env) => (env.RONGHE_KAFKA_USERNAME === undefined) === (env.RONGHE_KAFKA_PASSWORD === undefined),
    "RONGHE_KAFKA_USERNAME and RONGHE_KAFKA_PASSWORD go together",
  ),
);
export type WorkerConfig = v.InferOutput<typeof environment>;

export class WorkerConfigError extends Error {
  override readonly name = "WorkerConfigError";
}

export function readWorkerEnv(env: Readonly<Record<string, unknown>>): WorkerConfig {
  const parsed = v.safeParse(environment, env, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const name = issue.path?.[0]?.key;
  throw new WorkerConfigError(typeof name === "string" ? `${name} is not usable` : issue.message);
}
