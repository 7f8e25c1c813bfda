/** The admin endpoint of the sandbox payers: accounts, delays, faults, and what was really paid. */
import { type Context, Hono } from "hono";
import * as v from "valibot";
import { asFen, formatYuan } from "../../../protocol/money.ts";
import type { RailName } from "../../plan.ts";
import { describeAccount, type SandboxAccount, seedAccounts } from "./accounts.ts";
import { faultRequest, type Faults, RAIL_NAMES } from "./faults.ts";
import type { LegTotal, Totals } from "./totals.ts";

export interface AdminPorts {
  readonly books: Readonly<Record<RailName, AdminBook>>;
  readonly faults: Faults;
  /** Makes or replaces accounts; resolves when it is durable. */
  readonly upsert: (seeds: v.InferOutput<typeof seedAccounts>) => Promise<void>;
  readonly correctStatements: () => Promise<void>;
}
/** What the admin endpoint reads of any payer's books. */
export interface AdminBook {
  readonly accounts: ReadonlyMap<string, SandboxAccount>;
  readonly totals: Totals;
  heldCount?(): number;
}

const delayRequest = v.strictObject({
  rail: v.picklist(RAIL_NAMES),
  ms: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(600_000)),
});

export function createAdminApp(ports: AdminPorts): Hono {
  const app = new Hono();
  app.post("/admin/accounts", async (c) => {
    const seeds = await read(c, seedAccounts);
    if (seeds === undefined) return c.json({ error: "malformed" }, 400);
    await ports.upsert(seeds);
    return c.json({ accounts: seeds.length });
  });
  app.get("/admin/accounts", (c) => {
    const rail = RAIL_NAMES.find((name) => name === c.req.query("rail"));
    const account = rail === undefined ? undefined : ports.books[rail].accounts.get(c.req.query("account") ?? "");
    return account === undefined ? c.json({ error: "no such account" }, 404) : c.json(describeAccount(account));
  });
  app.post("/admin/delay", async (c) => {
    const request = await read(c, delayRequest);
    if (request === undefined) return c.json({ error: "malformed" }, 400);
    ports.faults.delayMs[request.rail] = request.ms;
    return c.json({ delayMs: ports.faults.delayMs });
  });
  app.post("/admin/faults", async (c) => {
    const request = await read(c, faultRequest);
    if (request === undefined) return c.json({ error: "malformed" }, 400);
    ports.faults.arm(request);
    return c.json({ faults: ports.faults.armed() });
  });
  app.get("/admin/faults", (c) => c.json({ faults: ports.faults.armed(), delayMs: ports.faults.delayMs }));
  app.delete("/admin/faults", (c) => {
    ports.faults.clear();
    return c.json({ faults: [] });
  });
  app.post("/admin/statements/correct", async (c) => {
    await ports.correctStatements();
    return c.json({ corrected: true });
  });
  app.get("/admin/totals", (c) => c.json(totals(ports.books, c.req.query("settlement"))));
  return app;
}

/** Answer of `GET /admin/totals`; amounts are yuan. */
export interface SandboxTotals {
  /** Per settlement and leg: only one settlement's when asked so. */
  readonly legs: readonly {
    readonly settlementId: string;
    readonly rail: RailName;
    readonly captures: number;
    readonly captured: string;
    readonly refunds: number;
    readonly refunded: string;
  }[];
  readonly sources: readonly {
    readonly rail: RailName;
    readonly fundSource: string;
    readonly captured: string;
    readonly refunded: string;
  }[];
  /** Legs paid more than once, or given back beyond what was paid; must be 0. */
  readonly doubled: number;
  /** Holds that are still open. */
  readonly held: number;
}

function totals(books: AdminPorts["books"], settlementId: string | undefined): SandboxTotals {
  const all = RAIL_NAMES.flatMap((rail) => [...books[rail].totals.legs.values()]);
  return {
    legs: all.filter((leg) => settlementId === undefined || leg.settlementId === settlementId).map(describeLeg),
    sources: RAIL_NAMES.flatMap((rail) =>
      [...books[rail].totals.sources].map(([fundSource, sum]) => ({
        rail,
        fundSource,
        captured: formatYuan(asFen(sum.captured)),
        refunded: formatYuan(asFen(sum.refunded)),
      })),
    ),
    doubled: all.filter((leg) => leg.captures > 1 || leg.refunded > leg.captured).length,
    held: RAIL_NAMES.reduce((sum, rail) => sum + (books[rail].heldCount?.() ?? 0), 0),
  };
}

function describeLeg(leg: LegTotal): SandboxTotals["legs"][number] {
  return { ...leg, captured: formatYuan(asFen(leg.captured)), refunded: formatYuan(asFen(leg.refunded)) };
}

async function read<S extends v.GenericSchema>(c: Context, schema: S): Promise<v.InferOutput<S> | undefined> {
  try {
    const parsed = v.safeParse(schema, await c.req.json());
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
