/**
 * The messages that move an insurance leg's money: settlement, its undoing, its reversal. Each has a msgid that was on
 * record before it left, so that whatever happens the same one is asked again.
 */
import { asFen, type Fen } from "../../../protocol/money.ts";
import type { Clock } from "../../../protocol/time.ts";
import { type FundPart, sameParts } from "../../plan.ts";
import { type MoveAnswer, railKey, type UnknownAnswer, type VoidAnswer } from "../port.ts";
import { amountOf, readSplit, readUndone, type Split } from "./answers.ts";
import type { NhsaDesk, NhsaSettings } from "./desk.ts";
import { billMessage, type Medium, reverseMessage, undoMessage } from "./inputs.ts";
import { closed, done, released, withoutFees } from "./legs.ts";
import type { MediumSafe } from "./medium-safe.ts";
import { REVERSE, REVERSIBLE, TRANSACTIONS, visitIdOf } from "./messages.ts";
import type { NhsaLeg, NhsaStore, NhsaUndo } from "./store.ts";

export interface LegMovesPorts {
  readonly store: NhsaStore;
  readonly clock: Clock;
  readonly settings: NhsaSettings;
}

const RAIL = "insurance";
export const GARBAGE: UnknownAnswer = { kind: "unknown", reason: "garbage" };

export class LegMoves {
  readonly #ports: LegMovesPorts;
  readonly #desk: NhsaDesk;
  readonly #safe: MediumSafe;
  /** Splits that were answered once to a settlement and were not as pre-settled; believed when they are repeated. */
  readonly #doubted = new Map<string, readonly FundPart[]>();

  constructor(ports: LegMovesPorts, desk: NhsaDesk, safe: MediumSafe) {
    this.#ports = ports;
    this.#desk = desk;
    this.#safe = safe;
  }

  /** 2207, 2102, 2304, under the msgid that the leg has had since it was pre-settled. */
  async settle(leg: NhsaLeg): Promise<MoveAnswer> {
    const { bill, msgid, institution } = leg;
    const medium = await this.#safe.open(leg);
    if (bill === undefined || msgid === undefined || medium === undefined) return GARBAGE;
    const total = asFen(BigInt(bill.total.replace(".", "")));
    const asked = { msgid, mdtrtId: visitIdOf(leg.settlementId), psnNo: medium.psnNo, total };
    const answer = await this.#desk.ask(
      {
        infno: TRANSACTIONS[leg.visit].settle,
        institution,
        msgid,
        insuredArea: bill.area,
        input: billMessage(leg.visit, leg.settlementId, bill, medium),
      },
      (output) => readSplit(output, asked, this.#ports.settings.profile),
    );
    switch (answer.kind) {
      case "unknown":
        return answer;
      case "refused":
        await this.#save({ ...closed(leg), state: "refused", refusal: answer.reason }, "process");
        return answer;
      case "done":
        return await this.#settled(leg, medium, answer.output);
    }
  }

  async #settled(leg: NhsaLeg, medium: Medium, split: Split): Promise<MoveAnswer> {
    const { setlId } = split;
    if (setlId === undefined) return GARBAGE;
    const settledAtMs = this.#ports.clock.now();
    const kept = await this.#safe.put(leg.settlementId, { ...medium, ecToken: "" });
    const bill = leg.bill === undefined ? undefined : withoutFees(leg.bill);
    const counted: NhsaLeg = { ...leg, bill, setlId, settledAtMs, medium: kept };
    if (sameParts(split.parts, leg.parts)) {
      this.#doubted.delete(leg.settlementId);
      await this.#save({ ...counted, state: "settled" }, "process");
      return done(leg.parts, setlId);
    }
    const doubted = this.#doubted.get(leg.settlementId);
    // Told once, it may be a slip of the answer; told twice, it is what the insurer settled.
    if (doubted === undefined || !sameParts(doubted, split.parts)) {
      this.#doubted.set(leg.settlementId, split.parts);
      return GARBAGE;
    }
    this.#doubted.delete(leg.settlementId);
    const reversalMsgid = await this.#desk.msgid(leg.institution);
    return await this.undoMismatch(await this.#save({ ...counted, state: "mismatched", parts: split.parts, reversalMsgid }, "power"));
  }

