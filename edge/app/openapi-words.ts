/**
 * What each operation and each field means: the only place where it is written. The OpenAPI document and the page
 * `/docs` are both made from here; a field of a schema without words does not compile.
 */
import type * as v from "valibot";
import type { FeeLineText } from "../../core/protocol/fee-lines.ts";
import { FUND_SOURCES, type FundSourceCode } from "../../core/protocol/fund-sources.ts";
import type {
  LegReply,
  OPERATIONS,
  OperationName,
  PresettleReply,
  SettlementReply,
  SplitReply,
  StatementReply,
  StatementRowReply,
  VerifyReply,
} from "../../core/protocol/operations.ts";
import { type Words, words } from "./words.ts";

type KeyOfEach<T> = T extends unknown ? keyof T : never;
export type RequestField = KeyOfEach<v.InferInput<(typeof OPERATIONS)[OperationName]>>;

export const TITLE: Words = words("融合平台边缘接口", "Ronghe edge API");

export const ABOUT: Words = words(
  '医院、药店系统（HIS）调用的接口。请求与应答都用国家医保电子凭证（XJ-D01-2019，下称 S3）附录 A.2、A.3 的公共参数，双向签名。除地址错误外，每个应答都是 HTTP 200 加一份已签名的报文：`code` 为 "0" 即成功，其余都是拒绝。',
  'What hospital and pharmacy systems (HIS) call. Requests and replies travel in the public parameters of the NHSA e-credential (XJ-D01-2019, here S3), A.2 and A.3, signed both ways. Every answer to a call is HTTP 200 with a signed reply: `code` "0" is success, everything else a refusal.',
);

export const SERVER: Words = words("本边缘节点", "This edge");

/** Of the `data` of a refusal. */
export const REFUSED_WORDS: Readonly<Record<"field", Words>> = {
  field: words(
    "返回码 -2 且签名已通过时：不对的字段名，如 `feeLines.0.amount`；不含其值",
    "With code -2 once the signature verified: the name of the field that is wrong, such as `feeLines.0.amount`, never its value",
  ),
};

interface OperationWords {
  readonly summary: Words;
  readonly description: Words;
}

export const OPERATION_WORDS: Readonly<Record<OperationName, OperationWords>> = {
  "rh.verify": {
    summary: words("扫码核验：出示码的人是谁", "Identify the person who shows a code"),
    description: words(
      "码在此一次性核销，换得 `ecToken`：在失效或结算之前，它在本机构代表此人。姓名与证件号码已脱敏。核心不可达时，签名码仍可辨真伪、过期与重复，应答的 `grade` 为 `offline`，不含身份；链路恢复后用同一 `outTradeNo` 重发，码未过期即可得到身份。",
      "Consumes the code once and opens a visit: the `ecToken` stands for the person at this institution until it expires or settles. Name and document number come masked. While the core is away a signed code is still told genuine, ended or shown before; the reply then has `grade` `offline` and names nobody. Repeat it under the same `outTradeNo` when the link is back, while the code lives, to learn who it is.",
    ),
  },
  "rh.presettle": {
    summary: words("预结算：这张单谁付多少", "Ask what a bill would cost whom"),
    description: words(
      "同步向医保预结算（2206、2101、2303）并询问商保，答复即刻的分担，供收费窗口核对；不占用、不扣任何资金，因此正式结算时可能不同。出示 `code` 时在此一次性核销，换得 `ecToken`，随后凭它再次预结算或结算。",
      "Asks the insurer (2206, 2101, 2303) and the commercial insurer at once and tells the split for the cashier. Nothing is held, so the settlement may differ from it. A `code` is consumed here once for an `ecToken`, which asks again and settles.",
    ),
  },
  "rh.settle": {
    summary: words("结算：医保、商保、银行一次付清", "Settle a bill across insurance, commercial insurance and bank"),
    description: words(
      "`code` 与 `ecToken` 二者必居其一。成功应答表示请求已落盘，必会处理；进展看 `status`。用同一 `outTradeNo`、同样内容重发，得到同样的结果，绝不会重复扣款。核验过的码只能在核验它的终端结算，其他终端用 `ecToken`。核心或消息总线不可达时，在机构的离线限额（单笔、累计、时长）内照常受理，`status` 为 `accepted`，链路恢复后按受理时间裁决。",
      "Exactly one of `code` and `ecToken`. A success reply means that the request is durable; `status` tells how far it is. Repeating the same `outTradeNo` with the same content gives the same answer and never pays twice. A code that was verified settles at the terminal that verified it; another terminal uses the `ecToken`. While the core or the bus is away bills are taken within the institution's offline allowance (one bill, their sum, and time), with `status` `accepted`, and judged when the link is back by the moment they were taken.",
    ),
  },
  "rh.result": {
    summary: words("结果查询：一笔结算或退费怎样了", "Ask what became of a settlement or refund"),
    description: words(
      "按当初的 `outTradeNo` 查询；尚在途中时最多等待 `waitSeconds` 秒。由边缘节点自己的记录作答，核心不可达时也能查。",
      "By the number it was made under; waits up to `waitSeconds` when it is still on its way. Answered from the edge's own records, so also when the core is away.",
    ),
  },
  "rh.refund": {
    summary: words("退费：全部或部分退回一次结算", "Give a settlement back, whole or in part"),
    description: words(
      "退费是单独的一笔交易，用自己的 `outTradeNo`，并以 `originalOutTradeNo` 指明所退的结算；`refundType` 限定退哪些支付方，`refundAmount` 限定金额，都缺省则退回剩余的全部。累计不超过原额。被拒的单若有 `kept`，同样可退，以 `kept` 为限。退成后 `status` 为 `refunded`。",
      "A transaction of its own, under a number of its own, that names the settlement it gives back. `refundType` says which payers it touches and `refundAmount` how much; without both, all that is left. Refunds together never exceed the settlement. What a payer `kept` of a refused bill is given back alike, up to that. Once it went through, its `status` is `refunded`.",
    ),
  },
  "rh.statement": {
    summary: words("对账单：本机构一日或一月的结算与退费", "The institution's own money of a day or month"),
    description: words(
      "只含本机构自己的结算、退费与补账，按账期的会计日，取自平台账簿；分页，合计是整个账期的，可由各行加总得出：`settled` 为 settlement、kept 两类行加上补账的 payment，减去 reversal；`refunded` 为 refund 行加上补账的 refund。`closed` 为 1 表示账期已日切，不再变化。",
      "The institution's own settlements, refunds and supplements by accounting day, from the platform's books, a page at a time. The totals are of the whole period and what its rows add up to: `settled` is the rows of kind `settlement` and `kept` and the supplements that are a `payment`, less those that are a `reversal`; `refunded` is the rows of kind `refund` and the supplements that are a `refund`. With `closed` 1 every day of it is sealed and nothing changes any more.",
    ),
  },
};

