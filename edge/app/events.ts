/**
 * What an edge tells the bus: requests it took, and codes it saw. Ids are derived, so that a repeat is the same event;
 * each event bears the edge's own MAC from the moment it is made, so that what waits in an outbox cannot be changed.
 */
import type { Crypto } from "../../core/crypto/port.ts";
import type { EdgePorts } from "../ports.ts";
import { toHex, utf8 } from "../../core/protocol/bytes.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import { tracedHeaders } from "../../core/protocol/tracing.ts";
import type { OutboxRecord } from "../../streams/bus/outbox-port.ts";
import { encodeEvent } from "../../streams/contracts/codec.ts";
import type { WrittenData } from "../../streams/contracts/topics.ts";

export type Submitted = WrittenData<"settlement.request.submitted.v1">;
export type ScanObserved = WrittenData<"code.scan.observed.v1">;

type Signing = Pick<EdgePorts, "crypto" | "origin">;

/** The request as the core will settle it. The same institution, number and content give the same id on any edge. */
export function submittedRecord(ports: Signing, settlementId: string, data: Submitted, traceparent?: string): OutboxRecord {
  const id = derivedId(ports.crypto, "submitted", [data.institution, data.outTradeNo, data.requestHash]);
  const event = {
    id,
    type: "settlement.request.submitted.v1",
    source: `/ronghe/edge/${data.edge}`,
    timeMs: data.acceptedAtMs,
    subject: settlementId,
    key: data.institution,
    data,
  } as const;
  const record = ports.origin.sign(encodeEvent(event));
  return { ...record, headers: tracedHeaders(record.headers, traceparent), eventId: id };
}

/** A code shown to a terminal. `occasion` names the showing: the transaction when it was accepted, else the envelope. */
export function scanRecord(ports: Signing & Pick<EdgePorts, "edgeId">, occasion: string, data: ScanObserved): OutboxRecord {
  const id = derivedId(ports.crypto, "scan", [data.institution, data.step, data.codeFingerprint ?? "", data.outcome, occasion]);
  const event = {
    id,
    type: "code.scan.observed.v1",
    source: `/ronghe/edge/${ports.edgeId}`,
    timeMs: data.atMs,
    key: data.institution,
    data,
  } as const;
  return { ...ports.origin.sign(encodeEvent(event)), eventId: id };
}

export interface ScanScene {
  readonly institution: string;
  readonly terminal: string;
  readonly businessType: string;
  readonly step: ScanObserved["step"];
  readonly atMs: EventMs;
}

/** Parts hold no line feed: identifiers, hex and names of the error table. */
function derivedId(crypto: Crypto, what: string, parts: readonly string[]): string {
  return toHex(crypto.sm3(utf8(["ronghe.edge.event/v1", what, ...parts].join("\n"))));
}
