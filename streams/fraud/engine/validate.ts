/**
 * What a rule must satisfy beyond its shape before it may judge anyone: every name declared, every unit agreeing,
 * every window bounded, the outcome scale without gap or overlap. A rule that cannot be judged is refused here, in words.
 */
import { type Field, INPUT_FIELDS, type InputTopic, KEY_GROUPS, NUMBER_FIELD_UNIT, type NumberField, type Unit } from "./inputs.ts";
import type { Band, Condition, EventField, NumberExpression, RuleDefinition } from "./rule.ts";

/** The widest window a rule may open: what the engine keeps in memory, and what a restart reads again. */
export const SPAN_MS_MAX = 400 * 86_400_000;

/** Thrown and caught inside this room: the first thing wrong with a rule. */
export class RuleError extends Error {
  override readonly name = "RuleError";
}

/** Throws {@link RuleError} for the first defect; the shape has been checked by `ruleDefinition`. */
export function validateRule(rule: RuleDefinition): void {
  checkInputs(rule);
  checkWindows(rule);
  spanOf(rule, rule.cooldown, "the cooldown");
  for (const name of Object.keys(rule.measures)) unitOfMeasure(rule, name, []);
  checkCondition(rule, rule.when);
  if (!Object.hasOwn(rule.measures, rule.outcome.measure)) throw new RuleError(`the outcome names no measure: ${rule.outcome.measure}`);
  checkBands(rule.outcome.bands);
}

function checkInputs(rule: RuleDefinition): void {
  for (const [topic, fields] of Object.entries(rule.inputs)) {
    if (!isInputTopic(topic)) throw new RuleError(`unknown input topic ${topic}`);
    const offered: readonly string[] = INPUT_FIELDS[topic];
    for (const field of fields) if (!offered.includes(field)) throw new RuleError(`unknown field ${field} of ${topic}`);
    for (const field of KEY_GROUPS[rule.keyGroup])
      if (!fields.includes(field)) throw new RuleError(`the key field ${field} is not declared for ${topic}`);
  }
  for (const topic of rule.triggers) declaredTopic(rule, topic, "the triggers");
}

function checkWindows(rule: RuleDefinition): void {
  for (const [name, window] of Object.entries(rule.windows)) {
    for (const topic of window.topics) declaredTopic(rule, topic, `window ${name}`);
    const span = spanOf(rule, window.span, `window ${name}`);
    if (span > SPAN_MS_MAX) throw new RuleError(`window ${name} is wider than ${SPAN_MS_MAX} ms`);
    if (window.gapBelow === undefined) continue;
    spanOf(rule, window.gapBelow, `window ${name}`);
    // A run ends at the trigger, so the trigger must be one of its events.
    for (const topic of rule.triggers)
      if (!window.topics.includes(topic)) throw new RuleError(`window ${name} has a gap, so it must take the trigger ${topic}`);
  }
}

function spanOf(rule: RuleDefinition, parameter: string, whose: string): number {
  const found = Object.hasOwn(rule.parameters, parameter) ? rule.parameters[parameter] : undefined;
  if (found === undefined) throw new RuleError(`${whose} names no parameter: ${parameter}`);
  if (found.unit !== "ms") throw new RuleError(`parameter ${parameter} of ${whose} is in ${found.unit}, not ms`);
  if (found.value < 0) throw new RuleError(`parameter ${parameter} of ${whose} is negative`);
  return found.value;
}

function declaredTopic(rule: RuleDefinition, topic: string, where: string): void {
  if (!Object.hasOwn(rule.inputs, topic)) throw new RuleError(`${where} name the topic ${topic}, which is not among the inputs`);
}

function isInputTopic(topic: string): topic is InputTopic {
  return Object.hasOwn(INPUT_FIELDS, topic);
}

/** A field must be declared for every topic it is read from. */
function checkField(rule: RuleDefinition, field: string, topics: readonly string[]): void {
  for (const topic of topics) if (!rule.inputs[topic]?.includes(field)) throw new RuleError(`field ${field} is not declared for ${topic}`);
}

function isNumberField(field: string): field is NumberField {
  return Object.hasOwn(NUMBER_FIELD_UNIT, field);
}

function numberField(rule: RuleDefinition, field: string, topics: readonly string[]): Unit {
  checkField(rule, field, topics);
  if (!isNumberField(field)) throw new RuleError(`field ${field} is text, a number is wanted`);
  return NUMBER_FIELD_UNIT[field];
}

function textField(rule: RuleDefinition, field: string, topics: readonly string[]): void {
  checkField(rule, field, topics);
  if (isNumberField(field)) throw new RuleError(`field ${field} is a number, text is wanted`);
}

