/** A settlement or refund as the room's code handles it, and what a step changes in it. */
import type { ErrorName } from "../protocol/errors.ts";
import type { SealedCredential } from "../protocol/internal.ts";
import type { Fen } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import type { Provenance } from "../../ledger/leaf-draft.ts";
import type { Leg, RailName } from "./plan.ts";
import type { Standing } from "./states.ts";

export type Settlement = SettlementFacts & SettlementProgress;

/** Fixed when the request was accepted. */
export interface SettlementFacts {
  readonly id: string;
  readonly institution: string;
  readonly outTradeNo: string;
  readonly requestHash: Uint8Array;
  readonly action: "settle" | "refund";
  /** The settlement that a refund gives back, and when it was settled. */
  readonly parent: { readonly id: string; readonly settledAtMs: EventMs } | undefined;
  readonly terminal: string;
  readonly businessType: string;
  readonly edge: string;
  readonly amount: Fen;
  /** When the edge made it durable. */
  readonly acceptedAtMs: EventMs;
  readonly recordedAtMs: EventMs;
  readonly provenance: Provenance;
}

/** What steps change. */
export interface SettlementProgress {
  readonly standing: Standing;
  /** Pseudonym (HMAC-SM3, hex), once known. */
  readonly person: string | undefined;
  /** Rails the person has accounts on, once known, in the order of payers. */
  readonly bound: readonly RailName[] | undefined;
  /** Kept sealed until no payer can need the accounts any more. */
  readonly credential: SealedCredential | undefined;
  readonly refusal: ErrorName | undefined;
  readonly unknownRail: RailName | undefined;
  /** The missing answer was already told (event and leaf): once per settlement. */
  readonly unknownReported: boolean;
  readonly decidedAtMs: EventMs | undefined;
  readonly attempt: number;
  /** Counts the steps since acceptance; the database takes each number once. */
  readonly revision: number;
  readonly dueAtMs: EventMs | undefined;
  /** Held or posted legs; of a refund, the legs to give back. */
  readonly legs: readonly Leg[];
  readonly ledgerIndex: bigint | undefined;
}

/** What a step of the saga found out; the shard makes it durable. */
export type Transition =
  | { readonly name: "hold"; readonly person: string; readonly bound: readonly RailName[] }
  | { readonly name: "held"; readonly legs: readonly Leg[] }
  | { readonly name: "settle"; readonly references: ReadonlyMap<RailName, string> }
  | { readonly name: "void"; readonly refusal: ErrorName }
  | { readonly name: "refuse"; readonly refusal: ErrorName; readonly reversed: readonly RailName[] }
  | { readonly name: "refund"; readonly references: ReadonlyMap<RailName, string> }
  | { readonly name: "lose"; readonly rail: RailName; readonly dueAtMs: EventMs };
