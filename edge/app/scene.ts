import { businessTypePlace, isSettlingBusinessType } from "../../core/protocol/tables.ts";
import { isBusinessType } from "../../core/protocol/tables.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import type { EdgeInstitution } from "../ports.ts";
import { refuse, type Refusal } from "./call.ts";

/** First levels of S3 C.1 that a kind of institution may use: 01 hospital, 02 pharmacy, 03 app of either. */
const PLACES = { hospital: ["01", "03"], pharmacy: ["02", "03"], app: ["03"] } as const;

/** Whether this institution may ask this at this terminal; `moves` money only under a settling business type. */
export function checkScene(
  institution: EdgeInstitution,
  scene: { readonly businessType: string; readonly termId: string },
  moves: boolean,
): Result<void, Refusal> {
  const { businessType, termId } = scene;
  const places: readonly string[] = PLACES[institution.settings.kind];
  if (!isBusinessType(businessType) || !places.includes(businessTypePlace(businessType))) return refuse("businessTypeRefused");
  if (moves && !isSettlingBusinessType(businessType)) return refuse("businessTypeRefused");
  const terminal = institution.terminals.get(termId);
  if (terminal === undefined) return refuse("terminalUnknown");
  return terminal === "active" ? ok(undefined) : refuse("terminalInactive");
}
