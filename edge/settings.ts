/**
 * The edge's settings: one bundle, signed by the platform, versioned and with an end. Fetched from the core in the
 * background, kept sealed by the edge so that it starts without the core, and verified again whenever it is read. A
 * bundle that is not signed by a trusted key, was made for another edge, is older than one already seen, or has expired
 * is refused, with a notice.
 *
 * Trust begins with the key pinned when the edge was installed. Each bundle says which keys may sign the next ones: so
 * the signing key is replaced by overlap, without a restart, and a retired key is believed no more.
 */
import * as v from "valibot";
import type { Crypto } from "../core/crypto/port.ts";
import { bundleKeyId } from "../core/protocol/bundle-keys.ts";
import { fromHex, toHex, utf8 } from "../core/protocol/bytes.ts";
import { edgeBundle, type EdgeBundle, signedBundle } from "../core/protocol/internal.ts";
import { ok, refused, type Result } from "../core/protocol/result.ts";
import type { Clock } from "../core/protocol/time.ts";
import type { BundleAnswer, SignedBundle } from "./app/core-client.ts";
import { viewOf } from "./app/view.ts";
import { EDGE_LIMITS, type EdgeNotice, type EdgeView, type Settings, type SettingsState } from "./ports.ts";

const CLOCK_SKEW_MS = EDGE_LIMITS.clockSkewMsMax;

/** Where the last good bundle is kept; the text is sealed by whoever implements it. */
export interface BundleCache {
  load(): Promise<{ readonly version: number; readonly text: string } | undefined>;
  save(version: number, text: string): Promise<void>;
}

export interface SettingsOptions {
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** Name of this edge: a bundle of another is refused. */
  readonly edgeId: string;
  /** SM2 public key of the platform, pinned when the edge was installed. */
  readonly platformKey: Uint8Array;
  readonly cache: BundleCache;
  /** @param trusts ids of the keys whose signature would be believed. */
  readonly fetchBundle: (trusts: readonly string[]) => Promise<BundleAnswer | undefined>;
  /** How often the core is asked (default 30 s). */
  readonly refreshMs?: number;
  readonly notice?: (notice: EdgeNotice) => void;
}

/** In the order in which it is looked at. `unsaved`: it holds, and is gone with the next start; `failed`: a bug. */
export type BundleRefusal = "unsigned" | "malformed" | "otherEdge" | "older" | "expired" | "unsaved" | "failed";

export interface LiveSettings extends Settings {
  state(): SettingsState;
  /** Asks the core now; what it was refused for, or `unreachable`. */
  refresh(): Promise<Result<number, BundleRefusal | "unreachable" | "clockSkewed">>;
  stop(): Promise<void>;
}

/** What is kept: the bundle as it was signed, and whose signatures it made us trust, from which pinned key on. */
const kept = v.strictObject({ pinned: v.string(), trusted: v.pipe(v.array(v.string()), v.maxLength(8)), ...signedBundle.entries });

