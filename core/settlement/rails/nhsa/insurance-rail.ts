/**
 * The payer port over the NHSA interface (docs/rails.md section 2). An insurer holds nothing: authorise is a
 * pre-settlement, capture the settlement, void nothing at all unless a settlement may be on its way, refund the undoing.
 *
 * A settlement that got no answer is asked again under its own msgid; should the saga give it up instead, 2601 reverses
 * it by that msgid. Until 2601 is answered the leg stays what it was. A settlement that comes out other than
 * pre-settled (somebody used the same entitlement in between) is undone and refused.
 */
import { formatYuan } from "../../../protocol/money.ts";
import type { Clock } from "../../../protocol/time.ts";
import { type FundPart, sameParts } from "../../plan.ts";
import { leftOf, refundParts } from "../../split/refund-parts.ts";
import type { Exchange } from "../exchange.ts";
import {
  type Asking,
  type AuthoriseAnswer,
  type AuthoriseRequest,
  type LegRequest,
  type MoveAnswer,
  type Payer,
  type PresettleAnswer,
  type PresettleRequest,
  type QueryAnswer,
  type RailAccount,
  railKey,
  type RefundRequest,
  type StatementRow,
  type StatementTotals,
  type VoidAnswer,
} from "../port.ts";
import { amountOf, readSplit, type Split } from "./answers.ts";
import { type NhsaAnswer, NhsaDesk, type NhsaSettings } from "./desk.ts";
import { billMessage, type Medium } from "./inputs.ts";
import { InsuredPeople } from "./insured-people.ts";
import { GARBAGE, LegMoves } from "./leg-moves.ts";
import { authorised, closed, done, NO_LEG, released } from "./legs.ts";
import { MediumSafe, type SealingKey } from "./medium-safe.ts";
import { defaultMedType, EC_TOKEN, INSTITUTION_CODE, TRANSACTIONS, visitIdOf, visitKindOf } from "./messages.ts";
import { InsurerStatement } from "./statement.ts";
import type { NhsaBill, NhsaLeg, NhsaStore, NhsaUndo } from "./store.ts";
import type { Msgids } from "./msgids.ts";

export interface InsuranceRailPorts {
  readonly exchange: Exchange;
  readonly store: NhsaStore;
  readonly msgids: Msgids;
  readonly sealing: SealingKey;
  readonly clock: Clock;
  readonly settings: NhsaSettings;
}

export class InsuranceRail implements Payer {
  readonly name = "insurance";
  readonly #ports: InsuranceRailPorts;
  readonly #desk: NhsaDesk;
  readonly #people: InsuredPeople;
  readonly #safe: MediumSafe;
  readonly #statement: InsurerStatement;
  readonly #moves: LegMoves;

  constructor(ports: InsuranceRailPorts) {
    this.#ports = ports;
    this.#desk = new NhsaDesk(ports.exchange, ports.settings, ports.msgids, ports.clock);
    this.#people = new InsuredPeople(this.#desk, ports.clock);
    this.#safe = new MediumSafe(ports.sealing);
    this.#moves = new LegMoves(ports, this.#desk, this.#safe);
    this.#statement = new InsurerStatement(ports, this.#desk);
  }

  async presettle(request: PresettleRequest): Promise<PresettleAnswer> {
    const { institution, visitId, asked, bill } = request;
    const quoted = await this.#quote({ ...request, settlementId: visitId }, request.account);
    if (quoted.kind !== "done") return quoted;
    if (asked !== bill || !INSTITUTION_CODE.test(institution)) return { kind: "refused", reason: "declined" };
    const { amounts, parts, personalAccount } = quoted.output.split;
    const balance = personalAccount === undefined ? {} : { personalAccount };
    return { kind: "done", amount: amountOf(parts), parts, amounts, ...balance };
  }

