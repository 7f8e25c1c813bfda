/**
 * A ruleset as the engine runs it: rules of one key group share one chain per key, equal windows of several rules
 * are kept once, and every topic knows which rules it triggers.
 */
import type { Crypto } from "../../../core/crypto/port.ts";
import { toHex, utf8 } from "../../../core/protocol/bytes.ts";
import { ok, refused, type Result } from "../../../core/protocol/result.ts";
import * as v from "valibot";
import { canonicalJson } from "../../contracts/canonical.ts";
import { type Field, INPUT_TOPICS, type InputTopic, KEY_GROUPS, type KeyGroup, type NumberField, type TextField } from "./inputs.ts";
import { type NumberExpression, type RuleDefinition, ruleDefinition } from "./rule.ts";
import { declaredFields, RuleError, validateRule } from "./validate.ts";

/**
 * How far behind the newest event an event may come and still be judged exactly: a hospital without WAN over a holiday
 * week, or one partition of a backlog read ahead of another. Events are kept so much longer than their windows.
 */
export const LATENESS_MS = 7 * 86_400_000;
/** Expiry goes by whole hours of event time, so that what is kept depends on the watermark alone. */
export const EXPIRY_STEP_MS = 3_600_000;

/** A set of topics, one bit for each of `INPUT_TOPICS`. */
export type TopicMask = number;

export interface WindowPlan {
  readonly topics: TopicMask;
  readonly spanMs: number;
  /** `Infinity` where the rule sets none. */
  readonly gapBelowMs: number;
  readonly sums: readonly NumberField[];
  readonly distincts: readonly TextField[];
}

export interface GroupPlan {
  readonly name: KeyGroup;
  readonly fields: readonly TextField[];
  /** Topics that any rule of the group reads. */
  readonly topics: TopicMask;
  readonly windows: readonly WindowPlan[];
}

export interface Rule {
  readonly definition: RuleDefinition;
  /** SM3 of the canonical JSON of the definition, hex: what "this version of the rule" means. */
  readonly digest: string;
  /** Index into the groups. */
  readonly group: number;
  readonly triggers: TopicMask;
  /** Topics of the rule's windows. */
  readonly reads: TopicMask;
  readonly spanMsMax: number;
  /** The rule's window names, by index into its group's windows. */
  readonly windows: ReadonlyMap<string, number>;
  readonly cooldownMs: number;
}

export interface Ruleset {
  readonly rules: readonly Rule[];
  readonly groups: readonly GroupPlan[];
  readonly fields: ReadonlySet<Field>;
  /** How long rows of a topic are kept behind the watermark, by index into `INPUT_TOPICS`. */
  readonly retentionMs: readonly number[];
  readonly cooldownMsMax: number;
  /** SM3 over the digests of all rules, hex. */
  readonly digest: string;
}

/** Why a rule was refused; `rule` is its id, or its place when it has none. */
export interface RuleRefusal {
  readonly rule: string;
  readonly reason: string;
}

/** Checks the shape and the sense of one rule. */
export function readRule(definition: unknown): Result<RuleDefinition, { readonly reason: string }> {
  const shape = v.safeParse(ruleDefinition, definition, { abortEarly: true });
  if (!shape.success) {
    const at = v.getDotPath(shape.issues[0]);
    return refused({ reason: `${at ?? "the rule"}: ${shape.issues[0].message}` });
  }
  try {
    validateRule(shape.output);
    return ok(shape.output);
  } catch (error) {
    if (error instanceof RuleError) return refused({ reason: error.message });
    throw error;
  }
}

export function ruleDigest(crypto: Crypto, rule: RuleDefinition): string {
  return toHex(crypto.sm3(utf8(`ronghe/rule/v1\n${canonicalJson(rule)}`)));
}

/** Loads rules in the order given; the first refused one refuses the set. */
export function loadRuleset(definitions: readonly unknown[], crypto: Crypto): Result<Ruleset, RuleRefusal> {
  const checked: RuleDefinition[] = [];
  for (const [at, definition] of definitions.entries()) {
    const rule = readRule(definition);
    if (!rule.ok) return refused({ rule: idOf(definition) ?? `rule ${at + 1}`, reason: rule.error.reason });
    if (checked.some(({ id }) => id === rule.value.id)) return refused({ rule: rule.value.id, reason: "the id is taken" });
    checked.push(rule.value);
  }
  return ok(plan(checked, crypto));
}

function idOf(definition: unknown): string | undefined {
  const id: unknown = typeof definition === "object" && definition !== null ? Reflect.get(definition, "id") : undefined;
  return typeof id === "string" ? id : undefined;
}

