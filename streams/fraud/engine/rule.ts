/**
 * A fraud rule as data (analytics notes 5.1, 9): what it reads, the windows it looks through, what it measures, when
 * it fires and what that means. No code per rule: the same text is judged live, in shadow and in replay.
 */
import * as v from "valibot";
import { codePoints } from "../../../core/protocol/texts.ts";
import { KEY_GROUPS, type KeyGroup, UNITS } from "./inputs.ts";

const name = v.pipe(v.string(), v.regex(/^[a-z][A-Za-z0-9]{0,39}$/));
const ruleId = v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{2,59}$/));
const semver = v.pipe(v.string(), v.regex(/^\d{1,4}\.\d{1,4}\.\d{1,4}$/));
const safe = v.pipe(v.number(), v.safeInteger());
const prose = v.pipe(v.string(), codePoints(1, 400));
const unit = v.picklist(UNITS);

/** The rule sheet of the national libraries (两库); words in Chinese are theirs, the rule's own name is ours. */
export const ruleMetadata = v.strictObject({
  name: prose,
  english: prose,
  /** 定义 */
  definition: prose,
  /** 逻辑 */
  logic: prose,
  /** 依据 */
  basis: prose,
  /** 规则运行结果类型: what the strongest outcome means. */
  resultType: v.picklist(["明确", "可疑"]),
  /** 时间区间; 滑动窗口 (sliding window) is ours. */
  timeRange: v.picklist(["当次门诊", "当次住院", "自然日", "单日", "自然月", "每季度", "自然年", "医保年度", "滑动窗口"]),
  /** 医疗机构级别 */
  institutionLevels: v.array(v.picklist(["全部", "一级", "二级", "三级"])),
  /** 机构类型 */
  institutionTypes: v.array(v.picklist(["全部", "定点医疗机构", "定点零售药店"])),
  /** 人员类别 */
  personCategories: v.array(v.picklist(["全部", "职工", "居民"])),
  /** 应用场景 */
  scenarios: v.array(v.picklist(["住院", "门急诊", "购药", "互联网诊疗", "异地就医"])),
  /** 监管费用类型 */
  feeTypes: v.array(v.picklist(["全部", "药品", "诊疗项目", "医用耗材"])),
  /** 监管环节 */
  stage: v.picklist(["事前", "事中", "事后"]),
  /** 参保险种 */
  insurance: v.array(v.picklist(["全部", "职工医保", "居民医保"])),
  /** 例外 */
  exceptions: v.array(prose),
});

/** Numbers: integers with a unit. `parameter`, `measure` and `field` name what the rule declares. */
export type NumberExpression =
  | { readonly op: "literal"; readonly value: number; readonly unit: v.InferOutput<typeof unit> }
  | { readonly op: "parameter" | "measure" | "field"; readonly name: string }
  | { readonly op: "add" | "sub" | "mul" | "div"; readonly left: NumberExpression; readonly right: NumberExpression }
  /** Events of the window. */
  | { readonly op: "window.count"; readonly window: string }
  | { readonly op: "window.sum" | "window.distinct"; readonly window: string; readonly field: string }
  /** The value of a number field in the event before this one; unknown when there is none. */
  | { readonly op: "window.last"; readonly window: string; readonly field: string }
  /** Time, way and mean speed since the event before this one; unknown when there is none. */
  | { readonly op: "since" | "distance" | "speed"; readonly window: string }
  /** How many `from` events are each followed by a `to` event that names the same thing. */
  | { readonly op: "sequence"; readonly window: string; readonly from: EventField; readonly to: EventField };
export interface EventField {
  readonly topic: string;
  readonly field: string;
}

export type Condition =
  | { readonly op: "all" | "any"; readonly of: readonly Condition[] }
  | { readonly op: "not"; readonly of: Condition }
  | { readonly op: "gt" | "ge" | "lt" | "le" | "eq" | "ne"; readonly left: NumberExpression; readonly right: NumberExpression }
  | { readonly op: "in"; readonly field: string; readonly texts: readonly string[] }
  | { readonly op: "present"; readonly field: string };

const eventField = v.strictObject({ topic: v.string(), field: name });
const numberExpression: v.GenericSchema<NumberExpression> = v.lazy(() =>
  v.variant("op", [
    v.strictObject({ op: v.literal("literal"), value: safe, unit }),
    v.strictObject({ op: v.picklist(["parameter", "measure", "field"]), name }),
    v.strictObject({ op: v.picklist(["add", "sub", "mul", "div"]), left: numberExpression, right: numberExpression }),
    v.strictObject({ op: v.literal("window.count"), window: name }),
    v.strictObject({ op: v.picklist(["window.sum", "window.distinct"]), window: name, field: name }),
    v.strictObject({ op: v.literal("window.last"), window: name, field: name }),
    v.strictObject({ op: v.picklist(["since", "distance", "speed"]), window: name }),
    v.strictObject({ op: v.literal("sequence"), window: name, from: eventField, to: eventField }),
  ]),
);
const condition: v.GenericSchema<Condition> = v.lazy(() =>
  v.variant("op", [
    v.strictObject({ op: v.picklist(["all", "any"]), of: v.pipe(v.array(condition), v.minLength(1), v.maxLength(32)) }),
    v.strictObject({ op: v.literal("not"), of: condition }),
    v.strictObject({ op: v.picklist(["gt", "ge", "lt", "le", "eq", "ne"]), left: numberExpression, right: numberExpression }),
    v.strictObject({ op: v.literal("in"), field: name, texts: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(64)) }),
    v.strictObject({ op: v.literal("present"), field: name }),
  ]),
);

/** One step of the outcome scale: `from` inclusive, `below` exclusive; a missing end is open. Zero is a limit. */
const band = v.strictObject({
  from: v.optional(safe),
  below: v.optional(safe),
  severity: v.picklist(["clear", "suspicious"]),
  reason: prose,
});
export type Band = v.InferOutput<typeof band>;

export const ruleDefinition = v.strictObject({
  /** Stable over versions and renames. */
  id: ruleId,
  version: semver,
  metadata: ruleMetadata,
  owner: prose,
  keyGroup: v.picklist(Object.keys(KEY_GROUPS) as KeyGroup[]),
  /** The only fields the rule may look at, by topic. */
  inputs: v.record(v.string(), v.array(name)),
  /** Topics whose events are judged; the others only fill windows. */
  triggers: v.pipe(v.array(v.string()), v.minLength(1)),
  /** Thresholds and spans: changing one is a new version of the rule. */
  parameters: v.record(name, v.strictObject({ value: safe, unit })),
  /**
   * Events of `topics` with the trigger's key whose time lies within `span` before the trigger, both ends included.
   * With `gapBelow` only the unbroken run that ends at the trigger: each step shorter than that.
   */
  windows: v.record(name, v.strictObject({ topics: v.pipe(v.array(v.string()), v.minLength(1)), span: name, gapBelow: v.optional(name) })),
  /** Named figures; an alert cites them all. */
  measures: v.record(name, numberExpression),
  when: condition,
  outcome: v.strictObject({ measure: name, bands: v.pipe(v.array(band), v.minLength(1)) }),
  /** Share of an alert in a typology's score. */
  weight: v.pipe(safe, v.minValue(0), v.maxValue(1000)),
  /** Name of the parameter: event time during which one key raises one alert. */
  cooldown: name,
});
export type RuleDefinition = v.InferOutput<typeof ruleDefinition>;
