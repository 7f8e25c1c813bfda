/**
 * Three payers as real HTTP services, and an admin endpoint, for demos and tests: real sockets, real delays, real
 * lost answers. What they answered survives `kill -9` of either side.
 */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import type { Hono } from "hono";
import * as v from "valibot";
import type { Clock } from "../../../protocol/time.ts";
import type { RailName } from "../../plan.ts";
import type { Reply } from "../contract.ts";
import { openAccount, type SeedAccount, seedAccounts } from "./accounts.ts";
import { createAdminApp } from "./admin-app.ts";
import { type Command, RailBook } from "./book.ts";
import { Faults, RAIL_NAMES } from "./faults.ts";
import { openJournal } from "./journal.ts";
import { createRailApp } from "./rail-app.ts";

export interface SandboxRailsOptions {
  readonly clock: Clock;
  /** Journal of everything the payers did; without it they forget when they close. */
  readonly file?: string;
  readonly host?: string;
  /** Free ports when absent. */
  readonly ports?: Partial<Readonly<Record<RailName | "admin", number>>>;
  /** Accounts to begin with; those that the journal already has keep their balances. */
  readonly seedAccounts?: readonly SeedAccount[];
  /** How long a hold lasts, 15 minutes by default. */
  readonly holdMs?: number;
}

export interface SandboxRails {
  readonly insuranceUrl: string;
  readonly commercialUrl: string;
  readonly bankUrl: string;
  readonly adminUrl: string;
  close(): Promise<void>;
}

const HOLD_MS = 15 * 60_000;

/** A journal line: what was done, and when. Carried out again in order, it gives the same books. */
type Entry =
  | { readonly at: number; readonly rail: RailName; readonly command: Command }
  | { readonly at: number; readonly accounts: readonly SeedAccount[] };

export async function startSandboxRails(options: SandboxRailsOptions): Promise<SandboxRails> {
  const holdMs = options.holdMs ?? HOLD_MS;
  const books = {
    insurance: new RailBook("insurance", holdMs),
    commercial: new RailBook("commercial", holdMs),
    bank: new RailBook("bank", holdMs),
  };
  const faults = new Faults();
  const open = (seeds: v.InferOutput<typeof seedAccounts>): void => {
    for (const seed of seeds) books[seed.rail].accounts.set(seed.account, openAccount(seed));
  };
  const journal = openJournal(options.file, (entry) => {
    const done = entry as Entry;
    if ("accounts" in done) open(v.parse(seedAccounts, done.accounts));
    else books[done.rail].carryOut(done.command, done.at);
  });
  const upsert = (seeds: v.InferOutput<typeof seedAccounts>): void => {
    if (seeds.length > 0) journal.append({ at: options.clock.now(), accounts: seeds });
    open(seeds);
  };
  const execute = (book: RailBook, command: Command): Reply => {
    const known = book.outcome(command.key, command);
    if (known !== undefined) return known;
    const at = options.clock.now();
    journal.append({ at, rail: book.rail, command });
    return book.carryOut(command, at);
  };
  upsert(v.parse(seedAccounts, options.seedAccounts ?? []).filter((seed) => !books[seed.rail].accounts.has(seed.account)));

  const { promise: closing, resolve: endHanging } = Promise.withResolvers<void>();
  const host = options.host ?? "127.0.0.1";
  const services = [
    ...RAIL_NAMES.map((rail) => ({
      app: createRailApp({ book: books[rail], faults, execute, closing }),
      port: options.ports?.[rail] ?? 0,
    })),
    { app: createAdminApp({ books, faults, upsert }), port: options.ports?.admin ?? 0 },
  ];
  const listening = await Promise.all(services.map((service) => listen(service.app, host, service.port)));
  const [insuranceUrl = "", commercialUrl = "", bankUrl = "", adminUrl = ""] = listening.map((service) => service.url);
  return {
    insuranceUrl,
    commercialUrl,
    bankUrl,
    adminUrl,
    async close() {
      endHanging();
      await Promise.all(listening.map((service) => service.close()));
      journal.close();
    },
  };
}

async function listen(app: Hono, hostname: string, port: number): Promise<{ readonly url: string; close(): Promise<void> }> {
  const { server, address } = await new Promise<{ server: Server; address: AddressInfo }>((resolve, reject) => {
    const started = serve({ fetch: app.fetch, hostname, port }, (address) => resolve({ server: started as Server, address })) as Server;
    started.once("error", reject);
  });
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return {
    url: `http://${host}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
