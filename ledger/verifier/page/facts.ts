/** An entry in the words of the people who read it: amounts in yuan, sources of funds by name, times of day in China. */
import { ERRORS } from "../../../core/protocol/errors.ts";
import { fundSourceOf, RAIL_NAMES } from "../../../core/protocol/fund-sources.ts";
import type { Leaf } from "../leaf.ts";
import type { Language, Words } from "../words.ts";

/** Every kind that the platform writes; `FORMAT.md` section 2.1 has a row for each. */
export const KINDS: Readonly<Record<string, Words>> = {
  "ledger.values.erased": { zh: "依法删除个人信息", en: "personal values erased" },
  "erasure.refused": { zh: "删除指令被拒", en: "erasure refused" },
  "erasure.person.forgotten": { zh: "依法删除人员登记", en: "person forgotten" },
  "log.opened": { zh: "账本启用", en: "log opened" },
  "settlement.accepted": { zh: "受理结算", en: "settlement accepted" },
  "settlement.holding": { zh: "请求预占资金", en: "funds being held" },
  "settlement.held": { zh: "预占资金", en: "funds held" },
  "settlement.settled": { zh: "结算完成", en: "settled" },
  "settlement.refused": { zh: "结算被拒", en: "settlement refused" },
  "settlement.voiding": { zh: "撤销预占", en: "holds being voided" },
  "settlement.voided": { zh: "已撤销", en: "voided" },
  "settlement.unknown": { zh: "结果待查", en: "outcome unknown" },
  "settlement.lateAnswer": { zh: "付款方迟到的答复", en: "payer's late answer" },
  "settlement.refunding": { zh: "退费中", en: "being refunded" },
  "settlement.healed": { zh: "依付款方账单补正", en: "ended by the payer's statement" },
  "settlement.refunded": { zh: "退费完成", en: "refunded" },
  "settlement.awaiting": { zh: "待对账确认", en: "waiting for reconciliation" },
  "settlement.expired": { zh: "预占过期", en: "holds expired" },
  "settlement.conflict": { zh: "流水号重复、内容不同", en: "same id, other content" },
  "settlement.quarantined": { zh: "消息无法解读，已隔离", en: "unreadable message set aside" },
  "vault.code.issued": { zh: "签发二维码", en: "code issued" },
  "vault.code.revoked": { zh: "作废二维码", en: "code revoked" },
  "vault.token.resolved": { zh: "核验二维码", en: "code resolved" },
  "vault.token.refused": { zh: "拒绝二维码", en: "code refused" },
  "vault.account.detokenised": { zh: "解析支付账户", en: "account resolved" },
  "vault.binding.changed": { zh: "账户绑定变更", en: "binding changed" },
  "identity.person.registered": { zh: "人员登记", en: "person registered" },
  "access.institution.registered": { zh: "机构登记", en: "institution registered" },
  "access.institution.changed": { zh: "机构变更", en: "institution changed" },
  "access.terminal.registered": { zh: "终端备案", en: "terminal registered" },
  "access.app.registered": { zh: "应用登记", en: "app registered" },
  "access.edge.registered": { zh: "边缘节点登记", en: "edge registered" },
  "access.edge.changed": { zh: "边缘节点变更", en: "edge changed" },
  "access.key.added": { zh: "启用密钥", en: "key added" },
  "access.platform-key.announced": { zh: "公布平台密钥", en: "platform key announced" },
  "access.signing-key.added": { zh: "启用签名密钥", en: "signing key added" },
  "access.key.retired": { zh: "停用密钥", en: "key retired" },
  "access.signing-key.retired": { zh: "停用签名密钥", en: "signing key retired" },
  "access.edge.rekeyed": { zh: "边缘节点更换密钥", en: "edge rekeyed" },
  "access.terminal.changed": { zh: "终端变更", en: "terminal changed" },
  "access.secret.rotated": { zh: "更换共享密钥", en: "secret rotated" },
  "access.offline.changed": { zh: "离线额度变更", en: "offline allowance changed" },
  "adjustment.suspended": { zh: "挂账", en: "put into suspense" },
  "adjustment.released": { zh: "解除挂账", en: "released from suspense" },
  "adjustment.writtenOff": { zh: "核销", en: "written off" },
  "adjustment.refused": { zh: "调整被拒", en: "adjustment refused" },
  "supplement.booked": { zh: "补账", en: "taken into the books" },
  "supplement.takenBack": { zh: "撤销补账", en: "taken out of the books again" },
  "supplement.refused": { zh: "补账被拒", en: "not taken into the books" },
  "ledger.key.announced": { zh: "公布账本密钥", en: "log key announced" },
  "ledger.key.retired": { zh: "停用账本密钥", en: "log key retired" },
  "ledger.rebuilt": { zh: "账本数据库重建", en: "database of the log rebuilt" },
  "day.closing": { zh: "日切开始", en: "day closing" },
  "day.closed": { zh: "日切完成", en: "day closed" },
  "reconciliation.run": { zh: "对账", en: "reconciliation run" },
  "reconciliation.case": { zh: "对账差异处理", en: "reconciliation difference" },
  "reconciliation.finished": { zh: "对账完成", en: "reconciliation finished" },
};

