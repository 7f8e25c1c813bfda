/** The report: verdict first, then what is proven, then every check with its evidence. What is not proven is not shown. */
import { toHex } from "../bytes.ts";
import type { ExportedLogReport } from "../export.ts";
import type { Leaf } from "../leaf.ts";
import type { RangeQuestion, RangeReport } from "../range.ts";
import type { ProvenEntry } from "../receipt.ts";
import { type CheckResult, type EvidenceName, type EvidenceValue, type Verdict, worstOf } from "../report.ts";
import {
  type AnyCheckName,
  CHECK_WORDS,
  EVIDENCE_WORDS,
  type Language,
  REASON_WORDS,
  STATUS_WORDS,
  VERDICT_WORDS,
  type Words,
} from "../words.ts";
import { type Child, h } from "./dom.ts";
import { chinaTime, codeWords, grouped, kindWords, moneyOf, otherFacts, personalWords, yuan } from "./facts.ts";
import type { Outcome } from "./messages.ts";
import { PAGE } from "./words.ts";

const SYMBOLS = { ok: "✓", valid: "✓", failed: "✕", invalid: "✕", incomplete: "!" } as const;

/** What the report says of itself. */
export interface ReportFrame {
  readonly language: Language;
  readonly madeAtMs: number;
  readonly pageSm3: string;
  readonly policySm3: string | undefined;
  readonly print: () => void;
}

export function verdictOfAll(outcomes: readonly Outcome[]): Verdict {
  return worstOf(outcomes.map((outcome) => outcome.report.verdict));
}

export function reportView(outcomes: readonly Outcome[], frame: ReportFrame): HTMLElement {
  const t = (words: Words): string => words[frame.language];
  const only = outcomes.length === 1;
  return h(
    "article.report",
    {},
    h(
      "div.report-title",
      {},
      h("p", {}, t(PAGE.report)),
      h("button.primary.print", { type: "button", id: "print", onclick: frame.print }, t(PAGE.print)),
    ),
    verdictBanner(outcomes, frame.language),
    only ? undefined : overview(outcomes, frame.language),
    ...outcomes.map((outcome) => outcomeView(outcome, frame.language, only)),
    colophon(outcomes, frame),
  );
}

function verdictBanner(outcomes: readonly Outcome[], language: Language): HTMLElement {
  const verdict = verdictOfAll(outcomes);
  const { title, meaning } = VERDICT_WORDS[verdict];
  const cause = outcomes.flatMap(checksOf).find((check) => check.status === (verdict === "invalid" ? "failed" : "incomplete"));
  return h(
    `div.verdict.${verdict}`,
    { "data-verdict": verdict },
    h("span.verdict-symbol", { "aria-hidden": "true" }, SYMBOLS[verdict]),
    h(
      "div",
      {},
      outcomes.length === 1 ? undefined : h("p.verdict-label", {}, PAGE.overall[language]),
      h("h2", {}, title[language]),
      h("p", {}, meaning[language]),
      cause === undefined ? undefined : h("p.cause", {}, `${CHECK_WORDS[cause.name].title[language]}: `, reasonText(cause, language)),
    ),
  );
}

/** Checks as they were made: those of an export before those of its logs. */
function checksOf({ kind, report }: Outcome): readonly CheckResult<AnyCheckName>[] {
  return kind === "export"
    ? [...report.checks, ...report.logs.flatMap((log): readonly CheckResult<AnyCheckName>[] => log.checks)]
    : report.checks;
}

function reasonText({ reason, evidence }: CheckResult, language: Language): string {
  const at =
    typeof evidence.index === "bigint"
      ? `${language === "zh" ? "，" : ", "}${PAGE.atEntry[language].replace("{n}", grouped(evidence.index))}`
      : "";
  return reason === undefined ? "" : `${REASON_WORDS[reason][language]}${at}`;
}

