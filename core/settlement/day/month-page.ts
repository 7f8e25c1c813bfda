/** The month statement as one printable page: Chinese first, a switch to English, nothing loaded from anywhere. */
import { formatYuan } from "../../protocol/money.ts";
import { type EventMs, formatCst14 } from "../../protocol/time.ts";
import { CLASS_NAMES, STATE_NAMES } from "../reconcile/names.ts";
import type { Case } from "../reconcile/records.ts";
import { printDay } from "./accounting-day.ts";
import { fundName, type Name, RAIL_NAMES } from "./fund-names.ts";
import type { SourceSums, Sums } from "./figures.ts";
import type { MonthDay, MonthStatement } from "./month.ts";
import { PAGE_STYLE } from "./month-style.ts";

export interface PageOptions {
  /** What the institution is called, beside its code. */
  readonly name?: string | undefined;
  /** Differences of the month that concern it, open or closed. */
  readonly cases: readonly Case[];
  readonly printedAtMs: EventMs;
}

export function monthPage(statement: MonthStatement, options: PageOptions): string {
  const { month, whose, days, sources, total } = statement;
  const printedMonth = `${month.slice(0, 4)}-${month.slice(4)}`;
  const title = both({ zh: "结算月报", en: "Monthly settlement statement" });
  return `<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>结算月报 ${printedMonth}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<input type="radio" name="lang" id="zh" checked><input type="radio" name="lang" id="en">
<nav><label for="zh">中文</label><label for="en">English</label></nav>
<main>
<header>
<p class="brand">融合 Ronghe</p>
<h1>${title}</h1>
<dl>
<div><dt>${both({ zh: "月份", en: "Month" })}</dt><dd>${printedMonth}</dd></div>
${"rail" in whose ? subject({ zh: "支付方", en: "Payer" }, both(RAIL_NAMES[whose.rail])) : subject({ zh: "机构", en: "Institution" }, institution(whose.institution, options.name))}
<div><dt>${both({ zh: "打印时间", en: "Printed" })}</dt><dd>${instant(options.printedAtMs)}</dd></div>
</dl>
</header>
${banner(days)}
<section>
<h2>${both({ zh: "按资金来源合计", en: "Totals per fund source" })}</h2>
<div class="wide" tabindex="0" role="region" aria-label="按资金来源合计 / Totals per fund source"><table>
<thead><tr>${heads([
    { zh: "支付方", en: "Payer" },
    { zh: "资金来源", en: "Fund source" },
  ])}${numberHeads()}</tr></thead>
<tbody>
${sources.map((source) => `<tr><td>${both(RAIL_NAMES[source.rail])}</td><td>${fund(source)}</td>${numbers(source)}</tr>`).join("\n")}
</tbody>
<tfoot><tr><th scope="row" colspan="2">${both({ zh: "合计", en: "Total" })}</th>${numbers(total, legs(sources))}</tr></tfoot>
</table></div>
<p class="note">${both({ zh: "金额单位：元。笔数为资金分项笔数。净额 = 支付 − 退回。即时冲正：未结成的单扣款后当即退回，不计入支付与退回。", en: "Amounts in yuan. Counts are of fund items. Net = paid − refunded. Reversed: taken for a bill that failed and given back at once; in neither paid nor refunded." })}</p>
</section>
<section>
<h2>${both({ zh: "逐日明细", en: "Day by day" })}</h2>
<div class="wide" tabindex="0" role="region" aria-label="逐日明细 / Day by day"><table>
<thead><tr>${heads([
    { zh: "日期", en: "Day" },
    { zh: "资金来源", en: "Fund source" },
  ])}${numberHeads()}${heads([{ zh: "日切", en: "Day close" }])}</tr></thead>
${days.map(dayBody).join("\n")}
</table></div>
</section>
${sealSection(days)}
${caseSection(options.cases)}
<footer><p>${both({
    zh: "每个封账数字都可独立核验：用 ronghe ledger verify 核对账本，封账条目（日志、序号）写明当日试算平衡表与树根。",
    en: "Every sealed figure can be checked: ronghe ledger verify checks the logs; the seal entry (log, index) states the day's trial balance and tree head.",
  })}</p></footer>
</main>
</body>
</html>
`;
}

