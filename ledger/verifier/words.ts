/** What the verifier says, in Chinese and English: verdicts, checks, reasons, evidence. The codes are the contract; these are their words. */
import type { CheckpointCheck } from "./checkpoint.ts";
import type { ExportCheckName } from "./export.ts";
import type { ExportedLogCheckName } from "./export-log.ts";
import type { RangeCheck } from "./range.ts";
import type { ReceiptCheck } from "./receipt.ts";
import type { CheckStatus, EvidenceName, ReasonName, Verdict } from "./report.ts";

export type Language = "zh" | "en";
/** By language. */
export type Words = Readonly<Record<Language, string>>;

export const VERDICT_WORDS: Readonly<Record<Verdict, { readonly title: Words; readonly meaning: Words }>> = {
  valid: {
    title: { zh: "验证通过", en: "Valid" },
    meaning: { zh: "全部检查均已完成，未发现矛盾。", en: "Every check was made and none found a contradiction." },
  },
  invalid: {
    title: { zh: "验证不通过", en: "Invalid" },
    meaning: {
      zh: "至少一项检查发现矛盾：所验内容与签署的账本不符，不得采信。",
      en: "At least one check found a contradiction: this is not what was signed. Do not rely on it.",
    },
  },
  incomplete: {
    title: { zh: "验证未完成", en: "Incomplete" },
    meaning: {
      zh: "尚未发现矛盾，但有检查没有完成：不得视为通过。",
      en: "No contradiction so far, but not every check was made: this does not count as valid.",
    },
  },
};

export const STATUS_WORDS: Readonly<Record<CheckStatus, Words>> = {
  ok: { zh: "通过", en: "passed" },
  failed: { zh: "不通过", en: "failed" },
  incomplete: { zh: "未完成", en: "incomplete" },
};

export type AnyCheckName = ReceiptCheck | RangeCheck | CheckpointCheck | ExportCheckName | ExportedLogCheckName;

/** `shows` says what a check that passed has shown. */
export const CHECK_WORDS: Readonly<Record<AnyCheckName, { readonly title: Words; readonly shows: Words }>> = {
  format: {
    title: { zh: "文本格式", en: "Format of the text" },
    shows: { zh: "文本只有一种写法，逐字符合规范。", en: "The text is in its one permitted form, to the character." },
  },
  question: {
    title: { zh: "所问与所答", en: "The question" },
    shows: {
      zh: "文本回答的正是审计员所问：账本、机构、起止时间逐字一致。",
      en: "The text answers exactly what the auditor asked: log, institution, begin and end.",
    },
  },
  leaf: {
    title: { zh: "条目编码", en: "Entry encoding" },
    shows: { zh: "条目的字节是规范编码，没有第二种解读。", en: "The bytes of the entry are canonical: there is no second reading." },
  },
  signature: {
    title: { zh: "账本签名", en: "Log signature" },
    shows: {
      zh: "检查点由信任清单中的账本密钥以 SM2 签署。",
      en: "A key of the log that the policy trusts signed the checkpoint with SM2.",
    },
  },
  witnesses: {
    title: { zh: "见证方联署", en: "Witness cosignatures" },
    shows: {
      zh: "信任清单要求的见证方已对同一检查点联署。",
      en: "The witnesses that the policy asks for cosigned the same checkpoint.",
    },
  },
  position: {
    title: { zh: "条目位置", en: "Position" },
    shows: { zh: "条目自述的序号和账本与回执一致。", en: "The entry's own index and log are those of the receipt." },
  },
  inclusion: {
    title: { zh: "包含证明", en: "Inclusion proof" },
    shows: { zh: "由条目逐层计算 SM3，得到签署的根哈希。", en: "Hashing upwards from the entry with SM3 gives the signed root." },
  },
  disclosures: {
    title: { zh: "个人信息披露", en: "Disclosed personal fields" },
    shows: { zh: "披露的字段与条目中的承诺值相符。", en: "Each disclosed field opens the commitment in the entry." },
  },
  olderSignature: {
    title: { zh: "旧检查点签名", en: "Older checkpoint's signature" },
    shows: { zh: "旧检查点同样由受信任的密钥签署。", en: "A trusted key signed the older checkpoint as well." },
  },
  consistency: {
    title: { zh: "前后一致", en: "Consistency" },
    shows: {
      zh: "新账本以旧账本开头：旧条目没有改动、删除或换序。",
      en: "The newer log begins with the older one: nothing old was changed, removed or moved.",
    },
  },
  index: {
    title: { zh: "导出索引", en: "Export index" },
    shows: { zh: "索引完整，导出已写完。", en: "The index is whole and the export was finished." },
  },
  policy: {
    title: { zh: "信任清单来源", en: "Whose policy" },
    shows: { zh: "密钥来自审计员自己的信任清单。", en: "The keys come from the auditor's own policy." },
  },
  files: {
    title: { zh: "文件齐全", en: "Files" },
    shows: { zh: "应有的文件都在，没有多余文件。", en: "Every file is there and none is left over." },
  },
  logs: {
    title: { zh: "账本齐全", en: "Logs" },
    shows: { zh: "信任清单中的账本都在导出之内。", en: "Every log that the policy names is in the export." },
  },
  leaves: {
    title: { zh: "逐条核对", en: "Entries" },
    shows: { zh: "从第一条到最后一条，编码规范、序号连续。", en: "From the first to the last, canonical and without a gap." },
  },
  chain: {
    title: { zh: "前后链接", en: "Chain and time" },
    shows: { zh: "每条都记有前一条的哈希，时间不倒退。", en: "Every entry names the hash before it and is not older." },
  },
  root: {
    title: { zh: "根哈希", en: "Root" },
    shows: { zh: "由全部条目重新计算的根哈希与签署的一致。", en: "The root computed from all entries is the signed one." },
  },
  tiles: {
    title: { zh: "哈希分块", en: "Tiles" },
    shows: { zh: "每个哈希分块都与条目重新计算的一致。", en: "Every tile holds the hashes that the entries give." },
  },
  run: {
    title: { zh: "连续条目", en: "Run of entries" },
    shows: { zh: "给出的条目首尾相连，是签署的树的一部分。", en: "The entries given are consecutive, and part of the signed tree." },
  },
  period: {
    title: { zh: "期间完整", en: "Whole period" },
    shows: {
      zh: "条目跨过期间两端：所问机构在期间内的条目一条不少。",
      en: "The entries reach over both ends: none of the institution and period was left out.",
    },
  },
  knownCheckpoints: {
    title: { zh: "留存的检查点", en: "Checkpoints you kept" },
    shows: { zh: "审计员以前留存的检查点都在这段历史之内。", en: "Every checkpoint that the auditor kept lies in this history." },
  },
};