export const REQUEST_WORDS: Readonly<Record<RequestField, Words>> = {
  orgId: words("机构编号，与公共参数中的 `orgId` 相同", "Institution id, equal to `orgId` of the envelope"),
  businessType: words("用码业务类型，S3 表 C.1", "What the code is used for, S3 table C.1"),
  termId: words("终端编号，须已在本机构名下备案", "Terminal id, registered with the institution"),
  termIp: words("终端 IP 地址", "Address of the terminal"),
  operatorId: words("操作员编号", "Operator's id"),
  operatorName: words("操作员姓名", "Operator's name"),
  officeId: words("科室编号", "Department's id"),
  officeName: words("科室名称", "Department's name"),
  outTradeNo: words(
    "贵方流水号：机构内唯一，永不复用；重试时不变",
    "Your own number: unique per institution, never used again; a repeat keeps it",
  ),
  code: words("扫码枪读到的文本，原样上送", "The scanned text, as it was read"),
  ecToken: words(
    "`rh.verify` 或 `rh.presettle` 返回的令牌；与 `code` 二者必居其一",
    "The token that `rh.verify` or `rh.presettle` gave; either this or `code`",
  ),
  amount: words("金额，元，最多两位小数，大于零", "Yuan, at most two decimals, above zero"),
  medType: words(
    "医疗类别（国家医保局 `med_type`）：11 普通门诊、21 普通住院、41 定点药店购药；缺省按 `businessType`",
    "Kind of care (NHSA `med_type`): 11 out-patient, 21 in-patient, 41 pharmacy; by `businessType` when absent",
  ),
  feeLines: words(
    "费用明细，合计等于 `amount`；缺省则整单按政策范围内计",
    "Fee lines that add up to `amount`; without them the whole bill is in scope",
  ),
  refundType: words(
    "退哪些支付方：ALL 全部（缺省），CASH 仅银行，HI 仅保险、不含现金",
    "Which payers: ALL (when absent), CASH the bank only, HI the insurers and no cash",
  ),
  refundAmount: words("退多少，元；缺省为这些支付方剩余的全部", "Yuan to give back; all that is left of those payers when absent"),
  period: words("会计日 `yyyyMMdd` 或月 `yyyyMM`，北京时间", "Accounting day `yyyyMMdd` or month `yyyyMM`, UTC+8"),
  cursor: words("上一页答复中的 `cursor`；首页不填", "`cursor` of the page before; none for the first"),
  pageSize: words("每页行数，缺省 50", "Rows of a page, 50 when absent"),
  waitSeconds: words("最多等待结果的秒数；缺省不等", "Seconds to wait for the outcome; none when absent"),
  originalOutTradeNo: words("所退结算当初的 `outTradeNo`", "`outTradeNo` of the settlement to give back"),
};