function both({ zh, en }: Name): string {
  return `<span lang="zh-CN">${escape(zh)}</span><span lang="en">${escape(en)}</span>`;
}

function subject(name: Name, value: string): string {
  return `<div><dt>${both(name)}</dt><dd>${value}</dd></div>`;
}

function institution(code: string, name: string | undefined): string {
  return name === undefined ? asCode(code) : `${escape(name)} ${asCode(code)}`;
}

function asCode(text: string): string {
  return `<code>${escape(text)}</code>`;
}

function fund({ fundSource }: SourceSums): string {
  return `${both(fundName(fundSource))} <code class="quiet">${escape(fundSource)}</code>`;
}

/** `right`: over figures. */
function heads(names: readonly (Name & { readonly right?: true })[]): string {
  return names.map((name) => `<th scope="col"${name.right === true ? ' class="n"' : ""}>${both(name)}</th>`).join("");
}

function numberHeads(): string {
  const names: readonly Name[] = [
    { zh: "支付笔数", en: "Payments" },
    { zh: "支付金额", en: "Paid" },
    { zh: "退回笔数", en: "Refunds" },
    { zh: "退回金额", en: "Refunded" },
    { zh: "净额", en: "Net" },
    { zh: "即时冲正", en: "Reversed" },
  ];
  return names.map((name) => `<th scope="col" class="n">${both(name)}</th>`).join("");
}

function numbers(sums: Sums, counts: Pick<Sums, "captures" | "refunds"> = sums): string {
  const texts = [
    String(counts.captures),
    formatYuan(sums.captured),
    String(counts.refunds),
    formatYuan(sums.refunded),
    formatYuan(sums.net),
    formatYuan(sums.reversed),
  ];
  return texts.map((text) => `<td class="n">${grouped(text)}</td>`).join("");
}

/** Fund items, so that the column adds up. */
function legs(sources: readonly SourceSums[]): Pick<Sums, "captures" | "refunds"> {
  const sum = (name: "captures" | "refunds"): number => sources.reduce((total, one) => total + one[name], 0);
  return { captures: sum("captures"), refunds: sum("refunds") };
}

/** Thousands set apart by a comma. @example grouped("1234.50") // "1,234.50" */
function grouped(text: string): string {
  const [whole = "", ...rest] = text.split(".");
  return [whole.replaceAll(/\B(?=(?:\d{3})+(?!\d))/g, ","), ...rest].join(".");
}

const STANDING: Readonly<Record<MonthDay["standing"], Name>> = {
  sealed: { zh: "已日切", en: "sealed" },
  open: { zh: "未日切", en: "open" },
  disagrees: { zh: "与封账不符", en: "disagrees" },
};

function dayBody(day: MonthDay): string {
  const { sources, total, late } = day;
  const standing = `<span class="${day.standing}">${both(STANDING[day.standing])}</span>${late === 0 ? "" : `<br><span class="quiet">${both({ zh: `迟到 ${late} 笔`, en: `${late} late` })}</span>`}`;
  const first = `<th scope="rowgroup" rowspan="${sources.length + 1}">${printDay(day.day)}</th>`;
  const last = `<td rowspan="${sources.length + 1}">${standing}</td>`;
  const rows = sources.map(
    (source, at) => `<tr>${at === 0 ? first : ""}<td>${fund(source)}</td>${numbers(source)}${at === 0 ? last : ""}</tr>`,
  );
  const head = sources.length === 0 ? first : "";
  const tail = sources.length === 0 ? last : "";
  return `<tbody>${rows.join("\n")}<tr class="sum">${head}<td>${both({ zh: "当日合计", en: "Day total" })}</td>${numbers(total, legs(sources))}${tail}</tr></tbody>`;
}

