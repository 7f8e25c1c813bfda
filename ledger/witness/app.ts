/** A witness over HTTP. Writing needs no login: what is believed is the log's own signature, and nothing else counts. */
import { Hono } from "hono";
import { type Counter, Metrics, METRICS_CONTENT_TYPE } from "../../core/protocol/metrics.ts";
import { type BodyFault, readTextWithin } from "../../core/protocol/server/body.ts";
import { storageMetrics } from "../../core/protocol/server/storage-metrics.ts";
import type { FailingStorage, StorageStanding } from "../../core/protocol/server/storage-watch.ts";
import { tellTrouble } from "../../core/protocol/server/trouble.ts";
import { printVerifierKey } from "../verifier/note.ts";
import { REQUEST_BYTES_MAX } from "./request.ts";
import { EVIDENCE_MAX, HEADS_MAX } from "./client.ts";
import type { Comparison } from "./gossip.ts";
import type { SplitView, WitnessStore } from "./store.ts";
import { SPLIT_VIEW, type Witness } from "./witness.ts";

export interface WitnessPorts {
  readonly witness: Witness;
  readonly store: WitnessStore;
  /** How the heads of others stand to ours; shown in `/status`. */
  readonly comparisons?: () => readonly Comparison[];
  /** One wide line per request; absent means no log. */
  readonly log?: (line: WitnessLine) => void;
  /** For ages and lines; without it there are neither. */
  readonly now?: () => number;
  /** Whether what is cosigned can be kept: a witness that forgets heads would cosign a fork. */
  readonly storage?: StorageStanding;
  /** Told of exceptions that are bugs. */
  readonly onBug?: (error: Error) => void;
}

const BODY_WORDS: Readonly<Record<BodyFault, string>> = {
  bodyTooLarge: "the request is too long",
  badRequest: "the request is no UTF-8 text, or did not come whole and in time",
};

export interface WitnessLine {
  readonly atMs: number;
  readonly tookMs: number;
  readonly method: string;
  /** One of the witness's own addresses, or `other`. */
  readonly route: string;
  readonly status: number;
}

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

export interface WitnessStatus {
  /** The worst of all comparisons, `contradicted` while a split view is open; `uncompared` while there is none. */
  readonly status: "contradicted" | "unreachable" | "unproven" | "consistent" | "uncompared";
  /** The line of this witness for a policy, without its address. */
  readonly key: string;
  readonly logs: readonly { readonly origin: string; readonly size: string; readonly cosignedAt: string; readonly frozen: boolean }[];
  readonly openSplitViews: readonly number[];
  /** What cannot be written to, and why; empty while all can. */
  readonly storage: readonly FailingStorage[];
  readonly comparisons: readonly Comparison[];
}

export function witnessApp({ witness, store, comparisons = () => [], log, now = () => 0, storage, onBug }: WitnessPorts): Hono {
  const app = new Hono();
  const { metrics, requests } = witnessMetrics({ store, now, comparisons });
  if (storage !== undefined) storageMetrics(metrics, storage);
  let addresses: ReadonlySet<string> | undefined;
  app.use(async function wideLog(c, next) {
    const atMs = now();
    await next();
    addresses ??= new Set(app.routes.filter(({ method }) => method !== "ALL").map(({ path }) => path));
    const route = addresses.has(c.req.path) ? c.req.path : "other";
    const { status } = c.res;
    requests.add({ route, status: String(status) });
    log?.({ atMs, tookMs: now() - atMs, method: METHODS.has(c.req.method) ? c.req.method : "other", route, status });
  });
  app.get("/metrics", async (c) =>
    c.text(await metrics.text(), 200, { "content-type": METRICS_CONTENT_TYPE, "cache-control": "no-store" }),
  );
  app.post("/add-checkpoint", async (c) => {
    const request = await readTextWithin(c.req.raw, { bytesMax: REQUEST_BYTES_MAX });
    if (!request.ok) return c.text(`${BODY_WORDS[request.error]}\n`, 400);
    const { status, body } = await witness.addCheckpoint(request.value);
    return c.text(body, status, status === 409 && /^\d+\n$/.test(body) ? { "content-type": "text/x.tlog.size" } : undefined);
  });
  app.get("/checkpoint", async (c) => {
    const origin = c.req.query("origin") ?? "";
    if (await store.isFrozen(origin)) return c.text(`${SPLIT_VIEW}\n`, 403);
    const note = await witness.latest(origin);
    return note === undefined ? c.text("nothing of this log was cosigned here\n", 404) : c.text(note, 200, { "cache-control": "no-cache" });
  });
  app.get("/heads", async (c) => c.json({ heads: await store.history(c.req.query("origin") ?? "", HEADS_MAX) }));
  app.get("/split-views", async (c) => {
    const origin = c.req.query("origin");
    const found = await store.splitViews();
    // For another witness: of one log, newest first, as many as it looks at.
    const wanted =
      origin === undefined
        ? found
        : found
            .filter((one) => one.origin === origin)
            .toReversed()
            .slice(0, EVIDENCE_MAX);
    return c.json({ splitViews: wanted.map(shown) });
  });
  app.get("/key", (c) => c.text(`${printVerifierKey(witness.key)}\n`));
  app.get("/health", (c) => c.json({ status: "ok", storage: storage?.failing()[0]?.cause ?? "ok" }));
  app.get("/ready", async (c) => {
    const failing = (await storage?.look()) ?? [];
    return c.json({ status: failing.length === 0 ? "ok" : "unavailable", storage: failing }, failing.length === 0 ? 200 : 503);
  });
  app.get("/status", async (c) =>
    c.json({ ...(await statusOf(witness, store, comparisons())), storage: (await storage?.look()) ?? [] } satisfies WitnessStatus),
  );
  app.notFound((c) => c.text("nothing here\n", 404));
  app.onError((error, c) => {
    tellTrouble({ storage, onBug }, error);
    return c.text("the witness failed\n", 500);
  });
  return app;
}

