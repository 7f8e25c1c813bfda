/**
 * The code tables of S3 appendix C as data, and the health side's tables of medical steps and channels
 * (domain notes 2.5). Codes are strings everywhere: a leading zero is part of the code.
 */

/** One row of S3 table C.1: what a code is used for (用码业务类型). */
export interface BusinessTypeRow {
  /** First level: 01 医院, 02 药店, 03 医疗类 APP. */
  readonly place: "01" | "02" | "03";
  readonly name: string;
}

/** S3 table C.1, all rows. A code is first level and second level together: registering in a hospital is `01101`. */
const BUSINESS_TYPE_ROWS = {
  "01101": { place: "01", name: "挂号" },
  "01102": { place: "01", name: "住院建档" },
  "01103": { place: "01", name: "入院登记" },
  "01104": { place: "01", name: "缴纳预缴金" },
  "01201": { place: "01", name: "问诊" },
  "01202": { place: "01", name: "预约检查" },
  "01203": { place: "01", name: "检查" },
  "01204": { place: "01", name: "治疗" },
  "01301": { place: "01", name: "结算" },
  "01302": { place: "01", name: "取药" },
  "01303": { place: "01", name: "取报告" },
  "01304": { place: "01", name: "打印票据和清单" },
  "01305": { place: "01", name: "病历材料复印" },
  "02121": { place: "02", name: "药店购药" },
  "02122": { place: "02", name: "下载外购处方" },
  "03131": { place: "03", name: "医疗类 APP 线上身份认证" },
  "03132": { place: "03", name: "医疗类 APP 线上结算" },
} as const satisfies Record<string, BusinessTypeRow>;

/** The 17 legal five-digit codes of S3 C.1. */
export const BUSINESS_TYPES = [
  "01101",
  "01102",
  "01103",
  "01104",
  "01201",
  "01202",
  "01203",
  "01204",
  "01301",
  "01302",
  "01303",
  "01304",
  "01305",
  "02121",
  "02122",
  "03131",
  "03132",
] as const satisfies readonly (keyof typeof BUSINESS_TYPE_ROWS)[];
export type BusinessType = (typeof BUSINESS_TYPES)[number];

/** Where money moves: 结算, 药店购药, 医疗类 APP 线上结算. A deposit (`01104`) is not a settlement. */
export const SETTLING_BUSINESS_TYPES = ["01301", "02121", "03132"] as const satisfies readonly BusinessType[];
export type SettlingBusinessType = (typeof SETTLING_BUSINESS_TYPES)[number];

const SETTLING: ReadonlySet<string> = new Set(SETTLING_BUSINESS_TYPES);

export function isBusinessType(text: string): text is BusinessType {
  return Object.hasOwn(BUSINESS_TYPE_ROWS, text);
}

export function isSettlingBusinessType(text: string): text is SettlingBusinessType {
  return SETTLING.has(text);
}

/** The second-level name of S3 C.1. @example businessTypeName("01101") // "挂号" */
export function businessTypeName(code: BusinessType): string {
  return BUSINESS_TYPE_ROWS[code].name;
}

/** The first-level code of S3 C.1. @example businessTypePlace("02121") // "02" */
export function businessTypePlace(code: BusinessType): BusinessTypeRow["place"] {
  return BUSINESS_TYPE_ROWS[code].place;
}

/** First level of S3 C.1 under which an institution of each kind works. */
const PLACE_OF = { hospital: "01", pharmacy: "02", app: "03" } as const satisfies Record<string, BusinessTypeRow["place"]>;

/**
 * Whether a business type is one of an institution's kind; the same for an edge, which refuses, and the core, which
 * would refuse later. @example isBusinessTypeOf("hospital", "03132") // false
 */
export function isBusinessTypeOf(kind: keyof typeof PLACE_OF, code: BusinessType): boolean {
  return businessTypePlace(code) === PLACE_OF[kind];
}

const BY_SECOND_LEVEL: ReadonlyMap<string, BusinessType> = new Map(BUSINESS_TYPES.map((code) => [code.slice(2), code]));

/**
 * Reads a business type as partners write it: five digits, or the bare second level of S3 A.4's "C 3", which is
 * unique over all first levels (domain notes 8.1 row 2). Anything else, such as the `"1"` of S3 A.1.5.1: `undefined`.
 *
 * @example widenBusinessType("301") // "01301"
 */
export function widenBusinessType(text: string): BusinessType | undefined {
  return isBusinessType(text) ? text : BY_SECOND_LEVEL.get(text);
}

/** S3 table C.2, all rows (证件类型). The list is closed: 09 and 10 do not exist (domain notes 8.1 row 24). */
export const ID_TYPES = {
  "01": "居民身份证（户口簿）",
  "02": "中国人民解放军军官证",
  "03": "中国人民武装警察警官证",
  "04": "香港特区护照/港澳居民来往内地通行证",
  "05": "澳门特区护照/港澳居民来往内地通行证",
  "06": "台湾居民来往大陆通行证",
  "07": "外国人永久居留证",
  "08": "外国人护照",
  "11": "外国人就业证",
  "12": "外国专家证",
  "13": "外国人常驻记者证",
  "14": "台港澳人员就业证",
  "15": "回国（来华）定居专家证",
  "16": "出生医学证明",
  "17": "港澳台居民居住证",
  "99": "其他身份证件",
} as const;
export type IdType = keyof typeof ID_TYPES;

export function isIdType(text: string): text is IdType {
  return Object.hasOwn(ID_TYPES, text);
}

/** S3 table C.3 (校验结果): the `flag` of A.7. */
export const CHECK_RESULTS = { "0": "校验失败", "1": "校验成功" } as const;
export type CheckResult = keyof typeof CHECK_RESULTS;

/** Medical steps (诊疗环节) of the health-card platforms, six digits, with their seven-digit sub-steps. */
export const MEDICAL_STEPS = {
  "010101": "挂号",
  "0101011": "预约挂号",
  "0101012": "当日挂号",
  "0101013": "挂号记录",
  "010102": "诊断",
  "010103": "取药",
  "010104": "检查",
  "010105": "收费",
  "0101051": "门诊缴费",
  "0101053": "住院缴费",
  "010106": "开方",
  "010107": "手术",
  "0101081": "检验报告",
  "0101082": "检查报告",
  "010109": "住院",
  "0": "其他",
} as const;
export type MedicalStep = keyof typeof MEDICAL_STEPS;

export function isMedicalStep(text: string): text is MedicalStep {
  return Object.hasOwn(MEDICAL_STEPS, text);
}

/** Through what the card was used (用卡渠道, `cardChannel`). */
export const CARD_CHANNELS = {
  "0100": "人工窗口",
  "0200": "自助机",
  "0300": "医生工作台",
  "0401": "服务号",
  "0402": "小程序",
} as const;
export type CardChannel = keyof typeof CARD_CHANNELS;

export function isCardChannel(text: string): text is CardChannel {
  return Object.hasOwn(CARD_CHANNELS, text);
}

/** Kinds of terminal (终端类型, `channelcode`). */
export const TERMINAL_KINDS = { "01": "人工窗口", "02": "自助终端", "99": "其他" } as const;
export type TerminalKind = keyof typeof TERMINAL_KINDS;

/** How a card was applied for (申请方式, `appmode`). */
export const APPLICATION_MODES = { "1": "APP", "2": "自助机", "3": "窗口", "4": "批量预生成" } as const;
export type ApplicationMode = keyof typeof APPLICATION_MODES;
