/**
 * The books of the sandbox insurer: insured people with what is left of their entitlements, settlements, their undoing,
 * and reversals. Nothing is held between pre-settlement and settlement, as at a real insurer. One outcome per msgid;
 * a command and its instant decide everything, so the journal rebuilds the books.
 */
import { checkFeeLines, type FeeLineText } from "../../../protocol/fee-lines.ts";
import { asFen, type Fen } from "../../../protocol/money.ts";
import type { FundPart } from "../../plan.ts";
import { type Amounts, partsOf, sumOf } from "../../split/amounts.ts";
import type { ProvinceProfile } from "../../split/profile.ts";
import { coversRefund, leftOf } from "../../split/refund-parts.ts";
import { splitBill } from "../../split/split.ts";
import { type NhsaRefusalCode, REVERSIBLE } from "../nhsa/messages.ts";
import type { InsuranceAccount } from "./accounts.ts";
import type { Movement } from "./movements.ts";
import { Totals } from "./totals.ts";

interface Message {
  readonly msgid: string;
  readonly infno: string;
  readonly institution: string;
}
export interface BillCommand extends Message {
  readonly action: "settle";
  readonly settlementId: string;
  readonly mdtrtId: string;
  readonly account: string;
  /** Fen, as text. */
  readonly bill: string;
  readonly lines?: readonly FeeLineText[];
}
export type InsurerCommand =
  | BillCommand
  | (Message & {
      readonly action: "undo";
      readonly account: string;
      readonly setlId: string;
      /** Fen as text, by fund; absent: all that is left. */
      readonly parts?: readonly (readonly [fund: string, fen: string])[];
      /** The refund's own name at the caller: tells a reversal from a refund. */
      readonly reversal: boolean;
    })
  | (Message & { readonly action: "reverse"; readonly account: string; readonly omsgid: string; readonly oinfno: string })
  /** An injected refusal: an outcome like any other. */
  | (Message & { readonly action: "decline" });

export type InsurerAnswer =
  | { readonly kind: "settled"; readonly setlId: string; readonly mdtrtId: string; readonly account: string; readonly amounts: Amounts }
  | {
      readonly kind: "undone";
      readonly setlId: string;
      readonly origSetlId: string;
      readonly mdtrtId: string;
      readonly parts: readonly FundPart[];
      readonly bill: Fen;
    }
  | { readonly kind: "reversed" }
  | { readonly kind: "refused"; readonly code: NhsaRefusalCode };

interface SettledBill {
  readonly command: BillCommand;
  readonly setlId: string;
  readonly amounts: Amounts;
  readonly parts: readonly FundPart[];
  readonly undone: Map<string, readonly FundPart[]>;
  reversed: boolean;
}

export class InsurerBook {
  readonly accounts: Map<string, InsuranceAccount> = new Map();
  readonly totals: Totals = new Totals();
  readonly profile: ProvinceProfile;
  readonly #bills = new Map<string, SettledBill>();
  /** Settlement that a visit's charge batch has, so that it is settled once. */
  readonly #open = new Map<string, string>();
  readonly #outcomes = new Map<string, { readonly answer: InsurerAnswer; readonly command: string }>();
  /** msgid of what was undone, to the settlement and the parts. */
  readonly #undos = new Map<string, SettledBill>();
  readonly #reversed = new Set<string>();
  #numbers = 0;

  constructor(profile: ProvinceProfile) {
    this.profile = profile;
  }

  /** The stored outcome of a msgid: repeated, or a conflict when the message is another one. */
  outcome(msgid: string, command: InsurerCommand): InsurerAnswer | undefined {
    const outcome = this.#outcomes.get(msgid);
    if (outcome === undefined) return undefined;
    return outcome.command === JSON.stringify(command) ? outcome.answer : no("F2008");
  }

  carryOut(command: InsurerCommand, atMs: number): { readonly answer: InsurerAnswer; readonly movements: readonly Movement[] } {
    const movements: Movement[] = [];
    const answer = this.#do(command, atMs, movements);
    this.#outcomes.set(command.msgid, { answer, command: JSON.stringify(command) });
    for (const movement of movements) this.totals.add(movement);
    return { answer, movements };
  }

  /** 2206 and its like: what a settlement would be just now. */
  presettle(bill: Pick<BillCommand, "account" | "bill" | "lines">): Amounts | NhsaRefusalCode {
    const account = this.accounts.get(bill.account);
    if (account === undefined) return "F1001";
    if (account.status === "closed") return "F1002";
    const total = asFen(BigInt(bill.bill));
    const lines = bill.lines === undefined ? undefined : checkFeeLines(bill.lines, total);
    if (lines?.ok === false) return "F9999";
    return splitBill(total, lines?.value, account.plan, this.profile);
  }