/** Starts from the cache, then from the core; without either the edge runs and refuses until a bundle arrives. */
export async function openSettings(options: SettingsOptions): Promise<LiveSettings> {
  const { crypto, clock, edgeId } = options;
  const pinned = toHex(options.platformKey);
  let trusted: string[] = [pinned];
  let view: EdgeView | undefined;
  let versionMin = 0;
  let state: SettingsState = {};

  function take(signed: SignedBundle): Result<EdgeBundle, BundleRefusal> {
    const checked = checkBundle(crypto, trusted.map(bytesOf), signed, { versionMin, nowMs: clock.now(), edgeId });
    if (!checked.ok) return checked;
    versionMin = checked.value.version;
    trusted = checked.value.bundleKeys;
    if (view?.bundle.version !== checked.value.version || view.bundle.expiresAtMs !== checked.value.expiresAtMs)
      view = viewOf(crypto, checked.value);
    return checked;
  }

  function noteRefusal(reason: BundleRefusal): void {
    const atMs = clock.now();
    state = { ...state, refused: { reason, atMs } };
    options.notice?.({ atMs, edge: edgeId, notice: "bundle.refused", reason });
  }

  /** The core read its clock while we waited: what cannot be the waiting is the clocks'. */
  function noteSkew({
    askedAtMs,
    nowMs,
    coreAtMs,
  }: {
    readonly askedAtMs: number;
    readonly nowMs: number;
    readonly coreAtMs: number;
  }): void {
    const wasSkewed = Math.abs(state.clockSkewMs ?? 0) > CLOCK_SKEW_MS;
    const clockSkewMs = coreAtMs < askedAtMs ? askedAtMs - coreAtMs : Math.min(0, nowMs - coreAtMs);
    state = { ...state, clockSkewMs };
    const isSkewed = Math.abs(clockSkewMs) > CLOCK_SKEW_MS;
    if (isSkewed !== wasSkewed)
      options.notice?.({ atMs: nowMs, edge: edgeId, notice: isSkewed ? "clock.wrong" : "clock.right", clockSkewMs });
  }

  async function refresh(): Promise<Result<number, BundleRefusal | "unreachable" | "clockSkewed">> {
    const askedAtMs = clock.now();
    const signed = await options.fetchBundle(trusted.map((key) => bundleKeyId(crypto, bytesOf(key))));
    const nowMs = clock.now();
    state = { ...state, contact: { ok: signed !== undefined, atMs: nowMs } };
    if (signed === undefined) return refused("unreachable");
    if ("coreAtMs" in signed) {
      noteSkew({ askedAtMs, nowMs, coreAtMs: signed.coreAtMs });
      return refused("clockSkewed");
    }
    const before = view;
    const believed = trusted;
    const taken = take(signed);
    if (!taken.ok) {
      noteRefusal(taken.error);
      return taken;
    }
    const { refused: _, ...standing } = state;
    state = { ...standing, takenAtMs: nowMs };
    noteSkew({ askedAtMs, nowMs, coreAtMs: taken.value.issuedAtMs });
    if (view === before || (await save(taken.value.version, { pinned, trusted: believed, ...signed }))) return ok(taken.value.version);
    noteRefusal("unsaved");
    return refused("unsaved");
  }

  async function save(version: number, content: v.InferInput<typeof kept>): Promise<boolean> {
    return await options.cache.save(version, JSON.stringify(content)).then(
      () => true,
      () => false,
    );
  }

  /** As strict as with one that came just now: what lies on a disk may have been put there. */
  function restore(text: string): void {
    const parsed = v.safeParse(kept, parse(text));
    if (!parsed.success || parsed.output.pinned !== pinned) return noteRefusal("malformed");
    const { bundle, signature } = parsed.output;
    trusted = parsed.output.trusted;
    const taken = take({ bundle, signature });
    if (!taken.ok) noteRefusal(taken.error);
  }

  const cached = await options.cache.load();
  if (cached !== undefined) {
    restore(cached.text);
    // Also when its content is of no use any more: an old bundle must not come back through the cache.
    versionMin = Math.max(versionMin, cached.version);
  }
  await refresh();
  let running: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    running = running.then(refresh).catch(() => noteRefusal("failed"));
  }, options.refreshMs ?? 30_000);
  return {
    refresh,
    state: () => state,
    current: () => (view !== undefined && view.bundle.expiresAtMs > clock.now() ? view : undefined),
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}

/** Signature over the exact text first, under one of the trusted keys; nothing of an unsigned bundle is looked at. */
export function checkBundle(
  crypto: Crypto,
  trusted: readonly Uint8Array[],
  signed: SignedBundle,
  accept: { readonly versionMin: number; readonly nowMs: number; readonly edgeId: string },
): Result<EdgeBundle, BundleRefusal> {
  const signature = fromHex(signed.signature);
  const text = utf8(signed.bundle);
  if (signature === undefined || !trusted.some((key) => crypto.sm2Verify(key, text, signature))) return refused("unsigned");
  const bundle = v.safeParse(edgeBundle, parse(signed.bundle));
  if (!bundle.success) return refused("malformed");
  if (bundle.output.edgeId !== accept.edgeId) return refused("otherEdge");
  if (bundle.output.version < accept.versionMin) return refused("older");
  if (bundle.output.expiresAtMs <= accept.nowMs) return refused("expired");
  return ok(bundle.output);
}

function bytesOf(hex: string): Uint8Array {
  return fromHex(hex) ?? new Uint8Array(0);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
