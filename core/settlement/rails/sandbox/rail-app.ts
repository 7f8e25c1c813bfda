/** The HTTP face of one sandbox payer: the other side of docs/rails.md. */
import { type Context, Hono } from "hono";
import * as v from "valibot";
import { asFen, formatYuan, parseYuan } from "../../../protocol/money.ts";
import { AUTHORISE, type AuthoriseBody, MOVE, PATHS, type Reply } from "../contract.ts";
import type { Command, RailBook } from "./book.ts";
import type { FaultedAction, FaultKind, Faults } from "./faults.ts";

export interface RailAppPorts {
  readonly book: RailBook;
  readonly faults: Faults;
  /** Looks the key up, else carries the command out and journals it, in one turn of the event loop. */
  readonly execute: (book: RailBook, command: Command) => Reply;
  /** Resolves when the sandbox closes, so that calls left hanging by a fault end. */
  readonly closing: Promise<void>;
}

const BODY_CHARS_MAX = 8_192;

export function createRailApp(ports: RailAppPorts): Hono {
  const { book } = ports;
  const app = new Hono();
  app.post(PATHS.authorise, async (c) => {
    const body = await readBody(c, AUTHORISE[book.rail]);
    if (body === undefined) return c.json({ error: "malformed" }, 400);
    const { key, settlementId, asked } = body;
    return await answer(c, ports, { action: "authorise", key, settlementId, account: accountOf(body), asked });
  });
  for (const action of ["capture", "void", "refund"] as const)
    app.post(PATHS[action], async (c) => {
      const body = await readBody(c, MOVE);
      if (body === undefined) return c.json({ error: "malformed" }, 400);
      const { key, settlementId, amount } = body;
      return await answer(c, ports, { action, key, settlementId, amount });
    });
  app.get(PATHS.operations, async (c) => {
    const key = c.req.query("key") ?? "";
    await delay(ports);
    const reply = book.outcome(key) ?? { status: "absent" as const, key };
    return await spoiled(c, ports, "query", reply, ports.faults.hit(book.rail, "query"));
  });
  return app;
}

async function answer(c: Context, ports: RailAppPorts, command: Exclude<Command, { action: "decline" }>): Promise<Response> {
  await delay(ports);
  const fault = ports.faults.hit(ports.book.rail, command.action);
  if (fault === "timeoutBefore") return await hang(c, ports);
  if (fault === "serverError") return c.json({ error: "unavailable" }, 503);
  const done = ports.execute(ports.book, fault === "refuse" ? { action: "decline", key: command.key } : command);
  return await spoiled(c, ports, command.action, done, fault);
}

async function spoiled(
  c: Context,
  ports: RailAppPorts,
  action: FaultedAction,
  reply: Reply,
  fault: FaultKind | undefined,
): Promise<Response> {
  switch (fault) {
    case undefined:
    case "refuse":
      return json(c, reply);
    case "timeoutBefore":
    case "timeoutAfter":
      return await hang(c, ports);
    case "serverError":
    case "serverErrorAfter":
      return c.json({ error: "unavailable" }, 503);
    case "garbage":
      return c.text(`<html><body>${action}</body></html>`);
    case "wrongAmount":
      return json(c, wrong(reply));
  }
}

function json(c: Context, reply: Reply): Response {
  return c.body(JSON.stringify(reply), 200, { "content-type": "application/json" });
}

function more(yuan: string): string {
  return formatYuan(asFen((parseYuan(yuan) ?? 0n) + 1n));
}

/** One fen too much, on the total and on the first part, so that only a check against the question notices. */
function wrong(reply: Reply): Reply {
  if (reply.status !== "done") return reply;
  const parts = reply.parts?.map((part, at) => (at === 0 ? { ...part, amount: more(part.amount) } : part));
  return { ...reply, amount: more(reply.amount), ...(parts === undefined ? {} : { parts }) };
}

async function hang(c: Context, ports: RailAppPorts): Promise<Response> {
  const gone = new Promise<void>((resolve) => c.req.raw.signal.addEventListener("abort", () => resolve(), { once: true }));
  await Promise.race([gone, ports.closing]);
  return c.json({ error: "unavailable" }, 503);
}

async function delay(ports: RailAppPorts): Promise<void> {
  const ms = ports.faults.delayMs[ports.book.rail];
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}

function accountOf(body: AuthoriseBody): string {
  const { account } = body;
  if ("psnNo" in account) return account.psnNo;
  return "contractId" in account ? account.contractId : account.authorisationId;
}

async function readBody<S extends v.GenericSchema>(c: Context, schema: S): Promise<v.InferOutput<S> | undefined> {
  const text = await c.req.text();
  if (text.length > BODY_CHARS_MAX) return undefined;
  try {
    const parsed = v.safeParse(schema, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
