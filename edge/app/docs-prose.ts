/** What `/docs` says around the tables: how to begin, how to sign, what a reply means. */
import { type Words, words } from "./words.ts";

/** Headings, by the anchor of their section. */
export const HEADINGS = {
  start: words("开始之前", "Before you begin"),
  envelope: words("报文", "The envelope"),
  signing: words("签名", "Signing"),
  status: words("status 的含义", "What status means"),
  "business-types": words("用码业务类型（S3 表 C.1）", "Business types (S3 table C.1)"),
  "id-types": words("证件类型（S3 表 C.2）", "Kinds of document (S3 table C.2)"),
  refusals: words("拒绝与返回码", "Refusals"),
  later: words("受理之后的拒绝", "Refusals after acceptance"),
  other: words("其他地址", "Other addresses"),
} as const satisfies Record<string, Words>;

export const LABELS = {
  contents: words("目录", "Contents"),
  openapi: words("机器可读：", "Machine-readable: "),
  openapiUse: words("（OpenAPI 3.1，可导入 Apifox、Postman）", " (OpenAPI 3.1, for Apifox, Postman and the like)"),
  field: words("字段", "Field"),
  need: words("必填", "Required"),
  always: words("必有", "Always"),
  meaning: words("含义", "Meaning"),
  form: words("格式", "Form"),
  yes: words("是", "yes"),
  no: words("否", "no"),
  requestFields: words("公共参数：请求", "Members of a request"),
  replyFields: words("公共参数：应答", "Members of a reply"),
  requestData: words("请求 data", "Request data"),
  replyData: words("应答 data", "Reply data"),
  requestExample: words("请求 data 示例", "Example of request data"),
  replyExample: words("应答 data 示例", "Example of reply data"),
  wholeRequest: words("完整请求", "A whole request"),
  wholeReply: words("完整应答", "The whole reply"),
  wholeRefusal: words("拒绝时的完整应答", "A whole refusal"),
  code: words("返回码", "Code"),
  condition: words("条件", "Condition"),
  message: words("message", "message"),
  operations: words("操作", "Operations"),
  leaves: words("留下", "Leaves"),
  all: words("全部", "all"),
  status: words("status", "status"),
  todo: words("贵方应做", "What to do"),
  name: words("名称", "Name"),
  settles: words("可结算", "Settles"),
  place: words("场所", "Place"),
  address: words("地址", "Address"),
  answers: words("应答", "Answers"),
  also: words("或", "or"),
  allRefusals: words("全部情形，按检查先后", "All conditions, in the order of the checks"),
  tableC1: words("全部代码", "All codes"),
  tableC2: words("全部代码", "All codes"),
} as const satisfies Record<string, Words>;

export const TABLE_LINKS = {
  businessTypes: { anchor: "business-types", text: words("5 位代码，见表 C.1", "5 digits, table C.1") },
  idTypes: { anchor: "id-types", text: words("2 位代码，见表 C.2", "2 digits, table C.2") },
} as const;

export const PLACES: Readonly<Record<"01" | "02" | "03", Words>> = {
  "01": words("医院", "hospital"),
  "02": words("药店", "pharmacy"),
  "03": words("医疗类 APP", "medical app"),
};

export const LEAVES: Readonly<Record<"nothing" | "nonce" | "scan", Words>> = {
  nothing: words("无", "nothing"),
  nonce: words("报文作废", "envelope spent"),
  scan: words("报文作废，记一次扫码", "envelope spent, scan recorded"),
};

export const NEEDED: readonly Words[] = [
  words(
    "平台交给您：机构编号 `orgId`、`appId`、`appSecret`、平台 SM2 公钥、已备案的终端编号 `termId`，以及对 `signType` 与是否加密的约定。",
    "The platform gives you: `orgId`, `appId`, `appSecret`, the platform's SM2 public key, the ids of your registered terminals, and what is agreed on `signType` and encryption.",
  ),
  words(
    "您交给平台：机构 SM2 公钥。私钥只留在您的系统里。",
    "You give the platform: your SM2 public key. The private key stays in your system.",
  ),
  words(
    "先看 `GET /ready` 是否返回 200，再依次试 `rh.verify`、`rh.settle`、`rh.result`、`rh.refund`。",
    "See that `GET /ready` answers 200; then try `rh.verify`, `rh.settle`, `rh.result` and `rh.refund`, in this order.",
  ),
];