const FACTS: Readonly<Record<string, Words>> = {
  terminal: { zh: "终端", en: "terminal" },
  day: { zh: "账务日期", en: "accounting day" },
  "reference.insurance": { zh: "医保流水号", en: "insurer's reference" },
  "reference.commercial": { zh: "商保流水号", en: "commercial insurer's reference" },
  "reference.bank": { zh: "银行流水号", en: "bank's reference" },
  businessType: { zh: "用码业务类型", en: "business type" },
  action: { zh: "操作", en: "action" },
  reason: { zh: "原因", en: "reason" },
  rail: { zh: "支付渠道", en: "rail" },
  purpose: { zh: "用途", en: "purpose" },
  form: { zh: "形式", en: "form" },
  step: { zh: "步骤", en: "step" },
  status: { zh: "状态", en: "status" },
  kind: { zh: "类别", en: "kind" },
  state: { zh: "状态", en: "state" },
  name: { zh: "名称", en: "name" },
  approvedBy: { zh: "批准人", en: "approved by" },
  ground: { zh: "法定理由", en: "legal ground" },
  scope: { zh: "删除范围", en: "scope" },
  part: { zh: "分条", en: "part" },
  "setting.dialect": { zh: "报文方言", en: "dialect of the envelope" },
  "setting.signType": { zh: "签名算法", en: "kind of signature" },
  "setting.encryption": { zh: "加密要求", en: "encryption" },
  "setting.ratePerSecond": { zh: "每秒请求数", en: "calls per second" },
  "setting.rateBurst": { zh: "瞬时请求数", en: "calls at once" },
  "offline.forMs": { zh: "离线时限（毫秒）", en: "offline at most (ms)" },
  "offline.ageMaxMs": { zh: "补传时限（毫秒）", en: "handed in late at most (ms)" },
  "hash.appId": { zh: "信封 APPID 的 SM3", en: "SM3 of the envelope APPID" },
  "hash.secret": { zh: "密封保存的密钥的 SM3", en: "SM3 of the sealed secret" },
  "hash.terminals": { zh: "终端备案位置的 SM3", en: "SM3 of where terminals were filed" },
  "hash.visit": { zh: "就诊编号的 SM3", en: "SM3 of the visit's id" },
  "hash.use": { zh: "用码记录的 SM3", en: "SM3 of the use" },
  "visit.token": { zh: "电子凭证令牌指纹", en: "fingerprint of the ecToken" },
  "visit.area": { zh: "参保地区", en: "insured area" },
  "visit.expiresAtMs": { zh: "令牌有效至（毫秒）", en: "ecToken good until (ms)" },
  issuedAtMs: { zh: "签发于（毫秒）", en: "issued at (ms)" },
};

/** Values that are words themselves, by the name of their fact. */
const VALUES: Readonly<Record<string, Readonly<Record<string, Words>>>> = {
  action: { settle: { zh: "结算", en: "settle" }, refund: { zh: "退费", en: "refund" } },
  // `fen.offline.…` is an allowance, not a payer.
  rail: { ...RAIL_NAMES, offline: { zh: "离线额度", en: "offline allowance" } },
  // 个人信息保护法 article 47.
  ground: {
    withdrawn: { zh: "撤回同意（第四十七条第三项）", en: "consent withdrawn (article 47-3)" },
    purposeEnded: { zh: "处理目的已实现或不再必要（第四十七条第一项）", en: "purpose met, or no longer needed (article 47-1)" },
    serviceEnded: { zh: "停止服务或保存期限届满（第四十七条第二项）", en: "service ended, or retention over (article 47-2)" },
    unlawful: { zh: "违法或违约处理（第四十七条第四项）", en: "handled against law or agreement (article 47-4)" },
    required: { zh: "其他法律法规要求（第四十七条第五项）", en: "another law requires it (article 47-5)" },
  },
  scope: {
    person: { zh: "此人的全部信息", en: "all that was kept of the person" },
    records: { zh: "条目中的信息，登记保留", en: "what entries commit to; the person stays registered" },
  },
};