function windowTopics(rule: RuleDefinition, window: string): readonly string[] {
  const found = Object.hasOwn(rule.windows, window) ? rule.windows[window] : undefined;
  if (found === undefined) throw new RuleError(`unknown window ${window}`);
  return found.topics;
}

function unitOfMeasure(rule: RuleDefinition, name: string, seen: readonly string[]): Unit {
  const expression = Object.hasOwn(rule.measures, name) ? rule.measures[name] : undefined;
  if (expression === undefined) throw new RuleError(`unknown measure ${name}`);
  if (seen.includes(name)) throw new RuleError(`measure ${name} refers to itself`);
  return unitOf(rule, expression, [...seen, name]);
}

function unitOf(rule: RuleDefinition, expression: NumberExpression, seen: readonly string[]): Unit {
  switch (expression.op) {
    case "literal":
      return expression.unit;
    case "parameter": {
      const found = Object.hasOwn(rule.parameters, expression.name) ? rule.parameters[expression.name] : undefined;
      if (found === undefined) throw new RuleError(`unknown parameter ${expression.name}`);
      return found.unit;
    }
    case "measure":
      return unitOfMeasure(rule, expression.name, seen);
    case "field":
      return numberField(rule, expression.name, rule.triggers);
    case "add":
    case "sub":
    case "mul":
    case "div":
      return unitOfArithmetic(expression.op, unitOf(rule, expression.left, seen), unitOf(rule, expression.right, seen));
    case "window.count":
      windowTopics(rule, expression.window);
      return "count";
    case "window.sum":
    case "window.last":
      return numberField(rule, expression.field, windowTopics(rule, expression.window));
    case "window.distinct":
      textField(rule, expression.field, windowTopics(rule, expression.window));
      return "count";
    case "since":
      windowTopics(rule, expression.window);
      return "ms";
    case "distance":
    case "speed": {
      const topics = [...windowTopics(rule, expression.window), ...rule.triggers];
      for (const field of ["latitude", "longitude"]) numberField(rule, field, topics);
      return expression.op === "distance" ? "m" : "m/h";
    }
    case "sequence": {
      const topics = windowTopics(rule, expression.window);
      for (const { topic, field } of [expression.from, expression.to]) checkSequenceEnd(rule, topics, { topic, field });
      if (expression.from.topic === expression.to.topic) throw new RuleError("a sequence leads from one topic to another");
      return "count";
    }
  }
}

function checkSequenceEnd(rule: RuleDefinition, topics: readonly string[], end: EventField): void {
  if (!topics.includes(end.topic)) throw new RuleError(`the sequence names ${end.topic}, which its window does not take`);
  textField(rule, end.field, [end.topic]);
}

/** Sums keep one unit; a product needs a plain count on one side; a ratio of like units is a count. */
function unitOfArithmetic(op: "add" | "sub" | "mul" | "div", left: Unit, right: Unit): Unit {
  if (op === "add" || op === "sub") {
    if (left !== right) throw new RuleError(`${op} mixes units: ${left} and ${right}`);
    return left;
  }
  if (right === "count") return left;
  if (op === "mul" && left === "count") return right;
  if (op === "div" && left === right) return "count";
  throw new RuleError(`${op} mixes units: ${left} and ${right}`);
}

function checkCondition(rule: RuleDefinition, condition: Condition): void {
  switch (condition.op) {
    case "all":
    case "any":
      for (const part of condition.of) checkCondition(rule, part);
      return;
    case "not":
      return checkCondition(rule, condition.of);
    case "in":
      return textField(rule, condition.field, rule.triggers);
    case "present":
      return checkField(rule, condition.field, rule.triggers);
    default: {
      const left = unitOf(rule, condition.left, []);
      const right = unitOf(rule, condition.right, []);
      if (left !== right) throw new RuleError(`${condition.op} compares units that differ: ${left} and ${right}`);
    }
  }
}

/** Bands rise without gap or overlap, and the last one is open, so that whatever fired has exactly one outcome. */
function checkBands(bands: readonly Band[]): void {
  for (const [at, band] of bands.entries()) {
    if (band.from !== undefined && band.below !== undefined && band.below <= band.from) throw new RuleError(`band ${at + 1} is empty`);
    const next = bands[at + 1];
    if (next === undefined) {
      if (band.below !== undefined) throw new RuleError("the last band must be open above");
      return;
    }
    if (band.below === undefined || next.from === undefined || next.from < band.below)
      throw new RuleError(`bands ${at + 1} and ${at + 2} overlap`);
    if (next.from > band.below) throw new RuleError(`bands ${at + 1} and ${at + 2} leave a gap`);
  }
}

/** All fields a rule keeps in the state. */
export function declaredFields(rule: RuleDefinition): readonly Field[] {
  return Object.values(rule.inputs).flat() as Field[];
}
