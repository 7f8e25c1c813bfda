/** What the comparison of one day found, in the form in which the books keep it. Pure. */
import type { Crypto } from "../../crypto/port.ts";
import { toHex, utf8 } from "../../protocol/bytes.ts";
import type { EventMs } from "../../protocol/time.ts";
import type { AccountingDay } from "../books.ts";
import type { RailName } from "../plan.ts";
import type { Pair } from "./match.ts";
import type { OpenCall } from "./open-calls.ts";
import type { Case, Unmatched } from "./records.ts";
import { classOf } from "./rules.ts";
import { settlementOfKey, type StatementLine } from "./statement.ts";
import type { Run } from "./store.ts";
import type { OurRow } from "./workbench.ts";

/** One movement is one case, whatever became known of it when. */
export function caseIdOf(
  crypto: Pick<Crypto, "sm3">,
  rail: RailName,
  day: AccountingDay,
  movement: { readonly key: string; readonly reference: string },
): string {
  const named = movement.key === "" ? `reference ${movement.reference}` : `key ${movement.key}`;
  return `${day}-${rail}-${toHex(crypto.sm3(utf8(named))).slice(0, 10)}`;
}

export function ourUnmatched({ rail, day, id: runId }: Run, row: OurRow): Unmatched {
  const { shard, key, kind, institution, settlementId, amount, parts, atMs, railReference: reference } = row;
  const place = { id: `${rail}/${day}/ours/${key}`, rail, day, side: "ours" as const, shard };
  return { ...place, key, reference, kind, institution, settlementId, amount, parts, atMs, runId, line: undefined, state: "waiting" };
}

export function theirUnmatched({ rail, day, id: runId }: Run, row: StatementLine, shard: number): Unmatched {
  const { key, kind, institution, amount, parts, atMs, line, railReference: reference } = row;
  const named = key === "" ? `reference/${kind}/${reference}` : key;
  const place = { id: `${rail}/${day}/theirs/${named}`, rail, day, side: "theirs" as const, shard };
  const settlementId = settlementOfKey(key, rail);
  return { ...place, key, reference, kind, institution, settlementId, amount, parts, atMs, runId, line, state: "waiting" };
}

/** Stands for a call that the payer never carried out. */
export function absentUnmatched({ rail, day, id: runId }: Run, call: OpenCall): Unmatched {
  const { key, shard, settlementId, amount, askedAtMs: atMs } = call;
  const place = { id: `${rail}/${day}/absent/${key}`, rail, day, side: "ours" as const, shard };
  const nothing = { reference: "", kind: "capture" as const, institution: "", parts: [], line: undefined };
  return { ...place, ...nothing, key, settlementId, amount, atMs, runId, state: "healing" };
}

/** Both have the movement and do not agree on it. */
export function caseOfPair(crypto: Pick<Crypto, "sm3">, run: Run, { ours, theirs }: Pair, atMs: EventMs): Case {
  const { key, kind, institution, shard, settlementId } = ours;
  return {
    ...beginning(run, atMs),
    id: caseIdOf(crypto, run.rail, run.day, { key, reference: theirs.railReference }),
    rail: run.rail,
    day: run.day,
    class: "amount",
    shard,
    institution,
    settlementId,
    key,
    kind,
    reference: theirs.railReference,
    ours: { amount: ours.amount, parts: ours.parts },
    theirs: { amount: theirs.amount, parts: theirs.parts },
    atMs: ours.atMs,
    unmatchedId: undefined,
    line: theirs.line,
  };
}

/** A row that has waited long enough. */
export function caseOfUnmatched(crypto: Pick<Crypto, "sm3">, run: Run, row: Unmatched, atMs: EventMs): Case {
  const { rail, day, shard, institution, settlementId, key, reference, kind, amount, parts, line } = row;
  const side = { amount, parts };
  const sides = row.side === "ours" ? { ours: side, theirs: undefined } : { ours: undefined, theirs: side };
  return {
    ...beginning(run, atMs),
    ...sides,
    class: classOf(kind, row.side),
    id: caseIdOf(crypto, rail, day, row),
    rail,
    day,
    shard,
    institution,
    settlementId,
    key,
    reference,
    kind,
    line,
    atMs: row.atMs,
    unmatchedId: row.id,
  };
}

function beginning(run: Run, changedAtMs: EventMs): Pick<Case, "runId" | "statementHash" | "state" | "owner" | "steps" | "changedAtMs"> {
  return { runId: run.id, statementHash: run.statementHash, state: "open", owner: undefined, steps: 1, changedAtMs };
}
