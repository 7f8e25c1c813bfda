/**
 * What each operation and each field means: the only place where it is written. The OpenAPI document and the page
 * `/docs` are both made from here; a field of a schema without words does not compile.
 */
import type * as v from "valibot";
import type { OPERATIONS, OperationName, SettlementReply, VerifyReply } from "../../core/protocol/operations.ts";
import { type Words, words } from "./words.ts";

type KeyOfEach<T> = T extends unknown ? keyof T : never;
export type RequestField = KeyOfEach<v.InferInput<(typeof OPERATIONS)[OperationName]>>;

export const TITLE: Words = words("融合平台边缘接口", "Ronghe edge API");

export const ABOUT: Words = words(
  '医院、药店系统（HIS）调用的接口。请求与应答都用国家医保电子凭证（XJ-D01-2019，下称 S3）附录 A.2、A.3 的公共参数，双向签名。除地址错误外，每个应答都是 HTTP 200 加一份已签名的报文：`code` 为 "0" 即成功，其余都是拒绝。',
  'What hospital and pharmacy systems (HIS) call. Requests and replies travel in the public parameters of the NHSA e-credential (XJ-D01-2019, here S3), A.2 and A.3, signed both ways. Every answer to a call is HTTP 200 with a signed reply: `code` "0" is success, everything else a refusal.',
);

interface OperationWords {
  readonly summary: Words;
  readonly description: Words;
}

export const OPERATION_WORDS: Readonly<Record<OperationName, OperationWords>> = {
  "rh.verify": {
    summary: words("扫码核验：出示码的人是谁", "Identify the person who shows a code"),
    description: words(
      "码在此一次性核销，换得 `ecToken`：在失效或结算之前，它在本机构代表此人。姓名与证件号码已脱敏。",
      "Consumes the code once and opens a visit: the `ecToken` stands for the person at this institution until it expires or settles. Name and document number come masked.",
    ),
  },
  "rh.settle": {
    summary: words("结算：医保、商保、银行一次付清", "Settle a bill across insurance, commercial insurance and bank"),
    description: words(
      "`code` 与 `ecToken` 二者必居其一。成功应答表示请求已落盘，必会处理；进展看 `status`。用同一 `outTradeNo`、同样内容重发，得到同样的结果，绝不会重复扣款。",
      "Exactly one of `code` and `ecToken`. A success reply means that the request is durable; `status` tells how far it is. Repeating the same `outTradeNo` with the same content gives the same answer and never pays twice.",
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
    summary: words("退费：整笔退回一次结算", "Give a settlement back as a whole"),
    description: words(
      "退费是单独的一笔交易，用自己的 `outTradeNo`，并以 `originalOutTradeNo` 指明所退的结算。退成后 `status` 为 `refunded`。",
      "A transaction of its own, under a number of its own, that names the settlement it gives back. Once it went through, its `status` is `refunded`.",
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
  ecToken: words("`rh.verify` 返回的令牌；与 `code` 二者必居其一", "The token that `rh.verify` gave; either this or `code`"),
  amount: words("金额，元，最多两位小数，大于零", "Yuan, at most two decimals, above zero"),
  waitSeconds: words("最多等待结果的秒数；缺省不等", "Seconds to wait for the outcome; none when absent"),
  originalOutTradeNo: words("所退结算当初的 `outTradeNo`", "`outTradeNo` of the settlement to give back"),
};

export const VERIFY_REPLY_WORDS: Readonly<Record<keyof VerifyReply, Words>> = {
  outTradeNo: words("贵方流水号；务必与请求核对", "Your number; compare it with the request's"),
  userName: words("姓名，已脱敏，保留姓氏", "Name, masked: the surname stays"),
  idType: words("证件类型，S3 表 C.2", "Kind of document, S3 table C.2"),
  idNo: words("证件号码，已脱敏，保留首末位", "Document number, masked: first and last character stay"),
  ecToken: words("在本机构代表此人；只能结算一次", "Stands for the person at this institution; settles once"),
  ecTokenExpires: words("`ecToken` 失效时间", "When the `ecToken` expires"),
  insuOrg: words("参保地区划代码", "Insured area"),
};

export const SETTLEMENT_REPLY_WORDS: Readonly<Record<keyof SettlementReply, Words>> = {
  outTradeNo: words("贵方流水号；务必与请求核对", "Your number; compare it with the request's"),
  settlementId: words("平台的结算编号", "Ronghe's name for it"),
  status: words("进展，含义见“status 的含义”", "How far it is; see “What status means”"),
  refusalCode: words("`status` 为 `refused` 时：拒绝原因的返回码", "When refused: the code of the reason"),
  refusalMessage: words("`status` 为 `refused` 时：原因的文字", "When refused: its text"),
  amount: words("金额，元，两位小数", "Yuan with two decimals"),
  legs: words("各支付方的份额，合计等于 `amount`", "What each payer gave; adds up to `amount`"),
  receipt: words("账本回执，可离线验证（ledger/FORMAT.md）", "Ledger receipt, verifiable offline (ledger/FORMAT.md)"),
};

type Leg = NonNullable<SettlementReply["legs"]>[number];
export const LEG_WORDS: Readonly<Record<keyof Leg, Words>> = {
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
    meaning: words("未动任何资金；原因见 `refusalCode`", "Nothing moved; `refusalCode` says why"),
    todo: words("如再结算，须用新的 `outTradeNo`", "Another try needs another `outTradeNo`"),
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
