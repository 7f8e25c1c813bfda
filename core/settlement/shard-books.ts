/**
 * The books of a shard: what reconciliation and day close may do to it. Each is one piece of work in the shard's group
 * commit, with its entry in the same transaction.
 */
import type { Crypto } from "../crypto/port.ts";
import { toHex } from "../protocol/bytes.ts";
import type { EventMs } from "../protocol/time.ts";
import type { LeafDraft, LedgerPosition } from "../../ledger/leaf-draft.ts";
import type { Log } from "../../ledger/port.ts";
import { type Database, insertRows } from "../../migrations/database.ts";
import type { Batch, Planned } from "./batch.ts";
import { printOffsets, readBooks, statementKey } from "./books-reader.ts";
import type {
  AccountingDay,
  Adjustment,
  AdjustmentRefusal,
  Correction,
  DaySeal,
  Evidence,
  Healing,
  SealRefusal,
  ShardBooks,
  SupplementRefusal,
} from "./books.ts";
import { bookedLeg, readKey } from "./booked-leg.ts";
import type { Committer } from "./committer.ts";
import { addDays, dayEnd, dayOf } from "./day/accounting-day.ts";
import { effectsOfHealing } from "./effects.ts";
import { giveBack, readKept } from "./kept.ts";
import { lateAnswerLeaf, printParts } from "./leaves.ts";
import type { Moment } from "./moment.ts";
import { integerOf, textOf } from "./rows.ts";
import type { Settlement } from "./settlement.ts";
import { isTerminal, stepOf } from "./states.ts";
import type { Store } from "./store.ts";
import { returnRefusal, supplement, supplementRefusal, takeBack } from "./supplements.ts";
import { adjustmentTransfers } from "./transfers.ts";
import { listHash } from "./trial-balance.ts";

export interface ShardBooksOptions {
  readonly db: Database;
  readonly log: Log;
  readonly store: Store;
  readonly committer: Committer;
  readonly crypto: Pick<Crypto, "sm3">;
  readonly shard: number;
  /** A settlement was given back to the saga: who holds an older picture of it must read it again. */
  readonly onHealed: (after: Settlement) => void;
  /** A refund was begun here, and is to be carried out. */
  readonly onOpened: () => void;
  readonly onKept: (listener: () => void) => void;
}

/** What an adjustment's entry is called. */
const ADJUSTMENT_KINDS = { suspend: "adjustment.suspended", release: "adjustment.released", writeOff: "adjustment.writtenOff" } as const;

export function openShardBooks(options: ShardBooksOptions): ShardBooks {
  const { db, committer, crypto, shard } = options;
  const reader = readBooks(db, crypto);
  return {
    shard,
    postings: (query) => reader.postings(query),
    openKeys: (rail) => reader.openKeys(rail),
    trialBalance: (day) => reader.trialBalance(day),
    seals: () => reader.seals(),
    kept: () => readKept(db),
    onKept: options.onKept,
    async giveBack(asked) {
      const answer = await committer.submit({ with: "alone", plan: (batch, moment) => giveBack(options, asked, batch, moment) });
      if (answer === "begun") options.onOpened();
      return answer;
    },
    heal: (evidence) => committer.submit({ with: "alone", plan: (batch, moment) => heal(options, evidence, batch, moment) }),
    adjust: (adjustment) => committer.submit({ with: "alone", plan: (batch, moment) => adjust(options, adjustment, batch, moment) }),
    supplement: (order) => committer.submit({ with: "alone", plan: (batch, moment) => supplement(options, order, batch, moment) }),
    takeBack: (order) => committer.submit({ with: "alone", plan: (batch, moment) => takeBack(options, order, batch, moment) }),
    refusalOf: (correction) => refusalOf(options, correction),
    record: (draft) =>
      committer.submit({
        with: "others",
        plan(batch) {
          const leafAt = batch.append(draft);
          return (positionOf) => positionOf(leafAt);
        },
      }),
    seal: (day, atMs) => committer.submit({ with: "alone", plan: (batch, moment) => sealDay(options, { day, atMs }, batch, moment) }),
  };
}