/** Said first, because it decides how far the figures may be trusted. */
function banner(days: readonly MonthDay[]): string {
  const wrong = days.filter((day) => day.standing === "disagrees").map((day) => printDay(day.day));
  const open = days.filter((day) => day.standing === "open").map((day) => printDay(day.day));
  if (wrong.length > 0)
    return `<p class="banner bad" role="alert">${both({ zh: `以下日期与封账不符，请勿使用：${wrong.join("、")}`, en: `Do not use: these days disagree with their seals: ${wrong.join(", ")}` })}</p>`;
  if (days.length === 0) return `<p class="banner">${both({ zh: "本月没有结算。", en: "Nothing was settled in this month." })}</p>`;
  if (open.length > 0)
    return `<p class="banner warn">${both({ zh: `暂定数：以下日期尚未日切：${open.join("、")}`, en: `Provisional: these days are not closed yet: ${open.join(", ")}` })}</p>`;
  return `<p class="banner good">${both({ zh: "有结算的日期均已日切，金额与封账的试算平衡表一致。", en: "Every day with settlements is closed, and the amounts are those of the sealed trial balances." })}</p>`;
}

function sealSection(days: readonly MonthDay[]): string {
  const rows = days.flatMap((day) =>
    day.seals.map(
      (seal) =>
        `<tr><td class="whole">${printDay(day.day)}</td><td class="whole">${asCode(seal.origin)}</td><td class="n">${seal.index}</td><td class="n">${seal.size}</td><td class="hash">${asCode(seal.root)}</td><td>${instant(seal.sealedAtMs)}</td></tr>`,
    ),
  );
  if (rows.length === 0) return "";
  const columns: readonly (Name & { readonly right?: true })[] = [
    { zh: "日期", en: "Day" },
    { zh: "日志", en: "Log" },
    { zh: "条目序号", en: "Entry", right: true },
    { zh: "树大小", en: "Tree size", right: true },
    { zh: "树根 (SM3)", en: "Root (SM3)" },
    { zh: "封账时间", en: "Sealed" },
  ];
  return `<section><h2>${both({ zh: "封账凭证", en: "Seals" })}</h2>
<div class="wide" tabindex="0" role="region" aria-label="封账凭证 / Seals"><table class="small"><thead><tr>${heads(columns)}</tr></thead><tbody>${rows.join("\n")}</tbody></table></div></section>`;
}

function caseSection(cases: readonly Case[]): string {
  if (cases.length === 0) return "";
  const rows = cases.map(
    (one) =>
      `<tr><td class="whole">${printDay(one.day)}</td><td>${asCode(one.id)}</td><td>${both(RAIL_NAMES[one.rail])}</td><td>${both(CLASS_NAMES[one.class])}</td><td class="n">${sideAmount(one.ours)}</td><td class="n">${sideAmount(one.theirs)}</td><td>${both(STATE_NAMES[one.state])}</td></tr>`,
  );
  const columns: readonly (Name & { readonly right?: true })[] = [
    { zh: "日期", en: "Day" },
    { zh: "编号", en: "Case" },
    { zh: "支付方", en: "Payer" },
    { zh: "类别", en: "Class" },
    { zh: "我方金额", en: "Ours", right: true },
    { zh: "对方金额", en: "Payer's", right: true },
    { zh: "状态", en: "State" },
  ];
  return `<section><h2>${both({ zh: "对账差异", en: "Reconciliation differences" })}</h2>
<div class="wide" tabindex="0" role="region" aria-label="差异 / Differences"><table class="small"><thead><tr>${heads(columns)}</tr></thead><tbody>${rows.join("\n")}</tbody></table></div></section>`;
}

function sideAmount(side: Case["ours"]): string {
  return side === undefined ? "–" : grouped(formatYuan(side.amount));
}

function instant(atMs: number): string {
  const text = formatCst14(atMs as EventMs);
  return `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6, 8)} ${text.slice(8, 10)}:${text.slice(10, 12)}:${text.slice(12)} <span class="quiet">UTC+8</span>`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
