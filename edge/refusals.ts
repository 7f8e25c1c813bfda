/**
 * THE table of refusals of the edge: each condition with its code. `docs/api.md` and the page `/docs` show it, a test
 * walks it. Rows stand in the order in which the edge looks, so that of several conditions the first decides.
 */
import { ERRORS, type ErrorName } from "../core/protocol/errors.ts";
import { words, type Words } from "./app/words.ts";

/**
 * What a refused call leaves behind. `nothing`: as if it had never come. `nonce`: its envelope is spent.
 * `scan`: besides, the scan event of the code that was shown.
 */
export type Leaves = "nothing" | "nonce" | "scan";

export interface RefusalRow {
  readonly condition: Words;
  /** Operations it concerns, without the `rh.` prefix. */
  readonly of:
    | "all"
    | "verify"
    | "verify, presettle"
    | "verify, presettle, settle"
    | "verify, presettle, settle, refund"
    | "presettle"
    | "presettle, settle"
    | "presettle, settle, refund"
    | "presettle, statement"
    | "settle"
    | "settle, refund"
    | "refund"
    | "result"
    | "statement";
  readonly error: ErrorName;
  readonly leaves: Leaves;
}

const row = (condition: Words, of: RefusalRow["of"], error: ErrorName, leaves: Leaves): RefusalRow => ({ condition, of, error, leaves });

