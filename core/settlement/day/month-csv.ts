/** The month statement as a CSV file: one row per day, payer and fund source, with the seals behind it. */
import { formatYuan } from "../../protocol/money.ts";
import { printDay } from "./accounting-day.ts";
import { fundName, RAIL_NAMES } from "./fund-names.ts";
import type { SourceSums } from "./figures.ts";
import type { MonthStatement } from "./month.ts";

export type Lang = "zh" | "en";
const HEAD: Readonly<Record<Lang, readonly string[]>> = {
  zh: [
    "日期",
    "支付方",
    "资金来源",
    "资金来源代码",
    "支付笔数",
    "支付金额",
    "退回笔数",
    "退回金额",
    "净额",
    "即时冲正",
    "日切",
    "封账凭证",
  ],
  en: ["day", "payer", "fund", "fund code", "payments", "paid", "refunds", "refunded", "net", "reversed", "day close", "seals"],
};
const STANDING = {
  zh: { sealed: "已日切", open: "未日切", disagrees: "与封账不符" },
  en: { sealed: "sealed", open: "open", disagrees: "disagrees with its seal" },
} as const;

/** With a byte order mark, so that spreadsheets read the Chinese; rows end as RFC 4180 says. */
export function monthCsv(statement: MonthStatement, lang: Lang): string {
  const rows = statement.days.flatMap((day) => {
    const seals = day.seals.map((seal) => `${seal.origin}#${seal.index} size=${seal.size} root=${seal.root}`).join(" ");
    return day.sources.map((source) => [printDay(day.day), ...sourceFields(source, lang), STANDING[lang][day.standing], seals]);
  });
  const totals = statement.sources.map((source) => [lang === "zh" ? "合计" : "total", ...sourceFields(source, lang), "", ""]);
  return `\uFEFF${[HEAD[lang], ...rows, ...totals].map((fields) => fields.map(field).join(",")).join("\r\n")}\r\n`;
}

function sourceFields(source: SourceSums, lang: Lang): readonly string[] {
  const { rail, fundSource, captures, captured, refunds, refunded, net, reversed } = source;
  const names = [RAIL_NAMES[rail][lang], fundName(fundSource)[lang], fundSource];
  return [...names, String(captures), formatYuan(captured), String(refunds), formatYuan(refunded), formatYuan(net), formatYuan(reversed)];
}

function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
