/** Many stories at once on one shard, beside the model of each; everything that differs is a finding. */
import type { Crypto } from "../../crypto/port.ts";
import { asFen, formatYuan } from "../../protocol/money.ts";
import { settlementId } from "../../protocol/settlement-id.ts";
import { openWorld, type World, type WorldRequest } from "../testing/world.ts";
import type { Settlement } from "../settlement.ts";
import { type Fault, Oracle, type OracleOptions, type RailId, RAIL_IDS, type Step } from "./oracle.ts";
import { type Dice, dice, type Story, story } from "./stories.ts";

export interface TrialOptions {
  readonly crypto: Crypto;
  readonly file: string;
  readonly seed: number;
  readonly stories: number;
  readonly oracle?: OracleOptions;
  /** Payers that do a key's work again. */
  readonly forgetsKeys?: boolean;
  /** What else is to be looked at when every story is told; gives what differs. */
  readonly inspect?: (world: World) => Promise<readonly string[]>;
  /** Every event gets a number of its own: the platform no longer knows a repeat. */
  readonly renumbered?: boolean;
}

interface Told {
  readonly name: string;
  readonly story: Story;
  readonly oracle: Oracle;
}

/** Gives what differs, empty when all agrees. */
export async function trial(options: TrialOptions): Promise<readonly string[]> {
  const random = dice(options.seed);
  const told: Told[] = Array.from({ length: options.stories }, (_, at) => {
    const name = `s${at}`;
    const one = story(random, name);
    return { name, story: one, oracle: new Oracle(one.person, one.faults, options.oracle) };
  });
  const faults = faultsById(options.crypto, told);
  const world = await openWorld({
    crypto: options.crypto,
    file: options.file,
    forgetsKeys: options.forgetsKeys === true,
    faultOf: (rail, action, id) => faults.get(`${id}/${rail}/${action}`),
  });
  try {
    for (const one of told) enrol(world, one);
    return await play(world, told, random, options);
  } finally {
    await world.close();
  }
}

async function play(world: World, told: readonly Told[], random: Dice, options: TrialOptions): Promise<readonly string[]> {
  const findings: string[] = [];
  const rounds = Math.max(...told.map(({ story: { rounds: all } }) => all.length));
  let events = 0;
  for (let round = 0; round < rounds; round++) {
    const requests = told.flatMap(({ story: one }) => (one.rounds[round] ?? []).map((step) => requestOf(one, step, `e${events++}`)));
    world.submit(
      options.renumbered === true ? requests.map((one) => ({ ...one, outTradeNo: `${one.outTradeNo}/${one.eventId}` })) : requests,
    );
    for (const { story: one, oracle } of told) oracle.round(one.rounds[round] ?? []);
    await carryOut(world, random);
    if (random.chance(40)) await reconcile(world, told);
    findings.push(...(await balancesDiffer(world, told, `round ${round}`)));
    if (random.chance(50)) await world.nextDay(random.chance(60));
  }
  // A reversal that nobody answers needs a second statement, and what it then meets a third.
  for (let pass = 0; pass < 4; pass++) await reconcile(world, told);
  await world.nextDay(true);
  await world.shard.drained();
  const settlements = await world.settlements();
  for (const one of told) findings.push(...storyDiffers(world, settlements, one, options.crypto));
  findings.push(...(await balancesDiffer(world, told, "the end")), ...paidTwice(world), ...toldOtherwise(world, settlements));
  findings.push(...(await world.leavesDiffer()), ...((await options.inspect?.(world)) ?? []));
  return findings;
}

/** Quietly, after a restart, or through the end of the process at a random write. */
async function carryOut(world: World, random: Dice): Promise<void> {
  switch (random.pick(["quiet", "quiet", "restart", "killed", "killed"] as const)) {
    case "restart":
      await world.restart();
      return await world.settle();
    case "killed":
      return await world.settleKilled({ write: random.int(1, 12), made: random.chance(50) });
    case "quiet":
      return await world.settle();
  }
}

async function reconcile(world: World, told: readonly Told[]): Promise<void> {
  await world.reconcile();
  for (const { oracle } of told) oracle.reconcile();
}