export const RULES: readonly Words[] = [
  words(
    "`data` 内所有值都是字符串，金额与数字也是；未知字段一律拒绝；请求体至多 16 KiB（预结算、结算至多 256 KiB），UTF-8 编码。",
    "Every value inside `data` is a string, amounts and numbers too. Unknown fields are refused. A body has at most 16 KiB (256 KiB with fee lines), in UTF-8.",
  ),
  words(
    "一份报文只能用一次：重试时更新 `timestamp`、重新签名，`outTradeNo` 与 `data` 的其他内容不变。",
    "An envelope is good once: to repeat a call, take a new `timestamp` and sign again, with the same `outTradeNo` and otherwise the same `data`.",
  ),
  words(
    "每个应答都要验签，拒绝也不例外，并核对 `data.outTradeNo`。无应答或验签不过，即结果未知：用同一 `outTradeNo` 重试，切勿换号。",
    "Verify every reply, refusals too, and compare `data.outTradeNo`. No reply, or one that does not verify, means that the outcome is unknown: repeat with the same `outTradeNo`, never with another.",
  ),
];

export const SIGNING_STEPS: readonly Words[] = [
  words(
    "取公共参数与明文 `data`，去掉 `signData`、`encData`、`extra`，以及值为 null、空串、空数组的成员；`data` 内也照此去掉。",
    'Take the members of the envelope with clear `data`; drop `signData`, `encData`, `extra`, and every member whose value is null, "" or []; inside `data` likewise.',
  ),
  words(
    '按键名的 ASCII 升序，以 `k=v` 用 `&` 连接。`data` 写成紧凑 JSON：各级键升序，无空格，中文不转义；其中的数字与布尔值加引号，字符照原样（`128.50` 成为 `"128.50"`）。',
    'Sort by key, ASCII order, and join as `k=v` with `&`. Write `data` as compact JSON: keys sorted at every level, no spaces, Chinese not escaped; numbers and booleans in it are quoted, with the characters they came in (`128.50` becomes `"128.50"`).',
  ),
  words(
    "末尾接 `&key=` 与 `appSecret`，取 UTF-8 字节：这就是待签文本。",
    "Append `&key=` and the `appSecret`, and take the UTF-8 bytes: this is the sign text.",
  ),
  words(
    "SM2：以机构私钥对 SM3(ZA ‖ 待签文本) 签名，ZA = SM3(ENTL ‖ 用户标识 ‖ 曲线参数 ‖ 公钥)，用户标识 `1234567812345678`；多数国密库自行计算 ZA 与摘要，传入待签文本即可。`signData` = Base64(r‖s)，r、s 各 32 字节。SM3：`signData` = 待签文本 SM3 摘要的大写十六进制，此时 `timestamp` 请用毫秒。",
    "SM2: sign SM3(ZA ‖ sign text) with your private key, where ZA = SM3(ENTL ‖ user id ‖ curve ‖ public key) and the user id is `1234567812345678`; most libraries make ZA and digest themselves, so give them the sign text. `signData` = Base64(r‖s), 32 bytes each. SM3: `signData` = upper hex of the SM3 of the sign text; then write `timestamp` in milliseconds.",
  ),
  words(
    "约定加密时，先签名再加密：密钥 = SM4-ECB-PKCS7(密钥 `appId` 前 16 字符，明文 `appSecret`) 大写十六进制的前 16 个字符，按 ASCII 使用；`encData` = 以此密钥 SM4-ECB-PKCS7 加密 `data` 的 JSON，大写十六进制，代替 `data`。",
    "Where encryption is agreed, sign first, then encrypt: the key is the first 16 characters of the upper hex of SM4-ECB-PKCS7(key: first 16 characters of `appId`, text: `appSecret`), used as ASCII; `encData` = upper hex of SM4-ECB-PKCS7 under that key over the JSON of `data`, instead of `data`.",
  ),
];