/** Find, check, and then nothing fails. What the books know already is never changed by a statement. */
async function heal(options: ShardBooksOptions, evidence: Evidence, batch: Batch, moment: Moment): Promise<Planned<Healing>> {
  const { key, rail, found } = evidence;
  const call = readKey(key);
  if (call === undefined || call.rail !== rail) return unchanged("unknownKey");
  const settlement = (await options.store.byId([call.id])).get(call.id);
  if (settlement === undefined || (call.action === "refund") !== (settlement.action === "refund")) return unchanged("unknownKey");

  const leg = await bookedLeg(options.db, call);
  if (leg.counted) return unchanged(found.kind === "done" && found.amount === leg.amount ? "notOpen" : "contradicts");
  const [told] = await options.db.read("SELECT taken FROM evidence WHERE key=? AND statement_hash=?", key, evidence.statementHash);
  const missing = settlement.missing.filter((one) => statementKey(call.id, one) !== key);
  const isWaitedFor = missing.length < settlement.missing.length && stepOf(settlement.standing) !== "holding";
  if (isWaitedFor && told === undefined) {
    if (found.kind === "done" && (found.amount !== leg.amount || !agrees(found.parts, leg.parts))) return unchanged("contradicts");
    // From here nothing fails.
    const facts = { key, rail, found: found.kind, ...foundFacts(found), statementHash: evidence.statementHash, runId: evidence.runId };
    const effects = effectsOfHealing(settlement, { proven: { key, found }, missing, facts }, moment);
    const leafAt = batch.leaves.length;
    const planned = batch.step(effects);
    keepEvidence(batch, evidence, { settlementId: call.id, taken: true, leafAt });
    return (positionOf) => {
      options.onHealed(planned(positionOf));
      return "healed";
    };
  }
  if (!isTerminal(settlement.standing.state)) return unchanged("notOpen");
  if (found.kind === "absent") return unchanged("notOpen");
  // The payer says that it paid what was given up: recorded, refused, and for people to clear.
  if (told === undefined) {
    const late = { rail, key, parts: found.parts, railReference: found.railReference };
    const leaf = lateAnswerLeaf(settlement, late);
    const facts = { ...leaf.facts, "offered.total": found.amount.toString(), statementHash: evidence.statementHash, runId: evidence.runId };
    keepEvidence(batch, evidence, { settlementId: call.id, taken: false, leafAt: batch.append({ ...leaf, facts }) });
  }
  return unchanged("contradicts");
}

function unchanged(healing: Healing): Planned<Healing> {
  return () => healing;
}

/** A statement need not name fund sources; where it does, they are ours. */
function agrees(stated: readonly { readonly fundSource: string; readonly amount: bigint }[], booked: ReadonlyMap<string, bigint>): boolean {
  return stated.length === 0 || (stated.length === booked.size && stated.every((part) => booked.get(part.fundSource) === part.amount));
}

function foundFacts(found: Evidence["found"]): Readonly<Record<string, string>> {
  return found.kind === "absent"
    ? {}
    : { "found.total": found.amount.toString(), "found.parts": printParts(found.parts), reference: found.railReference };
}

function keepEvidence(
  batch: Batch,
  evidence: Evidence,
  how: { readonly settlementId: string; readonly taken: boolean; readonly leafAt: number },
): void {
  const { key, rail, found, statementHash, runId } = evidence;
  const done = found.kind === "done" ? [found.amount, found.railReference, printParts(found.parts)] : [null, null, null];
  const columns = ["key", "statement_hash", "settlement_id", "rail", "found", "amount", "rail_reference", "parts", "run_id", "taken"];
  batch.rows.push((positionOf) =>
    insertRows(
      "evidence",
      [...columns, "ledger_index"],
      [[key, statementHash, how.settlementId, rail, found.kind, ...done, runId, how.taken ? 1 : 0, positionOf(how.leafAt).index]],
    ),
  );
}

async function refusalOf(options: ShardBooksOptions, correction: Correction): Promise<AdjustmentRefusal | SupplementRefusal | undefined> {
  switch (correction.do) {
    case "adjust":
      return await adjustmentRefusal(options.db, correction.order);
    case "supplement":
      return await supplementRefusal(options, correction.order);
    case "takeBack":
      return await returnRefusal(options, correction.order);
  }
}

/** Validate, find, check, and then nothing fails. A refusal is an entry too; a repeat is not. */
async function adjust(
  { db }: ShardBooksOptions,
  adjustment: Adjustment,
  batch: Batch,
  moment: Moment,
): Promise<Planned<LedgerPosition | AdjustmentRefusal>> {
  if (adjustment.amount === 0n) throw new RangeError("a correction moves something");
  const [known] = await db.read("SELECT 1 AS known FROM adjustment WHERE id=?", adjustment.adjustmentId);
  if (known !== undefined) return () => "repeated";
  const refusal = await adjustmentRefusal(db, adjustment);
  const { institution, settlementId, requestedBy, approvedBy } = adjustment;
  const leaf: LeafDraft = {
    kind: refusal === undefined ? ADJUSTMENT_KINDS[adjustment.kind] : "adjustment.refused",
    outcome: refusal === undefined ? "accepted" : "refused",
    actor: `operator/${requestedBy}`,
    institution,
    ...(settlementId === undefined ? {} : { subject: settlementId }),
    idempotencyKey: adjustment.adjustmentId,
    facts: {
      adjustment: adjustment.kind,
      caseId: adjustment.caseId,
      rail: adjustment.rail,
      fundSource: adjustment.fundSource,
      amount: adjustment.amount.toString(),
      reason: adjustment.reason,
      day: moment.day,
      ...(approvedBy === undefined ? {} : { approvedBy }),
      ...(refusal === undefined ? {} : { cause: refusal }),
    },
  };
  const leafAt = batch.append(leaf);
  if (refusal !== undefined) return () => refusal;
  // From here nothing fails.
  batch.book({ ...adjustmentTransfers(adjustment), leafAt });
  batch.rows.push((positionOf) => [insertAdjustment(adjustment, moment, positionOf(leafAt).index)]);
  return (positionOf) => positionOf(leafAt);
}