export const VERIFY_REPLY_WORDS: Readonly<Record<keyof VerifyReply, Words>> = {
  outTradeNo: words("贵方流水号；务必与请求核对", "Your number; compare it with the request's"),
  grade: words(
    "`online`：核心已核销并给出身份；`offline`：核心不可达，只能说明此码真实、未过期、未在本边缘节点用过，不含任何身份信息",
    "`online`: the core consumed the code and says who it is. `offline`: the core is away; the code is genuine, has not ended and was not shown here before, and nothing is said of who it is",
  ),
  userName: words("姓名，已脱敏，保留姓氏；仅 `online`", "Name, masked: the surname stays; with `online` only"),
  idType: words("证件类型，S3 表 C.2；仅 `online`", "Kind of document, S3 table C.2; with `online` only"),
  idNo: words("证件号码，已脱敏，保留首末位；仅 `online`", "Document number, masked: first and last character stay; with `online` only"),
  ecToken: words(
    "在本机构代表此人；只能结算一次；仅 `online`",
    "Stands for the person at this institution; settles once; with `online` only",
  ),
  ecTokenExpires: words("`ecToken` 失效时间；仅 `online`", "When the `ecToken` expires; with `online` only"),
  insuOrg: words("参保地区划代码；仅 `online`", "Insured area; with `online` only"),
};

export const SETTLEMENT_REPLY_WORDS: Readonly<Record<keyof SettlementReply, Words>> = {
  outTradeNo: words("贵方流水号；务必与请求核对", "Your number; compare it with the request's"),
  settlementId: words("平台的结算编号", "Ronghe's name for it"),
  status: words("进展，含义见“status 的含义”", "How far it is; see “What status means”"),
  refusalCode: words("`status` 为 `refused` 时：拒绝原因的返回码", "When refused: the code of the reason"),
  refusalMessage: words("`status` 为 `refused` 时：原因的文字", "When refused: its text"),
  amount: words("金额，元，两位小数", "Yuan with two decimals"),
  legs: words("各支付方的份额，合计等于 `amount`", "What each payer gave; adds up to `amount`"),
  kept: words(
    "`status` 为 `refused` 而某支付方扣款未退时：各笔在途金额；用 `rh.refund` 指明该单即可退回",
    "When refused and a payer keeps what it took, by its own statement: what it keeps. `rh.refund` of the bill gives it back",
  ),
  receipt: words("账本回执，可离线验证（ledger/FORMAT.md）", "Ledger receipt, verifiable offline (ledger/FORMAT.md)"),
};

export const FEE_LINE_WORDS: Readonly<Record<keyof FeeLineText, Words>> = {
  itemCode: words("项目编码", "Catalogue code of the item"),
  itemName: words("项目名称，不得含个人信息", "Name of the item; nothing personal"),
  quantity: words("数量，最多四位小数，大于零", "Quantity, at most four decimals, above zero"),
  unitPrice: words("单价，元，最多六位小数", "Yuan each, at most six decimals"),
  amount: words("金额，元：数量 × 单价，四舍五入到分", "Yuan: quantity × price, rounded half up to the fen"),
  category: words(
    "费用类别（`med_chrgitm_type`）：01 床位 02 诊察 03 检查 04 化验 05 治疗 06 手术 07 护理 08 材料 09 西药 10 中药饮片 11 中成药 12 一般诊疗 13 挂号 14 其他",
    "Kind of fee (`med_chrgitm_type`): 01 bed, 02 consultation, 03 examination, 04 laboratory, 05 treatment, 06 operation, 07 nursing, 08 material, 09 western medicine, 10 herbs, 11 Chinese patent medicine, 12 general care, 13 registration, 14 other",
  ),
  selfPayClass: words(
    "收费等级（`chrgitm_lv`）：01 甲类 02 乙类 03 自费",
    "How far insurance covers it (`chrgitm_lv`): 01 class A, 02 class B, 03 own expense",
  ),
};

