/**
 * Domain restriction controls (EMVCo tokenisation; domain notes 3.1, 3.3): where a credential may be used at all,
 * before anyone asks whose it is. Default deny.
 */
import type { Access } from "../access/access.ts";
import type { Terminal } from "../access/directory.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import { isBusinessType, isBusinessTypeOf, isSettlingBusinessType } from "../protocol/tables.ts";
import type { Step } from "./rows.ts";

export interface Scene {
  readonly institution: string;
  readonly terminal: string;
  readonly businessType: string;
}

/** Institution, terminal and business type fit each other and the step; the terminal says where the use happens. */
export function checkScene(access: Access, scene: Scene, step: Step): Result<Terminal, ErrorName> {
  const institution = access.institution(scene.institution);
  if (institution === undefined) return refused("institutionUnknown");
  if (institution.status !== "active") return refused("institutionInactive");
  const terminal = access.terminal(scene.institution, scene.terminal);
  if (terminal === undefined) return refused("terminalUnknown");
  if (terminal.status !== "active") return refused("terminalInactive");
  if (!isBusinessType(scene.businessType)) return refused("businessTypeRefused");
  if (!isBusinessTypeOf(institution.kind, scene.businessType)) return refused("businessTypeRefused");
  if (step !== "resolve" && !isSettlingBusinessType(scene.businessType)) return refused("businessTypeRefused");
  return ok(terminal);
}

/** An edge's clock may run ahead of ours by this much. */
export const CLOCK_SKEW_MS = 5_000;
/**
 * The instant a credential counts as of: when the edge accepted it, within bounds. `ageMaxMs` is the institution's: how
 * long an acceptance of its edge stands while the link is away (`OfflineAllowance`).
 */
export function countingInstant(acceptedAtMs: number, atMs: number, ageMaxMs: number): Result<number, ErrorName> {
  if (!Number.isSafeInteger(acceptedAtMs) || acceptedAtMs > atMs + CLOCK_SKEW_MS) return refused("timestampOutside");
  if (acceptedAtMs < atMs - ageMaxMs) return refused("offlineTooOld");
  return ok(Math.min(acceptedAtMs, atMs));
}