export const REASON_WORDS: Readonly<Record<ReasonName, Words>> = {
  notMade: { zh: "此前的检查已终止验证，本项没有进行", en: "not made: an earlier check ended the verification" },
  policyMalformed: { zh: "信任清单格式有误", en: "the policy is malformed" },
  policyMissing: {
    zh: "没有审计员自己的信任清单，无法判断密钥归属",
    en: "no policy of the auditor's own: whose keys these are cannot be told",
  },
  policyExpired: { zh: "信任清单已过其自定的期限，请取得最新的一份", en: "the policy is past its own end: get the newest one" },
  headStale: {
    zh: "检查点已旧：见证方上次联署距今超过信任清单允许的时长",
    en: "the checkpoint is stale: witnesses cosigned it longer ago than the policy allows",
  },
  leafMalformed: { zh: "条目字节不是规范编码", en: "bytes that are no canonical entry" },
  leafIndex: {
    zh: "条目序号与所在位置不符：有删除、换序、重复或改号",
    en: "an entry is not in its place: removed, swapped, doubled or renumbered",
  },
  leafOrigin: { zh: "条目属于另一个账本", en: "an entry of another log" },
  leafChain: {
    zh: "条目没有记载前一条的哈希：前一条在写入后被改动",
    en: "an entry does not name the one before it: that one was changed afterwards",
  },
  leafTime: { zh: "条目时间早于前一条", en: "an entry is older than the one before it" },
  noteMalformed: { zh: "签名文本格式有误", en: "the signed note is malformed" },
  checkpointMalformed: { zh: "检查点格式有误", en: "the checkpoint is malformed" },
  checkpointOrigin: { zh: "检查点属于另一个账本", en: "the checkpoint is of another log" },
  checkpointSize: { zh: "检查点的条目数与所在位置不符", en: "the checkpoint stands at another size than its own" },
  checkpointRoot: {
    zh: "条目的根哈希与签署的不同：签署之后历史被改写",
    en: "the entries do not have the signed root: history was rewritten after signing",
  },
  signatureMissing: { zh: "没有受信任密钥的签名", en: "no trusted key signed it" },
  signatureInvalid: { zh: "签名错误：文本被改动或系伪造", en: "a wrong signature: changed text, or a forgery" },
  keyRetired: { zh: "签名密钥已停用，不得再签署这一规模的账本", en: "the key was retired before this size" },
  quorumMissing: { zh: "见证方联署不足", en: "too few witnesses cosigned" },
  proofMalformed: { zh: "证明的格式或长度有误", en: "the proof is malformed or of the wrong length" },
  proofRoot: { zh: "证明得不到签署的根哈希", en: "the proof does not lead to the signed root" },
  proofVacuous: { zh: "以空账本为起点的证明什么也不能证明", en: "a proof from the empty log proves nothing" },
  proofMissing: {
    zh: "缺少一致性证明：两个检查点之间无法核对",
    en: "no consistency proof: what lies between the two sizes cannot be judged",
  },
  receiptMalformed: { zh: "回执格式有误", en: "the receipt is malformed" },
  commitmentMismatch: { zh: "披露的内容与条目中的承诺值不符", en: "a disclosed value is not the one committed to" },
  erasureMalformed: { zh: "删除条目不完整：缺少指令、依据或复核人", en: "an erasure entry without order, ground or second person" },
  erasureMismatch: { zh: "删除条目所指的承诺值不存在", en: "an erasure names a commitment that is not there" },
  erasedDisclosed: { zh: "已依法删除的内容不得再披露", en: "a value is disclosed that was erased lawfully" },
  rangeMalformed: { zh: "区间证明格式有误", en: "the range is malformed" },
  rangeBoundary: {
    zh: "条目没有跨过期间的两端：可能有遗漏",
    en: "the entries do not reach over an end of the period: some may be left out",
  },
  rangeOpen: { zh: "签署时账本尚未越过期间终点：之后可能还有条目", en: "the log had not gone beyond the period yet: more may follow" },
  questionMissing: {
    zh: "没有审计员自己的提问：文本自称回答什么，无人签署，不能作数",
    en: "no question of the auditor's own: nobody signs what a text says it answers",
  },
  questionMismatch: { zh: "文本回答的不是审计员所问", en: "the text answers another question than the auditor's" },
  truncated: { zh: "账本尾部被截断", en: "the tail of the log was cut off" },
  uncovered: { zh: "有条目不在任何已接受的检查点之下", en: "entries are under no accepted checkpoint" },
  knownCheckpoint: { zh: "与留存的检查点矛盾：存在两段历史", en: "contradicts a checkpoint that was kept: two histories" },
  headMissing: { zh: "数据库中没有账本", en: "the database holds no log" },
  headMismatch: { zh: "数据库的账本头与条目不符", en: "the database's head does not fit the entries" },
  projectionMismatch: { zh: "数据库的列与条目字节不符", en: "a column of the database does not fit the bytes" },
  tileMismatch: { zh: "哈希分块与条目不符", en: "a tile does not hold the hashes of the entries" },
  unreadable: { zh: "文件无法读取", en: "a file cannot be read" },
  exportMalformed: { zh: "导出的索引或路径格式有误", en: "the export's index or a path is malformed" },
  exportUnfinished: { zh: "导出没有写完，请重新导出", en: "the export was cut short: export again" },
  fileMissing: { zh: "缺少文件", en: "a file is missing" },
  fileUnknown: { zh: "多出没有依据的文件", en: "a file that nothing vouches for" },
  fileHash: { zh: "文件与索引记载的 SM3 不符", en: "a file is not the one that the index names" },
  logMissing: { zh: "信任清单中的账本不在导出之内", en: "a log of the policy is not in the export" },
  cancelled: { zh: "验证被取消", en: "the verification was cancelled" },
};