/** Several things at a glance, the report of each below. */
function overview(outcomes: readonly Outcome[], language: Language): HTMLElement {
  const line = (outcome: Outcome): HTMLElement =>
    h(
      "li",
      {},
      h("span", {}, `${PAGE[outcome.kind][language]} `, h("span.name", {}, nameOf(outcome, language))),
      chip(outcome.report.verdict, language),
    );
  return h("ol.overview", {}, ...outcomes.map(line));
}

function nameOf(outcome: Outcome, language: Language): string {
  return outcome.kind === "checkpoint" && outcome.older !== undefined
    ? `${outcome.name} ${PAGE.comparedWith[language]} ${outcome.older}`
    : outcome.name;
}

function outcomeView(outcome: Outcome, language: Language, only: boolean): HTMLElement {
  const { verdict } = outcome.report;
  return h(
    "section.outcome",
    { "data-kind": outcome.kind, "data-verdict": verdict },
    h(
      "h3",
      {},
      `${PAGE[outcome.kind][language]} `,
      h("span.name", {}, nameOf(outcome, language)),
      only ? undefined : chip(verdict, language),
    ),
    outcome.kind === "receipt"
      ? receiptBody(outcome, language)
      : outcome.kind === "export"
        ? exportBody(outcome, language)
        : outcome.kind === "range"
          ? rangeBody(outcome, language)
          : checksTable(outcome.report.checks, language),
  );
}

function chip(verdict: Verdict, language: Language): HTMLElement {
  return h(`span.chip.${verdict}`, {}, `${SYMBOLS[verdict]} ${VERDICT_WORDS[verdict].title[language]}`);
}

function receiptBody({ report }: Extract<Outcome, { readonly kind: "receipt" }>, language: Language): Child {
  const { proven } = report;
  return [
    proven === undefined ? h("p.unproven", {}, PAGE.unproven[language]) : proven.entries.map((entry) => entryView(entry, language)),
    h("h4", {}, PAGE.checks[language]),
    checksTable(report.checks, language),
  ];
}

/** What was asked, how many there are, and each in a line; the whole entries stand in the text itself. */
function rangeBody({ report }: Extract<Outcome, { readonly kind: "range" }>, language: Language): Child {
  const { proven, asked, claimed } = report;
  const questions = [[PAGE.asked, asked] as const, ...(claimed === undefined ? [] : [[PAGE.claimed, claimed] as const])];
  return [
    h(
      "dl.facts.questions",
      {},
      ...questions.map(([label, question]) => [h("dt", {}, label[language]), h("dd", {}, ...questionLines(question, language))]),
    ),
    proven === undefined ? h("p.unproven", {}, PAGE.unproven[language]) : rangeTable(proven, language),
    h("h4", {}, PAGE.checks[language]),
    checksTable(report.checks, language),
  ];
}

function questionLines(question: RangeQuestion | undefined, language: Language): readonly Child[] {
  if (question === undefined) return [PAGE.notAsked[language]];
  const { institution, begin, end } = questionWords(question, language);
  return [h("span.line", {}, institution), h("span.line", {}, `${begin} – ${end}`), h("span.line", {}, question.origin)];
}

function questionWords(
  { institution, fromMs, toMs }: RangeQuestion,
  language: Language,
): { readonly institution: string; readonly begin: string; readonly end: string } {
  return {
    institution: institution ?? PAGE.everybody[language],
    begin: fromMs === 0n ? PAGE.rangeBegin[language] : chinaTime(Number(fromMs)),
    end: toMs === undefined ? PAGE.rangeEnd[language] : chinaTime(Number(toMs)),
  };
}

