/**
 * The plan of a demo: who goes where, when, with which bill, and which schemes are slipped in. Pure and seeded;
 * the platform and the fraud rules never see the labels.
 */
import type { EventMs } from "../../core/protocol/time.ts";
import type { AccountingDay } from "../../core/settlement/books.ts";
import { addDays, dayOf } from "../../core/settlement/day/accounting-day.ts";
import type { Province, SandboxInstitution, SandboxPerson } from "../sandbox/province.ts";
import type { SeededRandom } from "../sandbox/random.ts";

/** Named by the rule that ought to catch it. */
export type Scheme = "code-two-terminals" | "impossible-travel" | "settle-refund-cycle" | "clustered-cards";

/** Something a person, a cashier or a cheat does at an instant. Acts of the same instant run side by side. */
export type Act =
  | (Scene & { readonly kind: "visit"; readonly identifyFirst: boolean; readonly amountFen: bigint })
  /** `amountFen`: only so much of the bill; all that is left when absent. */
  | (Scene & { readonly kind: "refund"; readonly original: string; readonly amountFen?: bigint })
  /** A visit during which the bank takes the money and its answer is lost, until its statement says so. */
  | (Scene & { readonly kind: "unanswered"; readonly amountFen: bigint })
  | (Scene & { readonly kind: "bad-scan"; readonly defect: "forged" | "expired" | "garbage" })
  | (Scene & { readonly kind: "shown-twice"; readonly secondInstitution: SandboxInstitution; readonly secondTerminal: string });

export interface Scene {
  readonly atMs: number;
  readonly outTradeNo: string;
  readonly person: SandboxPerson;
  readonly institution: SandboxInstitution;
  readonly termId: string;
}

/** Ground truth of one injected scheme: which rule ought to fire, about whom or where. */
export interface InjectedScheme {
  readonly scheme: Scheme;
  readonly institutions: readonly string[];
  readonly terminals: readonly string[];
  /** `appUserId`s, where the scheme is about a person. */
  readonly people: readonly string[];
}

