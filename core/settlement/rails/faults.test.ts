/** What each adapter answers to each thing a payer can do wrong, over real HTTP: done, refused or unknown, never a guess. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RailName } from "../plan.ts";
import { FAULT_KINDS, type FaultKind, type FaultRequest } from "./sandbox/faults.ts";
import { asking, leg, openPayersRig, type PayersRig } from "./testing/payers-rig.ts";
import type { MoveAnswer, Payer, VoidAnswer } from "./port.ts";

const RAILS = ["insurance", "commercial", "bank"] as const satisfies readonly RailName[];
const ACTIONS = ["authorise", "capture", "refund"] as const;
type Action = (typeof ACTIONS)[number];
/** Long enough for a busy machine to answer in, short enough to wait for. */
const TIMEOUT_MS = 1_000;
/** Faults that make the caller wait. */
const SLOW = ["timeoutBefore", "timeoutAfter", "lateAnswer"] as const satisfies readonly FaultKind[];
const QUICK = FAULT_KINDS.filter((kind) => !SLOW.some((slow) => slow === kind));
const SEEDS = [
  { rail: "insurance", account: "psn-0042-secret", sharePercent: 60 },
  { rail: "commercial", account: "c1", sharePercent: 50 },
  { rail: "bank", account: "b1", balance: "100000000.00" },
] as const;
/** Of a bill of 10.00. */
const TAKEN = { insurance: "6.00", commercial: "5.00", bank: "10.00" } as const;

let rig: PayersRig;
beforeAll(async () => {
  rig = await openPayersRig({ timeoutMs: TIMEOUT_MS, seeds: SEEDS });
});
afterAll(async () => await rig.close());

let number = 0;
/** Brings a new settlement as far as the step before `action`, and gives the step. */
async function upTo(rail: RailName, action: Action): Promise<() => Promise<MoveAnswer | { readonly kind: "unasked" }>> {
  const payer: Payer = rig.payers[rail];
  const id = `s${++number}`;
  const amount = leg(id, TAKEN[rail]).amount;
  if (action !== "authorise") await payer.authorise(asking(rail, id, "10.00"), "first");
  if (action === "refund") await payer.capture(leg(id, amount), "first");
  switch (action) {
    case "authorise":
      return async () => await payer.authorise(asking(rail, id, "10.00"), "first");
    case "capture":
      return async () => await payer.capture(leg(id, amount), "first");
    case "refund":
      return async () => await payer.refund({ ...leg(id, amount), refundId: id, action: "refund" }, "first");
  }
}

/** One fault on one call: what the caller is told at once. Everything that can be healed by asking again is. */
const ONCE: Readonly<Record<FaultKind, string>> = {
  timeoutBefore: "done",
  timeoutAfter: "done",
  serverError: "done",
  serverErrorAfter: "done",
  refuse: "refused declined",
  wrongAmount: "wrong",
  garbage: "done",
  errorText: "done",
  duplicateAnswer: "done",
  lateAnswer: "done",
};
/** The same on every send and on every question after it. */
const ALWAYS: Readonly<Record<FaultKind, string>> = {
  timeoutBefore: "unknown timeout",
  timeoutAfter: "unknown timeout",
  serverError: "unknown serverError",
  serverErrorAfter: "unknown serverError",
  refuse: "refused declined",
  wrongAmount: "wrong",
  garbage: "unknown garbage",
  errorText: "unknown garbage",
  duplicateAnswer: "unknown garbage",
  lateAnswer: "unknown timeout",
};

function told(answer: MoveAnswer | { readonly kind: "unasked" }, expected: bigint): string {
  if (answer.kind === "done") return answer.amount === expected ? "done" : "wrong";
  return answer.kind === "unasked" ? "unasked" : `${answer.kind} ${answer.reason}`;
}

/** What an insurer that says another amount is told to be: its own checks find a refund of another amount at once. */
function expectedOf(table: Readonly<Record<FaultKind, string>>, rail: RailName, action: Action, kind: FaultKind): string {
  // There the last word is the question by key, which fails too.
  if (rail !== "insurance") return table === ALWAYS && table[kind].startsWith("unknown") ? "unknown serverError" : table[kind];
  if (kind === "wrongAmount" && action !== "authorise") return action === "refund" && table === ONCE ? "done" : "unknown garbage";
  // Told twice under one msgid, an error text is a failure (Hunan).
  return kind === "errorText" && table === ALWAYS ? "refused declined" : table[kind];
}