function rangeTable({ range, entries }: NonNullable<RangeReport["proven"]>, language: Language): Child {
  const { institution, begin, end } = questionWords(range, language);
  const sentence = PAGE.rangeProven[language]
    .replace("{institution}", institution)
    .replace("{from}", begin)
    .replace("{to}", end)
    .replace("{n}", grouped(entries.length));
  const titles = [PAGE.entry, EVIDENCE_WORDS.postedAt, EVIDENCE_WORDS.kind, PAGE.outcome, PAGE.subject];
  return [
    h("p.range-proven", {}, sentence),
    h(
      "table.range",
      {},
      h("thead", {}, h("tr", {}, ...titles.map((title) => h("th", { scope: "col" }, title[language])))),
      h(
        "tbody",
        {},
        ...entries.map((leaf) =>
          h(
            "tr",
            {},
            h("td", {}, grouped(leaf.index)),
            h("td", {}, chinaTime(Number(leaf.postedMs))),
            h("td", {}, kindWords(leaf.kind, language)),
            h("td", {}, outcomeWords(leaf, language)),
            h("td", {}, leaf.subject ?? ""),
          ),
        ),
      ),
    ),
  ];
}

function entryView(entry: ProvenEntry, language: Language): HTMLElement {
  const { leaf, hash } = entry;
  const rows: (readonly [Words, Child])[] = [
    [EVIDENCE_WORDS.kind, [kindWords(leaf.kind, language), " ", h("code", {}, leaf.kind)]],
    [PAGE.outcome, outcomeWords(leaf, language)],
    [EVIDENCE_WORDS.postedAt, chinaTime(Number(leaf.postedMs))],
    [EVIDENCE_WORDS.origin, leaf.origin],
    [PAGE.institution, leaf.institution],
    [PAGE.subject, leaf.subject],
    [PAGE.parent, leaf.parent],
    [PAGE.actor, leaf.actor],
  ];
  const others = otherFacts(leaf, language).map(([label, value]) => [h("dt", {}, label), h("dd", {}, value)]);
  return h(
    "div.entry",
    {},
    h("h4", {}, `${PAGE.proven[language]} · ${PAGE.entry[language]} ${leaf.index}`),
    h(
      "dl.facts",
      {},
      ...rows.map(([label, value]) => (value === undefined ? undefined : [h("dt", {}, label[language]), h("dd", {}, value)])),
      ...others,
      h("dt", {}, EVIDENCE_WORDS.leafHash[language]),
      h("dd", {}, h("code", {}, toHex(hash))),
    ),
    moneyTable(leaf, language),
    personalTable(entry, language),
    h(
      "details",
      {},
      h("summary", {}, PAGE.rawFacts[language]),
      h("dl.facts.raw", {}, ...rawFields(leaf).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    ),
  );
}

function outcomeWords({ outcome, code }: Leaf, language: Language): string {
  const word = PAGE[outcome][language];
  if (code === undefined) return word;
  const words = codeWords(code, language);
  return `${word} · ${PAGE.code[language]} ${code}${words === "" ? "" : ` ${words}`}`;
}

function moneyTable(leaf: Leaf, language: Language): HTMLElement | undefined {
  const { funds, total } = moneyOf(leaf, language);
  if (funds.length === 0 && total === undefined) return undefined;
  const sum = funds.reduce((sum, fund) => sum + fund.fen, 0n);
  return h(
    "table.money",
    {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, PAGE.fund[language]), h("th", { scope: "col" }, PAGE.amount[language]))),
    h("tbody", {}, ...funds.map((fund) => moneyRow(fund.label, fund.fen))),
    h(
      "tfoot",
      {},
      funds.length === 0 ? undefined : moneyRow(PAGE.sum[language], sum),
      total === undefined ? undefined : moneyRow(PAGE.total[language], total, ".total"),
    ),
  );
}

function moneyRow(label: string, fen: bigint, kind = ""): HTMLElement {
  return h(`tr${kind}`, {}, h("th", { scope: "row" }, label), h("td", {}, yuan(fen)));
}

function personalTable({ leaf, openings, erased }: ProvenEntry, language: Language): HTMLElement | undefined {
  const commitments = leaf.commitments ?? [];
  if (commitments.length === 0) return undefined;
  const rows = commitments.map(({ name }) => {
    const opening = openings.find((one) => one.name === name);
    const by = erased.find((one) => one.name === name)?.by;
    const value =
      opening !== undefined
        ? h("td", {}, opening.value)
        : by === undefined
          ? h("td.withheld", {}, PAGE.withheld[language])
          : h("td.erased", {}, `${PAGE.erased[language]} #${by.at} · ${PAGE.erasureOrder[language]} ${by.order}`);
    return h("tr", {}, h("th", { scope: "row" }, personalWords(name, language)), value);
  });
  return h(
    "table.personal",
    {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, PAGE.personal[language]), h("th", { scope: "col" }, PAGE.value[language]))),
    h("tbody", {}, ...rows),
  );
}

