import { expect, test } from "vitest";
import type { DeliveredRecord } from "../../streams/bus/port.ts";
import { readable } from "./tail.ts";

const record = (value: string | Uint8Array, contentType: string): DeliveredRecord => ({
  topic: "settlement.request.submitted.dlq.v1",
  partition: 0,
  offset: 0n,
  key: "k",
  value: Buffer.from(value),
  headers: { "content-type": contentType },
  timestampMs: 1,
});

test("a dead letter that is no JSON, whatever it calls itself, is shown as its bytes", () => {
  expect(readable(record("{", "application/json"))).toMatchObject({ base64: "ew==" });
  expect(readable(record(Uint8Array.of(0x22, 0xff, 0x22), "application/json"))).toMatchObject({ base64: "Iv8i" });
  expect(readable(record('{"a":1}', "application/json"))).toMatchObject({ data: { a: 1 } });
  expect(readable(record("note", "text/plain"))).toMatchObject({ text: "note" });
});
