/** One list of what may befall a code that is shown, for every operation that a code is shown to. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { refused, type Refused } from "../core/protocol/result.ts";
import { CODE_USES } from "./app/showing.ts";
import { type Core, EDGE_LIMITS } from "./ports.ts";
import { EC_TOKEN, sceneAt, startPlatform, type TestPlatform } from "./testing/platform.ts";

let p: TestPlatform;
beforeEach(async () => {
  p = await startPlatform({ limits: { coreTrialMs: 10 } });
});
afterEach(async () => {
  await p.stop();
  await p.remove();
});

type Operation = keyof typeof CODE_USES;
const OPERATIONS = Object.keys(CODE_USES) as Operation[];
let serial = 0;
interface Shown {
  readonly outTradeNo?: string;
  readonly terminal?: number;
}

/** Shows a code, and gives the name of the answer. */
async function show(operation: Operation, code: string, { outTradeNo = `S${++serial}`, terminal = 0 }: Shown = {}): Promise<string> {
  const { hospital } = p.institutions;
  const termId = hospital.settings.terminals[terminal]?.termId ?? "";
  const request = { ...sceneAt(hospital), termId, outTradeNo, code };
  const client = p.client(hospital);
  const bill = { ...request, amount: "1.00" };
  const answer = await (operation === "rh.verify"
    ? client.verify(request)
    : operation === "rh.presettle"
      ? client.presettle(bill)
      : client.settle(bill));
  return answer.ok ? "accepted" : String(answer.error.error);
}
/** What the scans say; a repeat is the same event again. */
const scans = async (): Promise<readonly string[]> => [
  ...new Map((await p.events("code.scan.observed.v1")).map(({ id, data }) => [id, data.outcome])).values(),
];
const limitOf = (operation: Operation) => EDGE_LIMITS[CODE_USES[operation].attempts];
/** What an operation says of an opaque code that the core never issued. */
const ofGuess = (operation: Operation): string => (operation === "rh.settle" ? "accepted" : "codeUnknown");

describe.each(OPERATIONS)("%s", (operation) => {
  test("answers guesses of an opaque code at one terminal as often as its limit says, and then says -6", async () => {
    p.core.answer = "codeUnknown";
    const answers: string[] = [];
    for (let n = 0; n < 60; n++) answers.push(await show(operation, p.opaqueCode()));
    const { burst } = limitOf(operation).terminal;
    expect(answers.slice(0, burst)).toEqual(Array.from({ length: burst }, () => ofGuess(operation)));
    expect(new Set(answers.slice(burst))).toEqual(new Set(["rateLimited"]));
    expect((await scans()).filter((outcome) => outcome === "rateLimited")).toHaveLength(60 - burst);
  });

  test("answers no more guesses when they come at once", async () => {
    p.core.answer = "codeUnknown";
    const answers = await Promise.all(Array.from({ length: 60 }, () => show(operation, p.opaqueCode())));
    expect(answers.filter((answer) => answer !== "rateLimited")).toHaveLength(limitOf(operation).terminal.burst);
  });

  test.runIf(CODE_USES[operation].attempts === "guesses").each([
    ["knew", "resolve"],
    ["knew to be used", "codeUsed"],
    ["could not be asked about", "coreUnavailable"],
  ] as const)("counts an opaque code that the core %s as no guess", async (_what, answer) => {
    p.core.answer = answer;
    for (let n = 0; n < 2 * limitOf(operation).terminal.burst; n++)
      expect(await show(operation, p.opaqueCode())).toBe(answer === "resolve" ? "accepted" : answer);
  });

  test("takes a code under one number, at one terminal, and leaves the scan of every other showing", async () => {
    const code = await p.code();
    expect([await show(operation, code, { outTradeNo: "A" }), await show(operation, code, { outTradeNo: "A" })]).toEqual([
      "accepted",
      "accepted",
    ]);
    expect([await show(operation, code, { outTradeNo: "B" }), await show(operation, code, { terminal: 1 })]).toEqual([
      "codeUsed",
      "codeUsed",
    ]);
    expect(await scans()).toEqual(["accepted", "codeUsed", "codeUsed"]);
  });

  test.each([
    ["is unreadable", (): string => "nothing of the kind, and longer than any code", "codeMalformed"],
    ["has ended", (): Promise<string> => p.code({ expiresAtMs: p.clock.now() - 10_000 }), "codeExpired"],
    ["is an unknown app's", (): Promise<string> => p.code({ appId: "5101A0009" }), "channelUnknown"],
    ["is a suspended app's", (): Promise<string> => p.code({ appId: "5101A0008" }), "channelInactive"],
  ] as const)("refuses a code that %s, with its scan, and asks nobody", async (_what, code, error) => {
    expect(await show(operation, await code())).toBe(error);
    expect(await scans()).toEqual([error]);
    expect(p.core.calls.length + p.core.bills.length).toBe(0);
  });
});

/** A core that answers nobody from now on; gives how many calls of the operation reached it. */
function silence(): () => number {
  let reached = 0;
  const never = (): Promise<never> => {
    reached++;
    return new Promise<never>(() => undefined);
  };
  Object.assign(p.core, { resolve: never, presettle: never, statement: never } satisfies Partial<Core>);
  p.core.answer = "coreUnavailable";
  return () => reached;
}

const away = (): Promise<Refused<"coreUnavailable">> => Promise.resolve(refused("coreUnavailable" as const));

/** Calls that the core is asked about, and what is said without it. */
const CORE_CALLS: Readonly<Record<string, { readonly without: string; readonly call: () => Promise<string> }>> = {
  "rh.verify": { without: "accepted", call: async () => await show("rh.verify", await p.code()) },
  "rh.presettle by a code": { without: "coreUnavailable", call: async () => await show("rh.presettle", await p.code()) },
  "rh.presettle by a token": {
    without: "coreUnavailable",
    call: async () => {
      const { hospital } = p.institutions;
      const asked = { ...sceneAt(hospital), outTradeNo: `S${++serial}`, ecToken: EC_TOKEN, amount: "1.00" };
      const answer = await p.client(hospital).presettle(asked);
      return answer.ok ? "accepted" : String(answer.error.error);
    },
  },
  "rh.statement": {
    without: "coreUnavailable",
    call: async () => {
      const answer = await p.client(p.institutions.hospital).statement({ outTradeNo: `S${++serial}`, period: "20261121" });
      return answer.ok ? "accepted" : String(answer.error.error);
    },
  },
};

test.each(Object.entries(CORE_CALLS))(
  "while the core is silent, of twenty calls of %s one tries it, and all are answered",
  async (_, { without, call }) => {
    Object.assign(p.core, { resolve: away, presettle: away, statement: away, answer: "coreUnavailable" });
    // The first finds out.
    expect(await call()).toBe(without);
    const reached = silence();
    const answers = await Promise.all(Array.from({ length: 20 }, call));
    expect(new Set(answers)).toEqual(new Set([without]));
    expect(reached()).toBe(1);
  },
);