async function adjustmentRefusal(db: Database, adjustment: Adjustment): Promise<AdjustmentRefusal | undefined> {
  const { kind, caseId, rail, fundSource, institution, amount, requestedBy, approvedBy } = adjustment;
  if (kind === "suspend") return undefined;
  if (kind === "writeOff" && approvedBy === undefined) return "needsSecondPerson";
  if (kind === "writeOff" && approvedBy === requestedBy) return "samePerson";
  const [row] = await db.read(
    `SELECT coalesce(sum(CASE kind WHEN 'suspend' THEN amount ELSE -amount END), 0) AS held FROM adjustment
     WHERE case_id=? AND rail=? AND fund_source=? AND institution=?`,
    caseId,
    rail,
    fundSource,
    institution,
  );
  const held = row === undefined ? 0n : integerOf(row, "held");
  const isCovered = amount > 0n ? amount <= held : amount >= held;
  return isCovered ? undefined : "nothingSuspended";
}

function insertAdjustment(adjustment: Adjustment, moment: Moment, ledgerIndex: bigint): ReturnType<typeof insertRows>[number] {
  const columns = ["id", "case_id", "kind", "rail", "fund_source", "institution", "settlement_id", "amount", "reason"];
  const [statement] = insertRows(
    "adjustment",
    [...columns, "requested_by", "approved_by", "day", "at_ms", "ledger_index"],
    [
      [
        adjustment.adjustmentId,
        adjustment.caseId,
        adjustment.kind,
        adjustment.rail,
        adjustment.fundSource,
        adjustment.institution,
        adjustment.settlementId ?? null,
        adjustment.amount,
        adjustment.reason,
        adjustment.requestedBy,
        adjustment.approvedBy ?? null,
        Number(moment.day),
        moment.atMs,
        ledgerIndex,
      ],
    ],
  );
  if (statement === undefined) throw new Error("one row is one statement");
  return statement;
}

/** Days are sealed one after the other, each once it is over; the seal says what the log and the bus were then. */
async function sealDay(
  { db, log, committer, crypto, shard }: ShardBooksOptions,
  { day, atMs }: { readonly day: AccountingDay; readonly atMs: EventMs },
  batch: Batch,
  moment: Moment,
): Promise<Planned<DaySeal | SealRefusal>> {
  const { sealedThrough } = moment;
  if (sealedThrough !== undefined && day <= sealedThrough) return () => "alreadySealed";
  if (dayOf(atMs) <= day || dayOf(moment.atMs) <= day) return () => "dayNotOver";
  if (sealedThrough === undefined ? await hasPostingsBefore(db, day) : day !== addDays(sealedThrough, 1)) return () => "earlierDayOpen";
  // From here nothing fails.
  const trialBalance = await readBooks(db, crypto).trialBalance(day);
  const open = await db.read("SELECT id FROM settlement WHERE decided_at_ms IS NULL AND accepted_at_ms<? ORDER BY id", dayEnd(day));
  const carriedOver = open.map((row) => textOf(row, "id"));
  const offsets = [...committer.nextOffsets()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([topic, nextOffset]) => ({ topic, partition: shard, nextOffset }));
  const head = { size: log.size, root: log.root };
  const leafAt = batch.append({
    kind: "day.closed",
    outcome: "accepted",
    actor: "core",
    facts: {
      day,
      "trial.hash": trialBalance.hash,
      "trial.rows": String(trialBalance.rows.length),
      "head.size": head.size.toString(),
      "head.root": toHex(head.root),
      "carried.count": String(carriedOver.length),
      "carried.hash": listHash(crypto, carriedOver),
      ...Object.fromEntries(offsets.map((one) => [`offset.${one.topic}.${one.partition}`, one.nextOffset.toString()])),
    },
  });
  batch.rows.push((positionOf) => {
    const { index, leafHash } = positionOf(leafAt);
    return [
      ...insertRows(
        "sealed_balance",
        ["day", "account", "fund_source", "debit", "credit", "balance"],
        trialBalance.rows.map((row) => [Number(day), row.account, row.fundSource, row.debit, row.credit, row.balance]),
      ),
      ...insertRows(
        "seal",
        ["day", "sealed_at_ms", "trial_hash", "head_size", "head_root", "offsets", "carried_over", "ledger_index", "leaf_hash"],
        [
          [
            Number(day),
            moment.atMs,
            trialBalance.hash,
            head.size,
            head.root,
            printOffsets(offsets),
            JSON.stringify(carriedOver),
            index,
            leafHash,
          ],
        ],
      ),
    ];
  });
  return (positionOf) => {
    committer.sealed(day);
    return { day, sealedAtMs: moment.atMs, trialBalance, head, offsets, carriedOver, position: positionOf(leafAt) };
  };
}

async function hasPostingsBefore(db: Database, day: AccountingDay): Promise<boolean> {
  const [row] = await db.read("SELECT 1 AS found FROM transfer WHERE stage IN ('posted','reversed') AND day<? LIMIT 1", Number(day));
  return row !== undefined;
}
