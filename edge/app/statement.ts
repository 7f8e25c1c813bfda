/** `rh.statement`: an institution's own settled and refunded money of a day or month, from the core's books. */
import type { InternalStatementReply } from "../../core/protocol/internal.ts";
import type { StatementReply, StatementRequest, StatementRowReply } from "../../core/protocol/operations.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import { type EventMs, formatCst14 } from "../../core/protocol/time.ts";
import type { AppPorts } from "./app-ports.ts";
import { type AdmittedCall, refuse, type Refusal } from "./call.ts";

const PAGE_SIZE = 50;
type StatementRow = Extract<InternalStatementReply, { ok: true }>["rows"][number];

/** Only the caller's own money: the institution is the one that signed. */
export async function statement(ports: AppPorts, call: AdmittedCall, request: StatementRequest): Promise<Result<StatementReply, Refusal>> {
  const { outTradeNo, period, cursor, pageSize } = request;
  const asked = {
    institution: call.institution.settings.orgId,
    period,
    limit: pageSize === undefined ? PAGE_SIZE : Number(pageSize),
    ...(cursor === undefined ? {} : { cursor }),
  };
  const page = await ports.link.statement(asked, call.traceparent);
  if (!page.ok) return refuse(page.error);
  const { closed, totals, rows, next } = page.value;
  const { sources, ...figures } = totals;
  return ok({
    outTradeNo,
    period,
    closed: flag(closed),
    totals: {
      ...figures,
      settlements: String(figures.settlements),
      refunds: String(figures.refunds),
      ...(sources.length === 0 ? {} : { sources }),
    },
    ...(rows.length === 0 ? {} : { rows: rows.map(rowOf) }),
    ...(next === undefined ? {} : { cursor: next }),
  });
}

function rowOf({ atMs, late, ...row }: StatementRow): StatementRowReply {
  return { ...row, at: formatCst14(atMs as EventMs), late: flag(late) };
}

function flag(value: boolean): "0" | "1" {
  return value ? "1" : "0";
}