export const PRESETTLE_REPLY_WORDS: Readonly<Record<keyof PresettleReply, Words>> = {
  outTradeNo: words("贵方流水号；务必与请求核对", "Your number; compare it with the request's"),
  ecToken: words("在本机构代表此人；可再次预结算，只能结算一次", "Stands for the person at this institution; asks again, settles once"),
  ecTokenExpires: words("`ecToken` 失效时间", "When the `ecToken` expires"),
  insuOrg: words("参保地区划代码；未参保时为空", "Insured area; empty without medical insurance"),
  amount: words("医疗费总额，元", "The bill, yuan"),
  split: words("分担明细，字段名与国家医保局 `setlinfo` 相同", "The split, under the names of NHSA's `setlinfo`"),
  legs: words(
    "各支付方将付的份额，没有则缺省；未绑定银行账户时不含现金",
    "What each payer would give, absent when none would; no cash without a bank account bound",
  ),
  balc: words("个人账户余额，医保告知时才有", "Balance of the personal account, where the insurer says"),
};
/** Names of funds, at the beginning of a sentence. */
const FUND_WORDS = Object.fromEntries(
  Object.entries(FUND_SOURCES).map(([code, { zh, en }]) => [code, words(zh, `${en.charAt(0).toUpperCase()}${en.slice(1)}`)]),
) as Readonly<Record<FundSourceCode, Words>>;

export const SPLIT_WORDS: Readonly<Record<keyof SplitReply, Words>> = {
  ...FUND_WORDS,
  medfee_sumamt: words("医疗费总额", "The whole bill"),
  fulamt_ownpay_amt: words("全自费", "Wholly at own expense"),
  overlmt_selfpay: words("超限价自费", "Above the highest insured price"),
  preselfpay_amt: words("先行自付", "Paid by the person first (class B)"),
  inscp_scp_amt: words("符合政策范围", "Within the insured scope"),
  act_pay_dedc: words("实际起付线", "Deductible used"),
  fund_pay_sumamt: words(
    "基金支付总额，是否含个人账户依各省口径",
    "All funds; with or without the personal account, as the province counts",
  ),
  psn_part_amt: words("个人负担总额", "The person's part"),
};
export const STATEMENT_REPLY_WORDS: Readonly<Record<keyof StatementReply, Words>> = {
  outTradeNo: words("贵方流水号；务必与请求核对", "Your number; compare it with the request's"),
  period: words("账期", "The period"),
  closed: words("1：账期各日均已日切；0：仍可能增加", "1: every day is sealed; 0: rows may still come"),
  totals: words("整个账期的合计", "Totals of the whole period"),
  rows: words("本页的结算、退费与补账，没有则缺省", "Settlements, refunds and supplements of this page; absent when there is none"),
  cursor: words("下一页的游标；末页没有", "For the next page; absent on the last"),
};
export const STATEMENT_TOTALS_WORDS: Readonly<Record<keyof StatementReply["totals"], Words>> = {
  settlements: words("结算笔数，含 `kept`，不含补账", "Number of settlements, `kept` ones too, supplements not"),
  settled: words(
    "结算金额，含 `kept` 与补账；扣款后当即冲正的不计；账期内冲回多于结算时为负",
    "Settled, `kept` money and supplements too; what was taken and reversed at once is in nothing. Below zero when more was taken back than paid",
  ),
  refunds: words("退费笔数，不含补账", "Number of refunds, supplements not"),
  refunded: words("退费金额，含补账", "Given back, supplements too"),
  sources: words("按支付方与资金来源，没有则缺省", "By payer and fund source; absent when there is none"),
};
export const STATEMENT_SOURCE_WORDS: Readonly<Record<keyof NonNullable<StatementReply["totals"]["sources"]>[number], Words>> = {
  rail: words("支付方：医保、商保、银行", "Payer"),
  fundSource: words("基金或资金来源", "Fund or source"),
  settled: words("结算金额，可为负", "Settled; may be below zero"),
  refunded: words("退费金额", "Given back"),
};
export const STATEMENT_ROW_WORDS: Readonly<Record<keyof StatementRowReply, Words>> = {
  kind: words(
    "settlement 结算、refund 退费、kept 被拒的单中支付方扣款未退的金额、supplement 补账",
    "`settlement`; `refund`; `kept`: what a payer keeps of a refused bill; `supplement`: taken into the books by hand, or out of them again",
  ),
  movement: words(
    "仅补账：payment 计入结算金额、refund 计入退费金额、reversal 从结算金额中减去",
    "Of a supplement: `payment` adds to `settled`, `refund` to `refunded`, `reversal` takes away from `settled`",
  ),
  outTradeNo: words(
    "该笔的贵方流水号；补账不属于任何一笔时缺省",
    "Its own number, of yours; absent of a supplement that belongs to no bill",
  ),
  settlementId: words("平台的结算编号；同上", "Ronghe's name for it; absent likewise"),
  originalSettlementId: words("退费所退的结算", "Of a refund: the settlement it gave back"),
  day: words("计入的会计日", "Accounting day on which it counts"),
  at: words("完成时间", "When it was done"),
  late: words(
    "1：本日已日切，计入后一日；补账的本日是支付方记账之日",
    "1: its own day was sealed, it counts on a later one; of a supplement, the payer's day",
  ),
  amount: words("金额，元", "Yuan"),
  legs: words("各支付方的份额", "What each payer gave, or got back"),
};