  async authorise(request: AuthoriseRequest, _asking: Asking): Promise<AuthoriseAnswer> {
    const { settlementId, institution } = request;
    const known = await this.#ports.store.leg(settlementId);
    if (known !== undefined) return authorised(known);
    // The insurer is the first payer: it is asked for the whole bill.
    if (request.asked !== request.bill) return { kind: "refused", reason: "declined" };
    const account = await request.account();
    if (account === undefined) return { kind: "unasked" };
    const quoted = await this.#quote(request, account);
    if (quoted.kind !== "done") return quoted;
    const { bill, visit, split } = quoted.output;
    const msgid = await this.#desk.msgid(institution);
    const medium = await this.#safe.put(settlementId, quoted.output.medium);
    // A release that overtook the question has closed the leg. Nothing is awaited between this look and the record.
    const meanwhile = this.#ports.store.begunSince(settlementId);
    if (meanwhile !== undefined) return authorised(meanwhile);
    const fresh = { ...NO_LEG, settlementId, institution, visit, state: "quoted" as const, bill, parts: split.parts, msgid, medium };
    const leg = await this.#save(fresh, "process");
    return authorised(leg);
  }

  async capture(request: LegRequest, _asking: Asking): Promise<MoveAnswer> {
    const leg = await this.#ports.store.leg(request.settlementId);
    switch (leg?.state) {
      case undefined:
        return { kind: "refused", reason: "holdUnknown" };
      case "quoted":
        if (amountOf(leg.parts) !== request.amount) return { kind: "refused", reason: "holdUnknown" };
        return await this.#moves.settle(await this.#save({ ...leg, state: "settling" }, "power"));
      case "settling":
      case "reversing":
        return await this.#moves.settle(leg);
      case "settled":
        return done(leg.parts, leg.setlId ?? "");
      case "mismatched":
        return await this.#moves.undoMismatch(leg);
      case "refused":
        return { kind: "refused", reason: leg.refusal ?? "declined" };
      case "closed":
        return { kind: "refused", reason: leg.refusal ?? "holdExpired" };
    }
  }

