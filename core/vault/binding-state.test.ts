import { array, assert, constantFrom, property } from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BINDING_STATES,
  type BindingStanding,
  type BindingState,
  type BindingStep,
  isTerminal,
  isUsable,
  stepBinding,
} from "./binding-state.ts";

const ISSUER = "payer/insurance";
const PERSON = "person";

function standing(state: BindingState): BindingStanding {
  return { state, suspendedBy: state === "SUSPENDED" ? [ISSUER] : [] };
}

const STEPS: Readonly<Record<string, BindingStep>> = {
  activate: { step: "activate" },
  "suspend by issuer": { step: "suspend", by: ISSUER },
  "suspend by person": { step: "suspend", by: PERSON },
  "resume by issuer": { step: "resume", by: ISSUER },
  "resume by person": { step: "resume", by: PERSON },
  revoke: { step: "revoke" },
  expire: { step: "expire" },
};

describe("the life of a binding", () => {
  // Rows: from; columns: steps in the order of STEPS; "-" means refused. SUSPENDED is held by the issuer.
  it.each([
    ["PENDING", ["ACTIVE", "-", "-", "-", "-", "REVOKED", "EXPIRED"]],
    ["ACTIVE", ["-", "SUSPENDED", "SUSPENDED", "-", "-", "REVOKED", "EXPIRED"]],
    ["SUSPENDED", ["-", "-", "SUSPENDED", "ACTIVE", "-", "REVOKED", "EXPIRED"]],
    ["REVOKED", ["-", "-", "-", "-", "-", "-", "-"]],
    ["EXPIRED", ["-", "-", "-", "-", "-", "-", "-"]],
  ] as const)("from %s", (from, expected) => {
    const led = Object.values(STEPS).map((step) => stepBinding(standing(from), step)?.state ?? "-");
    expect(led).toEqual(expected);
  });

  it("stays suspended until every suspender has let go", () => {
    const both = stepBinding({ state: "SUSPENDED", suspendedBy: [ISSUER] }, { step: "suspend", by: PERSON });
    expect(both).toEqual({ state: "SUSPENDED", suspendedBy: [ISSUER, PERSON] });
    const one = both && stepBinding(both, { step: "resume", by: ISSUER });
    expect(one).toEqual({ state: "SUSPENDED", suspendedBy: [PERSON] });
    expect(one && stepBinding(one, { step: "resume", by: PERSON })).toEqual({ state: "ACTIVE", suspendedBy: [] });
  });

  it("after any steps: held exactly when suspended, and terminal for good", () => {
    assert(
      property(array(constantFrom(...Object.values(STEPS)), { maxLength: 30 }), (steps) => {
        let now = standing("PENDING");
        for (const step of steps) {
          const next = stepBinding(now, step);
          expect(isTerminal(now.state) && next !== undefined).toBe(false);
          now = next ?? now;
          expect(now.suspendedBy.length > 0).toBe(now.state === "SUSPENDED");
          expect(new Set(now.suspendedBy).size).toBe(now.suspendedBy.length);
        }
      }),
    );
  });

  it("is usable only while active, and before its term ends", () => {
    const usable = BINDING_STATES.filter((state) => isUsable({ ...standing(state), expiresAtMs: undefined }, 5));
    expect(usable).toEqual(["ACTIVE"]);
    expect(isUsable({ ...standing("ACTIVE"), expiresAtMs: 6 }, 5)).toBe(true);
    expect(isUsable({ ...standing("ACTIVE"), expiresAtMs: 5 }, 5)).toBe(false);
  });
});