function storyDiffers(
  world: World,
  settlements: ReadonlyMap<string, Settlement>,
  { story: one, oracle }: Told,
  crypto: Crypto,
): readonly string[] {
  const findings: string[] = [];
  for (const [no, deal] of oracle.deals) {
    const id = settlementId(crypto, one.person.institution, no);
    const settlement = settlements.get(id);
    const ours = settlement === undefined ? "nothing" : `${settlement.standing.state} ${printMoney(moneyOf(settlement))}`;
    const model = `${deal.state} ${printMoney(deal.money)}`;
    if (ours !== model) findings.push(`${no}: the room says ${ours}, the model ${model} (${describe(one, deal.step)})`);
    if (settlement !== undefined && settlement.standing.state === "settled" && sum(moneyOf(settlement)) !== deal.step.amount)
      findings.push(`${no}: the legs do not sum to the bill`);
    const moved = movedFor(world, id, deal.step.kind);
    if (printMoney(moved) !== printMoney(deal.money))
      findings.push(`${no}: the payers moved ${printMoney(moved)}, the model ${printMoney(deal.money)}`);
  }
  const given = new Map<string, Map<string, bigint>>();
  for (const deal of oracle.deals.values())
    if (deal.step.kind === "refund" && deal.state === "refunded") {
      const of = given.get(deal.step.of ?? "") ?? new Map<string, bigint>();
      given.set(deal.step.of ?? "", of);
      for (const [purse, fen] of deal.money) of.set(purse, (of.get(purse) ?? 0n) + fen);
    }
  for (const [of, money] of given)
    for (const [purse, fen] of money)
      if (fen > (oracle.deals.get(of)?.money.get(purse) ?? 0n)) findings.push(`${of}: more was given back of ${purse} than was paid`);
  return findings;
}

/** Every purse against the sum of what the models say was paid and given back. */
async function balancesDiffer(world: World, told: readonly Told[], when: string): Promise<readonly string[]> {
  const expected = new Map<string, bigint>();
  for (const { story: one, oracle } of told)
    for (const deal of oracle.deals.values())
      for (const [purse, fen] of deal.money) {
        const way = deal.step.kind === "settle" ? fen : -fen;
        for (const [whose, moved] of [
          [one.person.institution, way],
          ["payer", -way],
        ] as const)
          expected.set(`${whose} ${purse}`, (expected.get(`${whose} ${purse}`) ?? 0n) + moved);
      }
  const booked = new Map<string, bigint>();
  const bySource = new Map<string, bigint>();
  for (const { account, fundSource, posted } of await world.shard.balances()) {
    const at = account.split("/");
    const purse = `${at[0] === "payer" ? "payer" : at[1]} ${at.at(-3)}/${fundSource}`;
    booked.set(purse, (booked.get(purse) ?? 0n) + posted);
    bySource.set(fundSource, (bySource.get(fundSource) ?? 0n) + posted);
  }
  const findings: string[] = [];
  for (const purse of new Set([...expected.keys(), ...booked.keys()])) {
    const [ours, model] = [booked.get(purse) ?? 0n, expected.get(purse) ?? 0n];
    if (ours !== model) findings.push(`${when}: ${purse} holds ${ours}, the model ${model}`);
  }
  for (const [source, total] of bySource) if (total !== 0n) findings.push(`${when}: ${source} is not conserved, ${total} fen too many`);
  return findings;
}

function paidTwice(world: World): readonly string[] {
  const findings: string[] = [];
  for (const rail of RAIL_IDS) {
    const keys = new Set<string>();
    for (const { key } of world.payers[rail].movements) {
      if (keys.has(key)) findings.push(`${key} was paid twice`);
      keys.add(key);
    }
  }
  return findings;
}

