/** The HTTP face of a payer that holds (commercial insurer, bank): the other side of docs/rails.md section 3. */
import { type Context, Hono } from "hono";
import * as v from "valibot";
import { utf8Text } from "../../../protocol/bytes.ts";
import { asFen, formatYuan, parseYuan } from "../../../protocol/money.ts";
import type { EventMs } from "../../../protocol/time.ts";
import { AUTHORISE, MOVE, PATHS, QUOTE, type Reply, STATEMENT_DAY } from "../contract.ts";
import { csvRow, csvTrailer, STATEMENT_HEADER } from "../statement-csv.ts";
import { InstitutionSums, TotalsSum } from "../statement-totals.ts";
import { printTotals } from "../statement-totals-body.ts";
import type { HoldBook, HoldCommand } from "./hold-book.ts";
import { asTold, type ToldMovement } from "./movements.ts";
import { type SpoiledPorts, Spoiler } from "./spoil.ts";
import { streamOf } from "./stream.ts";

export interface HoldAppPorts extends SpoiledPorts {
  readonly book: HoldBook;
  /** Looks the key up, else carries the command out; resolves when it is durable. */
  readonly execute: (book: HoldBook, command: HoldCommand) => Promise<Reply>;
  readonly movements: (day: string) => AsyncIterable<ToldMovement>;
  /** Whether a day is over for the payer. */
  readonly isClosed: (day: string) => boolean;
}

const BODY_CHARS_MAX = 8_192;
/** Rows sent at a time. */
const ROWS_PER_CHUNK = 500;

export function createHoldApp(ports: HoldAppPorts): Hono {
  const { book } = ports;
  const spoiler = new Spoiler(ports);
  const app = new Hono();

  async function answer(c: Context, command: Exclude<HoldCommand, { action: "decline" }>): Promise<Response> {
    const { key, action } = command;
    return await spoiler.answer(c, {
      action,
      work: async () => JSON.stringify(await ports.execute(book, command)),
      refuse: async () => JSON.stringify(await ports.execute(book, { action: "decline", key })),
      oneFenMore,
      errorText: () => JSON.stringify(errorText(key)),
    });
  }

  app.post(PATHS.authorise, async (c) => {
    const body = await readBody(c, AUTHORISE[book.rail]);
    if (body === undefined) return c.json({ error: "malformed" }, 400);
    const { key, settlementId, institution, asked } = body;
    return await answer(c, { action: "authorise", key, settlementId, institution, account: accountOf(body.account), asked });
  });
  for (const action of ["capture", "void", "refund"] as const)
    app.post(PATHS[action], async (c) => {
      const body = await readBody(c, MOVE);
      if (body === undefined) return c.json({ error: "malformed" }, 400);
      const { key, settlementId, institution, amount, parts } = body;
      return await answer(c, { action, key, settlementId, institution, amount, ...(parts === undefined ? {} : { parts }) });
    });
  app.post(PATHS.quote, async (c) => {
    const body = await readBody(c, QUOTE[book.rail]);
    if (body === undefined) return c.json({ error: "malformed" }, 400);
    const { key } = body;
    return await spoiler.answer(c, {
      action: "authorise",
      work: () => Promise.resolve(JSON.stringify(quoted(book, body))),
      refuse: () => Promise.resolve(JSON.stringify({ status: "refused", key, reason: "declined" })),
      oneFenMore,
      errorText: () => JSON.stringify(errorText(key)),
    });
  });
  app.get(PATHS.operations, async (c) => {
    const key = c.req.query("key") ?? "";
    const found = (): Promise<string> => Promise.resolve(JSON.stringify(book.outcome(key) ?? { status: "absent", key }));
    return await spoiler.answer(c, {
      action: "query",
      work: found,
      refuse: found,
      oneFenMore,
      errorText: () => JSON.stringify(errorText(key)),
    });
  });
  app.get(PATHS.statement, async (c) => {
    const day = v.safeParse(STATEMENT_DAY, c.req.query("day"));
    if (!day.success) return c.json({ error: "malformed" }, 400);
    let rows: ReadableStream | undefined;
    const refused = await spoiler.answer(c, {
      action: "statement",
      work: () => Promise.resolve(((rows = csvOf(ports.movements(day.output), ports.isClosed(day.output))), "")),
      refuse: () => Promise.resolve(JSON.stringify({ error: "declined" })),
      oneFenMore: (text) => text,
      errorText: () => JSON.stringify({ error: "declined" }),
    });
    if (rows === undefined || refused.status !== 200 || refused.headers.get("content-type") !== "application/json") return refused;
    return c.body(rows, 200, { "content-type": "text/csv; charset=utf-8; header=present" });
  });
  app.get(PATHS.statementTotals, async (c) => {
    const day = v.safeParse(STATEMENT_DAY, c.req.query("day"));
    if (!day.success) return c.json({ error: "malformed" }, 400);
    return await spoiler.answer(c, {
      action: "statement",
      work: async () => JSON.stringify(printTotals(day.output, await sumsOf(ports.movements(day.output)), ports.isClosed(day.output))),
      refuse: () => Promise.resolve(JSON.stringify({ error: "declined" })),
      oneFenMore: (text) => text,
      errorText: () => JSON.stringify({ error: "declined" }),
    });
  });
  return app;
}

