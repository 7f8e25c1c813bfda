import { toBase64 } from "../../core/protocol/bytes.ts";
import type { OutboxRecord } from "../../streams/bus/outbox-port.ts";
import { encodeEvent } from "../../streams/contracts/codec.ts";

export const QUEUED_TOPIC = "settlement.request.submitted.v1";

/** Settlements as an outbox holds them, of the size they have, spread over eight institutions. */
export function queuedRecords(from: number, count: number, atMs: number): OutboxRecord[] {
  const sealed = toBase64(new Uint8Array(280).fill(7));
  return Array.from({ length: count }, (_, at) => {
    const id = `queued-${from + at}`;
    const institution = `H5101040000${at % 8}`;
    const data = {
      action: "settle",
      institution,
      terminal: `${institution}T1`,
      businessType: "01301",
      outTradeNo: id,
      requestHash: "11".repeat(32),
      amount: "128.50",
      credential: { kind: "code", keyHandle: "edge.seal/1", wrappedKey: toBase64(new Uint8Array(129).fill(9)), sealed },
      codeFingerprint: "22".repeat(32),
      operatorId: "op7",
      acceptedAtMs: atMs,
      edge: "edge-bench",
    } as const;
    return {
      ...encodeEvent({ id, type: QUEUED_TOPIC, source: "/ronghe/edge/edge-bench", timeMs: atMs, key: institution, data }),
      eventId: id,
    };
  });
}