function plan(definitions: readonly RuleDefinition[], crypto: Crypto): Ruleset {
  const names = (Object.keys(KEY_GROUPS) as KeyGroup[]).filter((name) => definitions.some(({ keyGroup }) => keyGroup === name));
  const windows: WindowPlan[][] = names.map(() => []);
  const rules = definitions.map((definition): Rule => {
    const group = names.indexOf(definition.keyGroup);
    const own = Object.entries(definition.windows).map(([name]): [string, number] => [name, share(windows[group] ?? [], definition, name)]);
    const plans = own.map(([, at]) => windows[group]?.[at]).filter((plan) => plan !== undefined);
    return {
      definition,
      digest: ruleDigest(crypto, definition),
      group,
      triggers: maskOf(definition.triggers),
      reads: plans.reduce((mask, { topics }) => mask | topics, 0),
      spanMsMax: Math.max(0, ...plans.map(({ spanMs }) => spanMs)),
      windows: new Map(own),
      cooldownMs: definition.parameters[definition.cooldown]?.value ?? 0,
    };
  });
  const groups = names.map((name, at): GroupPlan => {
    const mine = rules.filter(({ group }) => group === at);
    return {
      name,
      fields: KEY_GROUPS[name],
      topics: mine.reduce((mask, { triggers, reads }) => mask | triggers | reads, 0),
      windows: windows[at] ?? [],
    };
  });
  return {
    rules,
    groups,
    fields: new Set<Field>(["institution", "terminal", "person", ...definitions.flatMap(declaredFields)]),
    retentionMs: INPUT_TOPICS.map((_, topic) => LATENESS_MS + widestSpan(rules, 1 << topic)),
    cooldownMsMax: Math.max(0, ...rules.map(({ cooldownMs }) => cooldownMs)),
    digest: toHex(crypto.sm3(utf8(`ronghe/ruleset/v1\n${rules.map(({ digest }) => digest).join("\n")}`))),
  };
}

/** A trigger is kept as long as the rule's windows, since a late event may make it be judged again. */
function widestSpan(rules: readonly Rule[], topic: TopicMask): number {
  return Math.max(0, ...rules.filter(({ reads, triggers }) => ((reads | triggers) & topic) !== 0).map(({ spanMsMax }) => spanMsMax));
}

/** Finds the same window of another rule, or adds one; gives its index. */
function share(plans: WindowPlan[], definition: RuleDefinition, name: string): number {
  const window = definition.windows[name];
  if (window === undefined) throw new Error(`window ${name} was not validated`);
  const wanted: WindowPlan = {
    topics: maskOf(window.topics),
    spanMs: definition.parameters[window.span]?.value ?? 0,
    gapBelowMs: window.gapBelow === undefined ? Infinity : (definition.parameters[window.gapBelow]?.value ?? 0),
    ...aggregatesOf(definition, name),
  };
  const at = plans.findIndex(
    ({ topics, spanMs, gapBelowMs }) => topics === wanted.topics && spanMs === wanted.spanMs && gapBelowMs === wanted.gapBelowMs,
  );
  const found = plans[at];
  if (found === undefined) return plans.push(wanted) - 1;
  plans[at] = {
    ...found,
    sums: [...new Set([...found.sums, ...wanted.sums])],
    distincts: [...new Set([...found.distincts, ...wanted.distincts])],
  };
  return at;
}

function aggregatesOf(definition: RuleDefinition, window: string): Pick<WindowPlan, "sums" | "distincts"> {
  const sums = new Set<NumberField>();
  const distincts = new Set<TextField>();
  const visit = (expression: NumberExpression): void => {
    if ("left" in expression) {
      visit(expression.left);
      visit(expression.right);
    } else if (expression.op === "window.sum" && expression.window === window) sums.add(expression.field as NumberField);
    else if (expression.op === "window.distinct" && expression.window === window) distincts.add(expression.field as TextField);
  };
  for (const expression of expressionsOf(definition)) visit(expression);
  return { sums: [...sums], distincts: [...distincts] };
}

/** Measures, and the numbers compared directly in the condition. */
function expressionsOf(definition: RuleDefinition): readonly NumberExpression[] {
  const found: NumberExpression[] = Object.values(definition.measures);
  const visit = (condition: RuleDefinition["when"]): void => {
    if (condition.op === "all" || condition.op === "any") for (const part of condition.of) visit(part);
    else if (condition.op === "not") visit(condition.of);
    else if ("left" in condition) found.push(condition.left, condition.right);
  };
  visit(definition.when);
  return found;
}

export function maskOf(topics: readonly string[]): TopicMask {
  return topics.reduce((mask, topic) => mask | (1 << INPUT_TOPICS.indexOf(topic as InputTopic)), 0);
}
