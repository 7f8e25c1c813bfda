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
import { dayOf } from "../../day/accounting-day.ts";
import { HUNAN, type ProvinceProfile } from "../../split/profile.ts";
import { openAccount, type SeedAccount, seedAccounts } from "./accounts.ts";
import { createAdminApp } from "./admin-app.ts";
import { Faults, RAIL_NAMES } from "./faults.ts";
import { createHoldApp } from "./hold-app.ts";
import { HoldBook, type HoldCommand, type HoldRail } from "./hold-book.ts";
import { createInsurerApp } from "./insurer-app.ts";
import { type InsurerAnswer, InsurerBook, type InsurerCommand } from "./insurer-book.ts";
import type { Movement, ToldMovement } from "./movements.ts";
import { openPayerStore } from "./store.ts";

export interface SandboxRailsOptions {
  readonly clock: Clock;
  /** Path of the payers' own books (libSQL); without it they forget when they close. */
  readonly file?: string;
  readonly host?: string;
  /** Free ports when absent. */
  readonly ports?: Partial<Readonly<Record<RailName | "admin", number>>>;
  /** Accounts to begin with; those that the journal already has keep their balances. */
  readonly seedAccounts?: readonly SeedAccount[];
  /** How long a hold lasts, 15 minutes by default. */
  readonly holdMs?: number;
  /** How the insurer's province counts, Hunan's way by default. */
  readonly profile?: ProvinceProfile;
  /** Numbers in [0, 1) for faults with a probability. */
  readonly draw?: () => number;
}

export interface SandboxRails {
  readonly insuranceUrl: string;
  readonly commercialUrl: string;
  readonly bankUrl: string;
  readonly adminUrl: string;
  close(): Promise<void>;
}

const HOLD_MS = 15 * 60_000;
const HOLD_RAILS = RAIL_NAMES.filter((rail): rail is HoldRail => rail !== "insurance");

/** A line of the journal that only the administrator writes. */
interface AccountsEntry {
  readonly accounts: readonly SeedAccount[];
}

export async function startSandboxRails(options: SandboxRailsOptions): Promise<SandboxRails> {
  const { clock } = options;
  const holdMs = options.holdMs ?? HOLD_MS;
  const books = {
    insurance: new InsurerBook(options.profile ?? HUNAN),
    commercial: new HoldBook("commercial", holdMs),
    bank: new HoldBook("bank", holdMs),
  };
  const faults = new Faults(options.draw ?? Math.random);
  const open = (seeds: v.InferOutput<typeof seedAccounts>): void => {
    for (const seed of seeds) {
      const account = openAccount(seed);
      if (account.rail === "insurance") books.insurance.accounts.set(account.account, account);
      else books[account.rail].accounts.set(account.account, account);
    }
  };
  const store = await openPayerStore(options.file);
  for await (const { atMs, rail, entry } of store.journal()) {
    const read: unknown = JSON.parse(entry);
    if (rail === undefined) open(v.parse(seedAccounts, (read as AccountsEntry).accounts));
    else if (rail === "insurance") books.insurance.carryOut(read as InsurerCommand, atMs);
    else books[rail].carryOut(read as HoldCommand, atMs);
  }
  const upsert = async (seeds: v.InferOutput<typeof seedAccounts>): Promise<void> => {
    open(seeds);
    const entry = JSON.stringify({ accounts: seeds });
    if (seeds.length > 0) await store.append({ atMs: clock.now(), rail: undefined, entry, movements: [] });
  };

  /** Keys whose first answer is not durable yet: a repeat waits for it too. */
  const writing = new Map<string, Promise<void>>();
  const keep = async (rail: RailName, key: string, command: object, atMs: number, movements: readonly Movement[]): Promise<void> => {
    const told = movements.flatMap((movement) => toldOf(movement, faults));
    const written = store.append({ atMs, rail, entry: JSON.stringify(command), movements: told });
    writing.set(`${rail}/${key}`, written);
    await written.finally(() => writing.delete(`${rail}/${key}`));
  };
  const hold = async (book: HoldBook, command: HoldCommand): Promise<Reply> => {
    const known = book.outcome(command.key, command);
    await writing.get(`${book.rail}/${command.key}`);
    if (known !== undefined) return known;
    const atMs = clock.now();
    const { reply, movements } = book.carryOut(command, atMs);
    await keep(book.rail, command.key, command, atMs, movements);
    return reply;
  };
  const insure = async (command: InsurerCommand): Promise<InsurerAnswer> => {
    const known = books.insurance.outcome(command.msgid, command);
    await writing.get(`insurance/${command.msgid}`);
    if (known !== undefined) return known;
    const atMs = clock.now();
    const { answer, movements } = books.insurance.carryOut(command, atMs);
    await keep("insurance", command.msgid, command, atMs, movements);
    return answer;
  };
  await upsert(v.parse(seedAccounts, options.seedAccounts ?? []).filter((seed) => !books[seed.rail].accounts.has(seed.account)));

  const { promise: closing, resolve: endHanging } = Promise.withResolvers<void>();
  const host = options.host ?? "127.0.0.1";
  const services = [
    {
      app: createInsurerApp({
        rail: "insurance",
        book: books.insurance,
        faults,
        clock,
        closing,
        execute: insure,
        movements: (query) => store.movements({ rail: "insurance", ...query }),
      }),
      port: options.ports?.insurance ?? 0,
    },
    ...HOLD_RAILS.map((rail) => ({
      app: createHoldApp({
        rail,
        book: books[rail],
        faults,
        closing,
        execute: hold,
        movements: (day) => store.movements({ rail, day }),
        isClosed: (day) => dayOf(clock.now()) > day,
      }),
      port: options.ports?.[rail] ?? 0,
    })),
    { app: createAdminApp({ books, faults, upsert, correctStatements: () => store.correctStatements() }), port: options.ports?.admin ?? 0 },
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
      await store.close();
    },
  };
}

/** How the statement will tell a movement; of an extra row, the row that never happened. */
function toldOf(movement: Movement, faults: Faults): readonly ToldMovement[] {
  const fault = faults.spoil(movement.rail);
  if (fault !== "extraRow") return [{ ...movement, told: fault ?? "true" }];
  const extra = { ...movement, key: extraKey(movement), reference: `X${movement.reference}`.slice(0, 30) };
  return [
    { ...movement, told: "true" },
    { ...extra, told: "extraRow" },
  ];
}

/** A key that no call ever had: of the form of a msgid, or of ours. */
function extraKey(movement: Movement): string {
  return movement.rail === "insurance" ? `X${movement.key.slice(1)}` : `x-${movement.key}`;
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