/** Every field by its name in `FORMAT.md`, in the order of the leaf. */
function rawFields(leaf: Leaf): readonly (readonly [string, string])[] {
  const { provenance } = leaf;
  const fields: (readonly [string, string | undefined])[] = [
    ["origin", leaf.origin],
    ["index", String(leaf.index)],
    ["previous", leaf.previous === undefined ? undefined : toHex(leaf.previous)],
    ["postedMs", String(leaf.postedMs)],
    ["kind", leaf.kind],
    ["outcome", leaf.outcome],
    ["code", leaf.code],
    ["actor", leaf.actor],
    ["institution", leaf.institution],
    ["subject", leaf.subject],
    ["parent", leaf.parent],
    ["idempotencyKey", leaf.idempotencyKey],
    ["requestHash", leaf.requestHash === undefined ? undefined : toHex(leaf.requestHash)],
    [
      "provenance",
      provenance === undefined
        ? undefined
        : `${provenance.topic} / ${provenance.partition} / ${provenance.offset} / ${toHex(provenance.recordHash)}`,
    ],
    ["ruleSetVersion", leaf.ruleSetVersion],
    ...(leaf.facts ?? []).map(({ name, value }) => [`facts ${name}`, value] as const),
    ...(leaf.commitments ?? []).map(({ name, hash }) => [`commitments ${name}`, toHex(hash)] as const),
  ];
  return fields.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

function exportBody({ report, kinds }: Extract<Outcome, { readonly kind: "export" }>, language: Language): Child {
  const compared = report.logs.some((log) => log.checks.some((check) => check.name === "knownCheckpoints"));
  return [
    h("h4", {}, PAGE.wholeExport[language]),
    checksTable(report.checks, language),
    ...report.logs.map((log) => exportedLog(log, kinds.get(log.origin) ?? [], language)),
    compared || report.logs.length === 0 ? undefined : h("p.caution", {}, PAGE.noKnown[language]),
  ];
}

function exportedLog(
  log: ExportedLogReport,
  kinds: readonly { kind: string; accepted: number; refused: number }[],
  language: Language,
): Child {
  return h(
    "section.log",
    { "data-verdict": log.verdict },
    h("h4", {}, `${PAGE.log[language]} `, h("span.name", {}, log.origin), chip(log.verdict, language)),
    checksTable(log.checks, language),
    log.verdict !== "valid" || kinds.length === 0 ? undefined : kindsTable(kinds, language),
  );
}

function kindsTable(kinds: readonly { kind: string; accepted: number; refused: number }[], language: Language): HTMLElement {
  const rows = kinds.map(({ kind, accepted, refused }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, kindWords(kind, language), " ", h("code", {}, kind)),
      h("td", {}, grouped(accepted)),
      h("td", {}, grouped(refused)),
    ),
  );
  const heads = [PAGE.kind, PAGE.accepted, PAGE.refused].map((words) => h("th", { scope: "col" }, words[language]));
  return h(
    "details.contents",
    {},
    h("summary", {}, PAGE.contents[language]),
    h("table.kinds", {}, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...rows)),
  );
}

function checksTable(checks: readonly CheckResult<AnyCheckName>[], language: Language): HTMLElement {
  return h("ol.checks", {}, ...checks.map((check) => checkRow(check, language)));
}

