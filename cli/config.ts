/**
 * Configuration: `RONGHE_*` environment variables, one schema, fail closed. A variable that no schema row knows is
 * refused, so that a misspelt setting never silently keeps its default.
 */
import * as v from "valibot";

const whole = (min: number, max: number) =>
  v.pipe(
    v.string(),
    v.check(
      (text) => /^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max,
      `a whole number from ${min} to ${max.toLocaleString("en")}`,
    ),
    v.transform(Number),
  );
const port = whole(0, 65_535);
const url = v.pipe(v.string(), v.url("an address, such as https://host:port"));
/** Payers stand at an origin: `docs/rails.md` fixes the paths. */
const origin = v.pipe(url, v.regex(/^https?:\/\/[^/?#@]+\/?$/, "an address without a path, such as https://host:port"));
const list = v.pipe(
  v.string(),
  v.transform((text) =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  ),
);

const environment = v.pipe(
  v.strictObject({
    RONGHE_DATA: v.optional(v.pipe(v.string(), v.minLength(1)), "ronghe-data"),
    RONGHE_BUS: v.optional(v.picklist(["embedded", "kafka"]), "embedded"),
    RONGHE_KAFKA_BROKERS: v.optional(list, ""),
    RONGHE_KAFKA_TLS: v.optional(v.picklist(["on", "off"]), "off"),
    RONGHE_KAFKA_USERNAME: v.optional(v.string()),
    RONGHE_KAFKA_PASSWORD: v.optional(v.string()),
    /** How soon the group gives a dead member's partitions to others; brokers allow 6 s at least by default. */
    RONGHE_KAFKA_SESSION_S: v.optional(whole(1, 300), "10"),
    /** Only read by tests: which image testcontainers starts. */
    RONGHE_KAFKA_IMAGE: v.optional(v.string()),
    RONGHE_HOST: v.optional(v.string(), "127.0.0.1"),
    RONGHE_EDGE_PORT: v.optional(port, "8787"),
    RONGHE_CORE_PORT: v.optional(port, "8788"),
    /** Health and metrics of the streams. */
    RONGHE_STREAMS_PORT: v.optional(port, "8789"),
    /** The first of four. */
    RONGHE_RAILS_PORT: v.optional(whole(0, 65_532), "8790"),
    /** How an edge hands its events over: to the bus itself, or to the core's `POST /ingest`. */
    RONGHE_EDGE_UPLINK: v.optional(v.picklist(["bus", "core"])),
    /** Durable Objects that share the institutions of an edge on workerd. */
    RONGHE_EDGE_SHARDS: v.optional(whole(1, 256), "1"),
    /** Where an edge that runs by itself finds the core. */
    RONGHE_CORE_URL: v.optional(url),
    /** Whose money moves, where it is not plain: `platform/payers.ts`. */
    RONGHE_PAYERS: v.optional(v.picklist(["real", "sandbox"])),
    RONGHE_RAIL_INSURANCE_URL: v.optional(origin),
    RONGHE_RAIL_COMMERCIAL_URL: v.optional(origin),
    RONGHE_RAIL_BANK_URL: v.optional(origin),
    /** Opens the key stores; without it `<data>/kek` must hold the key that `sandbox init` made. */
    RONGHE_KEY_PASSPHRASE: v.optional(v.pipe(v.string(), v.minLength(12, "12 characters or more"))),
    RONGHE_CODE_TTL_S: v.optional(whole(1, 300), "60"),
    RONGHE_EC_TOKEN_TTL_S: v.optional(whole(1, 86_400), "1800"),
    RONGHE_RAIL_TIMEOUT_S: v.optional(whole(1, 120), "10"),
    /** Whom the logs ask to cosign, and how many must; default: the witnesses of `<data>/ledger-policy.txt`, if it names any. */
    RONGHE_WITNESS_POLICY: v.optional(v.pipe(v.string(), v.minLength(1))),
    /** Without a quorum a checkpoint is kept back (`closed`), or published all the same and reported (`open`). */
    RONGHE_WITNESS_FAIL: v.optional(v.picklist(["closed", "open"]), "closed"),
    /** For one call to one witness. */
    RONGHE_WITNESS_TIMEOUT_MS: v.optional(whole(1, 60_000), "2000"),
    /** How long an event waits for a witnessed checkpoint before it leaves without its receipt, which then follows. */
    RONGHE_WITNESS_WAIT_MS: v.optional(whole(1, 60_000), "1000"),
    /** Least time between two published checkpoints of a log. */
    RONGHE_CHECKPOINT_INTERVAL_MS: v.optional(whole(1, 3_600_000), "250"),
    /** How the insurer's province counts: `docs/rails.md`. */
    RONGHE_PROVINCE: v.optional(v.picklist(["hunan", "guangdong"]), "hunan"),
    RONGHE_OUTBOX_MAX: v.optional(whole(1, 999_999_999), "200000"),
    /** Space left on a volume, MiB, below which what stands on it is not ready; 0 lets it fill up. */
    RONGHE_FREE_SPACE_MIN_MB: v.optional(whole(0, 9_999_999), "64"),
    RONGHE_LOG: v.optional(v.picklist(["json", "off"]), "json"),
    /** Where traces go, by OTLP over HTTP; without it there are none. */
    RONGHE_OTLP_URL: v.optional(origin),
    /** Share of traces kept, of those that begin here. */
    RONGHE_TRACE_SAMPLE: v.optional(
      v.pipe(v.string(), v.regex(/^(?:0(?:\.\d{1,6})?|1(?:\.0+)?)$/, "a share from 0 to 1, such as 0.05"), v.transform(Number)),
      "1",
    ),
  }),
  v.check((env) => env.RONGHE_BUS !== "kafka" || env.RONGHE_KAFKA_BROKERS.length > 0, "RONGHE_BUS=kafka needs RONGHE_KAFKA_BROKERS"),
  v.check(
    (env) => (env.RONGHE_KAFKA_USERNAME === undefined) === (env.RONGHE_KAFKA_PASSWORD === undefined),
    "RONGHE_KAFKA_USERNAME and RONGHE_KAFKA_PASSWORD go together",
  ),
);

export type Config = v.InferOutput<typeof environment>;

/** An edge beside an embedded bus of another process has only the core to hand over to. */
export function uplinkOf(config: Config): "bus" | "core" {
  return config.RONGHE_EDGE_UPLINK ?? (config.RONGHE_BUS === "embedded" ? "core" : "bus");
}

/** Said to the user as one line; the process then ends with status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const SECRETS: readonly (keyof Config)[] = ["RONGHE_KEY_PASSPHRASE", "RONGHE_KAFKA_PASSWORD"];

/** Reads the `RONGHE_*` part of an environment. An error names the variable and what was wanted, never its value. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const ours = Object.fromEntries(
    Object.entries(env).filter(([name, value]) => name.startsWith("RONGHE_") && value !== undefined && value !== ""),
  );
  const parsed = v.safeParse(environment, ours);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const name = issue.path?.[0]?.key;
  if (issue.type === "strict_object" && typeof name === "string" && name in ours)
    throw new UsageError(`${name} is not a setting of Ronghe; \`ronghe config\` lists them`);
  // What we ask of a text we say in words; of a list of words the schema does.
  const wanted = issue.kind === "validation" ? issue.message : issue.expected;
  throw new UsageError(typeof name === "string" ? `${name} is not usable: wanted ${wanted}` : issue.message);
}

/** The configuration as printed: secrets only say whether they are set. */
export function describeConfig(config: Config): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).map(([name, value]) => [name, SECRETS.some((secret) => secret === name) ? "(set, hidden)" : String(value)]),
  );
}

export const SETTING_NAMES: readonly string[] = Object.keys(environment.pipe[0].entries);