function quoted(book: HoldBook, body: { readonly key: string; readonly asked: string; readonly account: Account }): Reply {
  const { key } = body;
  const quote = book.quote(accountOf(body.account), parseYuan(body.asked) ?? asFen(0n));
  if (typeof quote === "string") return { status: "refused", key, reason: quote };
  const sum = asFen(quote.parts.reduce((so, part) => so + part.amount, 0n));
  const parts = quote.parts.map((part) => ({ fundSource: part.fundSource, amount: formatYuan(part.amount) }));
  return { status: "done", key, amount: formatYuan(sum), reference: "quote", parts };
}

function errorText(key: string): object {
  return { status: "done", key, amount: "0.00", reference: "none", error: "the operation failed" };
}

function more(yuan: string): string {
  return formatYuan(asFen((parseYuan(yuan) ?? 0n) + 1n));
}

function oneFenMore(text: string): string {
  const reply = JSON.parse(text) as Reply;
  if (reply.status !== "done") return text;
  const parts = reply.parts?.map((part, at) => (at === 0 ? { ...part, amount: more(part.amount) } : part));
  return JSON.stringify({ ...reply, amount: more(reply.amount), ...(parts === undefined ? {} : { parts }) });
}

type Account = { readonly contractId: string } | { readonly authorisationId: string };
function accountOf(account: Account): string {
  return "contractId" in account ? account.contractId : account.authorisationId;
}

async function sumsOf(movements: AsyncIterable<ToldMovement>): Promise<InstitutionSums> {
  const sums = new InstitutionSums();
  for await (const movement of movements) sums.add(asTold(movement));
  return sums;
}

/** Header, rows as they come out of the books, trailer; never the whole day in memory. */
function csvOf(movements: AsyncIterable<ToldMovement>, closed: boolean): ReadableStream {
  async function* chunks(): AsyncIterable<Uint8Array> {
    const encoder = new TextEncoder();
    const sums = new TotalsSum();
    let lines = STATEMENT_HEADER;
    let waiting = 0;
    for await (const movement of movements) {
      const told = asTold(movement);
      sums.add(told);
      lines += csvRow({ ...told, railReference: told.reference, atMs: told.atMs as EventMs });
      if (++waiting < ROWS_PER_CHUNK) continue;
      yield encoder.encode(lines);
      [lines, waiting] = ["", 0];
    }
    yield encoder.encode(lines + csvTrailer({ ...sums.totals, closed }));
  }
  return streamOf(chunks());
}

export async function readBody<S extends v.GenericSchema>(c: Context, schema: S): Promise<v.InferOutput<S> | undefined> {
  const text = utf8Text(new Uint8Array(await c.req.arrayBuffer()));
  if (text === undefined || text.length > BODY_CHARS_MAX) return undefined;
  try {
    const parsed = v.safeParse(schema, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
