/** The auditor's own question about a period, as he writes it: on a command line, in the fields of the page. */
import { isIdentifier, isName } from "./bytes.ts";
import type { Policy } from "./note.ts";
import { EVERYBODY, type RangeQuestion } from "./range.ts";

/** Left empty: the only log that the policy names; the beginning of the log; up to the checkpoint. */
export interface WrittenQuestion {
  readonly log: string;
  readonly institution: string;
  readonly from: string;
  readonly to: string;
}

export type QuestionField = keyof WrittenQuestion;

/** The question, or the fields that cannot be read. */
export type ReadQuestion =
  | { readonly ok: true; readonly question: RangeQuestion }
  | { readonly ok: false; readonly wrong: readonly QuestionField[] };

/** `logs` are those that the policy names: with one of them nothing has to be said. */
export function readQuestion(written: WrittenQuestion, logs: readonly string[]): ReadQuestion {
  const only = logs.length === 1 ? (logs[0] ?? "") : "";
  const origin = written.log === "" ? only : written.log;
  const fromMs = written.from === "" ? 0n : instantOf(written.from);
  const toMs = written.to === "" ? undefined : instantOf(written.to);
  const institution = written.institution === EVERYBODY ? undefined : written.institution;
  const wrong: QuestionField[] = [];
  if (!isName(origin)) wrong.push("log");
  if (institution !== undefined && !isIdentifier(institution)) wrong.push("institution");
  if (fromMs === undefined) wrong.push("from");
  if (written.to !== "" && (toMs === undefined || (fromMs !== undefined && toMs <= fromMs))) wrong.push("to");
  return wrong.length > 0 || fromMs === undefined ? { ok: false, wrong } : { ok: true, question: { origin, institution, fromMs, toMs } };
}

/** Every log that a policy names. */
export function logsOf({ logs }: Policy): readonly string[] {
  return [...new Set(logs.flatMap((key) => key.origins ?? []))];
}

const DAY_MS = 86_400_000;
const CHINA_MS = 8 * 3_600_000;

/** A day `yyyy-mm-dd` begins at midnight of UTC+8; with a time of day and its zone, an instant. */
export function instantOf(written: string): bigint | undefined {
  const [, date = "", time] = /^(\d{4}-\d{2}-\d{2})(T.+(?:Z|[+-]\d{2}:\d{2}))?$/.exec(written) ?? [];
  const midnight = Date.parse(`${date}T00:00:00Z`);
  // Of a day that its month does not have, `Date` makes one of the next.
  if (Number.isNaN(midnight) || midnight % DAY_MS !== 0 || new Date(midnight).toISOString().slice(0, 10) !== date) return undefined;
  const ms = time === undefined ? midnight - CHINA_MS : Date.parse(written);
  return Number.isNaN(ms) ? undefined : BigInt(Math.max(0, ms));
}
