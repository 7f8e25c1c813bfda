/**
 * Every event that leaves a room: its topic, its data as a valibot schema, who writes and who reads it.
 * JSON Schema and AsyncAPI are generated from this file; the golden events beside it stay readable for ever,
 * so readers tolerate unknown optional fields (`v.object`), writers are strict by type.
 */
import * as v from "valibot";
import { codePoints } from "../../core/protocol/texts.ts";
import { feeLine } from "../../core/protocol/fee-lines.ts";
import { sealedCredential } from "../../core/protocol/internal.ts";
import { openList } from "./open-list.ts";

const hex32 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
/** HMAC-SM3 under the analytics key, hex: a person as streams know one. */
const person = hex32;
/** Yuan with two decimals. */
const yuan = v.pipe(v.string(), v.regex(/^\d+\.\d{2}$/));
const ms = v.pipe(v.number(), v.integer(), v.minValue(0));
const orgId = v.pipe(v.string(), codePoints(1, 40));
const termId = v.pipe(v.string(), codePoints(1, 32));
const businessType = v.pipe(v.string(), v.regex(/^\d{5}$/));
const rail = openList(["insurance", "commercial", "bank"]);
const leg = v.object({ rail, fundSource: v.string(), amount: yuan });

/** As the edge checked it; JSON Schema knows no pattern with flags. */
const submittedFeeLine = v.object({ ...feeLine.entries, itemName: v.pipe(v.string(), codePoints(1, 100)) });

const submitted = v.object({
  // What is to be done, and with which legs: the core never acts on a value that it does not know, so these stay closed.
  action: v.picklist(["settle", "refund"]),
  institution: orgId,
  terminal: termId,
  businessType,
  outTradeNo: v.string(),
  /** SM3 over the canonical request, hex: same id with another hash is a conflict. */
  requestHash: hex32,
  amount: v.optional(yuan),
  originalOutTradeNo: v.optional(v.string()),
  /** Of a refund: every leg (ALL, also when absent), the bank's only (CASH), the insurers' and no cash (HI). */
  refundType: v.optional(v.picklist(["ALL", "CASH", "HI"])),
  /** Of a refund: how much of those legs; all that is left when absent. */
  refundAmount: v.optional(yuan),
  /** 医疗类别 (NHSA `med_type`); what `businessType` implies when absent. */
  medType: v.optional(v.string()),
  /** Fee detail lines, nothing personal in them; their sum is `amount`. */
  feeLines: v.optional(v.array(submittedFeeLine)),
  credential: v.optional(sealedCredential),
  codeFingerprint: v.optional(hex32),
  operatorId: v.string(),
  acceptedAtMs: ms,
  edge: v.string(),
});

const outcome = {
  settlementId: v.string(),
  institution: orgId,
  terminal: termId,
  businessType,
  outTradeNo: v.string(),
  requestHash: hex32,
  /** Instant of the outcome, from the core's clock. */
  atMs: ms,
};
/** The text of `ledger/FORMAT.md` section "Receipt"; attached on the way out, once a checkpoint covers the entry. */
const receipt = v.optional(v.string());

const settled = v.object({ ...outcome, person, amount: yuan, legs: v.array(leg), receipt });
const refusedOutcome = v.object({
  ...outcome,
  person: v.optional(person),
  amount: v.optional(yuan),
  action: openList(["settle", "refund"]),
  refusal: v.string(),
  /** What a payer took of the bill and, by its own statement, did not give back; it can be refunded. Absent when none did. */
  kept: v.optional(v.array(leg)),
  receipt,
});
const refunded = v.object({
  ...outcome,
  person,
  amount: yuan,
  legs: v.array(leg),
  originalSettlementId: v.string(),
  originalSettledAtMs: ms,
  receipt,
});
const unknown = v.object({ ...outcome, person, amount: yuan, rail, receipt });

const requestRejected = v.object({
  /** As the request claims, none of it proven. */
  institution: orgId,
  terminal: termId,
  businessType,
  edge: v.string(),
  action: openList(["settle", "refund"]),
  /** Why it was put aside: `originMissing`, `originForged`, `originEdgeSuspended`, … */
  reason: v.string(),
  /** Where the request stands on the bus. */
  partition: v.pipe(v.number(), v.integer(), v.minValue(0)),
  offset: v.string(),
  atMs: ms,
});