  /** Undoes what was settled otherwise than pre-settled; `refused` once nothing counts any more. */
  async undoMismatch(leg: NhsaLeg): Promise<MoveAnswer> {
    const { settlementId, setlId, reversalMsgid, institution, parts } = leg;
    const medium = await this.#safe.open(leg);
    if (medium === undefined || setlId === undefined || reversalMsgid === undefined) return GARBAGE;
    const key = railKey(settlementId, RAIL, "reverse");
    const input = undoMessage({ psnNo: medium.psnNo, visitId: settlementId, setlId, key, parts: undefined });
    const asked = { msgid: reversalMsgid, mdtrtId: visitIdOf(settlementId), setlId, parts };
    const message = { infno: TRANSACTIONS[leg.visit].undo, institution, msgid: reversalMsgid, insuredArea: leg.bill?.area ?? "", input };
    const answer = await this.#desk.ask(message, (output) => readUndone(output, asked));
    if (answer.kind !== "done") return answer.kind === "unknown" ? answer : GARBAGE;
    await this.#save({ ...closed(leg), refusal: "holdUnknown", reversedAtMs: this.#ports.clock.now() }, "process");
    return { kind: "refused", reason: "holdUnknown" };
  }

  /** 2601 for a settlement that may or may not have come through. Unanswered, it changes nothing. */
  async reverse(leg: NhsaLeg): Promise<VoidAnswer> {
    const { msgid, institution, settlementId } = leg;
    const oinfno = TRANSACTIONS[leg.visit].settle;
    const medium = await this.#safe.open(leg);
    if (medium === undefined || msgid === undefined || !REVERSIBLE.has(oinfno)) return GARBAGE;
    const reversalMsgid = leg.reversalMsgid ?? (await this.#desk.msgid(institution));
    const reversing = leg.state === "reversing" ? leg : await this.#save({ ...leg, state: "reversing", reversalMsgid }, "power");
    const input = reverseMessage(medium.psnNo, msgid, oinfno);
    const answer = await this.#desk.ask(
      { infno: REVERSE, institution, msgid: reversalMsgid, insuredArea: leg.bill?.area ?? "", input },
      () => true,
    );
    if (answer.kind !== "done") return answer.kind === "unknown" ? answer : GARBAGE;
    await this.#save({ ...closed(reversing), reversedAtMs: this.#ports.clock.now() }, "process");
    return released(settlementId);
  }

  /** A leg that was given up by 2601, which is the reversal: its answer is asked for again, or known. */
  async reversedBefore(leg: NhsaLeg, amount: Fen): Promise<MoveAnswer | undefined> {
    const isReversed = leg.state === "closed" && leg.reversedAtMs !== undefined && leg.refusal === undefined;
    if ((leg.state !== "reversing" && !isReversed) || amountOf(leg.parts) !== amount) return undefined;
    const answer = isReversed ? released(leg.settlementId) : await this.reverse(leg);
    return answer.kind === "done" ? done(leg.parts, answer.railReference, leg.parts) : answer;
  }

  /** 2208, 2103, 2305, of all or a part. */
  async undo(leg: NhsaLeg, setlId: string, undo: NhsaUndo): Promise<MoveAnswer> {
    const medium = await this.#safe.open(leg);
    if (medium === undefined) return GARBAGE;
    const { settlementId, institution } = leg;
    const { parts } = undo;
    const named = undo.whole ? undefined : parts;
    const input = undoMessage({ psnNo: medium.psnNo, visitId: settlementId, setlId, key: undo.key, parts: named });
    const asked = { msgid: undo.msgid, mdtrtId: visitIdOf(settlementId), setlId, parts };
    const message = { infno: TRANSACTIONS[leg.visit].undo, institution, msgid: undo.msgid, insuredArea: leg.bill?.area ?? "", input };
    const answer = await this.#desk.ask(message, (output) => readUndone(output, asked));
    switch (answer.kind) {
      case "unknown":
        return answer;
      case "refused":
        await this.#ports.store.saveUndo({ ...undo, state: "refused", refusal: answer.reason }, "process");
        return answer;
      case "done":
        await this.#ports.store.saveUndo({ ...undo, state: "done", setlId: answer.output, doneAtMs: this.#ports.clock.now() }, "process");
        return done(parts, answer.output, parts);
    }
  }

  async #save(leg: NhsaLeg, durability: "power" | "process"): Promise<NhsaLeg> {
    return await this.#ports.store.saveLeg(leg, durability);
  }
}
