/** What each round asks for: always the same, so that a round that was cut off can be asked for again. */
import type { Request } from "./room.ts";

export function requestsOf(round: number): readonly Partial<Request>[] {
  const bills: Partial<Request>[] = [
    { outTradeNo: `rich-${round}`, credential: `rich-${round}`, amount: "100.00" },
    { outTradeNo: `poor-${round}`, credential: `poor-${round}`, amount: "100.00" },
  ];
  if (round === 0) return bills;
  // The bill of the round before, given back in two parts, one of them asked for twice.
  const back = { action: "refund" as const, originalOutTradeNo: `rich-${round - 1}`, credential: undefined };
  const part = { ...back, outTradeNo: `part-${round}`, refundType: "HI" as const, refundAmount: "33.33" };
  return [...bills, part, { ...back, outTradeNo: `rest-${round}` }, { ...part, eventId: `again-${round}` }];
}
