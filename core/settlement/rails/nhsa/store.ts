/**
 * The adapter's memory (libSQL): each insurance leg with the messages that settle and undo it. What must not be
 * forgotten is on disk before the message leaves; what an insurer would repeat anyway may be written a little later.
 */
import { asFen } from "../../../protocol/money.ts";
import type { EventMs } from "../../../protocol/time.ts";
import { type Database, type Durability, insertRows, type InValue, type Row, type Statement } from "../../../../migrations/database.ts";
import { GroupCommit } from "../../../../migrations/queue.ts";
import type { FeeLineText } from "../../../protocol/fee-lines.ts";
import type { FundPart } from "../../plan.ts";
import { RAIL_REFUSALS, type RailRefusal } from "../port.ts";
import { TRANSACTIONS, type VisitKind } from "./messages.ts";

/**
 * - quoted: pre-settled; nothing has moved.
 * - settling: the settlement was sent, perhaps more than once; its answer is missing.
 * - settled: counts, with `setlId`.
 * - mismatched: settled by the insurer, but not as pre-settled; being undone.
 * - reversing: 2601 was sent; until it is answered the leg is as it was.
 * - refused, closed: nothing counts.
 */
export const LEG_STATES = ["quoted", "settling", "settled", "mismatched", "reversing", "refused", "closed"] as const;
export type LegState = (typeof LEG_STATES)[number];

export interface NhsaBill {
  /** Yuan. */
  readonly total: string;
  readonly medType: string;
  readonly insutype: string;
  readonly area: string;
  /** Forgotten once settled. */
  readonly fees?: readonly FeeLineText[];
}
export interface NhsaLeg {
  readonly settlementId: string;
  readonly institution: string;
  readonly visit: VisitKind;
  readonly state: LegState;
  readonly bill: NhsaBill | undefined;
  readonly parts: readonly FundPart[];
  readonly msgid: string | undefined;
  readonly setlId: string | undefined;
  readonly reversalMsgid: string | undefined;
  readonly reversedAtMs: EventMs | undefined;
  /** Sealed. */
  readonly medium: Uint8Array | undefined;
  readonly refusal: RailRefusal | undefined;
  readonly settledAtMs: EventMs | undefined;
}
export interface NhsaUndo {
  readonly key: string;
  readonly settlementId: string;
  readonly institution: string;
  readonly msgid: string;
  readonly state: "sent" | "done" | "refused";
  readonly parts: readonly FundPart[];
  readonly whole: boolean;
  readonly setlId: string | undefined;
  readonly refusal: RailRefusal | undefined;
  readonly doneAtMs: EventMs | undefined;
}

const LEG_COLUMNS = [
  "settlement_id",
  "institution",
  "visit",
  "state",
  "bill",
  "parts",
  "msgid",
  "setl_id",
  "reversal_msgid",
  "reversed_at_ms",
  "medium",
  "refusal",
  "settled_at_ms",
] as const;
const UNDO_COLUMNS = [
  "key",
  "settlement_id",
  "institution",
  "msgid",
  "state",
  "parts",
  "whole",
  "setl_id",
  "refusal",
  "done_at_ms",
] as const;

interface Save {
  readonly what: { readonly leg: NhsaLeg } | { readonly undo: NhsaUndo };
  readonly durability: Durability;
}

/** Legs kept in memory, so that their steps read no file. */
const REMEMBERED_MAX = 20_000;

export class NhsaStore {
  readonly #db: Database;
  readonly #commits: GroupCommit<Save, undefined>;
  /** Every leg of which something is still to be written, and the latest ones besides. */
  readonly #legs = new Map<string, NhsaLeg>();
  readonly #writing = new Map<string, number>();