export const SIGNING_AFTER: Words = words(
  "验应答同理：去掉 `signData`、`encData`、`extra`，按第 1–3 步得出文本，用平台公钥验签。无法识别调用方的应答，`orgId` 为空，文本以 `&key=` 结尾、其后为空。若贵方系统的写法有别（键序、数字、空值、DER 签名、SM4 密钥、用户标识），可逐项约定。自检工具 `ronghe call --check FILE` 离线说明报文为何验不过；逐步向量见源码 `core/envelope-vectors`。",
  "A reply is verified alike: drop `signData`, `encData` and `extra`, make the text by steps 1–3, verify with the platform's public key. In a reply to a caller that is not known, `orgId` is empty and nothing follows `&key=`. Should your system write it differently (order of keys, numbers, empties, DER signatures, SM4 key, user id), each point can be agreed by itself. `ronghe call --check FILE` says offline why an envelope does not verify; vectors of every step are in `core/envelope-vectors` of the source.",
);

export const CHECK_YOURSELF = {
  title: words("对照自检", "Check yourself"),
  about: words(
    "上文的完整请求可以逐步重现。密钥对是 GM/T 0003.5 的示例密钥，机构与平台共用；签名可用此公钥验证。SM2 签名含随机数，您签出的值会不同，验得过即可。",
    "The whole request above can be reproduced step by step. The key pair is the example of GM/T 0003.5, for institution and platform alike; the signatures verify under its public key. SM2 signatures are random: yours will differ and verify all the same.",
  ),
  signText: words("rh.settle 请求的待签文本", "Sign text of the rh.settle request"),
  sm3: words("待签文本的 SM3（signType 为 SM3 时即 signData）", "SM3 of the sign text (signData where signType is SM3)"),
  privateKey: words("SM2 私钥（示例，无保密性）", "SM2 private key (an example; it protects nothing)"),
  publicKey: words("SM2 公钥", "SM2 public key"),
  za: words("ZA", "ZA"),
  digest: words("SM3(ZA ‖ 待签文本)", "SM3(ZA ‖ sign text)"),
  wrappedSecret: words("SM4-ECB-PKCS7(appId 前 16 字符，appSecret)", "SM4-ECB-PKCS7(first 16 characters of appId, appSecret)"),
  dataKey: words("SM4 密钥（ASCII）", "SM4 key (ASCII)"),
  encData: words("encData（data 为紧凑 JSON，键序同上文请求）", "encData (data as compact JSON, keys in the order of the request above)"),
} as const;

export const ENVELOPE_ABOUT: Words = words(
  "所有操作都是 `POST /v1/<transType>`，公共参数完全相同，只有 `data` 不同。各操作的 `data` 见下文。",
  "Every operation is `POST /v1/<transType>` with the same members around it; only `data` differs. The `data` of each operation stands below.",
);
export const RECEIPT_LEFT_OUT: Words = words("示例中的 `receipt` 以 … 代替。", "In the examples … stands for the receipt.");

export const REFUSALS_ABOUT: Words = words(
  "按检查的先后排列：几个条件同时成立时，以最先者为准。拒绝不回显请求内容，也不改变任何状态；“留下”一列说明还留有什么：无，如同从未来过；报文作废，同一报文不能再用，须重新签名；记一次扫码，另记录有人出示了此码。",
  "In the order in which the edge looks: of several conditions the first decides. A refusal repeats nothing of the call and changes nothing; the last column says what stays: nothing, as if the call had never come; envelope spent, sign again for another try; scan recorded, besides, the event that a code was shown.",
);
export const LATER_ABOUT: Words = words(
  '请求受理之后，核心或支付方仍可能拒绝。此时应答的 `code` 是 "0"，`data.status` 是 `refused`，原因在 `data.refusalCode` 与 `data.refusalMessage`：',
  'After a request was accepted, the core or a payer may still refuse it. Then `code` is "0", `data.status` is `refused`, and `data.refusalCode` and `data.refusalMessage` say why:',
);
