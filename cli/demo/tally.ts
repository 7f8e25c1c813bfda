/** What a demo counts at its end: only what happened, from the ledgers, the streams and the verifier. */
import type { LogFile, LogReport } from "../platform/verify.ts";
import type { DayPlan, InjectedScheme, Scheme } from "./day.ts";

export interface RaisedAlert {
  readonly rule: string;
  readonly institution: string;
  readonly terminal?: string | undefined;
  readonly person?: string | undefined;
}

export interface SchemeTally {
  readonly scheme: Scheme;
  readonly injected: number;
  readonly caught: number;
}

export interface Judged {
  readonly schemes: readonly SchemeTally[];
  readonly injected: number;
  readonly caught: number;
  /** Alerts that belong to no injected scheme: wrongly raised. */
  readonly other: number;
}

/** Compares alerts with the labels; `pseudonyms` are those of the labelled people, by `appUserId`. */
export function judgeAlerts(plan: DayPlan, alerts: readonly RaisedAlert[], pseudonyms: ReadonlyMap<string, string>): Judged {
  const belongs = (alert: RaisedAlert, scheme: InjectedScheme): boolean =>
    alert.rule === scheme.scheme &&
    scheme.institutions.includes(alert.institution) &&
    (alert.terminal === undefined || scheme.terminals.includes(alert.terminal)) &&
    (alert.person === undefined || scheme.people.length === 0 || scheme.people.some((id) => pseudonyms.get(id) === alert.person));
  const caught = plan.injected.filter((scheme) => alerts.some((alert) => belongs(alert, scheme)));
  const kinds = [...new Set(plan.injected.map((one) => one.scheme))];
  return {
    schemes: kinds.map((scheme) => ({
      scheme,
      injected: plan.injected.filter((one) => one.scheme === scheme).length,
      caught: caught.filter((one) => one.scheme === scheme).length,
    })),
    injected: plan.injected.length,
    caught: caught.length,
    other: alerts.filter((alert) => !plan.injected.some((scheme) => belongs(alert, scheme))).length,
  };
}

/** Entries of a kind over all logs, read from leaves that the verifier has passed. */
export function countLeaves(logs: readonly LogFile[], kind: string): number {
  return logs.reduce((sum, log) => sum + (log.kinds.get(kind) ?? 0), 0);
}

export interface DemoSummary {
  readonly bus: string;
  readonly codes: number;
  readonly scans: number;
  readonly settlements: { readonly completed: number; readonly refused: number; readonly refunded: number };
  readonly alerts: { readonly injected: number; readonly caught: number; readonly other: number };
  /** Summed over the entries of all runs; `open`: differences that nobody has cleared yet. */
  readonly reconciliation: { readonly matched: number; readonly differences: number; readonly healed: number; readonly open: number };
  /** Days that every shard has sealed. */
  readonly daysClosed: number;
  readonly ledger: readonly { readonly origin: string; readonly size: number; readonly root: string }[];
  readonly verified: boolean;
}

export function ledgerSummary(reports: readonly LogReport[]): DemoSummary["ledger"] {
  return reports.map(({ origin, size, root }) => ({ origin, size: Number(size), root }));
}