describe.each(RAILS)("the %s adapter", (rail) => {
  const cases = ACTIONS.flatMap((action) => QUICK.map((kind) => [action, kind] as const));
  const arm = (fault: Omit<FaultRequest, "rail">): Promise<void> => rig.fault({ rail, ...fault } as FaultRequest);

  test.each(cases)("%s: %s once", async (action, kind) => {
    const step = await upTo(rail, action);
    await arm({ action, kind, count: 1 });
    const answer = await step();
    await rig.clearFaults();
    expect(told(answer, leg("", TAKEN[rail]).amount)).toBe(expectedOf(ONCE, rail, action, kind));
  });

  test.each(cases.filter(([action]) => action === "capture"))("%s: %s on every call", async (action, kind) => {
    const step = await upTo(rail, action);
    await arm({ action, kind, count: 2 });
    if (rail !== "insurance" && kind !== "refuse" && kind !== "wrongAmount") await arm({ action: "query", kind: "serverError", count: 2 });
    const answer = await step();
    await rig.clearFaults();
    expect(told(answer, leg("", TAKEN[rail]).amount)).toBe(expectedOf(ALWAYS, rail, action, kind));
    // Whatever it was told: asked again without the fault, the payer says what is true, and it was done once.
    const after = await step();
    if (kind !== "refuse" && !(rail === "insurance" && kind === "errorText")) expect(told(after, leg("", TAKEN[rail]).amount)).toBe("done");
    expect(await rig.totals()).toMatchObject({ doubled: 0 });
  });

  test.each(["refuse", "serverErrorAfter", "garbage"] as const)("void: %s once", async (kind) => {
    const payer: Payer = rig.payers[rail];
    const id = `s${++number}`;
    await payer.authorise(asking(rail, id, "10.00"), "first");
    await arm({ action: "void", kind, count: 1 });
    const answer: VoidAnswer = await payer.void(leg(id, TAKEN[rail]), "first");
    await rig.clearFaults();
    // An insurer holds nothing: it is not even asked.
    const refused = kind === "refuse" && rail !== "insurance";
    expect(answer.kind).toBe(refused ? "refused" : "done");
  });

  test("an unreachable payer is unknown, and nothing is done", async () => {
    const step = await upTo(rail, "capture");
    await rig.sandbox.close();
    const answer = await step();
    await rig.restartSandbox();
    expect(told(answer, 0n)).toBe("unknown unreachable");
    expect(told(await step(), leg("", TAKEN[rail]).amount)).toBe("done");
  });
});

const all = (answerOf: (rail: RailName) => string): readonly string[] =>
  RAILS.flatMap((rail) => ACTIONS.map((action) => `${rail} ${action}: ${answerOf(rail)}`));

describe("a payer that keeps its caller waiting", () => {
  /** On every rail and at every step at once; all are brought as far as that step before the first fault is armed. */
  async function everywhere(kind: (typeof SLOW)[number], count: number): Promise<readonly string[]> {
    const prepared: { readonly rail: RailName; readonly action: Action; readonly step: Awaited<ReturnType<typeof upTo>> }[] = [];
    for (const rail of RAILS) for (const action of ACTIONS) prepared.push({ rail, action, step: await upTo(rail, action) });
    for (const { rail, action } of prepared) {
      await rig.fault({ rail, action, kind, count });
      if (count > 1) await rig.fault({ rail, action: "query", kind: "serverError", count });
    }
    const answers = prepared.map(async ({ rail, action, step }) => `${rail} ${action}: ${told(await step(), leg("", TAKEN[rail]).amount)}`);
    const all = await Promise.all(answers);
    await rig.clearFaults();
    return all;
  }
  test.each(SLOW)("(%s) once is found by asking again", async (kind) => {
    expect(await everywhere(kind, 1)).toEqual(all(() => "done"));
  });

  test("for ever is unknown", async () => {
    expect(await everywhere("timeoutBefore", 2)).toEqual(all((rail) => (rail === "insurance" ? "unknown timeout" : "unknown serverError")));
  });
});

test("a hundred calls that each wait 50 ms at the payer wait together", async () => {
  for (const rail of RAILS) await rig.admin("/admin/delay", { rail, ms: 50 });
  const ids = Array.from({ length: 100 }, () => `s${++number}`);
  const startedMs = performance.now();
  const answers = await Promise.all(ids.map((id) => rig.payers.bank.authorise(asking("bank", id, "1.00"), "first")));
  const tookMs = performance.now() - startedMs;
  for (const rail of RAILS) await rig.admin("/admin/delay", { rail, ms: 0 });
  expect(new Set(answers.map((answer) => answer.kind))).toEqual(new Set(["done"]));
  // One after the other they would take five seconds at the least.
  expect(tookMs).toBeLessThan(5_000);
});
