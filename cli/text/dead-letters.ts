/** Dead letters in words. */
import type { DeadLetterReason } from "../../streams/contracts/dead-letter-reasons.ts";

export type ToldReason = DeadLetterReason | "other" | "recordGone";

export const REASONS: Readonly<Record<ToldReason, string>> = {
  batchUnreadable: "整批记录无法解压",
  decoderFailed: "解码程序出错",
  topicUnknown: "主题不归该消费者",
  topicMismatch: "主题不符",
  specversionUnknown: "CloudEvents 版本不明",
  typeMismatch: "事件类型与主题不符",
  contentTypeUnknown: "内容类型不明",
  idInvalid: "事件编号无效",
  sourceInvalid: "事件来源无效",
  keyMismatch: "分区键不符",
  timeInvalid: "事件时间无效",
  ledgerPositionInvalid: "账本位置无效",
  notUtf8: "不是 UTF-8",
  notJson: "不是 JSON",
  schemaMismatch: "内容不符合约定",
  timeAhead: "事件时间超前",
  figuresOutOfRange: "数值超出范围",
  amountInvalid: "金额无效",
  originMissing: "没有来源证明",
  originKeyUnknown: "来源密钥不明",
  originForged: "来源证明不符",
  originEdgeUnknown: "没有这个边缘节点",
  originEdgeSuspended: "边缘节点已停用",
  originInstitution: "边缘节点不服务该机构",
  other: "其他",
  recordGone: "主题上已没有原记录",
};

export function reasonText(reason: ToldReason, lang: "zh" | "en"): string {
  return lang === "zh" ? `${REASONS[reason]} (${reason})` : reason;
}
