/** Reading what an entry says; what it cannot say is {@link Impossible}. */
import { asFen } from "../protocol/money.ts";
import { type FundPart, type Leg, RAIL_ORDER, type RailName } from "./plan.ts";

/** What an entry says cannot have happened after the entries before it. */
export class Impossible extends Error {
  override readonly name = "Impossible";
}

export type Facts = ReadonlyMap<string, string>;

export function fact(facts: Facts, name: string): string {
  const value = facts.get(name);
  if (value === undefined) throw new Impossible(`no fact ${name}`);
  return value;
}

export function fen(text: string): bigint {
  if (!/^(?:0|[1-9]\d*)$/.test(text)) throw new Impossible("an amount is no decimal number");
  return BigInt(text);
}

export function signed(text: string): bigint {
  return text.startsWith("-") ? -fen(text.slice(1)) : fen(text);
}

export function railOf(text: string): RailName | undefined {
  return RAIL_ORDER.find((name) => name === text);
}

/** Facts such as `reference.bank`, by rail. */
export function references(facts: Facts, prefix: string): ReadonlyMap<RailName, string> {
  return new Map(
    RAIL_ORDER.flatMap((rail) => (facts.has(`${prefix}.${rail}`) ? [[rail, facts.get(`${prefix}.${rail}`) ?? ""] as const] : [])),
  );
}

/** Facts such as `fen.insurance.hifp_pay`, as legs in the order of payers. */
export function legsOf(facts: Facts, referencePrefix?: string): readonly Leg[] {
  const given = referencePrefix === undefined ? new Map<RailName, string>() : references(facts, referencePrefix);
  return RAIL_ORDER.flatMap((rail): Leg[] => {
    const prefix = `fen.${rail}.`;
    const parts: FundPart[] = [];
    for (const [name, value] of facts)
      if (name.startsWith(prefix)) parts.push({ fundSource: name.slice(prefix.length), amount: asFen(fen(value)) });
    return parts.length === 0 ? [] : [{ rail, parts, railReference: given.get(rail) ?? "" }];
  });
}

export function purses(legs: readonly Leg[]): readonly (readonly [string, bigint])[] {
  return legs.flatMap(({ rail, parts }) => parts.map(({ fundSource, amount }) => [`${rail}/${fundSource}`, amount] as const));
}

/** What an entry says was moved is what was reserved. */
export function agree(said: readonly Leg[], reserved: readonly Leg[]): void {
  if (printPurses(said) !== printPurses(reserved)) throw new Impossible("other amounts than were reserved");
}

function printPurses(legs: readonly Leg[]): string {
  return JSON.stringify(
    purses(legs)
      .map(([purse, amount]) => `${purse}=${amount}`)
      .sort(),
  );
}
