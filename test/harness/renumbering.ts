/**
 * A platform that does not know a request again: each further copy on the bus asks under a number of its own, and vault
 * and seals take that number for the first. Only for control runs, which must fail.
 */
import { utf8, utf8Text } from "../../core/protocol/bytes.ts";
import { REQUESTS_TOPIC, type SettlementOptions } from "../../core/settlement/worker.ts";
import type { DeliveredRecord, Slice } from "../../streams/bus/port.ts";

/** Changes what a consumer sees of a slice. */
export type SliceLens = (slice: Slice) => Slice;

/** @param signed gives a changed request the origin that it had, where anybody asks for it. */
export function renumbering(signed: (record: DeliveredRecord, edge: string) => DeliveredRecord = (record) => record): SliceLens {
  /** Where each request stands, in the order of its copies. */
  const copies = new Map<string, string[]>();
  const shown = (record: DeliveredRecord): DeliveredRecord => {
    const id = record.headers["ce_id"] ?? "";
    const places = copies.get(id) ?? [];
    copies.set(id, places);
    const place = `${record.partition}/${record.offset}`;
    if (!places.includes(place)) places.push(place);
    const nth = places.indexOf(place);
    if (nth === 0) return record;
    const data = JSON.parse(utf8Text(record.value) ?? "") as { readonly outTradeNo: string; readonly edge: string };
    return signed({ ...record, value: utf8(JSON.stringify({ ...data, outTradeNo: `${data.outTradeNo}~${nth}` })) }, data.edge);
  };
  return (slice) => (slice.topic === REQUESTS_TOPIC ? { ...slice, records: slice.records.map(shown) } : slice);
}

type Openers = Pick<SettlementOptions, "vault" | "openCredential">;

export function withoutNumbers({ vault, openCredential }: Openers): Openers {
  return {
    vault: { deTokenise: (request) => vault.deTokenise({ ...request, transactionId: firstNumber(request.transactionId) }) },
    openCredential: (sealed, bound) => openCredential(sealed, { ...bound, outTradeNo: firstNumber(bound.outTradeNo) }),
  };
}

function firstNumber(number: string): string {
  return number.replace(/~\d+$/, "");
}