function witnessMetrics({ store, now, comparisons }: Required<Pick<WitnessPorts, "store" | "now" | "comparisons">>): {
  readonly metrics: Metrics;
  readonly requests: Counter<"route" | "status">;
} {
  const metrics = new Metrics();
  const help = "Requests by address and HTTP status.";
  const requests = metrics.counter({ name: "ronghe_witness_requests_total", help, labels: ["route", "status"] });
  const labels = ["log"] as const;
  metrics.gauge({ name: "ronghe_witness_size", help: "Entries of a log that this witness stands by.", labels }, async () =>
    (await store.heads()).map(({ origin, size }) => ({ labels: { log: origin }, value: size })),
  );
  metrics.gauge({ name: "ronghe_witness_head_age_seconds", help: "Since this witness last cosigned a log.", labels }, async () =>
    (await store.heads()).map(({ origin, timeS }) => ({ labels: { log: origin }, value: Math.max(0, now() / 1000 - Number(timeS)) })),
  );
  const views = "Contradictions of a log that its operator has not answered.";
  metrics.gauge({ name: "ronghe_witness_split_views_open", help: views, labels: [] }, async () => {
    const open = (await store.splitViews()).filter((found) => found.acknowledged === undefined);
    return [{ labels: {}, value: open.length }];
  });
  const compared = "Logs compared with other witnesses, by how the last comparison ended.";
  metrics.gauge({ name: "ronghe_witness_comparisons", help: compared, labels: ["state"] }, () => {
    const counts = new Map<string, number>();
    for (const { state } of comparisons()) counts.set(state, (counts.get(state) ?? 0) + 1);
    return [...counts].map(([state, value]) => ({ labels: { state }, value }));
  });
  return { metrics, requests };
}

const BAD_STATES = ["contradicted", "unreachable", "unproven"] as const;

async function statusOf(
  witness: Witness,
  store: WitnessStore,
  comparisons: readonly Comparison[],
): Promise<Omit<WitnessStatus, "storage">> {
  const open = (await store.splitViews()).filter((found) => found.acknowledged === undefined);
  const logs = (await store.heads()).map(({ origin, size, timeS }) => ({
    origin,
    size: size.toString(),
    cosignedAt: new Date(Number(timeS) * 1000).toISOString(),
    frozen: open.some((found) => found.origin === origin),
  }));
  const worst = BAD_STATES.find((bad) => comparisons.some(({ state }) => state === bad));
  return {
    status: open.length > 0 ? "contradicted" : (worst ?? (comparisons.length === 0 ? "uncompared" : "consistent")),
    key: printVerifierKey(witness.key),
    logs,
    openSplitViews: open.map((found) => found.id),
    comparisons,
  };
}

function shown({ foundMs, acknowledged, ...found }: SplitView): object {
  const answer = acknowledged === undefined ? {} : { acknowledged: { ...acknowledged, atMs: undefined, at: iso(acknowledged.atMs) } };
  return { ...found, foundAt: iso(foundMs), ...answer };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** The evidence as a text that an operator can hand on: whoever holds the log's public key can judge it without us. */
export function printSplitView({ id, origin, kind, ours, theirs, proof, source, foundMs }: SplitView): string {
  const why =
    kind === "sameSize"
      ? "The log signed two different roots for one size."
      : "The log signed two heads, and a proof that ends at the larger one begins at another root than the smaller one has.";
  return [
    `Split view ${id} of ${origin}, found ${iso(foundMs)}, shown by ${source}.`,
    why,
    "",
    "--- head that this witness cosigned ---",
    ours.trimEnd(),
    "",
    "--- head that contradicts it ---",
    theirs.trimEnd(),
    ...(proof === "" ? [] : ["", "--- consistency proof, from the smaller size to the larger ---", proof]),
    "",
  ].join("\n");
}
