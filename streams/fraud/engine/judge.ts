/**
 * The interpreter of the rule language: total, without clock and floats of money. What cannot be known (no earlier
 * event, division by zero, beyond 2^53) is unknown, and unknown never fires a rule (three-valued logic of Kleene).
 */
import { type Chains, safeInteger } from "./chains.ts";
import { distanceMetres } from "./distance.ts";
import { INPUT_TOPICS, type InputTopic, NUMBER_FIELDS, type NumberField, type TextField } from "./inputs.ts";
import type { Rule } from "./program.ts";
import { NO_TEXT, NONE, type Reservoir } from "./reservoir.ts";
import type { Band, Condition, NumberExpression } from "./rule.ts";

/** `NaN` is unknown. */
type Figure = (row: number) => number;
type Truth = (row: number) => boolean | undefined;

export interface Verdict {
  readonly band: Band;
  /** Every measure and parameter of the rule, as text. */
  readonly values: Readonly<Record<string, string>>;
  /** Rows that the measures used, the trigger among them, oldest first. */
  readonly evidence: readonly number[];
}

const MS_PER_HOUR = 3_600_000;

/** One rule bound to the state it reads. */
export class Judge {
  readonly rule: Rule;
  readonly #rows: Reservoir;
  readonly #chains: Chains;
  readonly #measures = new Map<string, Figure>();
  readonly #when: Truth;
  /** Figures of the event being judged, computed once each. */
  readonly #memo = new Map<string, number>();

  constructor(rule: Rule, rows: Reservoir, chains: Chains) {
    this.rule = rule;
    this.#rows = rows;
    this.#chains = chains;
    for (const [name, expression] of Object.entries(rule.definition.measures)) this.#measures.set(name, this.#figure(expression));
    this.#when = this.#truth(rule.definition.when);
  }

