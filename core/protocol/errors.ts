/**
 * Every refusal a caller can meet, with the code it travels under.
 *
 * Codes 0, -1..-6 and 5xxxxx are S3 table C.4. Codes 6000xx are ours, for what C.4 has no row for; the range is
 * reserved for Ronghe. Where several refusals share a C.4 code, `message` tells them apart for people.
 */
export interface ErrorSpec {
  /** S3 C.4 code or one of our extension range 600001-600099. */
  readonly code: string;
  /** zh-CN, safe to show: never contains input. */
  readonly message: string;
  readonly english: string;
}

export const ERRORS = {
  ok: { code: "0", message: "成功", english: "success" },
  internal: { code: "-1", message: "未知异常", english: "unexpected failure" },
  badRequest: { code: "-2", message: "请求参数异常", english: "malformed request" },
  coreUnavailable: {
    code: "-3",
    message: "服务端请求超时，结果未知，请以原流水号重试",
    english: "core not reachable; outcome unknown, repeat with the same id",
  },
  unauthorised: { code: "-4", message: "权限校验异常", english: "signature or permission check failed" },
  unknownAddress: { code: "-5", message: "无效的请求地址", english: "no such operation" },
  rateLimited: { code: "-6", message: "触发限流", english: "rate limited" },
  codeExpired: { code: "501001", message: "二维码已过期", english: "code expired" },
  codeUsed: { code: "501001", message: "二维码已使用", english: "code already used" },
  tokenInvalid: { code: "501001", message: "鉴权令牌失效", english: "ecToken unknown, expired, used or of another institution" },
  codeMalformed: { code: "500049", message: "电子凭证二维码无效", english: "not a valid code" },
  codeForged: { code: "500049", message: "电子凭证二维码无效：验签不通过", english: "code signature does not verify" },
  codeUnknown: { code: "500049", message: "电子凭证二维码无效：未签发", english: "code was never issued" },
  codeRevoked: { code: "501001", message: "二维码已撤销", english: "code taken back by its app" },
  institutionUnknown: { code: "500057", message: "接入机构不存在", english: "unknown institution" },
  institutionInactive: { code: "500058", message: "接入机构审核未通过", english: "institution not approved" },
  channelUnknown: { code: "500012", message: "该应用渠道不存在", english: "unknown channel or app" },
  channelInactive: { code: "500013", message: "该应用渠道未通过审核", english: "channel not approved" },
  credentialUnknown: { code: "500001", message: "该电子凭证不存在", english: "no such person or credential" },
  requestReplayed: { code: "600001", message: "重复的请求（重放）", english: "request replayed" },
  timestampOutside: { code: "600002", message: "时间戳超出允许范围", english: "timestamp outside the window" },
  bodyTooLarge: { code: "600003", message: "请求体过大", english: "body too large" },
  businessTypeRefused: { code: "600010", message: "用码业务类型不允许", english: "business type not allowed here" },
  codeKindRefused: { code: "600011", message: "该类二维码不能用于此业务", english: "this kind of code cannot do this" },
  terminalUnknown: { code: "600012", message: "终端未备案", english: "terminal not registered with this institution" },
  terminalInactive: { code: "600013", message: "终端已停用", english: "terminal suspended" },
  amountInvalid: { code: "600020", message: "金额格式不正确", english: "amount malformed" },
  feesInvalid: { code: "600021", message: "费用明细与金额不符", english: "fee lines do not make up the amount" },
  idempotencyConflict: { code: "600030", message: "流水号已用于其他内容", english: "same id, other content" },
  inProgress: { code: "600031", message: "处理中，请稍后查询", english: "in progress" },
  settlementUnknown: { code: "600032", message: "结算记录不存在", english: "no such settlement" },
  refundRefused: { code: "600033", message: "不可退款", english: "cannot be refunded" },
  refundExceeds: { code: "600034", message: "退费金额超出可退金额", english: "more than is left to give back" },
  payerRefused: { code: "600040", message: "支付方拒绝", english: "a payer refused" },
  noFunds: { code: "600041", message: "可用额度不足", english: "accounts do not cover the bill" },
  bindingMissing: { code: "600042", message: "未绑定可用账户", english: "no usable account bound" },
  payerUnavailable: {
    code: "600043",
    message: "支付方暂无应答，未动任何资金，请重试",
    english: "a payer did not answer; nothing moved, ask again",
  },
  edgeSuspended: { code: "600050", message: "边缘节点已停用", english: "this edge is suspended" },
  offlineAmount: { code: "600051", message: "离线期间单笔金额超过限额", english: "offline: one bill above the allowance" },
  offlineTotal: { code: "600052", message: "离线期间累计金额超过限额", english: "offline: the sum of bills above the allowance" },
  offlineTooLong: { code: "600053", message: "离线时间过长，暂停受理结算", english: "offline for too long to take settlements" },
  offlineUnverifiable: { code: "600054", message: "离线期间无法核验该凭证", english: "offline: this credential cannot be checked here" },
  offlineTooOld: { code: "600055", message: "离线受理上送过晚", english: "accepted too long ago when it reached the core" },
  clockSkewed: {
    code: "600056",
    message: "边缘节点时钟偏差过大，暂停受理结算，校时后自动恢复",
    english: "this edge's clock is wrong; it takes settlements again once it is set",
  },
} as const satisfies Record<string, ErrorSpec>;

export type ErrorName = keyof typeof ERRORS;

/**
 * Refusals of a code for which the core makes the scan event, because no edge can find them by itself; for all others
 * the edge does. One showing is one event.
 */
export const OBSERVED_BY_CORE: ReadonlySet<ErrorName> = new Set([
  "codeUsed",
  "codeUnknown",
  "codeExpired",
  "codeRevoked",
  "codeKindRefused",
  "codeMalformed",
]);
