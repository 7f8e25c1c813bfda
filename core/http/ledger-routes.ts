/**
 * What everybody may see of the logs (`/ledger/v1/*`): the newest published checkpoint, that it goes on from an older one, and who
 * stands by it. Hashes and signatures only; no entry is shown here.
 */
import { Hono } from "hono";
import type { Log } from "../../ledger/port.ts";
import { parseDecimal, toBase64 } from "../../ledger/verifier/bytes.ts";
import type { Publication, PublicationStatus } from "../checkpoint-publication.ts";

export interface PublicLog {
  readonly log: Pick<Log, "origin" | "consistency">;
  readonly publication: Pick<Publication, "latest" | "status">;
}

export interface WitnessReport {
  /** `ok` when the quorum stands by every log, or no witness is asked. */
  readonly status: "ok" | "unwitnessed" | "heldBack";
  readonly logs: readonly PublicationStatus[];
}

export function ledgerRoutes(logs: () => readonly PublicLog[]): Hono {
  const routes = new Hono();
  const logOf = (origin: string | undefined): PublicLog | undefined => logs().find(({ log }) => log.origin === origin);

  routes.get("/status", (c) => c.json(witnessReport(logs())));

  routes.get("/checkpoint", (c) => {
    const checkpoint = logOf(c.req.query("origin"))?.publication.latest();
    return checkpoint === undefined
      ? c.text("no published checkpoint of such a log\n", 404)
      : c.text(checkpoint.note, 200, { "cache-control": "no-cache" });
  });

  // Up to the newest published size: what is not out yet is nobody's to ask about.
  routes.get("/consistency", async (c) => {
    const known = logOf(c.req.query("origin"));
    const [from, to] = [parseDecimal(c.req.query("from") ?? ""), parseDecimal(c.req.query("to") ?? "")];
    if (known === undefined) return c.text("no such log\n", 404);
    const published = known.publication.latest()?.size ?? 0n;
    if (from === undefined || to === undefined || from <= 0n || from > to) return c.text("wanted 0 < from <= to\n", 400);
    if (to > published) return c.text(`the newest published size is ${published}\n`, 404);
    const proof = await known.log.consistency(from, to);
    return c.text(proof.map((hash) => `${toBase64(hash)}\n`).join(""), 200, { "cache-control": "public, max-age=86400" });
  });
  return routes;
}

export function witnessReport(logs: readonly PublicLog[]): WitnessReport {
  const all = logs.map(({ publication }) => publication.status());
  const has = (state: PublicationStatus["state"]): boolean => all.some((log) => log.state === state);
  return { status: has("heldBack") ? "heldBack" : has("unwitnessed") ? "unwitnessed" : "ok", logs: all };
}