export const REFUSALS = {
  sourceFloods: row(
    words("同一来源反复发来无人签名的报文；何时再试见 Retry-After", "Too much from one source that nobody signed; Retry-After says when"),
    "all",
    "rateLimited",
    "nothing",
  ),
  unknownOperation: row(words("路径中的操作不存在", "No such operation in the path"), "all", "unknownAddress", "nothing"),
  oversizedBody: row(
    words("请求体超过 16 KiB（预结算、结算为 256 KiB）", "The body is larger than 16 KiB (presettle, settle: 256 KiB)"),
    "all",
    "bodyTooLarge",
    "nothing",
  ),
  notUtf8: row(words("请求体不是 UTF-8", "The body is not UTF-8"), "all", "badRequest", "nothing"),
  edgeSuspended: row(words("平台已停用本边缘节点", "The platform has suspended this edge"), "all", "edgeSuspended", "nothing"),
  notJson: row(words("请求体不是 JSON", "The body is not JSON"), "all", "badRequest", "nothing"),
  trailingComma: row(
    words("JSON 末尾多一个逗号（如 S3 B.1.4.1 的示例）", "JSON with a trailing comma, as in S3 B.1.4.1"),
    "all",
    "badRequest",
    "nothing",
  ),
  duplicateKey: row(words("JSON 中同一个键出现两次", "A JSON key stands twice"), "all", "badRequest", "nothing"),
  unknownEnvelopeField: row(
    words("公共参数中有 S3 A.2 没有的字段", "The envelope has a field that S3 A.2 does not know"),
    "all",
    "badRequest",
    "nothing",
  ),
  missingEnvelopeField: row(words("缺少公共参数", "A field of the envelope is missing"), "all", "badRequest", "nothing"),
  wrongEnvelopeType: row(words("公共参数的类型不对", "A field of the envelope has the wrong type"), "all", "badRequest", "nothing"),
  dataAndEncData: row(words("data 与 encData 同时出现，或都没有", "Both data and encData, or neither"), "all", "badRequest", "nothing"),
  transTypeDiffers: row(words("transType 与路径不一致", "transType differs from the path"), "all", "badRequest", "nothing"),
  noSettings: row(
    words("边缘节点没有平台下发的有效配置", "The edge has no current settings from the platform"),
    "all",
    "coreUnavailable",
    "nothing",
  ),
  institutionUnknown: row(
    words("orgId 不是本边缘节点的接入机构", "orgId is not an institution of this edge"),
    "all",
    "institutionUnknown",
    "nothing",
  ),
  institutionSuspended: row(words("机构已停用", "The institution is suspended"), "all", "institutionInactive", "nothing"),
  timestampOld: row(
    words("timestamp 早于平台时间 5 分钟以上", "The timestamp is more than 5 minutes old"),
    "all",
    "timestampOutside",
    "nothing",
  ),
  timestampAhead: row(
    words("timestamp 晚于平台时间 5 分钟以上", "The timestamp is more than 5 minutes ahead"),
    "all",
    "timestampOutside",
    "nothing",
  ),
  notEncrypted: row(
    words("约定必须加密，却发送了明文 data", "Clear data where the partner's profile requires encryption"),
    "all",
    "badRequest",
    "nothing",
  ),
  otherSignType: row(words("signType 与约定的不同", "Another signType than agreed with the partner"), "all", "unauthorised", "nothing"),
  wrongSignature: row(words("签名用的是另一把密钥", "The signature is by another key"), "all", "unauthorised", "nothing"),
  changedAfterSigning: row(words("签名之后有字段被改动", "A field was changed after signing"), "all", "unauthorised", "nothing"),
  encDataDamaged: row(words("encData 解不开", "encData does not open"), "all", "unauthorised", "nothing"),
  foreignInstitution: row(
    words("data 内的 orgId 与签名机构不同", "orgId inside data differs from the signer's"),
    "all",
    "badRequest",
    "nothing",
  ),
  replayedNonce: row(words("同一报文已经来过（重放）", "The same envelope came before"), "all", "requestReplayed", "nothing"),
  rateExceeded: row(
    words("超过机构的调用频率；何时再试见 Retry-After", "More calls than the institution's rate; Retry-After says when"),
    "all",
    "rateLimited",
    "nothing",
  ),
  unknownField: row(words("data 中有该操作没有的字段", "data has a field that the operation does not know"), "all", "badRequest", "nonce"),
  missingField: row(words("data 缺少字段", "A field of data is missing"), "all", "badRequest", "nonce"),
  wrongType: row(words("data 中字段的类型或格式不对", "A field of data has the wrong type or form"), "all", "badRequest", "nonce"),
  businessTypeUnlisted: row(
    words("businessType 不在 S3 表 C.1 中", "businessType is not of S3 table C.1"),
    "verify, presettle, settle, refund",
    "badRequest",
    "nonce",
  ),
  outboxFull: row(
    words("等待上送核心的请求过多；何时再试见 Retry-After", "Too much waits for the core; Retry-After says when"),
    "verify, presettle, settle, refund",
    "rateLimited",
    "nonce",
  ),
  neitherCodeNorToken: row(
    words("code 与 ecToken 同时出现，或都没有", "Both code and ecToken, or neither"),
    "presettle, settle",
    "badRequest",
    "nonce",
  ),
  amountNegative: row(words("金额为负", "A negative amount"), "presettle, settle", "amountInvalid", "nonce"),
  amountThreeDecimals: row(words("金额有三位小数", "An amount with three decimals"), "presettle, settle", "amountInvalid", "nonce"),
  amountZero: row(words("金额为零", "An amount of zero"), "presettle, settle", "amountInvalid", "nonce"),
  amountExponent: row(
    words(
      "金额带指数、加号、前导零，或超出 numeric(16,2)",
      "An amount with an exponent, a plus sign, leading zeros or beyond numeric(16,2)",
    ),
    "presettle, settle",
    "amountInvalid",
    "nonce",
  ),
  feesNotTheAmount: row(
    words(
      "费用明细的金额不等于数量 × 单价，或合计不等于 amount",
      "A fee line whose amount is not quantity × price to the fen, or lines that do not add up to amount",
    ),
    "presettle, settle",
    "feesInvalid",
    "nonce",
  ),
  refundAmountMalformed: row(
    words("refundAmount 不是大于零的金额", "A refundAmount that is no amount above zero"),
    "refund",
    "amountInvalid",
    "nonce",
  ),
  businessTypeNotSettling: row(
    words("该 businessType 不涉及资金，不能结算", "A businessType under which no money moves"),
    "presettle, settle, refund",
    "businessTypeRefused",
    "nonce",
  ),
  businessTypeElsewhere: row(
    words("businessType 属于另一类机构", "A businessType of another kind of institution"),
    "verify, presettle, settle, refund",
    "businessTypeRefused",
    "nonce",
  ),
  terminalUnknown: row(
    words("终端未在该机构名下备案", "The terminal is not registered with the institution"),
    "verify, presettle, settle, refund",
    "terminalUnknown",
    "nonce",
  ),
  terminalSuspended: row(
    words("终端已停用", "The terminal is suspended"),
    "verify, presettle, settle, refund",
    "terminalInactive",
    "nonce",
  ),
  codeUnreadable: row(words("扫到的文本不是码", "The scanned text is no code"), "verify, presettle, settle", "codeMalformed", "scan"),
  codeStatic: row(words("静态电子健康码", "A static EHC code"), "verify, presettle, settle", "codeKindRefused", "scan"),
  codeWithoutToken: row(
    words("不带令牌的动态电子健康码", "A dynamic EHC code without a token"),
    "verify, presettle, settle",
    "codeKindRefused",
    "scan",
  ),
  codeNhsaSettles: row(
    words("直接用医保码结算：请先核验，再用 ecToken 结算", "An NHSA code for settling: verify it first, settle with the ecToken"),
    "presettle, settle",
    "codeKindRefused",
    "scan",
  ),
  codeForIdentityOnly: row(
    words("用仅供身份识别的码结算", "A code issued to identify, for settling"),
    "presettle, settle",
    "codeKindRefused",
    "scan",
  ),
  codeForged: row(
    words("签名码被改动了一个字符", "One character of a signed code was changed"),
    "verify, presettle, settle",
    "codeForged",
    "scan",
  ),
  codeTakenBack: row(words("码已被应用撤销", "A code that its app took back"), "verify, presettle, settle", "codeRevoked", "scan"),
  codeExpired: row(words("真码，但已过期", "A genuine code after its end"), "verify, presettle, settle", "codeExpired", "scan"),
  codeOfUnknownApp: row(
    words("码来自未获准的应用", "A code of an app that is not accepted"),
    "verify, presettle, settle",
    "channelUnknown",
    "scan",
  ),
  codeOfSuspendedApp: row(
    words("码来自已停用的应用", "A code of an app that is suspended"),
    "verify, presettle, settle",
    "channelInactive",
    "scan",
  ),
  offlineTooLong: row(
    words("离线时间超过机构的限额", "Offline for longer than the institution's allowance"),
    "settle",
    "offlineTooLong",
    "scan",
  ),
  offlineAmount: row(
    words("离线期间单笔金额超过机构的限额", "Offline, and the bill is above the institution's allowance"),
    "settle",
    "offlineAmount",
    "scan",
  ),
  offlineUnverifiable: row(
    words(
      "离线期间用非签名码，或用不是本边缘节点核验所得的 ecToken 结算",
      "Offline, with a code that only the issuer can tell or an ecToken that this edge did not see given",
    ),
    "settle",
    "offlineUnverifiable",
    "scan",
  ),
  unprovenExceeded: row(
    words(
      "该终端或机构直接用非签名码结算过于频繁；何时再试见 Retry-After",
      "Too many codes that only the issuer can tell, shown for settling without being verified; Retry-After says when",
    ),
    "settle",
    "rateLimited",
    "scan",
  ),
  numberTaken: row(
    words("outTradeNo 已用于其他内容，且本次出示了码", "outTradeNo was used for other content, and a code is shown"),
    "settle",
    "idempotencyConflict",
    "scan",
  ),
  clockSkewed: row(
    words(
      "边缘节点的时钟与核心相差超过 5 秒；校时后自动恢复",
      "The edge's clock differs from the core's by more than 5 s; it goes on once it is set",
    ),
    "settle, refund",
    "clockSkewed",
    "scan",
  ),
  codeUsedAgain: row(
    words("码已被另一笔交易使用", "A code that another transaction used"),
    "verify, presettle, settle",
    "codeUsed",
    "scan",
  ),
  codeAtOtherTerminal: row(
    words("码在本机构另一终端核验过；请用 ecToken 结算", "A code that was verified at another terminal; settle with the ecToken there"),
    "settle",
    "codeUsed",
    "scan",
  ),
  guessesExceeded: row(
    words(
      "该终端或机构多次出示错误的非签名码；何时再试见 Retry-After",
      "Too many wrong codes that only the issuer can tell, at the terminal or the institution; Retry-After says when",
    ),
    "verify",
    "rateLimited",
    "scan",
  ),
  offlineTotal: row(
    words("离线期间累计金额超过机构的限额", "Offline, and the sum of bills would pass the institution's allowance"),
    "settle",
    "offlineTotal",
    "scan",
  ),
  numberTakenElse: row(
    words("outTradeNo 已用于其他内容，本次未出示码", "outTradeNo was used for other content, without a code"),
    "settle, refund",
    "idempotencyConflict",
    "nonce",
  ),
  coreAway: row(
    words(
      "核心无应答（核验时：且该码只有签发方能辨认）；请用同一 outTradeNo 重试",
      "The core does not answer (to verify: and only the issuer can tell this code); repeat with the same outTradeNo",
    ),
    "verify, presettle",
    "coreUnavailable",
    "scan",
  ),
  coreRefuses: row(
    words(
      "核心拒绝该码，例如从未签发（返回核心自己的返回码）",
      "The core refuses the code, for example one that was never issued (it answers with its own code)",
    ),
    "verify, presettle",
    "codeUnknown",
    "nonce",
  ),
  coreAwayElse: row(
    words("核心无应答，本次未出示码", "The core does not answer, and no code is shown"),
    "presettle, statement",
    "coreUnavailable",
    "nonce",
  ),
  payerAway: row(
    words(
      "预结算时某支付方拒绝或无应答（返回相应的返回码）",
      "A payer refuses the pre-settlement or does not answer (each with its own code)",
    ),
    "presettle",
    "payerUnavailable",
    "nonce",
  ),
  periodUnknown: row(
    words("账期尚未开始，或游标无效", "A period that has not begun, or a cursor that no page gave"),
    "statement",
    "badRequest",
    "nonce",
  ),
  resultUnknown: row(
    words("该 outTradeNo 下没有结算或退费", "No settlement or refund under this outTradeNo"),
    "result",
    "settlementUnknown",
    "nonce",
  ),
  unexpected: row(
    words(
      "边缘节点自身故障，例如磁盘已满；未受理任何内容",
      "The edge itself fails, for example because its disk is full; nothing was acknowledged",
    ),
    "all",
    "internal",
    "nonce",
  ),
} as const satisfies Record<string, RefusalRow>;
export type RefusalId = keyof typeof REFUSALS;

/**
 * Why the core may still refuse what the edge accepted: then the call succeeds, `status` is `refused` and
 * `refusalCode` is one of these.
 */
export const LATER_REFUSALS = [
  "codeUnknown",
  "codeUsed",
  "codeExpired",
  "codeRevoked",
  "offlineTooOld",
  "timestampOutside",
  "terminalInactive",
  "tokenInvalid",
  "codeKindRefused",
  "businessTypeRefused",
  "idempotencyConflict",
  "bindingMissing",
  "noFunds",
  "payerRefused",
  "settlementUnknown",
  "refundRefused",
  "refundExceeds",
] as const satisfies readonly ErrorName[];

/** The table as `docs/api.md` shows it. */
export function refusalTable(): string {
  const rows = Object.values(REFUSALS).map(({ condition, of, error, leaves }) => {
    const { code, message } = ERRORS[error];
    return `| ${condition.en} | ${of} | \`${code}\` | ${message} | ${leaves} |`;
  });
  return ["| condition | operations (`rh.`) | code | message | leaves |", "|---|---|---|---|---|", ...rows].join("\n");
}