export const LEG_WORDS: Readonly<Record<keyof LegReply, Words>> = {
  rail: words("支付方：医保、商保、银行", "Payer"),
  fundSource: words("基金或资金来源，医保用国家医保局字段名", "Fund or source; NHSA's own name where it is theirs"),
  amount: words("金额，元，两位小数", "Yuan with two decimals"),
};

export const STATUS_WORDS: Readonly<Record<SettlementReply["status"], { readonly meaning: Words; readonly todo: Words }>> = {
  accepted: {
    meaning: words("已落盘，处理中", "Durable, on its way"),
    todo: words("用 `rh.result` 查询，可带 `waitSeconds` 等待", "Ask with `rh.result`, or wait for it there"),
  },
  settled: {
    meaning: words("结算完成", "Settled"),
    todo: words("保存 `receipt`", "Keep the `receipt`"),
  },
  refunded: {
    meaning: words("退费完成", "Given back"),
    todo: words("保存 `receipt`", "Keep the `receipt`"),
  },
  refused: {
    meaning: words("未动任何资金，`kept` 所列除外；原因见 `refusalCode`", "Nothing moved but what `kept` names; `refusalCode` says why"),
    todo: words(
      "如再结算，须用新的 `outTradeNo`；有 `kept` 时用 `rh.refund` 退回",
      "Another try needs another `outTradeNo`; `kept` is given back with `rh.refund`",
    ),
  },
  unknown: {
    meaning: words("某支付方尚无应答，平台正在追问", "A payer's answer is missing and is being asked for"),
    todo: words("继续用 `rh.result` 查询；切勿换号再结", "Keep asking with `rh.result`; never settle again under another number"),
  },
};

export const ENVELOPE_WORDS = {
  orgId: words("机构编号，与 `data.orgId` 相同", "Institution id, equal to `data.orgId`"),
  version: words("接口版本，现为 `1.0.0`", "Interface version, now `1.0.0`"),
  encType: words("加密算法", "Cipher of `encData`"),
  transType: words("操作名，与路径末段相同", "Operation, equal to the last part of the path"),
  signType: words("签名算法，按与平台的约定", "How it is signed, as agreed with the platform"),
  signData: words("签名：SM2 为 r‖s 的 Base64；SM3 为摘要的大写十六进制", "Base64 of r‖s (SM2), or upper hex of the keyed digest (SM3)"),
  timestamp: words(
    "发送时间：`yyyyMMddHHmmss`（北京时间），或 Unix 秒、毫秒；与平台相差不超过 5 分钟",
    "`yyyyMMddHHmmss` in UTC+8, or epoch seconds or milliseconds; within 5 minutes of our clock",
  ),
  data: words("业务参数，明文；与 `encData` 二者必居其一", "Parameters of the operation, in the clear; either this or `encData`"),
  encData: words("`data` 的密文（SM4），大写十六进制；代替 `data`", "`data` under SM4, upper hex; instead of `data`"),
  extra: words("附加信息，不签名，平台不读取", "Neither signed nor read"),
} as const satisfies Record<string, Words>;

export const REPLY_WORDS = {
  orgId: words("机构编号；无法识别调用方时为空", "Institution id; empty when the caller is not known"),
  code: words('返回码，"0" 为成功', '"0" is success; others: table of refusals'),
  message: words("返回码的文字", "Text of `code`"),
  success: words("是否成功，与 `code` 一致", "Whether it succeeded; agrees with `code`"),
  encType: words("加密算法", "Cipher of `encData`"),
  signType: words("签名算法", "How it is signed"),
  signData: words("平台的签名", "The platform's signature"),
  timestamp: words("应答时间，`yyyyMMddHHmmss`（北京时间）", "`yyyyMMddHHmmss` in UTC+8"),
  data: words("业务结果；拒绝时为 {}", "Result of the operation; {} in a refusal"),
  encData: words("请求加密时，成功应答用它代替 `data`", "Instead of `data` in a success, when the request was encrypted"),
} as const satisfies Record<string, Words>;