  async void(request: LegRequest, _asking: Asking): Promise<VoidAnswer> {
    const { settlementId, institution } = request;
    const leg = await this.#ports.store.leg(settlementId);
    switch (leg?.state) {
      case undefined:
        await this.#save({ ...NO_LEG, settlementId, institution, visit: "outpatient", state: "closed" }, "power");
        return released(settlementId);
      case "quoted":
        // Nothing was settled: there is nothing to tell the insurer.
        await this.#save(closed(leg), "power");
        return released(settlementId);
      case "refused":
      case "closed":
        return released(settlementId);
      case "settled":
        return { kind: "refused", reason: (await this.#left(leg)).length === 0 ? "refunded" : "captured" };
      case "settling":
      case "reversing":
        return await this.#moves.reverse(leg);
      case "mismatched": {
        const undone = await this.#moves.undoMismatch(leg);
        return undone.kind === "refused" ? released(settlementId) : GARBAGE;
      }
    }
  }

  async refund(request: RefundRequest, _asking: Asking): Promise<MoveAnswer> {
    const key = railKey(request.refundId, this.name, request.action);
    const known = await this.#ports.store.undo(key);
    if (known?.state === "done") return done(known.parts, known.setlId ?? "", known.parts);
    if (known?.state === "refused") return { kind: "refused", reason: known.refusal ?? "declined" };
    const found = await this.#ports.store.leg(request.settlementId);
    // A settlement whose answer never came, and that a statement has proved since: its number is asked for again.
    if (found?.state === "settling") await this.#moves.settle(found);
    if (found !== undefined && request.action === "reverse") {
      const reversed = await this.#moves.reversedBefore(found, request.amount);
      if (reversed !== undefined) return reversed;
    }
    const leg = await this.#ports.store.leg(request.settlementId);
    if (leg?.state === "settling" || leg?.state === "reversing") return { kind: "unknown", reason: "timeout" };
    if (leg?.state !== "settled" || leg.setlId === undefined) return { kind: "refused", reason: "notCaptured" };
    const left = await this.#left(leg);
    if (known === undefined && left.length === 0) return { kind: "refused", reason: "refunded" };
    const parts = known?.parts ?? request.parts ?? refundParts(left, request.amount);
    if (parts === undefined || amountOf(parts) !== request.amount) return { kind: "refused", reason: "refundExceeds" };
    const msgid = known?.msgid ?? (await this.#desk.msgid(leg.institution));
    const { settlementId, institution } = leg;
    const whole = known?.whole ?? (sameParts(parts, leg.parts) && sameParts(left, leg.parts));
    const fresh: NhsaUndo = {
      key,
      settlementId,
      institution,
      msgid,
      state: "sent",
      parts,
      whole,
      setlId: undefined,
      refusal: undefined,
      doneAtMs: undefined,
    };
    return await this.#moves.undo(leg, leg.setlId, known ?? (await this.#ports.store.saveUndo(fresh, "power")));
  }

  async query(key: string): Promise<QueryAnswer> {
    const [id = "", , action = ""] = key.split("/");
    if (action === "refund" || action === "reverse") {
      const undo = await this.#ports.store.undo(key);
      if (undo === undefined) return { kind: "absent" };
      if (undo.state === "sent") return { kind: "unknown", reason: "timeout" };
      return undo.state === "done"
        ? done(undo.parts, undo.setlId ?? "", undo.parts)
        : { kind: "refused", reason: undo.refusal ?? "declined" };
    }
    const leg = await this.#ports.store.leg(id);
    if (leg === undefined) return { kind: "absent" };
    switch (action) {
      case "authorise":
        return authorised(leg);
      case "capture":
        if (leg.state === "quoted") return { kind: "absent" };
        if (leg.state === "settled") return done(leg.parts, leg.setlId ?? "", leg.parts);
        if (leg.state === "refused" || leg.state === "closed") return { kind: "refused", reason: leg.refusal ?? "holdExpired" };
        return { kind: "unknown", reason: "timeout" };
      case "void":
        if (leg.state === "closed") return done([], leg.settlementId, []);
        return leg.state === "reversing" ? { kind: "unknown", reason: "timeout" } : { kind: "absent" };
      default:
        return { kind: "absent" };
    }
  }

  async statementTotals(day: string): Promise<StatementTotals> {
    return await this.#statement.totals(day);
  }

  statementRows(day: string): AsyncIterable<StatementRow> {
    return this.#statement.rows(day);
  }

  async close(): Promise<void> {
    await this.#ports.exchange.close();
    await this.#ports.store.close();
  }

  /** Who it is (1101), then what the insurer would pay (2206, 2101, 2303). Nothing has moved after either. */
  async #quote(
    request: Pick<AuthoriseRequest, "settlementId" | "institution" | "businessType" | "medType" | "fees" | "bill">,
    account: RailAccount,
  ): Promise<NhsaAnswer<{ readonly bill: NhsaBill; readonly medium: Medium; readonly visit: NhsaLeg["visit"]; readonly split: Split }>> {
    const { settlementId, institution } = request;
    if (account.rail !== "insurance" || !EC_TOKEN.test(account.ecToken)) return { kind: "refused", reason: "ecTokenMissing" };
    if (!INSTITUTION_CODE.test(institution)) return { kind: "refused", reason: "declined" };
    const medium: Medium = { psnNo: account.psnNo, ecToken: account.ecToken };
    const area = /^\d{6}/.exec(account.insuOrg)?.[0] ?? "";
    const person = await this.#people.find(institution, area, medium);
    if (person.kind !== "done") return person;
    const medType = request.medType ?? defaultMedType(request.businessType);
    const visit = visitKindOf(medType);
    const fees = request.fees === undefined ? {} : { fees: request.fees };
    const bill: NhsaBill = { total: formatYuan(request.bill), medType, insutype: person.output.insutype, area, ...fees };
    const msgid = await this.#desk.msgid(institution);
    const asked = { msgid, mdtrtId: visitIdOf(settlementId), psnNo: medium.psnNo, total: request.bill };
    const answer = await this.#desk.ask(
      {
        infno: TRANSACTIONS[visit].presettle,
        institution,
        msgid,
        insuredArea: area,
        input: billMessage(visit, settlementId, bill, medium),
      },
      (output) => readSplit(output, asked, this.#ports.settings.profile),
    );
    return answer.kind === "done" ? { kind: "done", output: { bill, medium, visit, split: answer.output } } : answer;
  }

  /** What is left of a settled leg, counting what was given back for certain. */
  async #left(leg: NhsaLeg): Promise<readonly FundPart[]> {
    const undos = await this.#ports.store.undosOf(leg.settlementId);
    return leftOf(
      leg.parts,
      undos.filter((undo) => undo.state === "done").map((undo) => undo.parts),
    );
  }

  async #save(leg: NhsaLeg, durability: "power" | "process"): Promise<NhsaLeg> {
    return await this.#ports.store.saveLeg(leg, durability);
  }
}
