/**
 * The edge's settings: one bundle, signed by the platform, versioned and with an end. Fetched from the core in the
 * background, kept sealed in the edge's own database so that an edge starts without the core. A bundle that is not
 * signed by the pinned key, is older than one already seen, or has expired is refused.
 */
import * as v from "valibot";
import type { Crypto } from "../core/crypto/port.ts";
import { fromHex, utf8 } from "../core/protocol/bytes.ts";
import { edgeBundle, type EdgeBundle } from "../core/protocol/internal.ts";
import { ok, refused, type Result } from "../core/protocol/result.ts";
import type { Clock } from "../core/protocol/time.ts";
import type { SignedBundle } from "./app/core-client.ts";
import { viewOf } from "./app/view.ts";
import type { EdgeView, Settings } from "./ports.ts";

/** Where the last good bundle is kept; the text is sealed by whoever implements it. */
export interface BundleCache {
  load(): Promise<{ readonly version: number; readonly text: string } | undefined>;
  save(version: number, text: string): Promise<void>;
}

export interface SettingsOptions {
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** SM2 public key of the platform, pinned when the edge was installed. */
  readonly platformKey: Uint8Array;
  readonly cache: BundleCache;
  readonly fetchBundle: () => Promise<SignedBundle | undefined>;
  /** How often the core is asked (default 30 s). */
  readonly refreshMs?: number;
}

export type BundleRefusal = "unsigned" | "malformed" | "older" | "expired";

export interface LiveSettings extends Settings {
  /** Asks the core now; what it was refused for, or `unreachable`. */
  refresh(): Promise<Result<number, BundleRefusal | "unreachable">>;
  stop(): Promise<void>;
}

/** Starts from the cache, then from the core; without either the edge runs and refuses until a bundle arrives. */
export async function openSettings(options: SettingsOptions): Promise<LiveSettings> {
  let view: EdgeView | undefined;
  let versionMin = 0;

  function take(signed: SignedBundle): Result<EdgeBundle, BundleRefusal> {
    const checked = checkBundle(options.crypto, options.platformKey, signed, { versionMin, nowMs: options.clock.now() });
    if (!checked.ok) return checked;
    versionMin = checked.value.version;
    if (view?.bundle.version !== checked.value.version || view.bundle.expiresAtMs !== checked.value.expiresAtMs)
      view = viewOf(options.crypto, checked.value);
    return checked;
  }

  async function refresh(): Promise<Result<number, BundleRefusal | "unreachable">> {
    const signed = await options.fetchBundle();
    if (signed === undefined) return refused("unreachable");
    const before = view;
    const taken = take(signed);
    if (!taken.ok) return taken;
    if (view !== before) await options.cache.save(taken.value.version, JSON.stringify(signed));
    return ok(taken.value.version);
  }

  const cached = await options.cache.load();
  if (cached !== undefined) {
    // Also when its content is of no use any more: an old bundle must not come back through the cache.
    versionMin = cached.version;
    const signed = v.safeParse(v.strictObject({ bundle: v.string(), signature: v.string() }), parse(cached.text));
    if (signed.success) take(signed.output);
  }
  await refresh();
  let running: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    running = running.then(refresh).catch(() => undefined);
  }, options.refreshMs ?? 30_000);
  return {
    refresh,
    current: () => (view !== undefined && view.bundle.expiresAtMs > options.clock.now() ? view : undefined),
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}

/** Signature over the exact text first; nothing of an unsigned bundle is looked at. */
export function checkBundle(
  crypto: Crypto,
  platformKey: Uint8Array,
  signed: SignedBundle,
  accept: { readonly versionMin: number; readonly nowMs: number },
): Result<EdgeBundle, BundleRefusal> {
  const signature = fromHex(signed.signature);
  if (signature === undefined || !crypto.sm2Verify(platformKey, utf8(signed.bundle), signature)) return refused("unsigned");
  const bundle = v.safeParse(edgeBundle, parse(signed.bundle));
  if (!bundle.success) return refused("malformed");
  if (bundle.output.version < accept.versionMin) return refused("older");
  if (bundle.output.expiresAtMs <= accept.nowMs) return refused("expired");
  return ok(bundle.output);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
