/**
 * THE table of what the channel address refuses before an operation looks at its request, in the order in which it
 * looks: of several conditions the first decides. `CHANNEL_ADMISSION` runs it, the channel's document prints it.
 */
import { ERRORS, type ErrorName } from "../protocol/errors.ts";

interface ChannelRefusalRow {
  readonly zh: string;
  readonly en: string;
  readonly error: ErrorName;
}
const row = (zh: string, en: string, error: ErrorName): ChannelRefusalRow => ({ zh, en, error });

export const CHANNEL_REFUSALS = {
  oversizedBody: row("请求体超过 16 KiB", "The body is larger than 16 KiB", "bodyTooLarge"),
  unknownOperation: row("路径中的操作不存在", "No such operation in the path", "unknownAddress"),
  notUtf8: row("请求体不是 UTF-8", "The body is not UTF-8", "badRequest"),
  malformed: row("请求体不是 S3 A.2 的信封", "The body is not an envelope of S3 A.2", "badRequest"),
  transTypeDiffers: row("transType 与路径不一致", "transType differs from the path", "badRequest"),
  appUnknown: row("orgId 不是已登记的应用", "orgId is no app of the platform", "channelUnknown"),
  appSuspended: row("应用已停用", "The app is suspended", "channelInactive"),
  timestampOutside: row(
    "timestamp 与平台时间相差 5 分钟以上",
    "The timestamp is more than 5 minutes from the platform's clock",
    "timestampOutside",
  ),
  otherEncryption: row("明文或加密与约定不符", "Clear data where encryption is required, or encrypted where none is agreed", "badRequest"),
  wrongSignature: row(
    "signType 与约定不同、验签不通过，或 encData 解不开",
    "Another signType than agreed, a signature that does not verify, or encData that does not open",
    "unauthorised",
  ),
  foreignApp: row("data 内的 orgId 与签名应用不同", "orgId inside data differs from the signer's", "badRequest"),
  replayedNonce: row("同一报文已经来过（重放）", "The same envelope came before", "requestReplayed"),
  rateExceeded: row("超过应用的调用频率", "More calls than the app's rate", "rateLimited"),
  wrongField: row(
    "data 的字段不对（data.field 指出字段名）",
    "A field of data is missing, unknown or of the wrong form; data.field of the reply names it",
    "badRequest",
  ),
} as const satisfies Record<string, ChannelRefusalRow>;
export type ChannelRefusalId = keyof typeof CHANNEL_REFUSALS;

/** The table as Markdown, for the channel's document. */
export function channelRefusalTable(): string {
  const rows = Object.values(CHANNEL_REFUSALS).map(({ zh, en, error }) => `| ${zh} / ${en} | \`${ERRORS[error].code}\` |`);
  return ["| 情形，按检查顺序 / Condition, in the order of the checks | code |", "|---|---|", ...rows].join("\n");
}