  #do(command: InsurerCommand, atMs: number, movements: Movement[]): InsurerAnswer {
    switch (command.action) {
      case "settle":
        return this.#settle(command, atMs, movements);
      case "undo":
        return this.#undo(command, atMs, movements);
      case "reverse":
        return this.#reverse(command, atMs, movements);
      case "decline":
        return no("F9999");
    }
  }

  #settle(command: BillCommand, atMs: number, movements: Movement[]): InsurerAnswer {
    const visit = `${command.institution}/${command.mdtrtId}`;
    if (this.#reversed.has(command.msgid)) return no("F2007");
    if (this.#open.has(visit)) return no("F2001");
    const amounts = this.presettle(command);
    if (typeof amounts === "string") return no(amounts);
    const setlId = this.#number();
    const bill: SettledBill = { command, setlId, amounts, parts: partsOf(amounts), undone: new Map(), reversed: false };
    this.#bills.set(setlId, bill);
    this.#open.set(visit, setlId);
    this.#take(bill, bill.parts, amounts.act_pay_dedc, 1n);
    movements.push(
      movementOf(bill, { kind: "capture", key: command.msgid, parts: bill.parts, bill: amounts.medfee_sumamt, reference: setlId, atMs }),
    );
    return { kind: "settled", setlId, mdtrtId: command.mdtrtId, account: command.account, amounts };
  }

  #undo(command: Extract<InsurerCommand, { action: "undo" }>, atMs: number, movements: Movement[]): InsurerAnswer {
    const bill = this.#bills.get(command.setlId);
    if (this.#reversed.has(command.msgid)) return no("F2007");
    if (bill === undefined || bill.command.institution !== command.institution || bill.command.account !== command.account)
      return no("F2002");
    const left = leftOf(bill.parts, bill.undone.values());
    if (bill.reversed || left.length === 0) return no("F2003");
    const parts = command.parts?.map(([fundSource, fen]): FundPart => ({ fundSource, amount: asFen(BigInt(fen)) })) ?? left;
    if (!coversRefund(left, parts)) return no("F2004");
    bill.undone.set(command.msgid, parts);
    this.#undos.set(command.msgid, bill);
    const nothingLeft = leftOf(bill.parts, bill.undone.values()).length === 0;
    this.#take(bill, parts, nothingLeft ? bill.amounts.act_pay_dedc : asFen(0n), -1n);
    if (nothingLeft) this.#open.delete(`${bill.command.institution}/${bill.command.mdtrtId}`);
    const total = command.parts === undefined ? bill.amounts.medfee_sumamt : sumOf(parts.map((part) => part.amount));
    const setlId = this.#number();
    const kind = command.reversal ? "reversal" : "refund";
    movements.push(movementOf(bill, { kind, key: command.msgid, parts, bill: total, reference: setlId, atMs }));
    return { kind: "undone", setlId, origSetlId: bill.setlId, mdtrtId: bill.command.mdtrtId, parts, bill: total };
  }

  /** A message that never came is closed: should it still arrive, it is refused. A message is reversed once. */
  #reverse(command: Extract<InsurerCommand, { action: "reverse" }>, atMs: number, movements: Movement[]): InsurerAnswer {
    const { omsgid, oinfno } = command;
    if (!REVERSIBLE.has(oinfno)) return no("F2005");
    if (this.#reversed.has(omsgid)) return no("F2006");
    const original = this.#outcomes.get(omsgid)?.answer;
    const undone = this.#undos.get(omsgid);
    const settled = original?.kind === "settled" ? this.#bills.get(original.setlId) : undefined;
    if (settled !== undefined && settled.undone.size > 0) return no("F2003");
    this.#reversed.add(omsgid);
    if (settled !== undefined) {
      settled.reversed = true;
      this.#open.delete(`${settled.command.institution}/${settled.command.mdtrtId}`);
      this.#take(settled, settled.parts, settled.amounts.act_pay_dedc, -1n);
      const bill = settled.amounts.medfee_sumamt;
      movements.push(
        movementOf(settled, { kind: "reversal", key: command.msgid, parts: settled.parts, bill, reference: this.#number(), atMs }),
      );
    }
    // Undoing an undoing: the settlement counts again. Told as a payment, for it takes what had been given back.
    const parts = undone?.undone.get(omsgid);
    if (undone !== undefined && parts !== undefined) {
      const whole = leftOf(undone.parts, undone.undone.values()).length === 0;
      undone.undone.delete(omsgid);
      this.#take(undone, parts, whole ? undone.amounts.act_pay_dedc : asFen(0n), 1n);
      this.#open.set(`${undone.command.institution}/${undone.command.mdtrtId}`, undone.setlId);
      const bill = sumOf(parts.map((part) => part.amount));
      movements.push(movementOf(undone, { kind: "capture", key: command.msgid, parts, bill, reference: this.#number(), atMs }));
    }
    return { kind: "reversed" };
  }

  /** Takes from what is left to the person, or with -1 gives it back. */
  #take(bill: SettledBill, parts: readonly FundPart[], deductible: Fen, direction: 1n | -1n): void {
    const account = this.accounts.get(bill.command.account);
    if (account === undefined) return;
    const of = (source: string): bigint => direction * (parts.find((part) => part.fundSource === source)?.amount ?? 0n);
    const { plan } = account;
    account.plan = {
      ...plan,
      deductibleLeft: asFen(plan.deductibleLeft - direction * deductible),
      poolCeilingLeft: asFen(plan.poolCeilingLeft - of("hifp_pay")),
      personalAccount: asFen(plan.personalAccount - of("acct_pay")),
      familyAccount: asFen(plan.familyAccount - of("acct_mulaid_pay")),
    };
  }

  #number(): string {
    this.#numbers++;
    return `${"51000000000000000"}${String(this.#numbers).padStart(13, "0")}`;
  }
}

function movementOf(bill: SettledBill, moved: Pick<Movement, "kind" | "key" | "parts" | "bill" | "reference" | "atMs">): Movement {
  const { institution, settlementId } = bill.command;
  return { rail: "insurance", institution, settlementId, amount: sumOf(moved.parts.map((part) => part.amount)), ...moved };
}

function no(code: NhsaRefusalCode): InsurerAnswer {
  return { kind: "refused", code };
}
