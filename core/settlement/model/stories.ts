/** Random stories: what one person does at one institution, and what goes wrong with the payers meanwhile. */
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { type Action, type Fault, type Person, RAIL_IDS, type Step } from "./oracle.ts";

export interface Story {
  readonly person: Person;
  /** Steps that arrive together. Bills come alone: two of them would race for one balance. */
  readonly rounds: readonly (readonly Step[])[];
  readonly faults: ReadonlyMap<string, readonly Fault[]>;
}

export interface Dice {
  int(from: number, to: number): number;
  chance(percent: number): boolean;
  pick<T>(items: readonly [T, ...T[]]): T;
}

export function dice(seed: number): Dice {
  const generator = xoroshiro128plus(seed);
  const int = (from: number, to: number): number => uniformInt(generator, from, to);
  return { int, chance: (percent) => int(1, 100) <= percent, pick: (items) => items[int(0, items.length - 1)] ?? items[0] };
}

const ROUNDS = 4;
/** More than anybody asks. */
const FOR_EVER = 99;

export function story(random: Dice, name: string): Story {
  const person = personOf(random);
  const faults = new Map<string, readonly Fault[]>();
  const rounds: Step[][] = [];
  const bills: Step[] = [];
  const sent: Step[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const steps: Step[] = [];
    if (round === 0 || random.chance(25)) steps.push(bill(random, `${name}-${round}`));
    else if (bills.length > 0) for (let n = random.int(0, 2); n >= 0; n--) steps.push(refund(random, `${name}-${round}.${n}`, bills));
    for (const step of steps) {
      const planned = faultsOf(random, step.kind);
      if (planned.length > 0) faults.set(step.no, planned);
      if (step.kind === "settle") bills.push(step);
    }
    sent.push(...steps);
    const [first, ...more] = sent;
    if (first !== undefined && random.chance(30)) steps.push(random.pick([first, ...more]));
    if (first !== undefined && random.chance(10)) steps.push(changed(random.pick([first, ...more])));
    rounds.push(steps);
  }
  return { person, rounds, faults };
}

function personOf(random: Dice): Person {
  const institution = `H5101040000${random.int(1, 5)}`;
  const insurance = { share: BigInt(random.pick([0, 33, 60, 85, 100])), balance: BigInt(random.pick([0, 1, 500, 20_000])) };
  const commercial = { share: BigInt(random.pick([0, 7, 50, 100])) };
  const bank = { balance: BigInt(random.pick([0, 1_000, 50_000, 1_000_000, 1_000_000])) };
  return {
    institution,
    ...(random.chance(85) ? { insurance } : {}),
    ...(random.chance(50) ? { commercial } : {}),
    ...(random.chance(90) ? { bank } : {}),
  };
}

function bill(random: Dice, no: string): Step {
  return { kind: "settle", no, amount: BigInt(random.pick([1, 2, 99, random.int(1, 300), random.int(1, 60_000)])) };
}

function refund(random: Dice, no: string, bills: readonly Step[]): Step {
  const [first, ...more] = bills;
  const of = first === undefined || random.chance(5) ? "never" : random.pick([first, ...more]);
  const scope = random.chance(60) ? { scope: random.pick(["ALL", "CASH", "HI"] as const) } : {};
  const most = of === "never" ? 1 : Number(of.amount ?? 1n);
  const part = random.chance(80) ? { part: BigInt(random.int(1, Math.max(1, random.chance(85) ? Math.ceil(most / 3) : most + 1))) } : {};
  return { kind: "refund", no, of: of === "never" ? of : of.no, ...scope, ...part };
}

/** The same number for something else. */
function changed(step: Step): Step {
  return step.kind === "settle" ? { ...step, amount: (step.amount ?? 0n) + 1n } : { ...step, part: (step.part ?? 0n) + 1n };
}

function faultsOf(random: Dice, kind: Step["kind"]): readonly Fault[] {
  if (kind === "settle" && random.chance(8)) return broken(random);
  const planned: Fault[] = [];
  for (let n = random.pick([0, 0, 0, 1, 1, 2, 3]); n > 0; n--) {
    const fault =
      kind === "refund" ? faultOf(random, "refund") : faultOf(random, random.pick(["authorise", "capture", "capture", "void", "reverse"]));
    if (!planned.some(({ rail, action }) => rail === fault.rail && action === fault.action)) planned.push(fault);
  }
  return planned;
}

/** One payer does not pay, and another does not give back what it took. */
function broken(random: Dice): readonly Fault[] {
  const first = random.pick(["insurance", "commercial", "bank"] as const);
  const second = first === "bank" ? random.pick(["insurance", "commercial"] as const) : "bank";
  const kind = random.pick(["refuse", "lostBefore", "lostAfter", "garbage"] as const);
  return [
    { rail: first, action: "capture", kind: random.pick(["refuse", "holdExpired", "lostBefore"] as const), count: FOR_EVER },
    { rail: second, action: "reverse", kind, count: FOR_EVER },
  ];
}

function faultOf(random: Dice, action: Action): Fault {
  const rail = random.pick([...RAIL_IDS] as ["insurance", "commercial", "bank"]);
  const lost = random.pick(["lostBefore", "lostAfter", "garbage"] as const);
  switch (random.pick(["lost", "lost", "refuse", "wrongAmount", "holdExpired"] as const)) {
    case "lost":
      return { rail, action, kind: lost, count: random.pick([1, 1, FOR_EVER]) };
    case "refuse":
      return { rail, action, kind: "refuse", count: FOR_EVER };
    case "wrongAmount":
      // A hold that is stated wrong every time, so that a restart in between changes nothing.
      if (action === "authorise") return { rail, action, kind: "wrongAmount", count: FOR_EVER };
      return { rail, action, kind: action === "void" ? lost : "wrongAmount", count: 1 };
    case "holdExpired":
      return action === "capture" ? { rail, action, kind: "holdExpired", count: FOR_EVER } : { rail, action, kind: lost, count: 1 };
  }
}