export const EVIDENCE_WORDS: Readonly<Record<EvidenceName, Words>> = {
  origin: { zh: "账本", en: "log" },
  size: { zh: "条目总数", en: "size" },
  root: { zh: "根哈希 (SM3)", en: "root (SM3)" },
  index: { zh: "条目序号", en: "entry" },
  leafHash: { zh: "条目哈希 (SM3)", en: "leaf hash (SM3)" },
  leafBytes: { zh: "条目字节数", en: "bytes of the entry" },
  kind: { zh: "事项", en: "kind" },
  postedAt: { zh: "记账时间", en: "posted" },
  firstAt: { zh: "首条时间", en: "first entry" },
  lastAt: { zh: "末条时间", en: "last entry" },
  signedBy: { zh: "签署密钥", en: "signed by" },
  cosignedBy: { zh: "见证方", en: "cosigned by" },
  cosignedAt: { zh: "联署时间", en: "cosigned at" },
  quorum: { zh: "联署要求", en: "quorum asked for" },
  keyValidity: { zh: "密钥有效范围", en: "key valid for" },
  pathHashes: { zh: "证明哈希数", en: "hashes in the proof" },
  entries: { zh: "条目数", en: "entries" },
  bundles: { zh: "条目文件数", en: "bundles" },
  tiles: { zh: "分块数", en: "tiles" },
  files: { zh: "文件数", en: "files" },
  bytes: { zh: "字节数", en: "bytes" },
  checkpoints: { zh: "检查点数", en: "checkpoints" },
  disclosed: { zh: "披露字段数", en: "fields disclosed" },
  committed: { zh: "承诺字段数", en: "fields committed to" },
  erasedAt: { zh: "依法删除于条目", en: "erased lawfully at entry" },
  oldSize: { zh: "旧条目总数", en: "older size" },
  oldRoot: { zh: "旧根哈希 (SM3)", en: "older root (SM3)" },
  missing: { zh: "缺少", en: "missing" },
  file: { zh: "文件", en: "file" },
};
