import { describe, expect, test } from "vitest";
import { readBytesWithin, readTextWithin } from "./body.ts";

/** A body of the given parts; after them it says nothing more, unless it ends. */
function requestOf(parts: readonly Uint8Array[], ends: boolean, headers: Record<string, string> = {}) {
  let pulled = 0;
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const part = parts[pulled++];
        if (part !== undefined) controller.enqueue(part);
        else if (ends) controller.close();
        return part === undefined && !ends ? new Promise(() => undefined) : undefined;
      },
      cancel() {
        cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  const request = new Request("http://e/", { method: "POST", headers, body, duplex: "half" } as RequestInit);
  return { request, pulled: () => pulled, cancelled: () => cancelled };
}
const TEN = new Uint8Array(10).fill(0x61);

describe("a body", () => {
  test("is read up to its bound and not a part further", async () => {
    expect(await readTextWithin(requestOf([TEN, TEN], true).request, { bytesMax: 20 })).toEqual({ ok: true, value: "a".repeat(20) });
    const large = requestOf([TEN, TEN, TEN, TEN], true);
    expect(await readTextWithin(large.request, { bytesMax: 19 })).toEqual({ ok: false, error: "bodyTooLarge" });
    expect([large.pulled(), large.cancelled()]).toEqual([2, true]);
  });

  test("whose header says too much is not read at all", async () => {
    const { request, pulled } = requestOf([TEN], true, { "content-length": "21" });
    expect(await readBytesWithin(request, { bytesMax: 20 })).toEqual({ ok: false, error: "bodyTooLarge" });
    expect(pulled()).toBe(0);
  });

  test.each([
    ["counted", {}],
    ["declared", { "content-length": "15" }],
  ])("that does not come to its end in time is no request (%s)", async (_what, headers) => {
    const { request } = requestOf([TEN], false, headers);
    expect(await readBytesWithin(request, { bytesMax: 20, msMax: 10 })).toEqual({ ok: false, error: "badRequest" });
  });

  test("of bytes that are not UTF-8 is no text", async () => {
    expect(await readTextWithin(requestOf([new Uint8Array([0x61, 0xff])], true).request, { bytesMax: 20 })).toEqual({
      ok: false,
      error: "badRequest",
    });
  });

  test("of nothing is empty", async () => {
    expect(await readTextWithin(new Request("http://e/"), { bytesMax: 20 })).toEqual({ ok: true, value: "" });
  });
});

test("a client that goes away in the middle of its body sent no request, and leaves no exception", async () => {
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error("aborted")),
  });
  const request = new Request("http://edge/", { method: "POST", body, duplex: "half" } as RequestInit);
  expect(await readBytesWithin(request, { bytesMax: 100 })).toEqual({ ok: false, error: "badRequest" });
});