const scanObserved = v.object({
  institution: orgId,
  terminal: termId,
  businessType,
  step: openList(["verify", "settle"]),
  codeKind: openList(["fused.signed", "fused.opaque", "ehc.static", "ehc.dynamic", "nhsa", "unreadable"]),
  /** HMAC-SM3 under the platform's fingerprint key of the whole code; absent when unreadable. */
  codeFingerprint: v.optional(hex32),
  /**
   * `accepted` or a name of the error table (`codeExpired`, `codeForged`, …), `unknown` for one of a newer version;
   * `codeContested`: an edge took the code for a settlement, and the core found it with another transaction.
   */
  outcome: v.string(),
  /** With `codeContested`: who had the code before. */
  contestedWith: v.optional(v.object({ institution: orgId, terminal: termId, transactionId: v.optional(v.string()) })),
  observedBy: openList(["edge", "core"]),
  atMs: ms,
});

const tokenResolved = v.object({
  transactionId: v.string(),
  institution: orgId,
  terminal: termId,
  businessType,
  person,
  codeFingerprint: v.optional(hex32),
  /** Where the terminal is registered, degrees WGS 84. */
  latitude: v.number(),
  longitude: v.number(),
  atMs: ms,
});

const bindingChanged = v.object({
  person,
  kind: openList(["insurance", "commercial", "bank", "app"]),
  state: openList(["pending", "active", "suspended", "revoked", "expired"]),
  atMs: ms,
});

const alertRaised = v.object({
  alertId: v.string(),
  rule: v.string(),
  ruleVersion: v.string(),
  /** SM3 of the rule's canonical definition: which text judged. */
  ruleDigest: hex32,
  ruleName: v.string(),
  /** Which band of the outcome it fell in, in words. */
  reason: v.string(),
  severity: openList(["clear", "suspicious"]),
  institution: orgId,
  terminal: v.optional(termId),
  person: v.optional(person),
  /** Event that was judged. */
  trigger: v.string(),
  /** SM3 over all events that were used; with rule digest and trigger it makes `alertId`. */
  windowDigest: hex32,
  /** The values that made it fire, by name, as text. */
  values: v.record(v.string(), v.string()),
  /** Events it used, oldest first: their ids, and ledger positions where they have one. Of very many, the ends only. */
  evidence: v.array(v.object({ eventId: v.string(), type: v.string(), log: v.optional(v.string()), index: v.optional(v.string()) })),
  atMs: ms,
});

const rulePublished = v.object({ rule: v.string(), version: v.string(), digest: hex32, definition: v.string(), atMs: ms });

/** A net sum: what was given back may be more than what was taken. */
const netYuan = v.pipe(v.string(), v.regex(/^-?\d+\.\d{2}$/));
const rows = v.pipe(v.number(), v.integer(), v.minValue(0));

const reconciliationFinished = v.object({
  runId: v.string(),
  rail,
  /** Accounting day, `YYYYMMDD` of UTC+8. */
  day: v.pipe(v.string(), v.regex(/^\d{8}$/)),
  source: openList(["service", "file"]),
  /** `totals`: equal totals, no rows compared. */
  method: openList(["totals", "details"]),
  /** SM3 of the payer's statement. */
  statementHash: hex32,
  ruleVersion: v.string(),
  rows: v.object({ ours: rows, theirs: rows }),
  /** Taken less given back. */
  net: v.object({ ours: netYuan, theirs: netYuan }),
  /** Row by row. */
  matched: rows,
  /** Movements in totals that are equal, no row read. */
  totalsEqual: v.optional(rows),
  /** Payments and their reversals that our books have neither of. */
  cancelled: rows,
  /** Calls without an answer that the statement answered. */
  healed: rows,
  /** Timing: rows that wait for the payer's next days, and rows that met on another day. */
  waiting: rows,
  met: rows,
  /** What is different on the day: 长款, 短款, amount. */
  surplus: rows,
  shortage: rows,
  amount: rows,
  /** Cases that the run opened, also of earlier days. */
  opened: v.optional(rows),
  atMs: ms,
});

export interface TopicContract {
  readonly summary: string;
  readonly writtenBy: readonly string[];
  readonly readBy: readonly string[];
  readonly keyedBy: "institution" | "rule" | "alert" | "person" | "log" | "rail";
  /** `undefined`: the value is not JSON but the bytes that `contentType` says. */
  readonly data?: v.GenericSchema;
  readonly contentType: "application/json" | "application/vnd.ronghe.leaf" | "text/plain; charset=utf-8";
}

