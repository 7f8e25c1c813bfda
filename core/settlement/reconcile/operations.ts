/**
 * What operators may ask of the books, as data: the same requests over the core's operator address and on a data
 * folder whose core does not run.
 */
import * as v from "valibot";
import { codePoints } from "../../protocol/texts.ts";
import { parseDay, printDay } from "../day/accounting-day.ts";
import type { AccountingDay } from "../books.ts";
import { RAIL_ORDER } from "../plan.ts";
import { CASE_REASONS, CASE_REFUSALS, type CaseStep } from "./cases.ts";
import { ENCODINGS } from "./mapping.ts";
import type { MappingRefusal } from "./mappings.ts";
import type { Office } from "./office.ts";
import type { RunRefusal } from "./run.ts";
import { type Said, sayDefect } from "./statement.ts";
import type { CloseRefusal } from "../day/close.ts";

const day = v.pipe(
  v.string(),
  v.check((text) => parseDay(text) !== undefined, "a day is yyyy-mm-dd"),
  v.transform((text) => text.replaceAll("-", "") as AccountingDay),
);
/** Its form is looked at where it is used, so that a malformed name gets its own code. */
const person = v.string();
const note = v.optional(v.pipe(v.string(), codePoints(0, 500)));
const caseId = v.pipe(v.string(), codePoints(1, 80));
/** In which a refusal is told. */
const lang = v.optional(v.picklist(["zh", "en"]), "zh");
const reason = v.picklist(CASE_REASONS);
const ofCase = { case: caseId, by: person, note };

export const operation = v.variant("do", [
  v.strictObject({
    do: v.literal("reconcile.run"),
    rail: v.picklist(RAIL_ORDER),
    day,
    by: person,
    /** Path on the core's machine; without it the payer is asked. */
    file: v.optional(v.pipe(v.string(), codePoints(1, 4_096))),
    encoding: v.optional(v.picklist(ENCODINGS)),
    details: v.optional(v.boolean(), false),
    lang,
  }),
  /** The mapping itself is read where it is set, so that what is wrong with it is said in full. */
  v.strictObject({ do: v.literal("mapping.set"), rail: v.picklist(RAIL_ORDER), by: person, mapping: v.unknown(), lang }),
  v.strictObject({ do: v.literal("case.assign"), ...ofCase, owner: person }),
  v.strictObject({ do: v.literal("case.resolve"), ...ofCase, reason }),
  v.strictObject({ do: v.literal("case.suspend"), ...ofCase, reason }),
  v.strictObject({ do: v.literal("case.release"), ...ofCase, reason }),
  v.strictObject({ do: v.literal("case.writeOff"), ...ofCase, reason, approvedBy: v.optional(person) }),
  v.strictObject({ do: v.literal("case.giveBack"), ...ofCase, reason, approvedBy: v.optional(person) }),
  v.strictObject({
    do: v.literal("case.book"),
    ...ofCase,
    reason: v.optional(reason, "ourError"),
    approvedBy: v.optional(person),
    institution: v.pipe(v.string(), codePoints(1, 64)),
    /** Of the bill or refund that the movement belongs to. */
    outTradeNo: v.optional(v.pipe(v.string(), codePoints(1, 64))),
  }),
  v.strictObject({ do: v.literal("case.takeBack"), ...ofCase, reason, approvedBy: v.optional(person) }),
  v.strictObject({
    do: v.literal("day.close"),
    day: v.optional(day),
    by: person,
    withoutReconciliation: v.optional(v.string()),
  }),
]);
export type Operation = v.InferOutput<typeof operation>;
export type OperationInput = v.InferInput<typeof operation>;

/** `code` is stable; `message` is one line for people. */
export type OperationReply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string };

/** Reads a request and carries it out; what it answers is JSON, amounts as decimal fen. */
export async function performOperation(office: Office, request: unknown): Promise<OperationReply> {
  const read = v.safeParse(operation, request);
  if (!read.success) return no("badRequest", notAnOperation(read.issues[0]));
  const reply = await carryOut(office, read.output);
  return reply.ok ? { ok: true, value: plain(reply.value) } : reply;
}

async function carryOut(office: Office, asked: Operation): Promise<OperationReply> {
  switch (asked.do) {
    case "reconcile.run": {
      const { rail, by, file, encoding, details } = asked;
      const input =
        file === undefined
          ? ({ kind: "service", details: details ? "always" : "asNeeded" } as const)
          : ({ kind: "file", file, encoding } as const);
      const answer = await office.reconciler.run({ rail, day: asked.day, by, input });
      return answer.ok ? answer : no(runCode(answer.error), runMessage(answer.error, asked.day, asked.lang));
    }
    case "mapping.set": {
      const answer = await office.reconciler.setMapping(asked);
      return answer.ok ? answer : no(answer.error.code, mappingMessage(answer.error)[asked.lang]);
    }
    case "case.assign":
    case "case.resolve":
    case "case.suspend":
    case "case.release":
    case "case.writeOff":
    case "case.giveBack":
    case "case.book":
    case "case.takeBack": {
      const answer = await office.reconciler.step(asked.case, stepOf(asked));
      return answer.ok ? answer : no(answer.error, CASE_REFUSALS[answer.error]);
    }
    case "day.close": {
      const day = asked.day ?? (await office.nextDay());
      const answer = await office.closeDay({ day, by: asked.by, withoutReconciliation: asked.withoutReconciliation });
      return answer.ok ? answer : no(answer.error.code, closeMessage(answer.error, day));
    }
  }
}

