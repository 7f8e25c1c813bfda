import { loadCrypto } from "../../core/crypto/index.ts";
import { formatYuan, asFen } from "../../core/protocol/money.ts";
import { type EventMs, formatCst14 } from "../../core/protocol/time.ts";
import { fundName, RAIL_NAMES } from "../../core/settlement/day/fund-names.ts";
import { legTotal, type RailName } from "../../core/settlement/plan.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson, printTable } from "../output.ts";
import { layoutOf } from "../platform/layout.ts";
import { readStory, type Story, type StoryEntry, type StoryMovement } from "../platform/story.ts";

export interface SettlementShowOptions {
  readonly json?: boolean;
  readonly lang: "zh" | "en";
}

/** `ronghe settlement show`: what became of one bill, and the proof of every step. Status 1 when a proof does not hold. */
export async function settlementShow(config: Config, name: string, options: SettlementShowOptions): Promise<number> {
  if (!/^rs[0-9a-f]{32}$/.test(name) && !/^[^/]+\/.+$/.test(name))
    throw new UsageError("a settlement is named by its id (rs…) or as INSTITUTION/OUTTRADENO");
  const story = await readStory(layoutOf(config.RONGHE_DATA), await loadCrypto(), name);
  if (story === undefined) throw new UsageError(`no settlement ${name} in ${config.RONGHE_DATA}`);
  if (options.json === true) printJson(described(story));
  else tellStory(story, options.lang);
  return proofsHold(story) ? 0 : 1;
}

function proofsHold(story: Story): boolean {
  return story.entries.every((entry) => entry.proof !== "invalid") && story.refunds.every(proofsHold);
}

/** No person, no account: what the ledger shows in clear. */
function described(story: Story): object {
  const { settlement, origin, entries, transfers, reconciliation, refunds } = story;
  const { id, institution, outTradeNo, action, parent, standing, amount, legs, missing, refusal, decidedAtMs, acceptedAtMs } = settlement;
  return {
    id,
    institution,
    outTradeNo,
    action,
    ...(parent === undefined ? {} : { originalSettlementId: parent.id }),
    state: standing.state,
    ...(standing.phase === undefined ? {} : { phase: standing.phase, missing }),
    ...(refusal === undefined ? {} : { refusal }),
    amount: formatYuan(amount),
    acceptedAtMs,
    ...(decidedAtMs === undefined ? {} : { decidedAtMs }),
    legs: legs.map((leg) => ({
      rail: leg.rail,
      amount: formatYuan(legTotal(leg)),
      reference: leg.railReference,
      parts: leg.parts.map((part) => ({ fundSource: part.fundSource, amount: formatYuan(part.amount) })),
    })),
    log: origin,
    entries,
    transfers: transfers.map(({ amountFen, ...transfer }) => ({ ...transfer, amount: formatYuan(asFen(amountFen)) })),
    reconciliation,
    refunds: refunds.map(described),
  };
}

const ACTIONS = { settle: { zh: "结算", en: "settlement" }, refund: { zh: "退费", en: "refund" } } as const;
const PROOFS: Readonly<Record<StoryEntry["proof"], { readonly zh: string; readonly en: string }>> = {
  verified: { zh: "✓ 已核验", en: "✓ verified" },
  uncovered: { zh: "待签", en: "not signed yet" },
  invalid: { zh: "✗ 无效", en: "✗ INVALID" },
};
const STATUSES: Readonly<Record<StoryMovement["status"], { readonly zh: string; readonly en: string }>> = {
  matched: { zh: "相符", en: "matched" },
  notYet: { zh: "未对账", en: "not reconciled yet" },
  waiting: { zh: "待二次核对", en: "waits for a second look" },
  met: { zh: "跨日相符", en: "matched on another day" },
  case: { zh: "差异", en: "difference" },
  healed: { zh: "对账补正", en: "healed by reconciliation" },
};

/** For people: the bill, then each of its refunds. */
export function tellStory(story: Story, lang: "zh" | "en"): void {
  const zh = lang === "zh";
  const { settlement, entries, transfers, reconciliation, refunds } = story;
  const { standing } = settlement;
  const state = standing.phase === undefined ? standing.state : `${standing.state} (${standing.phase})`;
  const why = settlement.refusal === undefined ? "" : `  ${settlement.refusal}`;
  console.log(`${ACTIONS[settlement.action][lang]} ${settlement.id}  ${settlement.institution}/${settlement.outTradeNo}`);
  console.log(
    `${zh ? "状态" : "state"} ${state}${why}  ${formatYuan(settlement.amount)} ${zh ? "元" : "yuan"}  ${instant(settlement.acceptedAtMs)}`,
  );
  if (standing.phase !== undefined)
    console.log(`${zh ? "未答复" : "missing answers"}: ${settlement.missing.map(({ rail, action }) => `${rail}/${action}`).join(", ")}`);
  printTable(
    zh
      ? ["支付方", "资金来源", "阶段", "金额", "会计日", "借", "贷", "支付方单号", "账本"]
      : ["payer", "fund", "stage", "amount", "day", "debit", "credit", "payer's number", "entry"],
    transfers.map((one) => [
      RAIL_NAMES[one.rail as RailName][lang],
      fundName(one.fundSource)[lang],
      one.stage,
      formatYuan(asFen(one.amountFen)),
      one.day + (one.late ? (zh ? " 迟到" : " late") : ""),
      one.debit,
      one.credit,
      one.railReference ?? "",
      `#${one.ledgerIndex}`,
    ]),
  );
  printTable(
    zh ? ["账本条目", "时间 (UTC+8)", "事件", "说明", "证明"] : ["entry", "time (UTC+8)", "event", "facts", "proof"],
    entries.map((entry) => [`#${entry.index}`, instant(entry.atMs), entry.kind, factsText(entry.facts), PROOFS[entry.proof][lang]]),
  );
  if (reconciliation.length > 0)
    printTable(
      zh ? ["支付方", "会计日", "对账", "依据"] : ["payer", "day", "reconciliation", "by"],
      reconciliation.map((one) => [
        RAIL_NAMES[one.rail as RailName][lang],
        one.day,
        STATUSES[one.status][lang],
        one.caseId ?? one.runId ?? "",
      ]),
    );
  for (const refund of refunds) {
    console.log("");
    tellStory(refund, lang);
  }
}

/** Money first; the rest that an entry says is in `--json`. */
function factsText(facts: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(facts).flatMap(([name, value]) => {
    if (name.startsWith("fen.")) return [`${name.slice(4)} ${formatYuan(asFen(BigInt(value)))}`];
    return ["reason", "cause", "missing", "found", "day", "phase", "key"].includes(name) ? [`${name} ${value}`] : [];
  });
}

function instant(atMs: number): string {
  const text = formatCst14(atMs as EventMs);
  return `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6, 8)} ${text.slice(8, 10)}:${text.slice(10, 12)}:${text.slice(12)}`;
}