export const TOPICS = {
  "settlement.request.submitted.v1": {
    summary: "A hospital's settlement or refund, durable at the edge",
    writtenBy: ["edge"],
    readBy: ["core"],
    keyedBy: "institution",
    data: submitted,
    contentType: "application/json",
  },
  "settlement.request.rejected.v1": {
    summary: "A request that no edge in force proved its own was put aside; nothing was done",
    writtenBy: ["core"],
    readBy: ["fraud", "supervision"],
    keyedBy: "institution",
    data: requestRejected,
    contentType: "application/json",
  },
  "settlement.claim.settled.v1": {
    summary: "A bill is paid in full",
    writtenBy: ["core"],
    readBy: ["fraud", "supervision", "edge"],
    keyedBy: "institution",
    data: settled,
    contentType: "application/json",
  },
  "settlement.claim.refused.v1": {
    summary: "A settlement or refund was refused; nothing moved but what `kept` names",
    writtenBy: ["core"],
    readBy: ["fraud", "supervision", "edge"],
    keyedBy: "institution",
    data: refusedOutcome,
    contentType: "application/json",
  },
  "settlement.claim.refunded.v1": {
    summary: "A settlement was given back",
    writtenBy: ["core"],
    readBy: ["fraud", "supervision", "edge"],
    keyedBy: "institution",
    data: refunded,
    contentType: "application/json",
  },
  "settlement.claim.unknown.v1": {
    summary: "A payer's answer is missing; asked again and reconciled",
    writtenBy: ["core"],
    readBy: ["fraud", "supervision", "edge"],
    keyedBy: "institution",
    data: unknown,
    contentType: "application/json",
  },
  "code.scan.observed.v1": {
    summary: "A code was shown to a terminal, good or bad",
    writtenBy: ["edge", "core"],
    readBy: ["fraud", "supervision"],
    keyedBy: "institution",
    data: scanObserved,
    contentType: "application/json",
  },
  "identity.token.resolved.v1": {
    summary: "A code or ecToken was resolved to a person",
    writtenBy: ["core"],
    readBy: ["fraud"],
    keyedBy: "institution",
    data: tokenResolved,
    contentType: "application/json",
  },
  "identity.binding.changed.v1": {
    summary: "An account was bound, suspended or unbound",
    writtenBy: ["core"],
    readBy: ["fraud"],
    keyedBy: "person",
    data: bindingChanged,
    contentType: "application/json",
  },
  "ledger.entry.appended.v1": {
    summary: "A leaf, byte for byte",
    writtenBy: ["ledger"],
    readBy: ["auditors", "witnesses", "rebuild"],
    keyedBy: "log",
    contentType: "application/vnd.ronghe.leaf",
  },
  "ledger.checkpoint.published.v1": {
    summary: "A signed tree head",
    writtenBy: ["ledger"],
    readBy: ["auditors", "witnesses", "rebuild"],
    keyedBy: "log",
    contentType: "text/plain; charset=utf-8",
  },
  "supervision.reconciliation.finished.v1": {
    summary: "A payer's day was compared with the books",
    writtenBy: ["core"],
    readBy: ["supervisors"],
    keyedBy: "rail",
    data: reconciliationFinished,
    contentType: "application/json",
  },
  "fraud.rule.published.v1": {
    summary: "A version of a fraud rule",
    writtenBy: ["fraud"],
    readBy: ["auditors", "desk"],
    keyedBy: "rule",
    data: rulePublished,
    contentType: "application/json",
  },
  "fraud.alert.raised.v1": {
    summary: "A rule fired",
    writtenBy: ["fraud"],
    readBy: ["desk", "analysts"],
    keyedBy: "institution",
    data: alertRaised,
    contentType: "application/json",
  },
} as const satisfies Record<string, TopicContract>;

export type Topic = keyof typeof TOPICS;
type Contracts = typeof TOPICS;
/** Topics whose data is JSON. */
export type DataTopic = { [T in Topic]: Contracts[T] extends { data: v.GenericSchema } ? T : never }[Topic];
/** What a reader sees: a value of an open list may be `unknown`. */
export type EventData<T extends DataTopic> = Contracts[T] extends { data: infer S extends v.GenericSchema } ? v.InferOutput<S> : never;
/** What a writer may write. */
export type WrittenData<T extends DataTopic> = Contracts[T] extends { data: infer S extends v.GenericSchema } ? v.InferInput<S> : never;

/** Where undeliverable or unreadable records of a topic go. */
export function deadLetterTopic(topic: string): string {
  return `${topic.replace(/\.v\d+$/, "")}.dlq.v1`;
}