/** Names the field and what was wanted, never what stood there. */
function notAnOperation(issue: v.InferIssue<typeof operation>): string {
  const field = issue.path?.[0]?.key;
  if (typeof field !== "string" || field === "do") return "the request is not one of the operations";
  return `${field} is not usable: wanted ${issue.expected ?? "another form"}`;
}

function stepOf(asked: Extract<Operation, { do: `case.${string}` }>): CaseStep {
  const { by, note } = asked;
  const common = { by, note: note === "" ? undefined : note };
  switch (asked.do) {
    case "case.assign":
      return { ...common, action: "assign", owner: asked.owner };
    case "case.resolve":
      return { ...common, action: "resolve", reason: asked.reason };
    case "case.suspend":
      return { ...common, action: "suspend", reason: asked.reason };
    case "case.release":
      return { ...common, action: "release", reason: asked.reason };
    case "case.writeOff":
      return { ...common, action: "writeOff", reason: asked.reason, approvedBy: asked.approvedBy };
    case "case.giveBack":
      return { ...common, action: "giveBack", reason: asked.reason, approvedBy: asked.approvedBy };
    case "case.book": {
      const { reason: why, approvedBy, institution, outTradeNo } = asked;
      return { ...common, action: "book", reason: why, approvedBy, target: { institution, outTradeNo } };
    }
    case "case.takeBack":
      return { ...common, action: "takeBack", reason: asked.reason, approvedBy: asked.approvedBy };
  }
}

/** One line for each thing that is wrong. */
function runMessage(refusal: RunRefusal, day: AccountingDay, lang: keyof Said): string {
  if (refusal.code !== "badStatement") return whyNot(refusal, day)[lang];
  const [first, ...others] = refusal.defects;
  const begun = lang === "zh" ? "对账单被拒，未取入任何内容：" : "the statement is refused, nothing was taken in: ";
  const lines = [`${begun}${sayDefect(first, lang)}`, ...others.map((one) => sayDefect(one, lang))];
  return lines.join("\n");
}

/** A file in another unit is told apart from one with bad rows: it is the mapping that is to be looked at. */
function runCode(refusal: RunRefusal): string {
  return refusal.code === "badStatement" && refusal.defects[0].code === "inFen" ? "inFen" : refusal.code;
}

function whyNot(refusal: Exclude<RunRefusal, { readonly code: "badStatement" }>, day: AccountingDay): Said {
  switch (refusal.code) {
    case "personMalformed":
      return PERSON;
    case "dayNotOver":
      return { zh: `${printDay(day)} 尚未结束`, en: notOver(day) };
    case "beforeFounding":
      return { zh: `${printDay(day)} 早于平台的首日`, en: beforeFounding(day) };
    case "payerDayOpen":
      return { zh: "支付方尚未日切，请稍后再试", en: "the payer has not closed this day yet: ask again later" };
    case "payerUnreadable":
      return {
        zh: `无法取得支付方对账单（${refusal.reason}），请稍后再试`,
        en: `the payer's statement cannot be had (${refusal.reason}): ask again later`,
      };
    case "noPayer":
      return {
        zh: "此处没有可询问的支付方：请启动平台，或以文件给出对账单",
        en: "no payer can be asked here: start the platform, or give the statement as a file",
      };
  }
}

const PERSON: Said = { zh: "经办人为 1 至 32 位 a-z、0-9、点、下划线或连字符", en: CASE_REFUSALS.personMalformed };

function mappingMessage(refusal: MappingRefusal): Said {
  return refusal.code === "personMalformed" ? PERSON : refusal.detail;
}

function closeMessage(refusal: CloseRefusal, day: AccountingDay): string {
  switch (refusal.code) {
    case "personMalformed":
      return CASE_REFUSALS.personMalformed;
    case "reasonMalformed":
      return "the reason for closing without reconciliation is 3 to 100 plain letters: it stands in the ledger";
    case "dayNotOver":
      return notOver(day);
    case "beforeFounding":
      return beforeFounding(day);
    case "earlierDayOpen":
      return `${printDay(refusal.day)} is still open: days are closed in order`;
    case "reconciliationMissing":
      return `${printDay(day)} is not reconciled row by row (--details) with ${refusal.rails.join(", ")}`;
    case "trialBalanceBroken":
      return `the trial balance of ${refusal.fundSource} is not zero: run \`ronghe ledger verify\``;
  }
}

const notOver = (day: AccountingDay): string => `${printDay(day)} is not over`;
const beforeFounding = (day: AccountingDay): string => `${printDay(day)} lies before the platform's first day`;

function no(code: string, message: string): OperationReply {
  return { ok: false, code, message };
}

/** As JSON has it: amounts and indices as decimal text, bytes as hex. */
function plain(value: unknown): unknown {
  const text = JSON.stringify(value, (_, field: unknown) => {
    if (typeof field === "bigint") return field.toString();
    return field instanceof Uint8Array ? Buffer.from(field).toString("hex") : field;
  });
  return JSON.parse(text) as unknown;
}
