/** A shard's books in memory, for what the reconciliation and day-close rooms do with any books. */
import { asFen } from "../../../protocol/money.ts";
import type { EventMs } from "../../../protocol/time.ts";
import type { LeafDraft, LedgerPosition } from "../../../../ledger/leaf-draft.ts";
import type {
  AccountingDay,
  Adjustment,
  AdjustmentRefusal,
  DaySeal,
  Evidence,
  Healing,
  Kept,
  Posting,
  SealRefusal,
  ShardBooks,
  Supplement,
  SupplementRefusal,
  SupplementReturn,
  TrialBalance,
} from "../../books.ts";
import { addDays, dayEnd, dayOf } from "../../day/accounting-day.ts";
import type { RailName } from "../../plan.ts";

interface Open {
  readonly key: string;
  readonly rail: RailName;
  readonly settlementId: string;
  readonly institution: string;
  readonly amount: bigint;
  readonly askedAtMs: EventMs;
}

export class MemoryBooks implements ShardBooks {
  readonly shard: number;
  readonly all: Posting[] = [];
  readonly open: Map<string, Open> = new Map();
  readonly leaves: (LeafDraft & { readonly atMs: number })[] = [];
  readonly adjustments: Map<string, Adjustment> = new Map();
  readonly supplements: Map<string, Supplement> = new Map();
  /** What every correction is refused with. */
  refuses: AdjustmentRefusal | SupplementRefusal | undefined;
  readonly evidence: Evidence[] = [];
  readonly sealed: DaySeal[] = [];
  readonly keptMoney: Kept[] = [];
  /** Called before each change; throws to end the process there. */
  interrupt: (what: string) => void = () => undefined;
  #firstDay: AccountingDay | undefined;

  constructor(shard: number) {
    this.shard = shard;
  }

  add(posting: Partial<Omit<Posting, "amount">> & Pick<Posting, "key" | "rail" | "postedAtMs"> & { readonly amount: bigint }): Posting {
    const { amount, postedAtMs } = posting;
    const whole: Posting = {
      settlementId: posting.key.split("/")[0] ?? "",
      kind: "capture",
      institution: "H1",
      parts: [{ fundSource: SOURCE[posting.rail], amount: asFen(amount) }],
      railReference: `R-${posting.key}`,
      day: dayOf(postedAtMs),
      late: false,
      ledgerIndex: BigInt(this.all.length),
      ...posting,
      amount: asFen(amount),
    };
    this.all.push(whole);
    this.#firstDay ??= whole.day;
    return whole;
  }