const PERSONAL: Readonly<Record<string, Words>> = {
  person: { zh: "人员代号", en: "person (pseudonym)" },
  name: { zh: "姓名", en: "name" },
  idNumber: { zh: "证件号码", en: "document number" },
  phone: { zh: "手机号码", en: "phone" },
};

export function kindWords(kind: string, language: Language): string {
  return KINDS[kind]?.[language] ?? kind;
}

export function personalWords(name: string, language: Language): string {
  return PERSONAL[name]?.[language] ?? name;
}

/** The texts that a code of refusal stands for; several may share one. */
export function codeWords(code: string, language: Language): string {
  const texts = Object.values(ERRORS)
    .filter((error) => error.code === code)
    .map((error) => (language === "zh" ? error.message : error.english));
  return [...new Set(texts)].join(language === "zh" ? "；" : "; ");
}

function reasonWords(reason: string, language: Language): string {
  const error = Object.entries(ERRORS).find(([name]) => name === reason)?.[1];
  return error === undefined ? reason : language === "zh" ? error.message : error.english;
}

export interface FundLine {
  readonly label: string;
  readonly fen: bigint;
}

export interface Money {
  readonly total?: bigint;
  readonly funds: readonly FundLine[];
}

/** Amounts among the facts: `fen.total`, and `fen.<rail>.<source>`. */
export function moneyOf(leaf: Leaf, language: Language): Money {
  const funds: FundLine[] = [];
  let total: bigint | undefined;
  for (const { name, value } of leaf.facts ?? []) {
    if (!name.startsWith("fen.") || !/^-?\d{1,30}$/.test(value)) continue;
    const [, first = "", ...rest] = name.split(".");
    if (name === "fen.total") total = BigInt(value);
    else if (rest.length > 0) funds.push({ label: fundWords(first, rest.join("."), language), fen: BigInt(value) });
    else funds.push({ label: first, fen: BigInt(value) });
  }
  return { ...(total === undefined ? {} : { total }), funds };
}

const ALLOWANCES: Readonly<Record<string, Words>> = {
  amountMax: { zh: "单笔上限", en: "one bill at most" },
  totalMax: { zh: "累计上限", en: "sum at most" },
};

function fundWords(rail: string, source: string, language: Language): string {
  const words = (fundSourceOf(source) ?? ALLOWANCES[source])?.[language] ?? source;
  const of = VALUES["rail"]?.[rail]?.[language] ?? rail;
  return language === "zh" ? `${words}（${of}）` : `${words} (${of})`;
}

/** Facts that are no amounts, with their words. */
export function otherFacts(leaf: Leaf, language: Language): readonly (readonly [label: string, value: string])[] {
  return (leaf.facts ?? [])
    .filter(({ name, value }) => !(name.startsWith("fen.") && /^-?\d{1,30}$/.test(value)))
    .map(({ name, value }) => [factWords(name, language), valueWords(name, value, language)]);
}

function factWords(name: string, language: Language): string {
  const [, index = "", field = ""] = /^erased\/(\d+)\/(.+)$/.exec(name) ?? [];
  if (field === "") return FACTS[name]?.[language] ?? name;
  return language === "zh" ? `已删除 #${index} ${personalWords(field, language)}` : `erased: #${index} ${personalWords(field, language)}`;
}

function valueWords(name: string, value: string, language: Language): string {
  return name === "reason" ? reasonWords(value, language) : (VALUES[name]?.[value]?.[language] ?? value);
}

/** `1234550n` is `12,345.50`. */
export function yuan(fen: bigint): string {
  const digits = (fen < 0n ? -fen : fen).toString().padStart(3, "0");
  const whole = digits.slice(0, -2).replace(/\B(?=(?:\d{3})+$)/g, ",");
  return `${fen < 0n ? "-" : ""}${whole}.${digits.slice(-2)}`;
}

export function grouped(count: bigint | number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

const CHINA_MS = 8 * 3_600_000;

/** Time of day in China, the same on every machine: `2026-09-21 22:13:20 (UTC+8)`. */
export function chinaTime(ms: number): string {
  const at = new Date(ms + CHINA_MS);
  return Number.isNaN(at.getTime()) ? String(ms) : `${at.toISOString().slice(0, 19).replace("T", " ")} (UTC+8)`;
}
