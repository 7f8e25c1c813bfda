import { isBusinessType, isBusinessTypeOf, isSettlingBusinessType } from "../../core/protocol/tables.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import type { EdgeInstitution } from "../ports.ts";
import { refuse, type Refusal } from "./call.ts";

/** Whether this institution may ask this at this terminal; `moves` money only under a settling business type. */
export function checkScene(
  institution: EdgeInstitution,
  scene: { readonly businessType: string; readonly termId: string },
  moves: boolean,
): Result<void, Refusal> {
  const { businessType, termId } = scene;
  if (!isBusinessType(businessType) || !isBusinessTypeOf(institution.settings.kind, businessType)) return refuse("businessTypeRefused");
  if (moves && !isSettlingBusinessType(businessType)) return refuse("businessTypeRefused");
  const terminal = institution.terminals.get(termId);
  if (terminal === undefined) return refuse("terminalUnknown");
  return terminal === "active" ? ok(undefined) : refuse("terminalInactive");
}