  /** `undefined` when the rule does not fire for the event in `row`. */
  judge(row: number): Band | undefined {
    this.#memo.clear();
    if (this.#when(row) !== true) return undefined;
    const value = this.#measure(this.rule.definition.outcome.measure, row);
    if (Number.isNaN(value)) return undefined;
    return this.rule.definition.outcome.bands.find(
      ({ from, below }) => (from === undefined || value >= from) && (below === undefined || value < below),
    );
  }

  /** What the rule saw; asked for only when it fires. */
  explain(row: number, band: Band): Verdict {
    const values: Record<string, string> = {};
    for (const [name, { value }] of Object.entries(this.rule.definition.parameters)) values[name] = String(value);
    const evidence = new Set([row]);
    for (const [name, expression] of Object.entries(this.rule.definition.measures)) {
      const value = this.#measure(name, row);
      values[name] = Number.isNaN(value) ? "unknown" : String(value);
      this.#collect(expression, row, evidence);
    }
    return { band, values, evidence: [...evidence].sort((a, b) => this.#rows.compare(a, b)) };
  }

  #measure(name: string, row: number): number {
    const known = this.#memo.get(name);
    if (known !== undefined) return known;
    const value = this.#measures.get(name)?.(row) ?? Number.NaN;
    this.#memo.set(name, value);
    return value;
  }

  #figure(expression: NumberExpression): Figure {
    switch (expression.op) {
      case "literal": {
        const { value } = expression;
        return () => value;
      }
      case "parameter": {
        const value = this.rule.definition.parameters[expression.name]?.value ?? Number.NaN;
        return () => value;
      }
      case "measure":
        return (row) => this.#measure(expression.name, row);
      case "field": {
        const field = expression.name as NumberField;
        return (row) => this.#rows.number(row, field);
      }
      case "add":
      case "sub":
      case "mul":
      case "div":
        return arithmetic(expression.op, this.#figure(expression.left), this.#figure(expression.right));
      case "window.count":
        return this.#count(this.#windowAt(expression.window));
      case "window.sum":
        return this.#sum(this.#windowAt(expression.window), expression.field as NumberField);
      case "window.distinct":
        return this.#distinct(this.#windowAt(expression.window), expression.field as TextField);
      case "window.last": {
        const field = expression.field as NumberField;
        return this.#sincePrevious(expression.window, (_, previous) => this.#rows.number(previous, field));
      }
      case "since":
        return this.#sincePrevious(expression.window, (row, previous) => this.#elapsedMs(row, previous));
      case "distance":
        return this.#sincePrevious(expression.window, (row, previous) => this.#metres(row, previous));
      case "speed":
        // The clock tells no less than a millisecond, so two places at one instant have a speed too.
        return this.#sincePrevious(expression.window, (row, previous) =>
          Math.trunc((this.#metres(row, previous) * MS_PER_HOUR) / Math.max(1, this.#elapsedMs(row, previous))),
        );
      case "sequence":
        return (row) => this.#pairs(expression, row).length;
    }
  }

  #count(window: number): Figure {
    return (row) => (this.#isNewest(row) ? this.#chains.count(this.#chains.chainOf(row), window) : this.#chains.rowsOf(window, row).length);
  }

  #sum(window: number, field: NumberField): Figure {
    const nth = this.#chains.plan.windows[window]?.sums.indexOf(field) ?? NONE;
    return (row) => {
      if (this.#isNewest(row)) return this.#chains.sum(this.#chains.chainOf(row), window, nth);
      let sum = 0;
      for (const at of this.#chains.rowsOf(window, row)) {
        const value = this.#rows.number(at, field);
        if (!Number.isNaN(value)) sum = safeInteger(sum + value);
      }
      return sum;
    };
  }

  #distinct(window: number, field: TextField): Figure {
    const nth = this.#chains.plan.windows[window]?.distincts.indexOf(field) ?? NONE;
    return (row) => {
      if (this.#isNewest(row)) return this.#chains.distinct(this.#chains.chainOf(row), window, nth);
      const members = new Set(this.#chains.rowsOf(window, row).map((at) => this.#rows.symbol(at, field)));
      members.delete(NO_TEXT);
      return members.size;
    };
  }

  #sincePrevious(window: string, figure: (row: number, previous: number) => number): Figure {
    const at = this.#windowAt(window);
    return (row) => {
      const previous = this.#chains.previous(at, row);
      return previous === NONE ? Number.NaN : figure(row, previous);
    };
  }

  /** Pairs of rows (from, to) that name the same thing, the later not before the earlier; each thing once. */
  #pairs(expression: Extract<NumberExpression, { op: "sequence" }>, row: number): readonly (readonly [number, number])[] {
    const from = INPUT_TOPICS.indexOf(expression.from.topic as InputTopic);
    const to = INPUT_TOPICS.indexOf(expression.to.topic as InputTopic);
    const open = new Map<number, number>();
    const pairs: (readonly [number, number])[] = [];
    for (const at of this.#chains.rowsOf(this.#windowAt(expression.window), row).toReversed()) {
      const topic = this.#rows.topic(at);
      if (topic === from) open.set(this.#rows.symbol(at, expression.from.field as TextField), at);
      if (topic !== to) continue;
      const thing = this.#rows.symbol(at, expression.to.field as TextField);
      const opened = open.get(thing);
      if (opened === undefined || thing === NO_TEXT) continue;
      pairs.push([opened, at]);
      open.delete(thing);
    }
    return pairs;
  }

  #truth(condition: Condition): Truth {
    switch (condition.op) {
      case "all":
        return every(condition.of.map((part) => this.#truth(part)));
      case "any": {
        const none = every(condition.of.map((part) => negated(this.#truth(part))));
        return negated(none);
      }
      case "not":
        return negated(this.#truth(condition.of));
      case "in": {
        const texts = new Set(condition.texts);
        const field = condition.field as TextField;
        return (row) => {
          const text = this.#rows.text(row, field);
          return text === undefined ? undefined : texts.has(text);
        };
      }
      case "present": {
        const { field } = condition;
        const isNumber = (NUMBER_FIELDS as readonly string[]).includes(field);
        return (row) =>
          isNumber ? !Number.isNaN(this.#rows.number(row, field as NumberField)) : this.#rows.symbol(row, field as TextField) !== NO_TEXT;
      }
      default:
        return comparison(condition.op, this.#figure(condition.left), this.#figure(condition.right));
    }
  }

  #collect(expression: NumberExpression, row: number, evidence: Set<number>): void {
    switch (expression.op) {
      case "add":
      case "sub":
      case "mul":
      case "div":
        this.#collect(expression.left, row, evidence);
        this.#collect(expression.right, row, evidence);
        return;
      case "window.count":
      case "window.sum":
      case "window.distinct":
        for (const at of this.#chains.rowsOf(this.#windowAt(expression.window), row)) evidence.add(at);
        return;
      case "window.last":
      case "since":
      case "distance":
      case "speed": {
        const previous = this.#chains.previous(this.#windowAt(expression.window), row);
        if (previous !== NONE) evidence.add(previous);
        return;
      }
      case "sequence":
        for (const pair of this.#pairs(expression, row)) for (const at of pair) evidence.add(at);
        return;
      case "literal":
      case "parameter":
      case "field":
      case "measure":
        return;
    }
  }

  #isNewest(row: number): boolean {
    return this.#chains.newest(this.#chains.chainOf(row)) === row;
  }
  #windowAt(window: string): number {
    const at = this.rule.windows.get(window);
    if (at === undefined) throw new Error(`rule ${this.rule.definition.id} has no window ${window}`);
    return at;
  }
  #elapsedMs(row: number, previous: number): number {
    return this.#rows.at(row) - this.#rows.at(previous);
  }
  #metres(row: number, previous: number): number {
    return distanceMetres(this.#position(row), this.#position(previous));
  }
  #position(row: number): { readonly latitude: number; readonly longitude: number } {
    return { latitude: this.#rows.number(row, "latitude"), longitude: this.#rows.number(row, "longitude") };
  }
}

function arithmetic(op: "add" | "sub" | "mul" | "div", left: Figure, right: Figure): Figure {
  switch (op) {
    case "add":
      return (row) => safeInteger(left(row) + right(row));
    case "sub":
      return (row) => safeInteger(left(row) - right(row));
    case "mul":
      return (row) => safeInteger(left(row) * right(row));
    case "div":
      // Toward zero; the remainder of two integers is exact, so the quotient is too. By zero: unknown.
      return (row) => {
        const dividend = left(row);
        const divisor = right(row);
        return safeInteger((dividend - (dividend % divisor)) / divisor);
      };
  }
}

function comparison(op: "gt" | "ge" | "lt" | "le" | "eq" | "ne", left: Figure, right: Figure): Truth {
  return (row) => {
    const difference = left(row) - right(row);
    if (Number.isNaN(difference)) return undefined;
    switch (op) {
      case "gt":
        return difference > 0;
      case "ge":
        return difference >= 0;
      case "lt":
        return difference < 0;
      case "le":
        return difference <= 0;
      case "eq":
        return difference === 0;
      case "ne":
        return difference !== 0;
    }
  };
}

/** False as soon as one part is false; else unknown when one is; parts in their order, cheap ones first by the author. */
function every(parts: readonly Truth[]): Truth {
  return (row) => {
    let all: boolean | undefined = true;
    for (const part of parts) {
      const truth = part(row);
      if (truth === false) return false;
      if (truth === undefined) all = undefined;
    }
    return all;
  };
}

function negated(truth: Truth): Truth {
  return (row) => {
    const value = truth(row);
    return value === undefined ? undefined : !value;
  };
}
