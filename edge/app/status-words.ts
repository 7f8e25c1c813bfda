/** What the page `/status` says, in both languages. */
import type { EdgeStanding, Finding } from "./status.ts";
import { type Words, words } from "./words.ts";

export const STANDING_WORDS: Readonly<Record<EdgeStanding, { readonly name: Words; readonly means: Words }>> = {
  normal: {
    name: words("正常", "Normal"),
    means: words("核心与消息总线均可达，请求照常受理。", "Core and bus are there; calls are taken as usual."),
  },
  offline: {
    name: words("离线", "Offline"),
    means: words(
      "与核心或消息总线失去联系。扫码仍可辨真伪，结算在离线限额内照常受理，链路恢复后自动上送。",
      "The core or the bus is away. Codes are still told genuine, bills are taken within the offline allowance and sent when the link is back.",
    ),
  },
  limited: {
    name: words("受限", "Limited"),
    means: words("部分请求会被拒绝，原因见下。", "Some calls are refused; the reasons stand below."),
  },
};

export const FINDING_WORDS: Readonly<Record<Finding, Words>> = {
  coreAway: words("核心不可达：核验只给出 offline 级应答", "The core is away: codes are verified at grade offline only"),
  busAway: words("消息总线不可达：已受理的请求在本机等待上送", "The bus is away: what was taken waits here"),
  noSettings: words("没有平台下发的有效配置：全部请求被拒绝", "No current settings from the platform: every call is refused"),
  edgeSuspended: words("平台已停用本边缘节点：全部请求被拒绝", "The platform has suspended this edge: every call is refused"),
  outboxFull: words("待上送的请求过多或过久：新的请求被拒绝", "Too much waits, or for too long: new calls are refused"),
  offlineTooLong: words(
    "离线时间超过机构限额：新的结算被拒绝",
    "Offline for longer than an institution's allowance: new bills are refused",
  ),
  clockSkew: words("本机时钟与核心相差过大：请校时", "The clock differs too much from the core's: set it"),
  resultsStopped: words("不再收到结算结果：请重启本边缘节点", "Outcomes are not read any more: restart this edge"),
  bundleRefused: words(
    "最近一次下发的配置未能采用，沿用此前的配置：新的停用、密钥与机构在本节点不生效",
    "The last settings from the core could not be taken; those before are in use: no later suspension, key or institution holds here",
  ),
  storageFailing: words(
    "本机数据无法写入（磁盘已满、只读或故障）：新的请求被拒绝，腾出空间后自动恢复",
    "Nothing can be written here (the disk is full, read-only or broken): new calls are refused, and taken again by themselves once there is room",
  ),
};

export const LABELS = {
  title: words("边缘节点状态", "Edge status"),
  asOf: words("截至", "As of"),
  refreshes: words("每 5 秒自动更新", "renewed every 5 seconds"),
  refresh: words("立即刷新", "Renew now"),
  stale: words("本边缘节点没有应答：以下是此前的状态。", "This edge does not answer: what stands below is older."),
  links: words("链路", "Links"),
  core: words("核心", "Core"),
  bus: words("消息总线", "Bus"),
  there: words("可达", "there"),
  away: words("不可达", "away"),
  offlineSince: words("离线开始于", "Offline since"),
  backlog: words("等待上送", "Waiting to be sent"),
  events: words("事件数", "Events"),
  oldest: words("最早一条已等待", "Oldest has waited"),
  room: words("上限", "at most"),
  settings: words("平台配置", "Settings of the platform"),
  version: words("版本", "Version"),
  issued: words("下发于", "Issued"),
  expires: words("有效至", "Valid until"),
  institutions: words("机构数", "Institutions"),
  revoked: words("已撤销的码", "Revoked codes"),
  none: words("无", "none"),
  refusedBundle: words("被拒绝的配置", "Refused settings"),
  offlineTaken: words("离线期间已受理", "Taken while offline"),
  institution: words("机构", "Institution"),
  bills: words("笔数", "Bills"),
  amount: words("累计金额（元）", "Sum (yuan)"),
  amountMax: words("累计上限（元）", "Sum at most (yuan)"),
  billMax: words("单笔上限（元）", "One bill at most (yuan)"),
  nothingTaken: words("没有离线受理的结算。", "No bills were taken offline."),
  storage: words("无法写入的数据库", "Databases that cannot be written to"),
  skew: words("时钟与核心相差", "Clock differs by"),
  unknown: words("未知", "unknown"),
  crypto: words("密码实现", "Cryptography"),
} as const satisfies Record<string, Words>;