function checkRow(check: CheckResult<AnyCheckName>, language: Language): HTMLElement {
  const { title, shows } = CHECK_WORDS[check.name];
  const notMade = check.reason === "notMade";
  const unwitnessed = check.name === "witnesses" && check.evidence.quorum === "";
  const words =
    check.reason === undefined
      ? h("p", {}, unwitnessed ? PAGE.unwitnessed[language] : shows[language])
      : h("p.reason", {}, reasonText(check, language), " ", h("code", {}, check.reason));
  return h(
    `li.check.${check.status}`,
    { "data-check": check.name, "data-status": check.status, "data-reason": check.reason },
    h(
      "span.status",
      {},
      h("span.symbol", { "aria-hidden": "true" }, notMade ? "–" : SYMBOLS[check.status]),
      ` ${notMade ? PAGE.notMade[language] : STATUS_WORDS[check.status][language]}`,
    ),
    h(
      "div.check-body",
      {},
      h("h5", {}, title[language], " ", h("code", {}, check.name)),
      words,
      check.reason === undefined || notMade ? undefined : h("p.detail", {}, `${PAGE.technical[language]}: ${check.detail}`),
      evidenceList(check, language),
    ),
  );
}

function evidenceList(check: CheckResult, language: Language): HTMLElement | undefined {
  const entries = Object.entries(check.evidence) as readonly (readonly [EvidenceName, EvidenceValue])[];
  const shown = entries.filter(([name]) => check.reason === undefined || name !== "index");
  if (shown.length === 0) return undefined;
  return h(
    "dl.evidence",
    {},
    ...shown.map(([name, value]) => [h("dt", {}, EVIDENCE_WORDS[name][language]), h("dd", {}, evidenceText(name, value, language))]),
  );
}

function evidenceText(name: EvidenceName, value: EvidenceValue, language: Language): Child {
  if (name === "quorum" && value === "") return PAGE.noQuorum[language];
  if (name === "kind" && typeof value !== "bigint" && typeof value !== "number")
    return (typeof value === "string" ? [value] : value).map((kind) => kindWords(kind, language)).join(language === "zh" ? "、" : ", ");
  if (typeof value === "bigint" || typeof value === "number") return name.endsWith("At") ? chinaTime(Number(value)) : grouped(value);
  if (typeof value !== "string") return value.map((one) => h("span.line", {}, name === "cosignedAt" ? chinaTime(Date.parse(one)) : one));
  return name === "root" || name === "oldRoot" || name === "leafHash" ? h("code", {}, value) : value;
}

function colophon(outcomes: readonly Outcome[], frame: ReportFrame): HTMLElement {
  const t = (words: Words): string => words[frame.language];
  const files = outcomes.flatMap((outcome) => outcome.hashes);
  const heads = [PAGE.name, PAGE.bytes].map((words) => h("th", { scope: "col" }, t(words)));
  return h(
    "section.colophon",
    {},
    h("h3", {}, t(PAGE.files)),
    h(
      "table.files",
      {},
      h("thead", {}, h("tr", {}, ...heads, h("th", { scope: "col" }, "SM3"))),
      h(
        "tbody",
        {},
        ...files.map(({ name, bytes, sm3 }) =>
          h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, grouped(bytes)), h("td", {}, h("code", {}, sm3))),
        ),
      ),
    ),
    h(
      "dl.facts",
      {},
      h("dt", {}, t(PAGE.madeAt)),
      h("dd.made-at", {}, chinaTime(frame.madeAtMs)),
      h("dt", {}, t(PAGE.policyHash)),
      h("dd", {}, frame.policySm3 === undefined ? t(PAGE.policyUnused) : h("code", {}, frame.policySm3)),
      h("dt", {}, t(PAGE.pageHash)),
      h("dd", {}, h("code.page-hash", {}, frame.pageSm3), h("span.line.hint", {}, t(PAGE.pageHashHint))),
    ),
    h("p.limits", {}, h("strong", {}, t(PAGE.limits)), frame.language === "zh" ? "　" : " ", t(PAGE.limitsText)),
    h("p.signature-line", {}, h("span", {}, `${t(PAGE.auditor)}`), h("span", {}, `${t(PAGE.signedOn)}`)),
  );
}