export interface DayPlan {
  readonly acts: readonly Act[];
  readonly injected: readonly InjectedScheme[];
  /** Accounting days in order, and the one after them: what a payer booked before us meets our posting there. */
  readonly days: readonly AccountingDay[];
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const OPEN_MINUTES = 9 * 60;
/** How long a terminal rests after an honest visit, and a person between two. */
const TERMINAL_REST_MINUTES = 2;
const PERSON_REST_MINUTES = 45;
/** One honest visit in this many is given back later. */
const REFUND_EVERY = 12;
const BAD_SCAN_EVERY = 25;
const CHEATS = 16;

export interface DayOptions {
  readonly province: Province;
  readonly random: SeededRandom;
  /** 08:00 of the first day, ms. */
  readonly startMs: number;
  /** Honest bills. */
  readonly settlements: number;
}

export function planDays(options: DayOptions): DayPlan {
  const { province, random, startMs, settlements } = options;
  // Cheats can pay: a scheme that a payer stops by itself would leave the rule nothing to see.
  const cheats = province.people.filter((person) => (person.bank?.balanceFen ?? 0n) >= 1_000_000n).slice(0, CHEATS);
  const honest = province.people.filter((person) => !cheats.includes(person));
  const acts: Act[] = [];
  const terminalFree = new Map<string, number>();
  const personFree = new Map<string, number>();
  const refunded = new Set<string>();
  const perDay = Math.max(1, Math.min(settlements, OPEN_MINUTES * 4));

  for (let n = 0; n < settlements; n++) {
    const opening = startMs + Math.floor(n / perDay) * DAY_MS;
    const minute = Math.floor(((n % perDay) * OPEN_MINUTES) / perDay);
    const scene = honestScene(n, opening + minute * MINUTE_MS);
    if (scene === undefined) continue;
    const visit: Act = { ...scene, kind: "visit", identifyFirst: random.chance(0.3), amountFen: bill(random, scene.institution.kind) };
    acts.push(visit);
    const pair = `${scene.person.appUserId} ${scene.institution.orgId}`;
    if (n % REFUND_EVERY === REFUND_EVERY - 1 && !refunded.has(pair)) {
      refunded.add(pair);
      acts.push({
        ...scene,
        kind: "refund",
        atMs: scene.atMs + 20 * MINUTE_MS,
        outTradeNo: `${scene.outTradeNo}-R`,
        original: scene.outTradeNo,
      });
    }
    if (n % BAD_SCAN_EVERY === BAD_SCAN_EVERY - 1)
      acts.push({
        ...scene,
        kind: "bad-scan",
        outTradeNo: `${scene.outTradeNo}-X`,
        atMs: scene.atMs + 30_000,
        defect: random.pick(["forged", "expired", "garbage"]),
      });
  }
  const injected = injectSchemes(province, cheats, random, startMs, acts);
  const order = (): unknown => acts.sort((a, b) => a.atMs - b.atMs || (a.outTradeNo < b.outTradeNo ? -1 : 1));
  order();
  givePartBack(honest, acts);
  order();
  loseAnAnswer(honest, acts);
  return { acts, injected, days: daysOf(startMs, acts.at(-1)?.atMs ?? startMs) };

  function honestScene(n: number, atMs: number): Scene | undefined {
    for (let attempt = 0; attempt < 200; attempt++) {
      const person = random.pick(honest);
      if ((personFree.get(person.appUserId) ?? 0) > atMs) continue;
      const near = province.institutions.filter((one) => one.city === person.city);
      const institution = near.length > 0 ? random.pick(near) : undefined;
      const terminal = institution?.terminals.slice(1).find((one) => (terminalFree.get(one.termId) ?? 0) <= atMs);
      if (institution === undefined || terminal === undefined) continue;
      personFree.set(person.appUserId, atMs + PERSON_REST_MINUTES * MINUTE_MS);
      terminalFree.set(terminal.termId, atMs + TERMINAL_REST_MINUTES * MINUTE_MS);
      return { atMs, outTradeNo: `D${String(n + 1).padStart(7, "0")}`, person, institution, termId: terminal.termId };
    }
    return undefined;
  }
}

/** Bills as they are: many small, few large. */
function bill(random: SeededRandom, kind: SandboxInstitution["kind"]): bigint {
  const spread = Math.exp((random.unit() + random.unit() + random.unit() - 1.5) * 2.2);
  return BigInt(Math.max(100, Math.round((kind === "hospital" ? 32_000 : 9_000) * spread)));
}

/** Cheats use the first terminal of each site, which honest visitors leave alone, so that labels stay unambiguous. */
function injectSchemes(
  province: Province,
  cheats: readonly SandboxPerson[],
  random: SeededRandom,
  startMs: number,
  acts: Act[],
): InjectedScheme[] {
  const injected: InjectedScheme[] = [];
  const site = (city: string, kind: "hospital" | "pharmacy"): SandboxInstitution => {
    const found = province.institutions.find((one) => one.city === city && one.kind === kind);
    if (found === undefined) throw new Error(`the province has no ${kind} in ${city}`);
    return found;
  };
  const cheat = (at: number): SandboxPerson => {
    const person = cheats[at];
    if (person === undefined) throw new Error("the province has too few people for the schemes");
    return person;
  };

  // 一码多用: the same code photographed and shown at a second terminal.
  for (const [n, [one, other]] of (
    [
      ["成都", "绵阳"],
      ["宜宾", "成都"],
    ] as const
  ).entries()) {
    const institution = site(one, "hospital");
    const secondInstitution = site(other, "hospital");
    acts.push({
      kind: "shown-twice",
      atMs: startMs + (61 + n * 70) * MINUTE_MS + 7_000,
      outTradeNo: `FC${n}`,
      person: cheat(n),
      institution,
      termId: first(institution),
      secondInstitution,
      secondTerminal: first(secondInstitution),
    });
    injected.push({
      scheme: "code-two-terminals",
      institutions: [institution.orgId, secondInstitution.orgId],
      terminals: [first(institution), first(secondInstitution)],
      people: [cheat(n).appUserId],
    });
  }
  // 时空矛盾: face to face in two cities within minutes.
  for (const [n, [one, other]] of (
    [
      ["成都", "攀枝花"],
      ["绵阳", "宜宾"],
    ] as const
  ).entries()) {
    const places = [site(one, "hospital"), site(other, "hospital")];
    for (const [leg, institution] of places.entries())
      acts.push({
        kind: "visit",
        atMs: startMs + (95 + n * 110 + leg * 12) * MINUTE_MS + 11_000,
        outTradeNo: `FT${n}-${leg}`,
        person: cheat(2 + n),
        institution,
        termId: first(institution),
        identifyFirst: true,
        amountFen: bill(random, "hospital"),
      });
    injected.push({
      scheme: "impossible-travel",
      institutions: places.map((place) => place.orgId),
      terminals: places.map(first),
      people: [cheat(2 + n).appUserId],
    });
  }
  // 刷卡-退药-再刷: settle, give back, settle again.
  const pharmacy = site("成都", "pharmacy");
  for (let cycle = 0; cycle < 4; cycle++) {
    const scene = { person: cheat(4), institution: pharmacy, termId: first(pharmacy) };
    const atMs = startMs + (130 + cycle * 40) * MINUTE_MS + 17_000;
    acts.push({ ...scene, kind: "visit", atMs, outTradeNo: `FR${cycle}`, identifyFirst: false, amountFen: 18_600n });
    acts.push({ ...scene, kind: "refund", atMs: atMs + 8 * MINUTE_MS, outTradeNo: `FR${cycle}-R`, original: `FR${cycle}` });
  }
  injected.push({
    scheme: "settle-refund-cycle",
    institutions: [pharmacy.orgId],
    terminals: [first(pharmacy)],
    people: [cheat(4).appUserId],
  });
  // 集中代刷: a handful of people's codes at one terminal within two minutes.
  const store = site("宜宾", "pharmacy");
  for (let n = 0; n < 7; n++)
    acts.push({
      kind: "visit",
      atMs: startMs + 200 * MINUTE_MS + n * 18_000 + 3_000,
      outTradeNo: `FM${n}`,
      person: cheat(6 + n),
      institution: store,
      termId: first(store),
      identifyFirst: false,
      amountFen: 16_800n,
    });
  injected.push({ scheme: "clustered-cards", institutions: [store.orgId], terminals: [first(store)], people: [] });
  return injected;
}

/** A third of one bill is given back, over all its legs. */
function givePartBack(honest: readonly SandboxPerson[], acts: Act[]): void {
  const refunded = new Set(acts.flatMap((act) => (act.kind === "refund" ? [`${act.person.appUserId} ${act.institution.orgId}`] : [])));
  const visit = acts.find(
    (act) =>
      act.kind === "visit" &&
      isSplit(act.person) &&
      honest.includes(act.person) &&
      !refunded.has(`${act.person.appUserId} ${act.institution.orgId}`),
  );
  if (visit?.kind !== "visit") return;
  const { kind: _, identifyFirst: __, amountFen, ...scene } = visit;
  acts.push({
    ...scene,
    kind: "refund",
    atMs: visit.atMs + 35 * MINUTE_MS + 1_000,
    outTradeNo: `${visit.outTradeNo}-P`,
    original: visit.outTradeNo,
    amountFen: amountFen / 3n,
  });
}

/** The last visit of all, so that a bank without answers concerns nobody else. */
function loseAnAnswer(honest: readonly SandboxPerson[], acts: Act[]): void {
  const last = acts.at(-1);
  const seen = acts.findLast((act) => act.kind === "visit" && isSplit(act.person) && honest.includes(act.person));
  if (last === undefined || seen === undefined) return;
  const { person, institution, termId } = seen;
  acts.push({
    kind: "unanswered",
    person,
    institution,
    termId,
    atMs: last.atMs + 60 * MINUTE_MS,
    outTradeNo: "U0000001",
    amountFen: 64_200n,
  });
}

/** Insured with a share left to pay and no personal account to pay it from, so that the bank is sure to have a leg. */
function isSplit(person: SandboxPerson): boolean {
  return person.insurance?.plan.personalAccountFen === 0n && (person.bank?.balanceFen ?? 0n) >= 1_000_000n;
}

function daysOf(startMs: number, lastMs: number): readonly AccountingDay[] {
  const days: AccountingDay[] = [];
  const last = addDays(dayOf(lastMs as EventMs), 1);
  for (let day = dayOf(startMs as EventMs); day <= last; day = addDays(day, 1)) days.push(day);
  return days;
}

function first(institution: SandboxInstitution): string {
  return institution.terminals[0]?.termId ?? "";
}