  async *postings({ rail, day }: { readonly rail: RailName; readonly day: AccountingDay }): AsyncIterable<Posting> {
    yield* this.all.filter((one) => one.rail === rail && one.day === day).sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  openKeys(rail: RailName): ReturnType<ShardBooks["openKeys"]> {
    return Promise.resolve(
      [...this.open.values()].filter((one) => one.rail === rail).map((one) => ({ ...one, amount: asFen(one.amount) })),
    );
  }

  kept(): ReturnType<ShardBooks["kept"]> {
    return Promise.resolve(this.keptMoney);
  }

  onKept(): void {
    // Nothing is kept here but what a test puts in before it opens the room.
  }

  giveBack(): ReturnType<ShardBooks["giveBack"]> {
    return Promise.resolve("originalUnknown");
  }

  async heal(evidence: Evidence, atMs: EventMs): Promise<Healing> {
    this.interrupt(`heal ${evidence.key}`);
    const call = this.open.get(evidence.key);
    if (call === undefined) return this.evidence.some((one) => one.key === evidence.key) ? "notOpen" : "unknownKey";
    if (evidence.found.kind === "done" && evidence.found.amount !== call.amount) return "contradicts";
    this.open.delete(evidence.key);
    this.evidence.push(evidence);
    if (evidence.found.kind === "done") {
      const { amount, railReference, parts } = evidence.found;
      this.add({ key: call.key, rail: call.rail, institution: call.institution, amount, railReference, parts, postedAtMs: atMs });
    }
    this.interrupt(`healed ${evidence.key}`);
    return await Promise.resolve("healed");
  }

  async adjust(adjustment: Adjustment, atMs: EventMs): Promise<LedgerPosition | AdjustmentRefusal> {
    this.interrupt("adjust");
    if (this.adjustments.has(adjustment.adjustmentId)) return "repeated";
    this.adjustments.set(adjustment.adjustmentId, adjustment);
    const position = await this.record({ kind: "adjustment", outcome: "accepted", actor: "core" }, atMs);
    this.interrupt("adjusted");
    return position;
  }

  /** Booked on the day of the order; what went back is away. */
  async supplement(order: Supplement, atMs: EventMs): Promise<LedgerPosition | SupplementRefusal> {
    this.interrupt(`supplement ${order.supplementId}`);
    if (this.refuses !== undefined) return this.refuses as SupplementRefusal;
    if (this.supplements.has(order.supplementId)) return "repeated";
    this.supplements.set(order.supplementId, order);
    const { key, rail, railReference, institution, parts, settlementId = "" } = order;
    const amount = parts.reduce((sum, part) => sum + part.amount, 0n);
    const supplement = { supplementId: order.supplementId, takenBack: false };
    const named = key === "" ? `supplement/${order.supplementId}` : key;
    const money = { kind: order.movement, institution, parts, amount, railReference };
    this.add({ key: named, rail, settlementId, ...money, postedAtMs: atMs, supplement });
    return await this.record({ kind: "supplement.booked", outcome: "accepted", actor: "core" }, atMs);
  }

  async takeBack(order: SupplementReturn, atMs: EventMs): Promise<LedgerPosition | SupplementRefusal> {
    const at = this.all.findIndex(({ supplement }) => supplement?.supplementId === order.supplementId);
    const found = this.all[at];
    if (found === undefined) return "notBooked";
    this.all[at] = { ...found, supplement: { supplementId: order.supplementId, takenBack: true } };
    return await this.record({ kind: "supplement.takenBack", outcome: "accepted", actor: "core" }, atMs);
  }

  refusalOf(): ReturnType<ShardBooks["refusalOf"]> {
    return Promise.resolve(this.refuses);
  }

  record(draft: LeafDraft, atMs: EventMs): Promise<LedgerPosition> {
    this.interrupt(`record ${draft.kind}`);
    this.leaves.push({ ...draft, atMs });
    const position = { origin: `test/settlement-${this.shard}`, index: BigInt(this.leaves.length - 1), leafHash: new Uint8Array(32) };
    this.interrupt(`recorded ${draft.kind}`);
    return Promise.resolve(position);
  }

  find(kind: string, subject: string): { readonly origin: string; readonly index: bigint } | undefined {
    const at = this.leaves.findIndex((leaf) => leaf.kind === kind && leaf.subject === subject);
    return at === -1 ? undefined : { origin: `test/settlement-${this.shard}`, index: BigInt(at) };
  }

  trialBalance(day: AccountingDay): Promise<TrialBalance> {
    const rows = new Map<string, { account: string; fundSource: string; debit: bigint; credit: bigint; balance: bigint }>();
    const move = (account: string, fundSource: string, amount: bigint, today: boolean): void => {
      const row = rows.get(account) ?? { account, fundSource, debit: 0n, credit: 0n, balance: 0n };
      rows.set(account, row);
      row.balance += amount;
      if (!today) return;
      if (amount < 0n) row.debit -= amount;
      else row.credit += amount;
    };
    for (const one of this.all.filter((posting) => posting.day <= day))
      for (const part of one.parts) {
        const amount = one.kind === "capture" ? part.amount : -part.amount;
        move(`payer/${one.rail}/${part.fundSource}`, part.fundSource, -amount, one.day === day);
        move(`institution/${one.institution}/${one.rail}/${part.fundSource}`, part.fundSource, amount, one.day === day);
      }
    const sorted = [...rows.values()].sort((a, b) => (a.account < b.account ? -1 : 1));
    return Promise.resolve({
      day,
      rows: sorted.map((row) => ({ ...row, debit: asFen(row.debit), credit: asFen(row.credit) })),
      hash: `${day}${"0".repeat(56)}`,
    });
  }

  async seal(day: AccountingDay, atMs: EventMs): Promise<DaySeal | SealRefusal> {
    this.interrupt(`seal ${this.shard}`);
    if (atMs < dayEnd(day)) return "dayNotOver";
    if (this.sealed.some((seal) => seal.day === day)) return "alreadySealed";
    const due = this.sealed.length === 0 ? (this.#firstDay ?? day) : addDays(this.sealed.at(-1)?.day ?? day, 1);
    if (due < day) return "earlierDayOpen";
    const position = await this.record({ kind: "day.closed", outcome: "accepted", actor: "core", subject: day }, atMs);
    const seal: DaySeal = {
      day,
      sealedAtMs: atMs,
      trialBalance: await this.trialBalance(day),
      head: { size: position.index, root: new Uint8Array(32).fill(7) },
      offsets: [{ topic: "settlement.request.submitted.v1", partition: this.shard, nextOffset: 5n }],
      carriedOver: [...this.open.values()].map((one) => one.settlementId),
      position,
    };
    this.sealed.push(seal);
    return seal;
  }

  seals(): Promise<readonly DaySeal[]> {
    return Promise.resolve(this.sealed);
  }
}

const SOURCE: Readonly<Record<RailName, string>> = { insurance: "hifp_pay", commercial: "commercial_claim", bank: "psn_cash_pay" };
