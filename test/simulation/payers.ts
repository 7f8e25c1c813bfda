/** The payers of the simulation: those of the settlement room, reached over a line that fails as HTTP does. */
import { InProcessPayer, type PayerFault } from "../../core/settlement/testing/payers.ts";
import type { Rail, RailAction, Rails } from "../../core/settlement/rails/port.ts";
import type { RailName } from "../../core/settlement/plan.ts";
import type { SeededRandom } from "../../cli/sandbox/random.ts";
import { dieFor, type Fault, type Trace } from "./chance.ts";
import { PEOPLE } from "./founding.ts";
import type { VirtualTime } from "./virtual-time.ts";

const NAMES: Readonly<Record<PayerFault, Fault>> = {
  lostBefore: "payer times out before",
  lostAfter: "payer times out after",
  garbage: "payer answers nonsense",
  wrongAmount: "payer answers nonsense",
  refuse: "payer refuses",
  holdExpired: "payer lets a hold expire",
};
type Planned = { readonly kind: PayerFault; readonly count: number };

export interface PayersOptions {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly die: SeededRandom;
  /** Share of calls that something happens to. */
  readonly trouble: () => number;
  readonly forgetsKeys?: boolean;
}

export type SimPayers = Readonly<Record<RailName, InProcessPayer>>;

export function openSimPayers(options: PayersOptions): SimPayers {
  const { seed, trace, forgetsKeys = false } = options;
  const planned = new Map<string, Planned | undefined>();
  const faultOf = (rail: RailName, action: RailAction, id: string): Planned | undefined => {
    const call = `${rail}/${action}/${id}`;
    if (!planned.has(call)) planned.set(call, plan(dieFor(seed, `payer/${call}`), action));
    const fault = planned.get(call);
    if (fault !== undefined) trace.fault(NAMES[fault.kind], `${rail} ${action}`);
    return fault;
  };
  const payers = {
    insurance: new InProcessPayer("insurance", { faultOf, forgetsKeys }),
    commercial: new InProcessPayer("commercial", { faultOf, forgetsKeys }),
    bank: new InProcessPayer("bank", { faultOf, forgetsKeys }),
  };
  for (const { user, insurance, commercial, bank } of PEOPLE) {
    if (insurance !== undefined) payers.insurance.accounts.set(`insurance-${user}`, { ...insurance });
    if (commercial !== undefined) payers.commercial.accounts.set(`commercial-${user}`, { ...commercial, balance: 0n });
    if (bank !== undefined) payers.bank.accounts.set(`bank-${user}`, { ...bank });
  }
  return payers;
}

function plan(die: SeededRandom, action: RailAction): Planned | undefined {
  if (!die.chance(0.15)) return undefined;
  const lost = { kind: die.pick(["lostBefore", "lostAfter", "garbage"] as const), count: die.int(1, 2) };
  // What undoes something is not refused by a payer that keeps the rules.
  if (action === "void" || action === "reverse" || die.chance(0.6)) return lost;
  if (action === "capture") return { kind: die.pick(["holdExpired", "refuse"] as const), count: 99 };
  return { kind: "refuse", count: 99 };
}

/** The rails as the core calls them, over HTTP in life: late, answered 5xx, sent twice, or never answered. */
export function railsTo(payers: SimPayers, options: PayersOptions): Rails {
  const rail = (payer: InProcessPayer): Rail => {
    const over = async <T extends { readonly kind: string }>(what: string, ask: () => Promise<T>): Promise<T> => {
      const { time, trace, die, trouble } = options;
      await time.sleep(1 + die.int(0, 20));
      trace.note(`core > ${payer.name} ${what}`);
      const fate = die.chance(trouble()) ? die.pick(["serverError", "twice", "arrives"] as const) : "arrives";
      if (fate === "serverError") {
        trace.fault("payer answers 5xx", payer.name);
        return { kind: "unknown", reason: "serverError" } as unknown as T;
      }
      if (fate === "twice") {
        trace.fault("payer called twice", payer.name);
        await ask();
      }
      const answer = await ask();
      await time.sleep(1);
      return answer;
    };
    return {
      name: payer.name,
      authorise: (request, asking) => over(`authorise ${asking}`, () => payer.authorise(request, asking)),
      capture: (request, asking) => over(`capture ${asking}`, () => payer.capture(request)),
      void: (request, asking) => over(`void ${asking}`, () => payer.void(request)),
      refund: (request, asking) => over(`${request.action} ${asking}`, () => payer.refund(request)),
      query: (key) => over("query", () => payer.query(key)),
      close: () => Promise.resolve(),
    };
  };
  return { insurance: rail(payers.insurance), commercial: rail(payers.commercial), bank: rail(payers.bank) };
}