/** Every end is told under one id, and no other, however often the process ended: repeats bear the same id. */
function toldOtherwise(world: World, settlements: ReadonlyMap<string, Settlement>): readonly string[] {
  const outcomes = new Map<string, Set<string>>();
  for (const { headers } of world.told) {
    const [settlement = "", what = ""] = (headers["ce_id"] ?? "").split(".");
    if (["settled", "refused", "refunded"].includes(what))
      outcomes.set(settlement, (outcomes.get(settlement) ?? new Set<string>()).add(what));
  }
  return [...settlements.values()].flatMap(({ id, standing }) => {
    const told = [...(outcomes.get(id) ?? [])].join(", ");
    return told === standing.state ? [] : [`${id} is ${standing.state}, and was told as ${told === "" ? "nothing" : told}`];
  });
}

function movedFor(world: World, id: string, kind: Step["kind"]): Map<string, bigint> {
  const moved = new Map<string, bigint>();
  for (const rail of RAIL_IDS)
    for (const movement of world.payers[rail].byGroup.get(id) ?? []) {
      const way = movement.kind === "reversal" ? -1n : 1n;
      if ((movement.kind === "refund") !== (kind === "refund")) continue;
      for (const { fundSource, amount } of movement.parts) {
        const purse = `${rail}/${fundSource}`;
        moved.set(purse, (moved.get(purse) ?? 0n) + way * amount);
      }
    }
  return moved;
}

function moneyOf(settlement: Settlement): Map<string, bigint> {
  const counts =
    settlement.standing.state === "settled" || settlement.standing.state === "refunded" || settlement.standing.state === "refused";
  if (!counts) return new Map();
  return new Map(
    settlement.legs.flatMap(({ rail, parts }) => parts.map(({ fundSource, amount }) => [`${rail}/${fundSource}`, amount] as const)),
  );
}

function printMoney(money: ReadonlyMap<string, bigint>): string {
  const purses = [...money].filter(([, fen]) => fen !== 0n).map(([purse, fen]) => `${purse}=${fen}`);
  return `[${purses.sort().join(" ")}]`;
}

function sum(money: ReadonlyMap<string, bigint>): bigint {
  return [...money.values()].reduce((total, fen) => total + fen, 0n);
}

function describe(one: Story, step: Step): string {
  const faults = (one.faults.get(step.no) ?? []).map(({ rail, action, kind, count }) => `${rail} ${action} ${kind}×${count}`);
  const text = JSON.stringify({ ...step, person: one.person }, (_, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
  return `${text} faults: ${faults.join(", ")}`;
}

function requestOf({ person }: Story, step: Step, eventId: string): WorldRequest {
  const common = { institution: person.institution, outTradeNo: step.no, eventId };
  if (step.kind === "settle")
    return { ...common, action: "settle", amount: yuan(step.amount ?? 0n), credential: step.no.replace(/-.*/, "") };
  return {
    ...common,
    action: "refund",
    originalOutTradeNo: step.of ?? "",
    ...(step.scope === undefined ? {} : { refundType: step.scope }),
    ...(step.part === undefined ? {} : { refundAmount: yuan(step.part) }),
  };
}

function yuan(fen: bigint): string {
  return formatYuan(asFen(fen));
}

function enrol(world: World, { name, story: { person } }: Told): void {
  const { insurance, commercial, bank } = person;
  if (insurance !== undefined)
    world.payers.insurance.accounts.set(`i-${name}`, { sharePercent: Number(insurance.share), balance: insurance.balance });
  if (commercial !== undefined) world.payers.commercial.accounts.set(`c-${name}`, { sharePercent: Number(commercial.share), balance: 0n });
  if (bank !== undefined) world.payers.bank.accounts.set(`b-${name}`, { balance: bank.balance });
  world.people.set(name, {
    ...(insurance === undefined ? {} : { insurance: { accountId: `i-${name}`, insuOrg: "510104" } }),
    ...(commercial === undefined ? {} : { commercial: { authorisationId: `c-${name}` } }),
    ...(bank === undefined ? {} : { bank: { contractId: `b-${name}` } }),
  });
}

function faultsById(crypto: Crypto, told: readonly Told[]): ReadonlyMap<string, Fault> {
  const found = new Map<string, Fault>();
  for (const { story: one } of told)
    for (const [no, faults] of one.faults) {
      const id = settlementId(crypto, one.person.institution, no);
      for (const fault of faults) found.set(`${id}/${fault.rail satisfies RailId}/${fault.action}`, fault);
    }
  return found;
}
