/** What `ronghe ledger verify` found, whatever it was given: one shape for machines, one for people, one status. */
import { toHex } from "../../core/protocol/bytes.ts";
import type { Leaf } from "../../ledger/verifier/leaf.ts";
import type { RangeQuestion } from "../../ledger/verifier/range.ts";
import type { CheckResult, Verdict } from "../../ledger/verifier/report.ts";
import type { ProvenEntry } from "../../ledger/verifier/receipt.ts";
import type { TextKind } from "../../ledger/verifier/session.ts";
import type { Defect } from "../../ledger/verifier/verdict.ts";
import { printJson } from "../output.ts";

/** `data`: the data folder of a platform; `unknown`: a text that claims to be nothing that can be verified. */
export type VerifiedKind = "data" | "export" | "unknown" | Exclude<TextKind, "policy">;

interface Checks {
  readonly verdict: Verdict;
  readonly checks: readonly CheckResult[];
  readonly firstDefect?: Omit<Defect, "name"> & { readonly name: string };
}

export interface VerifiedLog extends Checks {
  readonly ok: boolean;
  readonly origin: string;
  readonly size: bigint;
  /** Hex; empty when there is none. */
  readonly root: string;
}

export interface Verification extends Checks {
  readonly kind: VerifiedKind;
  readonly file: string;
  /** The policy whose keys were trusted; absent when nobody brought one. */
  readonly keys?: string;
  /** Whose policy that is: the one that was named, or what the operator's own folder says of itself. */
  readonly keysFrom?: "caller" | "operator";
  readonly logs?: readonly VerifiedLog[];
  readonly entries?: readonly object[];
  /** Of a range: the auditor's own question, and the one that the text says it answers. */
  readonly asked?: RangeQuestion;
  readonly claimed?: RangeQuestion;
}

/** Status 0 only when everything was checked and is valid. */
export function reportVerification(found: Verification, isJson: boolean): number {
  const ok = found.verdict === "valid";
  if (isJson) {
    const {
      kind,
      file,
      verdict,
      keys = null,
      keysFrom = null,
      checks,
      logs = [],
      entries = [],
      asked = null,
      claimed = null,
      firstDefect = null,
    } = found;
    printJson({ kind, file, ok, verdict, keys, keysFrom, checks, logs, proven: entries, asked, claimed, firstDefect });
  } else print(found);
  return ok ? 0 : 1;
}

/** Whoever rewrites a log also writes this file: it shows a folder sound in itself, and replaces nobody's own keys. */
const OPERATORS_KEYS = [
  "以上为运营方自己的策略，不是审计方留存的策略：审计请用 --policy 给出自己留存的策略",
  "these are the operator's own keys, not an auditor's: an auditor gives the policy that he keeps as --policy",
] as const;
const NO_KEYS = "none of your own: give the policy that you keep as --policy";

function print({ kind, file, keys, keysFrom, logs = [], entries = [], asked, claimed, ...found }: Verification): void {
  say(`${wordOf(found.verdict)} ${kind} ${file}`);
  say(`  keys: ${keys ?? NO_KEYS}`);
  if (keysFrom === "operator") for (const line of OPERATORS_KEYS) say(`        ${line}`);
  if (claimed !== undefined) {
    say(`  asked for: ${asked === undefined ? "nothing (--institution, --from, --to)" : questionLine(asked)}`);
    say(`  it says it answers: ${questionLine(claimed)}`);
  }
  printChecks(found.checks);
  for (const log of logs) {
    say(`${wordOf(log.verdict)} ${log.origin}  size ${log.size}  root ${log.root === "" ? "-" : log.root}`);
    printChecks(log.checks);
    if (log.firstDefect !== undefined && log.firstDefect !== found.firstDefect) say(`  ${defectLine(log.firstDefect)}`);
  }
  for (const entry of entries) printJson(entry);
  if (found.firstDefect !== undefined) say(`first defect: ${defectLine(found.firstDefect)}`);
}

function printChecks(checks: readonly CheckResult[]): void {
  for (const check of checks) say(`  ${check.ok ? "ok  " : check.status === "failed" ? "FAIL" : "?   "} ${check.name}: ${check.detail}`);
}

function defectLine({ name, detail, index }: NonNullable<Checks["firstDefect"]>): string {
  return `${name}${index === undefined ? "" : ` at entry ${index}`}: ${detail}`;
}

function wordOf(verdict: Verdict): string {
  return verdict === "valid" ? "valid     " : verdict.toUpperCase().padEnd(10);
}

function questionLine({ origin, institution, fromMs, toMs }: RangeQuestion): string {
  const begin = fromMs === 0n ? "the beginning" : isoOf(fromMs);
  return `${institution ?? "every institution"}, ${begin} to ${toMs === undefined ? "the checkpoint" : isoOf(toMs)}, in ${origin}`;
}

function isoOf(ms: bigint): string {
  return new Date(Number(ms)).toISOString();
}

function say(line: string): void {
  console.log(line);
}

export function shownEntry({ leaf, openings }: { readonly leaf: Leaf; readonly openings: ProvenEntry["openings"] }): object {
  return {
    origin: leaf.origin,
    index: leaf.index,
    kind: leaf.kind,
    subject: leaf.subject,
    institution: leaf.institution,
    at: isoOf(leaf.postedMs),
    facts: Object.fromEntries((leaf.facts ?? []).map((fact) => [fact.name, fact.value])),
    ...(openings.length === 0 ? {} : { disclosed: Object.fromEntries(openings.map(({ name, value }) => [name, value])) }),
  };
}

/** A root as it is printed. */
export function shownRoot(root: Uint8Array): string {
  return root.length === 0 ? "" : toHex(root);
}