  constructor(db: Database) {
    this.#db = db;
    this.#commits = new GroupCommit(async (saves) => {
      const durability = saves.some((save) => save.durability === "power") ? "power" : "process";
      await db.write(statementsOf(saves), durability);
      return saves.map(() => undefined);
    });
  }

  async leg(settlementId: string): Promise<NhsaLeg | undefined> {
    const remembered = this.#legs.get(settlementId);
    if (remembered !== undefined) return remembered;
    const [row] = await this.#db.read("SELECT * FROM nhsa_leg WHERE settlement_id=?", settlementId);
    // Somebody may have begun it meanwhile.
    return this.#legs.get(settlementId) ?? (row === undefined ? undefined : legOf(row));
  }

  /** What was begun since {@link leg} did not know it. */
  begunSince(settlementId: string): NhsaLeg | undefined {
    return this.#legs.get(settlementId);
  }

  /** `power`: before a message leaves that moves money. */
  async saveLeg(leg: NhsaLeg, durability: Durability): Promise<NhsaLeg> {
    const { settlementId } = leg;
    // Set anew, so that it is the youngest.
    this.#legs.delete(settlementId);
    this.#legs.set(settlementId, leg);
    this.#writing.set(settlementId, (this.#writing.get(settlementId) ?? 0) + 1);
    try {
      await this.#commits.submit({ what: { leg }, durability });
    } finally {
      const left = (this.#writing.get(settlementId) ?? 1) - 1;
      if (left === 0) this.#writing.delete(settlementId);
      else this.#writing.set(settlementId, left);
    }
    this.#forgetOldest();
    return leg;
  }

  #forgetOldest(): void {
    for (const settlementId of this.#legs.keys()) {
      if (this.#legs.size <= REMEMBERED_MAX) return;
      if (!this.#writing.has(settlementId)) this.#legs.delete(settlementId);
    }
  }

  async undo(key: string): Promise<NhsaUndo | undefined> {
    const [row] = await this.#db.read("SELECT * FROM nhsa_undo WHERE key=?", key);
    return row === undefined ? undefined : undoOf(row);
  }

  async undosOf(settlementId: string): Promise<readonly NhsaUndo[]> {
    return (await this.#db.read("SELECT * FROM nhsa_undo WHERE settlement_id=? ORDER BY key", settlementId)).map(undoOf);
  }

  async saveUndo(undo: NhsaUndo, durability: Durability): Promise<NhsaUndo> {
    await this.#commits.submit({ what: { undo }, durability });
    return undo;
  }

  async institutions(): Promise<readonly string[]> {
    return (await this.#db.read("SELECT institution FROM nhsa_counter ORDER BY institution")).map((row) => String(row["institution"]));
  }

  /** What we know to have been settled, and undone, between two instants. */
  async *moved(institution: string, fromMs: number, toMs: number): AsyncIterable<NhsaLeg | NhsaUndo> {
    for (const [table, at, read] of [
      ["nhsa_leg", "settled_at_ms", legOf],
      ["nhsa_undo", "done_at_ms", undoOf],
    ] as const)
      for (let after = 0n; ;) {
        const rows = await this.#db.read(
          `SELECT rowid AS at_row, * FROM ${table} WHERE institution=? AND ${at}>=? AND ${at}<? AND rowid>? ORDER BY rowid LIMIT ?`,
          institution,
          fromMs,
          toMs,
          after,
          PAGE,
        );
        for (const row of rows) {
          after = row["at_row"] as bigint;
          yield read(row);
        }
        if (rows.length < PAGE) break;
      }
  }

  /** Which calls of ours some msgids stand for. */
  async keysOf(msgids: readonly string[]): Promise<ReadonlyMap<string, MessageName>> {
    const marks = msgids.map(() => "?").join(",");
    const legs = await this.#db.read(
      `SELECT settlement_id, msgid, reversal_msgid FROM nhsa_leg WHERE msgid IN (${marks}) OR reversal_msgid IN (${marks})`,
      ...msgids,
      ...msgids,
    );
    const undos = await this.#db.read(`SELECT key, msgid FROM nhsa_undo WHERE msgid IN (${marks})`, ...msgids);
    return new Map<string, MessageName>([
      ...legs.flatMap((row): [string, MessageName][] => [
        [String(row["msgid"]), { kind: "capture", settlementId: String(row["settlement_id"]) }],
        [String(row["reversal_msgid"]), { kind: "reversal", settlementId: String(row["settlement_id"]) }],
      ]),
      ...undos.map((row): [string, MessageName] => [String(row["msgid"]), { kind: "undo", key: String(row["key"]) }]),
    ]);
  }

  async close(): Promise<void> {
    await this.#commits.idle();
    await this.#db.close();
  }
}

export type MessageName =
  | { readonly kind: "capture" | "reversal"; readonly settlementId: string }
  | { readonly kind: "undo"; readonly key: string };

const PAGE = 2_000;

/** One statement per table; of a leg saved twice, the later one. */
function statementsOf(saves: readonly Save[]): readonly Statement[] {
  const legs = new Map<string, NhsaLeg>();
  const undos = new Map<string, NhsaUndo>();
  for (const { what } of saves)
    if ("leg" in what) legs.set(what.leg.settlementId, what.leg);
    else undos.set(what.undo.key, what.undo);
  return [
    ...insertRows("nhsa_leg", LEG_COLUMNS, [...legs.values()].map(legRow), replacing(LEG_COLUMNS)),
    ...insertRows("nhsa_undo", UNDO_COLUMNS, [...undos.values()].map(undoRow), replacing(UNDO_COLUMNS)),
  ];
}

function replacing([key = "", ...others]: readonly string[]): string {
  return `ON CONFLICT (${key}) DO UPDATE SET ${others.map((column) => `${column}=excluded.${column}`).join(",")}`;
}

function legRow(leg: NhsaLeg): InValue[] {
  return [
    leg.settlementId,
    leg.institution,
    leg.visit,
    leg.state,
    leg.bill === undefined ? null : JSON.stringify(leg.bill),
    partsText(leg.parts),
    leg.msgid ?? null,
    leg.setlId ?? null,
    leg.reversalMsgid ?? null,
    leg.reversedAtMs ?? null,
    leg.medium ?? null,
    leg.refusal ?? null,
    leg.settledAtMs ?? null,
  ];
}

function undoRow(undo: NhsaUndo): InValue[] {
  return [
    undo.key,
    undo.settlementId,
    undo.institution,
    undo.msgid,
    undo.state,
    partsText(undo.parts),
    undo.whole ? 1 : 0,
    undo.setlId ?? null,
    undo.refusal ?? null,
    undo.doneAtMs ?? null,
  ];
}

function legOf(row: Row): NhsaLeg {
  const visit = Object.keys(TRANSACTIONS).find((name): name is VisitKind => name === row["visit"]);
  const state = LEG_STATES.find((name) => name === row["state"]);
  if (visit === undefined || state === undefined) throw new Error("an insurance leg of another version");
  const bill = text(row, "bill");
  return {
    settlementId: String(row["settlement_id"]),
    institution: String(row["institution"]),
    visit,
    state,
    bill: bill === undefined ? undefined : (JSON.parse(bill) as NhsaBill),
    parts: partsIn(row),
    msgid: text(row, "msgid"),
    setlId: text(row, "setl_id"),
    reversalMsgid: text(row, "reversal_msgid"),
    reversedAtMs: instant(row, "reversed_at_ms"),
    medium: row["medium"] === null ? undefined : new Uint8Array(row["medium"] as ArrayBuffer),
    refusal: RAIL_REFUSALS.find((reason) => reason === row["refusal"]),
    settledAtMs: instant(row, "settled_at_ms"),
  };
}

function undoOf(row: Row): NhsaUndo {
  const state = (["sent", "done", "refused"] as const).find((name) => name === row["state"]);
  if (state === undefined) throw new Error("an undoing of another version");
  return {
    key: String(row["key"]),
    settlementId: String(row["settlement_id"]),
    institution: String(row["institution"]),
    msgid: String(row["msgid"]),
    state,
    parts: partsIn(row),
    whole: row["whole"] === 1n,
    setlId: text(row, "setl_id"),
    refusal: RAIL_REFUSALS.find((reason) => reason === row["refusal"]),
    doneAtMs: instant(row, "done_at_ms"),
  };
}

function partsText(parts: readonly FundPart[]): string {
  return JSON.stringify(parts.map((part) => [part.fundSource, part.amount.toString()]));
}

function partsIn(row: Row): readonly FundPart[] {
  const read = JSON.parse(String(row["parts"])) as readonly (readonly [string, string])[];
  return read.map(([fundSource, fen]) => ({ fundSource, amount: asFen(BigInt(fen)) }));
}

function text(row: Row, column: string): string | undefined {
  const value = row[column];
  return typeof value === "string" ? value : undefined;
}

function instant(row: Row, column: string): EventMs | undefined {
  const value = row[column];
  return value === null || value === undefined ? undefined : (Number(value) as EventMs);
}
