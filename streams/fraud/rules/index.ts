/** The rules that Ronghe ships with; every threshold is a parameter of a version (analytics notes 5.5). */
import type { RuleDefinition } from "../engine/rule.ts";
import { clusteredCards } from "./clustered-cards.ts";
import { codeContested } from "./code-contested.ts";
import { codeTwoTerminals } from "./code-two-terminals.ts";
import { impossibleTravel } from "./impossible-travel.ts";
import { requestForged } from "./request-forged.ts";
import { settleRefundCycle } from "./settle-refund-cycle.ts";

export const SHIPPED_RULES: readonly RuleDefinition[] = [
  codeTwoTerminals,
  impossibleTravel,
  settleRefundCycle,
  clusteredCards,
  codeContested,
  requestForged,
];
