/**
 * Life of a binding (domain notes 3.2): PENDING → ACTIVE ⇄ SUSPENDED → REVOKED, and EXPIRED by time.
 * A binding stays suspended while any suspender holds it, and only the same party lets go. Revoked and expired
 * are terminal.
 */
export const BINDING_STATES = ["PENDING", "ACTIVE", "SUSPENDED", "REVOKED", "EXPIRED"] as const;
export type BindingState = (typeof BINDING_STATES)[number];

export interface BindingStanding {
  readonly state: BindingState;
  /** Sorted, without repeats; not empty exactly when suspended. */
  readonly suspendedBy: readonly string[];
}

export type BindingStep =
  | { readonly step: "activate" }
  | { readonly step: "suspend"; readonly by: string }
  | { readonly step: "resume"; readonly by: string }
  | { readonly step: "revoke" }
  | { readonly step: "expire" };

/** Where a step leads; `undefined` when it is not allowed from here. */
export function stepBinding(from: BindingStanding, step: BindingStep): BindingStanding | undefined {
  if (from.state === "REVOKED" || from.state === "EXPIRED") return undefined;
  switch (step.step) {
    case "activate":
      return from.state === "PENDING" ? { state: "ACTIVE", suspendedBy: [] } : undefined;
    case "suspend":
      if (from.state === "PENDING" || from.suspendedBy.includes(step.by)) return undefined;
      return { state: "SUSPENDED", suspendedBy: [...from.suspendedBy, step.by].sort() };
    case "resume": {
      if (!from.suspendedBy.includes(step.by)) return undefined;
      const left = from.suspendedBy.filter((party) => party !== step.by);
      return { state: left.length === 0 ? "ACTIVE" : "SUSPENDED", suspendedBy: left };
    }
    case "revoke":
      return { state: "REVOKED", suspendedBy: [] };
    case "expire":
      return { state: "EXPIRED", suspendedBy: [] };
  }
}

/** Terminal states hold no account any more: the sealed value is destroyed with the step. */
export function isTerminal(state: BindingState): boolean {
  return state === "REVOKED" || state === "EXPIRED";
}

/** Whether the binding may be used at an instant: active, and its term not over. */
export function isUsable(binding: BindingStanding & { readonly expiresAtMs: number | undefined }, atMs: number): boolean {
  return binding.state === "ACTIVE" && (binding.expiresAtMs === undefined || atMs < binding.expiresAtMs);
}
