import { checkFeeLines, feeLinesHash, type FeeLineText } from "../../core/protocol/fee-lines.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { type Fen, parseYuan } from "../../core/protocol/money.ts";
import { ok, type Result } from "../../core/protocol/result.ts";
import { refuse, type Refusal } from "./call.ts";

/** What is to be paid for, and of what kind it is. */
export interface Bill {
  readonly amount: string;
  readonly medType?: string | undefined;
  readonly feeLines?: readonly FeeLineText[] | undefined;
}

/** The amount, once it is one and the lines make it up. */
export function checkBill(bill: Bill): Result<Fen, Refusal> {
  const fen = parseYuan(bill.amount);
  if (fen === undefined || fen <= 0n) return refuse("amountInvalid");
  if (bill.feeLines !== undefined && !checkFeeLines(bill.feeLines, fen).ok) return refuse("feesInvalid");
  return ok(fen);
}

/** What of a bill makes two requests the same beside its amount. */
export function billIdentity(crypto: Crypto, bill: Bill): { readonly medType?: string; readonly feesHash?: string } {
  return {
    ...(bill.medType === undefined ? {} : { medType: bill.medType }),
    ...(bill.feeLines === undefined ? {} : { feesHash: feeLinesHash(crypto, bill.feeLines) }),
  };
}
