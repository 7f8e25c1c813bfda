/**
 * What a glance at a body tells, before it is read: garbage costs a few searches of its text, and no parsing. It says
 * no only where reading could not say yes: what has no brace is no envelope, and an envelope names an institution of
 * this edge and an instant within the window in so many words. All it lets pass is read strictly.
 */
import type { ErrorName } from "../../core/protocol/errors.ts";
import { type EventMs, formatCst14, parseWireTimestamp } from "../../core/protocol/time.ts";
import type { EdgeInstitution, EdgeView } from "../ports.ts";

export interface Glance {
  readonly error: ErrorName;
  /** Whom the refusal is written for, where that is certain. */
  readonly institution?: EdgeInstitution;
}

/** An escape in a key or value would hide it from a search: then reading decides. */
const ESCAPE = "\\";
const ORG_ID = /"orgId"[ \t\r\n]*:[ \t\r\n]*"([0-9A-Za-z][0-9A-Za-z._-]{0,39})"/g;
const TIMESTAMP = /"timestamp"[ \t\r\n]*:[ \t\r\n]*"?([1-9][0-9]{9,13})[",} \t\r\n]/g;
const BEGINS = /^[ \t\r\n]*\{/;

export function glanceAt(view: EdgeView, body: string, window: Window): Glance | undefined {
  if (!BEGINS.test(body)) return { error: "badRequest" };
  if (body.includes(ESCAPE)) return undefined;
  const named = eachOf(ORG_ID, body);
  const known = named.find((orgId) => view.institution(orgId) !== undefined);
  if (known === undefined) return named.length === 0 || named.length >= FOUND_MAX ? undefined : { error: "institutionUnknown" };
  const stamps = eachOf(TIMESTAMP, body);
  if (stamps.length === 0 || stamps.length >= FOUND_MAX || stamps.some((digits) => isWithin(digits, window))) return undefined;
  // With two names in it, reading must say whose envelope it is.
  const institution = named.every((orgId) => orgId === known) ? view.institution(known) : undefined;
  if (institution === undefined || institution.settings.status !== "active") return undefined;
  return { error: "timestampOutside", institution };
}

function isWithin(digits: string, { nowMs, windowMs }: Window): boolean {
  if (digits.length === CST14_LENGTH) {
    // Fixed width: the order of the texts is the order of the instants.
    const { from, to } = boundsAt(nowMs, windowMs);
    return digits >= from && digits <= to;
  }
  const atMs = parseWireTimestamp(digits);
  return atMs === undefined || Math.abs(nowMs - atMs) <= windowMs;
}
const CST14_LENGTH = 14;

interface Window {
  readonly nowMs: number;
  readonly windowMs: number;
}
let bounds = { second: Number.NaN, windowMs: 0, from: "", to: "" };

/** The same for all calls of one second, and a second wider: what is near the edge is for reading to judge. */
function boundsAt(nowMs: number, windowMs: number): { readonly from: string; readonly to: string } {
  const second = Math.floor(nowMs / 1000);
  if (bounds.second !== second || bounds.windowMs !== windowMs) {
    const [from, to] = [second * 1000 - windowMs, (second + 1) * 1000 + windowMs].map((atMs) => formatCst14(atMs as EventMs));
    bounds = { second, windowMs, from: from ?? "", to: to ?? "" };
  }
  return bounds;
}

/** The first group of each match; a handful at most, or it is for reading to judge. */
function eachOf(pattern: RegExp, text: string): readonly string[] {
  const found: string[] = [];
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match !== null && found.length < FOUND_MAX; match = pattern.exec(text)) found.push(match[1] ?? "");
  return found;
}
const FOUND_MAX = 8;
